"""What calls have in common: parameters, headers, and the answers of a refusal."""

from __future__ import annotations

from typing import Any

from django.conf import settings

from operations.api import edm
from operations.api.batch import MAX_PARTS, METHODS

Part = dict[str, Any]

JSON = "application/json"
TEXT: Part = {"type": "string"}
GUID: Part = {"type": "string", "format": "uuid"}

# Parameters --------------------------------------------------------------------------------------


def _parameter(place: str, name: str, description: str, schema: Part, **more: Any) -> Part:
    return {"name": name, "in": place, "description": description, "schema": schema, **more}


def _key(name: str, kind: edm.EntityType, example: str) -> Part:
    prop = kind.properties["id"]
    form: Part = {"pattern": prop.pattern} if prop.pattern else {"maxLength": prop.max_length}
    schema = {"type": "string", "minLength": 1, **form}
    return _parameter("path", name, prop.description, schema, required=True, example=example)


def _number(minimum: int, maximum: int) -> Part:
    return {"type": "integer", "minimum": minimum, "maximum": maximum}


PATH_PARAMETERS: dict[str, Part] = {
    "connection_id": _key("connection_id", edm.CONNECTION, "contosohr"),
    "operation_id": _key(
        "operation_id", edm.CONNECTION_OPERATION, "3ed1595a-4bae-43c2-acda-ef973e581323"
    ),
    "item_id": _key("item_id", edm.EXTERNAL_ITEM, "TSP228082938"),
    "group_id": _key("group_id", edm.EXTERNAL_GROUP, "31bea3d537902000"),
    "member_id": _key("member_id", edm.IDENTITY, "e811976d-83df-4cbd-8b9b-5215b18aa874"),
    "tenant": _parameter(
        "path",
        "tenant",
        "The tenant's GUID, as `serve` prints it, or one of the names that stand for it.",
        {"type": "string", "pattern": "^[0-9a-z-]{1,64}$"},
        required=True,
        example="common",
    ),
}
#: OData's query options; each may also be written without its `$`.
QUERY_PARAMETERS: dict[str, Part] = {
    name: _parameter("query", name, description, schema, required=False)
    for name, description, schema in (
        ("$select", "Only these members, with commas between.", TEXT),
        (
            "$filter",
            "Only what fulfils this: `eq ne gt ge lt le in`, `and or not`, parentheses, "
            "`contains startswith endswith`.",
            TEXT,
        ),
        ("$orderby", "Sorted by these members, each `asc` or `desc`.", TEXT),
        (
            "$top",
            f"The page size: {settings.PAGE_SIZE} unless given, at most "
            f"{settings.MAX_PAGE_SIZE}; more is cut to that.",
            _number(1, 2**31 - 1),
        ),
        ("$skip", "Leaves out this many from the beginning.", _number(0, 2**31 - 1)),
        ("$count", "Adds `@odata.count`, how many there are on all pages.", {"type": "boolean"}),
        ("$skiptoken", "Continues a list; only as a next link has it.", TEXT),
        ("$expand", "Adds what belongs to a connection: `operations`, `schema`.", TEXT),
        ("$format", "`json`, or the media type that `Accept` would ask for.", TEXT),
    )
}
HEADER_PARAMETERS: dict[str, Part] = {
    name: _parameter("header", name, description, schema, required=False)
    for name, description, schema in (
        (
            "client-request-id",
            "The caller's id for this one request, given back in the answer. The same POST under "
            "the same id gets its first answer again, and makes nothing twice.",
            TEXT,
        ),
        (
            "Prefer",
            "`return=minimal` or `return=representation`, `odata.maxpagesize=N`, "
            '`include-unknown-enum-members`, `odata.include-annotations="connectorsAdmin.*"`.',
            TEXT,
        ),
        ("If-Match", "Goes on only if the entity still has this ETag, or with `*` if any.", TEXT),
        ("If-None-Match", "Not if the entity still has this ETag: 304 for a GET, else 412.", TEXT),
    )
}
#: By the names that references use; the dollar sign may not stand in one.
PARAMETERS: dict[str, Part] = {
    name.lstrip("$"): part
    for name, part in (PATH_PARAMETERS | QUERY_PARAMETERS | HEADER_PARAMETERS).items()
}

