"""``/connections/{id}/schema`` (graph-contract 3.3)."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpResponse
from rest_framework.request import Request

from operations import logs, provisioning
from operations.api.answers import empty
from operations.api.entity_types import SCHEMA
from operations.api.views import ENTITY_OPTIONS, GraphViewSet
from operations.errors import ItemNotFound
from operations.models import ConnectionOperation, ExternalConnection


class SchemaViewSet(GraphViewSet):
    entity_type = SCHEMA

    def retrieve(self, request: Request, connection_id: str) -> HttpResponse:
        """The schema in force, or the one whose first registration is running."""
        connection = self.find_connection(connection_id)
        options = self.query_options(ENTITY_OPTIONS)
        schema = provisioning.readable_schema(connection)
        if schema is None:
            raise ItemNotFound("Schema")
        headers = {"ETag": schema.etag}
        return self.not_modified(schema.etag, headers) or self.entity(
            self.render.schema(schema, connection),
            self.root.context_below(connection.graph_id, "schema"),
            select=options.columns,
            headers=headers,
        )

    def register(self, request: Request, connection_id: str) -> HttpResponse:
        """PATCH, and the POST of older programs: 202, and the operation to poll."""
        connection = self.find_connection(connection_id)
        self.query_options()
        return self.once(lambda: self._register(connection))

    def _register(self, connection: ExternalConnection) -> tuple[HttpResponse, ConnectionOperation]:
        operation = provisioning.request_registration(
            connection, self.body(), self.actor, beta=self.root.beta, only_if=self.only_if
        )
        logs.note(operation=operation.graph_id)
        if self.prefer.respond_async:
            self.prefer.apply("respond-async")
        headers = {
            "Location": self.root.long_running_url(operation),
            "Retry-After": str(settings.OPERATION_RETRY_AFTER),
        }
        return empty(202, headers=headers), operation
