"""The demo data: all there is to see, once, and nothing of anybody else's touched."""

from __future__ import annotations

import io

import pytest
from django.core.management import CommandError, call_command
from django.db.models import F
from django.utils import timezone

from operations import groups, provisioning
from operations.demo.company import DEMOS
from operations.demo.contents import CONTENTS
from operations.item_rules import ACL_TYPES, Shape, read_item
from operations.models import (
    Action,
    ActivityType,
    Application,
    Change,
    ConnectionOperation,
    ConnectionState,
    ExternalActivity,
    ExternalConnection,
    ExternalGroup,
    ExternalItem,
    GroupMember,
    ItemTally,
    Kind,
    OperationStatus,
    OutcomeRule,
    Triage,
)
from operations.public_error import parse_public_error
from operations.schema_rules import read_schema
from tests.factories import COMMAND, claim, make_application, make_connection, report, work_off

pytestmark = pytest.mark.django_db


def seed(*args: str) -> str:
    out = io.StringIO()
    call_command("seed_demo", *args, stdout=out)
    return out.getvalue()


def test_it_says_what_it_made_in_one_line():
    assert seed() == (
        f"Demo: 10 connections and {ConnectionOperation.objects.count()} operations made, with "
        f"{ExternalItem.objects.count()} items and {ExternalGroup.objects.count()} groups in them, "
        "owned by nobody.\n"
    )
    assert ExternalConnection.objects.count() == 10


def test_every_state_status_kind_and_triage_is_there():
    seed()
    held = ConnectionOperation.objects.values_list
    assert set(ExternalConnection.objects.values_list("state", flat=True)) == set(ConnectionState)
    assert set(held("status", flat=True)) == set(OperationStatus)
    assert set(held("triage", flat=True)) == set(Triage)
    assert set(held("kind", flat=True)) == set(Kind)


def test_the_example_of_the_seed_documents():
    seed()
    operation = ConnectionOperation.objects.get(
        connection__graph_id="contosohr", graph_id="3ed1595a-4bae-43c2-acda-ef973e581323"
    )
    assert operation.graph() == {
        "id": "3ed1595a-4bae-43c2-acda-ef973e581323",
        "status": "failed",
        "error": {"message": "Server error, something went wrong"},
    }


def test_every_shape_of_an_error_is_there_and_obeys_the_rules():
    seed()
    failed = ConnectionOperation.objects.filter(status=OperationStatus.FAILED)
    errors = [operation.error for operation in failed]
    shapes = {tuple(error or ()) for error in errors}
    assert {
        (),
        ("message",),
        ("code", "message"),
        ("code", "message", "target"),
        ("code", "message", "target", "details"),
        ("code", "message", "innerError"),
    } <= shapes
    assert any(error and len(error.get("message", "")) > 5000 for error in errors)
    assert any(error and "<body onload" in error.get("message", "") for error in errors)
    for error in errors:
        assert error is None or parse_public_error(error) == error


def test_queued_and_running_are_out_of_the_workers_reach():
    seed()
    unfinished = ConnectionOperation.objects.worker_unfinished()
    assert unfinished.filter(started_at=None).count() == 1
    assert unfinished.filter(started_at__isnull=False, lease_until__gt=timezone.now()).count() == 1
    before = list(unfinished.values().order_by("pk"))
    assert claim("worker") is None
    assert work_off() == 0
    assert list(unfinished.values().order_by("pk")) == before


def test_schemas_are_valid_and_one_has_two_versions():
    seed()
    versions = [c.schemas.count() for c in ExternalConnection.objects.all()]
    assert max(versions) == 2
    for connection in ExternalConnection.objects.all():
        before = None
        for schema in connection.schemas.order_by("version"):
            assert read_schema(schema.document, before)[1] == []
            assert schema.operation.status == OperationStatus.COMPLETED
            before = schema.document


def test_states_fit_the_schemas():
    seed()
    for connection in ExternalConnection.objects.exclude(
        state=ConnectionState.UNKNOWN_FUTURE_VALUE
    ):
        is_draft = connection.state == ConnectionState.DRAFT
        assert (connection.schema_in_force is None) == is_draft, connection


def test_a_chain_of_retries():
    seed()
    last = ConnectionOperation.objects.get(retry_of__retry_of__isnull=False)
    first = last.retry_of.retry_of
    assert first.connection == last.connection
    assert first.created_at < last.retry_of.created_at < last.created_at
    assert provisioning.retry(last, COMMAND).retry_of == last