# Headers of answers ------------------------------------------------------------------------------


def _header(description: str, schema: Part = TEXT, **more: Any) -> Part:
    return {"description": description, "schema": schema, **more}


HEADERS: dict[str, Part] = {
    "request-id": _header("The request's id, also in the log and in errors.", GUID, required=True),
    "client-request-id": _header(
        "The caller's id for the request, else the request's own.", required=True
    ),
    "OData-Version": _header("Always 4.0.", {"const": "4.0"}, required=True),
    "Location": _header(
        "Where the new entity is, or the operation to poll.", {"type": "string", "format": "uri"}
    ),
    "Retry-After": _header(
        "Seconds to wait before the next try.", {"type": "integer", "minimum": 0}
    ),
    "ETag": _header("The entity's version, for `If-Match` and `If-None-Match`."),
    "OData-EntityId": _header("The new entity's address, when the answer has no body."),
    "Preference-Applied": _header("Which preferences were honoured."),
    "WWW-Authenticate": _header("Where a token can be had.", required=True),
}
EVERY_ANSWER = ("request-id", "client-request-id")
GRAPH_ANSWER = (*EVERY_ANSWER, "OData-Version")


def header_references(*names: str) -> Part:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


# Refusals ----------------------------------------------------------------------------------------

_ERROR_TEXTS = {"code": TEXT, "message": TEXT}
_DETAIL: Part = {
    "type": "object",
    "required": ["code", "message"],
    "properties": {**_ERROR_TEXTS, "target": TEXT},
    "additionalProperties": False,
}
ERROR: Part = {
    "type": "object",
    "description": "Graph's error envelope: generic outside, the useful code in innerError.",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message", "innerError"],
            "properties": {
                **_ERROR_TEXTS,
                "target": {**TEXT, "description": "The member or option that it is about."},
                "details": {
                    "type": "array",
                    "minItems": 1,
                    "description": "Every fault that was found.",
                    "items": _DETAIL,
                },
                "innerError": {
                    "type": "object",
                    "required": ["date", "request-id", "client-request-id"],
                    "properties": {
                        **_ERROR_TEXTS,
                        "date": TEXT,
                        "request-id": GUID,
                        "client-request-id": TEXT,
                    },
                },
            },
            "additionalProperties": False,
        }
    },
    "additionalProperties": False,
}
OAUTH_ERROR: Part = {
    "type": "object",
    "description": "A refusal of the token endpoint, in OAuth's form with Entra's additions.",
    "required": ["error", "error_description", "error_codes"],
    "properties": {
        "error": TEXT,
        "error_description": TEXT,
        "error_codes": {"type": "array", "items": {"type": "integer"}},
        "timestamp": TEXT,
        "trace_id": GUID,
        "correlation_id": TEXT,
    },
    "additionalProperties": False,
}
#: Status -> name and sentence. The body is the envelope.
REFUSALS: dict[int, tuple[str, str]] = {
    400: ("BadRequest", "The body or an option breaks a rule; `details` lists every fault."),
    401: ("Unauthorized", "No token, or one that is not ours, has expired or was revoked."),
    403: ("Forbidden", "The token lacks the role, or the connection may only be read."),
    404: ("NotFound", "No such thing, or not for this application to see."),
    409: (
        "Conflict",
        "The id is taken, a registration is unfinished, a limit is reached, or the state forbids "
        "it; a state is named.",
    ),
    412: ("PreconditionFailed", "The entity is not the version that `If-Match` names."),
    413: (
        "RequestTooLarge",
        f"The body is larger than {settings.MAX_BODY_BYTES} bytes; of an item, or of a batch, "
        f"{settings.MAX_ITEM_BYTES}.",
    ),
    429: ("TooManyRequests", "The application is over its limit; wait as `Retry-After` says."),
    500: ("InternalError", "Something of ours broke; the log has it under the request id."),
    503: (
        "Unavailable",
        "The database, or a foreign token's issuer, does not answer; try again.",
    ),
}
_MORE_HEADERS = {401: ("WWW-Authenticate",), 429: ("Retry-After",), 503: ("Retry-After",)}


