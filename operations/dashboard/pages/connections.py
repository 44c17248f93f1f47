"""The list of connections."""

from __future__ import annotations

from django.db.models import Exists, OuterRef
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from operations.dashboard.filters import Parameters
from operations.dashboard.guard import page
from operations.dashboard.listing import base_url, connection_row, latest_key, page_of
from operations.dashboard.live import live_page
from operations.dashboard.presentation.numbers import Count
from operations.marks import STATE_MARKS
from operations.models import ConnectionOperation, ConnectionState, ExternalConnection
from operations.models.connection import CONNECTION_ID
from operations.roles import Role

STATE_LABELS = {mark.word: mark.label for mark in STATE_MARKS.values()}


@page(Role.VIEWER)
def connections(request: HttpRequest) -> HttpResponse:
    parameters = Parameters(request.GET)
    states = parameters.several("state", "State", STATE_LABELS)
    failing = parameters.flag("failing", "Operations", "open failure")
    after = parameters.position("after", CONNECTION_ID)
    parameters.finish()

    everything = ExternalConnection.objects.all()
    open_failure = Exists(
        ConnectionOperation.objects.open_failures().filter(connection=OuterRef("pk"))
    )
    rows = everything
    if states:
        # one that is being deleted shows as that, not as the state that it had
        rows = rows.alive().filter(state__in=[ConnectionState.from_word(word) for word in states])
    if failing:
        rows = rows.filter(open_failure)
    alive = everything.alive()
    counts = Count.several(
        matching=rows,
        total=everything,
        failing=everything.filter(open_failure),
        limited=alive.filter(state=ConnectionState.LIMIT_EXCEEDED),
        draft=alive.filter(state=ConnectionState.DRAFT),
    )
    wanted = rows.order_by("lookup_id")
    if after:
        wanted = wanted.filter(lookup_id__gt=after.lower())
    found, more = page_of(wanted.annotate(latest_key=latest_key()))
    latest = ConnectionOperation.objects.in_bulk(
        [row.latest_key for row in found if row.latest_key]
    )
    now = timezone.now()
    return live_page(
        request,
        "connections",
        {
            "title": "Connections",
            "parameters": parameters,
            "rows": [connection_row(row, latest.get(row.latest_key), now) for row in found],
            "matching": counts["matching"],
            "total": counts["total"],
            "shortcuts": parameters.shortcuts(
                ("All", "?", counts["total"]),
                ("Open failure", "?failing=1", counts["failing"]),
                ("Limit exceeded", "?state=limitExceeded", counts["limited"]),
                ("Draft", "?state=draft", counts["draft"]),
            ),
            "is_later_page": bool(after),
            "next_page": parameters.at("after", found[-1].graph_id) if more else "",
            "is_empty": not counts["matching"] and not parameters.chips,
            "base_url": base_url(request),
        },
    )
