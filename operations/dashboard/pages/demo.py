"""The demo data, for an installation that has no connection yet."""

from __future__ import annotations

import logging

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _

from operations.access import person
from operations.dashboard.guard import page
from operations.demo.making import make_demo
from operations.models import Application, Channel, ExternalConnection
from operations.roles import Role

log = logging.getLogger(__name__)


@page(Role.ADMINISTRATOR)
def load_demo(request: HttpRequest) -> HttpResponse:
    if request.method != "POST":
        return redirect("overview")
    if ExternalConnection.objects.exists():
        messages.info(request, _("There are connections already. Nothing changed."))
        return redirect("overview")
    owner = Application.objects.filter(enabled=True).order_by("id").first()
    made = make_demo(owner.app_id if owner else None)
    # the demo's own records name those of the story
    log.info("Demo data was loaded by %s.", person(request, Channel.DASHBOARD).name)
    messages.success(
        request,
        _("Demo data is loaded: %(connections)s connections with %(operations)s operations.")
        % {"connections": made.connections, "operations": made.operations},
    )
    return redirect("overview")
