"""Metrics that the database knows, asked for at each scrape. Every web server tells the same.

QUERIES of them, each served by an index or by a table of few rows, and none reads the operations:
counts of rows stop at COUNTED. What has ended is counted as it ends, for the history has no bound.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime

from django.db.models import Count, Max, Min, Q, QuerySet, Sum
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from operations.health_checks import waiting_for_worker
from operations.metrics import PREFIX, WORKERS
from operations.models import (
    ConnectionOperation,
    ErrorGroup,
    ExternalConnection,
    Kind,
    OperationStatus,
    OutcomeCount,
    WorkerHeartbeat,
    WorkerTotal,
)
from operations.models.outcome_count import COMPLETED

QUERIES = 12
COUNTED = 10_000
#: Codes of errors are what callers write: so many have a series of their own, cut to this length.
CODES = 50
CODE_LENGTH = 100
STOPS = f"Counted no further than {COUNTED:,}."


def stored(now: datetime) -> Iterator[Metric]:
    yield from _unfinished(now)
    yield from _queue(now)
    yield from _workers(now)
    yield from _deletions(now)
    yield from _ended_today(now)
    yield from _failures()
    yield from _worker_totals()


def _count(rows: QuerySet) -> int:
    return rows.order_by()[:COUNTED].count()


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"{PREFIX}_{name}", text, value=value)


def _unfinished(now: datetime) -> Iterator[Metric]:
    operations = ConnectionOperation.objects
    # in the order of the index that has these alone: by another one all in progress would be read
    ours = operations.worker_unfinished().order_by("run_after", "id")[:COUNTED]
    number = ours.aggregate(all=Count("pk"), held=Count("pk", filter=Q(lease_until__gte=now)))
    reported = operations.filter(kind=Kind.REPORTED)
    family = GaugeMetricFamily(
        f"{PREFIX}_operations_unfinished",
        f"Operations that have not ended. {STOPS}",
        labels=["kind", "status"],
    )
    family.add_metric([Kind.SCHEMA_REGISTRATION, OperationStatus.INPROGRESS.word], number["all"])
    for status in (OperationStatus.UNSPECIFIED, OperationStatus.INPROGRESS):
        family.add_metric([Kind.REPORTED, status.word], _count(reported.filter(status=status)))
    yield family
    yield _gauge(
        "operations_held", "Registrations that a living worker has in hand.", number["held"]
    )
    yield _gauge(
        "operations_stuck",
        f"Operations in progress for longer than is usual. {STOPS}",
        _count(operations.stuck(now)),
    )
    yield _gauge(
        "open_failures",
        f"Failures that nobody acknowledged and no success superseded. {STOPS}",
        _count(operations.open_failures()),
    )


def _queue(now: datetime) -> Iterator[Metric]:
    waiting, oldest = waiting_for_worker(now)
    yield _gauge("queue_length", "Registrations that wait for a worker.", waiting)
    yield _gauge(
        "queue_oldest_age_seconds",
        "How long the first of them has waited; 0 when none waits.",
        _age(oldest, now),
    )


def _workers(now: datetime) -> Iterator[Metric]:
    alive = Count("pk", filter=Q(pk__in=WorkerHeartbeat.objects.alive(now)))
    found = WorkerHeartbeat.objects.aggregate(alive=alive, last=Max("seen_at"))
    yield _gauge("workers", "Workers that live.", found["alive"])
    yield _gauge(
        "worker_last_heartbeat_timestamp_seconds",
        "When a worker last said that it lives; 0 when all have taken their leave.",
        found["last"].timestamp() if found["last"] else 0,
    )


def _deletions(now: datetime) -> Iterator[Metric]:
    deleting = ExternalConnection.objects.filter(deleting_since__isnull=False)
    found = deleting.aggregate(number=Count("pk"), oldest=Min("deleting_since"))
    yield _gauge("deletions", "Connections that are being deleted.", found["number"])
    yield _gauge(
        "deletions_oldest_age_seconds",
        "How long the first of them has been; 0 when there is none.",
        _age(found["oldest"], now),
    )


def _ended_today(now: datetime) -> Iterator[Metric]:
    completed = Q(fingerprint=COMPLETED)
    found = OutcomeCount.objects.filter(day=now.astimezone(UTC).date()).aggregate(
        completed=Sum("count", filter=completed), failed=Sum("count", filter=~completed)
    )
    family = GaugeMetricFamily(
        f"{PREFIX}_operations_ended_today",
        "Operations that ended since midnight UTC, without those of deleted connections.",
        labels=["status"],
    )
    for status in (OperationStatus.COMPLETED, OperationStatus.FAILED):
        family.add_metric([status.word], found[status.word] or 0)
    yield family


def _failures() -> Iterator[Metric]:
    """The total does not fall when a failure gets its error, nor does the count of a code: no
    series is "all others", which would fall each time a code comes to have its own."""
    groups = ErrorGroup.objects.order_by()
    total = groups.aggregate(total=Sum("count"))["total"] or 0
    yield CounterMetricFamily(
        f"{PREFIX}_failures", "Failures of all times, with an error or without.", value=total
    )
    coded = groups.exclude(code="").values("code").annotate(number=Sum("count"))
    numbers: dict[str, int] = defaultdict(int)
    for code, number in coded.order_by("-number", "code").values_list("code", "number")[:CODES]:
        numbers[code[:CODE_LENGTH]] += number
    family = CounterMetricFamily(
        f"{PREFIX}_failures_by_code",
        f"Failures of all times by the code of their error, the {CODES} most frequent.",
        labels=["code"],
    )
    for code, number in numbers.items():
        family.add_metric([code], number)
    yield family


def _worker_totals() -> Iterator[Metric]:
    families = {family.name: family for family in WORKERS.collect()}
    owners = {
        f"{name}{suffix}": family
        for name, family in families.items()
        for suffix in ("_total", "_bucket", "_sum", "_count")
    }
    for family in families.values():
        family.samples = []
    for total in WorkerTotal.objects.order_by("id"):
        if owner := owners.get(total.sample):
            owner.add_sample(total.sample, json.loads(total.labels), total.value)
    yield from families.values()


def _age(since: datetime | None, now: datetime) -> float:
    return max(0.0, (now - since).total_seconds()) if since else 0
