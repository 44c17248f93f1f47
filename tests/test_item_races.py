"""Many writers of items at once, over real HTTP, against three web processes: no limit is passed,
no item is lost or doubled, no count is wrong, and a connection that goes takes them all along."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.at_once import Call, Reply, ask, at_once, statuses
from tests.item_bodies import item
from tests.processes import own_database, query, serve, shell

MANY = 40
WRITERS = 8
LIMIT = 25
LIMIT_IN_ALL = 60
MAKE = "from tests.ready import ready\nprint(ready().token)"
SCHEMA = {
    "baseType": "microsoft.graph.externalItem",
    "properties": [{"name": "title", "type": "string"}],
}
STATE = "SELECT state, limited_by FROM operations_externalconnection WHERE graph_id = '{}'"
LIMIT_EXCEEDED = 4


@dataclass
class House:
    """A running installation of three web processes, and ways to ask it."""

    address: str
    environment: dict[str, str]
    token: str

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Call:
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        headers["Authorization"] = f"Bearer {self.token}"
        return Call(method, f"/v1.0/connections{path}", body, headers=headers)

    def ask(self, method: str, path: str, body: Any = None, status: int = 200) -> Reply:
        reply = ask(self.address, self.call(method, path, body))
        assert reply.status == status, reply.text
        return reply

    def at_once(self, calls: list[Call]) -> list[Reply]:
        replies = at_once(self.address, calls)
        assert not [reply.text for reply in replies if reply.status >= 500]
        return replies

    def connection(self, graph_id: str) -> None:
        self.ask("POST", "", {"id": graph_id, "name": "A"}, 201)
        self.ask("PATCH", f"/{graph_id}/schema", SCHEMA, 202)
        shell(self.environment, "from tests.factories import work_off\nwork_off()\nprint()")

    def assert_counted(self, graph_id: str, count: int) -> None:
        """As many are there as are counted, and as many as the list has."""
        assert self.ask("GET", f"/{graph_id}/items/$count").json() == count
        listed = self.ask("GET", f"/{graph_id}/items?$top=999&$select=id").json()["value"]
        assert len({row["id"] for row in listed}) == len(listed) == count

    def state(self, graph_id: str) -> tuple[int, str]:
        state, limited_by = query(self.environment, STATE.format(graph_id))
        return state, limited_by

    def changes(self, graph_id: str) -> int:
        """How often the state was changed by counting."""
        sql = f"""SELECT COUNT(*) FROM operations_change
            WHERE connection_graph_id = '{graph_id}' AND action = 'connection.updated'"""
        return query(self.environment, sql)[0]


@contextmanager
def running(folder: Path, **limits: str) -> Iterator[House]:
    log = folder / "log"
    with own_database(folder / "data") as environment:
        # the threads of all that run beside each other stay below the connections a server has
        environment |= {"WEB_THREADS": "8", **limits}
        arguments = ("--web-workers", "3", "--no-worker")
        with serve(environment, *arguments, log=log) as served:
            yield House(served.address, environment, shell(environment, MAKE))
        text = log.read_text()
    for word in ("deadlock", "database is locked", "Traceback"):
        assert word not in text, text[-5000:]


@pytest.fixture(scope="module")
def house(tmp_path_factory) -> Iterator[House]:
    limits = {"ITEMS_PER_CONNECTION": f"{LIMIT}", "ITEMS_IN_ALL": "100000"}
    with running(tmp_path_factory.mktemp("here"), **limits) as house:
        yield house


# At a limit --------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["PUT", "POST"])
def test_creates_at_once_never_pass_the_limit(house, method):
    name = f"full{method.lower()}"
    house.connection(name)
    calls = [house.call("PUT", f"/{name}/items/{number}", item()) for number in range(MANY)]
    if method == "POST":
        path = f"/{name}/items"
        calls = [house.call("POST", path, item(id=f"{number}")) for number in range(MANY)]
    replies = house.at_once(calls)
    good = 200 if method == "PUT" else 201
    assert statuses(replies) == {good: LIMIT, 409: MANY - LIMIT}
    assert {reply.code for reply in replies if reply.status == 409} == {"LimitExceeded"}
    house.assert_counted(name, LIMIT)
    assert house.state(name) == (LIMIT_EXCEEDED, "connection")
    assert house.changes(name) == 1


def test_replacements_and_deletions_at_the_limit(house):
    """Those that go make room for as many, and no more."""
    house.connection("turnover")
    for number in range(LIMIT):
        house.ask("PUT", f"/turnover/items/{number}", item())
    calls = [house.call("DELETE", f"/turnover/items/{number}") for number in range(10)]
    calls += [house.call("PUT", f"/turnover/items/new{number}", item()) for number in range(20)]
    calls += [house.call("PUT", f"/turnover/items/{number}", item()) for number in range(15, 25)]
    replies = house.at_once(calls)
    assert statuses(replies[:10]) == {204: 10}
    assert statuses(replies[30:]) == {200: 10}
    created = statuses(replies[10:30])
    assert set(created) <= {200, 409}
    assert created[200] <= 10
    house.assert_counted("turnover", LIMIT - 10 + created[200])


def test_the_limit_of_all_connections_is_never_passed(tmp_path):
    limits = {"ITEMS_PER_CONNECTION": "100000", "ITEMS_IN_ALL": f"{LIMIT_IN_ALL}"}
    names = ("one", "two", "three")
    with running(tmp_path, **limits) as house:
        for name in names:
            house.connection(name)
        calls = [
            house.call("PUT", f"/{name}/items/{number}", item())
            for number in range(MANY)
            for name in names
        ]
        replies = house.at_once(calls)
        assert statuses(replies) == {200: LIMIT_IN_ALL, 409: len(calls) - LIMIT_IN_ALL}
        counts = [house.ask("GET", f"/{name}/items/$count").json() for name in names]
        assert sum(counts) == LIMIT_IN_ALL
        for name, count in zip(names, counts, strict=True):
            house.assert_counted(name, count)
            assert house.state(name) == (LIMIT_EXCEEDED, "all")


def test_a_limit_that_is_reached_at_full_speed(tmp_path):
    """From where nobody looks how many there are to where each waits for its turn."""
    limit = 1200  # more than quota.MARGIN
    limits = {"ITEMS_PER_CONNECTION": f"{limit}", "ITEMS_IN_ALL": "100000"}
    with running(tmp_path, **limits) as house:
        house.connection("many")
        numbers = iter(range(limit + 40))
        lock = threading.Lock()

        def write(_: int) -> list[int]:
            answered = []
            place = urlsplit(house.address).netloc
            with closing(http.client.HTTPConnection(place, timeout=60)) as connection:
                while True:
                    with lock:
                        number = next(numbers, None)
                    if number is None:
                        return answered
                    call = house.call("PUT", f"/many/items/{number}", item())
                    answered.append(call.send(connection).status)

        with ThreadPoolExecutor(WRITERS) as pool:
            answered = [status for each in pool.map(write, range(WRITERS)) for status in each]
        assert (answered.count(200), answered.count(409)) == (limit, 40)
        assert house.ask("GET", "/many/items/$count").json() == limit
        rows = query(house.environment, "SELECT COUNT(*) FROM operations_externalitem")
        assert rows == (limit,)
        assert house.state("many") == (LIMIT_EXCEEDED, "connection")


# The same item -----------------------------------------------------------------------------------


def test_one_of_many_creates_an_item_and_all_are_told_that_they_wrote_it(house):
    house.connection("same")
    calls = [
        house.call("PUT", "/same/items/a", item(properties={"title": f"{number}"}))
        for number in range(MANY)
    ]
    replies = house.at_once(calls)
    assert statuses(replies) == {200: MANY}
    tags = {reply.json()["@odata.etag"] for reply in replies}
    assert len(tags) == MANY, "each is another version"
    stored = house.ask("GET", "/same/items/a").json()
    assert stored["@odata.etag"] in tags
    [last] = [reply for reply in replies if reply.json()["@odata.etag"] == stored["@odata.etag"]]
    assert last.json() == stored
    house.assert_counted("same", 1)


def test_one_of_many_posts_an_item(house):
    house.connection("posted")
    replies = house.at_once([house.call("POST", "/posted/items", item(id="a"))] * MANY)
    assert statuses(replies) == {201: 1, 409: MANY - 1}
    assert {reply.code for reply in replies if reply.status == 409} == {"NameAlreadyExists"}
    house.assert_counted("posted", 1)


def test_the_same_post_again_and_again_makes_one_and_answers_all_alike(house):
    house.connection("replayed")
    call = house.call("POST", "/replayed/items", item(id="a"), client_request_id="same")
    replies = house.at_once([call] * MANY)
    assert statuses(replies) == {201: MANY}
    assert len({reply.text for reply in replies}) == 1
    house.assert_counted("replayed", 1)


def test_one_of_many_creates_where_there_is_none(house):
    house.connection("ifnone")
    call = house.call("PUT", "/ifnone/items/a", item(), If_None_Match="*")
    replies = house.at_once([call] * MANY)
    assert statuses(replies) == {200: 1, 412: MANY - 1}
    house.assert_counted("ifnone", 1)


def test_one_of_many_replaces_what_all_have_seen(house):
    house.connection("ifmatch")
    tag = house.ask("PUT", "/ifmatch/items/a", item()).json()["@odata.etag"]
    calls = [
        house.call("PUT" if number % 2 else "PATCH", "/ifmatch/items/a", item(), If_Match=tag)
        for number in range(MANY)
    ]
    assert statuses(house.at_once(calls)) == {200: 1, 412: MANY - 1}


def test_changes_of_different_members_are_all_kept(house):
    house.connection("patched")
    house.ask("PUT", "/patched/items/a", item())
    label, content = {"sensitivityLabelId": "s"}, {"type": "html", "value": "b"}
    sent = [
        {"acl": []},
        {"content": content},
        {"properties": {"title": "B"}},
        {"informationProtectionLabel": label},
    ]
    calls = [house.call("PATCH", "/patched/items/a", body) for body in sent * 10]
    assert statuses(house.at_once(calls)) == {200: MANY}
    stored = house.ask("GET", "/patched/items/a").json()
    for body in sent:
        assert body.items() <= stored.items()


def test_one_of_many_deletes_an_item(house):
    house.connection("deleted")
    house.ask("PUT", "/deleted/items/a", item())
    replies = house.at_once([house.call("DELETE", "/deleted/items/a")] * MANY)
    assert statuses(replies) == {204: 1, 404: MANY - 1}
    house.assert_counted("deleted", 0)


def test_writing_and_deleting_the_same_item(house):
    house.connection("both")
    house.ask("PUT", "/both/items/a", item())
    calls = [
        house.call("DELETE", "/both/items/a")
        if number % 2
        else house.call("PUT", "/both/items/a", item())
        for number in range(MANY)
    ]
    replies = house.at_once(calls)
    assert statuses(replies[::2]) == {200: MANY // 2}
    assert set(statuses(replies[1::2])) <= {204, 404}
    there = ask(house.address, house.call("GET", "/both/items/a")).status == 200
    house.assert_counted("both", int(there))


def test_activities_on_an_item_that_is_deleted_meanwhile(house):
    house.connection("acted")
    by = {"id": "u", "type": "user"}
    activity = {"type": "viewed", "startDateTime": "2024-05-31T08:30:00Z", "performedBy": by}
    house.ask("PUT", "/acted/items/a", item())
    path = "/acted/items/a/addActivities"
    calls = [house.call("POST", path, {"activities": [activity]}) for _ in range(MANY)]
    calls.insert(MANY // 2, house.call("DELETE", "/acted/items/a"))
    replies = house.at_once(calls)
    assert set(statuses(replies)) <= {200, 204, 404}
    sql = "SELECT COUNT(*) FROM operations_externalactivity"
    assert query(house.environment, sql) == (0,)


# The connection goes -----------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["PUT", "POST", "PATCH"])
def test_writes_while_the_connection_is_deleted(house, method):
    name = f"gone{method.lower()}"
    house.connection(name)
    house.ask("PUT", f"/{name}/items/a", item())
    paths = {"PUT": "/items/{}", "POST": "/items", "PATCH": "/items/a"}
    calls = [
        house.call(method, f"/{name}{paths[method].format(number)}", item(id=f"{number}"))
        for number in range(20)
    ]
    if method == "PATCH":
        calls = [house.call("PATCH", f"/{name}/items/a", {"acl": []}) for _ in range(20)]
    calls.insert(10, house.call("DELETE", f"/{name}"))
    replies = house.at_once(calls)
    assert replies[10].status == 202, replies[10].text
    assert set(statuses(replies)) <= {200, 201, 202, 404}
    assert {reply.code for reply in replies if reply.status == 404} <= {"ResourceNotFound"}
    house.ask("GET", f"/{name}/items/a", status=404)
    shell(house.environment, "from tests.factories import work_off\nwork_off()\nprint()")
    sql = f"""SELECT COUNT(*) FROM operations_externalitem i
        JOIN operations_externalconnection c ON c.id = i.connection_id
        WHERE c.graph_id = '{name}'"""
    assert query(house.environment, sql) == (0,)
    house.ask("POST", "", {"id": name, "name": "Again"}, 201)
    assert (
        json.loads(house.ask("GET", f"/{name}/items", status=409).text)["error"]["innerError"][
            "state"
        ]
        == "draft"
    )
