"""``POST /connections/{id}/items``: creates, and does not replace. Graph's clients have it."""

from __future__ import annotations

import json

import pytest

from operations.models import ExternalItem, Replay
from tests.graph import assert_refused, untagged
from tests.item_bodies import item
from tests.ready import BETA, ITEMS, SERVER, make_ready, put, ready, tallied

WAYS_IN = [
    f"/{root}/{path}/contosohr/items"
    for root in ("v1.0", "beta")
    for path in ("external/connections", "connections")
]
NEW = item(id="a")


@pytest.fixture
def graph(db):
    return ready()


@pytest.mark.parametrize("way_in", WAYS_IN)
def test_creates_through_both_roots_and_both_paths(graph, way_in):
    response = graph.post(way_in, NEW)
    assert response.status_code == 201
    root = way_in.split("/")[1]
    assert untagged(response.json()) == {
        "@odata.context": (
            f"{SERVER}/{root}/$metadata#external/connections('contosohr')/items/$entity"
        ),
        **NEW,
        "content": None,
    }
    connections = way_in.removesuffix("/contosohr/items")
    assert response["Location"] == f"{SERVER}{connections}('contosohr')/items('a')"
    assert response["ETag"] == response.json()["@odata.etag"]
    assert tallied() == 1


@pytest.mark.parametrize(
    "graph_id",
    [
        "a",
        "a/b",
        "it's",
        "100%",
        "%2F",
        "a?b#c",
        "$count",
        "a b+c",
        "('x')",
        "東京",
        "\n",
        "a" * 128,
    ],
)
def test_the_location_can_be_read(graph, graph_id):
    created = graph.post(ITEMS, item(id=graph_id))
    location = created["Location"]
    assert location.isascii()
    read = graph.get(location.removeprefix(SERVER))
    assert read.status_code == 200, location
    assert read.json() == created.json() | {"@odata.context": read.json()["@odata.context"]}
    assert read.json()["id"] == graph_id


def test_the_location_is_not_mistaken_for_long_running_work(graph):
    assert "/operations/" not in graph.post(ITEMS, NEW)["Location"]


def test_what_is_there_already_is_not_replaced(graph):
    created = graph.post(ITEMS, NEW)
    assert_refused(
        graph.post(ITEMS, item(id="a", acl=[])),
        409,
        "Conflict",
        inner="NameAlreadyExists",
        target="id",
        says="Connection 'contosohr' has an item with the id 'a' already.",
    )
    assert graph.get(f"{ITEMS}/a").json() == created.json()
    assert tallied() == 1
    assert graph.post(ITEMS, item(id="A")).status_code == 201


@pytest.mark.parametrize(
    "graph_id, inner, says",
    [
        (None, "RequiredPropertyMissing", "Property 'id' is required."),
        ("", "InvalidIdentifier", "must be 1 to 128 characters, not 0"),
        ("a" * 129, "InvalidIdentifier", "must be 1 to 128 characters, not 129"),
        (".", "InvalidIdentifier", "must not be '.'"),
        ("..", "InvalidIdentifier", "must not be '..'"),
        (1, "InvalidPropertyValue", "must be a string, not an integer"),
        (["a"], "InvalidPropertyValue", "must be a string, not a collection"),
    ],
)
def test_an_id_that_no_item_can_have(graph, graph_id, inner, says):
    response = graph.post(ITEMS, item(id=graph_id))
    assert_refused(response, 400, "InvalidRequest", inner=inner, target="id", says=says)
    assert not ExternalItem.objects.exists()


def test_the_id_must_be_there_and_is_one_fault_of_all(graph):
    error = assert_refused(graph.post(ITEMS, {"acl": 1, "properties": {}}), 400, "InvalidRequest")
    assert [each["target"] for each in error["details"]] == ["id", "acl", "properties"]


def test_the_same_request_again_gets_the_same_answer_and_makes_nothing(graph):
    first = graph.post(ITEMS, NEW, client_request_id="same")
    again = graph.post(ITEMS, NEW, client_request_id="same")
    assert (again.status_code, again.content) == (201, first.content)
    assert again["Idempotent-Replayed"] == "true"
    for header in ("Location", "ETag"):
        assert again[header] == first[header]
    assert (ExternalItem.objects.count(), tallied()) == (1, 1)
    kept = Replay.objects.get()
    assert (kept.content_kind, kept.content_key) == ("item", ExternalItem.objects.get().pk)


@pytest.mark.parametrize(
    "path, body, client_request_id",
    [
        (ITEMS, NEW, "another"),
        (ITEMS, item(id="a", acl=[]), "same"),
        (f"{BETA}/items", NEW, "same"),
    ],
)
def test_another_request_is_not_the_same(graph, path, body, client_request_id):
    graph.post(ITEMS, NEW, client_request_id="same")
    response = graph.post(path, body, client_request_id=client_request_id)
    assert_refused(response, 409, "Conflict", inner="NameAlreadyExists")


