"""Request bodies: which JSON is read, which is refused, and how large it may be."""

from __future__ import annotations

import json
import time

import pytest

from operations.models import ConnectionOperation
from tests.factories import make_connection
from tests.graph import assert_refused

CONNECTIONS = "/v1.0/external/connections"
HERE = "/v1.0/connections/contosohr"
HR = {"id": "contosohr", "name": "Contoso HR"}


@pytest.fixture
def connection(application):
    return make_connection("contosohr", owner=application)


@pytest.mark.parametrize(
    "body",
    [
        b"\xef\xbb\xbf" + json.dumps(HR).encode(),
        b" \r\n\t" + json.dumps(HR).encode() + b"\n ",
        b'{"id": "contosohr", "name": "Caf\\u00e9 \\ud83d\\udeb2"}',
        '{"id": "contosohr", "name": "Café 🚲"}'.encode(),
    ],
    ids=["byte order mark", "white space", "escapes", "utf-8"],
)
def test_json_that_is_read(graph, body):
    assert graph.post(CONNECTIONS, body).status_code == 201


INNER = '{"status": "failed", "error": {"innerError": {"x": %s}}}'


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"{",
        b'{"id": "a",}',
        b"{'id': 'a'}",
        b"id=contosohr&name=HR",
        b"<xml/>",
        b"\xff\xfe{\x00}\x00",
        b'{"id": "\xff"}',
        b'{"id": "a\tb"}',
        b"{} {}",
        b"[]",
        b'[{"id": "a"}]',
        b'"text"',
        b"17",
        b"null",
        INNER % "NaN",
        INNER % "Infinity",
        INNER % "-Infinity",
        INNER % "1e999",
        INNER % "-1e999",
        INNER % ("9" * 5000),
        INNER % '"\\ud800"',
        INNER % '"a\\udc00b"',
        INNER % '"\\u0000"',
        INNER % '{"\\u0000": 1}',
        INNER % '{"\\ud800": 1}',
        '{"id": "a\\u0000b"}',
        INNER % ("[" * 30 + "]" * 30),
        "[" * 100_000 + "]" * 100_000,
        INNER % ('{"a":' * 100_000 + "1" + "}" * 100_000),
        "[" * 100_000,
        '{"status": "failed", "status": "completed"}',
        INNER % '{"a": 1, "a": 2}',
    ],
    ids=range(34),
)
def test_json_that_is_refused(graph, connection, body):
    assert_refused(
        graph.post(f"{HERE}/operations", body),
        400,
        "BadRequest",
        inner="InvalidJson",
        says="Unable to read JSON request payload.",
    )
    assert not ConnectionOperation.objects.exists()


@pytest.mark.parametrize(
    ("body", "cause"),
    [
        (b"", "The body is empty."),
        (b" \n", "The body is empty."),
        (b'{"id": "\xff"}', "The body is not UTF-8."),
        (b'{\n "id": }', "The body is not valid JSON: Expecting value at line 2, column 8."),
        (
            b'{"id": "a\tb"}',
            "The body is not valid JSON: Invalid control character at line 1, colu",
        ),
        (b"{} {}", "The body is not valid JSON: Extra data at line 1, column 4."),
        (INNER % "NaN", "The body is not valid JSON: NaN is no number of JSON."),
        (INNER % ("9" * 5000), "The body has a number out of range."),
        ("[" * 100_000, "The body is nested deeper than 32 levels."),
        ('{"id": 1, "a": 2, "id": 3}', "Member 'id' stands twice."),
        ('{"\\ud800": 1, "\\ud800": 2}', "Member '\\ud800' stands twice."),
        ("[]", "The body must be a JSON object."),
    ],
    ids=range(12),
)
def test_the_cause_is_told_inside_and_outside(graph, connection, body, cause):
    error = assert_refused(
        graph.post(f"{HERE}/operations", body), 400, "BadRequest", inner="InvalidJson", says=cause
    )
    assert error["message"].startswith(
        "Unable to read JSON request payload. Please ensure Content-Type header is set and payload "
        "is of valid JSON format. "
    )
    assert error["innerError"]["message"].startswith(cause)


