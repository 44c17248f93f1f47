"""``PATCH /connections/{id}/operations/{operation}``: moves, and an error added once."""

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
)
from tests.graph import OWNED, READ_ALL, GraphClient, assert_refused, untagged

WAYS_IN = [
    f"/{root}/{path}"
    for root in ("v1.0", "beta")
    for path in ("external/connections", "connections")
]
HERE = "/v1.0/connections/contosohr/operations"
MESSAGE = {"message": "m"}
FULL_ERROR = {
    "code": "c",
    "message": "m",
    "target": "t",
    "details": [{"code": "dc", "message": "dm", "target": "dt"}],
    "innerError": {"code": "ic", "message": "im", "trace": {"id": [1, 2]}, "ok": False},
}
STATUSES = ("unspecified", "inprogress", "completed", "failed")
ALLOWED = {
    ("unspecified", "inprogress"),
    ("unspecified", "completed"),
    ("unspecified", "failed"),
    ("inprogress", "completed"),
    ("inprogress", "failed"),
}


@pytest.fixture
def connection(application):
    return make_connection("contosohr", owner=application)


def stored(graph_id: str = "o") -> dict:
    return ConnectionOperation.objects.get(graph_id=graph_id).graph()


@pytest.mark.parametrize("way_in", WAYS_IN)
def test_fails_with_a_full_error_through_both_roots_and_both_paths(graph, connection, way_in):
    report(connection, graph_id="o")
    response = graph.patch(
        f"{way_in}/contosohr/operations/o", {"status": "failed", "error": FULL_ERROR}
    )
    assert response.status_code == 200
    root = way_in.split("/")[1]
    assert untagged(response.json()) == {
        "@odata.context": (
            f"http://testserver/{root}/$metadata"
            "#external/connections('contosohr')/operations/$entity"
        ),
        "id": "o",
        "status": "failed",
        "error": FULL_ERROR,
    }
    assert "Location" not in response
    assert graph.get(f"{HERE}/o").json()["error"] == FULL_ERROR


def test_keys_in_parentheses(graph, connection):
    report(connection, graph_id="1.weu.A")
    path = "/v1.0/connections('contosohr')/operations('1.weu.A')"
    assert graph.patch(path, {"status": "completed"}).json()["status"] == "completed"


@pytest.mark.parametrize("old", STATUSES)
@pytest.mark.parametrize("new", STATUSES)
def test_every_move(graph, connection, old, new):
    report(connection, graph_id="o", status=old)
    records = Change.objects.count()
    response = graph.patch(f"{HERE}/o", {"status": new})
    if old == new:
        assert response.status_code == 200
        assert Change.objects.count() == records
    elif (old, new) in ALLOWED:
        assert response.status_code == 200
        assert response.json()["status"] == new
        assert Change.objects.count() == records + 1
    else:
        error = assert_refused(
            response,
            409,
            "Conflict",
            inner="InvalidStateTransition",
            target="status",
            says=f"Property 'status' cannot change from '{old}' to '{new}'.",
        )
        assert error["innerError"]["status"] == old
        assert Change.objects.count() == records
        assert stored()["status"] == old


def test_a_move_is_recorded_with_who_and_what(graph, application, connection):
    report(connection, graph_id="o")
    response = graph.patch(f"{HERE}/o", {"status": "failed", "error": MESSAGE})
    change = Change.objects.first()
    assert change.action == "operation.failed"
    assert (change.channel, change.actor_app_id) == ("api", application.app_id)
    assert change.request_id == response["request-id"]
    assert change.before == {"status": "inprogress", "error": None}
    assert change.after == {"status": "failed", "error": MESSAGE}


def test_an_object_that_was_read_can_be_sent_back_whole(graph, connection):
    report(connection, graph_id="o", status="failed", error=FULL_ERROR)
    read = graph.get(f"{HERE}/o").json()
    before = ConnectionOperation.objects.values().get()
    records = Change.objects.count()
    response = graph.patch(f"{HERE}/o", read)
    assert response.status_code == 200
    assert response.json() == read
    assert Change.objects.count() == records
    assert ConnectionOperation.objects.values().get() == before


