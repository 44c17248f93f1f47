"""Ids of connections: their form, the reserved ones, and who has one already."""

from __future__ import annotations

import uuid

import pytest
from django.utils import timezone

from operations.errors import (
    ConnectionBeingDeleted,
    InvalidRequest,
    InvalidStateTransition,
    ItemNotFound,
    NameAlreadyExists,
)
from operations.models import ConnectionState, ExternalConnection
from operations.models.connection import RESERVED_IDS, connection_id_fault
from tests.factories import COMMAND, make_connection

pytestmark = pytest.mark.django_db
FORM = "Property 'id' must be 3 to 32 characters, letters A-Z a-z and digits only."


@pytest.mark.parametrize("graph_id", ["abc", "contosohr", "A1b2C3", "1" * 32, "xMicrosoft"])
def test_good_ids(graph_id):
    assert make_connection(graph_id).graph_id == graph_id


@pytest.mark.parametrize(
    "graph_id",
    ["", "ab", "a" * 33, "contoso-hr", "contoso_hr", "contoso hr", "contoso.hr", "größe", "abc\n"],
)
def test_bad_ids(graph_id):
    with pytest.raises(InvalidRequest) as refusal:
        ExternalConnection.objects.register(COMMAND, graph_id=graph_id, name="Bad")
    assert str(refusal.value) == FORM
    assert refusal.value.inner_code == "InvalidIdentifier"
    assert not ExternalConnection.objects.exists()


@pytest.mark.parametrize(
    "graph_id",
    [
        "None",
        "Directory",
        "Exchange",
        "ExchangeArchive",
        "LinkedIn",
        "Mailbox",
        "OneDriveBusiness",
        "SharePoint",
        "Teams",
        "Yammer",
        "Connectors",
        "TaskFabric",
        "PowerBI",
        "Assistant",
        "TopicEngine",
        "sharepoint",
        "TEAMS",
        "Microsoft",
        "microsofthr",
        "MICROSOFT365",
    ],
)
def test_reserved_ids(graph_id):
    with pytest.raises(InvalidRequest) as refusal:
        ExternalConnection.objects.register(COMMAND, graph_id=graph_id, name="Reserved")
    assert str(refusal.value) == (
        f"Property 'id' must not be '{graph_id}': this id is reserved, and so is every id that "
        "begins with Microsoft."
    )
    assert refusal.value.inner_code == "ReservedIdentifier"


def test_every_reserved_id_is_refused():
    assert len(RESERVED_IDS) == 16
    assert all(connection_id_fault(name) for name in RESERVED_IDS)


@pytest.mark.parametrize("again", ["contosohr", "ContosoHR", "CONTOSOHR"])
def test_an_id_is_taken_in_any_case(again):
    make_connection("ContosoHr")
    with pytest.raises(NameAlreadyExists) as refusal:
        make_connection(again)
    assert str(refusal.value) == "A connection with the id 'ContosoHr' already exists."
    assert ExternalConnection.objects.count() == 1


def test_an_id_is_not_free_while_its_connection_is_being_deleted():
    connection = make_connection("contosohr")
    ExternalConnection.objects.filter(pk=connection.pk).update(deleting_since=timezone.now())
    with pytest.raises(ConnectionBeingDeleted) as refusal:
        make_connection("CONTOSOHR")
    assert "'contosohr' is still being deleted" in str(refusal.value)
    assert "free again when its deletion ends" in str(refusal.value)


def test_an_id_is_free_again_once_it_is_deleted():
    first = make_connection("contosohr")
    first.delete()
    assert make_connection("contosohr").pk != first.pk


def test_a_new_connection_is_a_draft():
    assert make_connection().state == ConnectionState.DRAFT


def test_authorized_applications_keep_their_order_and_stand_once():
    one, two = uuid.uuid4(), uuid.uuid4()
    connection = make_connection(authorized_app_ids=[two, one, two])
    assert connection.authorized_app_ids == [two, one]
    assert connection.revise(COMMAND, authorized_app_ids=[one])
    assert connection.authorized_app_ids == [one]


def test_revise_sets_what_is_given_and_leaves_the_rest():
    connection = make_connection(name="Old", description="Kept")
    assert connection.revise(COMMAND, name="New")
    assert (connection.name, connection.description) == ("New", "Kept")
    assert not connection.revise(COMMAND, name="New")


def test_an_obsolete_connection_is_not_revised():
    connection = make_connection(state=ConnectionState.OBSOLETE)
    for values in ({"name": "New"}, {"name": "New", "state": ConnectionState.OBSOLETE}):
        with pytest.raises(InvalidStateTransition) as refusal:
            connection.revise(COMMAND, **values)
        assert str(refusal.value) == (
            f"Connection '{connection.graph_id}' is obsolete. In this state it can only be read "
            "and deleted."
        )
    connection.refresh_from_db()
    assert connection.name != "New"


def test_a_state_can_be_set_away_from_obsolete():
    connection = make_connection(state=ConnectionState.OBSOLETE)
    assert connection.revise(COMMAND, state=ConnectionState.READY, name="Back")
    assert (connection.state, connection.name) == (ConnectionState.READY, "Back")


def test_a_connection_being_deleted_is_not_found():
    connection = make_connection()
    ExternalConnection.objects.filter(pk=connection.pk).update(deleting_since=timezone.now())
    with pytest.raises(ItemNotFound) as refusal:
        connection.revise(COMMAND, name="New")
    assert str(refusal.value) == "'Connection' was not found."
