"""``/connections/{id}/operations`` (graph-contract 3.2): all five methods, where Graph has one."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from django.http import HttpResponse
from rest_framework.request import Request

from operations import access, logs
from operations.api.answers import empty
from operations.api.entity_types import OPERATION
from operations.api.filtering import in_order
from operations.api.query import Rows
from operations.api.reading import read_new_operation, read_operation_update
from operations.api.representation import Json
from operations.api.views import ENTITY_OPTIONS, GraphViewSet
from operations.errors import ItemNotFound
from operations.models import ConnectionOperation, OperationRow
from operations.models.operation_row import OperationMembers
from operations.models.prepared import Prepared, parameter
from operations.odata.ordering import Mark

NAVIGATION = "operations"


def rows_of(connection_key: Any) -> QuerySet[Any, Any]:
    """What a list shows of a connection's operations."""
    rows = ConnectionOperation.objects.filter(connection_id=connection_key)
    return rows.values_list(*OperationRow._fields)


def whole_rows_of(connection_key: int) -> QuerySet[ConnectionOperation]:
    """With what annotations tell."""
    rows = ConnectionOperation.objects.filter(connection_id=connection_key)
    return rows.select_related("retry_of").defer("payload")


def _newest() -> QuerySet[Any, Any]:
    after: Any = parameter(ConnectionOperation, "after=id")
    rows = rows_of(parameter(ConnectionOperation, "connection"))
    return in_order(rows, (), Mark((), after), newest_first=True)


#: The list as most ask for it, and its next pages.
NEWEST = Prepared[Any](_newest)


def shown_rows(connection_key: int) -> Rows:
    return Rows(
        lambda: rows_of(connection_key),
        newest_first=True,
        read=OperationRow._make,
        prepared=lambda after, number: NEWEST.tuples(
            number, connection=connection_key, after=after
        ),
    )


class OperationViewSet(GraphViewSet):
    entity_type = OPERATION

    def find(self, connection_id: str, operation_id: str) -> ConnectionOperation:
        return access.find_operation(
            self.caller, connection_id, operation_id, to_write=not self.reads
        )

    def find_whole(self, connection_id: str, operation_id: str) -> ConnectionOperation:
        """With what annotations tell, all of it as it was at one moment."""
        found = self.find(connection_id, operation_id)
        whole = whole_rows_of(found.connection_id).filter(pk=found.pk).first()
        if whole is None:  # deleted meanwhile
            raise ItemNotFound("ConnectionOperation")
        whole.connection = found.connection
        return whole

    def list(self, request: Request, connection_id: str) -> HttpResponse:
        connection = self.find_parent(connection_id)
        key, graph_id, render = connection.pk, connection.graph_id, self.render

        def shape(operation: ConnectionOperation) -> Json:
            operation.connection = connection
            return render.operation(operation)

        annotated = bool(self.prefer.annotations)
        return self.collection(
            Rows(lambda: whole_rows_of(key), newest_first=True) if annotated else shown_rows(key),
            shape if annotated else lambda row: render.row(row, graph_id),
            self.root.context_below(graph_id, NAVIGATION),
            self.root.operations_url(connection),
        )

    def count(self, request: Request, connection_id: str) -> HttpResponse:
        return self.count_of(shown_rows(self.find_parent(connection_id).pk))

    def create(self, request: Request, connection_id: str) -> HttpResponse:
        connection = self.find_parent(connection_id)
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
        row: OperationMembers
        if self.prefer.annotations:
            row = whole = self.find_whole(connection_id, operation_id)
            connection_id = whole.connection.graph_id
            render = partial(self.render.operation, whole, history=True)
        else:
            row, connection_id = access.read_operation(self.caller, connection_id, operation_id)
            render = partial(self.render.row, row, connection_id)
        options = self.query_options(ENTITY_OPTIONS)
        headers = {"ETag": row.etag}
        if row.is_workers and not row.is_terminal:
            headers["Retry-After"] = str(settings.OPERATION_RETRY_AFTER)
        return self.not_modified(row.etag, headers) or self.entity(
            render(),
            self.root.context_below(connection_id, NAVIGATION),
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
            self.root.context_below(operation.connection.graph_id, NAVIGATION),
            status=status,
            headers={"ETag": operation.etag, **(headers or {})},
        )
