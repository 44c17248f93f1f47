"""What is below a connection, deleted a little at a time, so that nobody waits for a million rows.

In this order: what belongs to another row goes before it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from itertools import accumulate, takewhile
from typing import Any

from django.db import DEFAULT_DB_ALIAS, models

from operations.models.connection import ExternalConnection
from operations.models.group import ExternalActivity, ExternalGroup, GroupMember
from operations.models.item import ExternalItem
from operations.models.item_tally import TOTAL, ItemTally
from operations.models.operation import ConnectionOperation

#: Rows that one statement deletes at the most, and bytes of items, but for the first one.
ROWS = 200
BYTES = 2_000_000
#: Seconds for which one transaction deletes; with its last statement and its commit it stays well
#: below a quarter of a second.
TIME = 0.05


def rows_below(connection: ExternalConnection, most: int) -> int:
    """How many rows would go with a connection, counted no further than ``most``."""
    key, found = connection.pk, 0
    for rows in (
        connection.operations.all(),
        connection.items.all(),
        ExternalActivity.objects.filter(item__connection=key),
        connection.groups.all(),
        GroupMember.objects.filter(group__connection=key),
    ):
        found += rows.order_by()[: most - found].count()
        if found >= most:
            break
    return found


def delete_some(connection_key: int, *, until: float | None = None) -> bool:
    """Delete as much as time allows, until this moment of the monotonic clock. True while there is
    more. Call it in a transaction that has locked the connection.

    Items are counted as they go, so the count tells how far the deletion has come.
    """
    end = time.monotonic() + TIME if until is None else until
    items = 0
    try:
        for step in (_operations, _items, _members, _groups, _tallies):
            while (gone := step(connection_key)) is not None:
                items += gone
                if time.monotonic() >= end:
                    return True
    finally:
        if items:
            ItemTally.objects.add(connection_key, deleted=items)
    return False


def delete_counts(connection_key: int) -> None:
    """Delete what counted the items of a connection that has none."""
    ItemTally.objects.filter(connection_key=connection_key)._raw_delete(DEFAULT_DB_ALIAS)


# Each deletes a few rows and returns how many items were among them; None when there are none left.
Step = Callable[[int], int | None]


def _delete(rows: models.QuerySet[Any]) -> bool:
    """The first of these rows. False when there is none."""
    keys = list(rows.order_by().values_list("pk", flat=True)[:ROWS])
    if keys:
        rows.model._default_manager.filter(pk__in=keys)._raw_delete(DEFAULT_DB_ALIAS)
    return bool(keys)


def _operations(connection_key: int) -> int | None:
    keys = list(
        ConnectionOperation.objects.filter(connection=connection_key)
        .order_by()
        .values_list("pk", flat=True)[:ROWS]
    )
    if not keys:
        return None
    ConnectionOperation.objects.filter(pk__in=keys).delete()  # with what refers to them
    return 0


def _items(connection_key: int) -> int | None:
    found = (
        ExternalItem.objects.filter(connection=connection_key)
        .order_by("id")
        .values_list("pk", "size")[:ROWS]
    )
    keys = [key for key, _ in found]
    if not keys:
        return None
    sizes: Sequence[int] = [size for _, size in found]
    fit = sum(1 for _ in takewhile(lambda total: total <= BYTES, accumulate(sizes)))
    keys = keys[: max(1, fit)]
    if _delete(ExternalActivity.objects.filter(item__in=keys)):
        return 0
    return ExternalItem.objects.filter(pk__in=keys)._raw_delete(DEFAULT_DB_ALIAS)


def _members(connection_key: int) -> int | None:
    return 0 if _delete(GroupMember.objects.filter(group__connection=connection_key)) else None


def _groups(connection_key: int) -> int | None:
    return 0 if _delete(ExternalGroup.objects.filter(connection=connection_key)) else None


def _tallies(connection_key: int) -> int | None:
    buckets = ItemTally.objects.filter(connection_key=connection_key, bucket__gt=TOTAL)
    return 0 if _delete(buckets) else None
