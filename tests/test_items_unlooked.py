"""A PUT does not look at the connection first that this process saw before: the write does.

What another process changes in between must count at once, and be answered as by a first look.
"""

from __future__ import annotations

import pytest
from django.utils import timezone

from operations import access
from operations.models import AuthorizedApp, ConnectionState, ExternalConnection, ExternalItem
from tests.factories import a_property, a_schema, make_application, register_schema
from tests.graph import ITEMS_OWNED, ITEMS_READ_ALL, OWNED, GraphClient, assert_refused
from tests.item_bodies import item
from tests.ready import ITEMS, make_ready, put, ready, tallied


@pytest.fixture
def graph(db):
    graph = ready()
    put(graph, f"{ITEMS}/seen", item())
    return graph


@pytest.fixture
def looks(monkeypatch):
    """How often a connection was looked at."""
    counted = []
    look = access.find_container

    def counting(*args, **kwargs):
        counted.append(args)
        return look(*args, **kwargs)

    monkeypatch.setattr(access, "find_container", counting)
    return counted


def change(**values) -> ExternalConnection:
    """As another process does it."""
    connection = ExternalConnection.objects.get(graph_id="contosohr")
    ExternalConnection.objects.filter(pk=connection.pk).update(**values)
    return connection


def not_written(name: str = "new") -> None:
    assert not ExternalItem.objects.filter(graph_id=name).exists()
    assert tallied() == 1


@pytest.mark.parametrize("path", (ITEMS, ITEMS.replace("contosohr", "ContosoHR")))
def test_what_was_seen_is_not_looked_at_again(graph, looks, path):
    body = put(graph, f"{path}/new", item())
    assert body["id"] == "new" and "connections('contosohr')/items" in body["@odata.context"]
    put(graph, f"{path}/new", item())
    assert looks == []
    assert ExternalItem.objects.get(graph_id="new").version == 2 and tallied() == 2


@pytest.mark.parametrize("state", ("draft", "obsolete"))
def test_a_new_state_counts_at_once(graph, looks, state):
    change(state=ConnectionState.from_word(state))
    response = graph.put(f"{ITEMS}/new", item())
    error = assert_refused(response, 409, "Conflict", target="state")
    assert error["innerError"]["state"] == state
    assert looks
    not_written()


def test_a_deletion_counts_at_once(graph):
    change(deleting_since=timezone.now())
    assert_refused(graph.put(f"{ITEMS}/new", item()), 404, "ItemNotFound")
    not_written()


def test_another_connection_of_the_same_id_is_another_one(graph):
    gone = change(deleting_since=timezone.now(), lookup_id=None)
    ExternalConnection.objects.filter(pk=gone.pk).update(graph_id="before")
    new = make_ready(owner=graph.application)
    put(graph, f"{ITEMS}/new", item())
    assert ExternalItem.objects.get(graph_id="new").connection_id == new.pk
    assert tallied(new) == 1


def test_an_owner_who_no_longer_is_one_does_not_see_it(graph):
    change(owner_app_id=make_application(OWNED, ITEMS_OWNED).app_id)
    assert_refused(graph.put(f"{ITEMS}/new", item()), 404, "ItemNotFound")
    not_written()


def test_one_who_is_no_longer_authorized_does_not_see_it(graph):
    other = make_application(ITEMS_OWNED)
    connection = ExternalConnection.objects.get()
    listed = AuthorizedApp.objects.create(connection=connection, app_id=other.app_id)
    put(GraphClient(other), f"{ITEMS}/seen", item())
    listed.delete()
    assert_refused(GraphClient(other).put(f"{ITEMS}/new", item()), 404, "ItemNotFound")
    not_written()


def test_one_who_sees_all_must_manage_it_all_the_same(graph):
    reader = GraphClient(make_application(ITEMS_OWNED, ITEMS_READ_ALL))
    assert_refused(reader.put(f"{ITEMS}/new", item()), 403, "Forbidden")
    not_written()
    AuthorizedApp.objects.create(
        connection=ExternalConnection.objects.get(), app_id=reader.application.app_id
    )
    put(reader, f"{ITEMS}/new", item())


def test_a_new_schema_counts_at_once(graph, looks):
    connection = ExternalConnection.objects.get()
    properties = ExternalConnection.objects.get().schemas.latest("version").document["properties"]
    register_schema(connection, a_schema(*properties, a_property("more", type="int64")))
    body = item(properties={"more": 5})
    assert put(graph, f"{ITEMS}/new", body)["properties"]["more"] == 5
    assert len(looks) == 1
    put(graph, f"{ITEMS}/new", body)
    assert len(looks) == 1


def test_what_is_wrong_is_said_as_ever(graph, looks):
    first = graph.put(f"{ITEMS}/new", item(properties={"size": "large", "nothing": 1}))
    error = assert_refused(first, 400, "InvalidRequest")
    assert [each["target"] for each in error["details"]] == [
        "properties/size",
        "properties/nothing",
    ]
    assert len(looks) == 1
    for path, body, code, says in (
        (f"{ITEMS}/new?$select=id", item(), "BadRequest", "$select"),
        (f"{ITEMS}/{'n' * 129}", item(), "InvalidRequest", "128"),
        (f"{ITEMS}/new", "{", "BadRequest", "JSON"),
    ):
        assert_refused(graph.put(path, body), 400, code, says=says)
    not_written()


def test_near_a_limit_there_is_a_look(graph, looks, settings):
    settings.ITEMS_PER_CONNECTION = 2
    put(graph, f"{ITEMS}/second", item())
    assert looks
    error = assert_refused(graph.put(f"{ITEMS}/third", item()), 409, "Conflict")
    assert error["innerError"]["code"] == "LimitExceeded"
    assert tallied() == 2


def test_a_condition_is_looked_at(graph, looks):
    response = graph.put(f"{ITEMS}/seen", item(), If_None_Match="*")
    assert_refused(response, 412, "PreconditionFailed")
    assert len(looks) == 1


def test_no_more_connections_are_kept_than_said(graph, monkeypatch):
    monkeypatch.setattr(access, "MOST_SEEN", 2)
    for name in ("first", "second", "third"):
        make_ready(name, owner=graph.application)
        put(graph, ITEMS.replace("contosohr", name) + "/a", item())
        assert len(access._seen) <= 2


def test_a_letter_that_only_looks_like_one_of_an_id_names_nothing(graph):
    """KELVIN SIGN is a k in small letters."""
    make_ready("kontoso", owner=graph.application)
    put(graph, ITEMS.replace("contosohr", "kontoso") + "/a", item())
    path = ITEMS.replace("contosohr", "%E2%84%AAontoso") + "/b"
    assert_refused(graph.put(path, item()), 404, "ItemNotFound")


def test_a_part_of_a_batch_that_calls_itself_chunked_is_read_once(graph):
    part = {
        "id": "1",
        "method": "PUT",
        "url": "/connections/contosohr/items/new",
        "headers": {"Content-Type": "application/json", "Transfer-Encoding": "chunked"},
        "body": ["x"],
    }
    [answered] = graph.post("/v1.0/$batch", {"requests": [part]}).json()["responses"]
    assert answered["status"] == 400
    assert "must be a JSON object" in answered["body"]["error"]["message"]
