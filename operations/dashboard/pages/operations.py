"""The list of operations, of all connections or of one."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _

from operations.dashboard.filters import ANY_TIME, Parameters
from operations.dashboard.guard import page
from operations.dashboard.listing import page_of
from operations.dashboard.live import live_page
from operations.dashboard.operation_filter import (
    DEFAULT_RANGE,
    application_options,
    duration_options,
    read_selection,
)
from operations.dashboard.presentation.numbers import Count
from operations.dashboard.presentation.operations import OperationRow
from operations.dashboard.presentation.runs import RunShown
from operations.models import BulkRun, ConnectionOperation, ExternalConnection
from operations.models.operation_queryset import ConnectionOperationQuerySet
from operations.roles import Role
from operations.selection import OperationSelection

#: So few are found by the index of what they have in common, and then sorted. Left the choice, a
#: database would walk through all from the newest on, for it cannot tell how few there are.
FEW = 2000
#: Unfinished actions on many that the list names.
RUNS = 3


@page(Role.VIEWER)
def operations(request: HttpRequest) -> HttpResponse:
    now = timezone.now()
    parameters = Parameters(request.GET)
    everything = ConnectionOperation.objects.all()
    today = timezone.localtime(now).replace(hour=0, minute=0, second=0, microsecond=0)
    shown = operation_list(
        parameters,
        now,
        remembered=request.COOKIES.get("rows", ""),
        default_range=DEFAULT_RANGE,
        more_counts={
            "total": everything,
            "open": everything.open_failures(),
            "in_progress": everything.in_progress(),
            "stuck": everything.stuck(now),
            "today": everything.filter(created_at__gte=today),
        },
    )
    counts = shown["counts"]
    unfinished = BulkRun.objects.filter(finished_at=None).order_by("pk")
    return live_page(
        request,
        "operations",
        {
            "title": _("Operations"),
            "total": counts["total"],
            "shortcuts": parameters.shortcuts(
                (_("Open failures"), "?triage=open&range=all", counts["open"]),
                (_("In progress"), "?status=inprogress&range=all", counts["in_progress"]),
                (_("Stuck"), "?range=all&stuck=1", counts["stuck"]),
                (_("Today"), f"?since={today:%Y-%m-%d}", counts["today"]),
                (_("All"), "?range=all", counts["total"]),
            ),
            "runs": [RunShown(run) for run in unfinished[:RUNS]],
            **shown,
        },
    )


def operation_list(
    parameters: Parameters,
    now: datetime,
    *,
    connection: ExternalConnection | None = None,
    remembered: str = "",
    default_range: str = ANY_TIME,
    more_counts: dict[str, ConnectionOperationQuerySet] | None = None,
) -> dict[str, Any]:
    """What the partial of a list of operations needs: filters, rows, where the next page begins.

    It lists the operations of ``connection``, or all. ``remembered`` is the cookie with the
    reader's page size. ``more_counts`` are counted along, in the same query.
    """
    graph_id = connection.graph_id if connection else ""
    rows = connection.operations.all() if connection else ConnectionOperation.objects.all()
    selection = read_selection(parameters, connection=graph_id, default_range=default_range)
    before = parameters.position("before")
    size = parameters.page_size(remembered)
    parameters.finish()
    matches = selection.among(rows, now)
    counts = Count.several(matching=matches, **(more_counts or {}))
    matching = counts["matching"]
    wanted = matches
    if matching.number <= FEW:
        wanted = rows.filter(pk__in=matches.order_by().values("pk")[:FEW])
    wanted = wanted.select_related("connection").order_by("-id")
    if before:
        wanted = wanted.filter(pk__lt=int(before))
    found, more = page_of(wanted, size)
    fields = _fields(parameters, graph_id, default_range)
    return {
        "parameters": parameters,
        "selection": selection,
        "fields": fields,
        "query": urlencode(fields),
        "rows": [OperationRow(row, now) for row in found],
        "counts": counts,
        "matching": matching,
        "is_later_page": bool(before),
        "next_page": parameters.at("before", found[-1].pk) if more else "",
        "applications": application_options(selection.application),
        "durations": duration_options(selection.longer_than),
        **_form_values(parameters, selection),
        "is_empty": not counts.get("total", matching or parameters.fields),
    }


def _form_values(parameters: Parameters, selection: OperationSelection) -> dict[str, Any]:
    """What the fields of the form hold that are not plain choices."""
    is_custom = not any(option.chosen for option in parameters.options["range"])
    given = (selection.code, selection.application, selection.longer_than)
    return {
        "is_custom_range": is_custom,
        "since": _for_field(selection.since) if is_custom else "",
        "until": _for_field(selection.until),
        "has_more_filters": is_custom or any(given) or bool(parameters.given("connection")),
    }


def _for_field(moment: datetime | None) -> str:
    return f"{timezone.localtime(moment):%Y-%m-%dT%H:%M}" if moment else ""


def _fields(parameters: Parameters, connection: str, default_range: str) -> list[tuple[str, str]]:
    """The filter as an export or an action reads it, which know neither tab nor default."""
    fields = parameters.fields
    if connection:
        fields.append(("connection", connection))
    if not any(name in ("range", "since", "until") for name, _value in fields):
        fields.append(("range", default_range))
    return fields
