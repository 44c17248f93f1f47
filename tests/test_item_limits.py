"""Limits of items: ``limitExceeded`` is entered with the item that fills one, left by counting."""

from __future__ import annotations

import pytest

from operations import ingestion, quota
from operations.models import (
    Action,
    Actor,
    Change,
    ConnectionState,
    ExternalConnection,
    ExternalItem,
    ItemTally,
)
from tests.factories import COMMAND, make_connection
from tests.graph import assert_refused
from tests.item_bodies import item
from tests.ready import BETA, HERE, ITEMS, make_ready, put, ready, state_of, tallied

SECOND = "/v1.0/connections/second/items"
FULL = ("limitExceeded", "connection")
FULL_IN_ALL = ("limitExceeded", "all")
READY = ("ready", "")
WORKER = Actor.worker("counting")


@pytest.fixture
def graph(db, settings):
    settings.ITEMS_PER_CONNECTION, settings.ITEMS_IN_ALL = 3, 100
    return ready()


@pytest.fixture
def second(graph):
    return make_ready("second", owner=graph.application)


def fill(graph, items: str = ITEMS, ids: str = "abc") -> None:
    for graph_id in ids:
        put(graph, f"{items}/{graph_id}", item())


def refused(response, says: str = "", *, connection: str = "contosohr") -> None:
    error = assert_refused(response, 409, "Conflict", inner="LimitExceeded", target="state")
    assert error["message"].startswith(f"Connection '{connection}' is in state 'limitExceeded'.")
    assert says in error["message"]
    assert "those that are there can be replaced and deleted" in error["message"]
    assert error["innerError"]["state"] == "limitExceeded"


def changes(graph_id: str = "contosohr") -> list[tuple]:
    """What has become of a connection's state, and why."""
    found = Change.objects.filter(
        action=Action.CONNECTION_UPDATED, connection_graph_id=graph_id
    ).order_by("pk")
    return [(each.before["state"], each.after["state"], each.note) for each in found]


IN = ("ready", "limitExceeded", "The limit of items of the connection is reached.")
IN_ALL = ("ready", "limitExceeded", "The limit of items of all connections is reached.")
OUT = ("limitExceeded", "ready", "There is room for items again.")


# In ----------------------------------------------------------------------------------------------


def test_the_item_that_fills_it_is_kept_and_the_next_refused(graph):
    fill(graph, ids="ab")
    assert state_of() == READY
    response = graph.put(f"{ITEMS}/c", item())
    assert response.status_code == 200
    assert state_of() == FULL
    refused(graph.put(f"{ITEMS}/d", item()), "The limit of items of the connection is reached.")
    refused(graph.post(ITEMS, item(id="d")), "The limit of items of the connection is reached.")
    assert tallied() == ExternalItem.objects.count() == 3
    assert changes() == [IN]
    change = Change.objects.get(action=Action.CONNECTION_UPDATED)
    assert (change.actor_app_id, change.request_id, change.channel) == (
        graph.application.app_id,
        response["request-id"],
        "api",
    )


def test_a_create_fills_it_as_well(graph):
    fill(graph, ids="ab")
    assert graph.post(ITEMS, item(id="c")).status_code == 201
    assert state_of() == FULL


def test_the_state_is_read_by_everybody(graph):
    tag = graph.get(HERE)["ETag"]
    fill(graph)
    for root in (HERE, BETA):
        assert graph.get(root).json()["state"] == "limitExceeded"
    assert graph.get(HERE)["ETag"] != tag
    found = graph.get("/v1.0/connections?$filter=state eq 'limitExceeded'".replace(" ", "%20"))
    assert [row["id"] for row in found.json()["value"]] == ["contosohr"]


def test_what_is_there_is_still_read_replaced_changed_and_deleted(graph):
    fill(graph)
    assert graph.get(f"{ITEMS}/a").status_code == 200
    assert len(graph.get(ITEMS).json()["value"]) == 3
    assert put(graph, f"{ITEMS}/a", item(acl=[]))["acl"] == []
    assert graph.patch(f"{ITEMS}/b", {"acl": []}).json()["acl"] == []
    assert graph.post(ITEMS, item(id="a")).json()["error"]["innerError"]["code"] == (
        "NameAlreadyExists"
    )
    assert state_of() == FULL
    assert graph.delete(f"{ITEMS}/c").status_code == 204


def test_a_refused_create_says_so_in_a_batch(graph):
    fill(graph, ids="ab")
    parts = [
        {"id": graph_id, "method": "PUT", "url": f"/connections/contosohr/items/{graph_id}"}
        for graph_id in "cda"
    ]
    parts = [{**part, "body": item()} for part in parts]
    answered = graph.post("/v1.0/$batch", {"requests": parts}).json()["responses"]
    assert [part["status"] for part in answered] == [200, 409, 200]
    assert answered[1]["body"]["error"]["innerError"]["code"] == "LimitExceeded"


