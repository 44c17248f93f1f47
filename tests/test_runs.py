"""Actions on many operations: what is done, skipped, refused; broken off, stopped, done by two."""

import threading
import uuid

import pytest
from django.db import OperationalError
from django.db import connection as database

from operations import runs
from operations.errors import InvalidRequest
from operations.models import (
    Action,
    Actor,
    ActorKind,
    BulkAction,
    BulkRun,
    Change,
    Channel,
    ConnectionOperation,
    ExternalConnection,
    OperationStatus,
    Triage,
)
from operations.models.bulk_run import MAX_REASONS, Outcome
from operations.selection import OperationSelection
from tests import factories

pytestmark = pytest.mark.django_db

PERSON = Actor(ActorKind.OPERATOR, "ada", Channel.DASHBOARD, request_id="req-1")
EVERY_OPEN = OperationSelection(triages=(Triage.OPEN,))


def start(action=BulkAction.ACKNOWLEDGE, selection=EVERY_OPEN, reason="Known outage.", **more):
    return runs.start(action, selection, PERSON, reason=reason, **more)


def work(run):
    while runs.step(run):
        pass
    return run


def only(*operations):
    return OperationSelection(keys=tuple(operation.pk for operation in operations))


def failures(number, connection=None):
    connection = connection or factories.make_connection()
    return [factories.report(connection, status="failed") for _ in range(number)]


def tallies(run):
    return run.done, run.skipped, run.refused


def why(run, outcome):
    return {entry["why"]: entry["count"] for entry in run.reasons.get(outcome, {}).values()}


def states(*operations):
    for operation in operations:
        operation.refresh_from_db()
    return [operation.status for operation in operations]


def test_all_that_match_are_acknowledged_and_nothing_else():
    opened = failures(3)
    later_run = start()
    came_later = failures(1)

    work(later_run)

    assert tallies(later_run) == (3, 0, 0)
    assert later_run.expected == 3
    assert later_run.finished_at
    for operation in opened:
        operation.refresh_from_db()
        assert (operation.triage, operation.triage_note) == ("acknowledged", "Known outage.")
    came_later[0].refresh_from_db()
    assert came_later[0].triage == Triage.OPEN


def test_every_change_is_the_persons_own():
    failures(2)

    run = work(start())

    changes = Change.objects.filter(request_id="req-1").order_by("pk")
    assert [change.action for change in changes] == [
        Action.RUN_STARTED,
        Action.OPERATION_ACKNOWLEDGED,
        Action.OPERATION_ACKNOWLEDGED,
        Action.RUN_FINISHED,
    ]
    assert {(change.actor_name, change.channel) for change in changes} == {("ada", "dashboard")}
    begun, ended = changes[0], changes[3]
    assert begun.after == {
        "run": str(run.run_id),
        "action": "acknowledge",
        "filter": {"triages": ["open"]},
        "expected": 2,
    }
    assert begun.note == "Known outage."
    assert ended.after == {"run": str(run.run_id), "done": 2, "skipped": 0, "refused": 0}
    assert ended.subject == "Acknowledge 2 operations"


def test_retry_asks_again_only_for_the_latest_registration():
    connection = factories.make_connection()
    older = factories.fail_registration(connection)
    newer = factories.fail_registration(connection)
    reported, running = failures(1)[0], factories.request_registration(factories.make_connection())

    run = work(start(BulkAction.RETRY, only(older, newer, reported, running), reason=""))

    assert tallies(run) == (1, 3, 0)
    assert why(run, "skipped") == {"followed": 1, "reported": 1, "notFailed": 1}
    assert ConnectionOperation.objects.get(retry_of__isnull=False).retry_of == newer
    change = Change.objects.get(action=Action.OPERATION_RETRIED)
    assert (change.actor_name, change.request_id) == ("ada", "req-1")


