"""``GET /connections/{id}/operations/{operation}``: the call that Graph itself documents."""

from __future__ import annotations

import pytest

from operations.models import Application, ConnectionOperation
from tests.factories import (
    fail_registration,
    make_application,
    make_connection,
    register_schema,
    report,
    request_registration,
    work_off,
)
from tests.graph import OWNED, READ_ALL, GraphClient, assert_refused, untagged

SEED_ID = "3ed1595a-4bae-43c2-acda-ef973e581323"
HERE = "/v1.0/connections/contosohr/operations"
FULL_ERROR = {
    "code": "IngestionFailed",
    "message": "Two items were refused.",
    "target": "items",
    "details": [
        {"code": "TooLarge", "message": "Item 7 is larger than 4 MB.", "target": "items/7"},
        {"message": "Item 9 has no acl."},
    ],
    "innerError": {
        "code": "Crawl",
        "message": "Stopped.",
        "target": "crawl",
        "details": [{"code": "x", "message": "y"}],
        "retries": 3,
        "trace": {"spans": [1, 2.5, None, True]},
        "when@odata.type": "String",
    },
}


@pytest.fixture
def connection(application):
    return make_connection("contosohr", owner=application)


@pytest.mark.parametrize(
    "path",
    [
        f"/v1.0/connections/contosohr/operations/{SEED_ID}",
        f"/v1.0/external/connections/contosohr/operations/{SEED_ID}",
        f"/v1.0//external/connections/contosohr/operations/{SEED_ID}",
        f"/beta/connections/contosohr/operations/{SEED_ID}",
        f"/beta/external/connections/contosohr/operations/{SEED_ID}",
        f"/v1.0/connections('contosohr')/operations('{SEED_ID}')",
        f"/v1.0/external/connections('contosohr')/operations('{SEED_ID}')",
    ],
)
def test_the_seeds_example_in_every_way_a_client_asks_for_it(graph, connection, path):
    report(
        connection,
        graph_id=SEED_ID,
        status="failed",
        error={"message": "Server error, something went wrong"},
    )
    response = graph.get(path)
    assert response.status_code == 200
    root = path.split("/")[1]
    assert untagged(response.json()) == {
        "@odata.context": (
            f"http://testserver/{root}/$metadata"
            "#external/connections('contosohr')/operations/$entity"
        ),
        "id": SEED_ID,
        "status": "failed",
        "error": {"message": "Server error, something went wrong"},
    }
    assert "Location" not in response


@pytest.mark.parametrize("status", ["unspecified", "inprogress", "completed", "failed"])
def test_every_status_is_shown_as_graph_writes_it(graph, connection, status):
    report(connection, graph_id="o", status=status)
    body = graph.get(f"{HERE}/o").json()
    assert (body["status"], body["error"]) == (status, None)


def test_the_sentinel_is_shown_if_it_is_ever_stored(graph, connection):
    operation = report(connection, graph_id="o", status="unknownFutureValue")
    assert graph.get(f"{HERE}/{operation.graph_id}").json()["status"] == "unknownFutureValue"


def test_a_full_error_is_shown_whole(graph, connection):
    report(connection, graph_id="o", status="failed", error=FULL_ERROR)
    assert graph.get(f"{HERE}/o").json()["error"] == FULL_ERROR


def test_polling_a_registration(graph, connection, settings):
    settings.OPERATION_RETRY_AFTER = 7
    operation = request_registration(connection)
    path = f"{HERE}/{operation.graph_id}"
    running = graph.get(path)
    assert running.json()["status"] == "inprogress"
    assert running["Retry-After"] == "7"
    assert "Location" not in running
    work_off()
    done = graph.get(path)
    assert done.json()["status"] == "completed"
    assert "Retry-After" not in done and "Location" not in done


def test_a_reported_operation_has_no_retry_after(graph, connection):
    report(connection, graph_id="o")
    assert "Retry-After" not in graph.get(f"{HERE}/o")


def test_a_failed_registration_says_why(graph, connection):
    operation = fail_registration(connection, {"code": "Quota", "message": "No room."})
    body = graph.get(f"{HERE}/{operation.graph_id}").json()
    assert body["status"] == "failed"
    assert body["error"] == {"code": "Quota", "message": "No room."}


def test_shows_graphs_three_members_and_nothing_of_ours(graph, connection):
    operation = register_schema(connection)
    body = graph.get(f"{HERE}/{operation.graph_id}").json()
    assert list(body) == ["@odata.context", "@odata.etag", "id", "status", "error"]


@pytest.mark.parametrize(
    "graph_id",
    [
        "1.weu-b.0251D560C889F660594C3F098392B322.98B2D9481B87CDDEBDF3DABCB52A9D22",
        "a",
        "...",
        "~_-.",
        "count",
        "operations",
        "schema",
        "external",
        "v1.0",
        "x" * 128,
    ],
)
@pytest.mark.parametrize("form", ["/{}", "('{}')", "({})"])
def test_an_id_is_an_opaque_string(graph, connection, graph_id, form):
    report(connection, graph_id=graph_id)
    assert graph.get(HERE + form.format(graph_id)).json()["id"] == graph_id


