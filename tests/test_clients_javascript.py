"""The official JavaScript client, over TLS, as published: what it does is in clients/javascript.

It sends its token to https addresses only, and follows links only when they are https.
"""

from __future__ import annotations

from functools import partial

import pytest

from tests.clients.node import assert_graph_error, run
from tests.graph import GUID
from tests.processes import own_database, serve

pytestmark = pytest.mark.clients


@pytest.fixture(scope="module")
def serving(tmp_path_factory):
    folder = tmp_path_factory.mktemp("javascript")
    with own_database(folder) as environment, serve(environment, "--tls") as running:
        yield running


@pytest.fixture
def node(serving):
    return partial(run, serving, "connections.js")


@pytest.mark.parametrize("scenario", ["life", "lifeAtTheRoot"])
def test_whole_life(node, serving, scenario):
    seen = node(scenario)
    assert (seen["created"]["state"], seen["created"]["description"]) == ("draft", None)
    assert_graph_error(seen["noSchema"], 404, "ItemNotFound")
    name = seen["created"]["id"]
    start = f"{serving.address}/v1.0/external/connections/{name}/operations/"
    assert seen["registered"]["status"] == 202
    assert seen["registered"]["location"] == start + seen["operation"]["id"]
    assert (seen["operation"]["status"], seen["operation"]["error"]) == ("completed", None)
    assert seen["ready"]["state"] == "ready"
    (title,) = seen["schema"]["properties"]
    assert (title["type"], title["isSearchable"], title["labels"]) == ("string", True, ["title"])
    assert seen["reported"]["status"] == "inprogress"
    assert seen["failed"]["error"]["innerError"]["attempts"] == 3
    for answer in ("read", "sentBack"):
        assert seen[answer]["status"] == "failed"
        assert seen[answer]["error"] == seen["failed"]["error"]
    ids = [row["id"] for row in seen["listed"]["value"]]
    assert ids == ["1.weu-b.A1", seen["operation"]["id"]]
    assert seen["count"] == "2"
    assert seen["deletedOperation"] == seen["patched"] == "nothing"
    assert seen["renamed"]["name"] == "Contoso people"
    assert_graph_error(seen["gone"], 404, "ItemNotFound")


def test_older_forms(node):
    seen = node("oldForms")
    assert seen["nothing"] == "object"  # the empty 202 is a stream to this client
    assert seen["beta"]["id"] == "jsold"
    assert len(seen["keyed"]["value"]) == 1


def test_errors_are_graph_errors(node):
    seen = node("errors")
    assert_graph_error(seen["bad"], 400, "InvalidRequest", "Property 'id'")
    assert seen["bad"]["inner"]["code"] == "InvalidIdentifier"
    assert_graph_error(seen["taken"], 409, "Conflict", "jserrors")
    assert_graph_error(seen["missing"], 404, "ItemNotFound")
    assert_graph_error(seen["move"], 404, "ItemNotFound")
    assert_graph_error(seen["method"], 405, "Request_BadRequest")
    assert_graph_error(seen["unknown"], 404, "ResourceNotFound")
    assert_graph_error(seen["unserved"], 404, "ResourceNotFound")
    assert_graph_error(seen["option"], 400, "BadRequest", "$nonsense")
    assert_graph_error(seen["token"], 401, "InvalidAuthenticationToken")


def test_pages_are_followed_to_the_end(node, serving):
    seen = node("paging")
    assert seen["first"]["@odata.count"] == 7 and len(seen["first"]["value"]) == 3
    assert seen["first"]["@odata.nextLink"].startswith(f"{serving.address}/v1.0/")
    assert seen["ids"] == [f"op{number}" for number in reversed(range(7))]
    assert seen["complete"] is True
    assert [row["id"] for row in seen["byHand"]["value"]] == ["op3", "op2", "op1"]


def test_a_batch(node):
    seen = node("batch")
    assert {number: part["status"] for number, part in seen.items()} == {
        "1": 201,
        "2": 201,
        "3": 404,
        "4": 424,
    }
    assert all(part["type"].startswith("application/json") for part in seen.values())
    assert seen["1"]["body"]["id"] == "jsbatch"
    assert GUID.fullmatch(seen["2"]["body"]["id"])
    assert seen["3"]["body"]["error"]["code"] == "ItemNotFound"
    assert seen["4"]["body"]["error"]["code"] == "FailedDependency"


def test_query_options(node):
    seen = node("options")
    assert seen["filtered"] == ["done"]
    assert seen["ordered"] == ["jsoptb", "jsopta"]
    assert [row["id"] for row in seen["expanded"]["operations"]] == ["doing", "done"]
    assert seen["expanded"]["schema"] is None
    assert_graph_error(seen["unsearchable"], 400, "BadRequest", "$search")


def test_preferences_and_etags(node):
    seen = node("preferences")
    assert (seen["whole"]["id"], seen["whole"]["name"]) == ("jsprefer", "y")
    assert seen["etag"].startswith('W/"')
    assert_graph_error(seen["stale"], 412, "PreconditionFailed")
