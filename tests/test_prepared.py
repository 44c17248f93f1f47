"""Statements whose text is composed once do what the queryset says, with each value anew."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from unittest.mock import patch

import pytest
from django.conf import settings
from django.db import IntegrityError, models, transaction
from django.db import connection as database
from django.db import connections as databases
from django.db.models.functions import Now
from django.db.models.sql.compiler import SQLCompiler

from operations import registering
from operations.models import (
    ConnectionOperation,
    ExternalConnection,
    Kind,
    OperationStatus,
    OutcomeRule,
)
from operations.models.inserting import insert
from operations.models.operation_queryset import longest_delay
from operations.models.prepared import Prepared, ask, parameter, parameters
from operations.models.steps import next_claimable
from tests import factories

pytestmark = pytest.mark.django_db


@contextmanager
def own_connection():
    own = databases.create_connection("default")
    try:
        yield own
    finally:
        own.close()


def of_connection() -> models.QuerySet[ConnectionOperation]:
    connection = parameter(ConnectionOperation, "connection")
    operations = ConnectionOperation.objects.filter(connection_id=connection, kind=Kind.REPORTED)
    return operations.select_related("connection").annotate(asked_at=Now()).order_by("id")


def test_each_time_another_value():
    prepared = Prepared(of_connection)
    first, second = factories.make_connection(), factories.make_connection()
    operations = [factories.report(first), factories.report(first), factories.report(second)]

    assert prepared.rows(connection=first.pk) == operations[:2]
    assert prepared.first(connection=second.pk) == operations[2]
    assert prepared.first(connection=0) is None


def test_rows_are_read_as_a_queryset_reads_them():
    error = {"code": "A", "details": [{"code": "B", "message": "50 %"}]}
    operation = factories.report(factories.make_connection(), status="failed", error=error)

    row = Prepared(of_connection).first(connection=operation.connection_id)

    assert row is not None and row.error == error
    for field in row._meta.concrete_fields:
        expected = getattr(ConnectionOperation.objects.get(), field.attname)
        assert getattr(row, field.attname) == expected
    with patch.object(SQLCompiler, "execute_sql", side_effect=AssertionError("asked again")):
        assert row.connection == operation.connection
    assert abs(row.asked_at - row.created_at).total_seconds() < 60


def test_the_text_is_composed_once():
    prepared = Prepared(of_connection)
    prepared.rows(connection=1)
    with patch.object(SQLCompiler, "as_sql", side_effect=AssertionError("composed again")):
        prepared.rows(connection=2)


@pytest.mark.django_db(transaction=True)
def test_every_thread_asks_over_its_own_connection():
    prepared = Prepared(of_connection)
    operation = factories.report(factories.make_connection())
    assert prepared.rows(connection=operation.connection_id) == [operation]
    found = []

    def ask():
        found.extend(prepared.rows(connection=operation.connection_id))
        database.close()

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    assert found == [operation]


@pytest.mark.parametrize("word", ["it's", "100 %", "%s", "%%s", ""])
def test_what_is_always_the_same_may_be_any_word(word):
    rule = OutcomeRule.objects.create(error={"code": word})
    connection = factories.make_connection(name=word or "A")
    named = Prepared(lambda: ExternalConnection.objects.filter(name=word or "A"))
    one = Prepared(
        lambda: OutcomeRule.objects.filter(
            pk=parameter(OutcomeRule, "key=id"), error__code=word, remaining=1
        )
    )
    assert named.rows() == [connection]
    assert one.rows(key=rule.pk) == [rule] and one.rows(key=0) == []


def test_an_update_says_how_many_rows_it_changed():
    failed = Prepared(
        lambda: ConnectionOperation.objects.filter(
            pk=parameter(ConnectionOperation, "key=id"), status=OperationStatus.INPROGRESS
        ),
        parameters(ConnectionOperation, ["requested_by", "error_details"]),
    )
    operation = factories.report(factories.make_connection())
    values = {"key": operation.pk, "requested_by": "a 'name' of 100 %", "error_details": None}

    assert failed.update(**values) == 1
    assert failed.update(**values | {"key": 0}) == 0

    operation.refresh_from_db()
    assert operation.requested_by == "a 'name' of 100 %"
    assert ConnectionOperation.objects.filter(error_details__isnull=True).exists()  # no JSON null


def test_after_a_refused_statement_the_next_is_answered():
    prepared = Prepared(of_connection)
    operation = factories.report(factories.make_connection())
    with pytest.raises(IntegrityError), transaction.atomic():
        insert(ConnectionOperation(connection=operation.connection, status=OperationStatus.FAILED))
    assert prepared.rows(connection=operation.connection_id) == [operation]


if not settings.EMBEDDED_DATABASE:

    def test_the_database_compiles_no_statement():
        with database.cursor() as cursor:
            cursor.execute("SHOW jit")
            assert cursor.fetchone() == ("off",)

    def test_the_database_plans_a_statement_once():
        prepared = Prepared(of_connection)
        connection = factories.make_connection()
        for _ in range(6):
            prepared.rows(connection=connection.pk)
        with database.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE %s",
                ['%ORDER BY "operations_connectionoperation"."id" ASC'],
            )
            assert cursor.fetchone() == (1,)

    def test_a_column_that_another_release_has_altered_is_read_again():
        """Outside a transaction nothing would ever forget the plan."""
        with own_connection() as own, own.cursor() as cursor:
            cursor.execute("CREATE TEMPORARY TABLE altered (name varchar(100))")
            cursor.execute("INSERT INTO altered VALUES ('it')")
            names = "SELECT name FROM altered WHERE name <> %s"
            for _ in range(6):
                assert ask(own, names, [""]).fetchall() == [("it",)]
            cursor.execute("ALTER TABLE altered ALTER name TYPE varchar(120)")
            for _ in range(6):
                assert ask(own, names, [""]).fetchall() == [("it",)]

    def test_nothing_is_prepared_where_a_pooler_may_be_between(monkeypatch):
        database.ensure_connection()
        monkeypatch.setattr(database.connection, "prepare_threshold", None)
        prepared = Prepared(of_connection)
        connection = factories.make_connection()
        with database.cursor() as cursor:
            cursor.execute("DEALLOCATE ALL")
            for _ in range(6):
                prepared.rows(connection=connection.pk)
            cursor.execute("SELECT count(*) FROM pg_prepared_statements")
            assert cursor.fetchone() == (0,)


def test_a_claim_reads_the_queue_in_its_order_and_no_more():
    """Without statistics SQLite would read all that is in progress, and sort it."""
    factories.request_registration(factories.make_connection())
    prepared = next_claimable(longest_delay(), settings.OPERATION_LEASE, registering.TOGETHER)
    text, values = prepared.statement()
    with database.cursor() as cursor:
        sqlite = database.vendor == "sqlite"
        cursor.execute(f"EXPLAIN {'QUERY PLAN ' if sqlite else ''}{text}", values)
        plan = str(cursor.fetchall())
    assert not sqlite or ("operation_claimable" in plan and "TEMP B-TREE" not in plan)
    assert factories.claim("worker") is not None