def test_ids_of_every_form():
    seed()
    ids = set(ConnectionOperation.objects.values_list("graph_id", flat=True))
    assert "1.weu-b.0251D560C889F660594C3F098392B322.98B2D9481B87CDDEBDF3DABCB52A9D22" in ids


def test_the_rule_is_of_a_demo_connection():
    seed()
    rules = OutcomeRule.objects.all()
    assert rules.count() == 1
    assert all(rule.connection is not None for rule in rules)


def test_a_history_of_two_weeks():
    now = timezone.now()
    seed()
    operations = ConnectionOperation.objects.all()
    days = {(now - operation.created_at).days for operation in operations}
    assert days >= set(range(14))
    assert max(days) <= 15
    assert not operations.filter(created_at__gt=now).exists()
    assert not operations.filter(finished_at__gt=timezone.now()).exists()
    assert not operations.filter(finished_at__lt=F("started_at")).exists()
    assert not operations.filter(changed_at__gt=now).exists()
    ordered = list(operations.order_by("id").values_list("created_at", flat=True))
    assert ordered == sorted(ordered)
    changes = list(Change.objects.order_by("id").values_list("at", flat=True))
    assert changes == sorted(changes)
    assert changes[-1] <= timezone.now()


def test_every_operation_has_a_history():
    seed()
    told = set(Change.objects.values_list("operation_key", flat=True))
    assert set(ConnectionOperation.objects.values_list("pk", flat=True)) <= told
    for operation in ConnectionOperation.objects.filter(status__in=(2, 3)):
        ends = Change.objects.filter(
            operation_key=operation.pk,
            action__in=(Action.OPERATION_COMPLETED, Action.OPERATION_FAILED),
        )
        assert [change.after for change in ends] == [operation.snapshot()]


# What is in them --------------------------------------------------------------------------------


def test_items_obey_the_schema_in_force_and_are_counted():
    seed()
    connections = ExternalConnection.objects.filter(items__isnull=False).distinct()
    assert {connection.graph_id for connection in connections} == set(CONTENTS)
    for connection in connections:
        shape = Shape.of(connection.schema_in_force.document)
        items = list(connection.items.all())
        assert ItemTally.objects.items(connection.pk) == len(items)
        for item in items:
            sent = {name: value for name, value in item.graph().items() if value is not None}
            assert read_item(sent, shape, graph_id=item.graph_id)[1] == []
            assert item.changed_by == CONTENTS[connection.graph_id].by
    assert ItemTally.objects.items() == ExternalItem.objects.count() == 31


def test_access_lists_of_every_kind_and_items_of_every_form():
    seed()
    items = list(ExternalItem.objects.all())
    entries = [entry for item in items for entry in item.acl]
    assert {entry["type"] for entry in entries} == set(ACL_TYPES) - {"unknownFutureValue"}
    assert {entry["accessType"] for entry in entries} == {"grant", "deny"}
    assert [] in [item.acl for item in items], "one that nobody may read"
    assert {item.content["type"] for item in items if item.content} == {"text", "html"}
    assert any(item.content is None for item in items)
    assert any(item.label for item in items)
    assert any("/" in item.graph_id for item in items)
    assert {activity.kind for activity in ExternalActivity.objects.all()} == set(ActivityType)


def test_two_groups_lead_to_each_other_and_are_in_access_lists():
    seed()
    connection = ExternalConnection.objects.get(graph_id="servicedesk")
    assert {str(group) for group in connection.groups.all()} == {"desk", "on-call"}
    for start in ("desk", "on-call"):
        assert groups.reached_from(connection.pk, [start]) == {"desk", "on-call"}
    named = {entry["value"] for item in connection.items.all() for entry in item.acl}
    assert {"desk", "on-call"} <= named
    made = Change.objects.filter(action=Action.GROUP_CREATED)
    assert {(change.channel, change.actor_name) for change in made} == {("api", "Ticket sync")}


def test_what_holds_items_has_the_state_that_it_shows():
    seed()
    full = ExternalConnection.objects.get(graph_id="financeshare")
    assert (full.state, full.limited_by) == (ConnectionState.LIMIT_EXCEEDED, "")
    retired = ExternalConnection.objects.get(graph_id="legacyintranet")
    assert retired.state == ConnectionState.OBSOLETE
    assert full.items.exists() and retired.items.exists()


