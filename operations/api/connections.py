"""``/connections`` and ``/external/connections`` (graph-contract 3.1)."""

from __future__ import annotations

from django.db.models import OuterRef, QuerySet
from django.http import HttpResponse
from rest_framework.request import Request

from operations import access, logs, provisioning
from operations.api.answers import empty
from operations.api.entity_types import BETA_CONNECTION, CONNECTION
from operations.api.query import Rows
from operations.api.reading import read_connection_update, read_new_connection
from operations.api.views import ENTITY_OPTIONS, GraphViewSet
from operations.models import ExternalConnection
from operations.models.item_tally import items_in
from operations.odata.types import EntityType


class ConnectionViewSet(GraphViewSet):
    @property
    def entity_type(self) -> EntityType:  # type: ignore[override]
        return BETA_CONNECTION if self.root.beta else CONNECTION

    def rows(self) -> QuerySet[ExternalConnection]:
        return access.visible_connections(self.caller)

    def shown_rows(self) -> QuerySet[ExternalConnection]:
        """With all that is shown of each."""
        rows = self.rows().prefetch_related("authorized_apps")
        return rows.annotate(item_count=items_in(OuterRef("pk"))) if self.root.beta else rows

    def list(self, request: Request) -> HttpResponse:
        return self.collection(
            Rows(self.shown_rows),
            self.render.connection,
            self.root.connections,
            f"{self.root.url}/{self.root.connections}",
        )

    def count(self, request: Request) -> HttpResponse:
        return self.count_of(Rows(self.rows))

    def create(self, request: Request) -> HttpResponse:
        self.query_options()
        values = read_new_connection(self.body(), beta=self.root.beta)

        def register() -> tuple[HttpResponse, ExternalConnection]:
            connection = ExternalConnection.objects.register(self.actor, **values)
            logs.note(connection=connection.graph_id)
            address = self.root.connection_url(connection.graph_id)
            answer = self._written(connection, status=201, headers={"Location": address})
            return answer, connection

        return self.once(register)

    def retrieve(self, request: Request, connection_id: str) -> HttpResponse:
        connection = self.find_connection(connection_id)
        options = self.query_options(ENTITY_OPTIONS)
        headers = {"ETag": connection.etag}
        # the tag is the connection's own: it does not tell whether its operations have changed
        shows_more = options.expand or self.prefer.annotations
        unchanged = None if shows_more else self.not_modified(connection.etag, headers)
        if unchanged:
            return unchanged
        [expanded] = self.expansion(options).members([connection])
        return self.entity(
            self.render.connection(connection, history=True) | expanded,
            self.root.connections,
            select=options.columns,
            headers=headers,
        )

    def partial_update(self, request: Request, connection_id: str) -> HttpResponse:
        connection = self.find_connection(connection_id)
        self.query_options()
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
            self.render.connection(connection),
            self.root.connections,
            status=status,
            headers={"ETag": connection.etag, **(headers or {})},
        )
