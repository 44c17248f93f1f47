"""How many statements a write is, whatever there is already; and who waits for whom."""

from __future__ import annotations

import threading
import time

import pytest
from django.conf import settings
from django.db import transaction

from operations import provisioning, registering
from operations.errors import ItemNotFound
from operations.models import Change, ConnectionOperation, ExternalConnection, OperationStatus
from tests import factories
from tests.at_once import in_a_thread

pytestmark = pytest.mark.django_db


@pytest.fixture
def connection():
    """With enough in it that there is a usual duration, and a failure that is superseded."""
    connection = factories.make_connection()
    for _ in range(5):
        factories.report(connection, status="completed")
    return connection


def test_a_report_is_two_statements(connection, django_assert_num_queries):
    # the connection with the usual duration; the operation, on PostgreSQL with its change
    with django_assert_num_queries(3 if settings.EMBEDDED_DATABASE else 2):
        factories.report(connection)


def test_an_end_is_eight_statements(connection, django_assert_num_queries):
    operation = factories.report(connection)
    # savepoint, connection, operation, its update, change, failures before it, count, release
    with django_assert_num_queries(8):
        operation.move(factories.COMMAND, status=OperationStatus.COMPLETED)
        assert operation.connection == connection  # is not asked for again


def test_what_was_moved_is_as_the_row_is(connection):
    operation = factories.report(connection, status="unspecified")
    for values in (
        {"status": OperationStatus.INPROGRESS},
        {"status": OperationStatus.FAILED},
        {"error": {"code": "A", "innerError": {"code": "B", "n": 1.5}}},
        {"error": {"code": "A", "innerError": {"code": "B", "n": 1.5}}},
    ):
        operation.move(factories.COMMAND, **values)
        row = ConnectionOperation.objects.get(pk=operation.pk)
        for field in row._meta.concrete_fields:
            assert getattr(operation, field.attname) == getattr(row, field.attname), field.attname
        assert operation.etag == row.etag


def test_a_move_of_what_others_moved_meanwhile_shows_their_state(connection):
    operation = factories.report(connection)
    mine = ConnectionOperation.objects.get(pk=operation.pk)
    operation.move(factories.COMMAND, status=OperationStatus.COMPLETED)

    assert not mine.move(factories.COMMAND, status=OperationStatus.COMPLETED)
    assert mine.finished_at == operation.finished_at


if not settings.EMBEDDED_DATABASE:  # whose transactions take turns

    @pytest.mark.django_db(transaction=True)
    def test_a_deletion_has_its_turn_however_many_report():
        """With a lock that they share, reports that overlap would keep it waiting without end."""
        connection = factories.make_connection()
        enough = threading.Event()

        def report_on_and_on():
            while not enough.wait(0.001):
                with transaction.atomic():
                    factories.report(connection)
                    time.sleep(0.02)

        reporting = [in_a_thread(report_on_and_on) for _ in range(8)]
        try:
            time.sleep(0.5)
            deletion, answers = in_a_thread(
                lambda: provisioning.request_deletion(connection, factories.COMMAND)
            )
            deletion.join(20)
            assert answers == [None]
        finally:
            enough.set()
        for thread, answers in reporting:
            thread.join(20)
            assert isinstance(answers[0], ItemNotFound)

    @pytest.mark.django_db(transaction=True)
    def test_a_deletion_within_a_transaction_waits_for_nobody():
        """As in the admin: it cannot tell those who begin that it has come."""
        connection = factories.make_connection()
        with transaction.atomic():
            factories.report(connection)

            def delete():
                with transaction.atomic():
                    provisioning.request_deletion(connection, factories.COMMAND)

            thread, answers = in_a_thread(delete)
            thread.join(20)
            assert answers == [None]
        connection.refresh_from_db()
        assert connection.deleting_since and connection.operations.exists()
        assert provisioning.purge_step("worker", connection.pk)  # what is small goes in one step
        assert not ExternalConnection.objects.exists()

    @pytest.mark.django_db(transaction=True)
    def test_who_deletes_an_operation_and_who_ends_its_retry_lock_in_one_order():
        failed = factories.fail_registration(factories.make_connection())
        provisioning.retry(failed, factories.COMMAND)
        [claim] = registering.claim("worker")
        with transaction.atomic():
            failed.remove(factories.COMMAND)
            thread, answers = in_a_thread(lambda: registering.finish([claim]))
            thread.join(0.5)
            assert not answers
        thread.join(20)
        assert answers == [[claim]]

    @pytest.mark.django_db(transaction=True)
    def test_reports_and_ends_of_a_connection_do_not_wait_for_each_other():
        """But for those that are counted in one row, which is written last."""
        connection = factories.make_connection()
        begun = factories.report(connection)
        with transaction.atomic():
            factories.report(connection, status="completed")
            for call in (
                lambda: factories.report(connection),
                lambda: factories.report(connection, status="failed"),
                lambda: begun.move(factories.COMMAND, status=OperationStatus.FAILED),
            ):
                thread, answers = in_a_thread(call)
                thread.join(20)
                assert answers and not isinstance(answers[0], Exception)

    @pytest.mark.django_db(transaction=True)
    def test_a_deletion_waits_for_a_report_and_takes_it_along():
        connection = factories.make_connection()
        with transaction.atomic():
            factories.report(connection)
            thread, answers = in_a_thread(
                lambda: provisioning.request_deletion(connection, factories.COMMAND)
            )
            thread.join(0.5)
            assert not answers
        thread.join(20)
        assert answers == [None]
        assert not ConnectionOperation.objects.exists()
        assert Change.objects.filter(operation_key__isnull=False).count() == 1

    @pytest.mark.django_db(transaction=True)
    def test_a_report_that_waited_for_a_deletion_finds_nothing():
        connection = factories.make_connection()
        with transaction.atomic():
            ExternalConnection.objects.select_for_update().get(pk=connection.pk)
            thread, answers = in_a_thread(lambda: factories.report(connection))
            thread.join(0.5)
            provisioning.request_deletion(connection, factories.COMMAND)
        thread.join(20)
        assert isinstance(answers[0], ItemNotFound)