def test_an_id_is_case_sensitive(graph, connection):
    report(connection, graph_id="Import", status="completed")
    report(connection, graph_id="import", status="unspecified")
    assert graph.get(f"{HERE}/Import").json()["status"] == "completed"
    assert graph.get(f"{HERE}/import").json()["status"] == "unspecified"
    assert_refused(graph.get(f"{HERE}/IMPORT"), 404, "ItemNotFound")


def test_an_escaped_id_is_read(graph, connection):
    report(connection, graph_id="a~b.c")
    assert graph.get(f"{HERE}/a%7Eb%2Ec").json()["id"] == "a~b.c"


def test_select(graph, connection):
    report(connection, graph_id="o", status="completed")
    assert untagged(graph.get(f"{HERE}/o?$select=status").json()) == {
        "@odata.context": (
            "http://testserver/v1.0/$metadata"
            "#external/connections('contosohr')/operations(status)/$entity"
        ),
        "status": "completed",
    }


@pytest.mark.parametrize("method", ["POST", "PUT", "OPTIONS"])
def test_wrong_method(graph, connection, method):
    report(connection, graph_id="o")
    response = graph.request(method, f"{HERE}/o", {"status": "completed"})
    assert_refused(response, 405, "Request_BadRequest")
    assert sorted(response["Allow"].split(", ")) == ["DELETE", "GET", "HEAD", "PATCH"]
    assert ConnectionOperation.objects.get().graph()["status"] == "inprogress"


def test_no_token(connection):
    report(connection, graph_id="o")
    assert_refused(GraphClient().get(f"{HERE}/o"), 401, "InvalidAuthenticationToken")


def test_bad_token(connection):
    report(connection, graph_id="o")
    response = GraphClient(token="abc").get(f"{HERE}/o")
    assert_refused(response, 401, "InvalidAuthenticationToken", says="80049217")


def test_missing_role(connection):
    report(connection, graph_id="o")
    client = GraphClient(make_application())
    assert_refused(client.get(f"{HERE}/o"), 403, "Forbidden", says="Roles on the request ''.")


def test_someone_elses_connection_does_not_exist(connection):
    report(connection, graph_id="o")
    error = assert_refused(
        GraphClient(make_application(OWNED)).get(f"{HERE}/o"), 404, "ItemNotFound"
    )
    assert error["innerError"]["source"] == "Connection"


def test_an_authorized_application_reads_it(connection):
    friend = make_application(OWNED)
    connection._authorize([friend.app_id])
    report(connection, graph_id="o")
    assert GraphClient(friend).get(f"{HERE}/o").json()["id"] == "o"


@pytest.mark.parametrize("graph_id", ["nosuch", "%00", "a%20b", "..", ".", "x" * 129, "a'b"])
def test_missing_operation(graph, connection, graph_id):
    error = assert_refused(
        graph.get(f"{HERE}/{graph_id}"), 404, "ItemNotFound", inner="ResourceNotFound"
    )
    assert error["innerError"]["source"] == "ConnectionOperation"
    assert error["innerError"]["message"] == "'ConnectionOperation' was not found."


def test_an_operation_is_found_in_its_own_connection_only(graph, application, connection):
    report(make_connection("other", owner=application), graph_id="o")
    assert_refused(graph.get(f"{HERE}/o"), 404, "ItemNotFound")


@pytest.mark.parametrize("connection_id", ["nosuch", "%00", "a%20b", "..", "x" * 200])
def test_missing_connection(graph, connection, connection_id):
    error = assert_refused(
        graph.get(f"/v1.0/connections/{connection_id}/operations/o"), 404, "ItemNotFound"
    )
    assert error["innerError"]["source"] == "Connection"


def test_one_who_polls_costs_one_query_whatever_the_role(connection, django_assert_num_queries):
    report(connection, graph_id="o", status="failed", error={"code": "Quota"})
    owner = GraphClient(Application.objects.get(app_id=connection.owner_app_id))
    for graph in (owner, GraphClient(make_application(READ_ALL)), authorized(connection)):
        tag = graph.get(f"{HERE}/o")["ETag"]
        with django_assert_num_queries(1):
            assert graph.get(f"{HERE}/o").json()["error"]["code"] == "Quota"
        with django_assert_num_queries(1):
            assert graph.get(f"{HERE}/o", **{"If-None-Match": tag}).status_code == 304


def authorized(connection) -> GraphClient:
    application = make_application(OWNED)
    connection.authorized_apps.create(app_id=application.app_id)
    return GraphClient(application)
