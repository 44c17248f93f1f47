"""The day's retention with real workers: one of several does it, and the next one ends it."""

from __future__ import annotations

import json
import signal
import sqlite3
from contextlib import closing

import pytest

from tests.processes import own_database, shell, start_worker, wait_for

ROWS = 6000
MAKE = f"""
from datetime import timedelta
from django.utils import timezone
from operations import retention
from operations.models import Actor, ConnectionOperation, ExternalConnection, Retention
connection = ExternalConnection.objects.register(Actor.command("test"), graph_id="many", name="x")
old = timezone.now() - timedelta(days=31)
ConnectionOperation.objects.bulk_create(
    ConnectionOperation(connection=connection, status=2, created_at=old, started_at=old,
        finished_at=old)
    for _ in range({ROWS} + 1)
)
retention.state()
Retention.objects.update(due_at=timezone.now())
"""
LOOK = """
import json
from operations.models import Change, ConnectionOperation, Retention
row = Retention.objects.get()
print(json.dumps({
    "ended": row.ended_at is not None,
    "removed": row.removed.get("completedOperations", 0),
    "left": ConnectionOperation.objects.count(),
    "changes": [change.after["removed"] for change in
        Change.objects.filter(action="retention.applied")],
}))
"""


@pytest.fixture
def installation(tmp_path):
    with own_database(tmp_path) as environment:
        yield environment | {"RETENTION_COMPLETED": "30"}


def left(environment) -> int:
    """Asked directly, for a process of its own would come too late."""
    query = "SELECT count(*) FROM operations_connectionoperation"
    if "DATABASE_URL" in environment:
        import psycopg

        with psycopg.connect(environment["DATABASE_URL"]) as database:
            return database.execute(query).fetchone()[0]
    with closing(sqlite3.connect(f"{environment['DATA_DIR']}/connectors.sqlite3")) as database:
        return database.execute(query).fetchone()[0]


def test_a_killed_workers_run_is_ended_by_others_and_counted_once(installation):
    shell(installation, MAKE)
    victim = start_worker(installation)
    wait_for(lambda: left(installation) <= ROWS - 500)
    victim.send_signal(signal.SIGKILL)
    victim.wait()
    half = json.loads(shell(installation, LOOK))
    assert not half["ended"], "it was killed too late to show anything"
    assert half["removed"] + half["left"] == ROWS + 1

    heirs = [start_worker(installation) for _ in range(2)]
    try:
        wait_for(lambda: left(installation) == 1)
        wait_for(lambda: json.loads(shell(installation, LOOK))["ended"])
    finally:
        for heir in heirs:
            heir.terminate()
        assert [heir.wait(15) for heir in heirs] == [0, 0]
    assert json.loads(shell(installation, LOOK)) == {
        "ended": True,
        "removed": ROWS,
        "left": 1,
        "changes": [{"completedOperations": ROWS}],
    }
