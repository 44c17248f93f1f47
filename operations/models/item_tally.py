"""ItemTally: how many items a connection has, and how many were written in which ten minutes.

Nobody counts a million rows for that, and no row is one that all writers wait for: each of them
adds to rows of its own slot, in the transaction of what it counts, and readers add up the few.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections, models, transaction
from django.db.models import F, Sum
from django.db.models.functions import Coalesce

from operations.models.prepared import ask

#: So many writers count beside each other. SQLite's take turns anyway, and share one slot.
SLOTS = 16
#: Minutes of a bucket of the chart, and how long buckets are kept.
BUCKET = 10
KEPT_FOR = timedelta(days=14)
#: In the place of a connection: all of them. In the place of a bucket: all time.
EVERYTHING = 0
TOTAL = 0
ADD = """
    INSERT INTO operations_itemtally AS stored
        (connection_key, bucket, slot, created, replaced, deleted)
    {}
    ON CONFLICT (connection_key, bucket, slot) DO UPDATE SET
        created = stored.created + excluded.created,
        replaced = stored.replaced + excluded.replaced,
        deleted = stored.deleted + excluded.deleted
"""
_ROW = "(%s, %s, %s, %s, %s, %s)"
_ADD = ADD.format(f"VALUES {_ROW}, {_ROW}, {_ROW}")
_next_slot = itertools.count()


class _Slot(threading.local):
    def __init__(self) -> None:
        # processes begin at different ones: the clock is as good as any die
        self.number = (time.time_ns() // 1000 + next(_next_slot)) % SLOTS


_slot = _Slot()


def slot(database: Any) -> int:
    """Where this thread counts."""
    return 0 if database.vendor == "sqlite" else _slot.number


def bucket_of(moment: float) -> int:
    """The bucket of a moment (seconds since 1970): its first minute since then."""
    return int(moment // 60 // BUCKET * BUCKET)


def begin_of(bucket: int) -> datetime:
    return datetime.fromtimestamp(bucket * 60, UTC)


def rows_of(connection_key: int) -> tuple[tuple[int, int], ...]:
    """Where something that happens to an item now is counted: connection and bucket."""
    now = bucket_of(time.time())
    # always in this order, so that no two who share a slot wait for each other
    return ((EVERYTHING, TOTAL), (connection_key, TOTAL), (connection_key, now))


class ItemTallyQuerySet(models.QuerySet["ItemTally"]):
    def items(self, connection_key: int = EVERYTHING) -> int:
        """How many items there are in a connection, or in all."""
        return self.items_of([connection_key])[connection_key]

    def items_of(self, connection_keys: Collection[int]) -> dict[int, int]:
        """The same of several."""
        found = (
            self.filter(connection_key__in=connection_keys, bucket=TOTAL)
            .order_by()
            .values_list("connection_key")
            .annotate(items=Sum(F("created") - F("deleted")))
        )
        return dict.fromkeys(connection_keys, 0) | dict(found)

    def forget_old(self) -> int:
        """Delete a batch of buckets that no chart shows any more. Returns how many."""
        oldest = bucket_of(time.time() - KEPT_FOR.total_seconds())
        old = self.filter(bucket__gt=TOTAL, bucket__lt=oldest)
        some = old.order_by("pk").values_list("pk", flat=True)[:500]
        return self.filter(pk__in=list(some)).delete()[0]


class ItemTally(models.Model):
    """What one slot has counted of a connection's items (or of all), in a bucket (or ever).

    By value: what belongs to a connection that is deleted is deleted with its last item.
    """

    connection_key = models.BigIntegerField()
    bucket = models.PositiveIntegerField()
    slot = models.PositiveSmallIntegerField()
    created = models.BigIntegerField(default=0)
    replaced = models.BigIntegerField(default=0)
    deleted = models.BigIntegerField(default=0)

    objects = ItemTallyQuerySet.as_manager()

    class Meta:
        ordering = ["connection_key", "bucket", "slot"]
        default_permissions = ()
        constraints = [
            # also the index of "all of a connection" and of "the last buckets of a connection"
            models.UniqueConstraint(
                fields=["connection_key", "bucket", "slot"], name="item_tally_once"
            ),
        ]
        indexes = [
            # what is forgotten
            models.Index(fields=["bucket"], name="item_tally_by_age"),
        ]

    def __str__(self) -> str:
        return f"{self.created - self.deleted} items of {self.connection_key}"

    @classmethod
    def add(
        cls, connection_key: int, *, created: int = 0, replaced: int = 0, deleted: int = 0
    ) -> None:
        """Count. Call it in the transaction of what is counted."""
        database = connections[DEFAULT_DB_ALIAS]
        mine = slot(database)
        values = [
            value
            for key, bucket in rows_of(connection_key)
            for value in (key, bucket, mine, created, replaced, deleted)
        ]
        with transaction.mark_for_rollback_on_error(DEFAULT_DB_ALIAS):
            ask(database, _ADD, values)


def items_in(connection_key: Any) -> Any:
    """An expression for the number of items of a connection, to be part of another look-up."""
    total = ItemTally.objects.filter(connection_key=connection_key, bucket=TOTAL).order_by()
    summed = total.values("connection_key").annotate(items=Sum(F("created") - F("deleted")))
    return Coalesce(
        models.Subquery(summed.values("items")), 0, output_field=models.BigIntegerField()
    )
