"""``POST /$batch``: parts in all the URL forms that clients send, each answered as if alone."""

from __future__ import annotations

import base64

import pytest

from operations.models import ConnectionOperation, ExternalConnection
from tests.factories import make_application, make_connection
from tests.graph import OWNED, READ_ALL, GraphClient, assert_refused


def part(number: int, method: str = "GET", url: str = "/connections", **members) -> dict:
    return {"id": str(number), "method": method, "url": url, **members}


def send(graph, *parts: dict, root: str = "/v1.0") -> list[dict]:
    response = graph.post(f"{root}/$batch", {"requests": list(parts)})
    assert response.status_code == 200, response.content
    return response.json()["responses"]


@pytest.mark.parametrize(
    "url",
    [
        "/connections/contosohr",
        "/external/connections/contosohr",
        "external/connections/contosohr",
        "/v1.0/external/connections/contosohr",
        "/beta/connections/contosohr",
        "http://testserver/v1.0/external/connections/contosohr",
        "http://testserver/v1.0//external/connections('contosohr')",
        "HTTP://TESTSERVER/v1.0/connections/contosohr",
        "//external/connections/contosohr",
        "/connections/contosoh%72",
    ],
)
def test_every_url_form(graph, application, url):
    make_connection("contosohr", owner=application)
    [answer] = send(graph, part(1, url=url))
    assert (answer["id"], answer["status"], answer["body"]["id"]) == ("1", 200, "contosohr")
    assert answer["headers"]["Content-Type"].startswith("application/json")


def test_parts_run_in_order_and_see_each_other(graph):
    answers = send(
        graph,
        part(
            1,
            "POST",
            body={"id": "hr1", "name": "HR"},
            headers={"content-type": "application/json"},
        ),
        part(2, "POST", "/connections/hr1/operations", body={"id": "a"}, dependsOn=["1"]),
        part(3, "PATCH", "/connections/hr1/operations/a", body={"status": "completed"}),
        part(4, "DELETE", "/connections/hr1/operations/a"),
        part(5, url="/connections/hr1/operations?$count=true"),
    )
    assert [answer["status"] for answer in answers] == [201, 201, 200, 204, 200]
    assert answers[0]["headers"]["Location"].endswith("/connections('hr1')")
    assert "body" not in answers[3]
    assert all(answer["headers"]["Content-Type"] for answer in answers)
    assert answers[4]["body"]["@odata.count"] == 0


def test_failed_part_takes_its_dependents_with_it(graph):
    answers = send(
        graph,
        part(1, "POST", body={"id": "no good", "name": "x"}),
        part(2, depends_on=["1"]),  # the Python SDK's spelling
        part(3, dependsOn=["2"]),
        part(4),
    )
    assert [answer["status"] for answer in answers] == [400, 424, 424, 200]
    assert answers[0]["body"]["error"]["target"] == "id"
    assert answers[1]["body"]["error"]["code"] == "FailedDependency"
    assert "'1'" in answers[1]["body"]["error"]["message"]


def test_each_part_is_authorized_for_itself(db):
    reader = make_application(READ_ALL)
    make_connection("foreign")
    answers = send(
        GraphClient(reader),
        part(1, url="/connections/foreign"),
        part(2, "DELETE", url="/connections/foreign"),
    )
    assert [answer["status"] for answer in answers] == [200, 403]
    assert "Missing role permissions" in answers[1]["body"]["error"]["message"]
    owner_only = GraphClient(make_application(OWNED))
    assert send(owner_only, part(1, url="/connections/foreign"))[0]["status"] == 404
    assert ExternalConnection.objects.alive().count() == 1


def test_each_part_has_its_own_request_id(graph):
    answers = send(graph, part(1), part(2, url="/connections/none"))
    ids = [answer["headers"]["request-id"] for answer in answers]
    assert len(set(ids)) == 2
    assert answers[1]["body"]["error"]["innerError"]["request-id"] == ids[1]


def test_a_body_that_is_not_json_comes_as_base64(graph):
    [answer] = send(graph, part(1, url="/connections/$count"))
    assert base64.b64decode(answer["body"]) == b"0"


def test_unknown_members_of_a_part_are_accepted(graph):
    [answer] = send(graph, part(1, whatever={"a": 1}, atomicityGroup="g"))
    assert answer["status"] == 200


