"""The list of operations, of all connections or of one."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from operations.dashboard.filters import Parameters
from operations.dashboard.guard import page
from operations.dashboard.listing import page_of
from operations.dashboard.live import live_page
from operations.dashboard.presentation.numbers import Count
from operations.dashboard.presentation.operations import OperationRow
from operations.marks import OPERATION_MARKS, TRIAGE_MARKS
from operations.models import ConnectionOperation, OperationStatus, Triage
from operations.models.connection import CONNECTION_ID
from operations.models.operation_queryset import ConnectionOperationQuerySet
from operations.roles import Role

STATUS_LABELS = {mark.word: mark.label for mark in OPERATION_MARKS.values()}
TRIAGE_LABELS = {mark.value: mark.label for mark in TRIAGE_MARKS.values()}


@page(Role.VIEWER)
def operations(request: HttpRequest) -> HttpResponse:
    now = timezone.now()
    parameters = Parameters(request.GET)
    rows = ConnectionOperation.objects.all()
    connection_id = parameters.text("connection", "Connection", CONNECTION_ID)
    if connection_id:
        rows = rows.filter(connection__lookup_id=connection_id.lower())
    everything = ConnectionOperation.objects.all()
    counts = Count.several(
        total=everything,
        open=everything.open_failures(),
        in_progress=everything.in_progress(),
        stuck=everything.stuck(now),
    )
    shown = operation_list(parameters, rows, now)
    return live_page(
        request,
        "operations",
        {
            "title": "Operations",
            "connection_id": connection_id,
            "total": counts["total"],
            "shortcuts": parameters.shortcuts(
                ("All", "?", counts["total"]),
                ("Open failures", "?triage=open", counts["open"]),
                ("In progress", "?status=inprogress", counts["in_progress"]),
                ("Stuck", "?stuck=1", counts["stuck"]),
            ),
            **shown,
        },
    )


def operation_list(
    parameters: Parameters, rows: ConnectionOperationQuerySet, now: datetime
) -> dict[str, Any]:
    """What the partial of a list of operations needs: filters, rows, where the next page begins."""
    statuses = parameters.several("status", "Status", STATUS_LABELS)
    triages = parameters.several("triage", "Triage", TRIAGE_LABELS)
    stuck = parameters.flag("stuck", "Duration", "stuck")
    before = parameters.position("before")
    parameters.finish()
    if statuses:
        rows = rows.filter(status__in=[OperationStatus.from_word(word) for word in statuses])
    if triages:
        rows = rows.filter(triage__in=[Triage(value) for value in triages])
    if stuck:
        rows = rows.stuck(now)
    matching = Count.of(rows)
    wanted = rows.select_related("connection").order_by("-id")
    if before:
        wanted = wanted.filter(pk__lt=int(before))
    found, more = page_of(wanted)
    return {
        "parameters": parameters,
        "rows": [OperationRow(row, now) for row in found],
        "matching": matching,
        "is_later_page": bool(before),
        "next_page": parameters.at("before", found[-1].pk) if more else "",
        "is_empty": not matching and not parameters.chips,
    }
