"""A filtered list of operations as a file, CSV or JSON lines."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.http import Http404, HttpRequest, StreamingHttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _

from operations.dashboard.exports import stream_csv, stream_jsonl
from operations.dashboard.filters import Parameters
from operations.dashboard.guard import page
from operations.dashboard.operation_filter import read_selection
from operations.dashboard.presentation.operations import running_since
from operations.marks import TRIAGE_MARKS, operation_mark
from operations.models import ConnectionOperation, OperationStatus, Triage
from operations.models.operation_queryset import ConnectionOperationQuerySet
from operations.roles import Role

#: Rows that are read at once.
BATCH = 500
COLUMNS = (
    "connectionId",
    "connectionName",
    "id",
    "kind",
    "status",
    "statusLabel",
    "errorCode",
    "errorMessage",
    "errorTarget",
    "requested",
    "started",
    "finished",
    "durationSeconds",
    "usualSeconds",
    "triage",
    "triageLabel",
    "triageNote",
    "requestedBy",
    "requestedByApplicationId",
    "requestId",
)


@page(Role.OPERATOR)
def export_operations(request: HttpRequest, kind: str) -> StreamingHttpResponse:
    """Newest first; ``kind`` is csv or jsonl."""
    if kind not in ("csv", "jsonl"):
        raise Http404(_("A list is exported as csv or jsonl."))
    selection = read_selection(Parameters(request.GET))
    rows = _rows(selection.rows(timezone.now()))
    if kind == "csv":
        return stream_csv("operations", COLUMNS, rows)
    return stream_jsonl("operations", (dict(zip(COLUMNS, row, strict=True)) for row in rows))


def _rows(operations: ConnectionOperationQuerySet) -> Iterator[list[Any]]:
    """Read by key, in batches: no transaction and no cursor stays open while a reader is slow."""
    operations = operations.select_related("connection").order_by("-id")
    batch = list(operations[:BATCH])
    while batch:
        now = timezone.now()
        yield from (_row(operation, now) for operation in batch)
        batch = list(operations.filter(pk__lt=batch[-1].pk)[:BATCH])


def _row(operation: ConnectionOperation, now: datetime) -> list[Any]:
    triage = TRIAGE_MARKS.get(Triage(operation.triage))
    return [
        operation.connection.graph_id,
        operation.connection.name,
        operation.graph_id,
        operation.kind,
        OperationStatus(operation.status).word,
        operation_mark(operation).label,
        operation.error_code,
        operation.error_message,
        operation.error_target,
        operation.created_at,
        operation.started_at,
        operation.finished_at,
        _seconds(operation, now),
        operation.usual_seconds and round(operation.usual_seconds, 3),
        operation.triage or None,
        triage.label if triage else None,
        operation.triage_note or None,
        operation.requested_by or None,
        operation.requested_app_id,
        operation.request_id or None,
    ]


def _seconds(operation: ConnectionOperation, now: datetime) -> float | None:
    """How long it took, or has been going on."""
    ended = operation.finished_at
    if ended is None and operation.status == OperationStatus.INPROGRESS:
        ended = now
    if ended is None:
        return None
    return max(0.0, round((ended - running_since(operation)).total_seconds(), 3))