@pytest.mark.parametrize(
    ("way_in", "address", "body", "sentence"),
    [
        ("v1.0", "", {"activitySetting": {}}, "Did you mean 'activitySettings'?"),
        ("v1.0", "", {"Name": "a"}, "Did you mean 'name'?"),
        ("v1.0", "", {"complianceSettings": {}}, "It is declared on /beta only."),
        ("beta", "", {"complianceSetting": {}}, "Did you mean 'complianceSettings'?"),
        ("v1.0", "", {"activitySettings": {"urlToItemResolver": []}}, "'urlToItemResolvers'?"),
        ("v1.0", "/schema", {"property": []}, "Did you mean 'properties'?"),
        ("v1.0", "/schema", {"properties": [{"label": []}]}, "Did you mean 'labels'?"),
        ("v1.0", "/schema", {"properties": [{"rankingHint": {}}]}, "It is declared on /beta only."),
        ("beta", "/schema", {"properties": [{"rankingHint": {"score": 1}}]}, "by the type."),
        ("v1.0", "/operations", {"state": "failed"}, "Did you mean 'status'?"),
        ("v1.0", "/operations", {"error": {"mesage": "m"}}, "Did you mean 'message'?"),
        ("v1.0", "/operations", {"colour": "red"}, "'colour' is not declared by the type."),
    ],
)
def test_an_undeclared_member_that_is_near_one(graph, connection, way_in, address, body, sentence):
    send = graph.post if address == "/operations" else graph.patch
    error = assert_refused(
        send(f"/{way_in}/external/connections/contosohr{address}", body), 400, "InvalidRequest"
    )
    undeclared = [d for d in error["details"] if d["code"] == "PropertyNotDeclared"]
    assert len(undeclared) == 1
    assert undeclared[0]["message"].startswith(f"Property '{undeclared[0]['target']}' is not decl")
    assert undeclared[0]["message"].endswith(sentence)


def test_members_without_number_that_are_near_one_are_refused_quickly(graph, connection, settings):
    """Only for those that are listed is the nearest name looked for."""
    count = settings.MAX_BODY_BYTES // 24
    body = {f"descriptio{number}": 1 for number in range(count)}
    begin = time.process_time()
    error = assert_refused(
        graph.patch(HERE, body), 400, "InvalidRequest", says=f"({count - 1} more"
    )
    assert time.process_time() - begin < 3
    assert all(detail["message"].endswith("'description'?") for detail in error["details"])


def test_the_deepest_body_that_is_read(graph, connection, settings):
    assert settings.MAX_BODY_DEPTH == 32
    body = INNER % ("[" * 29 + "]" * 29)  # below three objects
    created = graph.post(f"{HERE}/operations", body)
    assert created.status_code == 201
    assert created.json()["error"]["innerError"]["x"] == json.loads("[" * 29 + "]" * 29)


def test_a_large_integer_comes_back_as_it_was(graph, connection):
    number = 10**40 + 1
    created = graph.post(f"{HERE}/operations", INNER % number)
    assert created.json()["error"]["innerError"]["x"] == number
    operation = created.json()["id"]
    read = graph.get(f"{HERE}/operations/{operation}").json()
    assert read["error"]["innerError"]["x"] == number


@pytest.mark.parametrize("limit", [1000, 2000])
def test_a_body_above_the_limit(graph, connection, settings, limit):
    settings.MAX_BODY_BYTES = limit
    body = json.dumps({"status": "failed", "error": {"message": "m"}}).encode()
    fits = body + b" " * (limit - len(body))
    assert graph.post(f"{HERE}/operations", fits).status_code == 201
    assert_refused(
        graph.post(f"{HERE}/operations", fits + b" "),
        413,
        "RequestEntityTooLarge",
        says=f"larger than the maximum of {limit} bytes",
    )
    assert ConnectionOperation.objects.count() == 1


def test_a_body_above_djangos_own_limit_is_refused_in_the_envelope_too(graph, settings):
    body = b'{"name": "' + b"x" * (settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1) + b'"}'
    assert_refused(graph.post(CONNECTIONS, body), 413, "RequestEntityTooLarge")


def test_a_missing_connection_comes_before_the_size_of_the_body(graph, settings):
    settings.MAX_BODY_BYTES = 1000
    response = graph.post("/v1.0/connections/nosuch/operations", b" " * 2000)
    assert_refused(response, 404, "ItemNotFound")
