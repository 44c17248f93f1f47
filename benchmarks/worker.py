"""Registrations from waiting to completed, beside the bare statements; and what a claim costs."""

from __future__ import annotations

import itertools
import json
import re
import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.measuring import Figures, at_most, in_turns, judged, table
from benchmarks.rows import is_postgres, now, waiting
from benchmarks.servers import execute
from tests.processes import own_database, query, shell, start_worker, wait_for

MAKE = """
from tests import factories
connection = factories.make_connection("template")
operation = factories.register_schema(connection)
import json; print(json.dumps([connection.pk, operation.pk]))
"""
#: Registrations that a round takes.
REGISTRATIONS = 300
TIME = {
    True: "SELECT extract(epoch FROM max(finished_at) - min(started_at))::float8",
    False: "SELECT (julianday(max(finished_at)) - julianday(min(started_at))) * 86400",
}
OF_BATCH = "FROM operations_connectionoperation WHERE graph_id LIKE '{name}n%'"
ALONE, BARE = "1 worker", "bare SQL"
LEAST = 0.5

FEW, MANY = 10, 100_000
#: Seconds of one claim; what was claimed is handed back.
CLAIMS = """
import time
from operations import registering
registering.hand_back("measured", registering.claim("measured", 1))
seconds = []
for _ in range(20):
    held = []
    for _ in range(10):
        began = time.perf_counter()
        held += registering.claim("measured", 1)
        seconds.append(time.perf_counter() - began)
    registering.hand_back("measured", held)
from statistics import median; print(median(seconds))
"""
MOST = 1.5


def run(registrations: int = REGISTRATIONS, many: int = MANY) -> str:
    return f"{_rates(registrations)}\n\n{_claims(many)}"


def _rates(registrations: int) -> str:
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        environment = stack.enter_context(own_database(Path(folder)))
        connection, operation = json.loads(shell(environment, MAKE))
        names = (f"round{number}" for number in itertools.count())

        def fill() -> str:
            name = next(names)
            execute(environment, *waiting(environment, connection, operation, name, registrations))
            _analyze(environment)
            return name

        def seconds(name: str) -> float:
            text = f"{TIME[is_postgres(environment)]} {OF_BATCH.format(name=name)}"
            return float(query(environment, text)[0])

        def by_workers(number: int) -> float:
            processes = [start_worker(environment) for _ in range(number)]
            alive = "SELECT count(*) FROM operations_workerheartbeat"
            wait_for(lambda: query(environment, alive)[0] == number)
            name = fill()
            left = f"SELECT count(*) {OF_BATCH.format(name=name)} AND status <> 2"
            wait_for(lambda: query(environment, left)[0] == 0, 120)
            for process in processes:
                process.terminate()
            assert [process.wait(20) for process in processes] == [0] * number
            return registrations / seconds(name)

        def by_statements() -> float:
            name = fill()
            _work_off(environment, registrations)
            return registrations / seconds(name)

        measures: dict[str, Callable[[], float]] = {
            ALONE: partial(by_workers, 1),
            "3 workers": partial(by_workers, 3),
            BARE: by_statements,
        }
        figures = in_turns(measures)
        return judged("Waiting to completed", "registrations/s", figures, BARE, LEAST)


def _claims(many: int) -> str:
    few_name, many_name = f"{FEW:,} waiting", f"{many:,} waiting"
    with ExitStack() as stack:
        environments = {}
        for name, rows in ((few_name, FEW), (many_name, many)):
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            environment = stack.enter_context(own_database(Path(folder)))
            connection, operation = json.loads(shell(environment, MAKE))
            execute(environment, *waiting(environment, connection, operation, "many", rows))
            _analyze(environment)
            environments[name] = environment

        def claim(environment: dict[str, str]) -> float:
            return 1000 * float(shell(environment, CLAIMS))

        figures = in_turns({name: partial(claim, each) for name, each in environments.items()})
    return _claim_table(figures, few_name, many_name)


def _analyze(environment: dict[str, str]) -> None:
    """As autovacuum does; nobody does it on SQLite."""
    if is_postgres(environment):
        execute(environment, "ANALYZE")


def _claim_table(figures: Figures, few: str, many: str) -> str:
    ratio = figures.ratio(many, few)
    rows = [
        (few, str(figures.of(few)), "1", "", ""),
        (many, str(figures.of(many)), str(ratio), *at_most(ratio, MOST)),
    ]
    return table(("One claim", "ms", f"of {few}", "target", "met"), rows)


# The bare statements ------------------------------------------------------------------------------


