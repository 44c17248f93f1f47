"""``DELETE /connections/{id}/operations/{operation}``."""

from __future__ import annotations

import pytest

from operations.models import Change, ConnectionOperation
from tests.factories import (
    fail_registration,
    make_application,
    make_connection,
    register_schema,
    report,
    request_registration,
    work_off,
)
from tests.graph import OWNED, READ_ALL, WRITE_ALL, GraphClient, assert_refused

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
def test_deletes_through_both_roots_and_both_paths(graph, connection, way_in):
    report(connection, graph_id="1.weu.A")
    path = f"{way_in}/contosohr/operations/1.weu.A"
    response = graph.delete(path)
    assert (response.status_code, response.content) == (204, b"")
    assert "Content-Type" not in response
    assert_refused(graph.get(path), 404, "ItemNotFound")
    assert_refused(graph.delete(path), 404, "ItemNotFound")


@pytest.mark.parametrize("status", ["unspecified", "inprogress", "completed", "failed"])
def test_a_reported_one_in_any_status(graph, connection, status):
    report(connection, graph_id="o", status=status)
    assert graph.delete(f"{HERE}/o").status_code == 204
    assert not ConnectionOperation.objects.exists()


def test_its_history_outlives_it(graph, application, connection):
    report(connection, graph_id="o", status="failed", error={"message": "m"})
    response = graph.delete(f"{HERE}/o")
    change = Change.objects.first()
    assert (change.action, change.operation_graph_id) == ("operation.deleted", "o")
    assert change.before == {"status": "failed", "error": {"message": "m"}}
    assert (change.actor_app_id, change.request_id) == (
        application.app_id,
        response["request-id"],
    )


def test_the_id_is_free_again(graph, connection):
    report(connection, graph_id="o")
    graph.delete(f"{HERE}/o")
    assert graph.post(HERE, {"id": "o"}).status_code == 201


def test_an_unfinished_worker_operation_stays(graph, connection):
    operation = request_registration(connection)
    error = assert_refused(
        graph.delete(f"{HERE}/{operation.graph_id}"),
        409,
        "Conflict",
        inner="OperationInProgress",
        says="It can be deleted when it is.",
    )
    assert error["innerError"]["operationId"] == operation.graph_id
    work_off()
    assert graph.delete(f"{HERE}/{operation.graph_id}").status_code == 204


def test_deleting_a_completed_registration_leaves_its_schema(graph, connection):
    operation = register_schema(connection)
    assert graph.delete(f"{HERE}/{operation.graph_id}").status_code == 204
    assert graph.get("/v1.0/connections/contosohr/schema").status_code == 200
    assert graph.get("/v1.0/connections/contosohr").json()["state"] == "ready"


def test_deleting_a_failed_registration(graph, connection):
    operation = fail_registration(connection)
    assert graph.delete(f"{HERE}/{operation.graph_id}").status_code == 204


def test_a_body_is_ignored(graph, connection):
    report(connection, graph_id="o")
    assert graph.request("DELETE", f"{HERE}/o", "{not json").status_code == 204


@pytest.mark.parametrize(
    ("roles", "status", "code"),
    [
        ((OWNED,), 404, "ItemNotFound"),
        ((READ_ALL,), 403, "Forbidden"),
        ((OWNED, READ_ALL), 403, "Forbidden"),
        ((), 403, "Forbidden"),
    ],
)
def test_who_may_not(connection, roles, status, code):
    report(connection, graph_id="o")
    assert_refused(GraphClient(make_application(*roles)).delete(f"{HERE}/o"), status, code)
    assert ConnectionOperation.objects.exists()


def test_write_all_may(connection):
    report(connection, graph_id="o")
    assert GraphClient(make_application(WRITE_ALL)).delete(f"{HERE}/o").status_code == 204


def test_no_token(connection):
    report(connection, graph_id="o")
    assert_refused(GraphClient().delete(f"{HERE}/o"), 401, "InvalidAuthenticationToken")
    assert ConnectionOperation.objects.exists()


def test_missing_operation(graph, connection):
    assert_refused(graph.delete(f"{HERE}/nosuch"), 404, "ItemNotFound", inner="ResourceNotFound")


def test_query_options_are_refused(graph, connection):
    report(connection, graph_id="o")
    assert_refused(
        graph.delete(f"{HERE}/o?$select=id"), 400, "BadRequest", target="$select", says="$select"
    )
    assert ConnectionOperation.objects.exists()
