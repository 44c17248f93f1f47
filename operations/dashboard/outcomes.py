"""What ended on the last days, completed and failed, from the few rows of OutcomeCount."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta

from django.db.models import Q, Sum

from operations.dashboard.charts import Day
from operations.models import OutcomeCount
from operations.models.outcome_count import COMPLETED, OutcomeCountQuerySet

#: Days of a strip and of the bars of the overview, today being the last. Days are those of UTC.
DAYS = 14
#: Whom an error hits is told for so many days: what is read stays small, however long it goes on.
AFFECTED_DAYS = 30

Tally = dict[tuple[date, bool], int]


def first_day(now: datetime, days: int = DAYS) -> date:
    return now.astimezone(UTC).date() - timedelta(days=days - 1)


def last_days(now: datetime) -> list[date]:
    """The days of a strip or a trend, the oldest first."""
    return [first_day(now) + timedelta(days=number) for number in range(DAYS)]


def with_error(now: datetime, *fingerprints: str) -> OutcomeCountQuerySet:
    """The counts of these errors in the last 30 days, on any connection."""
    first = first_day(now, AFFECTED_DAYS)
    return OutcomeCount.objects.since(first).filter(fingerprint__in=fingerprints).order_by()


def daily_outcomes(now: datetime) -> list[Day]:
    """Of all connections together, by day."""
    is_completed = Q(fingerprint=COMPLETED)
    rows = OutcomeCount.objects.since(first_day(now)).order_by().values("day")
    tally: Tally = {}
    for row in rows.annotate(
        completed=Sum("count", filter=is_completed), failed=Sum("count", filter=~is_completed)
    ):
        tally[row["day"], False] = row["completed"] or 0
        tally[row["day"], True] = row["failed"] or 0
    return _days(tally, now)


def outcomes_of(keys: Iterable[int], now: datetime) -> dict[int, list[Day]]:
    """Of each of these connections, by its surrogate key."""
    tallies: dict[int, Tally] = {key: defaultdict(int) for key in keys}
    rows = OutcomeCount.objects.since(first_day(now)).filter(connection__in=tallies)
    for key, day, fingerprint, count in rows.order_by().values_list(
        "connection", "day", "fingerprint", "count"
    ):
        tallies[key][day, fingerprint != COMPLETED] += count
    return {key: _days(tally, now) for key, tally in tallies.items()}


def _days(tally: Tally, now: datetime) -> list[Day]:
    return [
        Day(day, completed=tally.get((day, False), 0), failed=tally.get((day, True), 0))
        for day in last_days(now)
    ]
