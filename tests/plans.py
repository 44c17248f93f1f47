"""How the database goes about the queries of a request: whether it sorts or reads a whole table."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection as database
from django.test.utils import CaptureQueriesContext

#: What PostgreSQL would rather do with few rows.
_ONLY_FOR_FEW = ("seqscan", "sort")


def plans(ask: Callable[[], Any], about: str = "connectionoperation") -> list[str]:
    """The plan of each query of a table that ``ask`` makes, as if the table were large."""
    with CaptureQueriesContext(database) as queries:
        ask()
    wanted = [
        query["sql"]
        for query in queries.captured_queries
        if query["sql"].startswith("SELECT") and f'FROM "operations_{about}"' in query["sql"]
    ]
    assert wanted
    with _as_if_large():
        return [_explained(sql) for sql in wanted]


def sorts(plan: str) -> bool:
    """Whether all that is found is put into order before the first row is known."""
    if database.vendor == "sqlite":
        return "USE TEMP B-TREE FOR ORDER BY" in plan
    return any(line.strip(" ->").startswith("Sort  (") for line in plan.splitlines())


def scans(plan: str) -> bool:
    """Whether a table is read from one end to the other, with no bound from an index."""
    if database.vendor == "sqlite":
        return any(line.startswith("SCAN operations_") for line in plan.splitlines())
    return "Seq Scan on operations_" in plan


@contextmanager
def _as_if_large() -> Iterator[None]:
    if database.vendor == "sqlite":
        yield
        return
    with database.cursor() as cursor:
        for name in _ONLY_FOR_FEW:
            cursor.execute(f"SET LOCAL enable_{name} = off")
        yield
        for name in _ONLY_FOR_FEW:
            cursor.execute(f"SET LOCAL enable_{name} = on")


def _explained(sql: str) -> str:
    with database.cursor() as cursor:
        if database.vendor == "sqlite":
            cursor.execute(f"EXPLAIN QUERY PLAN {sql}")
            return "\n".join(row[3] for row in cursor.fetchall())
        cursor.execute(f"EXPLAIN {sql}")
        return "\n".join(row[0] for row in cursor.fetchall())
