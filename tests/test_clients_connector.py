"""Connectors as they are published run from their first call to their last, and once more.

Each is a program of its own (clients/connector.py, clients/javascript/connector.js), against
``serve`` with its worker, over TLS.
"""

from __future__ import annotations

import json
import os
import re
import ssl
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.processes import Serving, manage, own_database, serve, shell, wait_for

pytestmark = pytest.mark.clients

HERE = Path(__file__).parent / "clients"
PYTHON = (sys.executable, str(HERE / "connector.py"))
JAVASCRIPT = ("node", str(HERE / "javascript" / "connector.js"))
DOCUMENTS = 200
LIMIT = 1000
BEGINNING = datetime(2024, 1, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def serving(tmp_path_factory):
    """A registration takes half a second, so that it is seen in progress."""
    with own_database(tmp_path_factory.mktemp("connector")) as environment:
        environment |= {"OPERATION_DURATION": "0.5", "ITEMS_PER_CONNECTION": str(LIMIT)}
        with serve(environment, "--tls") as running:
            yield running


# What it reads -----------------------------------------------------------------------------------


def name_of(number: int) -> str:
    """Where a document is: the id of its item."""
    return f"guides/{number:03} Größe & Form's.md" if number % 3 else f"notes/{number:03}.md"


def write(folder: Path, number: int, changed: datetime, text: str = "") -> str:
    """A document, and its name. Dates in the spelling of Python and of JavaScript."""
    when = changed.isoformat()
    if number % 2:
        when = changed.strftime("%Y-%m-%dT%H:%M:%S.000Z")
    file = folder / name_of(number)
    file.parent.mkdir(parents=True, exist_ok=True)
    tags = ["", "red", "red, größer"][number % 3]
    file.write_text(
        f"---\ntitle: Document {number}\ndescription: No. {number}\ntags: {tags}\n"
        f"lastModified: {when}\n---\n# Document {number}\n\n{text or 'As it was.'}\n"
    )
    return name_of(number)


@pytest.fixture
def folder(tmp_path) -> Path:
    documents = tmp_path / "documents"
    for number in range(DOCUMENTS):
        write(documents, number, BEGINNING + timedelta(minutes=number))
    return documents


# Running it --------------------------------------------------------------------------------------


@dataclass
class Connector:
    """The program with what it is told."""

    environment: dict[str, str]
    command: list[str]

    def start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self) -> dict[str, Any]:
        """To its end; what it says that it has done."""
        with self.start() as process:
            said, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
        found: dict[str, Any] = json.loads(said)
        return found


def connector(
    serving: Serving,
    name: str,
    folder: Path,
    program: tuple[str, ...] = PYTHON,
    client: tuple[str, str] | None = None,
    **options: str,
) -> Connector:
    """``client``: another application than the first one."""
    client_id, secret = client or (
        serving.printed("Client id"),
        serving.printed("Client secret"),
    )
    authority = serving.printed("CA file")
    environment = {
        "PATH": os.environ["PATH"],
        "BASE": serving.address,
        "TOKEN_URL": serving.printed("Token address"),
        "CLIENT_ID": client_id,
        "CLIENT_SECRET": secret,
        "DELAY": "0.2",
        "SSL_CERT_FILE": authority,
        "NODE_EXTRA_CA_CERTS": authority,
        "PYTHONWARNINGS": "ignore",
    }
    state = folder.parent / "state.json"
    return Connector(environment | options, [*program, name, str(folder), str(state)])


def get(serving: Serving, path: str) -> Any:
    """What the API answers, or None where there is nothing."""
    request = urllib.request.Request(
        path if path.startswith("http") else f"{serving.address}{path}",
        headers={"Authorization": f"Bearer {serving.token}"},
    )
    trusting = ssl.create_default_context(cafile=serving.printed("CA file"))
    try:
        with urllib.request.urlopen(request, timeout=30, context=trusting) as response:
            return json.load(response)
    except urllib.error.HTTPError as error:
        if error.code != 404:
            raise
        error.close()
        return None


