"""Every call of the API by every caller, as docs/permissions.md has it; alone and in a batch."""

from __future__ import annotations

import itertools
import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from django.http import HttpResponse
from django.test import Client

from operations import tokens
from operations.api.batch import METHODS as BATCH_METHODS
from operations.models import ROLES, SigningKey
from tests.bad_tokens import altered, bad_authorizations, good_token
from tests.factories import (
    a_property,
    a_schema,
    make_application,
    make_connection,
    register_schema,
    report,
)
from tests.graph import (
    ITEMS_OWNED,
    ITEMS_READ_ALL,
    ITEMS_WRITE_ALL,
    OWNED,
    READ_ALL,
    WRITE_ALL,
    GraphClient,
)
from tests.permissions import (
    Answer,
    Comparison,
    Row,
    assert_complete,
    callers,
    form,
    graph_routes,
    kept_for_a_module,
    legend,
    next_of,
    quiet,
    rows,
    undone,
    writes,
)

pytestmark = pytest.mark.django_db

WAYS_IN = ("/v1.0", "/beta", "/v1.0/external", "/beta/external")
RELATIONS = ("owner", "authorized", "stranger")


@dataclass(frozen=True)
class Part:
    """A table of the file: its callers, the roles that its calls need, and whose the others are."""

    heading: str
    callers: str
    owned: str
    read_all: str
    write_all: str
    others: str

    @property
    def roles(self) -> dict[str, list[str]]:
        return {
            "OwnedBy": [self.owned],
            "Read.All": [self.read_all],
            "OwnedBy and Read.All": [self.owned, self.read_all],
            "ReadWrite.All": [self.write_all],
            "OwnedBy and ReadWrite.All": [self.owned, self.write_all],
            "Read.All and ReadWrite.All": [self.read_all, self.write_all],
            f"roles for {self.others} only": self.of_the_others,
            "no roles": [],
        }

    @property
    def of_the_others(self) -> list[str]:
        return [role for role in ROLES if role not in (self.owned, self.read_all, self.write_all)]


CONNECTIONS = Part(
    "Calls of the API", "Callers of the API", OWNED, READ_ALL, WRITE_ALL, others="items"
)
CONTENT = Part(
    "Calls for items and groups",
    "Callers for items and groups",
    ITEMS_OWNED,
    ITEMS_READ_ALL,
    ITEMS_WRITE_ALL,
    others="connections",
)
PARTS = (CONNECTIONS, CONTENT)
AN_ITEM = {
    "acl": [{"accessType": "grant", "type": "everyone", "value": "everyone"}],
    "properties": {"title": "A"},
}
AN_ACTIVITY = {
    "type": "viewed",
    "startDateTime": "2026-11-20T08:30:00Z",
    "performedBy": {"id": "p", "type": "user"},
}
#: What is sent, so that nothing but the permission stands in the way.
BODIES: dict[tuple[str, str], Any] = {
    ("POST", "/connections"): {"id": "newone", "name": "New"},
    ("PATCH", "/connections/{}"): {"name": "Another"},
    ("PATCH", "/connections/{}/schema"): a_schema(a_property("title"), a_property("more")),
    ("POST", "/connections/{}/schema"): a_schema(a_property("title"), a_property("more")),
    ("POST", "/connections/{}/operations"): {"id": "p"},
    ("PATCH", "/connections/{}/operations/{}"): {"status": "completed"},
    ("POST", "/connections/{}/items"): {"id": "new", **AN_ITEM},
    ("PUT", "/connections/{}/items/{}"): AN_ITEM,
    ("PATCH", "/connections/{}/items/{}"): {"acl": []},
    **{
        ("POST", f"/connections/{{}}/items/{{}}/{action}"): {"activities": [AN_ACTIVITY]}
        for action in ("addActivities", "microsoft.graph.externalConnectors.addActivities")
    },
    ("POST", "/connections/{}/groups"): {"id": "new"},
    ("PATCH", "/connections/{}/groups/{}"): {"displayName": "Another"},
    ("POST", "/connections/{}/groups/{}/members"): {"id": "new", "type": "user"},
    ("POST", "/$batch"): {"requests": [{"id": "1", "method": "GET", "url": "/$metadata"}]},
}


