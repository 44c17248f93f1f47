"""Workers as processes: killed in the middle, stopped, several side by side."""

from __future__ import annotations

import json
import signal

import pytest

from tests.processes import (
    embedded,
    manage,
    own_database,
    query,
    refused,
    shell,
    start_worker,
    wait_for,
)

REQUEST = """
from operations.models import Actor, ConnectionOperation, ExternalConnection
from operations import provisioning
actor = Actor.command("test")
for number in range({count}):
    connection = ExternalConnection.objects.register(actor, graph_id=f"busy{{number:04}}", name="x")
    provisioning.request_registration(connection, {{
        "baseType": "microsoft.graph.externalItem",
        "properties": [{{"name": "title", "type": "string"}}],
    }}, actor)
"""
LOOK = """
import json
from collections import Counter
from operations.models import Change, ConnectionOperation, ExternalConnection, Schema
print(json.dumps({
    "status": Counter(op.get_status_display() for op in ConnectionOperation.objects.all()),
    "started": ConnectionOperation.objects.filter(started_at__isnull=False).count(),
    "attempts": sorted(ConnectionOperation.objects.values_list("attempt", flat=True)),
    "schemas": Schema.objects.count(),
    "ready": ExternalConnection.objects.filter(state=2).count(),
    "actions": Counter(Change.objects.values_list("action", flat=True)),
}))
"""


@pytest.fixture
def installation(tmp_path):
    with own_database(tmp_path) as environment:
        yield environment


def look(environment) -> dict:
    return json.loads(shell(environment, LOOK))


def request(environment, count: int) -> None:
    shell(environment, REQUEST.format(count=count))


def test_killed_worker_is_taken_over_and_the_work_is_done_once(installation):
    """SIGKILL while the registration takes its time: the lease runs out, the next one finishes."""
    slow = installation | {"OPERATION_DURATION": "4", "OPERATION_LEASE": "2"}
    request(installation, 1)
    victim = start_worker(slow)
    wait_for(lambda: look(installation)["started"] == 1)
    victim.send_signal(signal.SIGKILL)
    victim.wait()
    assert look(installation)["status"] == {"inprogress": 1}

    heir = start_worker(slow)
    try:
        wait_for(lambda: look(installation)["status"] == {"completed": 1})
    finally:
        heir.terminate()
        assert heir.wait(15) == 0
    seen = look(installation)
    assert seen["attempts"] == [2]
    assert (seen["schemas"], seen["ready"]) == (1, 1)
    assert seen["actions"]["operation.takenOver"] == 1
    assert seen["actions"]["operation.completed"] == 1
    assert seen["actions"]["schema.inForce"] == 1


def test_last_attempt_lost_ends_as_a_failure_that_says_so(installation):
    mortal = installation | {
        "OPERATION_DURATION": "60",
        "OPERATION_LEASE": "1",
        "OPERATION_ATTEMPTS": "1",
    }
    request(installation, 1)
    victim = start_worker(mortal)
    wait_for(lambda: look(installation)["started"] == 1)
    victim.kill()
    victim.wait()
    wait_for(
        lambda: (
            manage(mortal, "run_operations", "--once")
            or look(installation)["status"] == {"failed": 1}
        )
    )
    error = shell(
        installation,
        "from operations.models import ConnectionOperation as C; print(C.objects.get().error_code)",
    )
    assert error == "AttemptsExhausted"
    assert look(installation)["schemas"] == 0


def test_stopped_worker_hands_back_what_it_waits_for(installation):
    """SIGTERM: the attempt does not count, and the next worker need not wait for the lease."""
    request(installation, 1)
    worker = start_worker(installation | {"OPERATION_DURATION": "3600"})
    wait_for(lambda: look(installation)["started"] == 1)
    worker.terminate()
    assert worker.wait(10) == 0
    assert look(installation)["attempts"] == [0]
    manage(installation, "run_operations", "--once")
    assert look(installation)["status"] == {"completed": 1}


def test_waiting_does_not_hold_up_the_others(installation):
    """Ten registrations of two seconds each take two seconds, not twenty."""
    request(installation, 10)
    worker = start_worker(installation | {"OPERATION_DURATION": "2"})
    try:
        wait_for(lambda: look(installation)["started"] == 10, seconds=15)
        wait_for(lambda: look(installation)["status"] == {"completed": 10}, seconds=10)
    finally:
        worker.terminate()
        worker.wait(15)


def test_three_workers_do_each_operation_once(installation):
    workers = [start_worker(installation) for _ in range(3)]
    try:
        alive = "SELECT count(*) FROM operations_workerheartbeat"
        wait_for(lambda: query(installation, alive)[0] == 3)
        request(installation, 60)
        wait_for(lambda: look(installation)["status"] == {"completed": 60}, seconds=60)
    finally:
        for worker in workers:
            worker.terminate()
        codes = [worker.wait(15) for worker in workers]
    assert codes == [0, 0, 0]
    seen = look(installation)
    assert (seen["schemas"], seen["ready"]) == (60, 60)
    assert seen["attempts"] == [1] * 60
    assert seen["actions"]["operation.completed"] == 60
    assert seen["actions"]["schema.inForce"] == 60


def test_a_terminal_that_is_closed_stops_it_as_it_should_be_stopped(installation):
    worker = start_worker(installation)
    alive = "SELECT COUNT(*) FROM operations_workerheartbeat"
    wait_for(lambda: query(installation, alive) == (1,))
    worker.send_signal(signal.SIGHUP)
    assert worker.wait(15) == 0
    assert query(installation, alive) == (0,)


def test_on_a_database_that_is_not_migrated_it_says_so(tmp_path):
    said = refused(embedded(tmp_path), "run_operations")
    assert "The database is not migrated: start serve once, or run manage.py migrate" in said
