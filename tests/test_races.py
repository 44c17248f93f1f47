"""Many at once, over real HTTP, against three web processes: one winner, refusals that have a name,
and a history that tells what is the case."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from tests.at_once import Call, Reply, ask, at_once, statuses
from tests.processes import MANAGE, manage, own_database, serve, shell

MANY = 50
FORM_TOKEN = "f" * 32
OPERATORS = 20
ADMIN_LIST = "/admin/operations/externalconnection/"
#: Accounts with sessions, an application, and a registration that has failed.
MAKE = f"""
import json
from django.conf import settings
from django.test import Client
from operations.models import Application
from operations.roles import Role
from tests import factories
settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # nobody types one
def session(role, name):
    client = Client()
    client.force_login(factories.make_person(role, name))
    return client.cookies["sessionid"].value
application = Application.objects.get()
connection = factories.make_connection("retried", owner=application)
failed = factories.fail_registration(connection)
told = factories.make_application("ExternalConnection.ReadWrite.OwnedBy", name="revoked")
print(json.dumps({{
    "operators": [session(Role.OPERATOR, f"operator{{n}}") for n in range({OPERATORS})],
    "administrators": [session(Role.ADMINISTRATOR, f"admin{{n}}") for n in range({OPERATORS})],
    "failed": failed.graph_id,
    "app": [str(told.app_id), told.secret_text, str(told.secrets.get().key_id)],
}}))
"""
SCHEMA = {
    "baseType": "microsoft.graph.externalItem",
    "properties": [{"name": "title", "type": "string"}],
}


@dataclass
class House:
    """A running installation of three web processes, and ways to ask it."""

    address: str
    environment: dict[str, str]
    token: str
    made: dict[str, Any]
    log: Path

    def graph(self, method: str, path: str, body: Any = None, **headers: str) -> Call:
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        headers["Authorization"] = f"Bearer {self.token}"
        return Call(method, f"/v1.0/connections{path}", body, headers=headers)

    def page(self, session: str, path: str, form: dict[str, Any] | None = None) -> Call:
        """A page that is opened, or whose form is sent."""
        cookies = f"sessionid={session}; csrftoken={FORM_TOKEN}"
        headers = {"Cookie": cookies, "X-CSRFToken": FORM_TOKEN, "Accept": "text/html"}
        return Call("GET" if form is None else "POST", path, form=form, headers=headers)

    def at_once(self, calls: list[Call]) -> list[Reply]:
        replies = at_once(self.address, calls)
        assert not [reply.text for reply in replies if reply.status >= 500]
        return replies

    def ask(self, call: Call, status: int = 200) -> Reply:
        reply = ask(self.address, call)
        assert reply.status == status, reply.text
        return reply

    def connection(self, graph_id: str) -> None:
        self.ask(self.graph("POST", "", {"id": graph_id, "name": "A"}), 201)

    def operation(self, graph_id: str, **values: Any) -> None:
        """A connection with this id, and an operation ``o`` that is in progress."""
        self.connection(graph_id)
        self.ask(self.graph("POST", f"/{graph_id}/operations", {"id": "o", **values}), 201)

    def history(self, *, connection: str = "", application: str = "") -> list[dict[str, Any]]:
        """The records of a connection or an application, oldest first."""
        path = f"/activity/export.jsonl?connection={connection}&application={application}&range=all"
        reply = self.ask(self.page(self.made["operators"][0], path))
        return [json.loads(line) for line in reply.text.splitlines()][::-1]


@pytest.fixture(scope="module")
def house(tmp_path_factory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("races")
    log = folder / "log"
    with own_database(folder / "data") as environment:
        arguments = ("--web-workers", "3", "--no-worker")
        with serve(environment, *arguments, log=log) as served:
            made = json.loads(shell(environment, MAKE))
            token = served.curl.partition("Bearer ")[2].partition("'")[0]
            yield House(served.address, environment, token, made, log)
        text = log.read_text()
    for word in ("deadlock", "database is locked", "Traceback"):
        assert word not in text, text[-5000:]


def what(history: list[dict[str, Any]]) -> Counter[str]:
    return Counter(record["action"] for record in history)


def one_winner(replies: list[Reply], good: int, *codes: str) -> Reply:
    """The only one that was let through; all others were refused with one of these codes."""
    [winner] = [reply for reply in replies if reply.status == good]
    losers = {reply.code for reply in replies if reply is not winner}
    assert losers <= set(codes), losers
    return winner


# Making ------------------------------------------------------------------------------------------


def test_one_of_many_creates_a_connection(house):
    replies = house.at_once([house.graph("POST", "", {"id": "raced", "name": "A"})] * MANY)
    winner = one_winner(replies, 201, "NameAlreadyExists")
    assert statuses(replies) == {201: 1, 409: MANY - 1}
    [record] = house.history(connection="raced")
    assert record["action"] == "connection.created"
    assert record["requestId"] == winner.headers["request-id"]


def test_one_of_many_creates_an_operation(house):
    house.connection("reports")
    call = house.graph("POST", "/reports/operations", {"id": "o"})
    replies = house.at_once([call] * MANY)
    winner = one_winner(replies, 201, "NameAlreadyExists")
    assert statuses(replies) == {201: 1, 409: MANY - 1}
    _, record = house.history(connection="reports")
    assert record["action"] == "operation.reported"
    assert record["requestId"] == winner.headers["request-id"]
    listed = house.ask(house.graph("GET", "/reports/operations")).json()["value"]
    assert [row["id"] for row in listed] == ["o"]


def test_one_of_many_registers_a_schema(house):
    """The others are told which operation is in the way."""
    house.connection("schemas")
    replies = house.at_once([house.graph("PATCH", "/schemas/schema", SCHEMA)] * MANY)
    winner = one_winner(replies, 202, "OperationInProgress")
    assert statuses(replies) == {202: 1, 409: MANY - 1}
    operation = winner.headers["Location"].rpartition("/")[2]
    for reply in replies:
        assert reply is winner or operation in reply.json()["error"]["message"]
    assert what(house.history(connection="schemas"))["operation.requested"] == 1
    manage(house.environment, "run_operations", "--once")
    done = what(house.history(connection="schemas"))
    assert (done["operation.completed"], done["schema.inForce"]) == (1, 1)


# Moving on ---------------------------------------------------------------------------------------

ENDS = ("operation.completed", "operation.failed")


def failures(house: House, connection: str, **headers: str) -> list[Call]:
    """So many reports of a failure, each with an error of its own."""
    path = f"/{connection}/operations/o"
    bodies = [{"status": "failed", "error": {"message": f"{number}"}} for number in range(MANY)]
    return [house.graph("PATCH", path, body, **headers) for body in bodies]


def assert_ended_once(house: House, connection: str, winner: Reply) -> None:
    """What is stored, what the winner was told and what the history says are the same."""
    stored = house.ask(house.graph("GET", f"/{connection}/operations/o")).json()
    told = winner.json()
    assert (stored["status"], stored["error"]) == (told["status"], told["error"])
    history = house.history(connection=connection)
    [end] = [each for each in history if each["action"] in ENDS]
    assert end["requestId"] == winner.headers["request-id"]
    assert end["after"] == {"status": stored["status"], "error": stored["error"]}
    assert len(history) == 3


def test_one_of_many_ends_an_operation(house):
    house.operation("ended")
    winner = one_winner(house.at_once(failures(house, "ended")), 200, "InvalidStateTransition")
    assert_ended_once(house, "ended", winner)


def test_with_one_tag_one_ends_an_operation_and_the_others_see_another_tag(house):
    house.operation("tagged")
    path = "/tagged/operations/o"
    tag = house.ask(house.graph("GET", path)).headers["ETag"]
    replies = house.at_once(failures(house, "tagged", If_Match=tag))
    assert statuses(replies) == {200: 1, 412: MANY - 1}
    winner = one_winner(replies, 200, "PreconditionFailed")
    assert_ended_once(house, "tagged", winner)


def test_who_says_the_same_is_not_refused_and_leaves_no_trace(house):
    house.operation("agreed")
    call = house.graph("PATCH", "/agreed/operations/o", {"status": "completed"})
    replies = house.at_once([call] * MANY)
    assert statuses(replies) == {200: MANY}
    assert what(house.history(connection="agreed"))["operation.completed"] == 1


def test_completed_or_failed_but_never_both(house):
    house.operation("either")
    completed = house.graph("PATCH", "/either/operations/o", {"status": "completed"})
    replies = house.at_once([*failures(house, "either")[: MANY // 2], *[completed] * (MANY // 2)])
    stored = house.ask(house.graph("GET", "/either/operations/o")).json()["status"]
    good = [reply for reply in replies if reply.status == 200]
    assert {reply.json()["status"] for reply in good} == {stored}
    assert stored == "completed" or len(good) == 1
    assert {reply.code for reply in replies if reply.status != 200} == {"InvalidStateTransition"}
    done = what(house.history(connection="either"))
    assert sum(done[end] for end in ENDS) == done[f"operation.{stored}"] == 1


# Deleting ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "method", "below", "body", "good"),
    [
        ("registrations", "PATCH", "/schema", SCHEMA, 202),
        ("reports", "POST", "/operations", {}, 201),
        ("moves", "PATCH", "/operations/o", {"status": "completed"}, 200),
        ("changes", "PATCH", "", {"name": "Another"}, 204),
    ],
)
def test_a_connection_is_deleted_once_whatever_else_is_asked_of_it(
    house, kind, method, below, body, good
):
    name = f"gone{kind}"
    house.operation(name)
    calls = [house.graph(method, f"/{name}{below}", body)] * MANY
    calls[2::5] = [house.graph("DELETE", f"/{name}")] * (MANY // 5)
    replies = house.at_once(calls)
    deleted = [reply for reply in replies if reply.call.method == "DELETE"]
    rest = [reply for reply in replies if reply.call.method != "DELETE"]
    one_winner(deleted, 202, "ResourceNotFound")
    refused = {reply.code for reply in rest if reply.status != good}
    assert refused <= {"ResourceNotFound", "OperationInProgress"}
    house.ask(house.graph("GET", f"/{name}"), 404)
    house.ask(house.graph("GET", f"/{name}/operations/o"), 404)
    history = house.history(connection=name)
    done = what(history)
    assert done["connection.deletionRequested"] == done["connection.purged"] == 1
    assert history[-1]["action"] == "connection.purged"
    through = statuses(rest)[good]
    recorded = {
        "registrations": done["operation.requested"],
        "reports": done["operation.reported"] - 1,  # the one that was there
        "moves": done["operation.completed"],
        "changes": done["connection.updated"],
    }[kind]
    says_nothing_new = kind in ("moves", "changes")  # from the second on, and is no record
    assert recorded == (min(1, through) if says_nothing_new else through)
    house.connection(name)  # the id is free again


def test_a_deletion_ends_though_reports_never_cease(house):
    """Those who write below a connection share it; none who begins later comes before it."""
    house.operation("busy")

    def report() -> set[int]:
        found: set[int] = set()
        while 404 not in found:
            found |= {reply.status for reply in house.at_once([again])}
        return found

    again = house.graph("POST", "/busy/operations", {})

    with ThreadPoolExecutor(8) as pool:
        reporters = [pool.submit(report) for _ in range(8)]
        time.sleep(1)  # all of them are at it
        house.ask(house.graph("DELETE", "/busy"), 202)
        assert all(each.result(30) == {201, 404} for each in reporters)
    house.ask(house.graph("GET", "/busy"), 404)


def test_an_operation_is_deleted_once_whatever_is_reported_of_it(house):
    house.operation("dropped")
    path = "/dropped/operations/o"
    calls = failures(house, "dropped")
    calls[2::5] = [house.graph("DELETE", path)] * (MANY // 5)
    replies = house.at_once(calls)
    deleted = [reply for reply in replies if reply.call.method == "DELETE"]
    one_winner(deleted, 204, "ResourceNotFound")
    rest = [reply for reply in replies if reply.call.method != "DELETE"]
    through = statuses(rest)[200]
    assert through <= 1
    refused = {reply.code for reply in rest if reply.status != 200}
    assert refused <= {"ResourceNotFound", "InvalidStateTransition"}
    house.ask(house.graph("GET", path), 404)
    done = what(house.history(connection="dropped"))
    assert (done["operation.deleted"], done["operation.failed"]) == (1, through)


# People ------------------------------------------------------------------------------------------


def test_twenty_operators_retry_once(house):
    path = f"/connections/retried/operations/{house.made['failed']}/"
    sessions = house.made["operators"]
    replies = house.at_once([house.page(each, f"{path}retry/", {}) for each in sessions])
    assert statuses(replies) == {302: OPERATORS}
    told = [house.ask(house.page(each, path)).text for each in sessions]
    assert sum("Retry requested." in text for text in told) == 1
    assert sum("is unfinished" in text for text in told) == OPERATORS - 1
    assert what(house.history(connection="retried"))["operation.retried"] == 1


class Fields(HTMLParser):
    """What a browser would send for the form of an admin page that nobody touched."""

    def __init__(self, text: str):
        super().__init__()
        self.values: dict[str, str] = {}
        self.open = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        name = given.get("name", "")
        if tag == "select":
            self.open = name
        elif tag == "option" and "selected" in given and self.open:
            self.values[self.open] = given["value"]
        elif tag == "textarea":
            self.open = name
            self.values[name] = ""
        elif tag == "input" and given.get("type") not in ("submit", "checkbox", "radio"):
            self.values[name] = given.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        if tag in ("select", "textarea"):
            self.open = ""

    def handle_data(self, data: str) -> None:
        if self.open in self.values:
            self.values[self.open] = self.values[self.open] or data.strip("\n")


def test_administrators_who_edit_one_connection_undo_nothing_of_each_other(house):
    """Ten change the name, ten the description: each record begins where the one before ended."""
    house.connection("edited")
    administrators = house.made["administrators"]
    found = house.ask(house.page(administrators[0], f"{ADMIN_LIST}?q=edited")).text
    [key] = set(re.findall(rf"{ADMIN_LIST}(\d+)/change/", found))
    path = f"{ADMIN_LIST}{key}/change/"
    form = Fields(house.ask(house.page(administrators[0], path)).text).values
    calls = []
    for number, session in enumerate(administrators):
        name = "name" if number % 2 else "description"
        calls.append(house.page(session, path, {**form, name: f"{name} {number}", "_save": "Save"}))
    assert statuses(house.at_once(calls)) == {302: OPERATORS}
    records = [each for each in house.history(connection="edited") if each["channel"] == "admin"]
    assert len(records) == OPERATORS
    now: dict[str, Any] = {"name": "A", "description": None}
    for record in records:
        assert record["before"] == {name: now[name] for name in record["before"]}
        assert len(record["after"]) == 1
        now |= record["after"]
    stored = house.ask(house.graph("GET", "/edited")).json()
    assert (stored["name"], stored["description"]) == (now["name"], now["description"])


# Applications ------------------------------------------------------------------------------------


def test_one_of_many_registers_an_application_of_another_issuer(house):
    app_id = str(uuid.uuid4())
    form = {"name": "Foreign", "foreign_app_id": app_id}
    replies = house.at_once(
        [house.page(each, "/applications/new/", form) for each in house.made["administrators"]]
    )
    assert statuses(replies) == {302: 1, 200: OPERATORS - 1}
    losers = [reply.text for reply in replies if reply.status == 200]
    assert all("already exists" in text for text in losers)
    assert what(house.history(application=app_id)) == {"application.created": 1}


def test_one_of_two_commands_registers_an_application(house):
    app_id = str(uuid.uuid4())
    command = [sys.executable, MANAGE, "create_application", "Foreign", "--app-id", app_id]
    running = [
        subprocess.Popen(
            command,
            env=house.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    said = [process.communicate(timeout=60)[1] for process in running]
    assert sorted(process.returncode for process in running) == [0, 1]
    [refusal] = [text for text, process in zip(said, running, strict=True) if process.returncode]
    assert "already exists" in refusal and "Traceback" not in refusal
    assert what(house.history(application=app_id)) == {"application.created": 1}


def test_a_secret_that_is_revoked_meanwhile_gives_no_token_afterwards(house):
    app_id, secret, key_id = house.made["app"]
    form = {
        "grant_type": "client_credentials",
        "client_id": app_id,
        "client_secret": secret,
        "scope": "api://connectors-admin/.default",
    }
    asks = Call("POST", "/common/oauth2/v2.0/token", form=form)
    revokes = [
        house.page(each, f"/applications/{app_id}/secrets/{key_id}/revoke/", {"name": "revoked"})
        for each in house.made["administrators"][:5]
    ]
    replies = house.at_once([*[asks] * 20, *revokes, *[asks] * 20])
    tokens = [reply for reply in replies if reply.call is asks]
    assert statuses(replies[20:25]) == {302: 5}
    # many wrong secrets at once are guesses, and some are told to wait
    assert set(statuses(tokens)) <= {200, 401, 429}
    assert all(reply.json()["error"] == "invalid_client" for reply in tokens if reply.status == 401)
    [late] = house.at_once([asks])
    assert late.status in (401, 429)
    for reply in tokens:
        if reply.status == 200:
            headers = {"Authorization": f"Bearer {reply.json()['access_token']}"}
            house.ask(Call("GET", "/v1.0/connections", headers=headers), 401)
    assert what(house.history(application=app_id))["application.secretRevoked"] == 1
