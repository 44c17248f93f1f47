"""From which status to which: by callers, by hand, and never past the one who was first."""

from __future__ import annotations

import pytest

from operations import registering
from operations.errors import (
    InvalidRequest,
    InvalidStateTransition,
    ItemNotFound,
    NameAlreadyExists,
    OperationInProgress,
)
from operations.models import (
    KEEP,
    Action,
    Actor,
    ActorKind,
    Change,
    Channel,
    ConnectionOperation,
    Kind,
    OperationStatus,
    Triage,
)
from tests.factories import (
    COMMAND,
    WORKER,
    a_property,
    a_schema,
    claim,
    fail_registration,
    finish,
    make_connection,
    register_schema,
    report,
    request_registration,
)

pytestmark = pytest.mark.django_db

UNSPECIFIED = OperationStatus.UNSPECIFIED
INPROGRESS = OperationStatus.INPROGRESS
COMPLETED = OperationStatus.COMPLETED
FAILED = OperationStatus.FAILED
UNKNOWN = OperationStatus.UNKNOWN_FUTURE_VALUE
ERROR = {"code": "Broken", "message": "It broke."}

ANNA = Actor(ActorKind.OPERATOR, "anna", Channel.ADMIN)
BEN = Actor(ActorKind.OPERATOR, "ben", Channel.DASHBOARD)
SERVICE = Actor(ActorKind.APPLICATION, "service", Channel.API)

ALLOWED = {
    (UNSPECIFIED, INPROGRESS),
    (UNSPECIFIED, COMPLETED),
    (UNSPECIFIED, FAILED),
    (INPROGRESS, COMPLETED),
    (INPROGRESS, FAILED),
}


def operation_in(status: OperationStatus) -> ConnectionOperation:
    """A reported operation in any status, also one that only an import writes."""
    operation = report(make_connection(), status=INPROGRESS if status == UNKNOWN else status)
    if status == UNKNOWN:
        ConnectionOperation.objects.filter(pk=operation.pk).update(status=UNKNOWN)
        operation.refresh_from_db()
    return operation


def stored(operation) -> ConnectionOperation:
    return ConnectionOperation.objects.get(pk=operation.pk)


# Reported operations -----------------------------------------------------------------------------


@pytest.mark.parametrize("new", OperationStatus)
@pytest.mark.parametrize("old", OperationStatus)
@pytest.mark.parametrize("actor", [SERVICE, ANNA])
def test_every_move(old, new, actor):
    operation = operation_in(old)
    changes = Change.objects.count()
    if old == new:
        assert operation.move(actor, status=new) is False
        assert Change.objects.count() == changes
    elif (old, new) in ALLOWED:
        assert operation.move(actor, status=new) is True
        assert operation.status == stored(operation).status == new
        assert Change.objects.count() == changes + 1
    else:
        with pytest.raises(InvalidStateTransition) as refusal:
            operation.move(actor, status=new)
        assert str(refusal.value) == (
            f"Property 'status' cannot change from '{old.word}' to '{new.word}'."
        )
        assert stored(operation).status == old
        assert Change.objects.count() == changes


@pytest.mark.parametrize("status", [UNSPECIFIED, INPROGRESS, COMPLETED, FAILED])
def test_reported_in_any_status(status):
    operation = report(make_connection(), status=status)
    assert operation.status == status
    assert operation.kind == Kind.REPORTED
    assert (operation.started_at is not None) == (status != UNSPECIFIED)
    assert (operation.finished_at is not None) == (status in (COMPLETED, FAILED))
    assert operation.triage == (Triage.OPEN if status == FAILED else Triage.NONE)


def test_reported_with_an_error():
    operation = report(make_connection(), status="failed", error=ERROR)
    assert stored(operation).error == ERROR


