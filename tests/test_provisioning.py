"""The worker's steps: claiming, finishing, handing back, retrying, deleting, and who wins."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from django.db import OperationalError
from django.db import connection as database
from django.utils import timezone

from operations import provisioning, registering
from operations.errors import (
    InvalidRequest,
    InvalidStateTransition,
    ItemNotFound,
    OperationInProgress,
)
from operations.models import (
    Action,
    Change,
    ConnectionOperation,
    ConnectionState,
    ExternalConnection,
    OperationStatus,
    OutcomeRule,
    Schema,
    Triage,
    contents,
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
    work_off,
)

pytestmark = pytest.mark.django_db
INPROGRESS = OperationStatus.INPROGRESS
COMPLETED = OperationStatus.COMPLETED
FAILED = OperationStatus.FAILED


def stored(operation) -> ConnectionOperation:
    return ConnectionOperation.objects.get(pk=operation.pk)


def names_in(operation) -> list[str]:
    return [prop["name"] for prop in operation.payload["properties"]]


def let_lease_end(operation) -> None:
    """As if the worker had been silent for too long."""
    ended = timezone.now() - timedelta(seconds=1)
    ConnectionOperation.objects.filter(pk=operation.pk).update(lease_until=ended)


# Asking ------------------------------------------------------------------------------------------


def test_a_registration_is_queued():
    connection = make_connection()
    operation = request_registration(connection)
    assert (operation.status, operation.started_at, operation.worker) == (INPROGRESS, None, "")
    assert operation.payload["baseType"] == "microsoft.graph.externalItem"
    assert operation.requested_by == "tests"
    assert connection.schema_in_force is None


def test_a_bad_schema_is_refused_with_every_fault():
    connection = make_connection()
    with pytest.raises(InvalidRequest) as refusal:
        request_registration(connection, a_schema(a_property("a b"), a_property("c", type="text")))
    assert [fault.target for fault in refusal.value.faults] == [
        "properties/0/name",
        "properties/1/type",
    ]
    assert not connection.operations.exists()


def test_one_registration_at_a_time():
    connection = make_connection("contosohr")
    first = request_registration(connection)
    with pytest.raises(OperationInProgress) as refusal:
        request_registration(connection)
    assert str(refusal.value) == (
        "A schema registration of connection 'contosohr' is unfinished: operation "
        f"'{first.graph_id}'. Wait for it to complete or fail."
    )
    assert refusal.value.inner == {"operationId": first.graph_id}


@pytest.mark.parametrize(
    "state",
    [
        ConnectionState.OBSOLETE,
        ConnectionState.LIMIT_EXCEEDED,
        ConnectionState.UNKNOWN_FUTURE_VALUE,
    ],
)
def test_the_state_may_forbid_it(state):
    connection = make_connection("contosohr", state=state)
    with pytest.raises(InvalidStateTransition) as refusal:
        request_registration(connection)
    assert str(refusal.value) == (
        f"Connection 'contosohr' is in state '{state.word}'. A schema can be registered in state "
        "'draft' and updated in state 'ready'."
    )


def test_an_update_is_checked_against_what_is_in_force():
    connection = make_connection()
    register_schema(connection, a_schema(a_property("title"), a_property("body")))
    with pytest.raises(InvalidRequest, match="'body' is registered and is missing here"):
        request_registration(connection, a_schema(a_property("title")))


# Claiming and finishing --------------------------------------------------------------------------


def test_nothing_to_claim():
    report(make_connection())
    assert claim(WORKER) is None


def test_a_claim_starts_the_operation():
    operation = request_registration(make_connection())
    held = claim(WORKER)
    row = stored(operation)
    assert (held.operation_key, held.attempt, held.worker) == (operation.pk, 1, WORKER)
    assert (row.worker, row.attempt) == (WORKER, 1)
    assert row.started_at is not None
    assert row.lease_until > timezone.now()


def test_what_waited_longest_comes_first():
    late = request_registration(make_connection())
    early = request_registration(make_connection())
    ConnectionOperation.objects.filter(pk=early.pk).update(
        run_after=timezone.now() - timedelta(hours=1)
    )
    assert claim(WORKER).operation_key == early.pk
    assert claim(WORKER).operation_key == late.pk


def test_two_claims_never_give_the_same():
    for _ in range(3):
        request_registration(make_connection())
    held = [claim(worker) for worker in ("one", "two", "one")]
    assert len({claim.operation_key for claim in held}) == 3
    assert claim("two") is None


@pytest.mark.django_db(transaction=True)
def test_two_claims_at_the_same_time_never_give_the_same():
    for _ in range(6):
        request_registration(make_connection())
    together = Barrier(3)

    def take_all(worker: str) -> list[int]:
        keys = []
        together.wait(timeout=10)
        try:
            while held := claim_patiently(worker):
                keys.append(held.operation_key)
        finally:
            database.close()
        return keys

    with ThreadPoolExecutor(3) as pool:
        taken = [key for keys in pool.map(take_all, ("one", "two", "three")) for key in keys]
    assert len(taken) == len(set(taken)) == 6


def claim_patiently(worker: str) -> registering.Claim | None:
    """An SQLite database in memory, as tests have it, refuses a second writer without waiting."""
    for _ in range(1000):
        try:
            return claim(worker)
        except OperationalError as refusal:
            if "locked" not in str(refusal):
                raise
            time.sleep(0.005)
    raise AssertionError("The database stayed locked.")


def test_what_is_not_due_is_not_claimed():
    operation = request_registration(make_connection())
    ConnectionOperation.objects.filter(pk=operation.pk).update(
        run_after=timezone.now() + timedelta(seconds=5)
    )
    assert claim(WORKER) is None


def test_finishing_brings_the_schema_into_force_and_the_connection_to_ready():
    connection = make_connection()
    operation = request_registration(connection, a_schema(a_property("body")))
    assert finish(claim(WORKER)) is True
    row = stored(operation)
    connection.refresh_from_db()
    assert (row.status, row.error, row.worker, row.lease_until) == (COMPLETED, None, "", None)
    assert row.finished_at >= row.started_at
    assert connection.state == ConnectionState.READY
    schema = connection.schema_in_force
    assert (schema.version, schema.properties[0]["name"]) == (1, "body")
    assert schema.operation_id == operation.pk


def test_versions_count_on_and_the_earlier_ones_stay():
    connection = make_connection()
    register_schema(connection, a_schema(a_property("one")))
    register_schema(connection, a_schema(a_property("one"), a_property("two")))
    assert list(connection.schemas.values_list("version", flat=True)) == [2, 1]
    assert len(connection.schema_in_force.properties) == 2


def test_effect_and_completion_are_one(monkeypatch):
    connection = make_connection()
    operation = request_registration(connection)
    held = claim(WORKER)

    def break_down(*args):
        raise RuntimeError("no schema")

    monkeypatch.setattr(registering, "_bring_into_force", break_down)
    with pytest.raises(RuntimeError):
        finish(held)
    assert stored(operation).status == INPROGRESS
    assert not Schema.objects.exists()


def test_a_state_set_meanwhile_is_kept():
    connection = make_connection()
    request_registration(connection)
    held = claim(WORKER)
    ExternalConnection.objects.filter(pk=connection.pk).update(state=ConnectionState.LIMIT_EXCEEDED)
    finish(held)
    connection.refresh_from_db()
    assert connection.state == ConnectionState.LIMIT_EXCEEDED


def test_a_registration_takes_its_time(settings):
    settings.OPERATION_DURATION = 300
    request_registration(make_connection())
    assert 299 < claim(WORKER).wait <= 300


def test_finishing_twice_is_once():
    connection = make_connection()
    request_registration(connection)
    held = claim(WORKER)
    assert finish(held) is True
    assert finish(held) is False
    assert connection.schemas.count() == 1


# Leases ------------------------------------------------------------------------------------------


def test_a_held_operation_is_not_claimed():
    request_registration(make_connection())
    claim("one")
    assert claim("two") is None


def test_renewing_extends_what_is_in_hand():
    mine = request_registration(make_connection())
    held = claim("one")
    others = request_registration(make_connection())
    theirs = claim("two")
    let_lease_end(mine)
    let_lease_end(others)
    assert registering.renew("one", [held, theirs]) == 1
    assert stored(mine).lease_until > timezone.now()
    assert stored(others).lease_until < timezone.now()


def test_a_silent_worker_loses_its_operation_to_another():
    operation = request_registration(make_connection())
    silent = claim("one")
    let_lease_end(operation)
    held = claim("two")
    assert (held.operation_key, held.attempt) == (operation.pk, 2)
    change = Change.objects.get(action=Action.OPERATION_TAKEN_OVER)
    assert (change.before, change.after) == ({"worker": "one"}, {"worker": "two", "attempt": 2})
    assert silent.attempt == 1


def test_a_late_worker_changes_nothing():
    operation = request_registration(make_connection())
    late = claim("one")
    let_lease_end(operation)
    held = claim("two")
    before = stored(operation)
    changes = Change.objects.count()
    assert finish(late) is False
    registering.fail_attempt(late, "late")
    registering.hand_back("one", [late])
    assert registering.renew("one", [late]) == 0
    after = stored(operation)
    assert (after.worker, after.attempt, after.status) == ("two", 2, INPROGRESS)
    assert after.lease_until == before.lease_until
    assert Change.objects.count() == changes
    assert not Schema.objects.exists()
    assert finish(held) is True


def test_a_worker_of_the_same_name_is_told_apart_by_its_attempt():
    operation = request_registration(make_connection())
    late = claim(WORKER)
    let_lease_end(operation)
    held = claim(WORKER)
    assert finish(late) is False
    assert finish(held) is True


def test_attempts_are_used_up(settings):
    settings.OPERATION_ATTEMPTS = 3
    operation = request_registration(make_connection())
    for number in (1, 2, 3):
        assert claim(f"worker {number}").attempt == number
        let_lease_end(operation)
    assert claim("worker 4") is None
    row = stored(operation)
    assert (row.status, row.triage, row.worker) == (FAILED, Triage.OPEN, "")
    assert row.error["code"] == "AttemptsExhausted"
    assert "was started 3 times and never ended" in row.error["message"]
    assert not Schema.objects.exists()


def test_an_operation_that_is_given_up_does_not_hold_up_the_next(settings):
    settings.OPERATION_ATTEMPTS = 1
    stuck = request_registration(make_connection())
    claim(WORKER)
    let_lease_end(stuck)
    waiting = request_registration(make_connection())
    assert claim(WORKER).operation_key == waiting.pk
    assert stored(stuck).status == FAILED


# Handing back and breaking -----------------------------------------------------------------------


def test_handing_back_does_not_count_as_an_attempt():
    operation = request_registration(make_connection())
    registering.hand_back("one", [claim("one")])
    row = stored(operation)
    assert (row.worker, row.lease_until, row.attempt) == ("", None, 0)
    assert claim("two").attempt == 1
    assert Change.objects.filter(action=Action.OPERATION_HANDED_BACK).count() == 1
    assert not Change.objects.filter(action=Action.OPERATION_TAKEN_OVER).exists()


def test_a_broken_attempt_goes_back_into_the_queue_with_a_delay():
    operation = request_registration(make_connection())
    registering.fail_attempt(claim(WORKER), "disk full")
    row = stored(operation)
    assert (row.status, row.worker, row.attempt) == (INPROGRESS, "", 1)
    assert row.run_after > timezone.now()
    assert claim(WORKER) is None
    assert Change.objects.get(action=Action.OPERATION_HANDED_BACK).note == "disk full"


def test_the_last_broken_attempt_fails_the_operation(settings):
    settings.OPERATION_ATTEMPTS = 1
    operation = request_registration(make_connection())
    registering.fail_attempt(claim(WORKER), "disk full")
    assert stored(operation).error["code"] == "AttemptsExhausted"


# Outcome rules -----------------------------------------------------------------------------------


def rule(connection=None, remaining=1, message="Rehearsed."):
    return OutcomeRule.objects.create(
        connection=connection, remaining=remaining, error={"message": message}
    )


def test_a_rule_lets_the_next_registration_fail():
    connection = make_connection()
    used = rule(connection)
    first = request_registration(connection)
    work_off()
    assert stored(first).error == {"message": "Rehearsed."}
    assert connection.schema_in_force is None
    connection.refresh_from_db()
    assert connection.state == ConnectionState.DRAFT
    used.refresh_from_db()
    assert used.remaining == 0
    second = register_schema(connection)
    assert second.status == COMPLETED


def test_a_rule_of_the_connection_comes_before_one_for_all():
    connection = make_connection()
    for_all = rule(message="For all.")
    own = rule(connection, message="Own.")
    rule(make_connection(), message="Of another.")
    messages = []
    for _ in range(2):
        operation = request_registration(connection)
        work_off()
        messages.append(stored(operation).error["message"])
    assert messages == ["Own.", "For all."]
    for used in (own, for_all):
        used.refresh_from_db()
        assert used.remaining == 0
    assert register_schema(connection).status == COMPLETED


def test_a_failed_registration_leaves_the_earlier_schema_in_force():
    connection = make_connection()
    register_schema(connection, a_schema(a_property("one")))
    fail_registration(connection, document=a_schema(a_property("one"), a_property("two")))
    assert connection.schema_in_force.version == 1
    connection.refresh_from_db()
    assert connection.state == ConnectionState.READY


def test_a_success_supersedes_earlier_failures():
    connection = make_connection()
    failed = fail_registration(connection)
    reported = report(connection, status="failed")
    register_schema(connection)
    assert stored(failed).triage == Triage.SUPERSEDED
    assert stored(reported).triage == Triage.OPEN


# Retrying ----------------------------------------------------------------------------------------


def test_a_retry_is_a_new_operation_with_the_same_payload():
    failed = fail_registration(make_connection())
    again = provisioning.retry(failed, COMMAND, "once more")
    assert again.pk != failed.pk
    assert again.retry_of_id == failed.pk
    assert names_in(again) == names_in(failed) == ["title"]
    assert stored(failed).status == FAILED
    work_off()
    assert stored(again).status == COMPLETED
    assert stored(failed).triage == Triage.SUPERSEDED


@pytest.mark.parametrize("make", [register_schema, request_registration])
def test_only_a_failure_is_retried(make):
    operation = make(make_connection())
    with pytest.raises(InvalidStateTransition) as refusal:
        provisioning.retry(operation, COMMAND)
    assert str(refusal.value) == (
        f"Operation '{operation.graph_id}' cannot be retried: only a failed registration can."
    )


def test_what_is_reported_is_not_retried():
    operation = report(make_connection(), status="failed")
    with pytest.raises(InvalidStateTransition, match="only a failed registration can"):
        provisioning.retry(operation, COMMAND)


def test_no_retry_beside_an_unfinished_registration():
    failed = fail_registration(make_connection())
    request_registration(failed.connection)
    with pytest.raises(OperationInProgress, match="is unfinished"):
        provisioning.retry(failed, COMMAND)


def test_a_retry_obeys_the_schema_that_came_into_force_meanwhile():
    connection = make_connection()
    failed = fail_registration(connection, document=a_schema(a_property("one")))
    register_schema(connection, a_schema(a_property("two")))
    with pytest.raises(InvalidRequest, match="'two' is registered and is missing here"):
        provisioning.retry(failed, COMMAND)


# Deleting a connection ---------------------------------------------------------------------------


def test_a_small_connection_is_gone_at_once():
    connection = make_connection()
    register_schema(connection)
    report(connection)
    rule(connection, remaining=0)
    provisioning.request_deletion(connection, COMMAND)
    assert not ExternalConnection.objects.exists()
    assert not ConnectionOperation.objects.exists()
    assert not Schema.objects.exists()
    assert not OutcomeRule.objects.exists()


def test_a_large_connection_is_deleted_in_steps(settings, monkeypatch):
    settings.PURGE_IN_REQUEST = 3
    monkeypatch.setattr(contents, "ROWS", 2)
    monkeypatch.setattr(contents, "TIME", 0)
    connection, other = make_connection(), make_connection()
    for _ in range(5):
        report(connection)
    report(other)
    provisioning.request_deletion(connection, COMMAND)
    left = []
    while provisioning.purge_step(WORKER, connection.pk):
        left.append(connection.operations.count())
    assert left == [3, 1, 0, 0]
    assert list(ExternalConnection.objects.all()) == [other]
    assert other.operations.count() == 1
    purged = Change.objects.get(action=Action.CONNECTION_PURGED)
    assert (purged.connection_key, purged.actor_name) == (connection.pk, WORKER)


@pytest.mark.parametrize("rows, gone", [(3, True), (4, False)])
def test_where_small_ends(settings, rows, gone):
    settings.PURGE_IN_REQUEST = 3
    connection = make_connection()
    for _ in range(rows):
        report(connection)
    provisioning.request_deletion(connection, COMMAND)
    assert ExternalConnection.objects.exists() is not gone


def test_what_is_being_deleted_cannot_be_deleted_again(settings):
    settings.PURGE_IN_REQUEST = 0
    connection = make_connection()
    report(connection)
    provisioning.request_deletion(connection, COMMAND)
    with pytest.raises(ItemNotFound) as refusal:
        provisioning.request_deletion(connection, COMMAND)
    assert str(refusal.value) == "'Connection' was not found."
    assert Change.objects.filter(action=Action.CONNECTION_DELETION_REQUESTED).count() == 1


def test_nothing_is_registered_on_what_is_being_deleted(settings):
    settings.PURGE_IN_REQUEST = 0
    connection = make_connection()
    failed = fail_registration(connection)
    provisioning.request_deletion(connection, COMMAND)
    for ask in (
        lambda: request_registration(connection),
        lambda: provisioning.retry(failed, COMMAND),
    ):
        with pytest.raises(ItemNotFound):
            ask()


@pytest.mark.parametrize("limit", [0, 1000])
def test_deleting_wins_over_a_running_registration(settings, limit):
    settings.PURGE_IN_REQUEST = limit
    connection = make_connection()
    request_registration(connection)
    held = claim(WORKER)
    provisioning.request_deletion(connection, COMMAND)
    assert finish(held) is False
    assert not Schema.objects.exists()
    assert not Change.objects.filter(action=Action.OPERATION_COMPLETED).exists()
    work_off()
    assert not ExternalConnection.objects.exists()


def test_nothing_to_purge():
    connection = make_connection()
    assert ExternalConnection.objects.next_deleting() is None
    assert provisioning.purge_step(WORKER, connection.pk) is False
