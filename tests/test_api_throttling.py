"""429: an application over its limit waits, in Graph's words; the others do not."""

from __future__ import annotations

import re
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.core.management import call_command
from django.db import connections as databases
from django.utils import timezone

from operations.models import ConnectionOperation, ExternalConnection, RequestCount, throttle
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


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands where the test sets it."""
    clock = SimpleNamespace(now=1_000_000.0)
    at = "CAST(%s AS double precision)"
    monkeypatch.setattr(throttle, "_clock", lambda: (at, [clock.now]))
    return clock


def test_a_new_window_begins_anew(graph, settings, clock):
    settings.THROTTLE_WINDOW = 10
    for _ in range(3):
        graph.get(CONNECTIONS)
    assert graph.get(CONNECTIONS)["Retry-After"] == "10"
    clock.now += 9.5
    assert graph.get(CONNECTIONS)["Retry-After"] == "1"
    clock.now += 0.499
    assert graph.get(CONNECTIONS)["Retry-After"] == "1"
    clock.now += 0.001
    for _ in range(3):
        assert graph.get(CONNECTIONS).status_code == 200
    assert graph.get(CONNECTIONS)["Retry-After"] == "10"


def test_who_waits_as_long_as_told_is_let_in(graph, settings, clock):
    settings.THROTTLE_WINDOW = 7.5
    for offset in (0.0, 0.1, 3.3, 7.4):
        clock.now = 750_000 + offset
        while (response := graph.get(CONNECTIONS)).status_code == 200:
            pass
        clock.now += int(response["Retry-After"])
        assert graph.get(CONNECTIONS).status_code == 200


def test_a_clock_that_is_set_back_locks_nobody_out(graph, clock):
    for _ in range(4):
        response = graph.get(CONNECTIONS)
    assert response.status_code == 429
    clock.now -= 10 * 3600
    for _ in range(3):
        assert graph.get(CONNECTIONS).status_code == 200
    response = graph.get(CONNECTIONS)
    assert response.status_code == 429
    assert int(response["Retry-After"]) <= 3600


def test_an_application_may_have_a_limit_of_its_own(graph, application, settings):
    """Larger, smaller, or none at all."""
    busy, free = make_application(OWNED), make_application(OWNED)
    settings.THROTTLE_LIMITS = {application.app_id: 1, busy.app_id: 5, free.app_id: 0}
    for client, limit in ((graph, 1), (GraphClient(busy), 5)):
        answers = [client.get(CONNECTIONS).status_code for _ in range(limit + 1)]
        assert answers == [200] * limit + [429]
    other = GraphClient(make_application(OWNED))
    assert [other.get(CONNECTIONS).status_code for _ in range(4)] == [200, 200, 200, 429]
    without = GraphClient(free)
    assert [without.get(CONNECTIONS).status_code for _ in range(9)] == [200] * 9


def test_only_one_application_is_limited(graph, application, settings):
    settings.THROTTLE_LIMIT = 0
    settings.THROTTLE_LIMITS = {application.app_id: 1}
    assert [graph.get(CONNECTIONS).status_code for _ in range(2)] == [200, 429]
    other = GraphClient(make_application(OWNED))
    assert [other.get(CONNECTIONS).status_code for _ in range(9)] == [200] * 9


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


@pytest.mark.parametrize(
    "part",
    [
        {"method": "GET", "url": "https://elsewhere.example/connections"},
        {"method": "GET", "url": "/nothing/here"},
        {"method": "GET", "url": "/connections", "headers": {"Authorization": "Bearer x"}},
        {"method": "GET", "url": "/connections", "dependsOn": ["first"]},
    ],
    ids=["another server", "no resource", "bad token", "what it depends on failed"],
)
def test_in_a_batch_also_what_leads_nowhere_counts(graph, part):
    first = {"id": "first", "method": "GET", "url": "/connections/missing"}
    parts = [first, *({"id": str(number), **part} for number in range(4))]
    answers = graph.post("/v1.0/$batch", {"requests": parts}).json()["responses"]
    statuses = [answer["status"] for answer in answers]
    assert statuses[0] == 404 and 429 not in statuses[:3] and statuses[3:] == [429, 429]


def test_a_method_that_a_batch_has_not_counts(graph):
    statuses = [graph.get("/v1.0/$batch").status_code for _ in range(4)]
    assert statuses == [405, 405, 405, 429]


def test_off_it_costs_no_query(graph, settings, django_assert_num_queries):
    settings.THROTTLE_LIMIT = 0
    graph.get(CONNECTIONS)
    with django_assert_num_queries(1):
        graph.get(CONNECTIONS)


def test_on_it_costs_one_statement_let_through_or_not(graph, django_assert_num_queries):
    graph.get(CONNECTIONS)
    with django_assert_num_queries(2):
        assert graph.get(CONNECTIONS).status_code == 200
    graph.get(CONNECTIONS)
    with django_assert_num_queries(1):
        assert graph.get(CONNECTIONS).status_code == 429


def test_counters_of_applications_that_went_silent_are_forgotten(application, settings):
    settings.THROTTLE_WINDOW = 10
    now = int(time.time() // 10)
    day = 24 * 360
    silent, recent, refused, other = (make_application(OWNED).app_id for _ in range(4))
    yesterday = timezone.now() - timedelta(hours=23)
    for app_id, window, refused_at in (
        (silent, now - day - 1, None),
        (recent, now - day + 10, None),
        (refused, now - day - 1, yesterday),
        (other, now * 10, None),  # counted in windows of a second
    ):
        RequestCount.objects.create(app_id=app_id, window=window, count=1, refused_at=refused_at)
    call_command("run_operations", "--once")
    kept = set(RequestCount.objects.values_list("app_id", flat=True))
    assert kept == {recent, refused}


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