def test_what_the_domain_refuses_is_counted_with_its_sentence():
    connections = [factories.make_connection() for _ in range(7)]
    failed = [factories.fail_registration(connection) for connection in connections]
    ExternalConnection.objects.update(state=3)

    run = work(start(BulkAction.RETRY, only(*failed), reason=""))

    assert tallies(run) == (0, 0, 7)
    (entry,) = run.reasons["refused"].values()
    assert entry["count"] == 7
    assert "is in state 'obsolete'" in entry["why"]
    assert entry["examples"][0] == [connections[0].graph_id, failed[0].graph_id]
    assert len(entry["examples"]) == 5
    assert not Change.objects.filter(action=Action.OPERATION_RETRIED).exists()


def test_marking_as_failed_gives_the_error_and_fences_the_worker_off():
    connection = factories.make_connection()
    running = factories.request_registration(connection)
    held = factories.claim("w")
    reported = factories.report(connection)
    ended = factories.report(connection, status="completed")
    error = {"code": "GivenUp", "message": "The source is gone."}

    run = work(start(BulkAction.FAIL, only(running, reported, ended), error=error))

    assert tallies(run) == (2, 1, 0)
    assert why(run, "skipped") == {"completed": 1}
    assert states(running, reported, ended) == [3, 3, 2]
    assert running.error == reported.error == error
    assert factories.finish(held) is False


def test_marking_as_completed_is_for_reported_ones():
    connection = factories.make_connection()
    reported = factories.report(connection)
    failed = factories.report(connection, status="failed")
    running = factories.request_registration(connection)

    run = work(start(BulkAction.COMPLETE, only(reported, failed, running)))

    assert tallies(run) == (1, 1, 1)
    assert why(run, "skipped") == {"failed": 1}
    assert "is run by the worker" in str(run.reasons["refused"])
    assert states(reported, failed, running) == [
        OperationStatus.COMPLETED,
        OperationStatus.FAILED,
        OperationStatus.INPROGRESS,
    ]


@pytest.mark.parametrize(
    "action, selected",
    [
        (BulkAction.RETRY, None),
        (BulkAction.ACKNOWLEDGE, None),
        (BulkAction.FAIL, (1,)),
        (BulkAction.COMPLETE, (1,)),
    ],
)
def test_a_reason_is_asked_for(action, selected):
    with pytest.raises(InvalidRequest, match="Give a reason."):
        start(action, OperationSelection(keys=selected), reason="")

    assert not BulkRun.objects.exists()
    assert not Change.objects.exists()


def test_no_reason_is_needed_for_a_few_that_were_selected():
    assert tallies(work(start(selection=only(*failures(2)), reason=""))) == (2, 0, 0)


def test_a_form_that_is_sent_twice_starts_one_run():
    failures(1)
    run_id = uuid.uuid4()

    first, second = start(run_id=run_id), start(run_id=run_id)

    assert first == second
    assert Change.objects.filter(action=Action.RUN_STARTED).count() == 1


def test_rows_that_came_after_the_question_are_left_out():
    asked = failures(2)
    failures(3)

    run = work(start(last_key=asked[-1].pk))

    assert run.expected == run.done == 2


def test_steps_go_on_where_the_last_one_stopped(monkeypatch):
    monkeypatch.setattr(runs, "CHUNK", 2)
    failures(5)
    run = start()

    assert runs.step(run)
    assert BulkRun.objects.get().done == 2
    assert runs.step(runs.next_run())
    assert BulkRun.objects.get().done == 4
    assert runs.step(run) is False
    assert tallies(run) == (5, 0, 0)
    assert runs.next_run() is None
    assert Change.objects.filter(action=Action.OPERATION_ACKNOWLEDGED).count() == 5


def test_what_changed_or_went_meanwhile_is_not_touched(monkeypatch):
    monkeypatch.setattr(runs, "CHUNK", 1)
    first, deleted, settled, last = failures(4)
    run = start()
    runs.step(run)
    deleted.remove(factories.COMMAND)
    settled.acknowledge(factories.COMMAND, "by somebody else")

    work(run)

    assert run.expected == 4
    assert tallies(run) == (2, 0, 0)
    settled.refresh_from_db()
    assert settled.triage_note == "by somebody else"