def test_a_part_that_breaks_is_a_500_of_its_own(graph, monkeypatch):
    def broken(*args, **kwargs):
        raise RuntimeError("secret text")

    monkeypatch.setattr(ConnectionOperation.objects, "report", broken, raising=False)
    monkeypatch.setattr(ExternalConnection.objects, "register", broken, raising=False)
    answers = send(graph, part(1, "POST", body={"id": "abc", "name": "x"}), part(2))
    assert [answer["status"] for answer in answers] == [500, 200]
    assert answers[0]["body"]["error"]["code"] == "generalException"
    assert "secret text" not in str(answers)


@pytest.mark.parametrize(
    "url", ["/$batch", "/v1.0/$BATCH", "http://elsewhere.example/v1.0/connections"]
)
def test_nested_and_foreign_addresses_are_refused_in_their_part(graph, url):
    answers = send(graph, part(1, "POST", url, body={}), part(2))
    assert [answer["status"] for answer in answers] == [400, 200]
    assert answers[0]["body"]["error"]["target"] == "url"


@pytest.mark.parametrize(
    ("odd", "status"),
    [
        ({"url": "/connections/%E4%B8%AD"}, 404),
        ({"url": "/connections/中"}, 404),
        ({"url": "/connections/%00"}, 404),
        ({"url": "/foo%0abar"}, 404),
        ({"url": "/connections?$select=中"}, 400),
        ({"url": "http://["}, 400),
        ({"url": "http://[x"}, 400),
        ({"headers": {"client-request-id": "a\nb"}}, 200),
        ({"headers": {"client-request-id": "x" * 3000}}, 200),
        ({"headers": {"client-request-id": "中", "Host": "evil.example"}}, 200),
        ({"headers": {"Content-Length": "x", "Transfer-Encoding": "chunked"}}, 200),
    ],
)
def test_an_odd_part_never_breaks_the_batch(graph, odd, status):
    """The parts before it have been carried out: their answers must arrive."""
    answers = send(graph, part(1, "POST", body={"id": "first", "name": "x"}), part(2) | odd)
    assert [answer["status"] for answer in answers] == [201, status]
    ids = answers[1]["headers"]
    assert len(ids["client-request-id"]) == 36


@pytest.mark.parametrize(
    ("requests", "target"),
    [
        (None, "requests"),
        ([], "requests"),
        ({}, "requests"),
        ([part(number) for number in range(21)], "requests"),
        ([7], "requests/0"),
        ([{"method": "GET", "url": "/connections"}], "requests/0/id"),
        ([part(1), part(1)], "requests/1/id"),
        ([part(1, method="HEAD")], "requests/0/method"),
        ([part(1, url="")], "requests/0/url"),
        ([part(1, headers=[1])], "requests/0/headers"),
        ([part(1, dependsOn=["2"]), part(2)], "requests/0/dependsOn"),
        ([part(1, dependsOn="2")], "requests/0/dependsOn"),
        ([part(1, dependsOn=[{}])], "requests/0/dependsOn"),
    ],
)
def test_malformed_batch(graph, requests, target):
    response = graph.post("/v1.0/$batch", {"requests": requests})
    assert_refused(response, 400, "InvalidRequest", target=target)


def test_batch_needs_a_token_and_takes_post_only(graph):
    assert_refused(
        GraphClient().post("/v1.0/$batch", {"requests": [part(1)]}),
        401,
        "InvalidAuthenticationToken",
    )
    refused = graph.get("/v1.0/$batch")
    assert_refused(refused, 405, "Request_BadRequest")
    assert refused["Allow"] == "POST"


def test_more_query_options_than_are_read_are_refused_in_the_part(graph):
    [answer] = send(graph, part(1, url="/connections?" + "a=1&" * 3000))
    assert answer["status"] == 400
    assert answer["body"]["error"]["target"] == "request"


def test_each_part_has_ids_as_if_sent_alone(graph):
    parts = [part(1), part(2, headers={"client-request-id": "mine"})]
    first, second = send(graph, *parts)
    assert first["headers"]["client-request-id"] == first["headers"]["request-id"]
    assert second["headers"]["client-request-id"] == "mine"
    outer = graph.post("/v1.0/$batch", {"requests": parts}, client_request_id="theirs").json()
    ids = [answer["headers"]["client-request-id"] for answer in outer["responses"]]
    assert ids == ["theirs", "mine"]


def test_a_batch_that_is_refused_counts_as_a_request(graph, settings):
    settings.THROTTLE_LIMIT = 2
    for _ in range(2):
        assert_refused(graph.post("/v1.0/$batch", {}), 400, "InvalidRequest", target="requests")
    assert_refused(graph.post("/v1.0/$batch", {}), 429, "TooManyRequests")
