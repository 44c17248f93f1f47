"""Several workers on one queue, one of them killed: each operation is done once."""

from __future__ import annotations

import time

import pytest
from django.conf import settings

from tests.afterwards import look
from tests.processes import manage, own_database, query, shell, start, wait_for

pytestmark = pytest.mark.faults

OPERATIONS = 1500
REQUEST = f"""
from django.db import transaction
from tests import factories
with transaction.atomic():
    for number in range({OPERATIONS}):
        factories.request_registration(factories.make_connection(f"busy{{number:04}}"))
"""
COMPLETED = "SELECT COUNT(*) FROM operations_connectionoperation WHERE status = 2"
ALIVE = "SELECT COUNT(*) FROM operations_workerheartbeat"
WORKERS = """SELECT COUNT(DISTINCT actor_name) FROM operations_change
WHERE action = 'operation.completed'"""


@pytest.fixture
def installation(tmp_path):
    with own_database(tmp_path) as environment:
        yield environment


def completed(environment) -> int:
    return query(environment, COMPLETED)[0]


def test_three_workers_on_1500_operations_and_one_is_killed(installation, figures):
    more = {"OPERATION_LEASE": "2", "DJANGO_SETTINGS_MODULE": "connectors_admin.settings"}
    slowly = (
        "-m",
        "tests.slow",
        "0.002",
        "run_operations",
    )  # else all is done before one is killed
    workers = [start(installation | more, *slowly) for _ in range(3)]
    wait_for(lambda: query(installation, ALIVE) == (3,))
    shell(installation, REQUEST)
    begun = time.monotonic()
    wait_for(lambda: query(installation, WORKERS) == (3,))
    victim = workers.pop()
    victim.kill()
    victim.wait()
    half = completed(installation)
    assert half < OPERATIONS, "it was killed too late to show anything"
    wait_for(lambda: completed(installation) == OPERATIONS, seconds=60)
    seconds = time.monotonic() - begun
    for worker in workers:
        worker.terminate()
    assert [worker.wait(15) for worker in workers] == [0, 0]

    seen = look(installation)
    figures(
        "three workers on 1500, one killed",
        seen,
        killed=1,
        seconds=seconds,
        note=f"{OPERATIONS / seconds:.0f} operations a second; killed at {half}",
    )
    assert (seen["wrong"], seen["operations"]) == ([], OPERATIONS)


if not settings.EMBEDDED_DATABASE:

    def test_a_worker_passes_over_what_another_has_locked(installation):
        """SKIP LOCKED: it neither waits for the oldest nor leaves the others alone."""
        import psycopg

        shell(installation, REQUEST.replace(str(OPERATIONS), "3"))
        first = "SELECT id FROM operations_connectionoperation ORDER BY run_after, id LIMIT 1"
        with psycopg.connect(installation["DATABASE_URL"]) as other:
            [oldest] = other.execute(f"{first} FOR UPDATE").fetchone()
            manage(installation, "run_operations", "--once")
            assert completed(installation) == 2
            status = "SELECT status, attempt FROM operations_connectionoperation WHERE id = %s"
            assert other.execute(status, [oldest]).fetchone() == (1, 0)
            other.rollback()
        manage(installation, "run_operations", "--once")
        assert completed(installation) == 3
        assert not look(installation)["wrong"]
