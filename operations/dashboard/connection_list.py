"""Which connections a list shows and in which order: what its address says, as a query."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from django.db.models import (
    Case,
    Exists,
    F,
    IntegerField,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Sum,
    Value,
    When,
)
from django.db.models.functions import Coalesce, Lower
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from operations.dashboard import keyset
from operations.dashboard.filters import Parameters
from operations.dashboard.keyset import Order
from operations.dashboard.lookups import application_name
from operations.dashboard.outcomes import first_day
from operations.marks import HEALTH_MARKS, OPERATION_MARKS, STATE_MARKS
from operations.models import (
    Application,
    ConnectionOperation,
    ConnectionState,
    ExternalConnection,
    OperationStatus,
    OutcomeCount,
)
from operations.models.health import has_health, health
from operations.models.outcome_count import COMPLETED

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

STATES = {mark.word: mark.label for mark in STATE_MARKS.values()}
LAST: dict[str, StrOrPromise] = {
    **{mark.word: mark.label for mark in OPERATION_MARKS.values()},
    "none": _("None yet"),
}
HEALTHS = {mark.value: mark.label for mark in HEALTH_MARKS.values()}
HEALTH_OF_WORD = {mark.value: value for value, mark in HEALTH_MARKS.items()}
CHANGED: dict[str, tuple[StrOrPromise, timedelta]] = {
    "24h": (_("last 24 hours"), timedelta(hours=24)),
    "7d": (_("last 7 days"), timedelta(days=7)),
    "30d": (_("last 30 days"), timedelta(days=30)),
}
#: Columns that are there when they are asked for.
EXTRA = {
    "owner": _("Owner"),
    "labels": _("Labels"),
    "authorized": _("Authorized applications"),
    "created": _("Created"),
}
SORTS = {
    "name": _("Connection"),
    "state": _("State"),
    "health": _("Health"),
    "last": _("Last operation"),
    "failures": _("Last 14 days"),
    "changed": _("Changed"),
    "owner": _("Owner"),
    "created": _("Created"),
}
#: What each order sorts by; what is alike goes by name or by key.
KEYS: dict[str, tuple[tuple[str, keyset.Reader], ...]] = {
    "name": (("lower_name", keyset.text),),
    "state": (("shown_state", keyset.number), ("lower_name", keyset.text)),
    "health": (("health", keyset.number), ("lower_name", keyset.text)),
    "last": (("latest_key", keyset.number),),
    "failures": (("failure_count", keyset.number), ("lower_name", keyset.text)),
    "changed": (("changed_at", keyset.moment),),
    "owner": (("lower_owner", keyset.text), ("lower_name", keyset.text)),
    "created": (("created_at", keyset.moment),),
}
NOBODY = "none"
#: Applications that the form offers; any other may still be named in the address.
OWNERS_OFFERED = 100


@dataclass(frozen=True)
class ConnectionList:
    """The matching connections without an order, and the order."""

    rows: QuerySet
    order: Order
    extra: list[str]


def connections_asked_for(
    parameters: Parameters, now: datetime, *, with_owner: bool = False
) -> ConnectionList:
    """Read all parameters but the position and the page size.

    Rows have ``health`` and ``latest_key`` (0: no operation yet), and ``owner_name`` where the
    list shows it, sorts by it, or ``with_owner`` asks for it.
    """
    rows = _filtered(parameters, now)
    extra = parameters.columns("show", EXTRA)
    column, descending = parameters.sort(SORTS, "health")
    rows = _sortable(rows, column, now)
    if with_owner or column == "owner" or "owner" in extra:
        rows = rows.annotate(owner_name=application_name("owner_app_id"))
    if column == "owner":
        rows = rows.annotate(lower_owner=Lower("owner_name"))
    return ConnectionList(rows, Order(KEYS[column], descending), extra)


def _filtered(parameters: Parameters, now: datetime) -> QuerySet[ExternalConnection]:
    rows: QuerySet[ExternalConnection] = ExternalConnection.objects.all()
    if text := parameters.words("q", gettext("Name or id")):
        rows = rows.filter(Q(name__icontains=text) | Q(lookup_id__contains=text.lower()))
    if states := parameters.several("state", gettext("State"), STATES):
        # one that is being deleted shows as that, not as the state that it had
        wanted_states = [state for state in ConnectionState if state.word in states]
        rows = rows.filter(deleting_since=None, state__in=wanted_states)
    if healths := parameters.several("health", gettext("Health"), HEALTHS):
        rows = rows.filter(has_health(now, *(HEALTH_OF_WORD[word] for word in healths)))
    if last := parameters.several("last", gettext("Last operation"), LAST):
        statuses = [OperationStatus.from_word(word) for word in last if word != "none"]
        wanted = Q(latest_status__in=statuses)
        if "none" in last:
            wanted |= Q(latest_status=None)
        rows = rows.alias(latest_status=_latest("status")).filter(wanted)
    if owner := parameters.choice("owner", gettext("Owner"), _owners(parameters.given("owner"))):
        rows = rows.filter(owner_app_id=None if owner == NOBODY else UUID(owner))
    if parameters.flag("failing", gettext("Operations"), gettext("open failure")):
        rows = rows.filter(has_open_failure())
    changed = parameters.choice(
        "changed", gettext("Changed"), {key: label for key, (label, _span) in CHANGED.items()}
    )
    if changed:
        rows = rows.filter(changed_at__gte=now - CHANGED[changed][1])
    return rows


def has_open_failure() -> Exists:
    failures = ConnectionOperation.objects.open_failures()
    return Exists(failures.filter(connection=OuterRef("pk")))


def _latest(field: str) -> Subquery:
    newest = ConnectionOperation.objects.filter(connection=OuterRef("pk")).order_by("-id")
    return Subquery(newest.values(field)[:1])


def _sortable(
    rows: QuerySet[ExternalConnection], column: str, now: datetime
) -> QuerySet[ExternalConnection]:
    rows = rows.annotate(
        health=health(now), latest_key=Coalesce(_latest("pk"), 0), lower_name=Lower("name")
    )
    if column == "state":
        being_deleted = When(deleting_since__isnull=False, then=Value(max(ConnectionState) + 1))
        shown = Case(being_deleted, default=F("state"), output_field=IntegerField())
        return rows.annotate(shown_state=shown)
    if column == "failures":
        failed = (
            OutcomeCount.objects.since(first_day(now))
            # greater, and not unequal: the index tells, and no row of what completed is read
            .filter(connection=OuterRef("pk"), fingerprint__gt=COMPLETED)
            .order_by()
            .values("connection")
            .annotate(number=Sum("count"))
        )
        return rows.annotate(failure_count=Coalesce(Subquery(failed.values("number")), 0))
    return rows


def _owners(given: str) -> Mapping[str, StrOrPromise]:
    """What the filter offers, and the application that the address names."""
    try:
        wanted = UUID(given)
    except ValueError:
        wanted = None
    # the one that is named comes first, so that one query has it too
    is_wanted = Case(When(app_id=wanted, then=Value(0)), default=Value(1))
    named = Application.objects.order_by(is_wanted, "name").values_list("app_id", "name")
    found = sorted(named[:OWNERS_OFFERED], key=lambda pair: pair[1])
    owners: dict[str, StrOrPromise] = {NOBODY: _("Nobody")}
    owners |= {str(app_id): name for app_id, name in found}
    if wanted and given.lower() == str(wanted):
        owners.setdefault(str(wanted), str(wanted))
    return owners
