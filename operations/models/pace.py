"""How long an operation usually takes, and from when on one that has not ended counts as stuck."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import cache
from statistics import median
from typing import TYPE_CHECKING, Any

from django.db import models

from operations.models.connection import alive_or_not
from operations.models.durations import SecondsBetween
from operations.models.enums import OperationStatus
from operations.models.moves import Kind
from operations.models.prepared import Prepared, parameter

if TYPE_CHECKING:
    from operations.models.connection import ExternalConnection
    from operations.models.operation import ConnectionOperation

#: Nothing is stuck before this, however quick it usually is (operator-experience 2).
STUCK_AFTER = timedelta(minutes=30)
#: What takes so many times its usual duration is stuck.
STUCK_FACTOR = 3
#: The median is that of so many newest completions; below the least number there is none.
SAMPLE = 21
LEAST_SAMPLE = 3


def usual_seconds(connection: ExternalConnection, kind: Kind) -> float | None:
    """The median duration in seconds of the connection's newest completions of this kind."""
    times = _newest_completions(kind).tuples(connection=connection.pk)
    return _median([seconds for [seconds] in times])


def hold_with_usual(connection: ExternalConnection, kind: Kind) -> tuple[bool, float | None]:
    """What ``ExternalConnection.objects.hold`` does and returns, shared, and ``usual_seconds``."""
    found = _held(kind).tuples(key=connection.pk, connection=connection.pk)
    if not found:
        return False, None
    [(alive, times)] = found
    return bool(alive), _median(times)


def _median(times: list[Any]) -> float | None:
    if len(times) < LEAST_SAMPLE:
        return None
    # to the millisecond: SQLite's function is no more exact
    return round(median(map(float, times)), 3)


class _Listed(models.Subquery):
    """The column ``seconds`` of a subquery, as one list."""

    output_field = models.JSONField()

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        template = "(SELECT json_group_array(seconds) FROM (%(subquery)s))"
        return self.as_sql(compiler, connection, template, **context)

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        return self.as_sql(compiler, connection, "ARRAY(%(subquery)s)", **context)

    def get_db_converters(self, connection: Any) -> Any:
        return [] if connection.vendor == "postgresql" else super().get_db_converters(connection)


def _of_connection(kind: Kind) -> models.QuerySet[ConnectionOperation, Any]:
    from operations.models.operation import ConnectionOperation

    completed = ConnectionOperation.objects.filter(
        connection_id=parameter(ConnectionOperation, "connection"),
        kind=kind,  # in the text: registrations have an index of their own
        status=OperationStatus.COMPLETED,
        started_at__isnull=False,
    )
    taken = SecondsBetween("started_at", "finished_at")
    newest = completed.order_by("-id").annotate(seconds=taken)[:SAMPLE]
    return newest.values_list("seconds")


@cache
def _newest_completions(kind: Kind) -> Prepared[Any]:
    return Prepared(lambda: _of_connection(kind))


@cache
def _held(kind: Kind) -> Prepared[Any]:
    return Prepared(lambda: alive_or_not(_Listed(_of_connection(kind))), key_share=True)


def overdue_at(begun: datetime, usual: float | None) -> datetime:
    """The moment from which an operation that began then is stuck."""
    return begun + max(STUCK_AFTER, timedelta(seconds=STUCK_FACTOR * (usual or 0)))
