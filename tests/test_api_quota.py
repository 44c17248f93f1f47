"""``GET /beta/…/quota``: how many items there may still be. v1.0 has no such path."""

from __future__ import annotations

import pytest
from django.conf import settings as project

from operations.models import ConnectionState
from tests.factories import COMMAND, make_application, make_connection
from tests.graph import (
    ITEMS_OWNED,
    ITEMS_READ_ALL,
    ITEMS_WRITE_ALL,
    OWNED,
    READ_ALL,
    WRITE_ALL,
    GraphClient,
    assert_refused,
)
from tests.item_bodies import item
from tests.ready import BETA, HERE, ITEMS, SERVER, make_ready, put, ready

QUOTA = f"{BETA}/quota"


@pytest.fixture
def graph(db, settings):
    settings.ITEMS_PER_CONNECTION, settings.ITEMS_IN_ALL = 7000, 20_000
    return ready()


@pytest.mark.parametrize("way_in", ["external/connections", "connections"])
def test_as_graph_documents_it(graph, way_in):
    response = graph.get(f"/beta/{way_in}/contosohr/quota")
    assert response.status_code == 200
    assert response.json() == {
        "@odata.context": (
            f"{SERVER}/beta/$metadata#external/connections('contosohr')/quota/$entity"
        ),
        "itemsRemaining": 7000,
    }


def test_it_goes_down_and_up_with_the_items(graph):
    put(graph, f"{ITEMS}/a", item())
    put(graph, f"{ITEMS}/a", item())
    put(graph, f"{ITEMS}/b", item())
    assert graph.get(QUOTA).json()["itemsRemaining"] == 6998
    graph.delete(f"{ITEMS}/a")
    assert graph.get(QUOTA).json()["itemsRemaining"] == 6999


def test_the_smaller_of_what_is_left_here_and_in_all(graph, settings):
    make_ready("second", owner=graph.application)
    for graph_id in "abc":
        put(graph, f"/v1.0/connections/second/items/{graph_id}", item())
    assert graph.get(QUOTA).json()["itemsRemaining"] == 7000
    settings.ITEMS_IN_ALL = 10
    assert graph.get(QUOTA).json()["itemsRemaining"] == 7
    assert graph.get("/beta/connections/second/quota").json()["itemsRemaining"] == 7
    settings.ITEMS_PER_CONNECTION = 5
    assert graph.get(QUOTA).json()["itemsRemaining"] == 5
    assert graph.get("/beta/connections/second/quota").json()["itemsRemaining"] == 2


def test_it_is_never_less_than_none(graph, settings):
    for graph_id in "abc":
        put(graph, f"{ITEMS}/{graph_id}", item())
    settings.ITEMS_PER_CONNECTION = 1
    assert graph.get(QUOTA).json()["itemsRemaining"] == 0


@pytest.mark.parametrize("state", ["draft", "ready", "obsolete", "limitExceeded"])
def test_in_every_state(graph, state):
    connection = make_connection("other", owner=graph.application)
    connection.revise(COMMAND, state=ConnectionState.from_word(state))
    assert graph.get("/beta/connections/other/quota").json()["itemsRemaining"] == 7000


def test_the_default_limits_are_the_last_that_graph_documented():
    assert (project.ITEMS_PER_CONNECTION, project.ITEMS_IN_ALL) == (5_000_000, 50_000_000)


@pytest.mark.parametrize("way_in", ["external/connections", "connections"])
@pytest.mark.parametrize("graph_id", ["contosohr", "ContosoHR"])
def test_v1_says_that_it_is_on_beta_only(graph, way_in, graph_id):
    assert_refused(
        graph.get(f"/v1.0/{way_in}/{graph_id}/quota"),
        404,
        "ResourceNotFound",
        target="quota",
        says="Resource not found for the segment 'quota'. It is on /beta only.",
    )


def test_a_connection_that_is_not_there_or_not_any_more(graph, settings):
    for root in ("v1.0", "beta"):
        response = graph.get(f"/{root}/connections/nosuch/quota")
        assert_refused(response, 404, "ItemNotFound", inner="ResourceNotFound")
    settings.PURGE_IN_REQUEST = 0
    graph.delete(HERE)
    assert_refused(graph.get(QUOTA), 404, "ItemNotFound")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("path", [QUOTA, f"{HERE}/quota"])
def test_no_other_method(graph, method, path):
    response = graph.request(method, path, {"itemsRemaining": 1})
    assert_refused(response, 405, "Request_BadRequest")
    assert set(response["Allow"].split(", ")) == {"GET", "HEAD"}


@pytest.mark.parametrize(
    "roles, stranger, owner",
    [
        ([OWNED], 404, 200),
        ([READ_ALL], 200, 200),
        ([WRITE_ALL], 200, 200),
        ([ITEMS_OWNED, ITEMS_READ_ALL, ITEMS_WRITE_ALL], 403, 403),
        ([], 403, 403),
    ],
)
def test_who_may(graph, roles, stranger, owner):
    assert GraphClient(make_application(*roles)).get(QUOTA).status_code == stranger
    graph.application.roles = roles
    graph.application.save()
    response = GraphClient(graph.application).get(QUOTA)
    assert response.status_code == owner
    if owner == 403:
        error = assert_refused(response, 403, "Forbidden")
        assert f"API requires one of '{OWNED}, {READ_ALL}, {WRITE_ALL}'" in error["message"]


def test_options(graph):
    answered = graph.get(f"{QUOTA}?$select=itemsRemaining").json()
    assert answered["itemsRemaining"] == 7000
    for option in ("$filter=itemsRemaining eq 1", "$top=1", "$expand=x", "$select=items"):
        assert_refused(graph.get(f"{QUOTA}?{option}"), 400, "BadRequest")


def test_as_text_for_those_who_have_no_such_numbers(graph):
    answered = graph.get(QUOTA, Accept="application/json;IEEE754Compatible=true").json()
    assert answered["itemsRemaining"] == "7000"
    none = graph.get(QUOTA, Accept="application/json;odata.metadata=none").json()
    assert none == {"itemsRemaining": 7000}


def test_in_a_batch(graph):
    for root, status in (("beta", 200), ("v1.0", 404)):
        part = {"id": "1", "method": "GET", "url": "/external/connections/contosohr/quota"}
        [answered] = graph.post(f"/{root}/$batch", {"requests": [part]}).json()["responses"]
        assert answered["status"] == status
