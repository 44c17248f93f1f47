"""Settings and health."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from operations.dashboard.guard import page
from operations.dashboard.live import live_page
from operations.roles import Role


@page(Role.VIEWER)
def settings(request: HttpRequest) -> HttpResponse:
    return live_page(request, "settings", {"title": "Settings and health"})