def refusal_responses() -> dict[str, Part]:
    return {
        name: {
            "description": sentence,
            "headers": header_references(*GRAPH_ANSWER, *_MORE_HEADERS.get(status, ())),
            "content": {JSON: {"schema": {"$ref": "#/components/schemas/error"}}},
        }
        for status, (name, sentence) in REFUSALS.items()
    }


# Bodies that are no part of the data model -------------------------------------------------------

_PART_HEADERS: Part = {"type": ["object", "null"], "additionalProperties": TEXT}
BATCH: Part = {
    "type": "object",
    "required": ["requests"],
    "properties": {
        "requests": {
            "type": "array",
            "minItems": 1,
            "maxItems": MAX_PARTS,
            "items": {
                "type": "object",
                "required": ["id", "method", "url"],
                "properties": {
                    "id": {**TEXT, "minLength": 1, "description": "Unique in the batch."},
                    "method": {"enum": list(METHODS)},
                    "url": {
                        **TEXT,
                        "minLength": 1,
                        "description": "Below the version root, or absolute on this server.",
                    },
                    "headers": _PART_HEADERS,
                    "body": {"description": "The JSON that the part sends."},
                    "dependsOn": {
                        "type": "array",
                        "items": TEXT,
                        "description": "Earlier parts that must have succeeded, else 424.",
                    },
                },
            },
        }
    },
}
BATCH_ANSWER: Part = {
    "type": "object",
    "required": ["responses"],
    "properties": {
        "responses": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["id", "status", "headers"],
                "properties": {
                    "id": TEXT,
                    "status": _number(100, 599),
                    "headers": {"type": "object", "additionalProperties": TEXT},
                    "body": {"description": "JSON as it is, all else in base64."},
                },
                "additionalProperties": False,
            },
        }
    },
    "additionalProperties": False,
}
SERVICE_DOCUMENT: Part = {
    "type": "object",
    "required": ["value"],
    "properties": {
        "@odata.context": TEXT,
        "value": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["name", "url"],
                "properties": {"name": TEXT, "kind": TEXT, "url": TEXT},
                "additionalProperties": False,
            },
        },
    },
    "additionalProperties": False,
}
TOKEN_FORM: Part = {
    "type": "object",
    "required": ["grant_type", "scope"],
    "properties": {
        "grant_type": {"const": "client_credentials"},
        "client_id": {**TEXT, "description": "Or as the name in HTTP Basic authentication."},
        "client_secret": {**TEXT, "description": "Or as the password there."},
        "scope": {**TEXT, "pattern": "/\\.default$", "description": "A resource and `/.default`."},
    },
}
TOKEN: Part = {
    "type": "object",
    "required": ["token_type", "expires_in", "ext_expires_in", "access_token"],
    "properties": {
        "token_type": {"const": "Bearer"},
        "expires_in": {"type": "integer", "description": "Seconds."},
        "ext_expires_in": {"type": "integer"},
        "access_token": TEXT,
    },
    "additionalProperties": False,
}
_WORDS: Part = {"type": "array", "items": TEXT}
_ADDRESS: Part = {"type": "string", "format": "uri"}
PROVIDER: Part = {
    "type": "object",
    "required": ["issuer", "token_endpoint", "jwks_uri"],
    "properties": {
        "issuer": _ADDRESS,
        "authorization_endpoint": _ADDRESS,
        "token_endpoint": _ADDRESS,
        "jwks_uri": _ADDRESS,
    },
    "additionalProperties": _WORDS,
}
KEYS: Part = {
    "type": "object",
    "required": ["keys"],
    "properties": {
        "keys": {"type": "array", "items": {"type": "object", "required": ["kty", "kid"]}}
    },
    "additionalProperties": False,
}
SCHEMAS: dict[str, Part] = {
    "error": ERROR,
    "oauthError": OAUTH_ERROR,
    "batch": BATCH,
    "batchAnswer": BATCH_ANSWER,
    "serviceDocument": SERVICE_DOCUMENT,
    "tokenForm": TOKEN_FORM,
    "token": TOKEN,
    "openIdProvider": PROVIDER,
    "keySet": KEYS,
}
