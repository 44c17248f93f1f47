"""SIGTERM during work: the worker finishes or hands back within ten seconds, and ends with 0."""

from __future__ import annotations

import subprocess
import time

import pytest

from connectors_admin.processes import STOP_TIMEOUT
from tests.afterwards import judge, settled
from tests.processes import (
    own_database,
    query,
    shell,
    start,
    start_worker,
    wait_for,
    written_by_another,
)

pytestmark = pytest.mark.faults

SLOW = "0.05"  # seconds a statement
MAKE = """
from django.db import transaction
from operations import provisioning, runs
from operations.models import *
from operations.selection import OperationSelection
from tests import factories
def registrations(number):
    with transaction.atomic():
        for n in range(number):
            factories.request_registration(factories.make_connection(f"held{n:04}"))
def failures(connection, number):
    with transaction.atomic():
        for n in range(number):
            factories.report(connection, status="failed")
"""
HELD = MAKE + "registrations(200)"
PURGE = (
    MAKE
    + """
from django.conf import settings
settings.PURGE_IN_REQUEST = 0
doomed = factories.make_connection("doomed")
failures(doomed, 1000)
provisioning.request_deletion(doomed, factories.COMMAND)
"""
)
RUN = (
    MAKE
    + """
failures(factories.make_connection("many"), 200)
ada = Actor(ActorKind.OPERATOR, "ada", Channel.DASHBOARD)
selection = OperationSelection(triages=(Triage.OPEN,))
runs.start(BulkAction.ACKNOWLEDGE, selection, ada, reason="Known.")
"""
)
NOW = """SELECT (SELECT COUNT(*) FROM operations_connectionoperation WHERE worker <> ''),
(SELECT COUNT(*) FROM operations_connectionoperation), (SELECT COUNT(*) FROM operations_change)"""


@pytest.fixture
def installation(tmp_path):
    with own_database(tmp_path) as environment:
        yield environment


def now(environment) -> list[int]:
    """How many operations are held, how many there are, how many changes are told."""
    return list(query(environment, NOW))


def slow_worker(environment) -> subprocess.Popen:
    slow = environment | {"DJANGO_SETTINGS_MODULE": "connectors_admin.settings"}
    return start(slow, "-m", "tests.slow", SLOW, "run_operations")


def seconds_to_stop(worker: subprocess.Popen) -> float:
    begun = time.monotonic()
    worker.terminate()
    assert worker.wait(STOP_TIMEOUT) == 0
    return time.monotonic() - begun


@pytest.mark.parametrize("work", ["held", "purge", "run"])
def test_stopped_in_the_middle_with_a_slow_database(installation, figures, work):
    shell(installation, {"held": HELD, "purge": PURGE, "run": RUN}[work])
    _, operations, changes = now(installation)
    if work == "held":
        worker = start_worker(installation | {"OPERATION_DURATION": "3600"})
        wait_for(lambda: now(installation)[0] == 200)
        # all in one statement each, however slow the database is by now
        seconds = seconds_to_stop(worker)
        worker = slow_worker(installation | {"OPERATION_DURATION": "3600"})
        wait_for(lambda: now(installation)[0] > 10)
    else:
        worker = slow_worker(installation)
        wait_for(lambda: now(installation)[1:] != [operations, changes])
        seconds = 0.0
    seconds = max(seconds, seconds_to_stop(worker))
    assert now(installation)[0] == 0, "nothing is left to its lease"

    heir = start_worker(installation)
    seen = settled(installation)
    heir.terminate()
    figures(
        f"worker stopped, slow database: {work}",
        seen,
        killed=1,
        seconds=seconds,
        note="seconds until it had ended",
    )
    assert heir.wait(STOP_TIMEOUT) == 0
    judge(seen)


def test_stopped_while_the_database_does_not_answer(installation, figures):
    """What it cannot hand back is free when its lease ends."""
    shell(installation, MAKE + "registrations(5)")
    worker = start_worker(installation | {"OPERATION_DURATION": "3600", "OPERATION_LEASE": "3"})
    wait_for(lambda: now(installation)[0] == 5)
    with written_by_another(installation, "operations_connectionoperation"):
        time.sleep(2)  # until it waits for the lock
        seconds = seconds_to_stop(worker)

    heir = start_worker(installation)
    seen = settled(installation)
    heir.terminate()
    figures(
        "worker stopped, locked database",
        seen,
        killed=1,
        seconds=seconds,
        note="seconds until it had ended",
    )
    assert heir.wait(STOP_TIMEOUT) == 0
    judge(seen)
    assert seen["operations"] == 5