def test_a_limit_of_none(graph, settings):
    settings.ITEMS_PER_CONNECTION = 0
    refused(graph.put(f"{ITEMS}/a", item()))
    assert state_of() == FULL


@pytest.mark.parametrize("how", ["PUT", "POST", "batch"])
def test_a_limit_that_was_lowered_is_entered_by_the_create_that_it_refuses(graph, settings, how):
    fill(graph, ids="ab")
    settings.ITEMS_PER_CONNECTION = 1
    put(graph, f"{ITEMS}/a", item())
    assert state_of() == READY
    if how == "PUT":
        refused(graph.put(f"{ITEMS}/c", item()))
    elif how == "POST":
        refused(graph.post(ITEMS, item(id="c")))
    else:
        part = {"id": "1", "method": "POST", "url": "/connections/contosohr/items"}
        body = {"requests": [{**part, "body": item(id="c")}]}
        [answered] = graph.post("/v1.0/$batch", body).json()["responses"]
        assert answered["status"] == 409
    assert state_of() == FULL
    assert changes() == [IN]
    assert tallied() == 2


def test_only_if_there_is_none_creates_and_is_refused_as_well(graph):
    fill(graph)
    refused(graph.put(f"{ITEMS}/d", item(), If_None_Match="*"))
    assert_refused(graph.put(f"{ITEMS}/d", item(), If_Match="*"), 412, "PreconditionFailed")


def test_near_a_limit_creates_take_turns_and_before_they_do_not(graph, settings, monkeypatch):
    monkeypatch.setattr(quota, "MARGIN", 2)
    settings.ITEMS_PER_CONNECTION = 6
    fill(graph, ids="abcde")
    assert state_of() == READY
    fill(graph, ids="f")
    assert state_of() == FULL
    refused(graph.put(f"{ITEMS}/g", item()))
    assert tallied() == 6


# All connections ---------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["PUT", "POST"])
def test_the_limit_of_all_connections(graph, second, settings, how):
    settings.ITEMS_IN_ALL = 3
    fill(graph, ids="a")
    fill(graph, SECOND, ids="bc")
    assert (state_of(), state_of("second")) == (READY, FULL_IN_ALL)
    says = "The limit of items of all connections is reached."
    if how == "PUT":
        refused(graph.put(f"{ITEMS}/b", item()), says)
    else:
        refused(graph.post(ITEMS, item(id="b")), says)
    refused(graph.put(f"{SECOND}/d", item()), says, connection="second")
    assert state_of() == FULL_IN_ALL
    assert (changes(), changes("second")) == ([IN_ALL], [IN_ALL])
    put(graph, f"{ITEMS}/a", item())
    assert tallied() == 3


def test_the_nearer_limit_is_the_one_that_is_named(graph, second, settings):
    settings.ITEMS_IN_ALL = 4
    fill(graph)
    assert state_of() == FULL
    fill(graph, SECOND, ids="a")
    assert state_of("second") == FULL_IN_ALL


# Out ---------------------------------------------------------------------------------------------


def test_a_delete_lets_it_go(graph):
    fill(graph)
    response = graph.delete(f"{ITEMS}/b")
    assert state_of() == READY
    assert changes() == [IN, OUT]
    last = Change.objects.filter(action=Action.CONNECTION_UPDATED).latest("pk")
    assert (last.actor_app_id, last.request_id) == (
        graph.application.app_id,
        response["request-id"],
    )
    put(graph, f"{ITEMS}/d", item())
    assert state_of() == FULL
    assert changes() == [IN, OUT, IN]


def test_a_delete_that_leaves_too_many_does_not(graph, settings):
    fill(graph)
    settings.ITEMS_PER_CONNECTION = 1
    graph.delete(f"{ITEMS}/a")
    assert state_of() == FULL
    graph.delete(f"{ITEMS}/b")
    assert state_of() == FULL
    graph.delete(f"{ITEMS}/c")
    assert state_of() == READY


def test_a_raised_limit_lets_it_go_when_somebody_counts(graph, settings):
    fill(graph)
    assert not quota.settle_limited(WORKER)
    settings.ITEMS_PER_CONNECTION = 4
    assert state_of() == FULL
    assert quota.settle_limited(WORKER)
    assert state_of() == READY
    last = Change.objects.filter(action=Action.CONNECTION_UPDATED).latest("pk")
    assert (last.actor_kind, last.actor_name, last.note) == ("worker", "counting", OUT[2])
    assert not quota.settle_limited(WORKER)
    assert changes() == [IN, OUT]


