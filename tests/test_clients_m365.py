"""CLI for Microsoft 365: its calls as they were recorded, with its very headers.

The program itself knows one address, Graph's own (docs/clients.md tells how it is used by hand).
"""

from __future__ import annotations

import gzip
import http.client
import json
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.processes import Serving, own_database, serve, wait_for

pytestmark = pytest.mark.clients

#: Of every request, and of those with a body.
HEADERS = {
    "Accept": "application/json;odata.metadata=none",
    "user-agent": "NONISV|SharePointPnP|CLIMicrosoft365/11.11.0",
    "X-ClientService-ClientTag": "M365CLI:11.11.0",
    "accept-encoding": "gzip, deflate",
}
JSON = {"content-type": "application/json"}
#: ``schema add`` labels its JSON so.
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
#: ``external item add --id TSP-2 --externalConnectionId m365tickets --content "It is broken."
#: --acls "grant,everyone,everyone;deny,user,…" --ticketTitle "Größe" --priority high
#: --assignee@odata.type "Collection(String)" --assignee "ada;#grace"``
ITEM = {
    "id": "TSP-2",
    "content": {"value": "It is broken.", "type": "text"},
    "acl": [
        {"accessType": "grant", "type": "everyone", "value": "everyone"},
        {"accessType": "deny", "type": "user", "value": "49103559-feac-4575-8b94-254814dfca72"},
    ],
    "properties": {
        "ticketTitle": "Größe",
        "priority": "high",
        "assignee@odata.type": "Collection(String)",
        "assignee": ["ada", "grace"],
    },
}


@pytest.fixture(scope="module")
def serving(tmp_path_factory):
    folder = tmp_path_factory.mktemp("m365")
    with own_database(folder) as environment, serve(environment) as running:
        yield running


class Cli:
    """Sends what the program sends."""

    def __init__(self, serving: Serving):
        self.address = serving.address
        self.authorization = {"authorization": f"Bearer {serving.token}"}

    def send(
        self, method: str, path: str, body: Any = None, **headers: str
    ) -> tuple[int, http.client.HTTPMessage, Any]:
        """Status, headers and what it takes for the body: JSON, or a text."""
        data = None if body is None else json.dumps(body, ensure_ascii=False).encode()
        every = HEADERS | self.authorization | headers
        to = urlsplit(self.address)
        with closing(http.client.HTTPConnection(to.hostname or "", to.port, timeout=30)) as sent:
            sent.request(method, path.removeprefix(self.address), data, every)
            answer = sent.getresponse()
            content = answer.read()
            if answer.headers["Content-Encoding"] == "gzip":
                content = gzip.decompress(content)
            is_json = answer.headers.get_content_type() == "application/json" and content
            return answer.status, answer.headers, json.loads(content) if is_json else content


@pytest.fixture(scope="module")
def cli(serving) -> Cli:
    return Cli(serving)


@pytest.fixture(scope="module")
def connection(cli) -> str:
    """``connection add`` and ``schema add --wait``: the connection's path."""
    configuration: dict[str, Any] = {"authorizedAppIds": []}
    new = {"id": "m365tickets", "name": "Tickets", "description": "d"}
    root = "/v1.0/external/connections"
    status, _, made = cli.send("POST", root, new | {"configuration": configuration}, **JSON)
    assert (status, made["id"], made["state"]) == (201, "m365tickets", "draft")
    path = f"{root}/m365tickets"
    properties = [
        {"name": "ticketTitle", "type": "String", "isSearchable": "true"},
        {"name": "priority", "type": "String", "isQueryable": "true"},
        {"name": "assignee", "type": "StringCollection", "isRetrievable": "true"},
    ]
    schema = {"baseType": "microsoft.graph.externalItem", "properties": properties}
    status, headers, nothing = cli.send("PATCH", f"{path}/schema", schema, **FORM)
    assert (status, nothing) == (202, b"")

    def ended() -> Any:
        operation = cli.send("GET", headers["Location"])[2]
        return operation["status"] != "inprogress" and operation

    assert wait_for(ended)["status"] == "completed"
    return path


