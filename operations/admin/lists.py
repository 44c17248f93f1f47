"""Lists that stay quick on large tables: capped counts, bounded searches, dates without a scan."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django.contrib.admin.views.main import ChangeList
from django.core.paginator import Paginator
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.functional import cached_property
from django.utils.text import capfirst
from django.utils.translation import gettext as _

COUNT_LIMIT = 10_000
#: A search, and a filter that no index serves, looks at so many of the newest rows.
NEWEST = 100_000
#: Of the rows whose id begins as was asked for, so many are shown.
BEGINNING_SO = 1000
#: Halves of a pair, which no text has by themselves.
FIRST_SURROGATE, BEHIND_SURROGATES = 0xD800, 0xE000


class CappedPaginator(Paginator):
    """Counts no further than COUNT_LIMIT: on a large table a full count is what takes the time."""

    @cached_property
    def count(self) -> int:
        rows: Any = self.object_list
        return rows.order_by().values("pk")[:COUNT_LIMIT].count()

    @property
    def is_capped(self) -> bool:
        return self.count >= COUNT_LIMIT

    @property
    def number_shown(self) -> str:
        """``1,204``, or ``10,000+`` when counting stopped."""
        return f"{self.count:,}{'+' if self.is_capped else ''}"


@dataclass(frozen=True)
class Step:
    """One link of the line of dates."""

    label: str
    address: str


@dataclass(frozen=True)
class Dates:
    """The line of dates above a list: years, or the months of one, or the days of one."""

    title: str
    steps: list[Step]
    back: Step | None = None
    here: str = ""


class BoundedList(ChangeList):
    """A list that never reads a whole table.

    A filter that no index serves looks at the NEWEST rows only, and ``bound`` says so. The line of
    dates is made from the calendar: Django's own asks every row for its year.
    """

    model_admin: Any  # a QuietAdmin
    bound: int | None = None

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        if not self.is_popup:
            self.title = capfirst(str(self.opts.verbose_name_plural))

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet:
        rows = super().get_queryset(request, exclude_parameters)
        asked = self._asked()
        indexed = self.model_admin.indexed
        if indexed is None or asked <= indexed or asked & self.model_admin.selective:
            return rows
        bounded = newest(rows)
        self.bound = NEWEST if bounded is not rows else None
        return bounded

    def _asked(self) -> set[str]:
        """The filters in the address, by their names without a lookup."""
        return {name.partition("__")[0] for name in self.get_filters_params()}

    def get_ordering(self, request: HttpRequest, queryset: QuerySet) -> list[Any]:
        """What is chosen by nothing but its date is in the order of that index: by key, all of a
        year would have to be sorted."""
        if self.date_hierarchy and self._asked() == {self.date_hierarchy}:
            return [f"-{self.date_hierarchy}", "-pk"]
        return super().get_ordering(request, queryset)

    def get_results(self, request: HttpRequest) -> None:
        self.queryset = self.queryset.defer(*self.model_admin.not_listed)
        super().get_results(request)
        # where nothing matches, all that was looked through would be looked through again
        self.result_list = list(self.result_list) if self.result_count else []
        self.model_admin.complete_rows(self.result_list)

    @cached_property
    def dates(self) -> Dates | None:
        name = self.date_hierarchy
        if not name:
            return None
        oldest = self.root_queryset.order_by(name).values_list(name, flat=True).first()
        if oldest is None:
            return None
        first, last = timezone.localtime(oldest).date(), timezone.localdate()
        field: Any = self.lookup_opts.get_field(name)
        title = str(field.verbose_name)
        year, month, day = (
            int(self.params.get(f"{name}__{part}") or 0) for part in ("year", "month", "day")
        )

        def address(*parts: int) -> str:
            names = (f"{name}__year", f"{name}__month", f"{name}__day")
            chosen = dict(zip(names, parts, strict=False))
            return self.get_query_string(chosen, [f"{name}__"])

        def step(start: date, form: str, *parts: int) -> Step:
            return Step(capfirst(date_format(start, form)), address(*parts))

        if not year and first.year == last.year:
            year = first.year
        if not year:
            years = range(first.year, last.year + 1)
            return Dates(title, [Step(str(number), address(number)) for number in years])
        everything = Step(_("All dates"), address())
        is_chosen = f"{name}__year" in self.params
        if not month:
            months = [
                step(start, "M Y", year, start.month)
                for start in (date(year, number, 1) for number in range(1, 13))
                if first.replace(day=1) <= start <= last
            ]
            here = str(year) if is_chosen else ""
            return Dates(title, months, everything if is_chosen else None, here)
        start = date(year, month, 1)
        if not day:
            days = [
                step(start.replace(day=number), "j", year, month, number)
                for number in range(1, days_of(start) + 1)
                if first <= start.replace(day=number) <= last
            ]
            here = capfirst(date_format(start, "YEAR_MONTH_FORMAT"))
            return Dates(title, days, Step(str(year), address(year)), here)
        back = step(start, "YEAR_MONTH_FORMAT", year, month)
        return Dates(title, [], back, date_format(date(year, month, day), "DATE_FORMAT"))


def days_of(month: date) -> int:
    """How many days the month has that begins with this one."""
    return ((month + timedelta(days=31)).replace(day=1) - month).days


def newest(rows: QuerySet[Any, Any]) -> QuerySet[Any, Any]:
    """Those among the NEWEST of their table, by key; the same rows when it has no more than that.

    Keys have no gaps to speak of, so this is as good as counting and costs one look at an index.
    """
    table: type[Model] = rows.model
    last = table._default_manager.order_by("-pk").values_list("pk", flat=True).first()
    return rows.filter(pk__gt=last - NEWEST) if last and last > NEWEST else rows


def search(
    rows: QuerySet[Any, Any], exactly: Q, looked_for: Any
) -> tuple[QuerySet[Any, Any], bool]:
    """What is named ``exactly`` if anything is, found by an index; else ``looked_for`` in the
    newest rows. ``looked_for`` is ModelAdmin's own search."""
    named = rows.filter(exactly)
    if exactly and named.exists():
        return named, False
    return looked_for(newest(rows))


def by_id(rows: QuerySet[Any, Any], term: str) -> QuerySet[Any, Any]:
    """Those with exactly this id, else some whose id begins so.

    Ids have an index for each of the rows above, so ``rows`` are narrowed to these, be it to all.
    """
    exactly = rows.filter(graph_id=term)
    if exactly.exists():
        return exactly
    alike = rows.filter(graph_id__gte=term)
    if behind := behind_all(term):
        alike = alike.filter(graph_id__lt=behind)
    return rows.filter(pk__in=list(alike.order_by().values_list("pk", flat=True)[:BEGINNING_SO]))


def behind_all(beginning: str) -> str:
    """The first text, by code point, behind all that begin so; empty when there is none."""
    for at in range(len(beginning) - 1, -1, -1):
        following = ord(beginning[at]) + 1
        if following == FIRST_SURROGATE:
            following = BEHIND_SURROGATES
        if following <= sys.maxunicode:
            return beginning[:at] + chr(following)
    return ""