@dataclass(frozen=True)
class Caller:
    name: str
    authorization: str | None
    connection: str  # the one that it asks for


@dataclass
class World:
    """Connections, applications that stand to them in every way, and the tokens of all."""

    part: Part
    callers: dict[str, Caller]
    turns: Counter[str] = field(default_factory=Counter)
    ways: Iterator[str] = field(default_factory=lambda: itertools.cycle(WAYS_IN))

    def path(self, row: Row, caller: Caller) -> str:
        values = {"connection_id": caller.connection, "operation_id": "o", "path": "lost/way"}
        values |= {"missing": "missing", "item_id": "i", "group_id": "g", "member_id": "m"}
        return re.sub(r"\{(\w+)\}", lambda found: values[found.group(1)], row.path).rstrip("/")

    def everybody(self, row: Row) -> Iterator[tuple[str, Caller]]:
        """All who try a row, each with its column; but only one of each where there is nothing to
        be had, or nothing that a GET has not."""
        is_empty = row.method == "HEAD" or "{missing}" in row.path
        for column, names in callers(self.part.callers).items():
            if is_empty or row.cells[column] in ("405", "404 path"):
                names = [self._next(names)]
            for name in names:
                yield column, self.callers[name]

    def one_of_each(self) -> Iterator[tuple[str, Caller]]:
        """One caller of each column, with each call the next."""
        for column, names in callers(self.part.callers).items():
            yield column, self.callers[self._next(names)]

    def _next(self, names: list[str]) -> str:
        return next_of(names, self.turns)


@pytest.fixture(scope="module", params=PARTS, ids=lambda part: part.heading)
def world(request, django_db_setup, django_db_blocker, private_pem) -> Iterator[World]:
    with kept_for_a_module(django_db_blocker):
        SigningKey.objects.create(kid=tokens.key_id(private_pem), private_pem=private_pem)
        tokens.forget_keys()
        part = request.param
        yield World(part, {caller.name: caller for caller in everybody(part)})


def everybody(part: Part) -> Iterator[Caller]:
    """Applications with all roles, in all relations to a connection; and the tokens of others."""
    numbers = itertools.count(1)
    somebody = make_application(OWNED)
    writer = GraphClient(make_application(ITEMS_WRITE_ALL))

    def connection(**values: Any) -> str:
        made = make_connection(f"contoso{next(numbers)}", **values)
        register_schema(made, a_schema(a_property("title")))
        report(made, graph_id="o")
        here = f"/v1.0/connections/{made.graph_id}"
        assert writer.put(f"{here}/items/i", AN_ITEM).status_code == 200
        assert writer.post(f"{here}/groups", {"id": "g"}).status_code == 201
        member = {"id": "m", "type": "user"}
        assert writer.post(f"{here}/groups/g/members", member).status_code == 201
        return made.graph_id

    for relation, (name, roles) in itertools.product(RELATIONS, part.roles.items()):
        application = make_application(*roles)
        graph_id = connection(
            owner=application if relation == "owner" else somebody,
            authorized_app_ids=[application.app_id] if relation == "authorized" else [],
        )
        yield Caller(f"{name} {relation}", f"Bearer {good_token(application)}", graph_id)

    mighty = make_application(part.owned, part.write_all)
    bare = make_application()
    good = {
        **{role: good_token(make_application(role)) for role in part.of_the_others},
        "token without the roles": altered(mighty, roles=[]),
        "roles that are no list": altered(mighty, roles=part.write_all),
        "roles that were taken away": altered(bare, roles=[part.owned, part.write_all]),
        "on behalf of a person": altered(mighty, scp=part.owned, roles=None),
        "scp beside roles": altered(mighty, scp=part.owned),
    }
    foreign = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    bad = bad_authorizations(mighty, [part.owned, part.write_all], foreign)
    own = connection(owner=mighty)
    for name, header in ({name: f"Bearer {text}" for name, text in good.items()} | bad).items():
        yield Caller(name, header, own)