def test_item_add_prints_the_item(cli, connection):
    """Without control information, as it asks for. Again, and it is replaced."""
    for priority in ("high", "low"):
        sent = ITEM | {"properties": ITEM["properties"] | {"priority": priority}}
        status, headers, printed = cli.send("PUT", f"{connection}/items/TSP-2", sent, **JSON)
        assert status == 200
        assert headers.get_content_type() == "application/json"
        assert "odata.metadata=none" in headers["Content-Type"]
        assert printed == sent
        assert cli.send("GET", f"{connection}/items/TSP-2")[2] == sent


def test_item_add_whose_id_the_program_does_not_escape(cli, connection):
    """It puts the id into the address as it is: a slash in it makes another address."""
    status, _, answer = cli.send("PUT", f"{connection}/items/TSP/2", ITEM | {"id": "TSP/2"}, **JSON)
    assert (status, answer["error"]["code"]) == (404, "ResourceNotFound")
    assert "'2'" in answer["error"]["message"]


def test_what_it_prints_of_a_refusal_says_what_is_wrong(cli, connection):
    """Nothing but the message of the error."""
    wrong = {"ticketTitel": "A", "assignee": "ada"}
    sent = ITEM | {"properties": wrong}
    status, _, answer = cli.send("PUT", f"{connection}/items/TSP-2", sent, **JSON)
    assert status == 400
    message = answer["error"]["message"]
    assert "'properties/ticketTitel' is not in the schema" in message
    assert "Did you mean 'ticketTitle'?" in message and "2 more in details" in message


def test_a_resolver_is_added_beside_the_items(cli, connection):
    kind = "#microsoft.graph.externalConnectors.itemIdResolver"
    match = {"baseUrls": ["https://tickets.contoso.com"], "urlPattern": "/t/(?<id>[^/]+)"}
    resolver = {"itemId": "{id}", "priority": 1, "urlMatchInfo": match, "@odata.type": kind}
    changes = {"activitySettings": {"urlToItemResolvers": [resolver]}}
    status, _, nothing = cli.send("PATCH", connection, changes, **JSON)
    assert (status, nothing) == (204, b"")
    found = cli.send("GET", connection)[2]["activitySettings"]["urlToItemResolvers"]
    assert found == [resolver]


def test_doctor(cli, connection):
    """It asks the search for an item, which is not served, and reads one by its id."""
    cli.send("PUT", f"{connection}/items/TSP-2", ITEM, **JSON)
    assert cli.send("GET", connection)[2]["state"] == "ready"
    unmasked = {"prefer": "include-unknown-enum-members"}
    schema = cli.send("GET", f"{connection}/schema", **unmasked)[2]
    assert any(each["isSearchable"] for each in schema["properties"])
    query = {
        "entityTypes": ["externalItem"],
        "contentSources": ["/external/connections/m365tickets"],
        "query": {"queryString": "*"},
        "from": 0,
        "size": 1,
    }
    status, _, answer = cli.send("POST", "/v1.0/search/query", {"requests": [query]}, **JSON)
    assert status == 404
    assert "'search' exists in Microsoft Graph" in answer["error"]["innerError"]["message"]
    assert cli.send("GET", f"{connection}/items/TSP-2")[2]["content"]["value"]


def test_what_can_be_reached_with_request(cli, connection):
    """``m365 request --url … --method …``: items are deleted and groups made so."""
    root = f"{connection}/groups"
    assert cli.send("POST", root, {"id": "HR"}, **JSON)[0] == 201
    assert cli.send("POST", f"{root}/HR/members", {"id": "a", "type": "user"}, **JSON)[0] == 201
    cli.send("PUT", f"{connection}/items/gone", ITEM | {"id": "gone"}, **JSON)
    status, _, nothing = cli.send("DELETE", f"{connection}/items/gone")
    assert (status, nothing) == (204, b"")
    assert cli.send("GET", f"{connection}/items/gone")[0] == 404
