"""Many rows at once: copies of one that the service has made, by one statement."""

from __future__ import annotations

from django.db import models

from operations.models import ConnectionOperation, ExternalConnection

NUMBERS = (
    "(WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {rows}) "
    "SELECT n FROM numbers)"
)
#: What a registration that has ended is made to by a copy that waits.
WAITING = {
    "status": "1",
    "started_at": "NULL",
    "finished_at": "NULL",
    "attempt": "0",
    "usual_seconds": "NULL",
}


def is_postgres(environment: dict[str, str]) -> bool:
    return "DATABASE_URL" in environment


def now(environment: dict[str, str]) -> str:
    return "now()" if is_postgres(environment) else "strftime('%Y-%m-%d %H:%M:%f', 'now')"


def copies(model: type[models.Model], key: int, source: str, **columns: str) -> str:
    """The statement that copies the row with this key once for each row ``s`` of the source, with
    these columns as the SQL given."""
    table = model._meta.db_table
    names = [
        field.column
        for field in model._meta.concrete_fields
        if field.column and not field.primary_key and not field.generated
    ]
    listed = ", ".join(f'"{name}"' for name in names)
    values = ", ".join(columns.get(name, f't."{name}"') for name in names)
    return (
        f"INSERT INTO {table} ({listed}) SELECT {values} FROM {table} AS t, {source} AS s "
        f"WHERE t.id = {key}"
    )


def waiting(
    environment: dict[str, str], connection: int, operation: int, name: str, rows: int
) -> list[str]:
    """The statements that make so many connections whose registration waits, as copies of one
    that has ended. Their ids begin with the name."""
    moment = now(environment)
    return [
        copies(
            ExternalConnection,
            connection,
            NUMBERS.format(rows=rows),
            graph_id=f"'{name}n' || s.n",
            state="1",
        ),
        copies(
            ConnectionOperation,
            operation,
            f"(SELECT id, graph_id FROM operations_externalconnection "
            f"WHERE graph_id LIKE '{name}n%')",
            connection_id="s.id",
            graph_id="s.graph_id",
            created_at=moment,
            run_after=moment,
            **WAITING,
        ),
    ]
