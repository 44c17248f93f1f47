"""A request that comes twice makes one thing: clients retry a POST without knowing its fate."""

from __future__ import annotations

import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.conf import settings
from django.db import connections as databases
from django.utils import timezone

from operations.management.commands.run_operations import Worker
from operations.models import (
    ConnectionOperation,
    ExternalConnection,
    OutcomeRule,
    Replay,
    Schema,
)
from operations.models.operation_queryset import ConnectionOperationQuerySet
from tests.factories import a_property, a_schema, make_application, make_connection, work_off
from tests.graph import OWNED, GraphClient, assert_refused

CONNECTIONS = "/v1.0/connections"
OPERATIONS = f"{CONNECTIONS}/contosohr/operations"
SCHEMA = f"{CONNECTIONS}/contosohr/schema"


@pytest.fixture
def connection(application):
    return make_connection("contosohr", owner=application)


@pytest.fixture
def client_request_id() -> str:
    return str(uuid.uuid4())


def age(delta: timedelta) -> None:
    Replay.objects.update(created_at=timezone.now() - delta)


def same_answer(one, other) -> bool:
    """The same answer under a request id of its own, and the second says what it is."""
    assert one["request-id"] != other["request-id"]
    assert "Idempotent-Replayed" not in one and other["Idempotent-Replayed"] == "true"
    names = ("Location", "ETag", "Content-Type", "Retry-After", "Preference-Applied")
    return (one.status_code, one.content, [one.get(name) for name in names]) == (
        other.status_code,
        other.content,
        [other.get(name) for name in names],
    )


@pytest.mark.parametrize("body", [{}, {"id": "crawl-1"}, {"status": "completed"}])
def test_an_operation(graph, connection, client_request_id, body):
    first = graph.post(OPERATIONS, body, client_request_id=client_request_id)
    again = graph.post(OPERATIONS, body, client_request_id=client_request_id)
    assert first.status_code == 201
    assert same_answer(first, again)
    assert again["client-request-id"] == client_request_id
    assert ConnectionOperation.objects.count() == 1


def test_a_connection(graph, client_request_id):
    body = {"id": "contosohr", "name": "Contoso HR"}
    first = graph.post(CONNECTIONS, body, client_request_id=client_request_id)
    again = graph.post(CONNECTIONS, body, client_request_id=client_request_id)
    assert first.status_code == 201
    assert same_answer(first, again)
    assert ExternalConnection.objects.count() == 1


@pytest.mark.parametrize("method", ["PATCH", "POST"])
@pytest.mark.parametrize("finished", [False, True])
def test_a_registration(graph, connection, client_request_id, method, finished):
    first = graph.request(method, SCHEMA, a_schema(), client_request_id=client_request_id)
    assert first.status_code == 202
    if finished:
        work_off()
    again = graph.request(method, SCHEMA, a_schema(), client_request_id=client_request_id)
    assert same_answer(first, again)
    assert ConnectionOperation.objects.count() == 1
    work_off()
    assert Schema.objects.count() == 1


def test_the_preference_that_was_applied_is_told_again(graph, connection, client_request_id):
    headers = {"Prefer": "return=minimal", "client_request_id": client_request_id}
    first = graph.post(OPERATIONS, {}, **headers)
    again = graph.post(OPERATIONS, {}, **headers)
    assert first["Preference-Applied"] == "return=minimal"
    assert same_answer(first, again)


def test_another_request_under_the_same_id_is_another_request(
    graph, connection, application, client_request_id
):
    """Some programs use one id for all the requests of a run."""
    other = make_connection("other", owner=application)
    headers = {"client_request_id": client_request_id}
    for path, body in (
        (OPERATIONS, {}),
        (OPERATIONS, {"status": "completed"}),
        (f"{CONNECTIONS}/{other.graph_id}/operations", {}),
        (OPERATIONS.replace("v1.0", "beta"), {}),
    ):
        assert graph.post(path, body, **headers).status_code == 201
    assert ConnectionOperation.objects.count() == 4


def test_another_application_is_another_caller(graph, client_request_id):
    body = {"id": "contosohr", "name": "Contoso HR"}
    assert graph.post(CONNECTIONS, body, client_request_id=client_request_id).status_code == 201
    stranger = GraphClient(make_application(OWNED))
    refused = stranger.post(CONNECTIONS, body, client_request_id=client_request_id)
    assert_refused(refused, 409, "Conflict", inner="NameAlreadyExists")


def test_without_an_id_of_the_callers_every_request_is_new(graph, connection):
    first, second = graph.post(OPERATIONS, {}), graph.post(OPERATIONS, {})
    assert (first.status_code, second.status_code) == (201, 201)
    assert ConnectionOperation.objects.count() == 2


