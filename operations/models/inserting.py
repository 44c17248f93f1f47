"""Rows inserted by statements whose text is composed once (``models.prepared``)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

from django.db import DEFAULT_DB_ALIAS, connections, models, transaction

from operations.models.prepared import ask

Model = type[models.Model]


@dataclass(frozen=True)
class Following:
    """A row to insert with another one, whose key it has in ``refers``."""

    model: Model
    values: dict[str, Any]
    refers: str


def insert(
    row: models.Model, *, unless: tuple[str, ...] = (), following: Following | None = None
) -> bool:
    """What ``row.save(force_insert=True)`` does, for rows whose values are no expressions.

    Returns False, and does nothing, when there is a row with the same in the columns of ``unless``,
    which are unique together: unlike an IntegrityError that leaves the transaction good.
    """
    table = _table(type(row))
    given = {column.name: column.given(row) for column in table.columns}
    row.pk = _insert(table, given, unless, following)
    if row.pk is None:
        return False
    row._state.adding = False
    row._state.db = DEFAULT_DB_ALIAS
    return True


def insert_values(model: Model, **values: Any) -> Any:
    """The same for who needs no row in his hand: columns and their values, defaults for the others
    (and none for what ``auto_now`` would fill). Returns the key."""
    return _insert(_table(model), values, (), None)


def insert_many(rows: Sequence[models.Model]) -> None:
    """What ``bulk_create`` does, for rows of one model whose values are no expressions. They are
    numbered in their order; the keys are not told."""
    if not rows:
        return
    connection: Any = connections[DEFAULT_DB_ALIAS]
    table = _table(type(rows[0]))
    most = (connection.features.max_query_params or 10_000) // len(table.columns)
    with transaction.mark_for_rollback_on_error(DEFAULT_DB_ALIAS), connection.cursor() as cursor:
        for start in range(0, len(rows), most):
            some = rows[start : start + most]
            values = [
                column.prepared(column.given(row), connection)
                for row in some
                for column in table.columns
            ]
            cursor.execute(f"{table.into} VALUES {', '.join([table.places] * len(some))}", values)


def _insert(
    table: _Table, given: dict[str, Any], unless: tuple[str, ...], following: Following | None
) -> Any:
    """The key of the new row, None when there is one already."""
    connection: Any = connections[DEFAULT_DB_ALIAS]
    values = table.values(given, connection)
    with transaction.mark_for_rollback_on_error(DEFAULT_DB_ALIAS):
        if following is None:
            return _key(connection, table.text(unless), values)
        other, refers = _table(following.model), following.refers
        if connection.vendor == "postgresql":
            values += other.values(following.values, connection, but=refers)
            return _key(connection, _text_of_both(table, unless, other, refers), values)
        key = _key(connection, table.text(unless), values)
        if key is not None:
            more = other.values({**following.values, refers: key}, connection)
            _key(connection, other.text(()), more)
        return key


def _key(connection: Any, text: str, values: list[Any]) -> Any:
    cursor = ask(connection, text, values)
    if connection.features.can_return_columns_from_insert:
        found = cursor.fetchall()
        return found[0][0] if found else None
    return cursor.lastrowid if cursor.rowcount else None  # SQLite before 3.35


@cache
def _text_of_both(table: _Table, unless: tuple[str, ...], other: _Table, refers: str) -> str:
    """PostgreSQL inserts both by one statement."""
    places = [f"made.{table.key}" if each.name == refers else "%s" for each in other.columns]
    return (
        f"WITH made AS ({table.text(unless)}), "  # nosec B608 - names of ours, no values
        f"noted AS ({other.into} SELECT {', '.join(places)} FROM made) "
        f"SELECT {table.key} FROM made"
    )


@cache
def _table(model: Model) -> _Table:
    return _Table(model)


class _Table:
    """Where rows of a model go."""

    def __init__(self, model: Model) -> None:
        database = connections[DEFAULT_DB_ALIAS]
        quote = database.ops.quote_name
        self.columns = [_Column(each) for each in model._meta.concrete_fields if not each.generated]
        [key] = [each for each in self.columns if each.is_key]
        self.columns.remove(key)
        self.key = quote(key.column)
        columns = ", ".join(quote(each.column) for each in self.columns)
        self.into = f"INSERT INTO {quote(model._meta.db_table)} ({columns})"
        self.places = f"({', '.join('%s' for _ in self.columns)})"
        self._quoted = {each.field_name: quote(each.column) for each in self.columns}
        self._returns = database.features.can_return_columns_from_insert
        self._texts: dict[tuple[str, ...], str] = {}

    def text(self, unless: tuple[str, ...]) -> str:
        """The statement for one row; nothing is done when there is one like it already."""
        if unless not in self._texts:
            unique = ", ".join(self._quoted[name] for name in unless)
            self._texts[unless] = (
                f"{self.into} VALUES {self.places}"
                + (f" ON CONFLICT ({unique}) DO NOTHING" if unless else "")
                + (f" RETURNING {self.key}" if self._returns else "")
            )
        return self._texts[unless]

    def values(self, given: dict[str, Any], connection: Any, but: str = "") -> list[Any]:
        """As the database takes them, in the order of the columns; ``but`` is left out."""
        return [
            each.prepared(given[each.name] if each.name in given else each.default(), connection)
            for each in self.columns
            if each.name != but
        ]


class _Column:
    """One that an insert fills."""

    def __init__(self, field: Any) -> None:
        self._field = field
        self.field_name, self.name, self.column = field.name, field.attname, field.column
        self.is_key = field.primary_key
        self.default = field.get_default
        self._by_field = type(field).pre_save is not models.Field.pre_save
        self._quick = _quick(field.target_field if field.is_relation else field)

    def given(self, row: models.Model) -> Any:
        return self._field.pre_save(row, True) if self._by_field else getattr(row, self.name)

    def prepared(self, value: Any, connection: Any) -> Any:
        if value is None:
            return None
        if isinstance(value, models.Choices):
            value = value.value
        kind, quick = self._quick
        if type(value) is kind:
            return quick(value, connection)
        return self._field.get_db_prep_save(value, connection)


Quick = tuple[type | None, Callable[[Any, Any], Any]]


def _quick(field: Any) -> Quick:
    """What ``get_db_prep_save`` comes to for a value that is just of this type, without asking what
    else it might be. Not for a field that has a way of its own (``SealedTextField``)."""
    internal = field.get_internal_type()
    integer = "BigIntegerField" if field.primary_key else internal
    ways: dict[Any, Quick] = {
        models.CharField: (str, lambda value, _: value),
        models.TextField: (str, lambda value, _: value),
        models.IntegerField: (
            int,
            lambda value, connection: connection.ops.adapt_integerfield_value(value, integer),
        ),
        models.DateTimeField: (
            datetime,
            lambda value, connection: (
                connection.ops.adapt_datetimefield_value(value)
                if value.tzinfo is not None
                else field.get_db_prep_save(value, connection)
            ),
        ),
        models.UUIDField: (
            UUID,
            lambda value, connection: (
                value if connection.features.has_native_uuid_field else value.hex
            ),
        ),
    }
    for base, way in ways.items():
        if isinstance(field, base) and all(
            getattr(type(field), name) is getattr(base, name) for name in _CONVERSIONS
        ):
            return way
    return None, lambda value, _: value


_CONVERSIONS = ("to_python", "get_prep_value", "get_db_prep_value", "get_db_prep_save")
