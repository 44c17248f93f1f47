"""Every change that was made, by whom and through which way in."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import CharField, Q, QuerySet, Value
from django.db.models.functions import Cast, Lower
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from operations.dashboard.filters import Parameters
from operations.dashboard.guard import page
from operations.dashboard.listing import page_of
from operations.dashboard.live import live_page
from operations.dashboard.presentation.activity import (
    LONGEST,
    ActivityRow,
    Existing,
    Subject,
    grouped,
)
from operations.dashboard.presentation.numbers import Count
from operations.models import (
    Action,
    ActorKind,
    Application,
    Change,
    Channel,
    ConnectionOperation,
    ErrorGroup,
    ExternalConnection,
)
from operations.models.connection import CONNECTION_ID
from operations.models.operation_id import OPERATION_ID
from operations.roles import Role

APP_ID = re.compile(r"(?i)[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
OUTCOMES = {"completed": gettext_lazy("Completed"), "failed": gettext_lazy("Failed")}
#: The filters that are typed.
FIELDS = {
    "who": gettext_lazy("Name"),
    "note": gettext_lazy("Text in the note"),
    "connection": gettext_lazy("Connection id"),
    "operation": gettext_lazy("Operation id"),
    "application": gettext_lazy("Client id"),
    "request": gettext_lazy("request-id"),
}
OF_APPLICATIONS = [action for action in Action if action.startswith("application.")]
IDS = ("connection", "operation", "application", "request")
#: What no index serves (a name, a text in a note) is looked for in so many newest changes.
SEARCHED = 200_000


@page(Role.VIEWER)
def activity(request: HttpRequest) -> HttpResponse:
    parameters = Parameters(request.GET)
    rows = Change.objects.all()
    connection_id = parameters.text("connection", _("Connection"), CONNECTION_ID)
    if connection_id:
        # by the id and not by the key: every connection that ever had this id
        rows = rows.alias(lookup=Lower("connection_graph_id")).filter(lookup=connection_id.lower())
    remembered = request.COOKIES.get("rows", "")
    shown = activity_list(parameters, rows, timezone.now(), remembered)
    fields = [
        {"name": name, "label": label, "value": request.GET.get(name, ""), "is_id": name in IDS}
        for name, label in FIELDS.items()
    ]
    context = {
        "title": _("Activity"),
        "fields": fields,
        "has_more_filters": any(request.GET.get(name) for name in ("action", *FIELDS)),
        **shown,
    }
    return live_page(request, "activity", context)


def activity_list(
    parameters: Parameters, rows: QuerySet[Change], now: datetime, remembered: str = ""
) -> dict[str, Any]:
    """What ``_activity_list.html`` needs: filters, changes by request, where the next page begins.

    ``rows`` may be narrowed already; ``remembered`` is the number of rows that the reader chose.
    """
    total = rows
    is_narrow = bool(rows.query.has_filters())
    actions = parameters.several("action", _("What"), dict(Action.choices))
    channels = parameters.several("channel", _("Through"), _capitalized(Channel.choices))
    kinds = parameters.several("by", _("By"), _capitalized(ActorKind.choices))
    name = parameters.words("who", _("Name"))
    outcomes = parameters.several("outcome", _("Outcome"), OUTCOMES)
    operation_id = parameters.text("operation", _("Operation"), OPERATION_ID)
    app_id = parameters.text("application", _("Application"), APP_ID)
    request_id = parameters.text("request", _("request-id"), REQUEST_ID)
    note = parameters.words("note", _("Note"))
    span = parameters.span(_("Time"))
    size = parameters.page_size(remembered)
    before = parameters.position("before")
    parameters.finish()

    if actions:
        rows = rows.filter(action__in=actions)
    if operation_id:
        rows = rows.filter(operation_graph_id=operation_id)
    if app_id:
        as_subject = Q(action__in=OF_APPLICATIONS, subject__endswith=f"({app_id.lower()})")
        rows = rows.filter(Q(actor_app_id=UUID(app_id)) | as_subject)
    if request_id:
        rows = rows.filter(request_id=request_id)
    if span.since:
        rows = rows.filter(at__gte=span.since)
    if span.until:
        rows = rows.filter(at__lte=span.until)
    is_narrow = is_narrow or bool(actions or operation_id or app_id or request_id)
    searches = bool(channels or kinds or name or outcomes or note) and not is_narrow
    newest = 0
    if searches:
        newest = Change.objects.order_by("-id").values_list("pk", flat=True).first() or 0
        rows = rows.filter(pk__gt=newest - SEARCHED)
    if channels:
        rows = rows.filter(channel__in=channels)
    if kinds:
        rows = rows.filter(actor_kind__in=kinds)
    if name:
        rows = rows.filter(actor_name__icontains=name)
    if note:
        rows = rows.filter(note__icontains=note)
    if outcomes:
        rows = rows.filter(_ended(outcomes))
    counts = Count.several(matching=rows, total=total)
    wanted = rows.order_by("-id")
    if before:
        wanted = wanted.filter(pk__lt=int(before))
    found, more = page_of(wanted, size)
    shown = activity_rows(found)
    return {
        "parameters": parameters,
        "span": span,
        "rows": shown,
        "groups": list(grouped(shown)),
        **counts,
        "searched": SEARCHED if newest > SEARCHED else 0,
        "is_later_page": bool(before),
        "next_page": parameters.at("before", found[-1].pk) if more else "",
        "is_empty": not counts["total"],
    }


def _capitalized(choices: Iterable[tuple[str, Any]]) -> dict[str, str]:
    return {value: f"{label}"[:1].upper() + f"{label}"[1:] for value, label in choices}


def _ended(outcomes: list[str]) -> Q:
    """Operations that ended so, also those that were reported when they had ended."""
    actions = {"completed": Action.OPERATION_COMPLETED, "failed": Action.OPERATION_FAILED}
    reported = Q(action=Action.OPERATION_REPORTED, after__status__in=outcomes)
    return Q(action__in=[actions[word] for word in outcomes]) | reported


def activity_rows(changes: Sequence[Change], longest: int | None = LONGEST) -> list[ActivityRow]:
    existing = what_exists(changes)
    return [ActivityRow(change, existing, longest) for change in changes]


def what_exists(changes: Sequence[Change]) -> Existing:
    """Which of the things that these changes name are still there, in two queries."""
    connections = {change.connection_key for change in changes if change.connection_key}
    operations = {change.operation_key for change in changes if change.operation_key}
    applications, errors = set(), set()
    for change in changes:
        subject = Subject.of(change)
        if change.actor_app_id:
            applications.add(change.actor_app_id)
        if subject.kind == "application" and APP_ID.fullmatch(subject.id):
            applications.add(UUID(subject.id))
        if subject.kind == "error" and subject.id:
            errors.add(subject.id)
    keys = _together(
        ExternalConnection.objects.filter(pk__in=connections).values_list(
            Value("connection"), "pk"
        ),
        ConnectionOperation.objects.filter(pk__in=operations).values_list(Value("operation"), "pk"),
    )
    ids = _together(
        Application.objects.filter(app_id__in=applications).values_list(
            Value("application"), Cast("app_id", CharField())
        ),
        ErrorGroup.objects.filter(fingerprint__in=errors).values_list(
            Value("error"), "fingerprint"
        ),
    )
    return Existing(
        connections=frozenset(key for kind, key in keys if kind == "connection"),
        operations=frozenset(key for kind, key in keys if kind == "operation"),
        applications=frozenset(
            text.replace("-", "") for kind, text in ids if kind == "application"
        ),
        errors=frozenset(text for kind, text in ids if kind == "error"),
    )


def _together(first: QuerySet, second: QuerySet) -> list[tuple[str, Any]]:
    return list(first.order_by().union(second.order_by(), all=True))
