"""The filter of a list of changes: read from an address, looked for with an index."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet
from django.db.models.functions import Lower
from django.db.models.lookups import In
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from operations.dashboard.filters import Parameters, Span
from operations.models import Action, ActorKind, Change, Channel
from operations.models.change import BY_OTHERS, ChangeQuerySet, Ending
from operations.models.connection import CONNECTION_ID
from operations.models.operation_id import OPERATION_ID

APP_ID = re.compile(r"(?i)[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
OUTCOMES = {"completed": gettext_lazy("Completed"), "failed": gettext_lazy("Failed")}
#: What no index serves (a name, a text in a note) is looked for in so many newest changes, unless
#: a connection, an operation or a request is named.
SEARCHED = 200_000


@dataclass(frozen=True)
class Wanted:
    """The changes that an address asks for; ``is_cut`` when only the newest were looked through."""

    rows: QuerySet[Change]
    span: Span
    is_cut: bool
    #: With a condition that no index serves: each row is looked at.
    is_searched: bool


def asked_for(parameters: Parameters, rows: ChangeQuerySet) -> Wanted:
    """The filter of an address on all changes, or on those of one connection."""
    has_index = is_part = bool(rows.query.has_filters())
    if not is_part:
        connection_id = parameters.text("connection", _("Connection"), CONNECTION_ID)
        if connection_id:  # not by its key: every connection that ever had this id
            has_index = True
            by_id = rows.alias(lookup=Lower("connection_graph_id"))
            rows = by_id.filter(lookup=connection_id.lower())
    operation_id = parameters.text("operation", _("Operation"), OPERATION_ID)
    if operation_id:
        has_index = True
        rows = rows.filter(operation_graph_id=operation_id)
    request_id = parameters.text("request", _("request-id"), REQUEST_ID)
    if request_id:
        has_index = True
        rows = rows.filter(request_id=request_id)
    app_id = parameters.text("application", _("Application"), APP_ID)
    if app_id:
        rows = rows.with_application(UUID(app_id))
    actions = parameters.several("action", _("What"), dict(Action.choices))
    if actions:
        rows = rows.filter(action__in=actions)
    span = parameters.span(_("Time"))
    if span.since:
        rows = rows.filter(at__gte=span.since)
    if span.until:
        rows = rows.filter(at__lte=span.until)
    searched = _searched(parameters)
    newest = 0
    if searched and not has_index:
        newest = Change.objects.order_by("-id").values_list("pk", flat=True).first() or 0
        rows = rows.filter(pk__gt=newest - SEARCHED)
    rows = rows.filter(searched)
    return Wanted(rows, span, is_cut=newest > SEARCHED, is_searched=bool(searched))


def _searched(parameters: Parameters) -> Q:
    """The conditions that no index serves, or only one of what is rare."""
    wanted = Q()
    channels = parameters.several("channel", _("Through"), _capitalized(Channel.choices))
    if channels:
        wanted &= Q(channel__in=channels)
    kinds = parameters.several("by", _("By"), _capitalized(ActorKind.choices))
    if kinds:
        wanted &= Q(actor_kind__in=kinds)
    if (channels and Channel.API not in channels) or (kinds and ActorKind.APPLICATION not in kinds):
        wanted &= BY_OTHERS  # follows from it, and is the condition of the index
    if outcomes := parameters.several("outcome", _("Outcome"), OUTCOMES):
        wanted &= Q(In(Ending(), outcomes))
    if name := parameters.words("who", _("Name")):
        wanted &= Q(actor_name__icontains=name)
    if note := parameters.words("note", _("Note")):
        wanted &= ~Q(note="") & Q(note__icontains=note)  # the condition of the index, again
    return wanted


def _capitalized(choices: Iterable[tuple[str, Any]]) -> dict[str, str]:
    return {value: f"{label}"[:1].upper() + f"{label}"[1:] for value, label in choices}
