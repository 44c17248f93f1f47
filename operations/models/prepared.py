"""Statements that are run again and again, with their text composed once.

Django composes the text of a statement anew each time, which takes it several times what the
database takes to do it. Here a queryset says what is meant, as elsewhere, with a ``Parameter``
wherever another value comes each time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from copy import copy
from typing import Any, Generic, NamedTuple, TypeVar

from django.db import DEFAULT_DB_ALIAS, connections, models, transaction
from django.db.models.expressions import Expression
from django.db.models.query import ModelIterable
from django.db.models.sql import InsertQuery, UpdateQuery
from django.db.models.sql.constants import ROW_COUNT

Row = TypeVar("Row", bound=models.Model)


class Parameter(Expression):
    """Where the value of this name comes, as one of this kind."""

    def __init__(self, name: str, kind: Any) -> None:
        super().__init__(output_field=kind)
        self.name = name

    def as_sql(self, compiler: Any, connection: Any) -> Any:
        return "%s", [self]

    def of(self, values: dict[str, Any], connection: Any) -> Any:
        return self.output_field.get_db_prep_save(values[self.name], connection)


def parameter(model: type[models.Model], name: str) -> Parameter:
    """One for a column of the model's: ``status``, or ``old=status`` under another name."""
    name, _, column = name.partition("=")
    return Parameter(name, model._meta.get_field(column or name))


def parameters(model: type[models.Model], names: Iterable[str]) -> dict[str, Any]:
    """For the columns of these names, what an update changes them to."""
    return {name: parameter(model, name) for name in names}


class Prepared(Generic[Row]):
    """The statement of a queryset: ``make`` is called once, ``rows`` reads with these values.

    With ``changes``, names of columns and what they become, ``update`` writes instead. What is
    read into ``make`` stays: whatever may be another value the next time is a Parameter. ``index``
    is the one that SQLite is to take, which has no statistics unless somebody asks for them.
    """

    def __init__(
        self,
        make: Callable[[], models.QuerySet[Row, Any]],
        changes: dict[str, Any] | None = None,
        *,
        index: str = "",
    ) -> None:
        self._make = make
        self._changes = changes
        self._index = index
        self._kept: dict[str, _Kept] = {}

    def rows(self, **values: Any) -> list[Row]:
        connection = connections[DEFAULT_DB_ALIAS]
        queryset = self._kept_for(connection, values)[0].queryset
        return list(ModelIterable(_Source(queryset, self._compiler(values))))  # type: ignore[arg-type]

    def first(self, **values: Any) -> Row | None:
        return next(iter(self.rows(**values)), None)

    def tuples(self, limit: int | None = None, **values: Any) -> list[Any]:
        """Of a queryset of values; so many at the most."""
        connection = connections[DEFAULT_DB_ALIAS]
        kept, given = self._kept_for(connection, values)
        with connection.cursor() as cursor:
            cursor.execute(kept.text if limit is None else f"{kept.text} LIMIT {limit:d}", given)
            found = cursor.fetchall()
        return list(kept.compiler.apply_converters(found, kept.converters)) if found else found

    def update(self, **values: Any) -> int:
        """How many rows were changed."""
        with transaction.mark_for_rollback_on_error(DEFAULT_DB_ALIAS):
            return self._compiler(values).execute_sql(ROW_COUNT)

    def _compiler(self, values: dict[str, Any]) -> Any:
        """Django's own, which knows the text already and asks with these values."""
        connection = connections[DEFAULT_DB_ALIAS]
        kept, given = self._kept_for(connection, values)
        bound = copy(kept.compiler)
        bound.connection = connection  # each thread has its own
        bound.as_sql = lambda: (kept.text, given)
        bound.get_converters = lambda _: kept.converters
        return bound

    def _kept_for(self, connection: Any, values: dict[str, Any]) -> tuple[_Kept, tuple[Any, ...]]:
        """The statement as this kind of database has it, and what stands in its places."""
        kept = self._kept.get(connection.vendor)
        if kept is None:
            kept = self._kept[connection.vendor] = self._compile(connection)
        return kept, tuple(
            each.of(values, connection) if isinstance(each, Parameter) else each
            for each in kept.parameters
        )

    def _compile(self, connection: Any) -> _Kept:
        queryset: Any = self._make()
        query = queryset.query
        if self._changes is not None:
            query = query.chain(UpdateQuery)
            query.add_update_values(self._changes)
            query.clear_ordering(force=True)
        compiler = query.get_compiler(connection=connection)
        text, parameters = _with_constants(*compiler.as_sql())
        if self._index and connection.vendor == "sqlite":
            table = connection.ops.quote_name(query.model._meta.db_table)
            text = text.replace(f"FROM {table}", f"FROM {table} INDEXED BY {self._index}", 1)
        reads = compiler.get_converters([each for each, *_ in compiler.select or ()])
        return _Kept(queryset, compiler, text, parameters, reads)


def _with_constants(text: str, parameters: Iterable[Any]) -> tuple[str, tuple[Any, ...]]:
    """The numbers and words that are always the same stand in the text: what a partial index is
    good for shows only then, and SQLite need not look at it again each time."""
    given = iter(parameters)
    left = []

    def place(found: re.Match[str]) -> str:
        if found[0] == "%%":
            return "%%"
        value = next(given)
        if isinstance(value, int) and not isinstance(value, bool):
            return str(int(value))
        if isinstance(value, str):
            return "'" + value.replace("'", "''").replace("%", "%%") + "'"
        left.append(value)
        return "%s"

    return re.sub("%%|%s", place, text), tuple(left)


class _Kept(NamedTuple):
    queryset: Any
    compiler: Any
    text: str
    parameters: tuple[Any, ...]
    converters: dict[int, Any]


class _Source:
    """The queryset, whose query has its compiler already."""

    def __init__(self, queryset: Any, compiler: Any) -> None:
        self.query = self
        self._queryset = queryset
        self._compiler = compiler

    def get_compiler(self, using: str) -> Any:
        return self._compiler

    def __getattr__(self, name: str) -> Any:
        return getattr(self._queryset, name)


_inserts: dict[tuple[type[models.Model], str], tuple[list[Any], str]] = {}


def insert(row: models.Model) -> None:
    """What ``row.save(force_insert=True)`` does, for rows whose values are no expressions."""
    connection: Any = connections[DEFAULT_DB_ALIAS]
    key = (type(row), connection.vendor)
    if key not in _inserts:
        _inserts[key] = _compile_insert(row, connection)
    fields, text = _inserts[key]
    given = [each.pre_save(row, True) for each in fields]
    values = [
        None if value is None else each.get_db_prep_save(value, connection)
        for each, value in zip(fields, given, strict=True)
    ]
    with transaction.mark_for_rollback_on_error(DEFAULT_DB_ALIAS), connection.cursor() as cursor:
        cursor.execute(text, values)
        if connection.features.can_return_columns_from_insert:
            [row.pk] = cursor.fetchone()
        else:
            row.pk = connection.ops.last_insert_id(cursor, row._meta.db_table, "id")
    row._state.adding = False
    row._state.db = DEFAULT_DB_ALIAS


def _compile_insert(row: models.Model, connection: Any) -> tuple[list[Any], str]:
    fields = [each for each in row._meta.concrete_fields if not each.primary_key]
    query: Any = InsertQuery(type(row))
    query.insert_values(fields, [row])
    compiler = query.get_compiler(connection=connection)
    if connection.features.can_return_columns_from_insert:
        compiler.returning_fields = [row._meta.pk]
    [(text, _)] = compiler.as_sql()
    return fields, text
