"""Control information: the ``@odata.*`` members, as much of it as the caller asked for.

OData JSON 4.0, 3.1 and 4.5: ``none`` leaves all of it out but the count and the next link,
``minimal`` has what a client cannot work out by itself, ``full`` has everything.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from operations.api.representation import Json, Root
from operations.models import ConnectionOperation, ExternalConnection
from operations.provisioning import ReadableSchema

NAMESPACE = "microsoft.graph.externalConnectors"
_LEVEL = re.compile(r"odata\.metadata=(none|minimal|full)")
_INT64_AS_TEXT = "ieee754compatible=true"
#: Members of type Edm.Int64, which a caller may want as text (JavaScript has no such numbers).
INT64_MEMBERS = ("@odata.count", "operations@odata.count", "ingestedItemsCount")


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
        return (
            f"application/json;odata.metadata={self.level};odata.streaming=true;"
            f"IEEE754Compatible={str(self.int64_as_text).lower()};charset=utf-8"
        )


def int64_as_text(data: Json) -> None:
    """Write Edm.Int64 members as text, in place (OData JSON 4.0, 3.2: IEEE754Compatible)."""
    for entity in (data, *data.get("value", ())):
        if isinstance(entity, dict):
            for member in INT64_MEMBERS:
                if isinstance(entity.get(member), int):
                    entity[member] = str(entity[member])


def operation_control(operation: ConnectionOperation, root: Root, level: Level) -> Json:
    path = f"{_connection_path(operation.connection, root)}/operations('{operation.graph_id}')"
    return _control("connectionOperation", operation.etag, path, root, level)


def connection_control(connection: ExternalConnection, root: Root, level: Level) -> Json:
    path = _connection_path(connection, root)
    control = _control("externalConnection", connection.etag, path, root, level)
    if level == Level.FULL:
        for name in ("operations", "schema"):
            control[f"{name}@odata.associationLink"] = f"{root.url}/{path}/{name}/$ref"
            control[f"{name}@odata.navigationLink"] = f"{root.url}/{path}/{name}"
    return control


def schema_control(
    schema: ReadableSchema, connection: ExternalConnection, root: Root, level: Level
) -> Json:
    path = f"{_connection_path(connection, root)}/schema"
    return _control("schema", schema.etag, path, root, level)


def _control(type_name: str, etag: str, path: str, root: Root, level: Level) -> Json:
    if level == Level.NONE:
        return {}
    control: Json = {"@odata.etag": etag}
    if level == Level.FULL:
        control |= {
            "@odata.type": f"#{NAMESPACE}.{type_name}",
            "@odata.id": f"{root.url}/{path}",
            "@odata.editLink": path,
        }
    return control


def _connection_path(connection: ExternalConnection, root: Root) -> str:
    return f"{root.connections}('{connection.graph_id}')"