def says(response: HttpResponse, answer: Answer) -> bool:
    """Whether the body is the envelope with this code and text; of a success, no envelope."""
    if not answer.code:
        return True
    if not response.content or not response["Content-Type"].startswith("application/json"):
        return False
    error = json.loads(response.content)["error"]
    assert error["innerError"]["request-id"] == response["request-id"]
    return error["code"] == answer.code and answer.says in error["message"]


def body_of(row: Row) -> bytes:
    document = BODIES.get((row.method, re.sub(r"\{\w+\}", "{}", row.path)))
    return b"" if document is None else json.dumps(document).encode()


def send(http: Client, method: str, path: str, body: bytes, caller: Caller) -> HttpResponse:
    headers = {} if caller.authorization is None else {"Authorization": caller.authorization}
    return http.generic(method, path, body, content_type="application/json", headers=headers)


@cache
def ways_of(path: str) -> list[str]:
    """Those that a path of the file has. The quota is on /beta only; /v1.0 says so."""
    [found] = [ways for route, ways in graph_routes().items() if form(route) == form(path)]
    return sorted(way for way in found if "beta" in way or not path.endswith("/quota"))


def way_in(row: Row, ways: Iterator[str]) -> str:
    """The next of those that the path has."""
    return next(way for way in ways if way in ways_of(row.path))


@pytest.fixture
def http() -> Iterator[Client]:
    with quiet():
        yield Client(raise_request_exception=False)


def part_of(path: str) -> Part:
    """Items and groups have roles of their own, and so a table."""
    return CONTENT if re.match(r"/connections/\{\w+\}/(items|groups)", path) else CONNECTIONS


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.heading)
def test_every_route_has_a_row(part):
    routes = [path for path in graph_routes() if part_of(path) is part]
    assert_complete(part.heading, routes, rows(part.heading))


def test_the_ways_in_are_these_four():
    """What is below /connections has all of them, the rest two."""
    for path, found in graph_routes().items():
        wanted = WAYS_IN if path.startswith("/connections") else WAYS_IN[:2]
        assert sorted(found) == sorted(wanted), path


def test_every_caller_stands_in_a_column(world):
    named = [name for names in callers(world.part.callers).values() for name in names]
    assert sorted(named) == sorted(world.callers)


def test_the_ways_in_agree(world, http):
    """Both versions and both ways in give the same answer: to one who may, one who may not write
    and one who may not see."""
    for row in rows(world.part.heading):
        is_there = row.path.startswith("/connections") and "{missing}" not in row.path
        if not is_there or row.method not in ("GET", "POST", "PUT", "PATCH", "DELETE"):
            continue
        body = body_of(row)
        for name in ("OwnedBy owner", "OwnedBy and Read.All stranger", "OwnedBy stranger"):
            caller = world.callers[name]
            answers = set()
            for way in ways_of(row.path):
                with undone():
                    path = way + world.path(row, caller)
                    response = send(http, row.method, path, body, caller)
                code = response.json()["error"]["code"] if response.status_code >= 400 else ""
                answers.add((response.status_code, code))
            assert len(answers) == 1, (str(row), caller.name, answers)


def test_who_may_not_see_gets_what_everybody_gets_who_asks_for_nothing(world, http):
    """The answer about a stranger's connection is, to the byte, that about one that is not there;
    ids and times aside. So is that about its operations, whatever is sent along."""
    caller = world.callers["OwnedBy stranger"]
    for row in rows(world.part.heading):
        if row.cells["OwnedBy, not own"] != "404" or "{connection_id}" not in row.path:
            continue
        for query, body in (("", body_of(row)), ("?$filter=(", b"{")):
            answers = []
            for connection in (caller.connection, "missing9"):
                asking = Caller(caller.name, caller.authorization, connection)
                path = f"/beta{world.path(row, asking)}{query}"
                response = send(http, row.method, path, body, asking)
                answers.append(plain(response, connection))
            assert answers[0] == answers[1], str(row)
            assert answers[0][0] == 404