def _work_off(environment: dict[str, str], registrations: int) -> None:
    """What the worker's work amounts to, in the same transactions, and nothing around it."""
    moment = now(environment)
    if is_postgres(environment):
        import psycopg

        with psycopg.connect(environment["DATABASE_URL"], autocommit=True) as database:
            for _ in range(registrations):
                _register(partial(_postgres, database.cursor(), moment))
        return
    file = f"{environment['DATA_DIR']}/connectors.sqlite3"
    with closing(sqlite3.connect(file, timeout=60, isolation_level=None)) as database:
        database.execute("PRAGMA synchronous=NORMAL")
        database.create_function("REGEXP", 2, lambda form, text: True)
        for _ in range(registrations):
            _register(partial(_sqlite, database.cursor(), moment))


def _postgres(cursor: Any, moment: str, statement: str, *values: Any) -> Any:
    cursor.execute(statement.replace("NOW", moment), values)
    return cursor.fetchone() if cursor.description else None


def _sqlite(cursor: Any, moment: str, statement: str, *values: Any) -> Any:
    statement = re.sub(r"\sFOR (NO KEY )?UPDATE\b.*", "", statement).replace("%s", "?")
    statement = "BEGIN IMMEDIATE" if statement == "BEGIN" else statement
    cursor.execute(statement.replace("NOW", moment), values)
    return cursor.fetchone() if cursor.description else None


CLAIM = """
SELECT o.id, o.connection_id, o.payload, o.graph_id, o.*, c.* FROM operations_connectionoperation o
JOIN operations_externalconnection c ON c.id = o.connection_id
WHERE o.kind = 'schemaRegistration' AND o.status = 1 AND o.run_after <= NOW
AND o.lease_until IS NULL AND c.deleting_since IS NULL
ORDER BY o.run_after, o.id LIMIT 1 FOR UPDATE OF o SKIP LOCKED
"""

TAKE = """
UPDATE operations_connectionoperation SET worker = 'bare', attempt = 1, lease_until = NOW,
started_at = NOW, changed_at = NOW WHERE id = %s AND attempt = 0 AND status = 1
"""
RECORD = """
INSERT INTO operations_change (at, action, channel, actor_kind, actor_name, request_id,
connection_key, connection_graph_id, operation_key, operation_graph_id, subject, before, after,
note) VALUES (NOW, %s, 'worker', 'worker', 'bare', '', %s, 'measured', %s, %s, '', %s, %s, '')
"""
HOLD = """
SELECT * FROM operations_externalconnection WHERE id = %s AND deleting_since IS NULL
FOR NO KEY UPDATE
"""
LOCK = """
SELECT * FROM operations_connectionoperation
WHERE id = %s AND worker = 'bare' AND attempt = 1 AND status = 1 FOR UPDATE
"""
RULES = """
SELECT * FROM operations_outcomerule
WHERE (connection_id = %s OR connection_id IS NULL) AND remaining > 0
"""
END = """
UPDATE operations_connectionoperation SET status = 2, finished_at = NOW, changed_at = NOW,
worker = '', lease_until = NULL, overdue_at = NULL WHERE id = %s AND status = 1
"""
COUNT = """
INSERT INTO operations_outcomecount AS stored (connection_id, day, fingerprint, count)
VALUES (%s, CURRENT_DATE, '', 1)
ON CONFLICT (connection_id, day, fingerprint) DO UPDATE SET count = stored.count + 1
"""
LATEST = "SELECT max(version) FROM operations_schema WHERE connection_id = %s"
SCHEMA = """
INSERT INTO operations_schema (connection_id, version, base_type, properties, operation_id,
in_force_at) VALUES (%s, 1, 'microsoft.graph.externalItem', %s, %s, NOW)
"""
READY = "UPDATE operations_externalconnection SET state = 2, changed_at = NOW WHERE id = %s"
FAILURES = """
SELECT * FROM operations_connectionoperation
WHERE connection_id = %s AND kind = 'schemaRegistration' AND triage = 'open' AND id < %s
"""


def _register(ask: Callable[..., Any]) -> None:
    ask("BEGIN")
    key, connection, payload, graph_id = ask(CLAIM)[:4]
    about = (connection, key, graph_id)
    ask(TAKE, key)
    ask(RECORD, "operation.started", *about, None, '{"worker": "bare", "attempt": 1}')
    ask("COMMIT")
    properties = (json.loads(payload) if isinstance(payload, str) else payload)["properties"]
    ask("BEGIN")
    ask(HOLD, connection)
    ask(LOCK, key)
    ask(RULES, connection)
    ask(END, key)
    ask(COUNT, connection)
    before = '{"status": "inprogress", "error": null}'
    after = '{"status": "completed", "error": null}'
    ask(RECORD, "operation.completed", *about, before, after)
    ask(LATEST, connection)
    ask(SCHEMA, connection, json.dumps(properties), key)
    ask(READY, connection)
    ask(RECORD, "schema.inForce", *about, '{"state": "draft"}', '{"version": 1}')
    ask(FAILURES, connection, key)
    ask("COMMIT")
