"""Statements that are run again and again, with their text composed once.

Django composes the text of a statement anew each time, which takes it several times what the
database takes to do it. Here a queryset says what is meant, as elsewhere, with a ``Parameter``
wherever another value comes each time.
"""

from __future__ import annotations

import re
import select
import time
from collections.abc import Callable, Iterable, Sequence
from copy import copy
from functools import lru_cache
from typing import Any, Generic, NamedTuple, TypeVar

from django.db import (
    DEFAULT_DB_ALIAS,
    NotSupportedError,
    connections,
    models,
    transaction,
)
from django.db.backends.sqlite3.base import FORMAT_QMARK_REGEX, SQLiteCursorWrapper
from django.db.models.expressions import Expression
from django.db.models.query import ModelIterable
from django.db.models.sql import UpdateQuery

Row = TypeVar("Row", bound=models.Model)
#: For so long after its last answer a connection to PostgreSQL is believed to work, if it is quiet.
QUIET_SECONDS = 5.0


class Statement(NamedTuple):
    """Its text, and what stands in its places."""

    text: str
    given: tuple[Any, ...]


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
    read into ``make`` stays: whatever may be another value the next time is a Parameter. Only a
    value that an index is partial by, or that is far rarer than others, has a statement of its own
    with it in the text: one plan is made for all that a Parameter may be.

    ``index`` is the one that SQLite is to take, which has no statistics unless somebody asks for
    them. ``key_share`` locks the rows against their deletion alone, where rows can be locked.
    """

    def __init__(
        self,
        make: Callable[[], models.QuerySet[Row, Any]],
        changes: dict[str, Any] | None = None,
        *,
        index: str = "",
        key_share: bool = False,
    ) -> None:
        self._make = make
        self._changes = changes
        self._index = index
        self._key_share = key_share
        self._kept: dict[str, _Kept] = {}

    def rows(self, **values: Any) -> list[Row]:
        connection = connections[DEFAULT_DB_ALIAS]
        kept, given = self._kept_for(connection, values)
        compiler = copy(kept.compiler)  # Django's own, which knows text and answer already
        compiler.connection = connection  # each thread has its own
        compiler.as_sql = lambda: (kept.text, given)
        compiler.get_converters = lambda _: kept.converters
        compiler.execute_sql = lambda *_, **__: [ask(connection, kept.text, given).fetchall()]
        return list(ModelIterable(_Source(kept.queryset, compiler)))  # type: ignore[arg-type]

    def first(self, **values: Any) -> Row | None:
        return next(iter(self.rows(**values)), None)

    def tuples(self, limit: int | None = None, **values: Any) -> list[Any]:
        """Of a queryset of values; so many at the most."""
        connection = connections[DEFAULT_DB_ALIAS]
        kept, given = self._kept_for(connection, values)
        text = kept.text if limit is None else f"{kept.text} LIMIT {limit:d}"
        found = ask(connection, text, given).fetchall()
        return list(kept.compiler.apply_converters(found, kept.converters)) if found else found

    def update(self, **values: Any) -> int:
        """How many rows were changed."""
        connection = connections[DEFAULT_DB_ALIAS]
        kept, given = self._kept_for(connection, values)
        with transaction.mark_for_rollback_on_error(DEFAULT_DB_ALIAS):
            return ask(connection, kept.text, given).rowcount

    def statement(self, **values: Any) -> Statement:
        kept, given = self._kept_for(connections[DEFAULT_DB_ALIAS], values)
        return Statement(kept.text, given)

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
        if self._key_share and connection.features.has_select_for_update:
            text += " FOR KEY SHARE"
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


def ask(connection: Any, text: str, given: Sequence[Any]) -> Any:
    """Have a statement done that the database prepares once for each of its connections. Returns
    the cursor, whose rows are to be fetched before the next one is asked.

    Django's own cursors for PostgreSQL write the values into the text, which is planned anew each
    time. How often a statement comes before it is prepared, or that none is (behind a pooler that
    hands out another connection each time), says ``prepare_threshold`` (settings). SQLite's are
    prepared by Python. The cursor is kept as long as its connection.
    """
    if connection.queries_logged:  # with their values
        cursor = connection.cursor()
    else:
        if _is_quiet(connection):
            connection.health_check_done = True
        connection.close_if_health_check_failed()
        connection.ensure_connection()
        cursor = connection.__dict__.get("kept_cursor")
        if cursor is None or cursor.cursor.connection is not connection.connection:
            cursor = connection.kept_cursor = _new_cursor(connection)
    connection.asked_at = time.monotonic()
    try:
        cursor.execute(text, given)
    except NotSupportedError:
        # Another release has altered a column since ("cached plan must not change result type").
        # A transaction would be over; the rollback forgets all that was prepared, as is done here.
        if connection.vendor != "postgresql" or connection.in_atomic_block:
            raise
        cursor.execute("DEALLOCATE ALL")
        cursor.execute(text, given)
    return cursor


def _is_quiet(connection: Any) -> bool:
    """Whether a connection to PostgreSQL needs no ``SELECT 1``, which Django has sent with each
    request, to prove that it still works.

    It answered a moment ago, and since then the server has sent nothing: one that ends, or ends a
    connection, says so, and what it says can be read.
    """
    if connection.vendor != "postgresql" or connection.health_check_done:
        return False
    if connection.connection is None or connection.connection.closed:
        return False
    if time.monotonic() - connection.__dict__.get("asked_at", -QUIET_SECONDS) >= QUIET_SECONDS:
        return False
    poll = select.poll()
    poll.register(connection.connection.fileno(), select.POLLIN)
    return not poll.poll(0)


def _new_cursor(connection: Any) -> Any:
    if connection.vendor == "sqlite":
        with connection.wrap_database_errors:
            return connection._prepare_cursor(connection.connection.cursor(_SQLiteCursor))
    from django.db.backends.postgresql.base import ServerBindingCursor  # it needs psycopg

    with connection.wrap_database_errors:
        cursor: Any = ServerBindingCursor(connection.connection)  # type: ignore[call-arg]
        return connection._prepare_cursor(cursor)


class _SQLiteCursor(SQLiteCursorWrapper):
    """Django's, which rewrites ``%s`` to ``?`` each time that a statement is done."""

    @staticmethod
    @lru_cache(maxsize=1024)
    def convert_query(query: str, *, param_names: Any = None) -> str:
        assert param_names is None, "values come in their order"
        return FORMAT_QMARK_REGEX.sub("?", query).replace("%%", "%")


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
