"""What ended is counted by day, and failures are grouped by what they say."""

import threading
import time
from datetime import UTC, timedelta

import pytest
from django.db import connection as database
from django.db import transaction
from django.utils import timezone

from operations import provisioning
from operations.models import (
    ConnectionOperation,
    ErrorGroup,
    ExternalConnection,
    OperationStatus,
    OutcomeCount,
)
from tests import factories

pytestmark = pytest.mark.django_db
NO_ANSWER = {"code": "SourceUnreachable", "message": "No answer from 10.0.0.7 within 30 s."}
NO_ANSWER_AGAIN = {"code": "SourceUnreachable", "message": "No answer from 10.0.0.9 within 5 s."}


def counted():
    """Completed and failed as they are counted."""
    rows = OutcomeCount.objects.values_list("fingerprint", "count")
    return (
        sum(count for fingerprint, count in rows if not fingerprint),
        sum(count for fingerprint, count in rows if fingerprint),
    )


def test_a_registration_counts_when_it_ends():
    connection = factories.make_connection()
    factories.request_registration(connection)
    assert counted() == (0, 0)

    factories.work_off()

    row = OutcomeCount.objects.get()
    assert (row.connection, row.day, row.count) == (connection, timezone.now().date(), 1)
    assert counted() == (1, 0)


def test_a_rehearsed_failure_counts_and_is_grouped():
    operation = factories.fail_registration(factories.make_connection(), NO_ANSWER)

    assert counted() == (0, 1)
    group = ErrorGroup.objects.get()
    assert group.fingerprint == operation.fingerprint
    assert group.pattern == "No answer from {ip} within {number} s."
    assert (group.code, group.count) == ("SourceUnreachable", 1)
    assert group.first_seen == group.last_seen == operation.finished_at


def test_used_up_attempts_count_as_a_failure(settings):
    factories.request_registration(factories.make_connection())
    settings.OPERATION_ATTEMPTS = 1
    factories.claim("one")
    ConnectionOperation.objects.update(lease_until=timezone.now() - timedelta(minutes=1))

    assert factories.claim("two") is None
    assert counted() == (0, 1)
    assert ErrorGroup.objects.get().code == "AttemptsExhausted"


@pytest.mark.parametrize(("status", "expected"), [("completed", (1, 0)), ("failed", (0, 1))])
def test_what_is_reported_as_ended_counts(status, expected):
    factories.report(factories.make_connection(), status=status)

    assert counted() == expected


def test_a_move_counts_once():
    operation = factories.report(factories.make_connection(), status="unspecified")
    for status in (
        OperationStatus.INPROGRESS,
        OperationStatus.COMPLETED,
        OperationStatus.COMPLETED,
    ):
        operation.move(factories.COMMAND, status=status)

    assert counted() == (1, 0)


def test_failures_that_say_the_same_are_one_group():
    for error in (NO_ANSWER, NO_ANSWER_AGAIN):
        factories.report(factories.make_connection(), status="failed", error=error)
    factories.report(factories.make_connection(), status="failed", error={"message": "Other"})

    assert sorted(ErrorGroup.objects.values_list("count", flat=True)) == [1, 2]
    assert OutcomeCount.objects.count() == 3


def test_a_failure_that_gets_its_error_later_changes_its_group():
    operation = factories.report(factories.make_connection(), status="failed")
    without = operation.fingerprint

    operation.move(factories.COMMAND, error=NO_ANSWER)

    assert operation.fingerprint != without
    assert ErrorGroup.objects.get(fingerprint=without).count == 0
    assert ErrorGroup.objects.get(fingerprint=operation.fingerprint).count == 1
    assert counted() == (0, 1)


def test_what_is_counted_stays_when_the_operation_is_deleted():
    operation = factories.report(factories.make_connection(), status="failed", error=NO_ANSWER)

    operation.remove(factories.COMMAND)

    assert counted() == (0, 1)
    assert ErrorGroup.objects.get().count == 1


def test_the_counts_of_a_connection_go_with_it_and_the_group_stays():
    connection = factories.make_connection()
    factories.report(connection, status="failed", error=NO_ANSWER)

    provisioning.request_deletion(connection, factories.COMMAND)

    assert not OutcomeCount.objects.exists()
    assert ErrorGroup.objects.get().count == 1


def test_the_day_is_that_of_utc():
    connection = factories.make_connection()
    late = timezone.now().astimezone(UTC).replace(hour=23, minute=59)
    OutcomeCount.objects.add(connection.pk, late, "")
    OutcomeCount.objects.add(connection.pk, late + timedelta(minutes=2), "")

    assert [row.day for row in OutcomeCount.objects.all()] == [
        late.date(),
        late.date() + timedelta(days=1),
    ]


def test_an_error_that_comes_late_does_not_turn_the_clock_back():
    old = factories.report(factories.make_connection(), status="failed")
    long_ago = timezone.now() - timedelta(days=5)
    ConnectionOperation.objects.filter(pk=old.pk).update(finished_at=long_ago)
    new = factories.report(factories.make_connection(), status="failed", error=NO_ANSWER)

    old.move(factories.COMMAND, error=NO_ANSWER)

    group = ErrorGroup.objects.get(fingerprint=new.fingerprint)
    assert (group.first_seen, group.last_seen) == (long_ago, new.finished_at)


@pytest.mark.django_db(transaction=True)
def test_who_ends_an_operation_locks_its_connection_first():
    """As a deletion does: the other way round the two would wait for each other."""
    operation = factories.report(factories.make_connection())
    ended = threading.Thread(target=end_in_a_thread, args=(operation,))
    with transaction.atomic():
        ExternalConnection.objects.select_for_update().get(pk=operation.connection_id)
        ended.start()
        time.sleep(0.5)  # by now it waits for the connection
        rows = ConnectionOperation.objects.filter(pk=operation.pk)
        nowait = database.features.has_select_for_update_nowait
        assert rows.select_for_update(nowait=nowait).get().status == OperationStatus.INPROGRESS
    ended.join(20)

    operation.refresh_from_db()
    assert operation.status == OperationStatus.FAILED
    assert counted() == (0, 1)


def end_in_a_thread(operation):
    try:
        operation.move(factories.COMMAND, status=OperationStatus.FAILED)
    finally:
        database.close()