def test_an_item_that_was_deleted_since_is_made_anew(graph):
    graph.post(ITEMS, NEW, client_request_id="same")
    assert graph.delete(f"{ITEMS}/a").status_code == 204
    again = graph.post(ITEMS, NEW, client_request_id="same")
    assert again.status_code == 201
    assert "Idempotent-Replayed" not in again
    assert tallied() == 1


def a_long_item(**members):
    return item(id="a", content={"type": "text", "value": "é" * 40_000}, **members)


def same_but_for_the_body(first, again) -> None:
    for header in ("Location", "Content-Type", "Preference-Applied", "OData-EntityId"):
        assert again.get(header) == first.get(header)
    assert again.status_code == first.status_code
    assert again["Idempotent-Replayed"] == "true"


@pytest.mark.parametrize("prefer", ["", "return=representation"])
def test_the_answer_about_a_long_item_is_not_kept_and_given_again(graph, prefer):
    headers = {"client_request_id": "same", **({"Prefer": prefer} if prefer else {})}
    first = graph.post(ITEMS, a_long_item(), **headers)
    assert first.status_code == 201
    assert (Replay.objects.get().body, len(first.content) > 64 * 1024) == ("", True)
    again = graph.post(ITEMS, a_long_item(), **headers)
    same_but_for_the_body(first, again)
    assert (again.content, again["ETag"]) == (first.content, first["ETag"])
    assert (ExternalItem.objects.count(), tallied()) == (1, 1)


def test_a_long_item_is_shown_as_it_is_now(graph):
    first = graph.post(ITEMS, a_long_item(), client_request_id="same")
    put(graph, f"{ITEMS}/a", item(properties={"title": "Other"}))
    again = graph.post(ITEMS, a_long_item(), client_request_id="same")
    same_but_for_the_body(first, again)
    now = graph.get(f"{ITEMS}/a")
    assert (again.content, again["ETag"]) == (now.content, now["ETag"])
    assert again["ETag"] != first["ETag"]
    assert again.json()["properties"] == {"title": "Other"}


def test_a_long_item_that_was_deleted_since_is_made_anew(graph):
    graph.post(ITEMS, a_long_item(), client_request_id="same")
    assert graph.delete(f"{ITEMS}/a").status_code == 204
    again = graph.post(ITEMS, a_long_item(), client_request_id="same")
    assert (again.status_code, "Idempotent-Replayed" in again) == (201, False)


def test_of_a_long_item_the_short_answer_is_kept(graph):
    headers = {"client_request_id": "same", "Prefer": "return=minimal"}
    first = graph.post(ITEMS, a_long_item(), **headers)
    again = graph.post(ITEMS, a_long_item(), **headers)
    same_but_for_the_body(first, again)
    assert (again.status_code, again.content) == (204, b"")


def test_in_a_batch_a_long_item_is_shown_again(graph):
    part = {"id": "1", "method": "POST", "url": "/connections/contosohr/items"}
    body = {"requests": [{**part, "body": a_long_item()}]}
    first, again = (
        graph.post("/v1.0/$batch", body, client_request_id="same").json()["responses"][0]
        for _ in range(2)
    )
    assert (first["status"], again["status"]) == (201, 201)
    assert again["body"] == first["body"]


def test_a_refused_request_is_not_kept(graph):
    put(graph, f"{ITEMS}/a", item())
    response = graph.post(ITEMS, NEW, client_request_id="same")
    assert_refused(response, 409, "Conflict", inner="NameAlreadyExists")
    graph.delete(f"{ITEMS}/a")
    assert graph.post(ITEMS, NEW, client_request_id="same").status_code == 201


def test_return_minimal(graph):
    response = graph.post(ITEMS, NEW, Prefer="return=minimal")
    assert (response.status_code, response.content) == (204, b"")
    assert response["Location"] == response["OData-EntityId"]
    assert graph.get(response["Location"].removeprefix(SERVER)).json()["id"] == "a"


def test_in_a_batch_with_another_after_it(graph):
    make_ready("second", owner=graph.application)
    headers = {"Content-Type": "application/json"}
    parts = [
        {"id": "1", "method": "POST", "url": "/connections/contosohr/items", "body": NEW},
        {"id": "2", "method": "POST", "url": "/connections/contosohr/items", "body": NEW},
        {"id": "3", "method": "POST", "url": "/connections/second/items", "body": NEW},
        {"id": "4", "method": "GET", "url": "/connections/second/items/a", "dependsOn": ["3"]},
    ]
    body = {"requests": [{**part, "headers": headers} for part in parts]}
    answered = json.loads(graph.post("/v1.0/$batch", body).content)["responses"]
    assert [part["status"] for part in answered] == [201, 409, 201, 200]
    location = answered[2]["headers"]["Location"]
    assert location == f"{SERVER}/v1.0/connections('second')/items('a')"


def test_no_query_option(graph):
    response = graph.post(f"{ITEMS}?$select=id", NEW)
    assert_refused(response, 400, "BadRequest", inner="InvalidQueryOption", target="$select")


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_no_other_method_on_the_collection(graph, method):
    response = graph.request(method, ITEMS, NEW)
    assert_refused(response, 405, "Request_BadRequest")
    assert set(response["Allow"].split(", ")) == {"GET", "POST", "HEAD"}
