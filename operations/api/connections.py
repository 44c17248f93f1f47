"""``/connections`` and ``/external/connections`` (graph-contract 3.1)."""

from __future__ import annotations

from django.db.models import QuerySet
from django.http import HttpResponse
from rest_framework.request import Request

from operations import access, provisioning
from operations.api.annotations import connection_annotations
from operations.api.answers import empty
from operations.api.control import connection_control
from operations.api.reading import read_connection_update, read_new_connection
from operations.api.representation import (
    BETA_CONNECTION_MEMBERS,
    CONNECTION_MEMBERS,
    Json,
    connection_json,
)
from operations.api.views import ENTITY_OPTIONS, WRITE_OPTIONS, GraphViewSet
from operations.models import ExternalConnection


class ConnectionViewSet(GraphViewSet):
    type_name = "microsoft.graph.externalConnectors.externalConnection"

    @property
    def members(self) -> tuple[str, ...]:  # type: ignore[override]
        return BETA_CONNECTION_MEMBERS if self.root.beta else CONNECTION_MEMBERS

    def rows(self) -> QuerySet[ExternalConnection]:
        return access.visible_connections(self.caller)

    def shape(self, connection: ExternalConnection, *, history: bool = False) -> Json:
        """The connection with what the caller wants around it."""
        return {
            **connection_control(connection, self.root, self.format.level),
            **connection_annotations(connection, self.prefer, history=history),
            **connection_json(connection, self.root),
        }

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
        self.query_options(WRITE_OPTIONS)
        values = read_new_connection(self.body(), beta=self.root.beta)

        def register() -> HttpResponse:
            connection = ExternalConnection.objects.register(self.actor, **values)
            address = self.root.connection_url(connection.graph_id)
            return self._written(connection, status=201, headers={"Location": address})

        return self.once(register)

    def retrieve(self, request: Request, connection_id: str) -> HttpResponse:
        connection = self.find_connection(connection_id)
        select = self.query_options(ENTITY_OPTIONS).select
        headers = {"ETag": connection.etag}
        return self.not_modified(connection.etag, headers) or self.entity(
            self.shape(connection, history=True),
            self.root.connections,
            select=select,
            headers=headers,
        )

    def partial_update(self, request: Request, connection_id: str) -> HttpResponse:
        connection = self.find_connection(connection_id)
        self.query_options(WRITE_OPTIONS)
        values = read_connection_update(self.body(), beta=self.root.beta)
        connection.revise(self.actor, only_if=self.only_if, **values)
        return self._written(connection, status=204)

    def destroy(self, request: Request, connection_id: str) -> HttpResponse:
        connection = self.find_connection(connection_id)
        self.query_options()
        provisioning.request_deletion(connection, self.actor, only_if=self.only_if)
        return empty(202)

    def _written(
        self,
        connection: ExternalConnection,
        *,
        status: int,
        headers: dict[str, str] | None = None,
    ) -> HttpResponse:
        return self.written(
            self.shape(connection),
            self.root.connections,
            status=status,
            headers={"ETag": connection.etag, **(headers or {})},
        )