def etags(serving: Serving, name: str) -> dict[str, str]:
    """The version of every item, by its id."""
    found = {}
    page = f"/v1.0/external/connections/{name}/items?$top=90&$select=id"
    while page:
        answer = get(serving, page)
        found |= {row["id"]: row["@odata.etag"] for row in answer["value"]}
        page = answer.get("@odata.nextLink", "")
    return found


def assert_holds(serving: Serving, name: str, number: int) -> None:
    connection = get(serving, f"/beta/external/connections/{name}")
    assert (connection["state"], connection["ingestedItemsCount"]) == ("ready", number)
    quota = get(serving, f"/beta/external/connections/{name}/quota")
    assert quota["itemsRemaining"] == LIMIT - number


# What it does ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "program", "method", "version"),
    [
        ("docspython", PYTHON, "PATCH", "v1.0"),
        ("docspythonpost", PYTHON, "POST", "v1.0"),
        ("docspythonbeta", PYTHON, "PATCH", "beta"),
        ("docsjs", JAVASCRIPT, "PATCH", "v1.0"),
        ("docsjspost", JAVASCRIPT, "POST", "v1.0"),
        ("docsjsbeta", JAVASCRIPT, "PATCH", "beta"),
    ],
)
def test_from_nothing_and_once_more(serving, folder, name, program, method, version):
    program = connector(serving, name, folder, program, SCHEMA_METHOD=method, VERSION=version)

    first = program.run()

    assert first["made_connection"] and first["made_schema"]
    assert first["statuses"][-1] == "completed" and "inprogress" in first["statuses"]
    assert (len(first["put"]), first["deleted"]) == (DOCUMENTS, [])
    assert_connection_is_whole(serving, name)
    assert_holds(serving, name, DOCUMENTS)
    before = etags(serving, name)
    assert set(before) == set(first["put"])
    assert_items_are_whole(serving, name)

    again = program.run()
    assert not again["made_connection"] and not again["made_schema"]
    assert again["put"] == again["deleted"] == again["statuses"] == []
    assert etags(serving, name) == before

    later = BEGINNING + timedelta(days=1)
    changed = {write(folder, number, later, "Changed.") for number in (3, 4, 5)}
    new = {write(folder, number, later) for number in (DOCUMENTS, DOCUMENTS + 1)}
    gone = {name_of(number) for number in (7, 8, 9)}
    for each in gone:
        (folder / each).unlink()

    incremental = program.run()

    assert set(incremental["put"]) == changed | new
    assert set(incremental["deleted"]) == gone
    after = etags(serving, name)
    assert set(after) == set(before) - gone | new
    assert {id for id in before.keys() & after.keys() if before[id] != after[id]} == changed
    for id in gone:
        assert get(serving, item_path(name, id)) is None
    for id in changed:
        assert "Changed." in get(serving, item_path(name, id))["content"]["value"]
    assert_holds(serving, name, DOCUMENTS + len(new) - len(gone))


def item_path(name: str, item_id: str) -> str:
    return f"/v1.0/external/connections/{name}/items/{urllib.parse.quote(item_id, safe='')}"


def assert_connection_is_whole(serving: Serving, name: str) -> None:
    found = get(serving, f"/v1.0/external/connections/{name}")
    (resolver,) = found["activitySettings"]["urlToItemResolvers"]
    assert resolver["urlMatchInfo"]["urlPattern"] == "/(?<path>.+)"
    (template,) = found["searchSettings"]["searchResultTemplates"]
    assert template["layout"]["body"][2]["items"][0]["isSubtle"] is True
    (operation,) = get(serving, f"/v1.0/external/connections/{name}/operations")["value"]
    assert operation["status"] == "completed"
    schema = get(serving, f"/v1.0/external/connections/{name}/schema")
    assert [each["name"] for each in schema["properties"]][-2:] == ["tags", "lastModified"]