def test_a_raised_limit_lets_it_go_with_the_next_create(graph, settings):
    """Before anybody has counted."""
    fill(graph)
    settings.ITEMS_PER_CONNECTION = 4
    put(graph, f"{ITEMS}/d", item())
    assert state_of() == FULL
    assert changes() == [IN, OUT, IN]
    settings.ITEMS_PER_CONNECTION = 9
    assert graph.post(ITEMS, item(id="e")).status_code == 201
    assert state_of() == READY


def test_items_that_go_elsewhere_let_it_go(graph, second, settings):
    settings.ITEMS_IN_ALL = 3
    fill(graph, ids="ab")
    fill(graph, SECOND, ids="c")
    refused(graph.put(f"{ITEMS}/d", item()))
    assert (state_of(), state_of("second")) == (FULL_IN_ALL, FULL_IN_ALL)
    keys = list(ExternalItem.objects.filter(connection=second).values_list("pk", flat=True))
    ingestion.remove_rows(second.pk, keys)  # as a connection that is deleted loses them
    second.delete()
    assert state_of() == FULL_IN_ALL
    assert quota.settle_limited(WORKER)
    assert state_of() == READY


def test_only_those_that_have_room_are_let_go(graph, second, settings):
    fill(graph)
    fill(graph, SECOND)
    graph.delete(f"{SECOND}/a")
    put(graph, f"{SECOND}/d", item())
    settings.ITEMS_IN_ALL = 6
    assert not quota.settle_limited(WORKER)
    assert (state_of(), state_of("second")) == (FULL, FULL)


def held(number: int, limit: str = "all") -> list[str]:
    """So many connections, which this limit holds."""
    return [
        make_connection(
            f"held{each:03}", state=ConnectionState.LIMIT_EXCEEDED, limited_by=limit
        ).graph_id
        for each in range(number)
    ]


def let_go() -> list[str]:
    """Those of ``held`` that are held no more."""
    there = ExternalConnection.objects.filter(graph_id__startswith="held", limited_by="")
    return list(there.order_by("graph_id").values_list("graph_id", flat=True))


def test_with_one_free_place_one_is_let_go(graph, settings):
    fill(graph, ids="ab")
    settings.ITEMS_IN_ALL = 2
    names = held(5)
    assert not quota.settle_limited(WORKER)
    assert (let_go(), Change.objects.filter(action=Action.CONNECTION_UPDATED).count()) == ([], 0)
    settings.ITEMS_IN_ALL = 3
    assert quota.settle_limited(WORKER)
    assert let_go() == names[:1]
    assert changes(names[0]) == [OUT]
    assert Change.objects.filter(action=Action.CONNECTION_UPDATED).count() == 1


def test_those_that_their_own_limit_held_need_no_place_of_all(graph, settings):
    settings.ITEMS_IN_ALL = 1
    names = held(3, "connection")
    assert quota.settle_limited(WORKER)
    assert let_go() == names


def test_no_more_than_a_hundred_are_let_go_in_one_look(graph):
    names = held(102, "connection")
    assert quota.settle_limited(WORKER)
    assert let_go() == names[:100]
    assert quota.settle_limited(WORKER)
    assert let_go() == names


@pytest.mark.parametrize("limit", ["connection", "all"])
def test_those_that_stay_held_cost_one_count(graph, settings, limit, django_assert_num_queries):
    settings.ITEMS_IN_ALL = 0
    with django_assert_num_queries(1):
        assert not quota.settle_limited(WORKER)
    held(30, limit)
    with django_assert_num_queries(2):
        assert not quota.settle_limited(WORKER)


def test_one_that_is_being_deleted_is_left_alone(graph, settings):
    fill(graph)
    settings.PURGE_IN_REQUEST = 0
    graph.delete(HERE)
    settings.ITEMS_PER_CONNECTION = 9
    assert not quota.settle_limited(WORKER)
    assert state_of() == FULL


# By hand -----------------------------------------------------------------------------------------


def set_state(state: ConnectionState) -> None:
    ExternalConnection.objects.get(graph_id="contosohr").revise(COMMAND, state=state)


def test_a_state_that_was_set_by_hand_stays(graph):
    fill(graph, ids="ab")
    set_state(ConnectionState.LIMIT_EXCEEDED)
    assert state_of() == ("limitExceeded", "")
    response = graph.put(f"{ITEMS}/c", item())
    refused(response, "is in state 'limitExceeded'. No item can be created")
    refused(graph.post(ITEMS, item(id="c")))
    put(graph, f"{ITEMS}/a", item())
    graph.delete(f"{ITEMS}/a")
    assert not quota.settle_limited(WORKER)
    assert state_of() == ("limitExceeded", "")
    set_state(ConnectionState.READY)
    put(graph, f"{ITEMS}/c", item())


