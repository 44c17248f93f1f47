"""Makes a history of any size by a few statements: ``python -m benchmarks.history --operations N``.

Only for a database that is thrown away: indexes are gone while it works, and the domain is not
asked. What it leaves is what the domain would have left: for each connection a registration with
its schema, then reports, each with the Changes of its beginning and its end, one in a thousand of
them failed (in a short history more); counts by day, groups of errors, failures that are open
because no success came after them, a few that run and a few that are stuck.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "connectors_admin.settings")
if __name__ == "__main__":
    django.setup()

from django.db import connection, models  # noqa: E402
from django.utils import timezone  # noqa: E402

from operations.fingerprints import fingerprint, pattern  # noqa: E402
from operations.models import (  # noqa: E402
    Application,
    Change,
    ConnectionOperation,
    ExternalConnection,
    OutcomeCount,
)

#: How far back it goes, whatever its size.
SPAN = timedelta(days=90)
#: Of so many operations one has failed; fewer, where so long a history would not fill a page.
FAILED_EVERY = 1000
FAILURES_OF_A_PAGE = 50
#: The newest run; those just before them have failed, and nobody has seen to it.
RUNNING = 5
OPEN = 12
STUCK = 5
DAY = 86_400
#: Of so many operations comes one change that names no connection: of an application.
APPLICATION_CHANGE_EVERY = 100
REASONS = "quota size rights format encoding owner language parent link date".split()
CODES = ("ItemRefused", "SourceBusy")
SCHEMA = (
    '{"baseType": "microsoft.graph.externalItem", "properties": '
    '[{"name": "title", "type": "string", "isSearchable": true}]}'
)
BEGUN = '{"status": "inprogress", "error": null}'
COMPLETED = '{"status": "completed", "error": null}'
FAILED = '{"status": "failed", "error": {"code": "ItemRefused"}}'


def grow(operations: int, connections: int, *, even: bool = True) -> None:
    """Add them to the database, the operations evenly or all to the first of the connections."""
    assert connections <= operations and operations >= 1000
    owner = Application.objects.order_by("pk").first()
    sql = _Sql(operations, connections, even, owner)
    with _without_indexes(ConnectionOperation, Change, OutcomeCount):
        first_connection = _added(ExternalConnection, sql.connections())
        first = _added(ConnectionOperation, sql.operations(first_connection))
        _execute(sql.schemas(first))
        _execute(sql.changes(first))
        _execute(sql.changes_of_applications())
    # with the indexes, for they look below one connection
    _execute(sql.failures_in_the_open(first))
    _execute(sql.outcomes(first))
    _execute(sql.groups(first))
    _execute("VACUUM ANALYZE" if sql.is_postgresql else "PRAGMA wal_checkpoint(TRUNCATE)")


def _added(model: type[models.Model], statement: str) -> int:
    """The key of the first row that a statement adds; the others follow without a gap."""
    manager = model._default_manager
    before = manager.aggregate(most=models.Max("pk"))["most"] or 0
    _execute(statement)
    return manager.filter(pk__gt=before).aggregate(least=models.Min("pk"))["least"]


def _execute(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


@contextmanager
def _without_indexes(*tables: type[models.Model]) -> Iterator[None]:
    """To build an index of what is there is far quicker than to keep it right row by row."""
    indexes = [(table, index) for table in tables for index in table._meta.indexes]
    with connection.schema_editor() as editor:
        for table, index in indexes:
            editor.remove_index(table, index)
    try:
        yield
    finally:
        with connection.schema_editor() as editor:
            for table, index in indexes:
                editor.add_index(table, index)


@dataclass(frozen=True)
class _Sql:
    """The statements, in the words of the database. ``n`` counts from 1."""

    number: int
    connection_number: int
    even: bool
    owner: Application | None

    is_postgresql = connection.vendor == "postgresql"

    def connections(self) -> str:
        last = self.connection_number if self.even else 1
        return f"""
            INSERT INTO operations_externalconnection (graph_id, name, state, owner_app_id,
                open_configuration, enabled_content_experiences, connector_id, content_category,
                created_at, changed_at)
            SELECT 'grown' || {self._padded("n", 7)}, 'Grown ' || n,
                CASE WHEN n <= {last} THEN 2 ELSE 1 END, {self._owner},
                {self._json("{}")}, '', '', 0, {self._at("1")}, {self._at("1")}
            FROM {self._numbers(self.connection_number)} ORDER BY n"""

    def operations(self, first_connection: int) -> str:
        number, many = self.number, self.connection_number if self.even else 1
        pace = max(number // STUCK, 1)
        # in each round every connection has its turn; the first one brings the schemas
        turn = f"(n - 1) / {many if self.even else number}"
        every = min(FAILED_EVERY, number // FAILURES_OF_A_PAGE)
        failed = f"(n > {many} AND (n + 7 * ({turn})) % {every} = 7)"
        begun, runs = self._at("n"), f"n > {number - RUNNING}"
        duration = "CASE WHEN n % 1000 = 1 THEN 7200 ELSE 30 + n * 13 % 300 END"
        overdue = f"CASE WHEN {runs} THEN {10 * DAY} ELSE 1800 END"
        return f"""
            INSERT INTO operations_connectionoperation (connection_id, graph_id, kind, status,
                error_code, error_message, payload, requested_by, requested_app_id, request_id,
                triage, triage_note, created_at, started_at, finished_at, changed_at,
                usual_seconds, overdue_at, fingerprint, run_after, worker, attempt)
            SELECT {first_connection} + (n - 1) % {many}, {self._guid("n", "4000")},
                CASE WHEN n <= {many} THEN 'schemaRegistration' ELSE 'reported' END, status,
                code, 'Item ' || n || ' was refused for its ' || reason || '.',
                CASE WHEN n <= {many} THEN {self._json(SCHEMA)} END,
                '{self.owner.name if self.owner else ""}', {self._owner}, {self._guid("n", "4001")},
                CASE WHEN status = 3 THEN 'superseded' ELSE '' END, '', {begun}, {begun},
                CASE WHEN status > 1 THEN {self._at("n", duration)} END, {self._at("n", duration)},
                180, CASE WHEN status = 1 THEN {self._at("n", overdue)} END,
                COALESCE(fingerprint, ''), {begun}, '', CASE WHEN n <= {many} THEN 1 ELSE 0 END
            FROM (
                SELECT n, CASE
                    WHEN {runs} THEN 1
                    WHEN n > {number - RUNNING - OPEN} THEN 3
                    WHEN n > {many} AND n % {pace} = {pace // 2} THEN 1
                    WHEN {failed} THEN 3
                    ELSE 2 END AS status
                FROM {self._numbers(number)}
            ) AS numbered
            LEFT JOIN (SELECT column1 AS error, column2 AS code, column3 AS reason,
                    column4 AS fingerprint FROM (VALUES {_errors()}) AS listed) AS errors
                ON status = 3 AND error = CASE WHEN n / {every} % 2 = 0 THEN 0
                    ELSE (n + n / {every}) % {len(CODES) * len(REASONS)} END
            ORDER BY n"""

    def schemas(self, first: int) -> str:
        return f"""
            INSERT INTO operations_schema (connection_id, version, base_type, properties,
                operation_id, in_force_at)
            SELECT connection_id, 1, 'microsoft.graph.externalItem',
                {self._json(SCHEMA.partition('"properties": ')[2][:-1])}, id, finished_at
            FROM operations_connectionoperation
            WHERE id >= {first} AND kind = 'schemaRegistration'"""

    def changes(self, first: int) -> str:
        """Of each operation its beginning and, if it has ended, its end."""
        is_own = "o.kind = 'schemaRegistration'"
        by_worker = f"{is_own} AND part = 1"
        return f"""
            INSERT INTO operations_change (at, action, channel, actor_kind, actor_name,
                actor_app_id, request_id, connection_key, connection_graph_id, operation_key,
                operation_graph_id, subject, before, after, note)
            SELECT CASE WHEN part = 0 THEN o.created_at ELSE o.finished_at END,
                CASE WHEN part = 1 AND o.status = 3 THEN 'operation.failed'
                    WHEN part = 1 THEN 'operation.completed'
                    WHEN {is_own} THEN 'operation.requested' ELSE 'operation.reported' END,
                CASE WHEN {by_worker} THEN 'worker' ELSE 'api' END,
                CASE WHEN {by_worker} THEN 'worker' ELSE 'application' END,
                CASE WHEN {by_worker} THEN 'worker' ELSE o.requested_by END,
                CASE WHEN {by_worker} THEN NULL ELSE o.requested_app_id END,
                o.request_id, c.id, c.graph_id, o.id, o.graph_id, '',
                CASE WHEN part = 1 THEN {self._json(BEGUN)} END,
                CASE WHEN part = 0 THEN {self._json(BEGUN)}
                    WHEN o.status = 3 THEN {self._json(FAILED)}
                    ELSE {self._json(COMPLETED)} END,
                ''
            FROM operations_connectionoperation o
            JOIN operations_externalconnection c ON c.id = o.connection_id
            CROSS JOIN (SELECT 0 AS part UNION ALL SELECT 1) AS parts
            WHERE o.id >= {first} AND (part = 0 OR o.finished_at IS NOT NULL)
            ORDER BY o.id, part"""

    def changes_of_applications(self) -> str:
        return f"""
            INSERT INTO operations_change (at, action, channel, actor_kind, actor_name, request_id,
                connection_graph_id, operation_graph_id, subject, after, note)
            SELECT {self._at(f"n * {APPLICATION_CHANGE_EVERY}")}, 'application.secretCreated',
                'dashboard', 'operator', 'operator', {self._guid("n", "4002")}, '', '',
                'Grown ' || n || ' (' || {self._guid("n", "4003")} || ')',
                {self._json('{"prefix": "abc8Q~", "expires": null}')}, ''
            FROM {self._numbers(self.number // APPLICATION_CHANGE_EVERY)} ORDER BY n"""

    def failures_in_the_open(self, first: int) -> str:
        return f"""
            UPDATE operations_connectionoperation SET triage = 'open'
            WHERE id >= {first} AND status = 3 AND NOT EXISTS (
                SELECT 1 FROM operations_connectionoperation later
                WHERE later.connection_id = operations_connectionoperation.connection_id
                    AND later.id > operations_connectionoperation.id AND later.status = 2)"""

    def outcomes(self, first: int) -> str:
        day = "date(finished_at)"
        if self.is_postgresql:
            day = "CAST(finished_at AT TIME ZONE 'UTC' AS date)"
        return f"""
            INSERT INTO operations_outcomecount (connection_id, day, fingerprint, count)
            SELECT connection_id, {day}, fingerprint, COUNT(*)
            FROM operations_connectionoperation WHERE id >= {first} AND finished_at IS NOT NULL
            GROUP BY 1, 2, 3 ORDER BY 2, 1"""

    def groups(self, first: int) -> str:
        return f"""
            INSERT INTO operations_errorgroup (fingerprint, pattern, code, target, count,
                first_seen, last_seen, resolved_by, cause)
            SELECT column4, column5, column2, '', COUNT(*), MIN(finished_at), MAX(finished_at),
                '', ''
            FROM (VALUES {_errors()}) AS errors
            JOIN operations_connectionoperation ON fingerprint = column4
            WHERE id >= {first} AND fingerprint <> ''
            GROUP BY column4, column5, column2"""

    # The databases' own words ----------------------------------------------------------------

    @property
    def _owner(self) -> str:
        if self.owner is None:
            return "CAST(NULL AS uuid)" if self.is_postgresql else "NULL"
        value = models.UUIDField().get_db_prep_value(self.owner.app_id, connection)
        return f"CAST('{value}' AS uuid)" if self.is_postgresql else f"'{value}'"

    def _numbers(self, last: int) -> str:
        if self.is_postgresql:
            return f"generate_series(1, CAST({last} AS bigint)) AS numbers(n)"
        return f"""(WITH RECURSIVE counted(n) AS (
            SELECT 1 UNION ALL SELECT n + 1 FROM counted WHERE n < {last}
        ) SELECT n FROM counted) AS numbers"""

    def _at(self, number: str, later: str = "0") -> str:
        """When the n-th began, or so many seconds later."""
        step = SPAN.total_seconds() / self.number
        begun = int(timezone.now().timestamp() - SPAN.total_seconds())
        seconds = f"{begun} + ({number}) * {step} + ({later})"
        if self.is_postgresql:
            return f"to_timestamp({seconds})"
        return f"strftime('%Y-%m-%d %H:%M:%S', {seconds}, 'unixepoch')"

    def _guid(self, number: str, kind: str) -> str:
        """In no order, as real ones are."""
        mixed = f"{number} * 2654435761 % 4294967296"
        if self.is_postgresql:
            return (
                f"lpad(to_hex({mixed}), 8, '0') || '-0000-{kind}-8000-'"
                f" || lpad(to_hex({number}), 12, '0')"
            )
        return f"printf('%08x-0000-{kind}-8000-%012x', {mixed}, {number})"

    def _padded(self, number: str, width: int) -> str:
        if self.is_postgresql:
            return f"lpad(CAST({number} AS text), {width}, '0')"
        return f"printf('%0{width}d', {number})"

    def _json(self, document: str) -> str:
        return f"CAST('{document}' AS jsonb)" if self.is_postgresql else f"'{document}'"


def _errors() -> str:
    """What the failures say: number, code, reason, fingerprint and the pattern of the sentence."""
    rows: list[tuple[Any, ...]] = []
    for number in range(len(REASONS) * len(CODES)):
        code, reason = CODES[number % len(CODES)], REASONS[number // len(CODES)]
        said = f"Item 17 was refused for its {reason}."
        rows.append((number, code, reason, fingerprint(code, None, said), pattern(said)))
    return ", ".join(map(str, rows))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--operations", type=int, required=True)
    parser.add_argument("--connections", type=int, default=1)
    parser.add_argument("--spread", choices=("one", "even"), default="even")
    given = parser.parse_args()
    grow(given.operations, given.connections, even=given.spread == "even")


if __name__ == "__main__":
    main()
