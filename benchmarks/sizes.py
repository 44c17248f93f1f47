"""Bytes of an operation and of its history on PostgreSQL; what docs/scale.md reckons with."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from benchmarks.measuring import table
from benchmarks.rows import NUMBERS, copies, is_postgres
from benchmarks.servers import execute
from operations.models import Change, ConnectionOperation
from tests.processes import own_database, query, shell

MAKE = """
from tests import factories
from tests.graph import OWNED
from operations.models import Actor, ActorKind, Change, Channel
application = factories.make_application(OWNED)
actor = Actor(ActorKind.APPLICATION, application.name, Channel.API, application.app_id, "0" * 36)
operation = factories.report(factories.make_connection("measured", owner=application), actor)
operation.move(actor, status=2)
history = Change.objects.filter(operation_key=operation.pk).values_list("pk", flat=True)
import json; print(json.dumps([operation.pk, list(history)]))
"""
ROWS = 100_000
SIZE = "SELECT pg_relation_size('{0}')::float8, pg_indexes_size('{0}')::float8, count(*) FROM {0}"
OPERATIONS, CHANGES = ConnectionOperation._meta.db_table, Change._meta.db_table


def run(rows: int = ROWS) -> str:
    with tempfile.TemporaryDirectory() as folder, own_database(Path(folder)) as environment:
        if not is_postgres(environment):
            return "Sizes are those of PostgreSQL: set DATABASE_URL."
        operation, history = json.loads(shell(environment, MAKE))
        new = {"graph_id": "gen_random_uuid()::text", "request_id": "gen_random_uuid()::text"}
        numbers = NUMBERS.format(rows=rows)
        execute(environment, copies(ConnectionOperation, operation, numbers, **new))
        made = f"(SELECT id, graph_id FROM {OPERATIONS} WHERE id > {operation})"
        for key in history:
            of = {"operation_key": "s.id", "operation_graph_id": "s.graph_id"}
            of["request_id"] = new["request_id"]
            execute(environment, copies(Change, key, made, **of))
        lines = []
        total = 0.0
        for name, each in (("operation", OPERATIONS), ("Change", CHANGES)):
            heap, indexes, count = query(environment, SIZE.format(each))
            lines.append((f"one {name}", *map(_whole, (heap / count, indexes / count))))
            total += (heap + indexes) / rows
            lines[-1] += (_whole((heap + indexes) / count),)
        lines.append(("one operation, reported and ended", "", "", _whole(total)))
        found = table(("Bytes on PostgreSQL", "table", "indexes", "both"), lines)
        return f"{found}\n\n{_upkeep(environment)}"


def _upkeep(environment: dict[str, str]) -> str:
    [size] = query(environment, "SELECT pg_database_size(current_database())::float8")
    execute(environment, f"UPDATE {OPERATIONS} SET changed_at = now() WHERE id % 10 = 0")
    seconds = {"VACUUM, a tenth of the operations dead": _vacuum(environment)}
    if dump := shutil.which("pg_dump"):
        began = time.monotonic()
        command = [dump, "--format=custom", "--compress=1", environment["DATABASE_URL"]]
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
        seconds["pg_dump"] = time.monotonic() - began
    lines = [(name, f"{each:.2f}", _whole(size / each / 1e6)) for name, each in seconds.items()]
    return table((f"Of {size / 1e6:.0f} MB", "s", "MB/s"), lines)


def _vacuum(environment: dict[str, str]) -> float:
    began = time.monotonic()
    execute(environment, f"VACUUM {OPERATIONS}")
    return time.monotonic() - began


def _whole(number: float) -> str:
    return f"{number:,.0f}"
