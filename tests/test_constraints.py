"""The database refuses what the domain refuses, also when it is written past the domain."""

from __future__ import annotations

import uuid

import pytest
from django.db import DataError, IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from operations.models import (
    Action,
    Application,
    AuthorizedApp,
    Change,
    ConnectionOperation,
    ExternalConnection,
    Installation,
    Kind,
    OperationStatus,
    Schema,
    Triage,
)
from tests.factories import (
    COMMAND,
    fail_registration,
    make_application,
    make_connection,
    register_schema,
    report,
    request_registration,
)

pytestmark = pytest.mark.django_db


def breaks(constraint: str, write) -> None:
    """The write is refused, and by this constraint."""
    with pytest.raises(IntegrityError) as refusal, transaction.atomic():
        write()
    assert constraint in str(refusal.value)


def change(row, **values):
    return lambda: type(row).objects.filter(pk=row.pk).update(**values)


# Connections -------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", [0, 6, -1])
def test_connection_state(state):
    breaks("connection_state_known", change(make_connection(), state=state))


@pytest.mark.parametrize("category", [15, -1])
def test_connection_category(category):
    breaks(
        "connection_content_category_known", change(make_connection(), content_category=category)
    )


@pytest.mark.parametrize("graph_id", ["ab", "a-b", "a b c", "abc\n", ""])
def test_connection_id_form(graph_id):
    breaks("connection_id_form", change(make_connection(), graph_id=graph_id))


@pytest.mark.parametrize("graph_id", ["Teams", "MICROSOFT365", "microsoftx"])
def test_connection_id_reserved(graph_id):
    breaks("connection_id_not_reserved", change(make_connection(), graph_id=graph_id))


@pytest.mark.parametrize("name", ["", "   ", "\t\n"])
def test_connection_name_blank(name):
    breaks("connection_name_length", change(make_connection(), name=name))


@pytest.mark.parametrize("graph_id", ["", ".", "..", "a/b", "a b", "a\n", "é"])
def test_operation_id_form(graph_id):
    breaks("operation_id_form", change(report(make_connection()), graph_id=graph_id))


def test_operation_triage():
    breaks("operation_triage_known", change(fail_registration(make_connection()), triage="zzz"))


def test_registration_without_payload():
    operation = request_registration(make_connection())
    breaks("operation_registration_has_payload", change(operation, payload=None))


def test_schema_base_type():
    schema = register_schema(make_connection()).registered_schema
    breaks("schema_base_type", change(schema, base_type="zzz"))


@pytest.mark.parametrize("field", ["action", "channel", "actor_kind"])
def test_change_words(field):
    change_record = Change.objects.filter(pk=Change.record(COMMAND, Action.RULE_CHANGED))
    rows = QuerySet(Change).filter(pk__in=change_record)  # past the append-only manager
    breaks(f"change_{field}_known", lambda: rows.update(**{field: "zzz"}))


@pytest.mark.parametrize("field, length", [("graph_id", 33), ("name", 129)])
def test_connection_texts_too_long(field, length):
    """PostgreSQL knows it by the column's length, SQLite by the constraint."""
    with pytest.raises((IntegrityError, DataError)), transaction.atomic():
        change(make_connection(), **{field: "x" * length})()


def test_connection_id_once_in_any_case():
    make_connection("contosohr")
    breaks("lookup_id", change(make_connection(), graph_id="CONTOSOHR"))


def test_authorized_application_once():
    app_id = uuid.uuid4()
    connection = make_connection(authorized_app_ids=[app_id])
    with pytest.raises(IntegrityError), transaction.atomic():
        AuthorizedApp.objects.create(connection=connection, app_id=app_id)


# Operations --------------------------------------------------------------------------------------


def test_operation_id_once_per_connection():
    first = report(make_connection(), graph_id="one")
    with pytest.raises(IntegrityError), transaction.atomic():
        ConnectionOperation.objects.create(connection=first.connection, graph_id="one")
    report(make_connection(), graph_id="one")  # another connection may have it
    report(first.connection, graph_id="ONE")  # and ids tell case apart


