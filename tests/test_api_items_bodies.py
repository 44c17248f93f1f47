"""Bodies of items: 4 MB and not a byte more, alone, in a batch, over a connection; which JSON."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest
from django.conf import settings as project

from operations.item_rules import MAX_FAULTS
from operations.models import ExternalItem
from tests.graph import assert_refused
from tests.item_bodies import item
from tests.processes import own_database, serve, shell
from tests.ready import HERE, ITEMS, put, ready, tallied

LIMIT = 4 * 1024 * 1024


@pytest.fixture
def graph(db):
    return ready()


def as_bytes(document: object) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def item_of(size: int, letter: str = "a") -> bytes:
    """An item whose JSON has exactly so many bytes."""
    room = size - len(as_bytes(item(content={"type": "text", "value": ""})))
    width = len(letter.encode())
    value = letter * (room // width) + "a" * (room % width)
    body = as_bytes(item(content={"type": "text", "value": value}))
    assert len(body) == size
    return body


# How large ---------------------------------------------------------------------------------------


def test_the_limit_is_graphs():
    assert project.MAX_ITEM_BYTES == LIMIT > project.MAX_BODY_BYTES


@pytest.mark.parametrize("letter", ["a", "ä", "🚲"])
def test_four_megabytes_and_one_byte_too_many(graph, letter):
    body = item_of(LIMIT, letter)
    answered = put(graph, f"{ITEMS}/a", body)
    assert answered["content"]["value"] == json.loads(body)["content"]["value"]
    assert graph.get(f"{ITEMS}/a").json() == answered
    assert ExternalItem.objects.get().size == len(body) - len(
        '{"acl":,"properties":,"content":{"type":"text","value":""}}'
    )
    assert_refused(
        graph.put(f"{ITEMS}/a", body + b" "),
        413,
        "RequestEntityTooLarge",
        says="larger than the maximum of 4194304 bytes",
    )
    assert graph.get(f"{ITEMS}/a").json() == answered


@pytest.mark.parametrize("method, path, status", [("PATCH", "/a", 200), ("POST", "", 201)])
def test_the_other_writes_have_the_same_limit(graph, method, path, status):
    put(graph, f"{ITEMS}/a", item())
    body = (
        item_of(LIMIT - 9).replace(b'{"acl"', b'{"id":"b","acl"')
        if method == "POST"
        else item_of(LIMIT)
    )
    response = graph.request(method, f"{ITEMS}{path}", body)
    assert response.status_code == status
    refused = graph.request(method, f"{ITEMS}{path}", body + b" ")
    assert_refused(refused, 413, "RequestEntityTooLarge", says="4194304 bytes")


def test_what_is_no_item_has_the_limit_of_all_others(graph):
    put(graph, f"{ITEMS}/a", item())
    body = b" " * 1_000_001
    for path in (f"{ITEMS}/a/addActivities", f"{HERE}/operations"):
        assert_refused(graph.post(path, body), 413, "RequestEntityTooLarge", says="1000000 bytes")


def test_a_setting(graph, settings):
    settings.MAX_ITEM_BYTES = 2000
    put(graph, f"{ITEMS}/a", item_of(2000))
    refused = graph.put(f"{ITEMS}/a", item_of(2001))
    assert_refused(refused, 413, "RequestEntityTooLarge", says="2000 bytes")


def test_before_a_body_is_measured_all_else_is_looked_at(graph):
    body = item_of(LIMIT + 1)
    assert_refused(graph.put("/v1.0/connections/nosuch/items/a", body), 404, "ItemNotFound")
    assert_refused(graph.put(f"{ITEMS}/{'a' * 129}", body), 400, "InvalidRequest")


@pytest.mark.parametrize("letter", ["a", "ä", "🚲"])
def test_a_batch_of_four_megabytes(graph, letter):
    """And what is inside is no longer than it was sent: no escape makes it so."""
    url = "/external/connections/contosohr/items/"
    part = {"id": "1", "method": "PUT", "url": f"{url}0", "body": None}
    empty = as_bytes({"requests": [part]})
    large = item_of(LIMIT - len(empty) + len(b"null"), letter)
    batch = empty.replace(b"null", large)
    assert len(batch) == LIMIT
    [answered] = graph.post("/v1.0/$batch", batch).json()["responses"]
    assert answered["status"] == 200
    assert graph.get(f"{ITEMS}/0").json() == answered["body"]
    assert_refused(
        graph.post("/v1.0/$batch", batch + b" "), 413, "RequestEntityTooLarge", says="4194304 bytes"
    )


def test_twenty_items_in_a_batch(graph):
    parts = [
        {
            "id": f"{number}",
            "method": "PUT",
            "url": f"/external/connections/contosohr/items/{number}",
            "headers": {"Content-Type": "application/json"},
            "body": json.loads(item_of(200_000, "ä")),
        }
        for number in range(20)
    ]
    answered = graph.post("/v1.0/$batch", as_bytes({"requests": parts})).json()["responses"]
    assert {part["status"] for part in answered} == {200}
    assert tallied() == 20


def test_a_part_of_a_batch_that_is_no_item_is_as_short_as_alone(graph):
    body = {"id": "o", "status": "failed", "error": {"message": "a" * 1_000_000}}
    part = {"id": "1", "method": "POST", "url": "/connections/contosohr/operations", "body": body}
    [answered] = graph.post("/v1.0/$batch", {"requests": [part]}).json()["responses"]
    assert answered["status"] == 413
    assert answered["body"]["error"]["code"] == "RequestEntityTooLarge"


# What it is --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body, cause",
    [
        (b"", "The body is empty."),
        (b"[]", "The body must be a JSON object."),
        (b'"text"', "The body must be a JSON object."),
        (b"null", "The body must be a JSON object."),
        (b"{", "The body is not valid JSON"),
        (b'{"acl":[],"properties":{"title":"\xff"}}', "The body is not UTF-8."),
        ('{"acl":[],"acl":[],"properties":{"title":"A"}}', "Member 'acl' stands twice."),
        ('{"acl":[],"properties":{"title":"A","title":"A"}}', "Member 'title' stands twice."),
        ('{"acl":[],"properties":{"score":NaN}}', "NaN is no number of JSON."),
        ('{"acl":[],"properties":{"score":1e400}}', "The body has a number out of range."),
        ('{"acl":[],"properties":{"size":%s}}' % ("9" * 5000), "a number out of range."),
        ('{"acl":[],"properties":{"title":"\\u0000"}}', "a NUL character"),
        ('{"acl":[],"properties":{"\\u0000":"A"}}', "a NUL character"),
        ('{"acl":[],"properties":{"title":"\\ud83d"}}', "half a surrogate pair"),
        ("[" * (LIMIT - 1), "The body is nested deeper than 32 levels."),
        ('{"a":' * 100_000 + "1" + "}" * 100_000, "nested deeper than 32 levels."),
    ],
    ids=range(16),
)
def test_what_is_no_json_object_that_can_be_kept(graph, body, cause):
    for method, path in (("PUT", f"{ITEMS}/a"), ("PATCH", f"{ITEMS}/a"), ("POST", ITEMS)):
        response = graph.request(method, path, body)
        assert_refused(response, 400, "BadRequest", inner="InvalidJson", says=cause)
    assert not ExternalItem.objects.exists()


def test_the_deepest_body_that_is_read(graph):
    """Where a caller may nest at will: the annotations of the bag."""
    deep = "[" * 30 + "]" * 30
    body = '{"acl":[],"properties":{"title":"A","@a.b":%s}}'
    answered = put(graph, f"{ITEMS}/a", body % deep)
    assert answered["properties"]["@a.b"] == json.loads(deep)
    assert graph.get(f"{ITEMS}/a").json() == answered
    refused = graph.put(f"{ITEMS}/a", body % f"[{deep}]")
    assert_refused(refused, 400, "BadRequest", says="nested deeper than 32 levels.")


@pytest.mark.parametrize(
    "member, value, says",
    [
        ("acl", {}, "must be a collection, not an object"),
        ("acl", "everyone", "must be a collection, not a string"),
        ("acl", [None], "must be an object, not null"),
        ("acl", [[]], "must be an object, not a collection"),
        ("properties", [], "must be an object, not a collection"),
        ("properties", 1, "must be an object, not an integer"),
        ("properties", {"@odata.type": "x"}, "must have at least one property of the schema"),
        ("content", "text", "must be an object, not a string"),
        ("content", {"type": "text", "value": 1}, "must be a string or null, not an integer"),
        ("content", {}, "Property 'content/type' is required."),
        ("informationProtectionLabel", "s", "must be an object, not a string"),
        ("informationProtectionLabel", {"id": "s"}, "'informationProtectionLabel/id' is not decl"),
        ("activities", {}, "must be a collection, not an object"),
    ],
)
def test_a_member_of_another_kind(graph, member, value, says):
    response = graph.put(f"{ITEMS}/a", item(**{member: value}))
    error = assert_refused(response, 400, "InvalidRequest", says=says)
    assert error["target"].split("/")[0] == member
    assert not ExternalItem.objects.exists()


@pytest.mark.parametrize(
    "body",
    [
        item(acl=[{}] * 500_000),
        item(acl=[1] * 1_000_000),
        item(properties={f"titel{number}": 1 for number in range(250_000)}),
        item(properties={"tags@odata.type": "Collection(String)", "tags": [1] * 1_000_000}),
        item(properties={"people": [{"x": 1}] * 400_000}),
        item(properties={"owner": {f"upm{number}": 1 for number in range(250_000)}}),
        item(**{f"propertie{number}": 1 for number in range(200_000)}),
    ],
    ids="acl numbers names tags people members undeclared".split(),
)
def test_faults_without_number_are_told_quickly_and_shortly(graph, body):
    body = as_bytes(body)
    assert LIMIT // 3 < len(body) < LIMIT
    began = time.process_time()
    response = graph.put(f"{ITEMS}/a", body)
    assert time.process_time() - began < 10
    error = assert_refused(
        response, 400, "InvalidRequest", says="more, the first of them in details"
    )
    assert len(error["details"]) == 100
    assert len(response.content) < 100_000
    assert MAX_FAULTS == 1000


# Over a connection -------------------------------------------------------------------------------

MAKE = "from tests.ready import ready\nprint(ready().token)"


@dataclass
class Running:
    place: str
    token: str

    def send(self, method: str, path: str, body: object) -> tuple[int, bytes]:
        """An iterable body is sent in chunks."""
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        with closing(http.client.HTTPConnection(self.place, timeout=60)) as connection:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return response.status, response.read()


@pytest.fixture(scope="module")
def running(tmp_path_factory) -> Iterator[Running]:
    with (
        own_database(tmp_path_factory.mktemp("bodies") / "data") as environment,
        serve(environment, "--web-workers", "1", "--no-worker") as served,
    ):
        yield Running(urlsplit(served.address).netloc, shell(environment, MAKE))


@pytest.mark.parametrize("chunked", [False, True])
def test_four_megabytes_through_a_running_server(running, chunked):
    body = item_of(LIMIT, "🚲")
    sent = (body[begin : begin + 65_536] for begin in range(0, LIMIT, 65_536)) if chunked else body
    status, answered = running.send("PUT", f"{ITEMS}/a", sent)
    assert status == 200, answered[:500]
    status, read = running.send("GET", f"{ITEMS}/a", None)
    assert (status, read) == (200, answered)
    assert json.loads(read)["content"] == json.loads(body)["content"]


def test_one_byte_too_many_through_a_running_server(running):
    body = item_of(LIMIT + 1)
    head = (
        f"PUT {ITEMS}/b HTTP/1.1\r\nHost: {running.place}\r\nConnection: close\r\n"
        f"Authorization: Bearer {running.token}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with closing(http.client.HTTPConnection(running.place, timeout=60)) as connection:
        connection.connect()
        connection.sock.sendall(head.encode())  # it is refused before it is sent
        response = http.client.HTTPResponse(connection.sock)
        response.begin()
        error = json.loads(response.read())["error"]
    assert (response.status, error["code"]) == (413, "RequestEntityTooLarge")
    assert error["message"] == "The request body is larger than the maximum of 4194304 bytes."
    assert error["innerError"]["request-id"]
    assert running.send("GET", f"{ITEMS}/b", None)[0] == 404


def test_a_batch_of_four_megabytes_through_a_running_server(running):
    part = {"id": "1", "method": "PUT", "url": f"{ITEMS}/c", "body": None}
    empty = as_bytes({"requests": [part]})
    batch = empty.replace(b"null", item_of(LIMIT - len(empty) + len(b"null"), "ä"))
    assert len(batch) == LIMIT
    status, answered = running.send("POST", "/v1.0/$batch", batch)
    assert (status, json.loads(answered)["responses"][0]["status"]) == (200, 200)
