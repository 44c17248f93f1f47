"""Control information: the ``@odata.*`` members, as much of it as the caller asked for.

OData JSON 4.0, 3.1 and 4.5: ``none`` leaves all of it out but the count and the next link,
``minimal`` has what a client cannot work out by itself, ``full`` has everything.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from operations.api import edm
from operations.api.answers import content_type
from operations.api.representation import Json, Root
from operations.models import ExternalConnection
from operations.models.operation_row import OperationMembers
from operations.provisioning import ReadableSchema

_LEVEL = re.compile(r"odata\.metadata=(none|minimal|full)")
ETAG = "@odata.etag"
_INT64_AS_TEXT = "ieee754compatible=true"
#: Types of values that are what they look like in JSON.
TOLD_BY_JSON = frozenset(("Edm.String", "Edm.Boolean", "Edm.Int32"))
#: Members of type Edm.Int64, which a caller may want as text (JavaScript has no such numbers).
INT64_MEMBERS = frozenset(
    prop.name
    for kind in edm.MODEL.structured(beta=True)
    for prop in kind.own
    if prop.type.full_name == "Edm.Int64"
)


class Level(StrEnum):
    """``odata.metadata``: how much control information an answer carries."""

    NONE = "none"
    MINIMAL = "minimal"
    FULL = "full"


@dataclass(frozen=True)
class Format:
    """What the caller wants of the JSON: how much around it, and 64-bit numbers as text."""

    level: Level = Level.MINIMAL
    int64_as_text: bool = False

    @classmethod
    def read(cls, wanted: str) -> Format:
        """``wanted``: the Accept header, or the ``$format`` that stands in its place."""
        wanted = wanted.replace(" ", "").lower()
        level = _LEVEL.search(wanted)
        return cls(Level(level[1]) if level else Level.MINIMAL, _INT64_AS_TEXT in wanted)

    @property
    def content_type(self) -> str:
        """Graph's media type, with its parameters (graph-contract 4.3)."""
        return content_type(str(self.level), int64_as_text=self.int64_as_text)


def int64_as_text(data: Json) -> None:
    """Write Edm.Int64 members as text, in place (OData JSON 4.0, 3.2: IEEE754Compatible)."""
    for entity in (data, *data.get("value", ())):
        if isinstance(entity, dict):
            for member, value in entity.items():
                is_int64 = member in INT64_MEMBERS or member.endswith("@odata.count")
                if is_int64 and isinstance(value, int):
                    entity[member] = str(value)


def operation_control(
    operation: OperationMembers, connection_id: str, root: Root, level: Level
) -> Json:
    if level is Level.MINIMAL:  # what a list of many asks for
        return {ETAG: operation.etag}
    path = f"{connection_path(connection_id, root)}/operations('{operation.graph_id}')"
    return control(edm.CONNECTION_OPERATION, operation.etag, path, root, level)


def connection_control(connection: ExternalConnection, root: Root, level: Level) -> Json:
    path = connection_path(connection.graph_id, root)
    shown = control(edm.CONNECTION, connection.etag, path, root, level)
    if level == Level.FULL:
        for name in [each.name for each in edm.CONNECTION.leads(beta=root.beta)]:
            shown[f"{name}@odata.navigationLink"] = f"{root.url}/{path}/{name}"
    return shown


def schema_control(
    schema: ReadableSchema, connection: ExternalConnection, root: Root, level: Level
) -> Json:
    path = f"{connection_path(connection.graph_id, root)}/schema"
    return control(edm.SCHEMA, schema.etag, path, root, level)


def typed(document: Json, kind: edm.StructuredType) -> Json:
    """The members with their types, where JSON alone does not tell them (OData JSON 4.0, 4.5.3).

    What an open type holds is the caller's own and stays as it came.
    """
    result: Json = {}
    for name, value in document.items():
        prop = kind.properties.get(name)
        if prop and value is not None and not _is_told(prop):
            result[f"{name}@odata.type"] = f"#{prop.type_name.replace('Edm.', '')}"
        result[name] = _typed_value(value, prop) if prop else value
    return result


def _is_told(prop: edm.Property) -> bool:
    one = isinstance(prop.type, edm.StructuredType) or prop.type.full_name in TOLD_BY_JSON
    return one and not prop.collection


def _typed_value(value: Any, prop: edm.Property) -> Any:
    kind = prop.type
    if not isinstance(kind, edm.StructuredType) or kind.is_open:
        return value
    if isinstance(value, list):
        return [_typed_value(entry, prop) for entry in value]
    if not isinstance(value, dict):
        return value
    derived = edm.MODEL.named(value.get("@odata.type", "").lstrip("#"))
    actual = derived if isinstance(derived, edm.StructuredType) else kind
    return {"@odata.type": f"#{actual.full_name}", **typed(value, actual)}


def control(kind: edm.EntityType, etag: str, path: str, root: Root, level: Level) -> Json:
    """Of an entity with this tag (empty: it has none) at this path below the version root."""
    if level == Level.NONE:
        return {}
    shown: Json = {ETAG: etag} if etag else {}
    if level == Level.FULL:
        shown |= {
            "@odata.type": f"#{kind.full_name}",
            "@odata.id": f"{root.url}/{path}",
            "@odata.editLink": path,
        }
    return shown


def connection_path(connection_id: str, root: Root) -> str:
    return f"{root.connections}('{connection_id}')"
