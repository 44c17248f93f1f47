"""Ids with every character that clients percent-encode, by every form of a key.

The web server decodes a path and so loses which slashes were encoded; ``RAW_URI`` has them. So all
of it goes through a running server once, and inside a batch.
"""

from __future__ import annotations

import http.client
import json
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

from operations.models import ExternalItem
from tests.graph import assert_refused
from tests.item_bodies import item
from tests.processes import own_database, serve, shell
from tests.ready import ITEMS, SERVER, put, ready

COMPOSED = unicodedata.normalize("NFC", "é")
DECOMPOSED = unicodedata.normalize("NFD", "é")
IDS = [
    "a/b",
    "/",
    "//",
    "/a/",
    "a/../b",
    "./a",
    "...",
    "%",
    "100%",
    "%2F",
    "%252F",
    "%zz",
    "a?b",
    "?$select=id",
    "a#b",
    "a&b=c",
    "it's",
    "'",
    "''",
    "'a'",
    '"a"',
    "(a)",
    "()",
    "items('a')",
    "name('key')",
    "(id='a')",
    "id='a'",
    "a+b",
    "a b",
    " ",
    " a ",
    "\u00a0",
    "$count",
    "$batch",
    "$",
    "a$count",
    "a\\b",
    "\\",
    "a;b,c:d@e",
    "a*b!c~d|e^f`g",
    "<a>{b}[c]",
    "http://a.example/b?c=d#e",
    "addActivities",
    "activities",
    "items",
    "v1.0",
    COMPOSED,
    DECOMPOSED,
    "東京",
    "\U0001f6b2",
    "\u200d\ufeff",
    "\u202eabc",
    "a\nb",
    "\n",
    "\r\n",
    "\t",
    "\x01",
    "\x1b",
    "\x7f",
    "\x85",
    "null",
    "0",
    "-1",
    "a" * 128,
    "\U0001f6b2" * 128,
    "%" * 128,
    "'" * 128,
]


def as_segment(graph_id: str) -> str:
    return quote(graph_id, safe="")


def in_parentheses(graph_id: str) -> str:
    return "('" + quote(graph_id.replace("'", "''"), safe="") + "')"


def paths(items: str, graph_id: str) -> list[str]:
    """An item's address with its key as a segment and in parentheses."""
    return [f"{items}/{as_segment(graph_id)}", f"{items}{in_parentheses(graph_id)}"]


def a_name(graph_id: object) -> str:
    return ascii(graph_id)[:30]


@pytest.fixture
def graph(db):
    return ready()


# Each alone --------------------------------------------------------------------------------------


@pytest.mark.parametrize("graph_id", IDS, ids=a_name)
def test_it_is_the_same_item_by_every_form_of_its_key(graph, graph_id):
    by_segment, by_parentheses = paths(ITEMS, graph_id)
    assert put(graph, by_segment, item())["id"] == graph_id
    assert put(graph, by_parentheses, item(id=graph_id))["id"] == graph_id
    assert ExternalItem.objects.get().graph_id == graph_id
    for path in (by_segment, by_parentheses, by_parentheses.replace("('", "(id='")):
        assert graph.get(path).json()["id"] == graph_id, path
        assert graph.get(f"{path}/activities").status_code == 200, path
    [row] = graph.get(ITEMS).json()["value"]
    assert row["id"] == graph_id
    found = graph.get(
        f"{ITEMS}?$filter=" + quote(f"id eq '{graph_id.replace(chr(39), chr(39) * 2)}'")
    )
    assert [row["id"] for row in found.json()["value"]] == [graph_id]
    assert graph.delete(by_segment).status_code == 204
    assert_refused(graph.get(by_parentheses), 404, "ItemNotFound")


@pytest.mark.parametrize("safe", ["", "!$&'()*+,;=:@", "()'", "$"])
def test_what_a_client_may_leave_as_it_is(graph, safe):
    """Clients differ in what they encode besides what they must."""
    graph_id = "a!&()*+,;=:@b$"
    put(graph, f"{ITEMS}/{quote(graph_id, safe=safe)}", item())
    assert ExternalItem.objects.get().graph_id == graph_id


def test_each_is_another_item(graph):
    for graph_id in IDS:
        put(graph, f"{ITEMS}/{as_segment(graph_id)}", item(properties={"title": graph_id}))
    for graph_id in IDS:
        answered = graph.get(f"{ITEMS}{in_parentheses(graph_id)}").json()
        assert answered["properties"]["title"] == answered["id"] == graph_id


def test_a_plus_is_no_space(graph):
    put(graph, f"{ITEMS}/a+b", item())
    assert graph.get(f"{ITEMS}/a%2Bb").status_code == 200
    assert_refused(graph.get(f"{ITEMS}/a%20b"), 404, "ItemNotFound")


