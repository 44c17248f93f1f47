"""The history: append-only, what was before and after, by whom; it outlives what it describes."""

from __future__ import annotations

import uuid

import pytest
from django.db import transaction

from operations import provisioning
from operations.models import (
    Action,
    Actor,
    ActorKind,
    Change,
    Channel,
    ConnectionOperation,
    ExternalConnection,
    OperationStatus,
)
from tests.factories import (
    COMMAND,
    WORKER,
    fail_registration,
    make_connection,
    register_schema,
    report,
    request_registration,
)

pytestmark = pytest.mark.django_db
ANNA = Actor(ActorKind.OPERATOR, "anna", Channel.ADMIN, request_id="req-1")


def actions(**filters) -> list[str]:
    return list(Change.objects.filter(**filters).order_by("id").values_list("action", flat=True))


def test_records_cannot_be_changed_or_deleted():
    Change.record(COMMAND, Action.RULE_CHANGED)
    change = Change.objects.get()
    change.note = "edited"
    for attempt in (
        change.save,
        change.delete,
        Change.objects.all().delete,
        lambda: Change.objects.update(note="edited"),
        lambda: Change.objects.filter(pk=change.pk).update(note="edited"),
    ):
        with pytest.raises(TypeError, match="append-only"):
            attempt()
    assert Change.objects.get().note == ""


def test_who_by_which_way_under_which_request():
    app_id = uuid.uuid4()
    service = Actor(ActorKind.APPLICATION, "HR connector", Channel.API, app_id, "req-9")
    connection = make_connection("contosohr")
    operation = report(connection, service)
    change = Change.objects.get(action=Action.OPERATION_REPORTED)
    assert (change.actor_kind, change.actor_name, change.actor_app_id) == (
        "application",
        "HR connector",
        app_id,
    )
    assert (change.channel, change.request_id) == ("api", "req-9")
    assert (change.connection_key, change.connection_graph_id) == (connection.pk, "contosohr")
    assert (change.operation_key, change.operation_graph_id) == (operation.pk, operation.graph_id)
    assert change.at is not None


def test_a_revision_keeps_only_what_changed():
    connection = make_connection(name="Old", description="Same")
    connection.revise(ANNA, name="New", description="Same")
    change = Change.objects.get(action=Action.CONNECTION_UPDATED)
    assert (change.before, change.after) == ({"name": "Old"}, {"name": "New"})


def test_what_changes_nothing_leaves_no_record():
    connection = make_connection()
    operation = report(connection)
    before = Change.objects.count()
    assert not connection.revise(ANNA, name=connection.name)
    assert not operation.move(ANNA, status=OperationStatus.INPROGRESS, error=None)
    assert not operation.acknowledge(ANNA)
    assert Change.objects.count() == before


def test_a_move_keeps_status_and_error():
    operation = report(make_connection())
    operation.move(ANNA, status=OperationStatus.FAILED, error={"message": "m"}, note="why")
    change = Change.objects.get(action=Action.OPERATION_FAILED)
    assert change.before == {"status": "inprogress", "error": None}
    assert change.after == {"status": "failed", "error": {"message": "m"}}
    assert (change.actor_name, change.channel, change.note) == ("anna", "admin", "why")


def test_a_registration_is_told_from_beginning_to_end():
    operation = register_schema(make_connection())
    assert actions(operation_key=operation.pk) == [
        "operation.requested",
        "operation.started",
        "operation.completed",
        "schema.inForce",
    ]
    in_force = Change.objects.get(action=Action.SCHEMA_IN_FORCE)
    assert in_force.before == {"state": "draft"}
    assert in_force.after == {"version": 1, "state": "ready"}
    assert in_force.actor_name == WORKER


def test_the_second_version_changes_no_state():
    connection = make_connection()
    register_schema(connection)
    register_schema(connection)
    latest = Change.objects.filter(action=Action.SCHEMA_IN_FORCE).first()
    assert (latest.before, latest.after) == (None, {"version": 2})


def test_a_retry_names_what_it_retries():
    failed = fail_registration(make_connection())
    provisioning.retry(failed, ANNA, "try again")
    change = Change.objects.get(action=Action.OPERATION_RETRIED)
    assert change.after["retryOf"] == failed.graph_id
    assert change.note == "try again"


def test_history_outlives_the_operation():
    operation = report(make_connection(), status="completed")
    key = operation.pk
    operation.remove(ANNA)
    assert not ConnectionOperation.objects.exists()
    assert actions(operation_key=key) == ["operation.reported", "operation.deleted"]
    deleted = Change.objects.get(action=Action.OPERATION_DELETED)
    assert deleted.before == {"status": "completed", "error": None}


def test_history_outlives_the_connection_and_tells_incarnations_apart():
    first = make_connection("contosohr", name="First")
    key = first.pk
    request_registration(first)
    provisioning.request_deletion(first, ANNA)
    assert not ExternalConnection.objects.exists()
    second = make_connection("contosohr", name="Second")
    assert actions(connection_key=key) == [
        "connection.created",
        "operation.requested",
        "connection.deletionRequested",
        "connection.purged",
    ]
    assert actions(connection_key=second.pk) == ["connection.created"]
    requested = Change.objects.get(action=Action.CONNECTION_DELETION_REQUESTED)
    assert requested.before["name"] == "First"


def test_a_refused_change_leaves_no_record(monkeypatch):
    """The record is written in the transaction of the change: both or neither."""
    connection = make_connection()
    before = Change.objects.count()

    def break_down(*args, **kwargs):
        raise RuntimeError("no record")

    monkeypatch.setattr(Change, "values", break_down)
    for attempt in (
        lambda: report(connection),
        lambda: connection.revise(ANNA, name="New"),
        lambda: request_registration(connection),
        lambda: provisioning.request_deletion(connection, ANNA),
    ):
        with pytest.raises(RuntimeError), transaction.atomic():
            attempt()
    connection.refresh_from_db()
    assert connection.name != "New"
    assert connection.deleting_since is None
    assert not connection.operations.exists()
    assert Change.objects.count() == before


def test_long_names_are_cut_to_the_column():
    Change.record(
        Actor(ActorKind.OPERATOR, "n" * 300, Channel.ADMIN, request_id="r" * 100),
        Action.RULE_CHANGED,
        subject="s" * 300,
    )
    change = Change.objects.get()
    assert (len(change.actor_name), len(change.request_id), len(change.subject)) == (200, 64, 200)
