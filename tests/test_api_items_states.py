"""Which call on items a connection's state allows (graph-contract 2.3); the 409 names the state."""

from __future__ import annotations

import pytest

from operations import provisioning
from operations.models import ConnectionState, ExternalConnection, ExternalItem, Schema
from tests.factories import COMMAND, make_application, make_connection, work_off
from tests.graph import ITEMS_OWNED, OWNED, GraphClient, assert_refused
from tests.item_bodies import item
from tests.ready import HERE, ITEMS, put, ready, tallied

ACTIVITY = {
    "type": "viewed",
    "startDateTime": "2024-05-31T08:30:00Z",
    "performedBy": {"id": "u", "type": "user"},
}
ACTIVITIES = {"activities": [ACTIVITY]}
#: Method, path below the items, body, status where it is allowed.
READ = [
    ("GET", "", None, 200),
    ("GET", "/$count", None, 200),
    ("GET", "/a", None, 200),
    ("GET", "/a/activities", None, 200),
]
CREATE = [("PUT", "/new", item(), 200), ("POST", "", item(id="new"), 201)]
CHANGE = [
    ("PUT", "/a", item(acl=[]), 200),
    ("PATCH", "/a", {"acl": []}, 200),
    ("POST", "/a/addActivities", ACTIVITIES, 200),
    ("POST", "/a/microsoft.graph.externalConnectors.addActivities", ACTIVITIES, 200),
    ("DELETE", "/a", None, 204),
]
#: State: what may be done in it.
ALLOWED = {
    "draft": [],
    "ready": [READ, CREATE, CHANGE],
    "obsolete": [READ],
    "limitExceeded": [READ, CHANGE],
}
CELLS = [
    pytest.param(state, call, calls in allowed, id=f"{state}: {call[0]} {call[1] or '/'}")
    for state, allowed in ALLOWED.items()
    for calls in (READ, CREATE, CHANGE)
    for call in calls
]


@pytest.fixture
def graph(db):
    graph = ready()
    put(graph, f"{ITEMS}/a", item())
    return graph


def set_state(word: str) -> None:
    """By hand, as an administrator may."""
    connection = ExternalConnection.objects.get(graph_id="contosohr")
    connection.revise(COMMAND, state=ConnectionState.from_word(word))


def send(graph: GraphClient, call: tuple):
    method, path, body, _ = call
    return graph.request(method, f"{ITEMS}{path}", body)


@pytest.mark.parametrize("state, call, allowed", CELLS)
def test_the_matrix(graph, state, call, allowed):
    set_state(state)
    response = send(graph, call)
    if allowed:
        assert response.status_code == call[-1], response.content
        return
    inner = "LimitExceeded" if state == "limitExceeded" else "InvalidStateTransition"
    error = assert_refused(
        response,
        409,
        "Conflict",
        inner=inner,
        target="state",
        says=f"'contosohr' is in state '{state}'",
    )
    assert error["innerError"]["state"] == state
    assert [row.graph_id for row in ExternalItem.objects.all()] == ["a"]
    assert tallied() == 1


@pytest.mark.parametrize("state", ["draft", "obsolete", "limitExceeded"])
def test_a_body_is_not_read_where_the_state_forbids_it(graph, state):
    """Whoever comes too early learns that first, and not what is wrong with the body."""
    set_state(state)
    response = graph.put(f"{ITEMS}/new", "{no json")
    if state == "limitExceeded":  # it may be a replacement
        assert_refused(response, 400, "BadRequest", inner="InvalidJson")
    else:
        assert_refused(response, 409, "Conflict", inner="InvalidStateTransition")


def test_what_a_draft_lacks_is_said(graph):
    set_state("draft")
    for call in (*READ, *CREATE, *CHANGE):
        error = assert_refused(send(graph, call), 409, "Conflict")
        assert error["message"].endswith("Register a schema first.")
        assert "in state 'ready'" in error["message"]


def test_a_state_that_allows_nothing_is_told_in_a_batch_too(graph):
    set_state("obsolete")
    part = {"id": "1", "method": "DELETE", "url": "/connections/contosohr/items/a"}
    [answered] = graph.post("/v1.0/$batch", {"requests": [part]}).json()["responses"]
    assert answered["status"] == 409
    assert answered["body"]["error"]["innerError"]["state"] == "obsolete"


@pytest.mark.parametrize("call", [*READ, *CREATE, *CHANGE], ids=lambda call: f"{call[0]} {call[1]}")
def test_ready_without_a_schema(graph, call):
    """By hand a draft can be made ready. What no schema is needed for goes on."""
    Schema.objects.all().delete()
    response = send(graph, call)
    if call[0] in ("PUT", "PATCH") or call in CREATE:
        error = assert_refused(
            response,
            409,
            "Conflict",
            inner="InvalidStateTransition",
            target="state",
            says="Connection 'contosohr' has no schema in force. Register one before",
        )
        assert error["innerError"]["state"] == "ready"
    else:
        assert response.status_code == call[-1]


@pytest.mark.parametrize("call", [*READ, *CREATE, *CHANGE], ids=lambda call: f"{call[0]} {call[1]}")
def test_a_connection_that_is_being_deleted_is_not_there(graph, call, settings):
    settings.PURGE_IN_REQUEST = 0
    assert graph.delete(HERE).status_code == 202
    assert ExternalConnection.objects.exists()
    error = assert_refused(send(graph, call), 404, "ItemNotFound")
    assert error["innerError"]["source"] == "Connection"


def test_one_that_comes_again_has_none_of_the_items(graph):
    assert graph.delete(HERE).status_code == 202
    work_off()
    assert graph.post("/v1.0/connections", {"id": "contosohr", "name": "B"}).status_code == 201
    assert_refused(graph.get(f"{ITEMS}/a"), 409, "Conflict", inner="InvalidStateTransition")
    assert not ExternalItem.objects.exists()


def test_while_the_first_registration_runs_there_is_no_place_for_items(db):
    application = make_application(OWNED, ITEMS_OWNED)
    connection = make_connection("contosohr", owner=application)
    graph = GraphClient(application)
    provisioning.request_registration(
        connection,
        {
            "baseType": "microsoft.graph.externalItem",
            "properties": [{"name": "title", "type": "string"}],
        },
        COMMAND,
    )
    assert_refused(graph.put(f"{ITEMS}/a", item()), 409, "Conflict", says="in state 'draft'")
    work_off()
    put(graph, f"{ITEMS}/a", item())


@pytest.mark.parametrize("state", ["draft", "obsolete", "limitExceeded"])
def test_a_state_that_is_taken_back_gives_everything_back(graph, state):
    set_state(state)
    set_state("ready")
    for call in (*READ, *CREATE[:1], *CHANGE):
        assert send(graph, call).status_code == call[-1]
