"""One bad row, or one step that breaks, does not keep the worker from the rest of its work."""

from __future__ import annotations

import sqlite3
import time

import pytest
from django.db import DataError, OperationalError
from django.urls import reverse

from operations import provisioning, registering, runs
from operations.management.commands import run_operations
from operations.management.commands.run_operations import Worker
from operations.models import (
    Action,
    Actor,
    BulkAction,
    BulkRun,
    Change,
    ConnectionOperation,
    ExternalConnection,
    Replay,
    Triage,
    WorkerHeartbeat,
)
from operations.selection import OperationSelection
from tests import factories

pytestmark = pytest.mark.django_db


def broken(*_, **__):
    raise OperationalError("disk I/O error")


def failure():
    return factories.report(factories.make_connection(), status="failed")


def acknowledge(*operations):
    selection = OperationSelection(keys=tuple(operation.pk for operation in operations))
    return runs.start(BulkAction.ACKNOWLEDGE, selection, Actor.command("test"))


def doomed(graph_id):
    """A connection that the worker has to delete, if PURGE_IN_REQUEST says so."""
    connection = factories.make_connection(graph_id)
    factories.report(connection)
    provisioning.request_deletion(connection, Actor.command("test"))
    return connection


@pytest.mark.parametrize(
    "selection",
    [{"statuses": ["mislaid"]}, {"colour": "red"}, {"keys": ["a"]}, {"connections": 5}, ["open"]],
)
def test_a_run_that_cannot_be_read_is_stopped_and_says_so(viewer, caplog, selection):
    bad, good = acknowledge(failure()), acknowledge(failure())
    BulkRun.objects.filter(pk=bad.pk).update(selection=selection)

    Worker().run(once=True)

    bad.refresh_from_db()
    assert bad.finished_at and bad.stopped_by == "worker"
    ended = Change.objects.get(action=Action.RUN_FINISHED, after__run=str(bad.run_id))
    assert ended.note == "Stopped: what it selects cannot be read."
    assert f"Run {bad.run_id} is stopped" in caplog.text
    good.refresh_from_db()
    assert (good.done, good.stopped_by) == (1, "")
    shown = viewer.get(reverse("run", args=[bad.run_id]))
    assert "What was selected cannot be read." in shown.content.decode()


@pytest.mark.django_db(transaction=True)  # the worker lets go of its connection
def test_a_run_that_breaks_does_not_hold_up_later_ones(monkeypatch, caplog):
    bad_row = failure()
    bad, good = acknowledge(bad_row), acknowledge(failure())
    act = ConnectionOperation.acknowledge

    def busy(self, *args):
        return broken() if self.pk == bad_row.pk else act(self, *args)

    worker = Worker()
    with monkeypatch.context() as away:
        away.setattr(ConnectionOperation, "acknowledge", busy)
        for _ in range(3):
            worker.round()

    assert caplog.text.count("the others go on") == 1, "it rests after it broke"
    good.refresh_from_db()
    assert good.finished_at and good.done == 1
    bad.refresh_from_db()
    assert bad.finished_at is None

    Worker().round()

    bad.refresh_from_db()
    assert bad.finished_at and bad.done == 1


def test_unfinished_runs_take_turns(monkeypatch):
    monkeypatch.setattr(runs, "CHUNK", 1)
    both = [acknowledge(failure(), failure()) for _ in range(2)]
    worker = Worker()

    for _ in range(2):
        worker.round()

    assert [BulkRun.objects.get(pk=run.pk).done for run in both] == [1, 1]


@pytest.mark.django_db(transaction=True)  # the worker lets go of its connection
@pytest.mark.parametrize(
    ("where", "name"),
    [
        (WorkerHeartbeat.objects, "beat"),
        (Replay.objects, "forget_old"),
        (provisioning, "purge_step"),
        (runs, "step"),
    ],
)
def test_a_step_that_breaks_leaves_the_others_to_go_on(monkeypatch, caplog, settings, where, name):
    settings.PURGE_IN_REQUEST = 0
    operation = factories.request_registration(factories.make_connection())
    deleted = doomed("doomed")
    run = acknowledge(failure())
    monkeypatch.setattr(where, name, broken)

    worker = Worker()
    for _ in range(6):
        worker.round()

    operation.refresh_from_db()
    run.refresh_from_db()
    assert operation.graph()["status"] == "completed"
    assert WorkerHeartbeat.objects.exists() is (name != "beat")
    purged = not ExternalConnection.objects.filter(pk=deleted.pk).exists()
    assert purged is (name != "purge_step")
    assert bool(run.finished_at) is (name != "step")
    assert caplog.text.count("the others go on") == 1, "it is not tried again at once"


@pytest.mark.django_db(transaction=True)  # the worker lets go of its connection
def test_once_does_all_that_can_be_done_and_ends_with_the_error(monkeypatch, settings):
    settings.PURGE_IN_REQUEST = 0
    operation = factories.request_registration(factories.make_connection())
    run = acknowledge(failure())
    doomed("doomed")
    monkeypatch.setattr(provisioning, "purge_step", broken)

    with pytest.raises(OperationalError):
        Worker().run(once=True)

    operation.refresh_from_db()
    run.refresh_from_db()
    assert operation.graph()["status"] == "completed" and run.finished_at