@pytest.mark.parametrize("status", [UNSPECIFIED, INPROGRESS, COMPLETED])
def test_no_error_without_a_failure(status):
    message = f"Property 'error' is only allowed with status 'failed', not with '{status.word}'."
    connection = make_connection()
    with pytest.raises(InvalidRequest) as refusal:
        report(connection, status=status, error=ERROR)
    assert str(refusal.value) == message
    operation = report(connection, status=status)
    with pytest.raises(InvalidRequest) as refusal:
        operation.move(SERVICE, error=ERROR)
    assert str(refusal.value) == message
    assert refusal.value.inner_code == "ErrorRequiresFailedStatus"
    assert stored(operation).error is None


def test_an_id_is_used_once():
    first = report(make_connection("contosohr"), graph_id="one")
    with pytest.raises(NameAlreadyExists) as refusal:
        report(first.connection, graph_id="one")
    assert str(refusal.value) == (
        "Connection 'contosohr' already has an operation with the id 'one'."
    )


@pytest.mark.parametrize("graph_id", ["", ".", "..", "a b", "a/b", "a" * 129, "ä", "a\n"])
def test_bad_ids(graph_id):
    with pytest.raises(InvalidRequest, match="must be 1 to 128 characters"):
        report(make_connection(), graph_id=graph_id)


@pytest.mark.parametrize(
    "graph_id",
    [
        "3ed1595a-4bae-43c2-acda-ef973e581323",
        "1.weu-b.0251D560C889F660594C3F098392B322.98B2D9481B87CDDEBDF3DABCB52A9D22",
        "a~_-.",
        "x" * 128,
    ],
)
def test_good_ids(graph_id):
    assert report(make_connection(), graph_id=graph_id).graph_id == graph_id


def test_an_id_of_ours_is_a_lower_case_guid():
    graph_id = report(make_connection()).graph_id
    assert len(graph_id) == 36
    assert graph_id == graph_id.lower()


@pytest.mark.django_db(transaction=True)
def test_reporting_on_a_connection_that_is_gone_is_not_found():
    connection = make_connection()
    type(connection).objects.filter(pk=connection.pk).delete()
    with pytest.raises(ItemNotFound):
        report(connection)


def test_times_follow_the_status():
    operation = report(make_connection(), status=UNSPECIFIED)
    assert operation.started_at is None
    operation.move(SERVICE, status=INPROGRESS)
    started = operation.started_at
    assert started is not None
    assert operation.finished_at is None
    operation.move(SERVICE, status=COMPLETED)
    assert operation.started_at == started
    assert operation.finished_at >= started


# The error of a failure --------------------------------------------------------------------------


def test_an_error_comes_with_the_failure():
    operation = report(make_connection())
    assert operation.move(SERVICE, status=FAILED, error=ERROR)
    assert stored(operation).error == ERROR
    assert operation.triage == Triage.OPEN


def test_an_error_may_be_added_once():
    operation = report(make_connection(), status="failed")
    finished = operation.finished_at
    assert operation.move(SERVICE, error=ERROR)
    assert stored(operation).error == ERROR
    assert operation.finished_at == finished
    assert Change.objects.filter(action=Action.OPERATION_UPDATED).count() == 1


@pytest.mark.parametrize("error", [{"message": "Another one."}, None])
def test_an_error_is_final(error):
    operation = report(make_connection(), status="failed", error=ERROR)
    with pytest.raises(InvalidStateTransition) as refusal:
        operation.move(SERVICE, error=error)
    assert str(refusal.value) == f"The error of operation '{operation.graph_id}' is final."
    assert stored(operation).error == ERROR


@pytest.mark.parametrize(
    "again", [{"status": FAILED, "error": ERROR}, {"error": ERROR}, {"status": FAILED}, {}]
)
def test_what_is_sent_back_whole_changes_nothing(again):
    operation = report(make_connection(), status="failed", error=ERROR)
    changes = Change.objects.count()
    assert operation.move(SERVICE, **again) is False
    assert Change.objects.count() == changes


def test_null_is_no_error():
    operation = report(make_connection())
    assert operation.move(SERVICE, status=COMPLETED, error=None)
    assert stored(operation).error is None


