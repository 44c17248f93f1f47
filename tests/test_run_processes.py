"""An action on many operations whose worker is killed: the next one goes on, nothing twice."""

from __future__ import annotations

import json
import signal

import pytest

from tests.processes import own_database, query, shell, start_worker, wait_for

ROWS = 300
MAKE = f"""
from django.utils import timezone
from operations import runs
from operations.models import (Actor, ActorKind, BulkAction, Channel, ConnectionOperation,
    ExternalConnection, Triage)
from operations.selection import OperationSelection
connection = ExternalConnection.objects.register(Actor.command("test"), graph_id="many", name="x")
now = timezone.now()
ConnectionOperation.objects.bulk_create(
    ConnectionOperation(connection=connection, status=3, triage="open", started_at=now,
        finished_at=now, fingerprint="x")
    for _ in range({ROWS})
)
ada = Actor(ActorKind.OPERATOR, "ada", Channel.DASHBOARD)
runs.start(BulkAction.ACKNOWLEDGE, OperationSelection(triages=(Triage.OPEN,)), ada, reason="Known.")
"""
LOOK = """
import json
from django.db.models import Count
from operations.models import BulkRun, Change, ConnectionOperation
run = BulkRun.objects.get()
acknowledged = Change.objects.filter(action="operation.acknowledged")
print(json.dumps({
    "tallies": [run.done, run.skipped, run.refused],
    "ended": run.finished_at is not None,
    "open": ConnectionOperation.objects.open_failures().count(),
    "changes": acknowledged.count(),
    "operations": acknowledged.values("operation_key").distinct().count(),
    "finished": Change.objects.filter(action="run.finished").count(),
}))
"""


@pytest.fixture
def installation(tmp_path):
    with own_database(tmp_path) as environment:
        yield environment


def done(environment) -> int:
    """How far the run is."""
    return query(environment, "SELECT done FROM operations_bulkrun")[0]


def test_a_killed_workers_run_is_ended_by_the_next_and_no_row_is_done_twice(installation):
    shell(installation, MAKE)
    victim = start_worker(installation)
    wait_for(lambda: done(installation) >= 10)
    victim.send_signal(signal.SIGKILL)
    victim.wait()
    half = json.loads(shell(installation, LOOK))
    assert not half["ended"], "it was killed too late to show anything"
    assert half["changes"] == half["tallies"][0] < ROWS

    heirs = [start_worker(installation) for _ in range(2)]
    try:
        wait_for(lambda: json.loads(shell(installation, LOOK))["ended"])
    finally:
        for heir in heirs:
            heir.terminate()
        assert [heir.wait(15) for heir in heirs] == [0, 0]
    assert json.loads(shell(installation, LOOK)) == {
        "tallies": [ROWS, 0, 0],
        "ended": True,
        "open": 0,
        "changes": ROWS,
        "operations": ROWS,
        "finished": 1,
    }
