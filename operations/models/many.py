"""Statements about any number of rows, with one text for all numbers: the keys are one value."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

from django.db import models
from django.db.models.expressions import Combinable
from django.db.models.lookups import Lookup

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
