"""One id leads from the answer to the log, the history, the pages and what the worker did."""

from __future__ import annotations

import json
import re
import urllib.parse
import urllib.request
from http.cookiejar import CookieJar

import pytest

from tests.factories import a_schema
from tests.processes import Serving, own_database, serve, shell, wait_for

CHANGES = """
import json
from operations.models import Change
rows = Change.objects.filter(request_id="{}").order_by("id")
print(json.dumps([[row.channel, row.action, row.operation_graph_id] for row in rows]))
"""


@pytest.fixture(scope="module")
def installation(tmp_path_factory):
    with own_database(tmp_path_factory.mktemp("installation")) as environment:
        yield environment | {"LOG_FORMAT": "json"}


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    return tmp_path_factory.mktemp("log") / "log"


@pytest.fixture(scope="module")
def serving(installation, log):
    with serve(installation, log=log) as running:
        yield running


def token_of(serving: Serving) -> str:
    form = {
        "grant_type": "client_credentials",
        "client_id": serving.printed("Client id"),
        "client_secret": serving.printed("Client secret"),
        "scope": "api://connectors-admin/.default",
    }
    data = urllib.parse.urlencode(form).encode()
    with urllib.request.urlopen(serving.printed("Token address"), data, timeout=20) as response:
        return json.load(response)["access_token"]


def send(serving: Serving, token: str, method: str, path: str, body: object, **headers: str):
    """Headers and body of the answer."""
    request = urllib.request.Request(
        serving.address + path,
        json.dumps(body).encode(),
        {"Authorization": f"Bearer {token}", "Content-Type": "application/json", **headers},
        method=method,
    )
    with urllib.request.urlopen(request, timeout=20) as response:
        return response.headers, response.read()


def person(serving: Serving) -> urllib.request.OpenerDirector:
    """A browser of the first operator."""
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
    page = browser.open(f"{serving.address}/sign-in/", timeout=20).read().decode()
    found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
    assert found
    form = {
        "csrfmiddlewaretoken": found[1],
        "username": serving.printed("Operator"),
        "password": serving.printed("Password"),
    }
    browser.open(f"{serving.address}/sign-in/", urllib.parse.urlencode(form).encode(), timeout=20)
    return browser


def lines(log, request_id: str) -> list[dict]:
    every = [json.loads(line) for line in log.read_text().splitlines()]
    return [line for line in every if line.get("request_id") == request_id]


def test_a_registration_from_the_call_to_its_end(installation, serving, log):
    token = token_of(serving)
    client_id = serving.printed("Client id")
    send(serving, token, "POST", "/v1.0/connections", {"id": "everywhere", "name": "x"})
    headers, _ = send(
        serving,
        token,
        "PATCH",
        "/v1.0/external/connections/everywhere/schema",
        a_schema(),
        **{"client-request-id": "my-own-id"},
    )
    request_id = headers["request-id"]
    operation_id = headers["Location"].rpartition("/")[2]

    # the history has what the call and the worker did
    def history():
        rows = json.loads(shell(installation, CHANGES.format(request_id)))
        return rows if len(rows) == 4 else None

    assert [row[:2] for row in wait_for(history)] == [
        ["api", "operation.requested"],
        ["worker", "operation.started"],
        ["worker", "operation.completed"],
        ["worker", "schema.inForce"],
    ]
    assert {row[2] for row in history()} == {operation_id}

    # the log has the call, and what the worker did for it
    def told():
        found = lines(log, request_id)
        return found if found[-1]["message"] == "Ended." else None

    access, claimed, ended = wait_for(told)
    assert access["logger"] == "operations.access"
    assert access["message"] == "PATCH /v1.0/external/connections/everywhere/schema 202"
    assert access["client_request_id"] == "my-own-id"
    assert access["application"] == client_id
    assert access["route"] == "/v1.0/external/connections/{connection_id}/schema"
    assert (access["method"], access["status"]) == ("PATCH", 202)
    assert access["duration_ms"] > 0
    assert claimed["message"] == "Claimed, attempt 1."
    for line in (access, claimed, ended):
        assert (line["connection"], line["operation"]) == ("everywhere", operation_id)
    assert claimed["logger"] == "operations.worker" and claimed["worker"] == ended["worker"]

    # the pages have it: the operation, the activity, the search
    browser = person(serving)
    page = f"/connections/everywhere/operations/{operation_id}/"
    for address in (page, f"/activity/?request={request_id}", f"/search/?q={request_id}"):
        text = browser.open(serving.address + address, timeout=20).read().decode()
        assert request_id in text, address
        assert operation_id in text, address
    address = f"{serving.address}/activity/?request={request_id}"
    activity = browser.open(address, timeout=20).read().decode()
    for word in ("Requested", "Started", "Completed", "Schema in force"):
        assert word in activity


def test_a_refusal_has_it_in_the_log_too(serving, log):
    request = urllib.request.Request(f"{serving.address}/v1.0/connections")
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=20)
    request_id = refused.value.headers["request-id"]
    refused.value.close()

    def access():
        return [line for line in lines(log, request_id) if line["logger"] == "operations.access"]

    [line] = wait_for(access)
    assert (line["status"], line["route"]) == (401, "/v1.0/connections")


def test_each_part_of_a_batch_has_its_own_and_names_the_batch(serving, log):
    parts = [
        {"id": "1", "method": "GET", "url": "/connections"},
        {"id": "2", "method": "GET", "url": "/connections/nothere"},
    ]
    headers, body = send(serving, token_of(serving), "POST", "/v1.0/$batch", {"requests": parts})

    answers = {part["id"]: part for part in json.loads(body)["responses"]}
    for number, status in (("1", 200), ("2", 404)):
        request_id = answers[number]["headers"]["request-id"]
        found = [row for row in lines(log, request_id) if row["logger"] == "operations.access"]
        [line] = found
        assert line["status"] == status
        assert line["batch_request_id"] == headers["request-id"] != request_id
        assert line["application"] == serving.printed("Client id")


def test_what_a_person_did_names_the_person(serving, log):
    browser = person(serving)
    with browser.open(f"{serving.address}/settings/", timeout=20) as response:
        request_id = response.headers["request-id"]

    [line] = wait_for(lambda: lines(log, request_id))
    assert (line["user"], line["route"]) == (serving.printed("Operator"), "/settings/")


def test_what_the_web_server_refuses_itself(serving, log):
    request = urllib.request.Request(f"{serving.address}/v1.0/connections?$filter={'a' * 9000}")
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=20)
    request_id = refused.value.headers["request-id"]
    refused.value.close()

    [line] = wait_for(lambda: lines(log, request_id))
    assert line["logger"] == "gunicorn.error" and line["level"] == "WARNING"