def plain(response: HttpResponse, connection: str) -> tuple[int, list[tuple[str, str]], str]:
    """An answer without what differs between any two of them."""
    ids = {"request-id", "client-request-id", "date"}
    headers = [(name, value) for name, value in response.items() if name.lower() not in ids]
    text = re.sub(r'("(?:client-)?request-id"|"date"): ?"[^"]*"', r"\1", response.content.decode())
    assert connection not in text
    return response.status_code, headers, text


@pytest.mark.parametrize("column", ["no good token", "for a person", "no role", "OwnedBy, not own"])
def test_what_is_sent_along_changes_no_refusal(world, http, column):
    """No fault in a body or a query option is told to somebody who may not ask at all."""
    comparison = Comparison(world.part.heading, legend("Answers of the API"), says)
    [caller, *_] = callers(world.part.callers)[column]
    for row in rows(world.part.heading):
        if row.cells[column][:3] in ("401", "403", "404"):
            path = f"/beta{world.path(row, world.callers[caller])}?$top=x&$nonsense=1"
            with undone(), writes() as written:
                response = send(http, row.method, path, b"{", world.callers[caller])
            comparison.look(row, column, caller, response, written)
    comparison.finish()


def test_every_call_as_a_part_of_a_batch(world, http):
    """The same table: what is refused alone is refused as a part, with the same body."""
    comparison = Comparison(world.part.heading, legend("Answers of the API"), says)
    courier = Caller("courier", f"Bearer {good_token(make_application())}", "")
    calls = [
        (row, column, caller)
        for row in rows(world.part.heading)
        if row.method in BATCH_METHODS and row.path != "/$batch"
        for column, caller in world.one_of_each()
    ]
    refused = [call for call in calls if call[0].cells[call[1]][:1] == "4"]
    allowed = [[call] for call in calls if call[0].cells[call[1]][:1] == "2"]
    together = [refused[at : at + 20] for at in range(0, len(refused), 20)]
    for several in together + allowed:
        parts = [
            {
                "id": str(number),
                "method": row.method,
                "url": world.path(row, caller) or "/beta",
                "headers": {"Authorization": caller.authorization or ""},
                "body": json.loads(body_of(row) or b"null"),
            }
            for number, (row, _, caller) in enumerate(several)
        ]
        with undone(), writes() as written:
            sent = json.dumps({"requests": parts}).encode()
            response = send(http, "POST", "/beta/$batch", sent, courier)
        for (row, column, caller), part in zip(several, response.json()["responses"], strict=True):
            comparison.look(row, column, caller.name, as_if_alone(part), written)
    comparison.finish()


def as_if_alone(part: dict[str, Any]) -> HttpResponse:
    body = json.dumps(part["body"]) if "body" in part else ""
    return HttpResponse(body, status=part["status"], headers=part["headers"])


def test_a_batch_has_its_own_token_for_parts_that_bring_none(world, http):
    navigation = "/items" if world.part is CONTENT else ""
    for name, status in (
        ("OwnedBy owner", 200),
        ("OwnedBy stranger", 404),
        ("no roles owner", 403),
    ):
        caller = world.callers[name]
        part = {"id": "1", "method": "GET", "url": f"/connections/{caller.connection}{navigation}"}
        sent = json.dumps({"requests": [part]}).encode()
        response = send(http, "POST", "/v1.0/$batch", sent, caller)
        assert response.json()["responses"][0]["status"] == status


def test_every_call_by_everybody(world, http):
    comparison = Comparison(world.part.heading, legend("Answers of the API"), says)
    for row in rows(world.part.heading):
        body = body_of(row)
        for column, caller in world.everybody(row):
            path = way_in(row, world.ways) + world.path(row, caller)
            with undone(), writes() as written:
                response = send(http, row.method, path, body, caller)
            comparison.look(row, column, caller.name, response, written)
    comparison.finish()
