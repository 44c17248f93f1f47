"""Many rows by one statement, and as few texts of it as can be.

A statement that names its rows one by one has another text for each number of them. Here their
keys are one value, so that a ``Prepared`` statement is good for any number; only what is inserted
stands row by row.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from functools import cache
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections, models, transaction
from django.db.models.expressions import Combinable
from django.db.models.lookups import Lookup
from django.db.models.sql import InsertQuery

from operations.models.prepared import Parameter

_ONE_OF = {
    "postgresql": "= ANY(%s::bigint[])",
    "sqlite": "IN (SELECT value FROM json_each(%s))",
}


def one_of(connection: Any) -> str:
    """What stands behind a column that is to be one of the keys of one parameter."""
    return _ONE_OF[connection.vendor]


def as_one(keys: Collection[int], connection: Any) -> Any:
    """The value of that parameter."""
    return list(keys) if connection.vendor == "postgresql" else json.dumps(list(keys))


class Keys(Parameter):
    """Where the keys of this name come, any number of them."""

    def __init__(self, name: str) -> None:
        super().__init__(name, models.BigIntegerField())

    def of(self, values: dict[str, Any], connection: Any) -> Any:
        return as_one(values[self.name], connection)


class OneOf(Lookup):
    """Whether a column is one of the ``Keys``."""

    prepare_rhs = False

    def __init__(self, column: str | Combinable, keys: str) -> None:
        super().__init__(models.F(column) if isinstance(column, str) else column, Keys(keys))

    def as_sql(self, compiler: Any, connection: Any) -> Any:
        column, before = self.process_lhs(compiler, connection)
        _, keys = compiler.compile(self.rhs)
        return f"{column} {one_of(connection)}", [*before, *keys]


def insert_many(rows: Sequence[models.Model]) -> None:
    """What ``bulk_create`` does, for rows of one model whose values are no expressions. They are
    numbered in their order; the keys are not told."""
    if not rows:
        return
    connection: Any = connections[DEFAULT_DB_ALIAS]
    fields, head, places = _compiled(type(rows[0]), connection.vendor)
    most = (connection.features.max_query_params or 10_000) // len(fields)
    with transaction.mark_for_rollback_on_error(DEFAULT_DB_ALIAS), connection.cursor() as cursor:
        for start in range(0, len(rows), most):
            some = rows[start : start + most]
            values = [
                None if value is None else each.get_db_prep_save(value, connection)
                for row in some
                for each in fields
                for value in [each.pre_save(row, True)]
            ]
            cursor.execute(f"{head} VALUES {', '.join([places] * len(some))}", values)


@cache
def _compiled(model: type[models.Model], vendor: str) -> tuple[list[Any], str, str]:
    """The fields, what stands before the rows, and the places of one row."""
    fields: list[Any] = [each for each in model._meta.concrete_fields if not each.primary_key]
    query: Any = InsertQuery(model)
    query.insert_values(fields, [model()])
    [(text, _)] = query.get_compiler(connection=connections[DEFAULT_DB_ALIAS]).as_sql()
    head, _, places = text.partition(" VALUES ")
    return fields, head, places