def test_composed_and_decomposed_are_two(graph):
    put(graph, f"{ITEMS}/{quote(COMPOSED)}", item())
    assert_refused(graph.get(f"{ITEMS}/{quote(DECOMPOSED)}"), 404, "ItemNotFound")


def test_a_bare_count_is_the_count_and_an_encoded_one_an_id(graph):
    put(graph, f"{ITEMS}/a", item())
    assert_refused(graph.get(f"{ITEMS}/%24count"), 404, "ItemNotFound")
    put(graph, f"{ITEMS}/%24count", item())
    assert graph.get(f"{ITEMS}/%24count").json()["id"] == "$count"
    assert graph.get(f"{ITEMS}('$count')").json()["id"] == "$count"
    assert graph.get(f"{ITEMS}/$count").content == b"2"
    assert_refused(graph.put(f"{ITEMS}/$count", item()), 405, "Request_BadRequest")


def test_what_looks_like_a_name_with_a_key_stays_an_id(graph):
    for graph_id in ("name('key')", "items('a')", "ITEMS('A')"):
        put(graph, f"{ITEMS}/{graph_id}", item())
        assert graph.get(f"{ITEMS}/{graph_id}").json()["id"] == graph_id
    assert_refused(graph.get(f"{ITEMS}/a"), 404, "ItemNotFound")


def test_a_slash_that_is_not_encoded_ends_the_key(graph):
    assert_refused(graph.put(f"{ITEMS}/a/b", item()), 404, "ResourceNotFound")
    assert not ExternalItem.objects.exists()


@pytest.mark.parametrize(
    "segment, says",
    [
        (".", "must not be '.': HTTP clients take it out of an address"),
        ("..", "must not be '..': HTTP clients take it out of an address"),
        ("%2E%2e", "must not be '..'"),
        ("%00", "must not have a NUL character"),
        ("a%00b", "must not have a NUL character"),
        ("a" * 129, "must be 1 to 128 characters, not 129"),
        ("%F0%9F%9A%B2" * 129, "must be 1 to 128 characters, not 129"),
    ],
)
def test_what_no_item_can_have_as_its_id(graph, segment, says):
    for path in (f"{ITEMS}/{segment}", f"{ITEMS}('{segment}')"):
        response = graph.put(path, item())
        assert_refused(
            response, 400, "InvalidRequest", inner="InvalidIdentifier", target="id", says=says
        )
        for method in ("GET", "DELETE"):
            assert_refused(graph.request(method, path), 404, "ItemNotFound")
        assert_refused(graph.patch(path, {"acl": []}), 404, "ItemNotFound")
        assert_refused(graph.get(f"{path}/activities"), 404, "ItemNotFound")
    assert not ExternalItem.objects.exists()


NOT_UTF8 = ("%FF", "%ED%A0%80", "%E9t%C3%A9", "a%2Fb%FF")


@pytest.mark.parametrize("segment", NOT_UTF8)
@pytest.mark.parametrize("method", ["PUT", "GET", "DELETE"])
def test_what_is_not_utf8_names_nothing(graph, method, segment):
    put(graph, f"{ITEMS}/{quote(segment, safe='')}", item())  # the id that looks like it
    for path in (f"{ITEMS}/{segment}", f"{ITEMS}('{segment}')", f"{ITEMS}%2F{segment}"):
        response = graph.request(method, path, item())
        error = assert_refused(response, 400, "BadRequest", inner="UnreadableRequest")
        assert error["message"] == "The path of the address must be percent-encoded UTF-8."
    assert [each.graph_id for each in ExternalItem.objects.all()] == [segment]


@pytest.mark.parametrize("segment", NOT_UTF8)
def test_nor_inside_a_batch(graph, segment):
    part = {"id": "1", "method": "GET", "url": f"/connections/contosohr/items/{segment}"}
    [answered] = graph.post("/v1.0/$batch", {"requests": [part]}).json()["responses"]
    assert answered["status"] == 400
    error = answered["body"]["error"]
    assert (error["code"], error["target"]) == ("InvalidRequest", "url")
    assert error["details"][0]["message"] == "Property 'url' must be percent-encoded UTF-8."


def test_an_empty_key_is_no_item(graph):
    assert_refused(graph.put(f"{ITEMS}/", item()), 405, "Request_BadRequest")
    assert_refused(graph.put(f"{ITEMS}('')", item()), 404, "ResourceNotFound")


# Inside a batch ----------------------------------------------------------------------------------

FORMS: list[Callable[[str], str]] = [
    lambda graph_id: paths("/connections/contosohr/items", graph_id)[0],
    lambda graph_id: paths("/external/connections('contosohr')/items", graph_id)[1],
    lambda graph_id: paths(f"{SERVER}{ITEMS}", graph_id)[0],
    lambda graph_id: paths(ITEMS, graph_id)[1],
]


