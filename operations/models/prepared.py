"""Queries that are asked again and again: their SQL is made once, and only values change.

To make SQL of a queryset takes the ORM ten times as long as the database takes to answer a look-up
by key. What is asked still stands in a queryset, so a rule that it follows has one home.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import local
from typing import Any

from django.db import DEFAULT_DB_ALIAS
from django.db.models import CharField, Expression, Field, QuerySet


class Slot(Expression):
    """The place of a value that is given each time the query is asked."""

    def __init__(self, name: str, field: Field):
        super().__init__(output_field=field)
        self.name = name
        self.is_text = isinstance(field, CharField)

    def as_sql(self, compiler: Any, connection: Any) -> Any:
        return "%s", [self]

    def prepare(self, value: Any, database: Any) -> Any:
        """The value as the database takes it."""
        return value if self.is_text else self.output_field.get_db_prep_value(value, database)


class PreparedQuery:
    """A queryset of ``values_list`` with Slots in it. Each thread, which has a connection of its
    own, makes the SQL once."""

    def __init__(self, make: Callable[[], QuerySet[Any, Any]]):
        self._make = make
        self._own = local()

    def first(self, **values: Any) -> list[Any] | None:
        """The first row with these values in the Slots, as ``values_list`` would give it."""
        rows = self.rows(1, **values)
        return rows[0] if rows else None

    def rows(self, limit: int, **values: Any) -> list[list[Any]]:
        """The same of so many rows at the most."""
        own = self._own
        if not hasattr(own, "sql"):
            self._compile()
        database = own.compiler.connection
        given = {name: slot.prepare(values[name], database) for name, slot in own.slots.items()}
        params = [given[each.name] if isinstance(each, Slot) else each for each in own.params]
        with database.cursor() as cursor:
            cursor.execute(f"{own.sql} LIMIT {limit:d}", params)
            found = cursor.fetchall()
        return list(own.compiler.apply_converters(found, own.converters)) if found else found

    def _compile(self) -> None:
        own = self._own
        own.compiler = self._make().query.get_compiler(DEFAULT_DB_ALIAS)
        own.sql, own.params = own.compiler.as_sql()
        own.slots = {each.name: each for each in own.params if isinstance(each, Slot)}
        own.converters = own.compiler.get_converters([each for each, *_ in own.compiler.select])
