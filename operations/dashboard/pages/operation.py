"""One operation: what happened, why, and what to do."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _

from operations.causes import catalogue
from operations.dashboard.forms import NOTE_LENGTH
from operations.dashboard.guard import page
from operations.dashboard.listing import GLIMPSE
from operations.dashboard.live import live_page
from operations.dashboard.lookups import find_operation, newest_heartbeat
from operations.dashboard.outcomes import with_error
from operations.dashboard.presentation.errors import probable_cause
from operations.dashboard.presentation.numbers import Count
from operations.dashboard.presentation.operation import (
    ErrorInFull,
    graph_json,
    timeline,
    waiting_advice,
)
from operations.dashboard.presentation.operations import OperationRow
from operations.dashboard.presentation.schema import schema_changes
from operations.models import (
    Change,
    ConnectionOperation,
    ErrorGroup,
    Kind,
    OperationStatus,
)
from operations.models.moves import MOVES
from operations.roles import Role

TIMELINE = 100


@page(Role.VIEWER)
def operation(request: HttpRequest, connection_id: str, operation_id: str) -> HttpResponse:
    found = find_operation(connection_id, operation_id)
    now = timezone.now()
    changes = Change.objects.filter(operation_key=found.pk).order_by("id")[:TIMELINE]
    row = OperationRow(found, now)
    followers = _followers(found)
    retries = [each for each in followers if each.retry_of_id == found.pk]
    groups = ErrorGroup.objects.filter(fingerprint=found.fingerprint)
    group = groups.first() if found.fingerprint else None
    waits = found.is_workers and not found.is_terminal
    return live_page(
        request,
        "operation",
        {
            "title": _("Operation %(id)s") % {"id": found.graph_id},
            "announce": f"{row.mark.label}: {row.sentence}"
            if found.is_terminal
            else str(row.mark.label),
            "operation": found,
            "row": row,
            "error": ErrorInFull.of(found),
            "cause": probable_cause(group, found, catalogue()) if group else None,
            "group": group,
            "seen": Count(group.count) if group else None,
            "seen_on": _connections_with(found.fingerprint, now) if group else None,
            "timeline": timeline(found, list(changes), retries, now),
            "retries": [OperationRow(retry, now) for retry in retries],
            "retried": OperationRow(found.retry_of, now) if found.retry_of else None,
            "running": next((each for each in followers if not each.is_terminal), None),
            "advice": waiting_advice(found, newest_heartbeat() if waits else None, now),
            "schema": found.registered,
            "can_fail": OperationStatus.FAILED in MOVES[OperationStatus(found.status)],
            "can_complete": not found.is_workers
            and OperationStatus.COMPLETED in MOVES[OperationStatus(found.status)],
            "graph_json": graph_json(found),
            "note_length": NOTE_LENGTH,
            **_schema_change(found, now),
        },
    )


@page(Role.VIEWER)
def graph_file(request: HttpRequest, connection_id: str, operation_id: str) -> HttpResponse:
    """The Graph JSON of an operation, to keep or to send on."""
    found = find_operation(connection_id, operation_id)
    name = f"{found.connection.graph_id}-{found.graph_id}.json"
    return HttpResponse(
        graph_json(found),
        content_type="application/json",
        headers={"Content-Disposition": content_disposition_header(True, name) or "attachment"},
    )


def _followers(found: ConnectionOperation) -> list[ConnectionOperation]:
    """Its retries, and the registration of the connection that runs, which keeps it from one."""
    unfinished = Q(kind=Kind.SCHEMA_REGISTRATION, status=OperationStatus.INPROGRESS)
    rows = ConnectionOperation.objects.filter(
        Q(retry_of=found) | (unfinished & Q(connection=found.connection_id))
    )
    followers = list(reversed(rows.exclude(pk=found.pk).order_by("-id")[:GLIMPSE]))
    for follower in followers:
        follower.connection = found.connection
    return followers


def _connections_with(fingerprint: str, now: datetime) -> Count:
    return Count.of(with_error(now, fingerprint).values("connection").distinct())


def _schema_change(found: ConnectionOperation, now: datetime) -> dict[str, Any]:
    """What a registration asks to change about the version that was in force before it."""
    if not found.payload:
        return {}
    earlier = found.connection.schemas.filter(in_force_at__lt=found.finished_at or now)
    before = earlier.exclude(operation=found).order_by("-version").first()
    return {
        "before": before,
        "changes": schema_changes(before.document if before else None, found.payload),
    }
