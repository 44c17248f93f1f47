"""What a reader may choose for the pages, kept in cookies of the browser: time zone, rows, keys."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from django import forms
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from operations.dashboard.context import THEMES
from operations.dashboard.filters import PAGE_SIZE, PAGE_SIZES
from operations.dashboard.live import keep_preference

GetResponse = Callable[[HttpRequest], HttpResponseBase]


@cache
def zone_names() -> list[str]:
    return sorted(available_timezones() | {settings.TIME_ZONE})


class TimeZoneMiddleware:
    """The exact times of a page are in the zone that its reader chose. Exports stay in UTC."""

    def __init__(self, get_response: GetResponse):
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        name = request.COOKIES.get("timezone", "")
        if name not in zone_names():
            return self.get_response(request)
        with timezone.override(ZoneInfo(name)):
            return self.get_response(request)


class PreferencesForm(forms.Form):
    timezone = forms.ChoiceField(
        label=_("Time zone"),
        required=False,
        choices=lambda: [("", settings.TIME_ZONE), *((name, name) for name in zone_names())],
    )
    rows = forms.TypedChoiceField(
        label=_("Rows a page"), coerce=int, choices=[(size, size) for size in PAGE_SIZES]
    )
    theme = forms.ChoiceField(label=_("Colours"), choices=list(THEMES.items()))
    shortcuts = forms.BooleanField(label=_("Single letters as shortcuts"), required=False)

    @classmethod
    def of(cls, request: HttpRequest) -> PreferencesForm:
        """The form as it stands now; what a cookie holds and is no choice is the default."""
        cookies = request.COOKIES
        given = {
            "timezone": cookies.get("timezone", ""),
            "rows": cookies.get("rows", ""),
            "theme": cookies.get("theme", ""),
            "shortcuts": cookies.get("shortcuts") != "off",
        }
        known = {
            "timezone": zone_names(),
            "rows": [str(size) for size in PAGE_SIZES],
            "theme": THEMES,
        }
        default = {"timezone": "", "rows": str(PAGE_SIZE), "theme": "auto"}
        return cls(
            initial={
                name: value if name not in known or value in known[name] else default[name]
                for name, value in given.items()
            }
        )

    def keep(self, response: HttpResponse) -> None:
        """Set the cookies of a valid form."""
        chosen = self.cleaned_data
        cookies = {
            "timezone": chosen["timezone"],
            "rows": str(chosen["rows"]),
            "theme": chosen["theme"],
            "shortcuts": "" if chosen["shortcuts"] else "off",
        }
        for name, value in cookies.items():
            if value:
                keep_preference(response, name, value)
            else:
                response.delete_cookie(name, path=settings.SESSION_COOKIE_PATH, samesite="Lax")