def test_an_id_that_is_no_plain_identifier_is_none(graph, connection):
    for _ in range(2):
        assert graph.post(OPERATIONS, {}, client_request_id="not one; really").status_code == 201
    assert ConnectionOperation.objects.count() == 2


def test_a_retry_of_the_official_sdks(graph, connection):
    """The Python SDK sends no id to other hosts than Graph's, but it counts its attempts."""
    first = graph.post(OPERATIONS, {"status": "inprogress"})
    again = graph.post(OPERATIONS, {"status": "inprogress"}, Retry_Attempt="1")
    assert same_answer(first, again)
    assert ConnectionOperation.objects.count() == 1
    # one whose first attempt never came here
    assert graph.post(OPERATIONS, {"status": "completed"}, Retry_Attempt="1").status_code == 201
    assert ConnectionOperation.objects.count() == 2


def test_a_retry_that_comes_later_than_an_sdk_waits_is_new(graph, connection):
    graph.post(OPERATIONS, {})
    age(timedelta(seconds=201))
    graph.post(OPERATIONS, {}, Retry_Attempt="1")
    assert ConnectionOperation.objects.count() == 2


def test_a_retry_of_a_request_that_we_refused_is_not_taken_for_the_one_before(
    graph, connection, settings
):
    """Two runs send the same body; the second one's is throttled first."""
    first = graph.post(OPERATIONS, {}).json()["id"]
    settings.THROTTLE_LIMIT = 1
    graph.get(OPERATIONS)
    assert_refused(graph.post(OPERATIONS, {}), 429, "TooManyRequests")
    settings.THROTTLE_LIMIT = 0
    second = graph.post(OPERATIONS, {}, Retry_Attempt="1")
    assert (second.status_code, second.json()["id"] != first) == (201, True)


def test_a_retried_batch_makes_nothing_twice(graph, connection):
    url = "/connections/contosohr/operations"
    batch = {"requests": [{"id": "1", "method": "POST", "url": url, "body": {}}]}
    [first] = graph.post("/v1.0/$batch", batch).json()["responses"]
    [again] = graph.post("/v1.0/$batch", batch, Retry_Attempt="1").json()["responses"]
    assert (again["status"], again["body"]) == (201, first["body"])
    assert ConnectionOperation.objects.count() == 1


def test_what_was_made_and_deleted_is_made_anew(graph, client_request_id):
    """One id for all the requests of a run, and the run begins anew."""
    headers = {"client_request_id": client_request_id}
    body = {"id": "contosohr", "name": "Contoso HR"}
    for _ in range(2):
        assert graph.post(CONNECTIONS, body, **headers).status_code == 201
        assert graph.post(OPERATIONS, {"id": "o"}, **headers).status_code == 201
        assert ConnectionOperation.objects.count() == 1
        assert graph.delete(f"{OPERATIONS}/o").status_code == 204
        assert graph.post(OPERATIONS, {"id": "o"}, **headers).status_code == 201
        assert graph.delete(f"{CONNECTIONS}/contosohr").status_code == 202
        assert not ExternalConnection.objects.exists()


def test_a_failed_registration_is_asked_for_anew(graph, connection, client_request_id):
    headers = {"client_request_id": client_request_id}
    OutcomeRule.objects.create(error={"message": "Rehearsed."})
    first = graph.patch(SCHEMA, a_schema(), **headers)
    work_off()
    second = graph.patch(SCHEMA, a_schema(), **headers)
    assert second["Location"] != first["Location"]
    work_off()
    assert Schema.objects.count() == 1


def test_a_registration_that_another_followed_is_asked_for_anew(
    graph, connection, client_request_id
):
    headers = {"client_request_id": client_request_id}
    one = a_schema(a_property("title"))
    other = a_schema(a_property("title", isQueryable=True))
    for schema in (one, other, one):
        assert graph.patch(SCHEMA, schema, **headers).status_code == 202
        work_off()
    assert graph.get(SCHEMA).json()["properties"][0]["isQueryable"] is None
    assert Schema.objects.count() == 3


def test_after_ten_minutes_an_id_is_new_again(graph, connection, client_request_id):
    headers = {"client_request_id": client_request_id}
    first = graph.post(OPERATIONS, {}, **headers)
    age(timedelta(minutes=9, seconds=50))
    assert same_answer(first, graph.post(OPERATIONS, {}, **headers))
    age(timedelta(minutes=10, seconds=1))
    assert graph.post(OPERATIONS, {}, **headers).json()["id"] != first.json()["id"]
    assert ConnectionOperation.objects.count() == 2


def test_a_refusal_is_not_kept(graph, connection, client_request_id):
    body = {"id": "crawl-1", "status": "completed"}
    graph.post(OPERATIONS, {"id": "crawl-1"})
    headers = {"client_request_id": client_request_id}
    assert_refused(graph.post(OPERATIONS, body, **headers), 409, "Conflict")
    graph.delete(f"{OPERATIONS}/crawl-1")
    ConnectionOperation.objects.all().delete()
    assert graph.post(OPERATIONS, body, **headers).status_code == 201


