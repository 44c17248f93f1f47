"""The overview: counts, what needs a person, what runs."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from operations.dashboard.guard import page
from operations.dashboard.listing import GLIMPSE, base_url, operation_rows
from operations.dashboard.live import live_page
from operations.dashboard.presentation.numbers import Count
from operations.models import (
    ConnectionOperation,
    ConnectionState,
    ExternalConnection,
    OperationStatus,
)
from operations.roles import Role


@page(Role.VIEWER)
def overview(request: HttpRequest) -> HttpResponse:
    now = timezone.now()
    operations = ConnectionOperation.objects.select_related("connection")
    alive = ExternalConnection.objects.alive()
    counts = Count.several(
        in_progress=operations.in_progress(),
        stuck=operations.stuck(now),
        limited=alive.filter(state=ConnectionState.LIMIT_EXCEEDED),
        ready=alive.filter(state=ConnectionState.READY),
        all=ExternalConnection.objects.all(),
    )
    attention = operation_rows(operations.open_failures().order_by("-id")[:GLIMPSE], now)
    last_failure = None
    if not attention:
        last_failure = operations.filter(status=OperationStatus.FAILED).order_by("-id").first()
    return live_page(
        request,
        "overview",
        {
            "title": "Overview",
            **counts,
            "attention": attention,
            "running": operation_rows(operations.in_progress().order_by("-id")[:GLIMPSE], now),
            "last_failure": last_failure,
            "is_empty": not counts["all"],
            "base_url": base_url(request),
            "glimpse": GLIMPSE,
        },
    )
