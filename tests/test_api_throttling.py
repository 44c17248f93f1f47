"""429: an application over its limit waits, in Graph's words; the others do not."""

from __future__ import annotations

import re
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connections as databases

from operations.models import ConnectionOperation, ExternalConnection
from tests.factories import make_application, make_connection
from tests.graph import OWNED, GraphClient, assert_refused

CONNECTIONS = "/v1.0/connections"


@pytest.fixture(autouse=True)
def _limit(settings):
    settings.THROTTLE_LIMIT = 3
    settings.THROTTLE_WINDOW = 3600


def test_above_the_limit_it_is_refused_in_graphs_words(graph):
    for _ in range(3):
        assert graph.get(CONNECTIONS).status_code == 200
    response = graph.get(CONNECTIONS)
    error = assert_refused(response, 429, "TooManyRequests", inner="429")
    assert error["message"] == "Please retry again later."
    assert error["innerError"]["message"] == "Please retry after"
    assert error["innerError"]["status"] == "429"
    assert re.fullmatch(r"[1-9]\d*", response["Retry-After"])
    assert int(response["Retry-After"]) <= 3600


def test_each_application_has_a_limit_of_its_own(graph):
    for _ in range(4):
        graph.get(CONNECTIONS)
    assert GraphClient(make_application(OWNED)).get(CONNECTIONS).status_code == 200


def test_a_new_window_begins_anew(graph, settings, monkeypatch):
    now = 1_000_000.0
    monkeypatch.setattr(time, "time", lambda: now)
    settings.THROTTLE_WINDOW = 10
    for _ in range(3):
        graph.get(CONNECTIONS)
    assert graph.get(CONNECTIONS)["Retry-After"] == "10"
    now += 9.5
    assert graph.get(CONNECTIONS)["Retry-After"] == "1"
    now += 0.5
    assert graph.get(CONNECTIONS).status_code == 200


def test_what_is_refused_has_no_effect_and_its_retry_has_one(graph, application, settings):
    make_connection("contosohr", owner=application)
    path = f"{CONNECTIONS}/contosohr/operations"
    for _ in range(3):
        graph.get(CONNECTIONS)
    assert_refused(graph.post(path, {}), 429, "TooManyRequests")
    assert not ConnectionOperation.objects.exists()
    settings.THROTTLE_LIMIT = 100
    assert graph.post(path, {}, Retry_Attempt="1").status_code == 201
    assert ConnectionOperation.objects.count() == 1


def test_in_a_batch_each_part_counts_and_the_batch_does_not(graph):
    requests = [{"id": str(number), "method": "GET", "url": "/connections"} for number in range(5)]
    answers = graph.post("/v1.0/$batch", {"requests": requests}).json()["responses"]
    assert [answer["status"] for answer in answers] == [200, 200, 200, 429, 429]
    assert re.fullmatch(r"[1-9]\d*", answers[3]["headers"]["Retry-After"])
    assert answers[3]["body"]["error"]["code"] == "TooManyRequests"


def test_off_it_costs_no_query(graph, settings, django_assert_num_queries):
    settings.THROTTLE_LIMIT = 0
    graph.get(CONNECTIONS)
    with django_assert_num_queries(3):
        graph.get(CONNECTIONS)


@pytest.mark.django_db(transaction=True)
def test_many_at_once_are_counted_exactly(application, settings):
    settings.THROTTLE_LIMIT = 10
    token = GraphClient(application).token

    def create(number: int) -> int:
        try:
            body = {"id": f"c{number:03}", "name": "C"}
            return GraphClient(token=token).post(CONNECTIONS, body).status_code
        finally:
            databases.close_all()

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(create, range(30)))
    assert sorted(answers) == [201] * 10 + [429] * 20
    assert ExternalConnection.objects.count() == 10
