"""``/connections/{id}/operations`` (graph-contract 3.2): all five methods, where Graph has one."""

from __future__ import annotations

from django.conf import settings
from django.db.models import QuerySet
from django.http import HttpResponse
from rest_framework.request import Request

from operations import logs
from operations.api.answers import empty
from operations.api.entity_types import OPERATION
from operations.api.reading import read_new_operation, read_operation_update
from operations.api.representation import Json
from operations.api.views import ENTITY_OPTIONS, GraphViewSet
from operations.errors import ItemNotFound
from operations.models import ConnectionOperation, ExternalConnection
from operations.models.operation_id import OPERATION_ID

NAVIGATION = "operations"


class OperationViewSet(GraphViewSet):
    entity_type = OPERATION

    def rows(self, connection: ExternalConnection) -> QuerySet[ConnectionOperation]:
        rows = ConnectionOperation.objects.filter(connection=connection)
        return rows.select_related("retry_of") if self.prefer.annotations else rows

    def find(self, connection_id: str, operation_id: str) -> ConnectionOperation:
        """Raises ItemNotFound; an operation's id is exact, its connection's is not."""
        connection = self.find_connection(connection_id)
        operation = None
        if OPERATION_ID.fullmatch(operation_id):
            operation = self.rows(connection).filter(graph_id=operation_id).first()
        if operation is None:
            raise ItemNotFound("ConnectionOperation")
        operation.connection = connection
        return operation

    def list(self, request: Request, connection_id: str) -> HttpResponse:
        connection = self.find_connection(connection_id)

        def shape(operation: ConnectionOperation) -> Json:
            operation.connection = connection
            return self.render.operation(operation)

        return self.collection(
            self.rows(connection),
            shape,
            self.root.context_below(connection, NAVIGATION),
            self.root.operations_url(connection),
            newest_first=True,
        )

    def count(self, request: Request, connection_id: str) -> HttpResponse:
        return self.count_of(self.rows(self.find_connection(connection_id)))

    def create(self, request: Request, connection_id: str) -> HttpResponse:
        connection = self.find_connection(connection_id)
        self.query_options()
        values = read_new_operation(self.body())

        def report() -> tuple[HttpResponse, ConnectionOperation]:
            operation = ConnectionOperation.objects.report(connection, self.actor, **values)
            logs.note(operation=operation.graph_id)
            address = self.root.operation_url(connection, operation.graph_id)
            answer = self._written(operation, status=201, headers={"Location": address})
            return answer, operation

        return self.once(report)

    def retrieve(self, request: Request, connection_id: str, operation_id: str) -> HttpResponse:
        operation = self.find(connection_id, operation_id)
        options = self.query_options(ENTITY_OPTIONS)
        headers = {"ETag": operation.etag}
        if operation.is_workers and not operation.is_terminal:
            headers["Retry-After"] = str(settings.OPERATION_RETRY_AFTER)
        return self.not_modified(operation.etag, headers) or self.entity(
            self.render.operation(operation, history=True),
            self.root.context_below(operation.connection, NAVIGATION),
            select=options.columns,
            headers=headers,
        )

    def partial_update(
        self, request: Request, connection_id: str, operation_id: str
    ) -> HttpResponse:
        operation = self.find(connection_id, operation_id)
        self.query_options()
        values = read_operation_update(self.body())
        operation.move(self.actor, only_if=self.only_if, **values)
        return self._written(operation, status=200)

    def destroy(self, request: Request, connection_id: str, operation_id: str) -> HttpResponse:
        operation = self.find(connection_id, operation_id)
        self.query_options()
        operation.remove(self.actor, only_if=self.only_if)
        return empty(204)

    def _written(
        self,
        operation: ConnectionOperation,
        *,
        status: int,
        headers: dict[str, str] | None = None,
    ) -> HttpResponse:
        return self.written(
            self.render.operation(operation),
            self.root.context_below(operation.connection, NAVIGATION),
            status=status,
            headers={"ETag": operation.etag, **(headers or {})},
        )