def test_who_may_no_longer_see_it_gets_no_old_answer(graph, connection, client_request_id):
    headers = {"client_request_id": client_request_id}
    assert graph.post(OPERATIONS, {}, **headers).status_code == 201
    graph.delete(f"{CONNECTIONS}/contosohr")
    assert_refused(graph.post(OPERATIONS, {}, **headers), 404, "ItemNotFound")


def test_two_like_parts_of_a_batch_are_two_requests(graph, connection, client_request_id):
    url = "/connections/contosohr/operations"
    batch = {
        "requests": [{"id": id, "method": "POST", "url": url, "body": {}} for id in ("1", "2")]
    }
    headers = {"client_request_id": client_request_id}
    first = graph.post("/v1.0/$batch", batch, **headers).json()["responses"]
    assert [answer["status"] for answer in first] == [201, 201]
    again = graph.post("/v1.0/$batch", batch, **headers).json()["responses"]
    assert [answer["body"] for answer in again] == [answer["body"] for answer in first]
    assert ConnectionOperation.objects.count() == 2


def test_the_worker_forgets_what_is_too_old(graph, connection):
    graph.post(OPERATIONS, {})
    graph.post(OPERATIONS, {})
    Worker().run(once=True)
    assert Replay.objects.count() == 2
    Replay.objects.filter(pk=Replay.objects.latest().pk).update(
        created_at=timezone.now() - timedelta(minutes=11)
    )
    Worker().run(once=True)
    assert Replay.objects.count() == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("method", "path", "body", "count"),
    [
        ("POST", OPERATIONS, {}, ConnectionOperation.objects.count),
        ("POST", OPERATIONS, {"id": "crawl-1"}, ConnectionOperation.objects.count),
        ("PATCH", SCHEMA, a_schema(a_property("title")), ConnectionOperation.objects.count),
        ("POST", CONNECTIONS, {"id": "new", "name": "New"}, ExternalConnection.objects.count),
    ],
    ids=["operation", "operation-with-id", "schema", "connection"],
)
def test_twins_at_the_same_moment(application, client_request_id, method, path, body, count):
    make_connection("contosohr", owner=application)
    token = GraphClient(application).token
    before = count()

    def send(_):
        try:
            client = GraphClient(token=token)
            return client.request(method, path, body, client_request_id=client_request_id)
        finally:
            databases.close_all()

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(send, range(16)))
    assert {answer.status_code for answer in answers} == {202 if method == "PATCH" else 201}
    assert len({answer.content for answer in answers}) == 1
    assert len({answer["Location"] for answer in answers}) == 1
    assert count() - before == 1


@pytest.mark.django_db(transaction=True)
def test_a_retry_waits_for_the_first_attempt_that_is_still_at_work(application, monkeypatch):
    """What a proxy's 504 looks like from here."""
    make_connection("contosohr", owner=application)
    token = GraphClient(application).token
    at_work = threading.Event()
    report = ConnectionOperationQuerySet.report

    def slow_report(*args, **kwargs):
        operation = report(*args, **kwargs)
        at_work.set()
        time.sleep(0.5)
        return operation

    monkeypatch.setattr(ConnectionOperationQuerySet, "report", slow_report)

    def send(**headers):
        try:
            return GraphClient(token=token).post(OPERATIONS, {}, **headers)
        finally:
            databases.close_all()

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(send)
        assert at_work.wait(10)
        again = pool.submit(send, Retry_Attempt="1")
        assert first.result().json()["id"] == again.result().json()["id"]
    assert ConnectionOperation.objects.count() == 1


if not settings.EMBEDDED_DATABASE:  # where transactions take turns

    @pytest.mark.django_db(transaction=True)
    def test_equal_requests_that_repeat_nothing_do_not_wait_for_each_other(
        application, monkeypatch
    ):
        make_connection("contosohr", owner=application)
        token = GraphClient(application).token
        both_at_work = threading.Barrier(2)
        report = ConnectionOperationQuerySet.report

        def report_and_wait(*args, **kwargs):
            operation = report(*args, **kwargs)
            both_at_work.wait(10)
            return operation

        monkeypatch.setattr(ConnectionOperationQuerySet, "report", report_and_wait)

        def send(_):
            try:
                return GraphClient(token=token).post(OPERATIONS, {})
            finally:
                databases.close_all()

        with ThreadPoolExecutor(2) as pool:
            answers = list(pool.map(send, range(2)))
        assert [answer.status_code for answer in answers] == [201, 201]
        assert ConnectionOperation.objects.count() == 2
