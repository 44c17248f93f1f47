"""OutcomeCount: how many operations of a connection ended in a day, by what they failed with.

Strips, daily bars and trends read these few rows instead of the operations themselves, so their
cost does not grow with history. What is counted stays counted when an operation is deleted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from datetime import UTC, date, datetime
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING

from django.db import connections, models, transaction
from django.db.models import F

from operations import metrics
from operations.models.connection import ExternalConnection
from operations.models.enums import OperationStatus

if TYPE_CHECKING:
    from operations.models.operation import ConnectionOperation

#: In the place of a fingerprint: completed.
COMPLETED = ""
#: Of two who count at once for the first time, one makes the row and the other finds it.
_ADD = """
    INSERT INTO operations_outcomecount AS stored (connection_id, day, fingerprint, count)
    VALUES {}
    ON CONFLICT (connection_id, day, fingerprint)
    DO UPDATE SET count = stored.count + excluded.count
"""
_ROW = "(%s, %s, %s, %s)"


class OutcomeCountQuerySet(models.QuerySet["OutcomeCount"]):
    def add(self, connection_key: int, at: datetime, fingerprint: str, number: int = 1) -> None:
        """Count ``number`` more (fewer, when negative). Call it in the transaction of the end."""
        database = connections[self.db]
        day = models.DateField().get_db_prep_value(at.astimezone(UTC).date(), database)
        if number < 0:  # what was not counted is not taken away
            row = self.filter(connection_id=connection_key, day=day, fingerprint=fingerprint)
            row.update(count=F("count") + number)
            return
        with database.cursor() as cursor:
            cursor.execute(_ADD.format(_ROW), [connection_key, day, fingerprint, number])

    def add_each(self, ends: Collection[tuple[int, datetime, str]]) -> None:
        """Count one more for each of these, by one statement: connection, time, fingerprint. No
        two may be of one connection."""
        database = connections[self.db]
        kept = models.DateField()
        values = [
            value
            for connection_key, at, fingerprint in ends
            for day in [kept.get_db_prep_value(at.astimezone(UTC).date(), database)]
            for value in (connection_key, day, fingerprint, 1)
        ]
        with database.cursor() as cursor:
            cursor.execute(_ADD.format(", ".join([_ROW] * len(ends))), values)

    def since(self, day: date) -> OutcomeCountQuerySet:
        """Counts of that day and later ones."""
        return self.filter(day__gte=day, count__gt=0)


class OutcomeCount(models.Model):
    """``count`` operations of this connection ended that day (UTC), completed or failed alike."""

    connection = models.ForeignKey(
        ExternalConnection, on_delete=models.CASCADE, related_name="outcomes", db_index=False
    )
    day = models.DateField()
    fingerprint = models.CharField(max_length=32, blank=True)
    count = models.IntegerField()

    objects = OutcomeCountQuerySet.as_manager()

    class Meta:
        ordering = ["day", "connection", "fingerprint"]
        constraints = [
            # also the index of "these connections in the last 14 days"
            models.UniqueConstraint(
                fields=["connection", "day", "fingerprint"], name="outcome_count_once"
            ),
        ]
        indexes = [
            # all connections in the last 14 days
            models.Index(fields=["day", "fingerprint"], name="outcome_by_day"),
            # the trend of one error, and on how many connections it was seen
            models.Index(fields=["fingerprint", "day"], name="outcome_by_error"),
        ]

    def __str__(self) -> str:
        return f"{self.count} on {self.day}"


def count_outcome(operation: ConnectionOperation) -> None:
    """Count an operation that has just ended. Call it in the transaction that ends it."""
    count_outcomes([operation])


def count_outcomes(operations: Collection[ConnectionOperation]) -> None:
    """Count operations that have just ended, each of another connection. Call it in the
    transaction that ends them."""
    _count(operations)
    ended = Counter((str(each.kind), OperationStatus.word_of(each.status)) for each in operations)
    for (kind, status), number in ended.items():
        transaction.on_commit(partial(metrics.count_ended, kind, status, number))


def _count(operations: Collection[ConnectionOperation]) -> None:
    from operations.models.error_group import ErrorGroup

    OutcomeCount.objects.add_each(
        [
            (each.connection_id, each.finished_at, each.fingerprint)
            for each in operations
            if each.finished_at
        ]
    )
    # several connections share a group: whoever notes several does so in this order, so that no
    # two wait for each other
    for operation in sorted(operations, key=attrgetter("fingerprint")):
        if operation.fingerprint:
            ErrorGroup.objects.note(operation)


def recount_failure(operation: ConnectionOperation, before: str) -> None:
    """A counted failure got its error only now: it leaves the group that it was in before."""
    from operations.models.error_group import ErrorGroup

    assert operation.finished_at is not None
    OutcomeCount.objects.add(operation.connection_id, operation.finished_at, before, -1)
    left = ErrorGroup.objects.filter(fingerprint=before)
    if before < operation.fingerprint:  # the order in which groups are locked
        left.update(count=F("count") - 1)
        _count([operation])
    else:
        _count([operation])
        left.update(count=F("count") - 1)