def batches(address: Callable[[str], str], method: str) -> Iterator[dict[str, Any]]:
    for begin in range(0, len(IDS), 20):
        parts = [
            {"id": f"{number}", "method": method, "url": address(graph_id)}
            for number, graph_id in enumerate(IDS[begin : begin + 20], begin)
        ]
        if method == "PUT":
            headers = {"Content-Type": "application/json"}
            parts = [{**part, "headers": headers, "body": item()} for part in parts]
        yield {"requests": parts}


def ids_answered(answers: list[Any]) -> list[str]:
    parts = [part for answer in answers for part in answer["responses"]]
    assert {part["status"] for part in parts} == {200}, parts
    return [part["body"]["id"] for part in parts]


@pytest.mark.parametrize("written_by", range(len(FORMS)))
def test_inside_a_batch(graph, written_by):
    def send(number: int, method: str) -> list[str]:
        parts = batches(FORMS[number], method)
        return ids_answered([graph.post("/v1.0/$batch", part).json() for part in parts])

    assert send(written_by, "PUT") == IDS
    for read_by in range(len(FORMS)):
        assert send(read_by, "GET") == IDS


# Through a running server ------------------------------------------------------------------------

MAKE = """
import json
from operations import tokens
from tests.ready import ready
print(ready().token)
"""


@dataclass
class Running:
    connection: http.client.HTTPConnection
    token: str
    location: str = ""

    def send(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body)
        self.connection.request(method, path, data, headers)
        response = self.connection.getresponse()
        text = response.read()
        self.location = response.headers.get("Location", "")
        return response.status, json.loads(text) if text else None


@pytest.fixture(scope="module")
def running(tmp_path_factory) -> Iterator[Running]:
    with (
        own_database(tmp_path_factory.mktemp("ids") / "data") as environment,
        serve(environment, "--web-workers", "1", "--no-worker") as served,
    ):
        token = shell(environment, MAKE)
        place = urlsplit(served.address)
        with closing(http.client.HTTPConnection(place.netloc, timeout=60)) as connection:
            yield Running(connection, token)


def test_through_a_running_server(running):
    for graph_id in IDS:
        by_segment, by_parentheses = paths(ITEMS, graph_id)
        status, answered = running.send("PUT", by_segment, item())
        assert (status, answered["id"]) == (200, graph_id), (graph_id, answered)
        status, answered = running.send("GET", by_parentheses)
        assert (status, answered["id"]) == (200, graph_id), (graph_id, answered)
        status, answered = running.send("PUT", by_parentheses, item())
        assert (status, answered["id"]) == (200, graph_id), (graph_id, answered)
        status, answered = running.send("GET", by_segment)
        assert (status, answered["id"]) == (200, graph_id), (graph_id, answered)
    status, listed = running.send("GET", f"{ITEMS}?$select=id&$top=999")
    assert [row["id"] for row in listed["value"]] == IDS
    for graph_id in IDS:
        assert running.send("DELETE", paths(ITEMS, graph_id)[0])[0] == 204, graph_id
    assert running.send("GET", f"{ITEMS}/$count") == (200, 0)


def test_a_location_through_a_running_server(running):
    for graph_id in IDS:
        running.send("DELETE", paths(ITEMS, graph_id)[0])
        status, _ = running.send("POST", ITEMS, item(id=graph_id))
        assert status == 201, graph_id
        location = running.location
        place = urlsplit(location)
        assert place.netloc == f"127.0.0.1:{running.connection.port}"
        assert running.send("GET", place.path)[1]["id"] == graph_id
        part = {"id": "1", "method": "GET", "url": location}
        _, answered = running.send("POST", "/v1.0/$batch", {"requests": [part]})
        assert ids_answered([answered]) == [graph_id]


@pytest.mark.parametrize("segment", [".", "..", "%2E", "%2e%2E", "%00", "a" * 129])
def test_what_no_item_can_have_through_a_running_server(running, segment):
    status, answered = running.send("PUT", f"{ITEMS}('{segment}')", item())
    assert (status, answered["error"]["innerError"]["code"]) == (400, "InvalidIdentifier")
    assert running.send("GET", f"{ITEMS}('{segment}')")[0] == 404


def test_a_bare_count_through_a_running_server(running):
    status, answered = running.send("PUT", f"{ITEMS}/%24count", item())
    assert (status, answered["id"]) == (200, "$count")
    assert isinstance(running.send("GET", f"{ITEMS}/$count")[1], int)
    assert running.send("PUT", f"{ITEMS}/$count", item())[0] == 405
    assert running.send("GET", f"{ITEMS}/%24count")[1]["id"] == "$count"
