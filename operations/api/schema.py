"""``/connections/{id}/schema`` (graph-contract 3.3)."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpResponse
from rest_framework.request import Request

from operations import provisioning
from operations.api.annotations import schema_annotations
from operations.api.answers import empty
from operations.api.control import schema_control
from operations.api.preferences import UNKNOWN_ENUM_MEMBERS
from operations.api.representation import SCHEMA_MEMBERS, Json, schema_json
from operations.api.views import ENTITY_OPTIONS, WRITE_OPTIONS, GraphViewSet
from operations.errors import ItemNotFound
from operations.models import ExternalConnection
from operations.provisioning import ReadableSchema


class SchemaViewSet(GraphViewSet):
    type_name = "microsoft.graph.externalConnectors.schema"
    members = SCHEMA_MEMBERS

    def retrieve(self, request: Request, connection_id: str) -> HttpResponse:
        """The schema in force, or the one whose first registration is running."""
        connection = self.find_connection(connection_id)
        select = self.query_options(ENTITY_OPTIONS).select
        schema = provisioning.readable_schema(connection)
        if schema is None:
            raise ItemNotFound("Schema")
        headers = {"ETag": schema.etag}
        return self.not_modified(schema.etag, headers) or self.entity(
            self.shape(schema, connection),
            self.root.context_below(connection, "schema"),
            select=select,
            headers=headers,
        )

    def shape(self, schema: ReadableSchema, connection: ExternalConnection) -> Json:
        """The schema with what the caller wants around it."""
        unmask = self.prefer.unknown_enum_members
        if unmask:
            self.prefer.apply(UNKNOWN_ENUM_MEMBERS)
        return {
            **schema_control(schema, connection, self.root, self.format.level),
            **schema_annotations(schema, self.prefer),
            **schema_json(schema.document, self.root, unmask=unmask),
        }

    def register(self, request: Request, connection_id: str) -> HttpResponse:
        """PATCH, and the POST of older programs: 202, and the operation to poll."""
        connection = self.find_connection(connection_id)
        self.query_options(WRITE_OPTIONS)
        return self.once(lambda: self._register(connection))

    def _register(self, connection: ExternalConnection) -> HttpResponse:
        operation = provisioning.request_registration(
            connection, self.body(), self.actor, beta=self.root.beta, only_if=self.only_if
        )
        if self.prefer.respond_async:
            self.prefer.apply("respond-async")
        return empty(
            202,
            headers={
                "Location": self.root.long_running_url(operation),
                "Retry-After": str(settings.OPERATION_RETRY_AFTER),
            },
        )
