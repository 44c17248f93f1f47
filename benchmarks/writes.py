"""What services do that report their operations: make one, and end it. Each with its Change."""

from __future__ import annotations

import itertools
import json
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from benchmarks.measuring import SECONDS, Target, in_turns, judged, requests_per_second
from benchmarks.servers import execute, wsgi
from tests.processes import own_database, query, serve, shell

MAKE = """
from tests import factories
from tests.graph import OWNED
from operations import tokens
owner = factories.make_application(OWNED)
connection = factories.make_connection("measured", owner=owner)
import json; print(json.dumps([tokens.issue_token(owner)[0], connection.pk]))
"""
#: Operations that wait to be ended when a measurement begins: more than are ended in a second.
A_SECOND = 3000
FILL = """
WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {rows})
INSERT INTO operations_connectionoperation (
    connection_id, graph_id, kind, status, requested_by, request_id, triage, triage_note,
    created_at, started_at, changed_at, fingerprint, run_after, worker, attempt)
SELECT {connection}, '{name}-' || n, 'reported', 1, '', '', '', '',
    {now}, {now}, {now}, '', {now}, '', 0 FROM numbers
"""
POST = """
wrk.method = "POST"
wrk.body = '{"status": "inprogress"}'
wrk.headers["Content-Type"] = "application/json"
"""
PATCH = """
wrk.method = "PATCH"
wrk.body = '{"status": "completed"}'
wrk.headers["Content-Type"] = "application/json"
local n = 0
function request()
    n = n + 1
    return wrk.format(nil, wrk.path .. "/NAME-" .. n)
end
"""
COUNT = """
SELECT (SELECT count(*) FROM operations_connectionoperation WHERE graph_id NOT LIKE 'round%')
    + (SELECT count(*) FROM operations_connectionoperation WHERE finished_at IS NOT NULL),
    (SELECT count(*) FROM operations_change WHERE operation_key IS NOT NULL)
"""
OURS, PLAIN = "connectors-admin", "plain Django view"
LEAST = 0.7


def run(seconds: float = SECONDS) -> str:
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        environment = stack.enter_context(own_database(Path(folder)))
        token, connection = json.loads(shell(environment, MAKE))
        bearer = {"Authorization": f"Bearer {token}"}
        served = stack.enter_context(serve(environment, "--no-worker")).address
        ours = f"{served}/v1.0/external/connections/measured/operations"
        plain = stack.enter_context(wsgi(environment, "writing"))
        plain = f"{plain}/connections/{connection}/operations"
        names = itertools.count()

        def post(target: Target) -> float:
            return requests_per_second(target, seconds)

        def patch(url: str, headers: dict[str, str]) -> float:
            name = f"round{next(names)}"
            _fill(environment, connection, name, int(A_SECOND * seconds))
            script = PATCH.replace("NAME", name)
            return requests_per_second(Target(url, headers, script=script), seconds)

        posts: dict[str, Callable[[], float]] = {
            OURS: partial(post, Target(ours, bearer, script=POST)),
            PLAIN: partial(post, Target(plain, script=POST)),
        }
        patches: dict[str, Callable[[], float]] = {
            OURS: partial(patch, ours, bearer),
            PLAIN: partial(patch, plain, {}),
        }
        found = [
            judged("POST an operation", "requests/s", in_turns(posts), PLAIN, LEAST),
            judged("PATCH it to completed", "requests/s", in_turns(patches), PLAIN, LEAST),
        ]
        _each_has_its_change(environment)
        return "\n\n".join(found)


def _fill(environment: dict[str, str], connection: int, name: str, rows: int) -> None:
    now = "now()" if "DATABASE_URL" in environment else "datetime('now')"
    execute(environment, FILL.format(connection=connection, name=name, rows=rows, now=now))
    execute(environment, "ANALYZE operations_connectionoperation")


def _each_has_its_change(environment: dict[str, str]) -> None:
    """A figure is worth nothing when its history is missing."""
    written, recorded = query(environment, COUNT)
    assert written == recorded, f"{written} writes, {recorded} changes"
