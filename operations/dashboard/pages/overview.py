"""The overview: counts, what needs a person, what runs, how the last days went, who did what."""

from __future__ import annotations

from datetime import datetime

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _

from operations import causes
from operations.dashboard.charts import DailyBars
from operations.dashboard.guard import page
from operations.dashboard.listing import GLIMPSE, base_url
from operations.dashboard.live import live_page
from operations.dashboard.outcomes import daily_outcomes
from operations.dashboard.pages.activity import activity_rows
from operations.dashboard.presentation.numbers import Count
from operations.dashboard.presentation.operations import OperationRow
from operations.dashboard.presentation.overview import AttentionRow, attention_row
from operations.models import (
    BulkRun,
    Change,
    ConnectionOperation,
    ConnectionState,
    ErrorGroup,
    ExternalConnection,
    OperationStatus,
    Triage,
    WorkerHeartbeat,
)
from operations.models.health import Health, has_health
from operations.roles import Role

#: Changes that the overview shows.
RECENT = 8


@page(Role.VIEWER)
def overview(request: HttpRequest) -> HttpResponse:
    now = timezone.now()
    operations = ConnectionOperation.objects.all()
    connections = ExternalConnection.objects.all()
    alive = connections.alive()
    # asked for first of all: what is listed below must not be more than what is counted
    counts = Count.several(
        open=operations.open_failures(),
        in_progress=operations.in_progress(),
        stuck=operations.stuck(now),
        limited=alive.filter(state=ConnectionState.LIMIT_EXCEEDED),
        healthy=connections.filter(has_health(now, Health.HEALTHY)),
        all=connections,
        waiting=operations.claimable(now),
        deleting=connections.deleting(),
        runs=BulkRun.objects.filter(finished_at=None),
        workers=WorkerHeartbeat.objects.alive(now),
    )
    stuck, failures, running = _shown(now)
    attention = _attention([*stuck, *failures][:GLIMPSE], now)
    return live_page(
        request,
        "overview",
        {
            "title": _("Overview"),
            **counts,
            "attention": attention,
            "more": counts["open"].number + counts["stuck"].number - len(attention),
            "last_failure": None if attention else _last_failure(),
            "running": [OperationRow(row, now) for row in running],
            "more_running": counts["in_progress"].number - len(running),
            "daily": DailyBars("daily", _("Last 14 days"), daily_outcomes(now)),
            "recent": activity_rows(list(Change.objects.order_by("-id")[:RECENT])),
            "waits_for_nobody": _waits_for_nobody(counts),
            "is_empty": not counts["all"],
            "base_url": base_url(request),
        },
    )


def _waits_for_nobody(counts: dict[str, Count]) -> bool:
    work = counts["waiting"], counts["deleting"], counts["runs"]
    return any(work) and not counts["workers"]


def _shown(
    now: datetime,
) -> tuple[list[ConnectionOperation], list[ConnectionOperation], list[ConnectionOperation]]:
    """What is stuck, overdue the longest first; open failures and what runs, newest first.

    In one query: a union of three, each of which an index answers.
    """
    rows = ConnectionOperation.objects.all()
    sets = (
        rows.stuck(now).order_by("overdue_at", "id"),
        rows.open_failures().order_by("-id"),
        rows.in_progress().order_by("-id"),
    )
    first, *others = (
        rows.filter(pk__in=each.values("pk")[:GLIMPSE]).select_related("connection").order_by()
        for each in sets
    )
    by_key = {row.pk: row for row in first.union(*others, all=True)}
    found = [by_key[key] for key in sorted(by_key, reverse=True)]
    stuck = [row for row in found if row.is_stuck(now)]
    return (
        sorted(stuck, key=lambda row: (row.overdue_at or now, row.pk))[:GLIMPSE],
        [row for row in found if row.triage == Triage.OPEN],
        [row for row in found if row.status == OperationStatus.INPROGRESS][:GLIMPSE],
    )


def _attention(found: list[ConnectionOperation], now: datetime) -> list[AttentionRow]:
    fingerprints = {row.fingerprint for row in found if row.fingerprint}
    groups = ErrorGroup.objects.in_bulk(fingerprints, field_name="fingerprint")
    catalogue = causes.catalogue()
    return [attention_row(row, groups.get(row.fingerprint), catalogue, now) for row in found]


def _last_failure() -> ConnectionOperation | None:
    """The failure that ended last."""
    failures = ConnectionOperation.objects.in_status(OperationStatus.FAILED)
    return failures.select_related("connection").order_by("-id").first()