def test_an_installation_without_room_gets_no_items(settings):
    settings.ITEMS_IN_ALL = 10
    seed()
    assert 0 < ExternalItem.objects.count() < 10
    assert not ExternalConnection.objects.exclude(limited_by="").exists()


# Owner -------------------------------------------------------------------------------------------


def test_the_first_enabled_application_owns_it():
    disabled = make_application()
    Application.objects.filter(pk=disabled.pk).update(enabled=False)
    first = make_application(name="First client")
    make_application()
    assert ", owned by First client." in seed()
    owners = set(ExternalConnection.objects.values_list("owner_app_id", flat=True))
    assert owners == {first.app_id}


def test_the_owner_can_be_named():
    make_application()
    second = make_application()
    seed("--owner", str(second.app_id))
    owners = set(ExternalConnection.objects.values_list("owner_app_id", flat=True))
    assert owners == {second.app_id}


@pytest.mark.parametrize(
    "owner, sentence",
    [
        ("nobody", "--owner must be a client id, a GUID, not 'nobody'."),
        (
            "3ed1595a-4bae-43c2-acda-ef973e581323",
            "No application has the client id 3ed1595a-4bae-43c2-acda-ef973e581323.",
        ),
    ],
)
def test_refused_owners(owner, sentence):
    with pytest.raises(CommandError) as refusal:
        seed("--owner", owner)
    assert str(refusal.value) == sentence
    assert not ExternalConnection.objects.exists()


# Again, and beside other data --------------------------------------------------------------------


EVERYTHING = (
    *(ExternalConnection, ConnectionOperation, Change, OutcomeRule, ExternalItem, ItemTally),
    *(ExternalGroup, GroupMember, ExternalActivity),
)


def everything() -> list:
    return [list(model.objects.order_by("pk").values()) for model in EVERYTHING]


def test_running_it_again_changes_nothing():
    make_application()
    seed()
    before = everything()
    assert "0 connections and 0 operations made" in seed()
    assert everything() == before


def test_what_was_edited_stays_and_what_was_deleted_comes_back():
    seed()
    wiki = ExternalConnection.objects.get(graph_id="engineeringwiki")
    wiki.revise(COMMAND, name="Renamed")
    gone = ExternalConnection.objects.get(graph_id="productcatalog")
    provisioning.request_deletion(gone, COMMAND)
    assert "1 connections and 0 operations made" in seed()
    wiki.refresh_from_db()
    assert wiki.name == "Renamed"
    assert ExternalConnection.objects.filter(graph_id="productcatalog").exists()


def test_what_nobody_owned_gets_an_owner_later():
    seed()
    owner = make_application()
    assert "10 connections were there, 10 of them got their owner" in seed()
    owners = set(ExternalConnection.objects.values_list("owner_app_id", flat=True))
    assert owners == {owner.app_id}
    updated = Change.objects.filter(action=Action.CONNECTION_UPDATED)
    assert updated.count() == 10
    seed()
    assert updated.count() == 10


def test_an_owner_is_not_taken_from_another():
    first, second = make_application(), make_application()
    seed("--owner", str(first.app_id))
    seed("--owner", str(second.app_id))
    owners = set(ExternalConnection.objects.values_list("owner_app_id", flat=True))
    assert owners == {first.app_id}


def test_other_data_is_left_alone():
    theirs = make_connection("ContosoHR", name="Theirs", owner=make_application())
    reported = report(theirs, graph_id="3ed1595a-4bae-43c2-acda-ef973e581323")
    before = (theirs.name, theirs.owner_app_id, theirs.changed_at)
    line = seed("--owner", str(make_application().app_id))
    assert line.endswith("; left alone, because the id is in other use: contosohr.\n")
    assert "9 connections" in line
    theirs.refresh_from_db()
    assert (theirs.name, theirs.owner_app_id, theirs.changed_at) == before
    assert list(theirs.operations.all()) == [reported]


def test_it_is_all_or_nothing(monkeypatch):
    def break_down(*args, **kwargs):
        raise RuntimeError("disk full")

    monkeypatch.setattr("operations.demo.making._bring_into_force", break_down)
    with pytest.raises(RuntimeError):
        seed()
    assert not ExternalConnection.objects.exists()
    assert not Change.objects.exists()


def test_names_and_ids_obey_the_rules():
    assert len({demo.graph_id for demo in DEMOS}) == len(DEMOS)
    seed()
    for connection in ExternalConnection.objects.all():
        connection.full_clean(exclude=["lookup_id"])
    for operation in ConnectionOperation.objects.all():
        operation.full_clean()
