"""Operations as a file, CSV or JSON lines: the same from a page and from the admin."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from django.utils import timezone

from operations.exports import stream_csv, stream_jsonl
from operations.marks import TRIAGE_MARKS, operation_mark
from operations.models import ConnectionOperation, OperationStatus, Triage

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


def stream_operations(
    operations: QuerySet[ConnectionOperation], kind: str
) -> StreamingHttpResponse:
    """Newest first; ``kind`` is csv or jsonl."""
    rows = _rows(operations)
    if kind == "csv":
        return stream_csv("operations", COLUMNS, rows)
    return stream_jsonl("operations", (dict(zip(COLUMNS, row, strict=True)) for row in rows))


def _rows(operations: QuerySet[ConnectionOperation]) -> Iterator[list[Any]]:
    """Read by key, in batches: no transaction and no cursor stays open while a reader is slow."""
    operations = operations.select_related("connection").defer("payload").order_by("-id")
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
    began = operation.started_at or operation.created_at
    return max(0.0, round((ended - began).total_seconds(), 3))