def test_adding_an_error_keeps_the_triage():
    operation = report(make_connection(), status="failed")
    operation.acknowledge(ANNA)
    operation.move(SERVICE, error=ERROR)
    assert stored(operation).triage == Triage.ACKNOWLEDGED


# The worker's operations -------------------------------------------------------------------------


def queued():
    return request_registration(make_connection())


def running():
    operation = request_registration(make_connection())
    claim(WORKER)
    operation.refresh_from_db()
    return operation


@pytest.mark.parametrize("unfinished", [queued, running])
@pytest.mark.parametrize("new", [UNSPECIFIED, COMPLETED, FAILED, UNKNOWN])
def test_callers_never_move_what_the_worker_has_not_finished(unfinished, new):
    operation = unfinished()
    for actor in (SERVICE, COMMAND):
        with pytest.raises(OperationInProgress) as refusal:
            operation.move(actor, status=new)
        assert str(refusal.value) == (
            f"Operation '{operation.graph_id}' is run by the worker and is not finished."
        )
    assert stored(operation).status == INPROGRESS


@pytest.mark.parametrize("unfinished", [queued, running])
def test_it_may_be_sent_back_as_it_is(unfinished):
    operation = unfinished()
    assert operation.move(SERVICE, status=INPROGRESS, error=None) is False
    assert operation.move(SERVICE, status=None, error=KEEP) is False


@pytest.mark.parametrize("unfinished", [queued, running])
@pytest.mark.parametrize("actor", [ANNA, BEN])
def test_by_hand_it_may_be_failed(unfinished, actor):
    operation = unfinished()
    assert operation.move(actor, status=FAILED, error=ERROR, note="stuck")
    row = stored(operation)
    assert (row.status, row.error, row.triage) == (FAILED, ERROR, Triage.OPEN)
    assert (row.worker, row.lease_until) == ("", None)
    assert row.finished_at is not None


@pytest.mark.parametrize("unfinished", [queued, running])
@pytest.mark.parametrize("new", [UNSPECIFIED, COMPLETED, UNKNOWN])
def test_by_hand_it_is_never_moved_elsewhere(unfinished, new):
    operation = unfinished()
    with pytest.raises(OperationInProgress, match="is run by the worker and is not finished"):
        operation.move(ANNA, status=new)
    assert operation.connection.schema_in_force is None


def test_failing_by_hand_fences_the_worker_off():
    operation = request_registration(make_connection())
    held = claim(WORKER)
    operation.refresh_from_db()
    operation.move(ANNA, status=FAILED, error=ERROR)
    assert finish(held) is False
    registering.fail_attempt(held, "late")
    registering.hand_back(held.worker, [held])
    row = stored(operation)
    assert (row.status, row.error, row.attempt) == (FAILED, ERROR, 1)
    assert row.connection.schema_in_force is None
    assert claim(WORKER) is None


@pytest.mark.parametrize("ended", [register_schema, fail_registration])
@pytest.mark.parametrize("actor", [SERVICE, ANNA])
def test_a_finished_registration_is_final(ended, actor):
    operation = ended(make_connection())
    for new in set(OperationStatus) - {operation.status}:
        with pytest.raises(InvalidStateTransition, match="cannot change from"):
            operation.move(actor, status=new)


# Lost races --------------------------------------------------------------------------------------


def test_the_second_mover_is_refused():
    first = report(make_connection())
    second = stored(first)
    first.move(SERVICE, status=COMPLETED)
    with pytest.raises(InvalidStateTransition) as refusal:
        second.move(ANNA, status=FAILED, error=ERROR)
    assert str(refusal.value) == "Property 'status' cannot change from 'completed' to 'failed'."
    assert stored(first).status == COMPLETED


def test_the_second_error_is_refused():
    first = report(make_connection(), status="failed")
    second = stored(first)
    first.move(SERVICE, error=ERROR)
    with pytest.raises(InvalidStateTransition, match="is final"):
        second.move(SERVICE, error={"message": "Mine."})
    assert stored(first).error == ERROR


