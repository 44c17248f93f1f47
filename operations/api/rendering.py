"""An entity with all that the caller wants around it: control information, annotations, members."""

from __future__ import annotations

from dataclasses import dataclass

from operations.api import edm
from operations.api.annotations import (
    connection_annotations,
    operation_annotations,
    schema_annotations,
)
from operations.api.control import (
    Format,
    Level,
    connection_control,
    operation_control,
    schema_control,
    typed,
)
from operations.api.preferences import UNKNOWN_ENUM_MEMBERS, Preferences
from operations.api.representation import (
    Json,
    Root,
    connection_json,
    operation_json,
    schema_json,
)
from operations.models import ConnectionOperation, ExternalConnection
from operations.models.operation_row import OperationMembers
from operations.provisioning import ReadableSchema


@dataclass(frozen=True)
class Rendering:
    """How one answer shows entities: by which way in, in which format, with which preferences."""

    root: Root
    format: Format
    prefer: Preferences

    def connection(self, connection: ExternalConnection, *, history: bool = False) -> Json:
        return {
            **connection_control(connection, self.root, self.format.level),
            **connection_annotations(connection, self.prefer, history=history),
            **self._members(connection_json(connection, self.root), edm.CONNECTION),
        }

    def operation(self, operation: ConnectionOperation, *, history: bool = False) -> Json:
        """With its times, origin and (``history``) changes, if the caller prefers to have them."""
        annotations = operation_annotations(operation, self.prefer, history=history)
        return self.row(operation, operation.connection.graph_id, annotations)

    def row(
        self, row: OperationMembers, connection_id: str, annotations: Json | None = None
    ) -> Json:
        """The same of no more than its members."""
        return {
            **operation_control(row, connection_id, self.root, self.format.level),
            **(annotations or {}),
            **self._members(operation_json(row), edm.CONNECTION_OPERATION),
        }

    def schema(self, schema: ReadableSchema, connection: ExternalConnection) -> Json:
        unmask = self.prefer.unknown_enum_members
        if unmask:
            self.prefer.apply(UNKNOWN_ENUM_MEMBERS)
        members = schema_json(schema.document, self.root, unmask=unmask)
        return {
            **schema_control(schema, connection, self.root, self.format.level),
            **schema_annotations(schema, self.prefer),
            **self._members(members, edm.SCHEMA),
        }

    def _members(self, document: Json, kind: edm.EntityType) -> Json:
        return typed(document, kind) if self.format.level is Level.FULL else document
