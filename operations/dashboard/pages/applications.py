"""The list of applications, and why a call was refused."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from django.db.models import Case, IntegerField, OuterRef, Q, QuerySet, Subquery, Value, When
from django.db.models import Count as CountOf
from django.db.models.functions import Coalesce, Lower
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from operations.dashboard import keyset
from operations.dashboard.filters import Parameters
from operations.dashboard.guard import page
from operations.dashboard.keyset import Order
from operations.dashboard.listing import page_of
from operations.dashboard.live import live_page
from operations.dashboard.lookups import guid
from operations.dashboard.presentation.applications import TROUBLE_MARKS, ApplicationRow
from operations.dashboard.presentation.numbers import Count
from operations.dashboard.presentation.refusals import RefusalShown
from operations.models import (
    Application,
    AuthorizedApp,
    Change,
    ExternalConnection,
    Refusal,
)
from operations.models.application import ApplicationQuerySet, SecretTrouble
from operations.roles import Role

ACCESS = {"enabled": gettext_lazy("Enabled"), "disabled": gettext_lazy("Disabled")}
TROUBLES = {trouble.value: mark.label for trouble, mark in TROUBLE_MARKS.items()}
#: What somebody should look at comes first.
ORDER = Order((("calm", keyset.number), ("lower_name", keyset.text)))
REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
ANYTHING = re.compile(r".*", re.DOTALL)
#: A caller's own id may be that of several requests.
REFUSALS = 5


@page(Role.VIEWER)
def applications(request: HttpRequest) -> HttpResponse:
    now = timezone.now()
    parameters = Parameters(request.GET)
    rows = _matching(parameters, now)
    size = parameters.page_size(request.COOKIES.get("rows", ""))
    listed = ORDER.sort(
        with_connections(rows.with_troubles(now)).annotate(calm=_calm(), lower_name=Lower("name"))
    )
    why = parameters.position("why", ANYTHING).strip()
    after = parameters.position("after", keyset.POSITION)
    if after:
        try:
            listed = ORDER.behind(listed, after)
        except ValueError:
            parameters.leave_out("after")
            after = ""
    parameters.finish()
    everything = Application.objects.all()
    counts = Count.several(
        matching=rows,
        total=everything,
        disabled=everything.filter(enabled=False),
        **{trouble: everything.troubled(now, trouble) for trouble in TROUBLES},
    )
    found, more = page_of(listed.prefetch_related("secrets"), size)
    return live_page(
        request,
        "applications",
        {
            "title": _("Applications"),
            "parameters": parameters,
            "rows": [ApplicationRow(application) for application in found],
            "matching": counts["matching"],
            "total": counts["total"],
            "shortcuts": parameters.shortcuts(
                (_("All"), "?", counts["total"]),
                *(
                    (str(label), f"?warning={trouble}", counts[trouble])
                    for trouble, label in TROUBLES.items()
                ),
                (_("Disabled"), "?access=disabled", counts["disabled"]),
            ),
            "is_later_page": bool(after),
            "next_page": parameters.at("after", ORDER.position(found[-1])) if more else "",
            "is_empty": not counts["total"],
            "order": _("warnings first, then by name"),
            "why": why_refused(why),
        },
    )


def _matching(parameters: Parameters, now: datetime) -> ApplicationQuerySet:
    rows: ApplicationQuerySet = Application.objects.all()
    if text := parameters.words("text", _("Name or client id")):
        named = Q(name__icontains=text)
        app_id = guid(text)
        rows = rows.filter(named | Q(app_id=app_id) if app_id else named)
    if access := parameters.choice("access", _("Access"), ACCESS):
        rows = rows.filter(enabled=access == "enabled")
    if troubles := parameters.several("warning", _("Warning"), TROUBLES):
        rows = rows.troubled(now, *(SecretTrouble(trouble) for trouble in troubles))
    return rows


def _calm() -> Case:
    """0 for one that has a trouble, 1 for the others."""
    troubled = Q(*((f"has_{trouble}", True) for trouble in TROUBLES), _connector=Q.OR)
    return Case(When(troubled, then=Value(0)), default=Value(1), output_field=IntegerField())


def with_connections(rows: QuerySet[Application]) -> QuerySet[Application]:
    """Each with how many connections it owns and how many it is authorized for."""
    alive = ExternalConnection.objects.alive()
    owned = alive.filter(owner_app_id=OuterRef("app_id")).order_by().values("owner_app_id")
    listed = AuthorizedApp.objects.filter(
        app_id=OuterRef("app_id"), connection__deleting_since=None
    )
    authorized = listed.order_by().values("app_id")
    return rows.annotate(
        owned=_number(owned.annotate(number=CountOf("pk"))),
        authorized=_number(authorized.annotate(number=CountOf("pk"))),
    )


def _number(counted: QuerySet) -> Coalesce:
    return Coalesce(Subquery(counted.values("number"), output_field=IntegerField()), Value(0))


# Why refused --------------------------------------------------------------------------------------


def why_refused(request_id: str) -> dict[str, Any] | None:
    """What is known about a request by its id, or that nothing is; None when nobody asks."""
    if not request_id:
        return None
    if guid(request_id):
        request_id = request_id.lower()
    if not REQUEST_ID.fullmatch(request_id):
        return {"request_id": request_id[:100], "is_no_id": True}
    refusals = list(Refusal.objects.of_request(request_id)[:REFUSALS])
    applications = {
        application.app_id: application
        for application in Application.objects.filter(
            app_id__in={refusal.app_id for refusal in refusals} - {None}
        )
    }
    return {
        "request_id": request_id,
        "refusals": [
            RefusalShown(refusal, applications.get(refusal.app_id) if refusal.app_id else None)
            for refusal in refusals
        ],
        "was_let_in": not refusals and Change.objects.filter(request_id=request_id).exists(),
    }
