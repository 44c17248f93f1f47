"""One operation: what happened, why, and what to do."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from operations.dashboard.forms import NOTE_LENGTH
from operations.dashboard.guard import page
from operations.dashboard.listing import GLIMPSE
from operations.dashboard.live import live_page
from operations.dashboard.lookups import find_operation
from operations.dashboard.presentation.operation import ErrorInFull, graph_json, timeline
from operations.dashboard.presentation.operations import OperationRow, operation_sentence
from operations.marks import operation_mark
from operations.models import Change
from operations.roles import Role

TIMELINE = 100


@page(Role.VIEWER)
def operation(request: HttpRequest, connection_id: str, operation_id: str) -> HttpResponse:
    found = find_operation(connection_id, operation_id)
    now = timezone.now()
    changes = Change.objects.filter(operation_key=found.pk).order_by("id")[:TIMELINE]
    row = OperationRow(found, now)
    return live_page(
        request,
        "operation",
        {
            "title": f"Operation {found.graph_id}",
            "announce": f"{operation_mark(found).label}: {operation_sentence(found, now)}"
            if found.is_terminal
            else operation_mark(found).label,
            "operation": found,
            "row": row,
            "error": ErrorInFull.of(found),
            "timeline": timeline(found, list(changes)),
            "retries": list(found.retries.order_by("id")[:GLIMPSE]),
            "schema": found.registered,
            "graph_json": graph_json(found),
            "note_length": NOTE_LENGTH,
        },
    )
