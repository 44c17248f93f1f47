"""What is below a connection, deleted a little at a time, so that nobody waits for a million rows.

In this order: what belongs to another row goes before it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
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
#: Up to which key of each kind everything below a connection is gone. A walk that began anew each
#: time would come by all that is deleted and not yet forgotten, as long as anybody still reads it.
_behind: dict[tuple[str, int], int] = {}
#: The same, as the transaction before began. Each walks once by what the one before deleted: then
#: PostgreSQL marks it in its index as gone, a little each time, and the last walks, by all of it
#: (whether nothing is left, and that nothing refers to the connection), need not.
_before: dict[tuple[str, int], int] = {}


def is_small(connection: ExternalConnection, rows: int) -> bool:
    """Whether no more than so many rows would go with a connection, and few bytes."""
    key, left = connection.pk, rows + 1
    for below in (
        connection.operations.all(),
        connection.items.all(),
        ExternalActivity.objects.filter(item__connection=key),
        connection.groups.all(),
        GroupMember.objects.filter(group__connection=key),
    ):
        left -= below.order_by()[:left].count()
        if left <= 0:
            return False
    sizes = connection.items.order_by().values_list("size", flat=True)
    return sum(sizes) <= BYTES


def delete_some(connection_key: int, *, until: float | None = None) -> bool:
    """Delete as much as time allows, until this moment of the monotonic clock. True while there is
    more. Call it in a transaction that has locked the connection.

    Items are counted as they go, so the count tells how far the deletion has come.
    """
    end = time.monotonic() + TIME if until is None else until
    for kind in _kinds(connection_key):
        _behind[kind], _before[kind] = _before.get(kind, 0), _behind[kind]
    items, more = 0, False
    for step in (_operations, _items, _groups, _tallies):
        while not more and (gone := step(connection_key)) is not None:
            items += gone
            more = time.monotonic() >= end
    if items:
        ItemTally.add(connection_key, deleted=items)
    return more


def delete_counts(connection_key: int) -> None:
    """Delete what counted the items of a connection that has none."""
    ItemTally.objects.filter(connection_key=connection_key)._raw_delete(DEFAULT_DB_ALIAS)
    for kind in _kinds(connection_key):
        del _behind[kind]
        _before.pop(kind, None)


def _kinds(connection_key: int) -> list[tuple[str, int]]:
    # a copy: other threads of a web process delete small connections meanwhile
    return [kind for kind in list(_behind) if kind[1] == connection_key]


# Each deletes a few rows and returns how many items were among them; None when there are none left.
Step = Callable[[int], int | None]


def _next(model: type[models.Model], connection_key: int, *columns: str) -> list[Any]:
    """The first rows of a connection, their keys first."""
    below: Any = model._default_manager.filter(connection=connection_key).order_by("pk")
    rows = below.values_list("pk", *columns)
    begin = _behind.get((model.__name__, connection_key), 0)
    found = list(rows.filter(pk__gt=begin)[:ROWS])
    if not found and begin:  # unless something came back: a transaction that was rolled back
        found = list(rows[:ROWS])
    if found:
        _behind[model.__name__, connection_key] = found[0][0] - 1
    return found


def _delete(rows: models.QuerySet[Any]) -> bool:
    """The first of these rows. False when there is none."""
    keys = list(rows.order_by().values_list("pk", flat=True)[:ROWS])
    if keys:
        rows.model._default_manager.filter(pk__in=keys)._raw_delete(DEFAULT_DB_ALIAS)
    return bool(keys)


def _operations(connection_key: int) -> int | None:
    keys = [key for [key] in _next(ConnectionOperation, connection_key)]
    if not keys:
        return None
    ConnectionOperation.objects.filter(pk__in=keys).delete()  # with what refers to them
    return 0


def _items(connection_key: int) -> int | None:
    found = _next(ExternalItem, connection_key, "size")
    if not found:
        return None
    sizes = accumulate(size for _, size in found)
    fit = sum(1 for _ in takewhile(lambda total: total <= BYTES, sizes))
    keys = [key for key, _ in found[: max(1, fit)]]
    if _delete(ExternalActivity.objects.filter(item__in=keys)):
        return 0
    return ExternalItem.objects.filter(pk__in=keys)._raw_delete(DEFAULT_DB_ALIAS)


def _groups(connection_key: int) -> int | None:
    keys = [key for [key] in _next(ExternalGroup, connection_key)]
    if not keys:
        return None
    if not _delete(GroupMember.objects.filter(group__in=keys)):
        ExternalGroup.objects.filter(pk__in=keys)._raw_delete(DEFAULT_DB_ALIAS)
    return 0


def _tallies(connection_key: int) -> int | None:
    buckets = ItemTally.objects.filter(connection_key=connection_key, bucket__gt=TOTAL)
    return 0 if _delete(buckets) else None
