"""The official JavaScript client, over TLS, puts items, groups, members and activities and reads
them again: what it does is in clients/javascript/items.js."""

from __future__ import annotations

import json
from functools import partial

import pytest

from tests.clients.node import assert_graph_error, run
from tests.processes import own_database, serve

pytestmark = pytest.mark.clients

GROUP = "HR / Köln's"


@pytest.fixture(scope="module")
def serving(tmp_path_factory):
    folder = tmp_path_factory.mktemp("javascript")
    with own_database(folder) as environment, serve(environment, "--tls") as running:
        yield running


@pytest.fixture
def node(serving):
    return partial(run, serving, "items.js")


def members_of(answer: dict) -> dict:
    """What of an answer the caller has given, without what the server adds."""
    return {name: value for name, value in answer.items() if not name.startswith("@odata.")}


@pytest.mark.parametrize("scenario", ["life", "lifeOnBeta"])
def test_an_item_comes_back_as_it_was_put(node, scenario):
    seen = node(scenario)
    assert_graph_error(seen["missing"], 404, "ItemNotFound")
    assert seen["missing"]["inner"]["source"] == "ExternalItem"
    sent = seen["sent"]
    assert sent["properties"]["due"] == "2022-01-05T09:28:31.000Z"
    for answer in ("put", "read", "sentBack"):
        assert members_of(seen[answer]) == sent
        assert list(seen[answer]["properties"].items()) == list(sent["properties"].items())
    assert seen["read"]["@odata.etag"] == seen["put"]["@odata.etag"] != ""
    assert members_of(seen["patched"]) == sent | {"properties": {"title": "B"}}
    assert seen["replaced"]["properties"] == {"title": "C"}
    assert seen["replaced"]["content"] is None and len(seen["replaced"]["acl"]) == 1
    assert seen["deleted"] == "nothing"
    assert_graph_error(seen["gone"], 404, "ItemNotFound")


def test_ids_with_any_character(node):
    seen = node("ids")
    assert len(seen["sent"]) > 5
    assert [row["id"] for row in seen["read"]] == seen["sent"]
    assert [row["properties"]["title"] for row in seen["read"]] == seen["sent"]
    assert seen["count"] == str(len(seen["sent"]))
    assert seen["left"] == []


def test_numbers_that_javascript_has_not(node):
    """What is kept is what was sent; read as text it has its last digit."""
    seen = node("numbers")
    assert seen["read"]["properties"] == {"size": 9007199254740992, "score": 1}
    assert '"properties":{"size":9007199254740993,"score":1.0}' in seen["text"]
    assert json.loads(seen["text"])["id"] == "one"


def test_pages_are_followed_to_the_end(node, serving):
    seen = node("paging")
    assert seen["first"]["@odata.count"] == 7 and len(seen["first"]["value"]) == 3
    assert seen["first"]["@odata.nextLink"].startswith(f"{serving.address}/v1.0/")
    assert seen["ids"] == [f"TSP 2/{number}" for number in range(7)]
    assert seen["complete"] is True


def test_errors_are_graph_errors(node):
    seen = node("errors")
    assert_graph_error(seen["faults"], 400, "InvalidRequest", "'acl/0/type'")
    assert {detail["target"]: detail["code"] for detail in seen["faults"]["details"]} == {
        "acl/0/type": "InvalidPropertyValue",
        "properties/titel": "PropertyNotDeclared",
        "properties/tags@odata.type": "RequiredPropertyMissing",
    }
    assert_graph_error(seen["empty"], 400, "InvalidRequest")
    assert {detail["target"] for detail in seen["empty"]["details"]} == {"acl", "properties"}
    assert_graph_error(seen["long"], 400, "InvalidRequest", "1 to 128 characters")
    assert_graph_error(seen["draft"], 409, "Conflict", "Register a schema first.")
    for call in ("missing", "notDeleted"):
        assert_graph_error(seen[call], 404, "ItemNotFound")
    assert_graph_error(seen["taken"], 409, "Conflict", "'taken'")
    assert_graph_error(seen["quota"], 404, "ResourceNotFound", "/beta")
    assert_graph_error(seen["large"], 413, "RequestEntityTooLarge", "bytes")


def test_groups_and_members(node):
    seen = node("groups")
    assert members_of(seen["created"]) == {
        "id": GROUP,
        "displayName": "HR",
        "description": "People",
    }
    assert_graph_error(seen["taken"], 409, "Conflict", GROUP)
    changed = {"id": GROUP, "displayName": "HR Cologne", "description": None}
    assert members_of(seen["read"]) == changed
    assert [members_of(row) for row in seen["listed"]["value"]] == [changed]
    assert members_of(seen["added"]) == {"id": "everyone/Bonn", "type": "externalGroup"}
    assert_graph_error(seen["again"], 409, "Conflict", "everyone/Bonn")
    ada = {"id": "ada", "type": "user"}
    assert ada in seen["members"]["value"] and len(seen["members"]["value"]) == 2
    assert seen["left"]["value"] == [ada]
    assert seen["patched"] == seen["removed"] == seen["deleted"] == "nothing"
    assert_graph_error(seen["gone"], 404, "ItemNotFound")


def test_activities(node):
    seen = node("activities")
    assert [result["error"] for result in seen["added"]["value"]] == [None, None]
    kept, not_kept = seen["partly"]["value"]
    assert kept["error"] is None
    assert not_kept["error"]["target"] == "activities/1/type"
    assert_graph_error(seen["none"], 400, "InvalidRequest", "1 to 20")


def test_a_batch(node):
    seen = node("batch")
    assert {name: part["status"] for name, part in seen["chained"].items()} == {
        "put": 200,
        "read": 200,
        "group": 201,
        "member": 201,
        "delete": 204,
        "gone": 404,
        "after": 424,
    }
    assert seen["chained"]["read"]["body"] == seen["chained"]["put"]["body"]
    assert seen["chained"]["read"]["body"]["id"] == "TSP 2/8"
    assert seen["chained"]["gone"]["body"]["error"]["code"] == "ItemNotFound"
    assert seen["chained"]["after"]["body"]["error"]["code"] == "FailedDependency"
    assert [row["id"] for row in seen["stays"]["value"]] == ["ada"]
    assert seen["apart"]["good"]["status"] == 200
    bad = seen["apart"]["bad"]
    assert (bad["status"], bad["body"]["error"]["target"]) == (400, "properties")