def test_one_that_was_full_and_is_set_again_by_hand_stays(graph):
    fill(graph)
    set_state(ConnectionState.OBSOLETE)
    set_state(ConnectionState.LIMIT_EXCEEDED)
    graph.delete(f"{ITEMS}/a")
    assert state_of() == ("limitExceeded", "")


def test_ready_by_hand_does_not_make_room(graph):
    fill(graph)
    set_state(ConnectionState.READY)
    refused(graph.put(f"{ITEMS}/d", item()), "The limit of items of the connection is reached.")
    assert state_of() == FULL


# What is counted ---------------------------------------------------------------------------------


def test_what_remains(graph, settings):
    remaining = []
    for graph_id in ["", *"abc"]:
        if graph_id:
            put(graph, f"{ITEMS}/{graph_id}", item())
        remaining.append(graph.get(f"{BETA}/quota").json()["itemsRemaining"])
    assert remaining == [3, 2, 1, 0]


def test_how_many_were_ingested_on_beta(graph, second):
    make_connection("fresh", owner=graph.application)
    fill(graph, ids="ab")
    fill(graph, ids="a")
    graph.delete(f"{ITEMS}/b")
    counts = {"contosohr": 1, "second": 0, "fresh": None}
    for graph_id, count in counts.items():
        alone = graph.get(f"/beta/connections/{graph_id}").json()
        assert alone["ingestedItemsCount"] == count
        assert "ingestedItemsCount" not in graph.get(f"/v1.0/connections/{graph_id}").json()
    for path in ("/beta/connections", "/beta/external/connections?$orderby=id"):
        listed = graph.get(path).json()["value"]
        assert {row["id"]: row["ingestedItemsCount"] for row in listed} == counts
    path = "/beta/connections/contosohr?$select=id,ingestedItemsCount"
    assert graph.get(path).json()["ingestedItemsCount"] == 1
    text = graph.get(path, Accept="application/json;IEEE754Compatible=true").json()
    assert text["ingestedItemsCount"] == "1"


def test_a_list_counts_all_of_its_connections_at_once(graph, django_assert_max_num_queries):
    graph.get("/beta/connections")
    with django_assert_max_num_queries(10) as one:
        graph.get("/beta/connections")
    of_one = len(one)
    for number in range(5):
        make_ready(f"more{number}", owner=graph.application)
        put(graph, f"/v1.0/connections/more{number}/items/a", item())
    with django_assert_max_num_queries(of_one):
        listed = graph.get("/beta/connections").json()["value"]
    assert [row["ingestedItemsCount"] for row in listed] == [0, 1, 1, 1, 1, 1]


def test_it_is_not_counted_for_those_who_do_not_ask(graph, django_assert_max_num_queries):
    graph.get(HERE)
    with django_assert_max_num_queries(10) as queries:
        graph.get(HERE)
        graph.get("/v1.0/connections")
    assert not [each for each in queries if "itemtally" in each["sql"].lower()]


def test_counts_are_of_what_was_done_and_not_of_what_was_refused(graph):
    fill(graph, ids="ab")
    fill(graph, ids="a")
    graph.put(f"{ITEMS}/x", item(properties={}))
    graph.patch(f"{ITEMS}/x", {"acl": []})
    graph.patch(f"{ITEMS}/a", {"acl": []})
    graph.delete(f"{ITEMS}/a")
    graph.delete(f"{ITEMS}/a")
    here = ExternalConnection.objects.get(graph_id="contosohr")
    for connection_key in (0, here.pk):
        rows = ItemTally.objects.filter(connection_key=connection_key, bucket=0)
        summed = [(row.created, row.replaced, row.deleted) for row in rows]
        assert [sum(column) for column in zip(*summed, strict=True)] == [2, 2, 1]


# Statements --------------------------------------------------------------------------------------


def test_how_many_statements_a_put_and_a_get_are(graph, settings, django_assert_num_queries):
    settings.ITEMS_PER_CONNECTION = settings.ITEMS_IN_ALL = 10_000
    fill(graph, ids="a")
    # the item, if the connection is as it was, with its counts (SQLite: savepoint, the item, its
    # counts, release)
    written = 4 if settings.EMBEDDED_DATABASE else 1
    with django_assert_num_queries(written):
        put(graph, f"{ITEMS}/b", item())
    with django_assert_num_queries(written):
        put(graph, f"{ITEMS}/a", item())
    with django_assert_num_queries(2):  # the connection, the item
        assert graph.get(f"{ITEMS}/a").status_code == 200
