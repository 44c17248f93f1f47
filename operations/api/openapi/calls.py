"""The calls of the surface: what each takes and what it may answer. The table of ``openapi.json``.

Paths are those of ``api.urls``; a test holds the two against each other. What is in a connection
has a table of its own, ``content_calls``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from operations.api import edm
from operations.api.openapi.answers import JSON, TEXT
from operations.api.openapi.schemas import Schema, body_schema, page_schema, reference

#: A schema that may differ between the versions; the argument says whether it is for beta.
Shape = Callable[[bool], Schema]


def entity(kind: edm.EntityType) -> Shape:
    return lambda beta: reference(kind, beta=beta)


def page(kind: edm.EntityType) -> Shape:
    return lambda beta: page_schema(kind, beta=beta)


def to_create(kind: edm.EntityType, *, keyed: bool = False) -> Shape:
    return lambda beta: body_schema(kind, beta=beta, creates=True, keyed=keyed)


def to_update(kind: edm.EntityType) -> Shape:
    return lambda beta: body_schema(kind, beta=beta, creates=False)


def component(name: str) -> Shape:
    return lambda beta: {"$ref": f"#/components/schemas/{name}"}


def inline(schema: Schema) -> Shape:
    return lambda beta: schema


@dataclass(frozen=True)
class Answer:
    """One status that a call may answer with when it goes well."""

    status: int
    sentence: str
    shape: Shape | None = None
    headers: Sequence[str] = ()
    media: str = JSON
    example: Any = None


@dataclass(frozen=True)
class Call:
    method: str
    name: str
    summary: str
    answers: Sequence[Answer]
    body: Shape | None = None
    example: Any = None
    options: Sequence[str] = ()
    refusals: Sequence[int] = ()
    media: str = JSON
    needs_token: bool = True


Table = dict[str, Sequence[Call]]

CONNECTION = edm.CONNECTION
OPERATION = edm.CONNECTION_OPERATION
SCHEMA = edm.SCHEMA

LIST_OPTIONS = (
    "$select $filter $orderby $top $skip $count $skiptoken $format Prefer client-request-id"
).split()
COUNT_OPTIONS = ("$filter", "$format", "client-request-id")
READ_OPTIONS = ("$select", "$format", "If-Match", "If-None-Match", "Prefer", "client-request-id")
CREATE_OPTIONS = ("Prefer", "client-request-id")
CHANGE_OPTIONS = ("If-Match", "If-None-Match", "Prefer", "client-request-id")
DELETE_OPTIONS = ("If-Match", "If-None-Match", "client-request-id")
PLAIN = ("client-request-id",)

ALWAYS = (400, 401, 403, 429, 500, 503)
BELOW = (*ALWAYS, 404)  # a connection is named, and may not be there
CHANGES = (*BELOW, 409, 412)

A_CONNECTION = {"id": "contosodocs", "name": "Contoso documents", "description": "All files"}
A_SCHEMA = {
    "baseType": "microsoft.graph.externalItem",
    "properties": [
        {
            "name": "title",
            "type": "string",
            "isSearchable": True,
            "isRetrievable": True,
            "labels": ["title"],
        }
    ],
}
#: The one example of an operation that Graph's documentation has.
AN_OPERATION = {
    "id": "3ed1595a-4bae-43c2-acda-ef973e581323",
    "status": "failed",
    "error": {"message": "Server error, something went wrong"},
}

COUNT_ANSWER = Answer(
    200,
    "How many there are, as text.",
    inline({"type": "string", "pattern": "^[0-9]+$"}),
    media="text/plain",
)
UNCHANGED = Answer(
    304, "The entity is still the version that `If-None-Match` names.", headers=("ETag",)
)
WITHOUT_BODY = Answer(204, "With `Prefer: return=minimal`.", headers=("ETag", "Preference-Applied"))
CREATED_WITHOUT_BODY = Answer(
    204,
    WITHOUT_BODY.sentence,
    headers=("Location", "OData-EntityId", "ETag", "Preference-Applied"),
)
STARTED = Answer(
    202,
    "A registration was begun; `Location` is the operation to poll.",
    headers=("Location", "Retry-After", "Preference-Applied"),
)

CREATED_HEADERS = ("Location", "ETag", "Preference-Applied")

#: Below each version root, with and without ``/external``.
RESOURCES: Table = {
    "/connections": (
        Call(
            "get",
            "listConnections",
            "List the connections that the caller may see",
            (Answer(200, "A page of connections.", page(CONNECTION), ("Preference-Applied",)),),
            options=(*LIST_OPTIONS, "$expand"),
            refusals=ALWAYS,
        ),
        Call(
            "post",
            "createConnection",
            "Create a connection",
            (
                Answer(
                    201,
                    "The connection.",
                    entity(CONNECTION),
                    ("Location", "ETag", "Preference-Applied"),
                ),
                CREATED_WITHOUT_BODY,
            ),
            body=to_create(CONNECTION),
            example=A_CONNECTION,
            options=CREATE_OPTIONS,
            refusals=(*ALWAYS, 409, 413),
        ),
    ),
    "/connections/$count": (
        Call(
            "get",
            "countConnections",
            "Count the connections that the caller may see",
            (COUNT_ANSWER,),
            options=COUNT_OPTIONS,
            refusals=ALWAYS,
        ),
    ),
    "/connections/{connection_id}": (
        Call(
            "get",
            "getConnection",
            "Get a connection",
            (
                Answer(200, "The connection.", entity(CONNECTION), ("ETag", "Preference-Applied")),
                UNCHANGED,
            ),
            options=(*READ_OPTIONS, "$expand"),
            refusals=(*BELOW, 412),
        ),
        Call(
            "patch",
            "updateConnection",
            "Change what is given of a connection",
            (
                Answer(204, "It is changed.", headers=("ETag",)),
                Answer(
                    200,
                    "With `Prefer: return=representation`.",
                    entity(CONNECTION),
                    ("ETag", "Preference-Applied"),
                ),
            ),
            body=to_update(CONNECTION),
            example={"description": "Handbook, policies and forms"},
            options=CHANGE_OPTIONS,
            refusals=(*CHANGES, 413),
        ),
        Call(
            "delete",
            "deleteConnection",
            "Delete a connection and all below it",
            (Answer(202, "It is gone from the API; its id is free when the deletion ends."),),
            options=DELETE_OPTIONS,
            refusals=CHANGES,
        ),
    ),
    "/connections/{connection_id}/schema": (
        Call(
            "get",
            "getSchema",
            "Get the schema in force, or the one whose first registration is running",
            (
                Answer(200, "The schema.", entity(SCHEMA), ("ETag", "Preference-Applied")),
                UNCHANGED,
            ),
            options=READ_OPTIONS,
            refusals=(*BELOW, 412),
        ),
        Call(
            "patch",
            "registerSchema",
            "Register a schema, or change the one in force",
            (STARTED,),
            body=to_create(SCHEMA),
            example=A_SCHEMA,
            options=CHANGE_OPTIONS,
            refusals=(*CHANGES, 413),
        ),
        Call(
            "post",
            "createSchema",
            "Register a schema, as programs did before 2024",
            (STARTED,),
            body=to_create(SCHEMA),
            example=A_SCHEMA,
            options=CHANGE_OPTIONS,
            refusals=(*CHANGES, 413),
        ),
    ),
    "/connections/{connection_id}/operations": (
        Call(
            "get",
            "listOperations",
            "List the operations of a connection, newest first",
            (Answer(200, "A page of operations.", page(OPERATION), ("Preference-Applied",)),),
            options=LIST_OPTIONS,
            refusals=BELOW,
        ),
        Call(
            "post",
            "createOperation",
            "Report an operation that another service runs",
            (
                Answer(
                    201,
                    "The operation.",
                    entity(OPERATION),
                    ("Location", "ETag", "Preference-Applied"),
                ),
                CREATED_WITHOUT_BODY,
            ),
            body=to_create(OPERATION),
            example={"id": "crawl-1", "status": "inprogress"},
            options=CREATE_OPTIONS,
            refusals=(*BELOW, 409, 413),
        ),
    ),
    "/connections/{connection_id}/operations/$count": (
        Call(
            "get",
            "countOperations",
            "Count the operations of a connection",
            (COUNT_ANSWER,),
            options=COUNT_OPTIONS,
            refusals=BELOW,
        ),
    ),
    "/connections/{connection_id}/operations/{operation_id}": (
        Call(
            "get",
            "getOperation",
            "Get an operation",
            (
                Answer(
                    200,
                    "The operation; `Retry-After` while its registration is unfinished.",
                    entity(OPERATION),
                    ("ETag", "Retry-After", "Preference-Applied"),
                    example=AN_OPERATION,
                ),
                UNCHANGED,
            ),
            options=READ_OPTIONS,
            refusals=(*BELOW, 412),
        ),
        Call(
            "patch",
            "updateOperation",
            "Move a reported operation on, or give a failure its error",
            (
                Answer(200, "The operation.", entity(OPERATION), ("ETag", "Preference-Applied")),
                WITHOUT_BODY,
            ),
            body=to_update(OPERATION),
            example={"status": "failed", "error": AN_OPERATION["error"]},
            options=CHANGE_OPTIONS,
            refusals=(*CHANGES, 413),
        ),
        Call(
            "delete",
            "deleteOperation",
            "Delete a finished or reported operation",
            (Answer(204, "It is gone."),),
            options=DELETE_OPTIONS,
            refusals=CHANGES,
        ),
    ),
}
#: Below each version root itself.
ROOT: Table = {
    "": (
        Call(
            "get",
            "getServiceDocument",
            "List what can follow the version root",
            (Answer(200, "Names and addresses.", component("serviceDocument")),),
            options=PLAIN,
            refusals=(400, 500),
            needs_token=False,
        ),
    ),
    "/$metadata": (
        Call(
            "get",
            "getMetadata",
            "Get the data model (CSDL 4.0)",
            (Answer(200, "The model in XML.", inline(TEXT), media="application/xml"),),
            options=PLAIN,
            refusals=(400, 500),
            needs_token=False,
        ),
    ),
    "/external": (
        Call(
            "get",
            "getExternal",
            "Get the singleton that holds the connections",
            (Answer(200, "The singleton, without its connections.", entity(edm.EXTERNAL)),),
            options=("$select", "$format", "client-request-id"),
            refusals=ALWAYS,
        ),
    ),
    "/$batch": (
        Call(
            "post",
            "batch",
            "Send up to 20 requests in one",
            (Answer(200, "An answer to each, as if sent alone.", component("batchAnswer")),),
            body=component("batch"),
            example={
                "requests": [
                    {"id": "1", "method": "GET", "url": "/external/connections"},
                    {"id": "2", "method": "GET", "url": "/connections/contosohr/operations"},
                ]
            },
            options=PLAIN,
            refusals=(400, 401, 413, 500, 503),
        ),
    ),
}
#: Outside of the versions. Refusals of the tenant's paths have OAuth's form.
OUTSIDE: Table = {
    "/{tenant}/oauth2/v2.0/token": (
        Call(
            "post",
            "getToken",
            "Get a bearer token for a client id and its secret",
            (
                Answer(200, "The token.", component("token")),
                Answer(400, "The request or the client is wrong.", component("oauthError")),
                Answer(401, "The secret is wrong or has expired.", component("oauthError")),
                Answer(500, "Something of ours broke.", component("oauthError")),
            ),
            body=component("tokenForm"),
            media="application/x-www-form-urlencoded",
            needs_token=False,
        ),
    ),
    **{
        path: (
            Call(
                "get",
                name,
                "Get the OpenID provider metadata",
                (
                    Answer(200, "Addresses and abilities.", component("openIdProvider")),
                    Answer(400, "There is no such tenant.", component("oauthError")),
                ),
                needs_token=False,
            ),
        )
        for path, name in (
            ("/{tenant}/v2.0/.well-known/openid-configuration", "getOpenIdProvider"),
            ("/{tenant}/.well-known/openid-configuration", "getOpenIdProviderV1"),
        )
    },
    "/{tenant}/discovery/v2.0/keys": (
        Call(
            "get",
            "getKeys",
            "Get the keys that tokens are signed with (JSON Web Key Set)",
            (
                Answer(200, "The public keys.", component("keySet")),
                Answer(400, "There is no such tenant.", component("oauthError")),
            ),
            needs_token=False,
        ),
    ),
    "/openapi.json": (
        Call(
            "get",
            "getOpenApi",
            "Get this description",
            (Answer(200, "OpenAPI 3.1.", inline({"type": "object"})),),
            needs_token=False,
        ),
    ),
    "/docs": (
        Call(
            "get",
            "getDocs",
            "Read this description as a page",
            (Answer(200, "The page.", inline(TEXT), media="text/html"),),
            needs_token=False,
        ),
    ),
}
