"""``GET /connections/{id}/operations`` and its ``/$count``."""

from __future__ import annotations

import pytest

from operations.models import OperationStatus
from tests.factories import (
    fail_registration,
    make_application,
    make_connection,
    register_schema,
    report,
    request_registration,
)
from tests.graph import OWNED, READ_ALL, GraphClient, assert_refused, untagged

WAYS_IN = [
    f"/{root}/{path}"
    for root in ("v1.0", "beta")
    for path in ("external/connections", "connections")
]
HERE = "/v1.0/connections/contosohr/operations"


@pytest.fixture
def connection(application):
    return make_connection("contosohr", owner=application)


@pytest.mark.parametrize("way_in", WAYS_IN)
def test_lists_the_newest_first_through_both_roots_and_both_paths(graph, connection, way_in):
    for name in ("first", "second", "third"):
        report(connection, graph_id=name)
    response = graph.get(f"{way_in}/contosohr/operations")
    assert response.status_code == 200
    assert response["Content-Type"].partition(";")[0] == "application/json"
    root = way_in.split("/")[1]
    assert untagged(response.json()) == {
        "@odata.context": f"http://testserver/{root}/$metadata#external/connections('contosohr')/operations",
        "value": [
            {"id": name, "status": "inprogress", "error": None}
            for name in ("third", "second", "first")
        ],
    }


def test_an_empty_list_is_a_list(graph, connection):
    body = graph.get(HERE).json()
    assert body["value"] == []
    assert "@odata.nextLink" not in body


def test_shows_all_statuses_and_both_kinds(graph, connection):
    failed = fail_registration(connection, {"code": "QuotaExceeded", "message": "Full."})
    done = register_schema(connection)
    running = request_registration(connection)
    for status in ("unspecified", "inprogress", "completed"):
        report(connection, graph_id=status, status=status)
    report(connection, graph_id="failed", status="failed", error={"message": "m"})
    value = graph.get(HERE).json()["value"]
    assert untagged(value) == [
        {"id": "failed", "status": "failed", "error": {"message": "m"}},
        {"id": "completed", "status": "completed", "error": None},
        {"id": "inprogress", "status": "inprogress", "error": None},
        {"id": "unspecified", "status": "unspecified", "error": None},
        {"id": running.graph_id, "status": "inprogress", "error": None},
        {"id": done.graph_id, "status": "completed", "error": None},
        {
            "id": failed.graph_id,
            "status": "failed",
            "error": {"code": "QuotaExceeded", "message": "Full."},
        },
    ]


def test_holds_only_this_connections_operations(graph, application, connection):
    other = make_connection("other", owner=application)
    report(other, graph_id="elsewhere")
    report(connection, graph_id="here")
    assert [row["id"] for row in graph.get(HERE).json()["value"]] == ["here"]


def test_count_is_plain_text(graph, connection):
    for _ in range(3):
        report(connection)
    response = graph.get(f"{HERE}/$count", Accept="text/plain;q=0.9")
    assert response.status_code == 200
    assert response["Content-Type"].partition(";")[0] == "text/plain"
    assert response.content == b"3"


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS"])
def test_wrong_method(graph, connection, method):
    response = graph.request(method, HERE, {} if method == "PATCH" else None)
    assert_refused(response, 405, "Request_BadRequest", says="method is not allowed")
    assert sorted(response["Allow"].split(", ")) == ["GET", "HEAD", "POST"]


def test_no_token(connection):
    assert_refused(GraphClient().get(HERE), 401, "InvalidAuthenticationToken", says="empty")


def test_missing_role(connection):
    client = GraphClient(make_application("ExternalItem.ReadWrite.All"))
    error = assert_refused(client.get(HERE), 403, "Forbidden")
    assert error["message"] == (
        "Missing role permissions on the request. API requires one of "
        "'ExternalConnection.ReadWrite.OwnedBy, ExternalConnection.Read.All, "
        "ExternalConnection.ReadWrite.All'. Roles on the request 'ExternalItem.ReadWrite.All'."
    )


@pytest.mark.parametrize("path", [HERE, f"{HERE}/$count"])
def test_someone_elses_connection_does_not_exist(connection, path):
    report(connection)
    stranger = GraphClient(make_application(OWNED))
    error = assert_refused(stranger.get(path), 404, "ItemNotFound", inner="ResourceNotFound")
    assert error["innerError"]["source"] == "Connection"


def test_read_all_sees_every_connections_operations(connection):
    report(connection, graph_id="seen")
    reader = GraphClient(make_application(READ_ALL))
    assert [row["id"] for row in reader.get(HERE).json()["value"]] == ["seen"]


def test_missing_connection(graph, connection):
    error = assert_refused(graph.get("/v1.0/connections/nosuch/operations"), 404, "ItemNotFound")
    assert error["innerError"]["message"] == "'Connection' was not found."


def test_the_connections_id_is_found_in_any_case_and_shown_as_it_was_given(graph, connection):
    report(connection, graph_id="a", status=OperationStatus.COMPLETED)
    body = graph.get("/v1.0/connections/CONTOSOHR/operations").json()
    assert body["@odata.context"].endswith("#external/connections('contosohr')/operations")
    assert [row["id"] for row in body["value"]] == ["a"]
