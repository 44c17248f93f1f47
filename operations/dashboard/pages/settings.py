"""Settings and health: how this installation stands, what holds here, and what a reader prefers."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext as _

from operations import health_checks
from operations.dashboard.guard import page
from operations.dashboard.live import live_page
from operations.dashboard.preferences import PreferencesForm
from operations.dashboard.presentation.settings import health_summary, in_order, limits, versions
from operations.roles import Role


@page(Role.VIEWER)
def settings(request: HttpRequest) -> HttpResponse:
    checks = health_checks.report(timezone.now())
    return live_page(
        request,
        "settings",
        {
            "title": _("Settings and health"),
            "checks": in_order(checks),
            "summary": health_summary(checks),
            "limits": limits(),
            "versions": versions(),
            "preferences": PreferencesForm.of(request),
        },
    )


@page(Role.VIEWER)
def save_preferences(request: HttpRequest) -> HttpResponse:
    response = redirect("settings")
    if request.method != "POST":
        return response
    form = PreferencesForm(request.POST)
    if form.is_valid():
        form.keep(response)
        messages.success(request, _("Saved, for this browser."))
    else:
        messages.warning(request, _("That is no choice of this form. Nothing changed."))
    return response
