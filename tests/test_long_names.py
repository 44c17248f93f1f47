"""A refusal repeats the beginning of a long name or value, not all of it: it does not outgrow the
body that it is about."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.factories import a_property, a_schema
from tests.graph import assert_refused
from tests.item_bodies import DATE, EVERYONE
from tests.ready import BETA, HERE, ITEMS, put, ready

LONG = "x" * 20_000
PERSON = {"type": "user", "id": "alex"}
CONNECTION = {
    "id": "another",
    "name": "Another",
    "configuration": {"authorizedAppIds": []},
    "activitySettings": {
        "urlToItemResolvers": [
            {
                "@odata.type": "#microsoft.graph.externalConnectors.itemIdResolver",
                "itemId": "{id}",
                "priority": 1,
                "urlMatchInfo": {"baseUrls": ["https://a.example"], "urlPattern": "/(?<id>[0-9]+)"},
            }
        ]
    },
    "searchSettings": {
        "searchResultTemplates": [{"id": "one", "priority": 1, "layout": {}, "rules": []}]
    },
}
BODIES = [
    ("POST", "/v1.0/external/connections", CONNECTION),
    ("POST", "/beta/external/connections", CONNECTION),
    ("PATCH", f"{HERE}/schema", a_schema(a_property("title", labels=["title"], aliases=["name"]))),
    ("PATCH", f"{BETA}/schema", a_schema(a_property("title", rankingHint={}))),
    ("POST", f"{HERE}/operations", {"id": "crawl", "status": "failed", "error": {"code": "a"}}),
    ("POST", f"{HERE}/groups", {"id": "team", "displayName": "Team"}),
    ("POST", f"{HERE}/groups/there/members", PERSON),
    (
        "PUT",
        f"{ITEMS}/one",
        {
            "acl": [EVERYONE],
            "properties": {
                "title": "A",
                "due": DATE,
                "tags": ["a"],
                "tags@odata.type": "Collection(String)",
                "owner": {"upn": "a"},
            },
            "content": {"type": "text", "value": "A"},
            "informationProtectionLabel": {"sensitivityLabelId": "a"},
        },
    ),
    (
        "POST",
        f"{ITEMS}/there/addActivities",
        {"activities": [{"type": "viewed", "startDateTime": DATE, "performedBy": PERSON}]},
    ),
    ("POST", "/v1.0/$batch", {"requests": [{"id": "1", "method": "GET", "url": "/connections"}]}),
]


@pytest.fixture
def graph(db):
    client = ready()
    put(client, f"{ITEMS}/there", {"acl": [EVERYONE], "properties": {"title": "A"}})
    assert client.post(f"{HERE}/groups", {"id": "there"}).status_code == 201
    return client


def places(value: Any, path: tuple = ()) -> Iterator[tuple]:
    """The path of every object, collection and value."""
    yield path
    if isinstance(value, dict | list):
        for key, entry in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(entry, (*path, key))


def with_long(body: Any) -> Iterator[Any]:
    """The body with a long name, annotation or value at each place."""
    for path in places(body):
        for name in (LONG, f"{LONG}/a", f"{LONG}@odata.type", f"title@{LONG}", None):
            changed = copy.deepcopy(body)
            at = changed
            for key in path[:-1]:
                at = at[key]
            if name is None and path:
                at[path[-1]] = LONG
            else:
                at = at[path[-1]] if path else at
                if not isinstance(at, dict) or name is None:
                    continue
                at[name] = "x"
            yield changed


@pytest.mark.parametrize(("method", "path", "body"), BODIES)
def test_no_refusal_repeats_all_of_it(graph, method, path, body):
    refused = 0
    for changed in with_long(body):
        answer = graph.request(method, path, changed)
        if answer.status_code >= 400:
            refused += 1
            assert len(answer.content) < 6000, answer.content[:300]
    assert refused > 2


@pytest.mark.parametrize(
    ("name", "says", "code"),
    [
        (LONG, "is not in the schema of the connection.", "PropertyNotDeclared"),
        (f"{LONG}@a", f"is about '{'x' * 60}', which is not in the schema.", "PropertyNotDeclared"),
    ],
)
def test_its_beginning_is_named(graph, name, says, code):
    answer = graph.put(f"{ITEMS}/one", {"acl": [], "properties": {"title": "A", name: "x"}})
    begins = f"properties/{'x' * 148}…"
    error = assert_refused(answer, 400, "InvalidRequest", inner=code, target=begins)
    assert error["innerError"]["message"] == f"Property '{begins}' {says}"


def test_a_member_of_the_body_as_well(graph):
    answer = graph.put(f"{ITEMS}/one", {"acl": [], "properties": {"title": "A"}, LONG: "x"})
    begins = f"{'x' * 159}…"
    assert_refused(answer, 400, "InvalidRequest", inner="PropertyNotDeclared", target=begins)
    assert json.loads(answer.content)["error"]["details"][0]["target"] == begins
