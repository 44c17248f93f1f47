"""Applications."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from operations.dashboard.guard import page
from operations.dashboard.live import live_page
from operations.roles import Role


@page(Role.VIEWER)
def applications(request: HttpRequest) -> HttpResponse:
    return live_page(request, "applications", {"title": "Applications"})
