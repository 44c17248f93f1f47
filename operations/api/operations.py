"""``/connections/{id}/operations`` (graph-contract 3.2): all five methods, where Graph has one."""

from __future__ import annotations

from django.conf import settings
from django.db.models import QuerySet
from django.http import HttpResponse
from rest_framework.request import Request

from operations.api.answers import empty
from operations.api.entity_types import OPERATION
from operations.api.reading import read_new_operation, read_operation_update
from operations.api.representation import operation_json
from operations.api.views import ENTITY_OPTIONS, GraphViewSet
from operations.errors import ItemNotFound
from operations.models import ConnectionOperation, ExternalConnection
from operations.models.operation import OPERATION_ID

NAVIGATION = "operations"


class OperationViewSet(GraphViewSet):
    entity_type = OPERATION

    def rows(self, connection: ExternalConnection) -> QuerySet[ConnectionOperation]:
        return ConnectionOperation.objects.filter(connection=connection)

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
        return self.collection(
            self.rows(connection),
            operation_json,
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
        operation = ConnectionOperation.objects.report(connection, self.actor, **values)
        return self._entity(
            operation,
            status=201,
            headers={"Location": self.root.operation_url(connection, operation.graph_id)},
        )

    def retrieve(self, request: Request, connection_id: str, operation_id: str) -> HttpResponse:
        operation = self.find(connection_id, operation_id)
        select = self.query_options(ENTITY_OPTIONS).columns
        waiting = operation.is_workers and not operation.is_terminal
        retry_after = {"Retry-After": str(settings.OPERATION_RETRY_AFTER)} if waiting else None
        return self._entity(operation, select=select, headers=retry_after)

    def partial_update(
        self, request: Request, connection_id: str, operation_id: str
    ) -> HttpResponse:
        operation = self.find(connection_id, operation_id)
        self.query_options()
        operation.move(self.actor, **read_operation_update(self.body()))
        return self._entity(operation)

    def destroy(self, request: Request, connection_id: str, operation_id: str) -> HttpResponse:
        operation = self.find(connection_id, operation_id)
        self.query_options()
        operation.remove(self.actor)
        return empty(204)

    def _entity(
        self,
        operation: ConnectionOperation,
        *,
        select: tuple[str, ...] = (),
        status: int = 200,
        headers: dict[str, str] | None = None,
    ) -> HttpResponse:
        return self.entity(
            operation_json(operation),
            self.root.context_below(operation.connection, NAVIGATION),
            select=select,
            status=status,
            headers=headers,
        )
