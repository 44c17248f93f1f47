"""An item written: created or replaced, and counted, by as few statements as the database allows.

This is the path of a million items, so its text is composed once (as ``models.prepared`` does for
querysets, which have no words for it).
"""

from __future__ import annotations

import threading
from collections.abc import Collection
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache
from typing import Any, NamedTuple

from django.db import DEFAULT_DB_ALIAS, connections, transaction

from operations.models.enums import ConnectionState
from operations.models.item import ExternalItem
from operations.models.item_tally import ADD, ItemTally, rows_of, slot
from operations.models.prepared import Statement, ask

#: What a replaced item keeps.
_KEPT = ("connection", "graph_id", "created_at")
_COLUMNS = [
    field
    for field in ExternalItem._meta.concrete_fields
    if not field.primary_key and field.name not in ("connection", "version")
]


class Written(NamedTuple):
    """What has become of an item that was written."""

    key: int
    version: int

    @property
    def created(self) -> bool:
        return self.version == 1


def write(
    connection_key: int,
    columns: dict[str, Any],
    states: Collection[ConnectionState],
    *,
    only_if: Statement | None = None,
) -> Written | None:
    """Create the item with these columns at their ``changed_at``, or replace the one with this id,
    which keeps its ``created_at``, and count it.

    None, and nothing is done, when the connection is being deleted or in none of the ``states``, or
    when ``only_if``, a look-up of its key, does not find it.
    """
    database = connections[DEFAULT_DB_ALIAS]
    condition = only_if or Statement("%s", (connection_key,))
    values = _adapted(columns, database)
    among = [int(each) for each in states]
    if database.vendor == "postgresql":
        counted = [value for row in rows_of(connection_key) for value in row]
        given = [*condition.given, *among, *values, slot(database), *counted]
        with transaction.mark_for_rollback_on_error(DEFAULT_DB_ALIAS):
            found = ask(database, _at_once(condition.text, len(among)), given).fetchall()
        return Written(*found[0]) if found else None
    with _turn(database), transaction.atomic():
        given = [*values, *condition.given, *among]
        found = ask(database, _upsert(condition.text, len(among)), given).fetchall()
        if not found:
            return None
        written = Written(*found[0])
        is_new = written.created
        ItemTally.add(connection_key, created=int(is_new), replaced=int(not is_new))
    return written


def _turn(database: Any) -> AbstractContextManager[Any]:
    """The threads of a process take turns without SQLite, which would let each of them sleep until
    the other is done. Who writes already must not wait for who waits for him."""
    return nullcontext() if database.in_atomic_block else _one_at_a_time


_one_at_a_time = threading.Lock()


def _adapted(columns: dict[str, Any], database: Any) -> list[Any]:
    """The values of _COLUMNS as this kind of database takes them."""
    given = {**columns}
    now = database.ops.adapt_datetimefield_value(columns["changed_at"])
    given |= {"created_at": now, "changed_at": now}
    if (app_id := columns["changed_by_app_id"]) and not database.features.has_native_uuid_field:
        given["changed_by_app_id"] = app_id.hex
    return [given[field.name] for field in _COLUMNS]


def _into(source: str) -> str:
    """The insert of what ``source`` gives, or the replacement of what is there."""
    names = ["connection_id", *(str(field.column) for field in _COLUMNS)]
    replaced = [str(field.column) for field in _COLUMNS if field.name not in _KEPT]
    return (
        f"INSERT INTO operations_externalitem AS stored ({', '.join(names)}, version) "  # nosec B608
        f"{source} ON CONFLICT (connection_id, graph_id) DO UPDATE SET "
        f"{', '.join(f'{name} = excluded.{name}' for name in replaced)}, "
        "version = stored.version + 1 RETURNING id, version"
    )


def _parent(condition: str, states: int) -> str:
    """The connection with this key, unless it is in none of so many states."""
    of = ", ".join("%s" for _ in range(states))
    return (
        "SELECT id FROM operations_externalconnection "  # nosec B608
        f"WHERE id = ({condition}) AND deleting_since IS NULL AND state IN ({of})"
    )


@lru_cache(maxsize=64)
def _upsert(condition: str, states: int) -> str:
    """With nothing to insert where there is no parent."""
    places = ", ".join("%s" for _ in _COLUMNS)
    parent = _parent(condition, states)
    return _into(f"SELECT id, {places}, 1 FROM ({parent}) WHERE true")  # nosec B608


@lru_cache(maxsize=64)
def _at_once(condition: str, states: int) -> str:
    """All of it in one statement, with which nobody deletes the connection meanwhile."""
    database = connections[DEFAULT_DB_ALIAS]
    places = ", ".join(f"%s::{field.db_type(database)}" for field in _COLUMNS)
    put = _into("SELECT parent.id, " + places + ", 1 FROM parent")  # nosec B608 - names of ours
    return f"""
        WITH parent AS (
            {_parent(condition, states)} FOR KEY SHARE
        ), put AS (
            {put}
        ), counted AS (
            {ADD.format(_COUNTED)}
        )
        SELECT id, version FROM put
    """  # nosec B608 - names of ours, no values


_COUNTED = """
    SELECT place.key, place.bucket, %s::int, (put.version = 1)::int, (put.version > 1)::int, 0
    FROM put, (VALUES
        (%s::bigint, %s::int), (%s::bigint, %s::int), (%s::bigint, %s::int)
    ) AS place (key, bucket)
"""
