"""What the frame of every page needs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse

from operations.dashboard.live import data_time
from operations.dashboard.presentation import Count
from operations.models import ConnectionOperation

THEMES = ("light", "dark", "auto")


@dataclass(frozen=True)
class Place:
    """An entry of the main navigation."""

    label: str
    url: str
    icon: str
    is_current: bool
    count: Count | None = None


class Frame:
    """Read by the templates; asks the database only for what is printed."""

    version = settings.VERSION

    def __init__(self, request: HttpRequest):
        self._request = request
        self.environment = settings.ENVIRONMENT_LABEL
        chosen = request.COOKIES.get("theme", "")
        self.theme = chosen if chosen in THEMES else "auto"
        self.themes = [(theme, theme == self.theme) for theme in THEMES]
        self.data_time = data_time()
        user = getattr(request, "user", None)
        self.is_signed_in = bool(user and user.is_authenticated)
        self.user_name = user.get_username() if user and self.is_signed_in else ""

    @cached_property
    def open_failures(self) -> Count:
        if not self.is_signed_in:
            return Count(0)
        return Count.of(ConnectionOperation.objects.open_failures())

    @property
    def places(self) -> list[Place]:
        match = self._request.resolver_match
        here = match.url_name if match and not match.namespaces else None
        places = [
            Place("Overview", reverse("overview"), "overview", here == "overview"),
            Place(
                "Connections",
                reverse("connections"),
                "connections",
                here in ("connections", "connection"),
            ),
            Place(
                "Operations",
                reverse("operations"),
                "operations",
                here in ("operations", "operation"),
                self.open_failures,
            ),
        ]
        if self._request.user.is_staff:
            places.append(Place("Admin", reverse("admin:index"), "admin", False))
        return places


def frame(request: HttpRequest) -> dict[str, Any]:
    return {"frame": Frame(request)}
