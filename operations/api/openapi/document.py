"""The table of calls, written out as an OpenAPI 3.1 document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from django.conf import settings

from operations.access import CONNECTIONS, ITEMS, Family
from operations.api.openapi import content_calls
from operations.api.openapi.answers import (
    EVERY_ANSWER,
    GRAPH_ANSWER,
    HEADERS,
    PARAMETERS,
    PATH_PARAMETERS,
    REFUSALS,
    SCHEMAS,
    header_references,
    refusal_responses,
)
from operations.api.openapi.calls import OUTSIDE, RESOURCES, ROOT, Answer, Call, Table
from operations.api.openapi.schemas import model_schemas

Json = dict[str, Any]

VERSIONS = ("v1.0", "beta")
TOKENS = "Tokens and descriptions"
DESCRIPTION = """
Microsoft Graph's REST surface for external connections, their operations, items and groups, with
Graph's paths, bodies, headers, errors and roles. Every refusal has Graph's error envelope. Keys may
also stand in parentheses, `/connections('contosohr')`, and query options may be written without
their `$`; `$search` has no meaning here and is refused.
"""


def document(server: str) -> Json:
    """The whole surface as it is reached at ``server``, an address without a slash at its end."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Connectors Admin",
            "version": settings.VERSION,
            "description": DESCRIPTION.strip(),
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": server}],
        "tags": [
            *(
                {"name": _tag(version, external), "description": _way(version, external)}
                for version in VERSIONS
                for external in (True, False)
            ),
            {"name": TOKENS, "description": "What needs no token."},
        ],
        "paths": _paths(),
        "components": _components() | {"securitySchemes": _security(server)},
        "security": [{"bearer": []}, {"clientCredentials": []}],
    }


def _tag(version: str, external: bool) -> str:
    return version if external else f"{version} without /external"


def _way(version: str, external: bool) -> str:
    return (
        f"Below `/{version}`, as Graph documents it."
        if external
        else f"The same resources straight below `/{version}`."
    )


def _security(server: str) -> Json:
    return {
        "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
        "clientCredentials": {
            "type": "oauth2",
            "description": "A client id and its secret. "
            f"Connections, schemas, operations and quota: {_roles(CONNECTIONS)} "
            f"Items and groups: {_roles(ITEMS)}",
            "flows": {
                "clientCredentials": {
                    "tokenUrl": f"{server}/common/oauth2/v2.0/token",
                    "scopes": {default_scope(): "All roles of the application."},
                }
            },
        },
    }


def _roles(family: Family) -> str:
    reading, writing = ("`, `".join(roles) for roles in (family.to_read, family.to_write))
    return f"reading needs one of the roles `{reading}`, writing one of `{writing}`."


@lru_cache(maxsize=1)
def _components() -> Json:
    return {
        "schemas": model_schemas() | SCHEMAS,
        "parameters": PARAMETERS,
        "headers": HEADERS,
        "responses": refusal_responses(),
    }


def default_scope() -> str:
    """What a client asks for at the token endpoint."""
    return f"{settings.TOKEN_AUDIENCE}/.default"


@lru_cache(maxsize=1)
def _paths() -> Json:
    paths: Json = {}
    for version in VERSIONS:
        for external in (True, False):
            way = "/external" if external else ""
            for path, calls in _resources(version).items():
                paths[f"/{version}{way}{path}"] = _path(path, calls, version, external)
        for path, calls in ROOT.items():
            paths[f"/{version}{path}"] = _path(path, calls, version, True)
    for path, calls in OUTSIDE.items():
        paths[path] = _path(path, calls, None, False)
    return paths


def _resources(version: str) -> Table:
    """What is below a connection, and it itself, in this version."""
    everywhere = RESOURCES | content_calls.RESOURCES
    return everywhere | content_calls.ON_BETA if version == "beta" else everywhere


NAMED_ONCE = {call.name for calls in ROOT.values() for call in calls}


def _path(path: str, calls: Sequence[Call], version: str | None, external: bool) -> Json:
    item: Json = {call.method: _operation(call, version, external) for call in calls}
    keys = [name for name in PATH_PARAMETERS if f"{{{name}}}" in path]
    return item | ({"parameters": _parameters(keys)} if keys else {})


def _operation(call: Call, version: str | None, external: bool) -> Json:
    beta = version == "beta"
    way = [version.removesuffix(".0")] if version else []
    if external and call.name not in NAMED_ONCE:
        way.append("external")
    tag = TOKENS if version is None else _tag(version, external)
    operation: Json = {
        "operationId": ".".join([*way, call.name]),
        "summary": call.summary,
        "tags": [tag],
    }
    if call.options:
        operation["parameters"] = _parameters(call.options)
    if call.body is not None:
        content: Json = {"schema": call.body(beta)}
        if call.example is not None:
            content["example"] = call.example
        operation["requestBody"] = {"required": True, "content": {call.media: content}}
    shared = EVERY_ANSWER if version is None else GRAPH_ANSWER
    operation["responses"] = {
        **{str(answer.status): _answer(answer, shared, beta) for answer in call.answers},
        **{
            str(status): {"$ref": f"#/components/responses/{REFUSALS[status][0]}"}
            for status in sorted(call.refusals)
        },
    }
    if not call.needs_token:
        operation["security"] = []
    return operation


def _answer(answer: Answer, shared: Sequence[str], beta: bool) -> Json:
    described: Json = {
        "description": answer.sentence,
        "headers": header_references(*shared, *answer.headers),
    }
    if answer.shape is not None:
        content: Mapping[str, Any] = {"schema": answer.shape(beta)}
        if answer.example is not None:
            content = {**content, "example": answer.example}
        described["content"] = {answer.media: content}
    return described


def _parameters(names: Sequence[str]) -> list[Json]:
    return [{"$ref": f"#/components/parameters/{name.lstrip('$')}"} for name in names]
