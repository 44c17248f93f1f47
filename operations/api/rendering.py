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
    connection_path,
    control,
    operation_control,
    schema_control,
    typed,
)
from operations.api.preferences import UNKNOWN_ENUM_MEMBERS, Preferences
from operations.api.representation import (
    Json,
    Root,
    connection_json,
    item_json,
    key,
    operation_json,
    schema_json,
)
from operations.models import (
    ConnectionOperation,
    ExternalConnection,
    ExternalGroup,
    GroupMember,
)
from operations.models.item_row import ItemMembers
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

    def item(self, item: ItemMembers, *, connection_id: str) -> Json:
        path = f"{self._below(connection_id)}/items({key(item.graph_id)})"
        members = item_json(item, beta=self.root.beta)
        return {
            **control(edm.EXTERNAL_ITEM, item.etag, path, self.root, self.format.level),
            **self._members(members, edm.EXTERNAL_ITEM),
        }

    def group(self, group: ExternalGroup, connection_id: str) -> Json:
        path = f"{self._below(connection_id)}/groups({key(group.graph_id)})"
        return {
            **control(edm.EXTERNAL_GROUP, group.etag, path, self.root, self.format.level),
            **self._members(group.graph(), edm.EXTERNAL_GROUP),
        }

    def member(self, member: GroupMember, connection_id: str, group_id: str) -> Json:
        path = f"{self._below(connection_id)}/groups({key(group_id)})/members"
        path = f"{path}({key(member.graph_id)})"
        return {
            **control(edm.IDENTITY, "", path, self.root, self.format.level),
            **self._members(member.graph(), edm.IDENTITY),
        }

    def _below(self, connection_id: str) -> str:
        return connection_path(connection_id, self.root)

    def _members(self, document: Json, kind: edm.EntityType) -> Json:
        return typed(document, kind) if self.format.level is Level.FULL else document
