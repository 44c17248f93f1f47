"""``/connections`` and ``/external/connections`` (graph-contract 3.1)."""

from __future__ import annotations

from django.db.models import QuerySet
from django.http import HttpResponse
from rest_framework.request import Request

from operations import access, provisioning
from operations.api.answers import empty
from operations.api.entity_types import BETA_CONNECTION, CONNECTION
from operations.api.reading import read_connection_update, read_new_connection
from operations.api.representation import Json, connection_json
from operations.api.views import ENTITY_OPTIONS, GraphViewSet
from operations.models import ExternalConnection
from operations.odata.types import EntityType


class ConnectionViewSet(GraphViewSet):
    @property
    def entity_type(self) -> EntityType:  # type: ignore[override]
        return BETA_CONNECTION if self.root.beta else CONNECTION

    def rows(self) -> QuerySet[ExternalConnection]:
        return access.visible_connections(self.caller)

    def shape(self, connection: ExternalConnection) -> Json:
        return connection_json(connection, self.root)

    def list(self, request: Request) -> HttpResponse:
        return self.collection(
            self.rows().prefetch_related("authorized_apps"),
            self.shape,
            self.root.connections,
            f"{self.root.url}/{self.root.connections}",
        )

    def count(self, request: Request) -> HttpResponse:
        return self.count_of(self.rows())

    def create(self, request: Request) -> HttpResponse:
        self.query_options()
        values = read_new_connection(self.body(), beta=self.root.beta)
        connection = ExternalConnection.objects.register(self.actor, **values)
        return self.entity(
            self.shape(connection),
            self.root.connections,
            status=201,
            headers={"Location": self.root.connection_url(connection.graph_id)},
        )

    def retrieve(self, request: Request, connection_id: str) -> HttpResponse:
        connection = self.find_connection(connection_id)
        options = self.query_options(ENTITY_OPTIONS)
        [expanded] = self.expansion(options).members([connection])
        applied = self.applied(options)
        return self.entity(
            self.shape(connection) | expanded,
            self.root.connections,
            select=options.columns,
            headers={"Preference-Applied": ", ".join(applied)} if applied else None,
        )

    def partial_update(self, request: Request, connection_id: str) -> HttpResponse:
        connection = self.find_connection(connection_id)
        self.query_options()
        values = read_connection_update(self.body(), beta=self.root.beta)
        connection.revise(self.actor, **values)
        return empty(204)

    def destroy(self, request: Request, connection_id: str) -> HttpResponse:
        connection = self.find_connection(connection_id)
        self.query_options()
        provisioning.request_deletion(connection, self.actor)
        return empty(202)
