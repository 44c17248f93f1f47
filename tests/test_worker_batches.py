"""A worker claims and ends several registrations at once: each as if it had been alone."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from django.conf import settings as configured
from django.db import IntegrityError, OperationalError, transaction
from django.db import connection as database
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from operations import provisioning, registering
from operations.management.commands.run_operations import Worker
from operations.models import (
    Action,
    Actor,
    ActorKind,
    Change,
    Channel,
    ConnectionOperation,
    ConnectionState,
    ErrorGroup,
    ExternalConnection,
    OperationStatus,
    OutcomeCount,
    OutcomeRule,
    Schema,
    Triage,
)
from operations.models.claim import Claim
from tests import factories
from tests.factories import WORKER, a_property, a_schema, make_connection, request_registration

pytestmark = pytest.mark.django_db
ADA = Actor(ActorKind.OPERATOR, "ada", Channel.DASHBOARD)
INPROGRESS = OperationStatus.INPROGRESS
COMPLETED = OperationStatus.COMPLETED
FAILED = OperationStatus.FAILED


def waiting(number: int) -> list[ConnectionOperation]:
    return [request_registration(make_connection()) for _ in range(number)]


def statuses(operations) -> list[int]:
    stored = ConnectionOperation.objects.in_bulk([each.pk for each in operations])
    return [stored[each.pk].status for each in operations]


def let_leases_end(*operations) -> None:
    keys = [each.pk for each in operations]
    ended = timezone.now() - timedelta(seconds=1)
    ConnectionOperation.objects.filter(pk__in=keys).update(lease_until=ended)


def spoil(operation) -> None:
    """Nothing that could come into force: the database refuses it."""
    ConnectionOperation.objects.filter(pk=operation.pk).update(payload={"baseType": "x"})


def of(operation, claims) -> Claim:
    return next(claim for claim in claims if claim.operation_key == operation.pk)


# Claiming ----------------------------------------------------------------------------------------


def test_no_more_are_claimed_than_asked_for_those_that_waited_longest_first():
    operations = waiting(5)
    first = registering.claim("one", 2)
    assert [claim.operation_key for claim in first] == [each.pk for each in operations[:2]]
    assert len(registering.claim("two", 10)) == 3
    assert registering.claim("one", 10) == []


def test_unasked_there_is_a_bound_so_that_others_get_some():
    waiting(registering.TOGETHER + 1)
    assert len(registering.claim("one")) == registering.TOGETHER
    assert len(registering.claim("two")) == 1


def test_each_has_its_own_attempt_start_and_wait(settings):
    settings.OPERATION_DURATION = 300
    again, new = waiting(2)
    registering.claim("silent", 1)
    begun = timezone.now() - timedelta(seconds=100)
    ConnectionOperation.objects.filter(pk=again.pk).update(started_at=begun)
    let_leases_end(again)

    claims = registering.claim("heir")

    mine, other = of(again, claims), of(new, claims)
    assert (mine.attempt, mine.taken_over) == (2, True)
    assert (other.attempt, other.taken_over) == (1, False)
    assert mine.wait == pytest.approx(200, abs=5) and other.wait == pytest.approx(300, abs=5)
    again.refresh_from_db()
    new.refresh_from_db()
    assert again.started_at == begun and new.started_at > begun
    assert (again.attempt, new.attempt) == (2, 1)
    assert again.lease_until == new.lease_until


def test_those_whose_attempts_are_used_up_fail_and_all_others_are_claimed(settings):
    settings.OPERATION_ATTEMPTS = 1
    operations = waiting(5)
    registering.claim("dead", 4)
    let_leases_end(operations[0], operations[2])

    claims = registering.claim("heir")

    assert [claim.operation_key for claim in claims] == [operations[4].pk]
    assert statuses(operations) == [FAILED, INPROGRESS, FAILED, INPROGRESS, INPROGRESS]
    for used_up in (operations[0], operations[2]):
        used_up.refresh_from_db()
        assert used_up.error["code"] == "AttemptsExhausted"
        told = Change.objects.get(operation_key=used_up.pk, action=Action.OPERATION_FAILED)
        assert (told.actor_name, told.before) == (
            "heir",
            {"status": "inprogress", "error": None},
        )
    assert OutcomeCount.objects.count() == 2


# Ending ------------------------------------------------------------------------------------------


def test_a_batch_takes_as_many_statements_as_one():
    def statements(number: int) -> tuple[int, int]:
        waiting(number)
        with CaptureQueriesContext(database) as claimed:
            claims = registering.claim(WORKER)
        with CaptureQueriesContext(database) as ended:
            assert registering.finish(claims) == claims
        assert len(claims) == number
        return len(claimed), len(ended)

    assert statements(1) == statements(20)


def test_each_connection_gets_its_own_schema_version_and_state():
    fresh, twice, limited = (make_connection() for _ in range(3))
    for number in (1, 2):
        names = [f"p{each}" for each in range(number)]
        factories.register_schema(twice, a_schema(*map(a_property, names)))
    for connection, name in ((fresh, "f"), (limited, "l")):
        request_registration(connection, a_schema(a_property(name)))
    request_registration(twice, a_schema(*map(a_property, ("p0", "p1", "t"))))
    ExternalConnection.objects.filter(pk=limited.pk).update(state=ConnectionState.LIMIT_EXCEEDED)

    claims = registering.claim(WORKER)
    assert registering.finish(claims) == claims

    seen = {}
    for connection in (fresh, twice, limited):
        connection.refresh_from_db()
        schema = connection.schema_in_force
        names = [each["name"] for each in schema.properties]
        seen[connection.pk] = (schema.version, names[-1], ConnectionState(connection.state).word)
        assert schema.operation == connection.operations.first()
        assert schema.in_force_at == schema.operation.finished_at
    assert seen == {
        fresh.pk: (1, "f", "ready"),
        twice.pk: (3, "t", "ready"),
        limited.pk: (1, "l", "limitExceeded"),
    }


def test_what_comes_into_force_is_what_was_asked_for():
    [operation] = waiting(1)
    asked = a_schema(
        a_property("title", description='"1" \\ \t 💡 \u00e9\u2028 %s', isSearchable=None),
        a_property("n", aliases=["a", "b"], rank=-1.5, big=2**53, none=[], nested={"x": [True]}),
        *(a_property(f"p{number}", labels=["iconUrl"] * 5) for number in range(126)),
    )
    ConnectionOperation.objects.filter(pk=operation.pk).update(payload=asked)
    factories.work_off()
    assert Schema.objects.get().document == asked


def test_what_is_no_longer_ours_is_left_and_all_others_end():
    lost, renamed, failed, kept, gone = operations = waiting(5)
    claims = registering.claim("one")
    let_leases_end(lost)
    assert [held.operation_key for held in registering.claim("two")] == [lost.pk]
    let_leases_end(renamed)
    assert registering.claim("one")[0].attempt == 2  # by another of the same name
    ConnectionOperation.objects.get(pk=failed.pk).move(ADA, status=FAILED)
    provisioning.request_deletion(gone.connection, ADA)

    assert registering.finish(claims) == [of(kept, claims)]

    assert statuses(operations[:4]) == [INPROGRESS, INPROGRESS, FAILED, COMPLETED]
    assert Schema.objects.get().operation == kept
    assert OutcomeCount.objects.count() == 2, "kept, and what was failed by hand"
    told = Change.objects.filter(action=Action.OPERATION_COMPLETED)
    assert [change.operation_key for change in told] == [kept.pk]


def test_what_was_handed_back_is_not_ours_though_the_attempt_is_the_same():
    operations = waiting(2)
    claims = registering.claim("one")
    registering.hand_back("one", claims)
    [theirs] = registering.claim("two", 1)
    assert theirs.attempt == claims[0].attempt

    assert registering.finish(claims) == []

    assert statuses(operations) == [INPROGRESS] * 2
    assert registering.finish([theirs]) == [theirs]


@pytest.mark.parametrize("limit", [0, 1000])
def test_deleting_wins_and_holds_up_none_of_the_others(settings, limit):
    settings.PURGE_IN_REQUEST = limit
    before, deleted, behind = operations = waiting(3)
    claims = registering.claim(WORKER)
    provisioning.request_deletion(deleted.connection, ADA)

    assert registering.finish(claims) == [of(before, claims), of(behind, claims)]

    assert not Schema.objects.filter(connection=deleted.connection_id).exists()
    assert statuses([operations[0], operations[2]]) == [COMPLETED, COMPLETED]
    assert not Change.objects.filter(
        operation_key=deleted.pk, action=Action.OPERATION_COMPLETED
    ).exists()


def test_rules_let_as_many_fail_as_they_say_each_with_its_own_error():
    operations = waiting(5)
    own = OutcomeRule.objects.create(
        connection=operations[3].connection, error={"code": "Own", "message": "Its own."}
    )
    for code in ("Zeta", "Alpha"):
        OutcomeRule.objects.create(error={"code": code, "message": f"For all, {code}."})

    claims = registering.claim(WORKER)
    assert registering.finish(claims) == claims

    codes = []
    for operation in operations:
        operation.refresh_from_db()
        codes.append(operation.error and operation.error["code"])
    assert codes == ["Zeta", "Alpha", None, "Own", None]
    assert not OutcomeRule.objects.filter(remaining__gt=0).exists()
    own.refresh_from_db()
    assert own.remaining == 0
    assert Schema.objects.count() == 2
    counts = OutcomeCount.objects.order_by("connection")
    assert [count.fingerprint != "" for count in counts] == [True, True, False, True, False]
    assert sorted(ErrorGroup.objects.values_list("code", "count")) == [
        ("Alpha", 1),
        ("Own", 1),
        ("Zeta", 1),
    ]


def history(connections) -> list[tuple]:
    """All that workers told of each connection, in its order, without what differs anyway."""
    members = "action", "channel", "actor_kind", "actor_name", "request_id", "before", "after"
    told = []
    for connection in connections:
        changes = Change.objects.filter(connection_key=connection.pk, channel=Channel.WORKER)
        told.append(list(changes.order_by("id").values_list(*members, "note")))
        assert all(
            change.connection_graph_id == connection.graph_id
            and ConnectionOperation.objects.get(pk=change.operation_key).graph_id
            == change.operation_graph_id
            for change in changes
        )
    return told


def test_the_history_is_that_of_one_after_the_other():
    def prepared() -> list[ExternalConnection]:
        plain, failed_before, again, rehearsed = connections = [make_connection() for _ in range(4)]
        factories.fail_registration(failed_before)
        factories.register_schema(again)
        OutcomeRule.objects.create(connection=rehearsed, error={"code": "A", "message": "B"})
        for number, connection in enumerate(connections):
            asks = Actor(ActorKind.OPERATOR, "ada", Channel.API, request_id=f"request-{number}")
            request_registration(connection, actor=asks)
        return connections

    together = prepared()
    claims = registering.claim(WORKER)
    assert registering.finish(claims) == claims
    alone = prepared()
    while held := factories.claim():
        assert factories.finish(held)

    told, expected = history(together), history(alone)
    for one, other in zip(told, expected, strict=True):
        for mine, theirs in zip(one, other, strict=True):
            if mine[0] == Action.OPERATION_SUPERSEDED:  # names the operation, which differs
                mine, theirs = mine[:-1], theirs[:-1]
            assert mine == theirs
    actions = [[change[0] for change in changes] for changes in told]
    ended = [Action.OPERATION_STARTED, Action.OPERATION_COMPLETED, Action.SCHEMA_IN_FORCE]
    assert actions[0] == ended
    assert actions[1][-4:] == [*ended, Action.OPERATION_SUPERSEDED]
    assert actions[2][-3:] == ended
    assert actions[3] == [Action.OPERATION_STARTED, Action.OPERATION_FAILED]
    assert [changes[-1][4] for changes in told] == [f"request-{number}" for number in range(4)]


def test_earlier_failures_of_each_connection_are_superseded():
    first, second, other = (make_connection() for _ in range(3))
    failures = [factories.fail_registration(each) for each in (first, second, other, first)]
    reported = factories.report(first, status="failed")
    for connection in (first, second):
        request_registration(connection)

    claims = registering.claim(WORKER)
    registering.finish(claims)

    triages = [ConnectionOperation.objects.get(pk=each.pk).triage for each in failures]
    done = Triage.SUPERSEDED
    assert triages == [done, done, Triage.OPEN, done]
    reported.refresh_from_db()
    assert reported.triage == Triage.OPEN


# One that breaks ---------------------------------------------------------------------------------


def test_one_that_breaks_takes_back_all_of_its_batch():
    operations = waiting(3)
    claims = registering.claim(WORKER)
    spoil(operations[1])
    changes = Change.objects.count()

    with pytest.raises(IntegrityError), transaction.atomic():
        registering.finish(claims)

    assert statuses(operations) == [INPROGRESS] * 3
    assert not Schema.objects.exists() and not OutcomeCount.objects.exists()
    assert Change.objects.count() == changes


@pytest.mark.django_db(transaction=True)
def test_the_worker_ends_the_others_each_alone(settings, caplog):
    settings.OPERATION_ATTEMPTS = 1
    bad, *good = operations = waiting(4)
    spoil(bad)

    with pytest.raises(IntegrityError):
        Worker().run(once=True)

    assert statuses(operations) == [FAILED, COMPLETED, COMPLETED, COMPLETED]
    bad.refresh_from_db()
    assert bad.error["code"] == "AttemptsExhausted"
    assert caplog.text.count("4 could not be ended together") == 1
    assert caplog.text.count("Attempt 1 broke") == 1
    ended = Change.objects.filter(action=Action.OPERATION_COMPLETED)
    assert ended.count() == Schema.objects.count() == len(good)


@pytest.mark.django_db(transaction=True)
def test_what_has_broken_before_does_not_break_the_others_again(settings, caplog, monkeypatch):
    monkeypatch.setattr(registering, "fail_attempt", _away)
    worker = Worker()
    bad, *_ = waiting(2)
    spoil(bad)
    worker.round()
    assert caplog.text.count("could not be ended together") == 1
    [held] = worker.held

    later = waiting(2)
    worker.held = dict.fromkeys([held, *registering.claim(worker.name)], 0.0)
    worker.round()

    assert statuses([bad, *later]) == [INPROGRESS, COMPLETED, COMPLETED]
    assert caplog.text.count("could not be ended together") == 1


def _away(*_):
    raise OperationalError("the database system is shutting down")


# Several workers ---------------------------------------------------------------------------------


def patiently(call):
    """An SQLite database in memory, as tests have it, refuses a second writer without waiting."""
    for _ in range(1000):
        try:
            return call()
        except OperationalError as refusal:
            if "locked" not in str(refusal):
                raise
            time.sleep(0.005)
    raise AssertionError("The database stayed locked.")


def at_the_same_time(*calls) -> list:
    together = Barrier(len(calls))

    def run(call):
        together.wait(timeout=10)
        try:
            return patiently(call)
        finally:
            database.close()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


@pytest.mark.django_db(transaction=True)
def test_two_workers_with_overlapping_batches_end_each_operation_once():
    operations = waiting(8)
    late = registering.claim("late", 6)
    let_leases_end(*operations[2:6])
    heir = registering.claim("heir")
    assert len(heir) == 6

    ended = at_the_same_time(
        lambda: registering.finish(late), lambda: registering.finish(heir[::-1])
    )
    for claims, done in zip((late, heir), ended, strict=True):
        for claim in claims:
            if claim not in done:
                done += registering.finish([claim])

    keys = [claim.operation_key for done in ended for claim in done]
    assert sorted(keys) == [each.pk for each in operations]
    assert len(ended[0]) == 2, "what another has taken over is not ended by the late one"
    assert statuses(operations) == [COMPLETED] * 8
    assert Schema.objects.count() == 8
    assert Change.objects.filter(action=Action.OPERATION_COMPLETED).count() == 8
    counts = OutcomeCount.objects.values_list("count", flat=True)
    assert list(counts) == [1] * 8


if not configured.EMBEDDED_DATABASE:  # whose transactions take turns

    def in_other_hands(row, call):
        """Call while somebody else has locked the row."""
        import psycopg

        address = database.get_connection_params()
        keys = ("host", "port", "user", "password", "dbname")
        with psycopg.connect(**{key: address[key] for key in keys if address.get(key)}) as other:
            table = row._meta.db_table
            other.execute(f"SELECT 1 FROM {table} WHERE id = %s FOR UPDATE", [row.pk])
            answer = call()
            other.rollback()
        return answer

    @pytest.mark.django_db(transaction=True)
    @pytest.mark.parametrize("what", ["the connection", "the operation"])
    def test_a_batch_does_not_wait_for_what_somebody_has_locked(what):
        first, locked, last = operations = waiting(3)
        claims = registering.claim(WORKER)

        row = locked.connection if what == "the connection" else locked
        with database.cursor() as cursor:
            cursor.execute("SET lock_timeout = '5s'")
        ended = in_other_hands(row, lambda: registering.finish(claims))
        database.close()

        assert ended == [of(first, claims), of(last, claims)]
        assert statuses(operations) == [COMPLETED, INPROGRESS, COMPLETED]
        assert factories.finish(of(locked, claims))

    @pytest.mark.django_db(transaction=True)
    def test_the_worker_waits_for_it_when_all_others_have_ended():
        first, locked, last = operations = waiting(3)
        worker = Worker()

        with ThreadPoolExecutor(1) as pool:

            def work():
                try:
                    return worker.round()
                finally:
                    database.close()

            def look():
                working = pool.submit(work)
                end = time.monotonic() + 10
                while statuses([first, last]) != [COMPLETED] * 2:
                    assert time.monotonic() < end, "it waits for the one that is locked"
                    time.sleep(0.01)
                assert not working.done()
                return working

            assert in_other_hands(locked.connection, look).result(20)

        assert statuses(operations) == [COMPLETED] * 3
        assert not worker.held and not worker.trouble
