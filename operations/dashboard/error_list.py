"""Which groups of errors a list shows and in which order, and what belongs to their rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING

from django.db.models import Count as CountOf
from django.db.models import OuterRef, Q, QuerySet, Subquery, Sum
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from operations import causes
from operations.causes import Catalogue
from operations.dashboard import keyset
from operations.dashboard.filters import Parameters
from operations.dashboard.keyset import Order
from operations.dashboard.outcomes import DAYS, last_days, with_error
from operations.dashboard.presentation.errors import ErrorRow, failed_days, probable_cause
from operations.dashboard.presentation.numbers import Count
from operations.marks import ERROR_MARKS
from operations.models import ConnectionOperation, ErrorGroup, OutcomeCount
from operations.models.connection import CONNECTION_ID
from operations.models.error_group import ErrorGroupQuerySet
from operations.models.outcome_count import COMPLETED

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

STATUSES = {status.value: mark.label for status, mark in ERROR_MARKS.items()}
SORTS = {"last": _("Last seen"), "first": _("First seen"), "count": _("Seen")}
#: What each order sorts by; what is alike goes by key.
KEYS: dict[str, tuple[tuple[str, keyset.Reader], ...]] = {
    "last": (("last_seen", keyset.moment),),
    "first": (("first_seen", keyset.moment),),
    "count": (("count", keyset.number),),
}
#: In the place of the id of a cause: the catalogue has none for it.
NO_CAUSE = "none"
#: A cause is found by reading errors, not by the database: so many groups are looked at.
CAUSE_LIMIT = 1000
BATCH = 200


@dataclass(frozen=True)
class ErrorList:
    """The matching groups without an order, and the order. ``is_cut`` when not all were looked at
    for their cause."""

    groups: ErrorGroupQuerySet
    order: Order
    is_cut: bool = False


def errors_asked_for(parameters: Parameters, now: datetime) -> ErrorList:
    """Read all parameters but the position and the page size."""
    groups = ErrorGroup.objects.seen().with_status(now)
    if statuses := parameters.several("status", gettext("Status"), STATUSES):
        groups = groups.filter(Q(status__in=statuses))
    if code := parameters.words("code", gettext("Code")):
        groups = groups.filter(code__icontains=code)
    if text := parameters.words("text", gettext("Sentence")):
        groups = groups.filter(pattern__icontains=text)
    if connection := parameters.text("connection", gettext("Connection"), CONNECTION_ID):
        seen = OutcomeCount.objects.filter(
            connection__lookup_id=connection.lower(), count__gt=0
        ).exclude(fingerprint=COMPLETED)
        groups = groups.filter(fingerprint__in=seen.order_by().values("fingerprint"))
    span = parameters.span(gettext("Seen"))
    if span.since:
        groups = groups.filter(last_seen__gte=span.since)
    if span.until:
        groups = groups.filter(first_seen__lte=span.until)
    catalogue = causes.catalogue()
    cause = parameters.choice("cause", gettext("Probable cause"), _cause_labels(catalogue))
    column, descending = parameters.sort(SORTS, "-last")
    order = Order(KEYS[column], descending)
    if not cause:
        return ErrorList(groups, order)
    looked_at = list(with_newest(groups).order_by("-last_seen", "-id")[: CAUSE_LIMIT + 1])
    newest = newest_failures(looked_at[:CAUSE_LIMIT])
    wanted = None if cause == NO_CAUSE else cause
    found = []
    for group in looked_at[:CAUSE_LIMIT]:
        probable = probable_cause(group, newest.get(group.pk), catalogue)
        if (probable and probable.id) == wanted:
            found.append(group.pk)
    return ErrorList(groups.filter(pk__in=found), order, is_cut=len(looked_at) > CAUSE_LIMIT)


def _cause_labels(catalogue: Catalogue) -> dict[str, StrOrPromise]:
    by_title = sorted(catalogue, key=lambda cause: cause.title.casefold())
    return {**{cause.id: cause.title for cause in by_title}, NO_CAUSE: _("None known")}


def with_newest(groups: QuerySet[ErrorGroup]) -> QuerySet[ErrorGroup]:
    """Each with the key of its newest failure, None when all are deleted."""
    failures = ConnectionOperation.objects.exclude(fingerprint="").order_by("-id")
    alike = failures.filter(fingerprint=OuterRef("fingerprint"))
    return groups.annotate(newest_key=Subquery(alike.values("pk")[:1]))


def newest_failures(groups: Sequence[ErrorGroup]) -> dict[int, ConnectionOperation]:
    """The newest failure of each of these groups (``with_newest``), by the key of the group."""
    keys = {group.newest_key: group.pk for group in groups}  # type: ignore[attr-defined]
    errors = ConnectionOperation.objects.filter(pk__in=keys.keys() - {None}).only(
        "error_code", "error_message", "error_details", "error_inner"
    )
    return {keys[failure.pk]: failure for failure in errors}


def error_rows(groups: Sequence[ErrorGroup], now: datetime) -> list[ErrorRow]:
    """The rows of these groups (``with_newest``), in three queries."""
    if not groups:
        return []
    newest = newest_failures(groups)
    failures = ConnectionOperation.objects.open_failures()
    open_failures = Count.several(
        **{f"group{group.pk}": failures.filter(fingerprint=group.fingerprint) for group in groups}
    )
    days = last_days(now)
    seen = with_error(now, *(group.fingerprint for group in groups))
    by_day = {
        f"day{index}": Sum("count", filter=Q(day=day), default=0) for index, day in enumerate(days)
    }
    counted: dict[str, tuple[int, list[int]]] = {
        fingerprint: (connections, numbers)
        for fingerprint, connections, *numbers in seen.values_list("fingerprint").annotate(
            connections=CountOf("connection", distinct=True), **by_day
        )
    }
    catalogue = causes.catalogue()
    rows = []
    for group in groups:
        connections, numbers = counted.get(group.fingerprint, (0, [0] * DAYS))
        rows.append(
            ErrorRow(
                group=group,
                newest=newest.get(group.pk),
                catalogue=catalogue,
                open_failures=open_failures[f"group{group.pk}"],
                connections=connections,
                days=failed_days(days, numbers),
            )
        )
    return rows


def all_error_rows(groups: QuerySet[ErrorGroup], now: datetime) -> Iterator[ErrorRow]:
    """The rows of any number of groups, a batch at a time."""
    found = groups.iterator(chunk_size=BATCH)
    while batch := list(islice(found, BATCH)):
        yield from error_rows(batch, now)