def test_the_same_move_twice_is_once():
    first = report(make_connection())
    second = stored(first)
    assert first.move(SERVICE, status=COMPLETED)
    assert second.move(SERVICE, status=COMPLETED) is False
    assert Change.objects.filter(action=Action.OPERATION_COMPLETED).count() == 1


def test_the_worker_was_first():
    operation = request_registration(make_connection())
    finish(claim(WORKER))
    with pytest.raises(InvalidStateTransition, match="from 'completed' to 'failed'"):
        operation.move(ANNA, status=FAILED)


@pytest.mark.parametrize(
    "act",
    [
        lambda operation: operation.move(ANNA, error=ERROR),
        lambda operation: operation.remove(ANNA),
        lambda operation: operation.acknowledge(ANNA),
    ],
    ids=["move", "remove", "acknowledge"],
)
def test_what_was_deleted_meanwhile_is_not_found(act):
    operation = report(make_connection(), status="failed")
    stored(operation).remove(SERVICE)
    with pytest.raises(ItemNotFound) as refusal:
        act(operation)
    assert str(refusal.value) == "'ConnectionOperation' was not found."


# Triage ------------------------------------------------------------------------------------------


def test_acknowledging_is_done_once():
    operation = report(make_connection(), status="failed")
    second = stored(operation)
    assert operation.acknowledge(ANNA, "seen") is True
    assert (operation.triage, operation.triage_note) == (Triage.ACKNOWLEDGED, "seen")
    assert second.acknowledge(BEN, "too late") is False
    assert stored(operation).triage_note == "seen"
    assert Change.objects.get(action=Action.OPERATION_ACKNOWLEDGED).actor_name == "anna"


@pytest.mark.parametrize("status", [UNSPECIFIED, INPROGRESS, COMPLETED])
def test_only_a_failure_can_be_acknowledged(status):
    operation = report(make_connection(), status=status)
    assert operation.acknowledge(ANNA) is False
    assert stored(operation).triage == Triage.NONE


def test_a_success_supersedes_earlier_open_failures_of_its_kind():
    connection, other = make_connection(), make_connection()
    registration = fail_registration(connection)
    elsewhere = report(other, status="failed")
    acknowledged = report(connection, status="failed")
    acknowledged.acknowledge(ANNA)
    earlier = report(connection, status="failed")
    success = report(connection)
    later = report(connection, status="failed")
    success.move(SERVICE, status=COMPLETED)
    assert stored(earlier).triage == Triage.SUPERSEDED
    assert stored(acknowledged).triage == Triage.ACKNOWLEDGED
    for untouched in (registration, elsewhere, later):
        assert stored(untouched).triage == Triage.OPEN
    change = Change.objects.get(action=Action.OPERATION_SUPERSEDED)
    assert (change.operation_key, change.note) == (earlier.pk, f"by {success.graph_id}")


def test_a_success_reported_at_once_supersedes_too():
    failure = report(make_connection(), status="failed")
    report(failure.connection, status="completed")
    assert stored(failure).triage == Triage.SUPERSEDED


# Deleting ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", OperationStatus)
def test_a_reported_operation_can_be_deleted(status):
    operation = operation_in(status)
    operation.remove(SERVICE)
    assert not ConnectionOperation.objects.exists()


@pytest.mark.parametrize("unfinished", [queued, running])
@pytest.mark.parametrize("actor", [SERVICE, ANNA])
def test_what_the_worker_has_not_finished_cannot_be_deleted(unfinished, actor):
    operation = unfinished()
    with pytest.raises(OperationInProgress) as refusal:
        operation.remove(actor)
    assert str(refusal.value) == (
        f"Operation '{operation.graph_id}' is run by the worker and is not finished. It can be "
        "deleted when it is."
    )
    assert stored(operation)


def test_deleting_a_registration_leaves_its_schema_in_force():
    operation = register_schema(make_connection(), a_schema(a_property("body")))
    operation.remove(ANNA)
    schema = operation.connection.schema_in_force
    assert schema.properties[0]["name"] == "body"
    assert schema.operation is None