def test_one_unfinished_registration():
    connection = make_connection()
    request_registration(connection)
    with pytest.raises(IntegrityError), transaction.atomic():
        ConnectionOperation.objects.create(
            connection=connection,
            kind=Kind.SCHEMA_REGISTRATION,
            status=OperationStatus.INPROGRESS,
        )


@pytest.mark.parametrize("status", [5, -1])
def test_operation_status(status):
    breaks("operation_status_known", change(report(make_connection()), status=status))


def test_operation_kind():
    breaks("operation_kind_known", change(report(make_connection()), kind="imported"))


@pytest.mark.parametrize(
    "column, value",
    [
        ("error_code", "A"),
        ("error_message", ""),
        ("error_target", "schema"),
        ("error_details", []),
        ("error_inner", {"code": "A"}),
    ],
)
def test_an_error_only_with_failed(column, value):
    for status in ("unspecified", "inprogress", "completed"):
        operation = report(make_connection(), status=status)
        breaks("operation_error_only_when_failed", change(operation, **{column: value}))
    failed = report(make_connection(), status="failed")
    assert change(failed, **{column: value})() == 1


def test_finished_if_and_only_if_terminal():
    for status in ("unspecified", "inprogress"):
        operation = report(make_connection(), status=status)
        breaks("operation_finished_iff_terminal", change(operation, finished_at=timezone.now()))
    for status in ("completed", "failed"):
        operation = report(make_connection(), status=status)
        breaks("operation_finished_iff_terminal", change(operation, finished_at=None))


@pytest.mark.parametrize(
    "status", [OperationStatus.UNSPECIFIED, OperationStatus.UNKNOWN_FUTURE_VALUE]
)
def test_the_worker_has_three_statuses(status):
    operation = request_registration(make_connection())
    breaks("operation_worker_status", change(operation, status=status))


@pytest.mark.parametrize("triage", [Triage.OPEN, Triage.ACKNOWLEDGED, Triage.SUPERSEDED])
def test_only_a_failure_is_triaged(triage):
    breaks(
        "operation_triage_only_when_failed",
        change(report(make_connection(), status="completed"), triage=triage),
    )


def test_only_a_running_registration_is_held():
    now = timezone.now()
    ended = fail_registration(make_connection())
    queued = request_registration(make_connection())
    reported = report(make_connection())
    for operation in (queued, ended, reported):
        for hold in ({"worker": "w"}, {"lease_until": now}):
            breaks("operation_lease_only_while_running", change(operation, **hold))
    assert change(queued, worker="w", lease_until=now, started_at=now)() == 1


# The others --------------------------------------------------------------------------------------


def test_schema_version_once_and_from_one():
    connection = make_connection()
    register_schema(connection)
    schema = connection.schema_in_force
    breaks("schema_version_positive", change(schema, version=0))
    with pytest.raises(IntegrityError), transaction.atomic():
        Schema.objects.create(connection=connection, version=1, base_type="x", properties=[])


def test_an_application_has_a_name():
    breaks("application_named", change(make_application(), name=""))


def test_client_ids_differ():
    one, two = make_application(), make_application()
    with pytest.raises(IntegrityError), transaction.atomic():
        Application.objects.filter(pk=two.pk).update(app_id=one.app_id)


def test_there_is_one_installation():
    Installation.current()
    breaks("installation_single", lambda: Installation.objects.create(id=2))


def test_constraints_speak_in_the_admin():
    """full_clean evaluates them, so that a form refuses with the model's own sentence."""
    connection = make_connection()
    connection.name = "x"
    connection.state = 9
    with pytest.raises(Exception, match="State must be one of Graph's connection states"):
        connection.validate_constraints()
    assert ExternalConnection.objects.get(pk=connection.pk).state != 9
