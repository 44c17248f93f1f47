"""How long an operation usually takes, and when it counts as stuck."""

from datetime import timedelta

import pytest
from django.conf import settings
from django.db import connection as database
from django.utils import timezone

from operations.models import ConnectionOperation, Kind, OperationStatus
from operations.models.pace import overdue_at, usual_seconds
from tests import factories

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)
MANY_REPORTS = """
INSERT INTO operations_connectionoperation (
    connection_id, graph_id, kind, status, requested_by, request_id, triage, triage_note,
    created_at, started_at, finished_at, changed_at, fingerprint, run_after, worker, attempt)
SELECT %s, n::text, 'reported', 2, '', '', '', '', now(), now(), now(), now(), '', now(), '', 0
FROM generate_series(1, 5000) n
"""


def completed(connection, minutes):
    operation = factories.report(connection, status="completed")
    ConnectionOperation.objects.filter(pk=operation.pk).update(
        started_at=operation.finished_at - minutes * MINUTE
    )


def test_usual_is_the_median_of_the_newest_completions():
    connection = factories.make_connection()
    for minutes in (500, *range(1, 22)):  # the oldest of 22 is not looked at
        completed(connection, minutes)
    factories.report(connection, status="failed")

    assert usual_seconds(connection, Kind.REPORTED) == 11 * 60
    assert usual_seconds(connection, Kind.SCHEMA_REGISTRATION) is None
    assert usual_seconds(factories.make_connection(), Kind.REPORTED) is None


def test_two_completions_are_too_few_for_a_median():
    connection = factories.make_connection()
    for minutes in (1, 2):
        completed(connection, minutes)

    assert usual_seconds(connection, Kind.REPORTED) is None


@pytest.mark.parametrize(
    ("usual", "minutes"), [(None, 30), (60, 30), (600, 30), (601, 30.05), (3600, 180)]
)
def test_stuck_is_three_times_the_usual_and_half_an_hour_at_least(usual, minutes):
    begun = timezone.now()

    assert overdue_at(begun, usual) == begun + minutes * MINUTE


def test_an_operation_knows_from_the_start_when_it_is_stuck():
    connection = factories.make_connection()
    for _ in range(3):
        completed(connection, 20)

    operation = factories.report(connection)

    assert operation.usual_seconds == 20 * 60
    assert operation.overdue_at - operation.created_at - 60 * MINUTE < MINUTE
    assert not operation.is_stuck(timezone.now() + 59 * MINUTE)
    assert operation.is_stuck(timezone.now() + 61 * MINUTE)
    later = timezone.now() + 61 * MINUTE
    assert list(ConnectionOperation.objects.stuck(later)) == [operation]


def test_a_registration_knows_it_too():
    operation = factories.request_registration(factories.make_connection())

    assert operation.usual_seconds is None
    assert operation.is_stuck(timezone.now() + 31 * MINUTE)


def test_one_without_a_status_is_not_stuck_until_it_began():
    operation = factories.report(factories.make_connection(), status="unspecified")
    later = timezone.now() + 24 * 60 * MINUTE
    assert operation.overdue_at is None
    assert not operation.is_stuck(later)

    operation.move(factories.COMMAND, status=OperationStatus.INPROGRESS)

    assert operation.is_stuck(later)


def test_what_ended_is_stuck_no_more():
    operation = factories.make_stuck(factories.report(factories.make_connection()))
    assert operation.is_stuck(timezone.now())

    operation.move(factories.COMMAND, status=OperationStatus.FAILED)

    assert operation.overdue_at is None
    assert not ConnectionOperation.objects.stuck(timezone.now()).exists()


if not settings.EMBEDDED_DATABASE:

    def test_registrations_are_found_among_many_reports_by_their_index(db):
        """Also with the plan that is made for all connections, after some uses."""
        connection = factories.make_connection()
        with database.cursor() as cursor:
            cursor.execute(MANY_REPORTS, [connection.pk])
            cursor.execute("ANALYZE operations_connectionoperation")
            for _ in range(8):
                assert usual_seconds(connection, Kind.SCHEMA_REGISTRATION) is None
            cursor.execute(
                "SELECT name FROM pg_prepared_statements WHERE statement LIKE %s",
                ["%schemaRegistration%"],
            )
            [[name]] = cursor.fetchall()
            cursor.execute("SET LOCAL plan_cache_mode = force_generic_plan")
            cursor.execute(f"EXPLAIN EXECUTE {name}({connection.pk})")
            assert "operation_registrations" in str(cursor.fetchall())
