"""Which connections a list shows and in which order: what its address says, as a query."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
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
from operations.dashboard.outcomes import last_days
from operations.marks import HEALTH_MARKS, OPERATION_MARKS, STATE_MARKS
from operations.models import (
    Application,
    ConnectionOperation,
    ConnectionState,
    ExternalConnection,
    OperationStatus,
    OutcomeCount,
)
from operations.models.few import if_few
from operations.models.health import has_health, health
from operations.models.item_tally import items_in
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
    "items": _("Items"),
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
    "items": (("item_count", keyset.number), ("lower_name", keyset.text)),
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
    #: What the order needs, and what is shown beside it.
    sorting: dict[str, Any]
    showing: dict[str, Any]

    def page(self, number: int, position: str = "") -> QuerySet:
        """So many from behind a position, with ``health``, ``item_count`` and ``latest_key`` (0: no
        operation yet). Raises ValueError for a position that is none of this order.

        Only what sorts them is computed of all that match, the rest of those that are shown.
        """
        matching = self.order.sort(self.rows.alias(**self.sorting))
        if position:
            matching = self.order.behind(matching, position)
        shown = ExternalConnection.objects.filter(pk__in=matching.values("pk")[:number])
        return self.order.sort(shown.annotate(**self.sorting | self.showing))


def connections_asked_for(
    parameters: Parameters, now: datetime, *, with_owner: bool = False
) -> ConnectionList:
    """Read all parameters but the position and the page size.

    Rows have ``owner_name`` where the list shows it, sorts by it, or ``with_owner`` asks for it.
    """
    rows = _filtered(parameters, now)
    extra = parameters.columns("show", EXTRA)
    column, descending = parameters.sort(SORTS, "health")
    showing: dict[str, Any] = {
        "health": health(now),
        "latest_key": Coalesce(_latest("pk"), 0),
        "item_count": items_in(OuterRef("pk")),
    }
    if with_owner or "owner" in extra:
        showing["owner_name"] = application_name("owner_app_id")
    order = Order(KEYS[column], descending)
    return ConnectionList(rows, order, extra, _sorting(now, column), showing)


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
        statuses = [status for word in last if (status := OperationStatus.from_word(word))]
        in_one = ConnectionOperation.objects.in_status(*statuses)
        wanted = if_few(in_one, "connection") & Q(latest_status__in=statuses)
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


def _sorting(now: datetime, column: str) -> dict[str, Any]:
    """What the order by a column needs beside the columns of the table."""
    being_deleted = When(deleting_since__isnull=False, then=Value(max(ConnectionState) + 1))
    computed = {
        "lower_name": lambda: Lower("name"),
        "shown_state": lambda: Case(being_deleted, default=F("state"), output_field=IntegerField()),
        "health": lambda: health(now, of_many=True),
        "latest_key": lambda: Coalesce(_latest("pk"), 0),
        "failure_count": lambda: _failure_count(now),
        "item_count": lambda: items_in(OuterRef("pk")),
        "lower_owner": lambda: Lower(application_name("owner_app_id")),
    }
    return {name: computed[name]() for name, _reader in KEYS[column] if name in computed}


def _failure_count(now: datetime) -> Case:
    """The sum of those that have failed; of most, and they are not looked at, none has."""
    # each of the days, and greater, not unequal: so the index tells, and no row of what completed
    # is read
    failed = OutcomeCount.objects.filter(
        day__in=last_days(now), fingerprint__gt=COMPLETED, count__gt=0
    ).order_by()
    of_one = failed.filter(connection=OuterRef("pk")).values("connection")
    number = Subquery(of_one.annotate(number=Sum("count")).values("number"))
    has_failed = When(pk__in=failed.values("connection"), then=Coalesce(number, 0))
    return Case(has_failed, default=Value(0))


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