def test_a_read_object_with_another_status_moves(graph, connection):
    report(connection, graph_id="o")
    read = graph.get(f"{HERE}/o").json()
    response = graph.patch(f"{HERE}/o", {**read, "status": "completed"})
    assert response.json()["status"] == "completed"


@pytest.mark.parametrize("body", [{}, {"@odata.type": "#microsoft.graph.x"}, {"id": "o"}])
def test_nothing_changes_nothing(graph, connection, body):
    report(connection, graph_id="o")
    records = Change.objects.count()
    assert graph.patch(f"{HERE}/o", body).status_code == 200
    assert Change.objects.count() == records


def test_the_key_in_the_body_is_ignored(graph, connection):
    report(connection, graph_id="o")
    assert graph.patch(f"{HERE}/o", {"id": "other", "status": "completed"}).json()["id"] == "o"


def test_unknown_future_value_is_ignored(graph, connection):
    report(connection, graph_id="o")
    records = Change.objects.count()
    response = graph.patch(f"{HERE}/o", {"status": "unknownFutureValue"})
    assert (response.status_code, response.json()["status"]) == (200, "inprogress")
    assert Change.objects.count() == records


def test_a_status_of_null_is_unspecified(graph, connection):
    report(connection, graph_id="new", status="unspecified")
    assert graph.patch(f"{HERE}/new", {"status": None}).status_code == 200
    report(connection, graph_id="running")
    response = graph.patch(f"{HERE}/running", {"status": None})
    assert_refused(response, 409, "Conflict", inner="InvalidStateTransition", says="unspecified")


def test_an_error_of_null_with_a_move(graph, connection):
    report(connection, graph_id="o")
    response = graph.patch(f"{HERE}/o", {"status": "completed", "error": None})
    assert response.json()["status"] == "completed"


def test_a_failure_without_an_error_gets_one_once(graph, connection):
    report(connection, graph_id="o", status="failed")
    finished = ConnectionOperation.objects.get().finished_at
    response = graph.patch(f"{HERE}/o", {"error": FULL_ERROR})
    assert (response.status_code, response.json()["error"]) == (200, FULL_ERROR)
    assert ConnectionOperation.objects.get().finished_at == finished
    assert Change.objects.first().action == "operation.updated"
    again = graph.patch(f"{HERE}/o", {"status": "failed", "error": FULL_ERROR})
    assert again.status_code == 200
    for other in ({"message": "another"}, None, {**FULL_ERROR, "target": "elsewhere"}):
        assert_refused(
            graph.patch(f"{HERE}/o", {"error": other}),
            409,
            "Conflict",
            inner="InvalidStateTransition",
            target="error",
            says="The error of operation 'o' is final.",
        )
    assert stored()["error"] == FULL_ERROR


@pytest.mark.parametrize("status", ["unspecified", "inprogress", "completed"])
def test_an_error_needs_a_failure(graph, connection, status):
    report(connection, graph_id="o", status=status)
    for body in ({"error": MESSAGE}, {"status": status, "error": MESSAGE}):
        assert_refused(
            graph.patch(f"{HERE}/o", body),
            400,
            "InvalidRequest",
            inner="ErrorRequiresFailedStatus",
            target="error",
            says=f"not with '{status}'",
        )
    assert stored() == {"id": "o", "status": status, "error": None}


@pytest.mark.parametrize(
    ("body", "inner", "target"),
    [
        ({"status": "done"}, "InvalidPropertyValue", "status"),
        ({"status": 2}, "InvalidPropertyValue", "status"),
        ({"status": "failed", "error": {}}, "RequiredPropertyMissing", "error"),
        ({"status": "failed", "error": "x"}, "InvalidPropertyValue", "error"),
        ({"status": "failed", "error": {"why": 1}}, "PropertyNotDeclared", "error/why"),
        (
            {"status": "failed", "error": {"details": [{"why": 1}]}},
            "PropertyNotDeclared",
            "error/details/0/why",
        ),
        (
            {"status": "failed", "error": {"innerError": {"details": {}}}},
            "InvalidPropertyValue",
            "error/innerError/details",
        ),
        ({"state": "failed"}, "PropertyNotDeclared", "state"),
    ],
)
def test_bad_input_names_the_field_and_changes_nothing(graph, connection, body, inner, target):
    report(connection, graph_id="o")
    assert_refused(
        graph.patch(f"{HERE}/o", body), 400, "InvalidRequest", inner=inner, target=target
    )
    assert stored()["status"] == "inprogress"