def test_a_registration_whose_data_the_database_refuses_fails(monkeypatch, settings):
    settings.OPERATION_ATTEMPTS = 1
    operation = factories.request_registration(factories.make_connection())

    def refused(*_):
        raise DataError("value too long")

    monkeypatch.setattr(registering, "_bring_into_force", refused)

    with pytest.raises(DataError):
        Worker().run(once=True)

    operation.refresh_from_db()
    assert operation.error["code"] == "AttemptsExhausted"
    assert operation.triage == Triage.OPEN


@pytest.fixture
def clock(monkeypatch):
    """The worker's monotonic clock, which the test moves."""
    now = [time.monotonic()]
    monkeypatch.setattr(run_operations.time, "monotonic", lambda: now[0])
    return now


def breaks_for(operation, error, monkeypatch):
    """Let the end of this one operation break, and so that of those with it; alone no other."""
    finish = registering.finish

    def end(claims):
        if any(claim.operation_key == operation.pk for claim in claims):
            raise error
        return finish(claims)

    monkeypatch.setattr(registering, "finish", end)


@pytest.mark.django_db(transaction=True)
def test_a_registration_waits_while_the_database_is_away(monkeypatch, settings, clock):
    settings.OPERATION_ATTEMPTS = 1
    operation = factories.request_registration(factories.make_connection())
    worker = Worker()

    with monkeypatch.context() as away:
        breaks_for(operation, OperationalError("the connection is closed"), away)
        worker.round()
    clock[0] += 1
    worker.round()

    operation.refresh_from_db()
    assert operation.graph()["status"] == "completed"


@pytest.mark.django_db(transaction=True)
def test_what_the_database_refuses_for_one_operation_only_ends_it_and_holds_up_no_other(
    monkeypatch, settings, clock
):
    settings.OPERATION_ATTEMPTS = 1
    bad, good = (factories.request_registration(factories.make_connection()) for _ in range(2))
    breaks_for(bad, OperationalError("canceling statement due to statement timeout"), monkeypatch)
    worker = Worker()

    worker.round()
    good.refresh_from_db()
    assert good.graph()["status"] == "completed"
    for _ in range(run_operations.PATIENCE - 1):
        bad.refresh_from_db()
        assert bad.graph()["status"] == "inprogress"
        clock[0] += run_operations.CLAIM_RESTS[1]
        worker.round()

    bad.refresh_from_db()
    assert bad.error["code"] == "AttemptsExhausted"
    assert not worker.held


def disk_full() -> OperationalError:
    full = OperationalError("database or disk is full")
    full.__cause__ = sqlite3.OperationalError("database or disk is full")
    full.__cause__.sqlite_errorcode = sqlite3.SQLITE_FULL
    return full


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("fault", "answers"),
    [(disk_full(), True), (OperationalError("the server closed the connection"), False)],
    ids=["the disk is full", "the database is away for long"],
)
def test_no_operation_fails_because(fault, answers, monkeypatch, settings, clock):
    """Also not when it is over just as the last try has broken."""
    settings.OPERATION_ATTEMPTS = 1
    operation = factories.request_registration(factories.make_connection())
    worker = Worker()

    with monkeypatch.context() as away:
        breaks_for(operation, fault, away)
        away.setattr(run_operations, "_database_answers", lambda: answers)
        for _ in range(2 * run_operations.PATIENCE):
            worker.round()
            clock[0] += run_operations.CLAIM_RESTS[1]
    worker.round()

    operation.refresh_from_db()
    assert operation.graph()["status"] == "completed"


@pytest.mark.django_db(transaction=True)
def test_a_deletion_that_breaks_does_not_hold_up_later_ones(monkeypatch, settings, clock):
    settings.PURGE_IN_REQUEST = 0
    bad, good = doomed("bad"), doomed("good")
    purge = provisioning._purge

    def refused(connection, actor):
        return broken() if connection.pk == bad.pk else purge(connection, actor)

    worker = Worker()
    with monkeypatch.context() as away:
        away.setattr(provisioning, "_purge", refused)
        for _ in range(6):
            worker.round()
    assert list(ExternalConnection.objects.all()) == [bad]
    assert ExternalConnection.objects.exclude(pk=good.pk).exists()

    worker.round()
    assert ExternalConnection.objects.exists(), "it rests"
    clock[0] += run_operations.WORK_RESTS[0]
    worker.round()
    assert not ExternalConnection.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_run_that_the_database_always_refuses_is_stopped_and_says_so(monkeypatch, clock):
    run = acknowledge(failure())
    monkeypatch.setattr(runs, "_handle", broken)
    worker = Worker()

    for _ in range(run_operations.PATIENCE):
        run.refresh_from_db()
        assert run.finished_at is None
        worker.round()
        clock[0] += run_operations.WORK_RESTS[1]

    run.refresh_from_db()
    assert run.finished_at and run.stopped_by == "worker"
    ended = Change.objects.get(action=Action.RUN_FINISHED)
    assert ended.note == "Stopped: it broke again and again. disk I/O error"