def test_the_second_of_two_runs_finds_it_done():
    opened = failures(3)
    first, second = start(selection=only(*opened)), start(selection=only(*opened))

    work(first)
    work(second)

    assert tallies(first) == (3, 0, 0)
    assert tallies(second) == (0, 3, 0)
    assert why(second, "skipped") == {"acknowledged": 3}


def test_a_stopped_run_does_no_more(monkeypatch):
    monkeypatch.setattr(runs, "CHUNK", 1)
    failures(3)
    run = start()
    runs.step(run)

    assert runs.stop(run, Actor(ActorKind.OPERATOR, "bob", Channel.DASHBOARD))

    assert runs.step(run) is False
    assert run.stopped_by == "bob"
    assert tallies(run) == (1, 0, 0)
    assert runs.stop(run, PERSON) is False
    ended = Change.objects.get(action=Action.RUN_FINISHED)
    assert (ended.actor_name, ended.note) == ("bob", "Stopped before its end.")


def test_a_row_that_breaks_does_not_hold_up_the_others(monkeypatch, caplog):
    bad, good = failures(2)
    acknowledge = ConnectionOperation.acknowledge

    def breaking(self, *args):
        acknowledge(self, *args)
        if self.pk == bad.pk:
            raise ZeroDivisionError
        return True

    monkeypatch.setattr(ConnectionOperation, "acknowledge", breaking)

    run = work(start())

    assert tallies(run) == (1, 0, 1)
    assert "ZeroDivisionError" in str(run.reasons)
    bad.refresh_from_db()
    assert bad.triage == Triage.OPEN, "what the broken row had done is taken back"
    assert "broke on operation" in caplog.text


def test_a_database_that_is_busy_breaks_the_run_off_and_it_goes_on(monkeypatch):
    bad = failures(3)[1]
    acknowledge = ConnectionOperation.acknowledge

    def busy(self, *args):
        if self.pk == bad.pk:
            raise OperationalError("busy")
        return acknowledge(self, *args)

    run = start()
    with monkeypatch.context() as away, pytest.raises(OperationalError):
        away.setattr(ConnectionOperation, "acknowledge", busy)
        runs.step(run)
    assert BulkRun.objects.get().done == 1

    work(run)

    assert tallies(run) == (3, 0, 0)


def test_reasons_do_not_grow_without_end():
    operation = failures(1)[0]
    run = BulkRun()
    for number in range(MAX_REASONS + 20):
        letters = "".join(chr(97 + int(digit)) for digit in str(number))
        run.count(Outcome.REFUSED, f"Because of {letters}.", operation)

    assert len(run.reasons["refused"]) == MAX_REASONS + 1
    assert why(run, "refused")[""] == 20
    assert run.refused == MAX_REASONS + 20


@pytest.mark.django_db(transaction=True)
def test_two_at_the_same_run_do_each_row_once(monkeypatch):
    """A request and a worker, or two workers: the lock on the run lets them take turns."""
    monkeypatch.setattr(runs, "CHUNK", 7)
    operations = failures(40)
    run = start()
    broken = []

    def take_part():
        try:
            work(BulkRun.objects.get(pk=run.pk))
        except Exception as error:
            broken.append(error)
        finally:
            database.close()

    threads = [threading.Thread(target=take_part) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert not broken
    run.refresh_from_db()
    assert tallies(run) == (40, 0, 0)
    acknowledged = Change.objects.filter(action=Action.OPERATION_ACKNOWLEDGED)
    assert sorted(acknowledged.values_list("operation_key", flat=True)) == sorted(
        operation.pk for operation in operations
    )
    assert Change.objects.filter(action=Action.RUN_FINISHED).count() == 1