@pytest.mark.parametrize(
    "body", [{"status": "completed"}, {"status": "failed", "error": MESSAGE}, {"status": None}]
)
def test_an_unfinished_worker_operation_is_the_workers(graph, connection, body):
    operation = request_registration(connection)
    error = assert_refused(
        graph.patch(f"{HERE}/{operation.graph_id}", body),
        409,
        "Conflict",
        inner="OperationInProgress",
        says="is run by the worker and is not finished",
    )
    assert error["innerError"]["operationId"] == operation.graph_id
    assert stored(operation.graph_id)["status"] == "inprogress"


def test_an_unfinished_worker_operation_may_be_sent_back_as_it_is(graph, connection):
    operation = request_registration(connection)
    read = graph.get(f"{HERE}/{operation.graph_id}").json()
    assert graph.patch(f"{HERE}/{operation.graph_id}", read).status_code == 200


@pytest.mark.parametrize("status", ["inprogress", "failed"])
def test_a_completed_registration_is_final(graph, connection, status):
    operation = register_schema(connection)
    assert_refused(
        graph.patch(f"{HERE}/{operation.graph_id}", {"status": status}),
        409,
        "Conflict",
        inner="InvalidStateTransition",
    )


def test_a_failed_registration_is_final(graph, connection):
    operation = fail_registration(connection)
    for body in ({"status": "completed"}, {"error": MESSAGE}):
        assert_refused(
            graph.patch(f"{HERE}/{operation.graph_id}", body),
            409,
            "Conflict",
            inner="InvalidStateTransition",
        )
    connection.refresh_from_db()
    assert connection.schema_in_force is None


def test_completing_supersedes_the_failures_before_it(graph, connection):
    report(connection, graph_id="old", status="failed")
    report(connection, graph_id="o")
    graph.patch(f"{HERE}/o", {"status": "completed"})
    assert ConnectionOperation.objects.get(graph_id="old").triage == "superseded"


def test_no_token(connection):
    report(connection, graph_id="o")
    response = GraphClient().patch(f"{HERE}/o", {"status": "completed"})
    assert_refused(response, 401, "InvalidAuthenticationToken")
    assert stored()["status"] == "inprogress"


def test_reading_roles_may_not_change(connection):
    report(connection, graph_id="o")
    client = GraphClient(make_application(READ_ALL))
    assert_refused(client.patch(f"{HERE}/o", {"status": "completed"}), 403, "Forbidden")
    assert stored()["status"] == "inprogress"


def test_someone_elses_connection_does_not_exist(connection):
    report(connection, graph_id="o")
    client = GraphClient(make_application(OWNED))
    assert_refused(client.patch(f"{HERE}/o", {"status": "completed"}), 404, "ItemNotFound")
    assert stored()["status"] == "inprogress"


def test_a_missing_operation_is_not_created(graph, connection):
    error = assert_refused(
        graph.patch(f"{HERE}/nosuch", {"status": "completed"}), 404, "ItemNotFound"
    )
    assert error["innerError"]["source"] == "ConnectionOperation"
    assert not ConnectionOperation.objects.exists()


def test_ids_are_exact(graph, connection):
    report(connection, graph_id="Import")
    response = graph.patch(f"{HERE}/import", {"status": "completed"})
    assert_refused(response, 404, "ItemNotFound")


def test_an_empty_body_is_not_json(graph, connection):
    report(connection, graph_id="o")
    assert_refused(graph.patch(f"{HERE}/o"), 400, "BadRequest", inner="InvalidJson")
