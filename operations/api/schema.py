"""``/connections/{id}/schema`` (graph-contract 3.3)."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpResponse
from rest_framework.request import Request

from operations import provisioning
from operations.api.answers import empty
from operations.api.entity_types import SCHEMA
from operations.api.representation import schema_json
from operations.api.views import ENTITY_OPTIONS, UNMASK, GraphViewSet
from operations.errors import ItemNotFound


class SchemaViewSet(GraphViewSet):
    entity_type = SCHEMA

    def retrieve(self, request: Request, connection_id: str) -> HttpResponse:
        """The schema in force, or the one whose first registration is running."""
        connection = self.find_connection(connection_id)
        select = self.query_options(ENTITY_OPTIONS).columns
        document = provisioning.readable_schema(connection)
        if document is None:
            raise ItemNotFound("Schema")
        return self.entity(
            schema_json(document, self.root, unmask=self.unmask),
            self.root.context_below(connection, "schema"),
            select=select,
            headers={"Preference-Applied": UNMASK} if self.unmask else None,
        )

    def register(self, request: Request, connection_id: str) -> HttpResponse:
        """PATCH, and the POST of older programs: 202, and the operation to poll."""
        connection = self.find_connection(connection_id)
        self.query_options()
        operation = provisioning.request_registration(
            connection, self.body(), self.actor, beta=self.root.beta
        )
        return empty(
            202,
            headers={
                "Location": self.root.long_running_url(operation),
                "Retry-After": str(settings.OPERATION_RETRY_AFTER),
            },
        )
