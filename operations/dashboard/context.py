"""What the frame of every page needs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from operations.dashboard.live import data_time
from operations.dashboard.presentation.numbers import Count
from operations.models import ConnectionOperation
from operations.roles import Role

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

#: The main navigation: what is read, and the pages that belong to it, the first being its own.
PLACES = (
    (_("Overview"), "overview"),
    (
        _("Connections"),
        "connections",
        "connection",
        "item",
        "group",
        "delete-connection",
        "delete-connections",
    ),
    (_("Operations"), "operations", "operation", "fail", "complete", "ask-run", "run"),
    (_("Errors"), "errors", "error", "causes"),
    (
        _("Applications"),
        "applications",
        "application",
        "new-application",
        "edit-application",
        "new-secret",
        "revoke-secret",
    ),
    (_("Activity"), "activity", "event"),
    (_("Settings"), "settings"),
)
THEMES = {
    "light": _("Light colours"),
    "dark": _("Dark colours"),
    "auto": _("Colours of the system"),
}


@dataclass(frozen=True)
class Place:
    """An entry of the main navigation."""

    label: StrOrPromise
    url: str
    icon: str
    is_current: bool
    count: Count | None = None


class Frame:
    """Read by the templates; asks the database only for what is printed."""

    version = settings.VERSION
    cookie_path = settings.SESSION_COOKIE_PATH

    def __init__(self, request: HttpRequest):
        self._request = request
        self.environment = settings.ENVIRONMENT_LABEL
        chosen = request.COOKIES.get("theme", "")
        self.theme = chosen if chosen in THEMES else "auto"
        self.themes = [(theme, label, theme == self.theme) for theme, label in THEMES.items()]
        self.keys_are_off = request.COOKIES.get("shortcuts") == "off"
        self.data_time = data_time()
        self.zone = timezone.get_current_timezone_name()
        user = getattr(request, "user", None)
        self.is_signed_in = bool(user and user.is_authenticated)
        held = Role.of(user) if user and self.is_signed_in else None
        self.role = held.group if held else ""
        self.can_operate = held in (Role.OPERATOR, Role.ADMINISTRATOR)
        self.can_enter_admin = bool(held is Role.ADMINISTRATOR or (user and user.is_staff))
        self.can_administer = held is Role.ADMINISTRATOR
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
            Place(
                label=label,
                url=reverse(pages[0]),
                icon=pages[0],
                is_current=here in pages,
                count=self.open_failures if pages[0] == "operations" else None,
            )
            for label, *pages in PLACES
        ]
        if self.can_enter_admin:
            places.append(Place(_("Admin"), reverse("admin:index"), "admin", False))
        return places


def frame(request: HttpRequest) -> dict[str, Any]:
    return {"frame": Frame(request)}
