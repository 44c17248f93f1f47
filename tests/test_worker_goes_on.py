"""One bad row, or one step that breaks, does not keep the worker from the rest of its work."""

from __future__ import annotations

import pytest
from django.db import DataError, OperationalError
from django.urls import reverse

from operations import provisioning, runs
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
    doomed = factories.make_connection("doomed")
    factories.report(doomed)
    provisioning.request_deletion(doomed, Actor.command("test"))
    run = acknowledge(failure())
    monkeypatch.setattr(where, name, broken)

    worker = Worker()
    for _ in range(6):
        worker.round()

    operation.refresh_from_db()
    run.refresh_from_db()
    assert operation.graph()["status"] == "completed"
    assert WorkerHeartbeat.objects.exists() is (name != "beat")
    purged = not ExternalConnection.objects.filter(pk=doomed.pk).exists()
    assert purged is (name != "purge_step")
    assert bool(run.finished_at) is (name != "step")
    assert caplog.text.count("the others go on") == 1, "it is not tried again at once"


def test_once_ends_with_the_error(monkeypatch):
    monkeypatch.setattr(provisioning, "purge_step", broken)

    with pytest.raises(OperationalError):
        Worker().run(once=True)


def test_a_registration_whose_data_the_database_refuses_fails(monkeypatch, settings):
    settings.OPERATION_ATTEMPTS = 1
    operation = factories.request_registration(factories.make_connection())

    def refused(*_):
        raise DataError("value too long")

    monkeypatch.setattr(provisioning, "_bring_into_force", refused)

    Worker().run(once=True)

    operation.refresh_from_db()
    assert operation.error["code"] == "AttemptsExhausted"
    assert operation.triage == Triage.OPEN


def test_a_registration_waits_while_the_database_is_away(monkeypatch, settings):
    settings.OPERATION_ATTEMPTS = 1
    operation = factories.request_registration(factories.make_connection())
    worker = Worker()

    with monkeypatch.context() as away, pytest.raises(OperationalError):
        away.setattr(provisioning, "finish", broken)
        worker.round()
    worker.held = dict.fromkeys(worker.held, 0.0)
    worker.round()

    operation.refresh_from_db()
    assert operation.graph()["status"] == "completed"
