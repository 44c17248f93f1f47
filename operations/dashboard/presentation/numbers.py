"""Counts, durations and ages as words. Pure; the templates only print."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

#: Counts stop here, so that no page counts a million rows.
COUNT_LIMIT = 10_000
#: Around what Django made of a queryset.
COLUMN = "(SELECT COUNT(*) FROM ({}) AS {})"


@dataclass(frozen=True)
class Count:
    """A number that stops at COUNT_LIMIT and says so."""

    number: int

    @classmethod
    def of(cls, rows: Any) -> Count:
        """Count a queryset, reading no further than one above the limit."""
        return cls(rows.order_by()[: COUNT_LIMIT + 1].count())

    @classmethod
    def several(cls, **sets: Any) -> dict[str, Count]:
        """Count several querysets in one query, each no further than the limit. What is asked twice
        (all that match, where there is no filter, and all) is counted once."""
        columns: list[str] = []
        parameters: list[Any] = []
        places: dict[Any, int] = {}
        place_of: dict[str, int] = {}
        for name, rows in sets.items():
            capped = rows.order_by().values("pk")[: COUNT_LIMIT + 1]
            try:
                sql, values = capped.query.sql_with_params()
            except EmptyResultSet:
                sql, values = "SELECT 1 WHERE 1 = 0", ()
            place_of[name] = places.setdefault((sql, str(values)), len(columns))
            if place_of[name] == len(columns):
                columns.append(COLUMN.format(sql, connection.ops.quote_name(name)))
                parameters += values
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT {', '.join(columns)}", parameters)
            numbers = cursor.fetchone()
        return {name: cls(int(numbers[place])) for name, place in place_of.items()}

    def __bool__(self) -> bool:
        return self.number > 0

    def __str__(self) -> str:
        if self.number > COUNT_LIMIT:
            return f"{COUNT_LIMIT:,}+"
        return f"{self.number:,}"

    def named(self, one: str, many: str) -> str:
        return f"{self} {one if self.number == 1 else many}"


@dataclass(frozen=True)
class Total(Count):
    """A number that is known exactly, however large: somebody keeps it."""

    def __str__(self) -> str:
        return f"{self.number:,}"


def exact_duration(span: timedelta) -> str:
    """``5 min 12 s``: for what has ended."""
    seconds = max(0.0, span.total_seconds())
    if seconds < 1:
        return _("under 1 s")
    return _two_units(int(seconds))


def coarse_duration(span: timedelta) -> str:
    """``5 min``: for what goes on. Changes once a minute, so that a calm page stays unchanged."""
    seconds = max(0, int(span.total_seconds()))
    if seconds < 60:
        return _("under a minute")
    return _two_units(seconds - seconds % 60)


def _two_units(seconds: int) -> str:
    days, rest = divmod(seconds, 86_400)
    hours, rest = divmod(rest, 3600)
    minutes, seconds = divmod(rest, 60)
    if days:
        minutes = seconds = 0
    elif hours:
        seconds = 0
    words = []
    if days:
        words.append(ngettext("%(n)s day", "%(n)s days", days) % {"n": f"{days:,}"})
    if hours:
        words.append(_("%(n)s h") % {"n": hours})
    if minutes:
        words.append(_("%(n)s min") % {"n": minutes})
    if seconds:
        words.append(_("%(n)s s") % {"n": seconds})
    return " ".join(words)


def age(moment: datetime, now: datetime) -> str:
    """``3 min ago``, with one unit."""
    seconds = max(0, int((now - moment).total_seconds()))
    if seconds < 60:
        return _("just now")
    if seconds < 3600:
        return _("%(n)s min ago") % {"n": seconds // 60}
    if seconds < 86_400:
        return _("%(n)s h ago") % {"n": seconds // 3600}
    days = seconds // 86_400
    return ngettext("%(n)s day ago", "%(n)s days ago", days) % {"n": f"{days:,}"}


def due(moment: datetime, now: datetime) -> str:
    """``in 3 days``, with one unit; the age of what is over."""
    seconds = int((moment - now).total_seconds())
    if seconds <= 0:
        return age(moment, now)
    if seconds < 3600:
        return _("within the hour")
    if seconds < 2 * 86_400:
        return _("in %(n)s h") % {"n": seconds // 3600}
    return _("in %(n)s days") % {"n": f"{seconds // 86_400:,}"}