def assert_items_are_whole(serving: Serving, name: str) -> None:
    found = get(serving, item_path(name, "guides/005 Größe & Form's.md"))
    assert found["properties"] == {
        "title": "Document 5",
        "description": "No. 5",
        "url": "https://docs.contoso.com/guides/005 Größe & Form's.md",
        "iconUrl": "https://docs.contoso.com/icon.png",
        "tags@odata.type": "Collection(String)",
        "tags": ["red", "größer"],
        "lastModified": "2024-01-01T12:05:00.000Z",
    }
    assert found["content"] == {"type": "text", "value": "# Document 5\n\nAs it was.\n"}
    untagged = get(serving, item_path(name, "notes/006.md"))["properties"]
    assert untagged["tags"] == [] and untagged["lastModified"] == "2024-01-01T12:06:00+00:00"


@pytest.mark.parametrize(
    ("name", "program"), [("docsfailed", PYTHON), ("docsfailedjs", JAVASCRIPT)]
)
def test_a_registration_that_fails_is_told_and_made_up_for(serving, folder, name, program):
    """The first one is made to fail, as teams do who rehearse it."""
    program = connector(serving, name, folder, program)
    shell(
        serving.environment,
        "from operations.models import OutcomeRule\n"
        "error = {'code': 'Rehearsed', 'message': 'The schema cannot be provisioned.'}\n"
        "print(OutcomeRule.objects.create(connection=None, remaining=1, error=error).pk)",
    )

    with program.start() as failed:
        said, errors = failed.communicate(timeout=120)

    assert (failed.returncode, said) == (1, "")
    assert "The schema was not registered: The schema cannot be provisioned." in errors
    assert get(serving, f"/v1.0/external/connections/{name}")["state"] == "draft"
    done = program.run()
    assert not done["made_connection"] and done["made_schema"]
    assert_holds(serving, name, DOCUMENTS)


def test_it_waits_until_it_is_allowed_to(serving, folder):
    """An application without a role for connections gets it while the connector waits."""
    made = json.loads(
        manage(
            serving.environment,
            "create_application",
            "Waiting",
            "--role",
            "ExternalItem.ReadWrite.OwnedBy",
            "--json",
        )
    )
    client = made["clientId"], made["clientSecret"]

    with connector(serving, "docswaiting", folder, client=client).start() as waiting:
        assert waiting.stderr is not None
        assert "Waiting for consent" in waiting.stderr.readline()
        shell(
            serving.environment,
            "from operations.models import Application\n"
            f"found = Application.objects.get(app_id='{client[0]}')\n"
            "found.roles.append('ExternalConnection.ReadWrite.OwnedBy')\n"
            "found.save()",
        )
        said, errors = waiting.communicate(timeout=120)

    assert waiting.returncode == 0, errors
    done = json.loads(said)
    assert done["consents_waited_for"] >= 1 and len(done["put"]) == DOCUMENTS


def unthrottled(serving: Serving, name: str) -> dict[str, str] | None:
    """The versions, unless the window of the connector itself is not over yet."""
    try:
        return etags(serving, name)
    except urllib.error.HTTPError as error:
        with error:
            assert error.code == 429
        return None


def test_it_goes_slower_when_it_is_told_to(tmp_path, folder):
    """429 with Retry-After: every item arrives nevertheless, and once."""
    limit = {"THROTTLE_LIMIT": "40", "THROTTLE_WINDOW": "3"}
    with (
        own_database(tmp_path / "throttled") as environment,
        serve(environment | limit, "--tls") as running,
    ):
        done = connector(running, "docsthrottled", folder).run()
        assert done["throttled"] > 0
        assert len(done["put"]) == DOCUMENTS

        found = wait_for(lambda: unthrottled(running, "docsthrottled"))
        assert len(found) == DOCUMENTS
        assert all(re.search(r"-i1\"$", etag) for etag in found.values())
