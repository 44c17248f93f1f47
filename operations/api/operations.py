"""``/connections/{id}/operations`` (graph-contract 3.2): all five methods, where Graph has one."""

from __future__ import annotations

from django.conf import settings
from django.db.models import QuerySet
from django.http import HttpResponse
from rest_framework.request import Request

from operations.api.annotations import operation_annotations
from operations.api.answers import empty
from operations.api.control import operation_control
from operations.api.reading import read_new_operation, read_operation_update
from operations.api.representation import OPERATION_MEMBERS, Json, operation_json
from operations.api.views import ENTITY_OPTIONS, WRITE_OPTIONS, GraphViewSet
from operations.errors import ItemNotFound
from operations.models import ConnectionOperation, ExternalConnection
from operations.models.operation import OPERATION_ID

NAVIGATION = "operations"


class OperationViewSet(GraphViewSet):
    type_name = "microsoft.graph.externalConnectors.connectionOperation"
    members = OPERATION_MEMBERS

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

    def shape(self, operation: ConnectionOperation, *, history: bool = False) -> Json:
        """The operation with what the caller wants around it."""
        return {
            **operation_control(operation, self.root, self.format.level),
            **operation_annotations(operation, self.prefer, history=history),
            **operation_json(operation),
        }

    def list(self, request: Request, connection_id: str) -> HttpResponse:
        connection = self.find_connection(connection_id)

        def shape(operation: ConnectionOperation) -> Json:
            operation.connection = connection
            return self.shape(operation)

        return self.collection(
            self.rows(connection),
            shape,
            self.root.context_below(connection, NAVIGATION),
            f"{self.root.url}/{self.root.connections}/{connection.graph_id}/{NAVIGATION}",
            newest_first=True,
        )

    def count(self, request: Request, connection_id: str) -> HttpResponse:
        return self.count_of(self.rows(self.find_connection(connection_id)))

    def create(self, request: Request, connection_id: str) -> HttpResponse:
        connection = self.find_connection(connection_id)
        self.query_options(WRITE_OPTIONS)
        values = read_new_operation(self.body())

        def report() -> HttpResponse:
            operation = ConnectionOperation.objects.report(connection, self.actor, **values)
            address = self.root.operation_url(connection, operation.graph_id)
            return self._written(operation, status=201, headers={"Location": address})

        return self.once(report)

    def retrieve(self, request: Request, connection_id: str, operation_id: str) -> HttpResponse:
        operation = self.find(connection_id, operation_id)
        select = self.query_options(ENTITY_OPTIONS).select
        headers = {"ETag": operation.etag}
        if operation.is_workers and not operation.is_terminal:
            headers["Retry-After"] = str(settings.OPERATION_RETRY_AFTER)
        return self.not_modified(operation.etag, headers) or self.entity(
            self.shape(operation, history=True),
            self.root.context_below(operation.connection, NAVIGATION),
            select=select,
            headers=headers,
        )

    def partial_update(
        self, request: Request, connection_id: str, operation_id: str
    ) -> HttpResponse:
        operation = self.find(connection_id, operation_id)
        self.query_options(WRITE_OPTIONS)
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
            self.shape(operation),
            self.root.context_below(operation.connection, NAVIGATION),
            status=status,
            headers={"ETag": operation.etag, **(headers or {})},
        )
