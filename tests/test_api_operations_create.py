"""``POST /connections/{id}/operations``: another service reports work that it runs itself."""

from __future__ import annotations

import json

import pytest

from operations.models import Action, Change, ConnectionOperation, Kind
from tests.factories import fail_registration, make_application, make_connection, report
from tests.graph import GUID, OWNED, READ_ALL, GraphClient, assert_refused, untagged

WAYS_IN = [
    f"/{root}/{path}"
    for root in ("v1.0", "beta")
    for path in ("external/connections", "connections")
]
HERE = "/v1.0/connections/contosohr/operations"
MESSAGE = {"message": "Server error, something went wrong"}


@pytest.fixture
def connection(application):
    return make_connection("contosohr", owner=application)


def nothing_was_created() -> bool:
    return not ConnectionOperation.objects.exists()


@pytest.mark.parametrize("way_in", WAYS_IN)
def test_creates_through_both_roots_and_both_paths(graph, connection, way_in):
    response = graph.post(f"{way_in}/contosohr/operations", {"id": "o1", "status": "inprogress"})
    assert response.status_code == 201
    root = way_in.split("/")[1]
    assert untagged(response.json()) == {
        "@odata.context": (
            f"http://testserver/{root}/$metadata"
            "#external/connections('contosohr')/operations/$entity"
        ),
        "id": "o1",
        "status": "inprogress",
        "error": None,
    }
    assert response["Location"] == (f"http://testserver{way_in}('contosohr')/operations('o1')")


def test_the_location_is_not_mistaken_for_long_running_work_and_can_be_read(graph, connection):
    location = graph.post(HERE, {"id": "1.weu.A"})["Location"]
    assert "/operations/" not in location
    assert graph.get(location.removeprefix("http://testserver")).json()["id"] == "1.weu.A"


@pytest.mark.parametrize("body", [{}, {"id": None, "status": None, "error": None}])
def test_everything_may_be_left_out(graph, connection, body):
    created = graph.post(HERE, body).json()
    assert GUID.fullmatch(created["id"])
    assert (created["status"], created["error"]) == ("inprogress", None)


def test_the_record_says_who_and_under_which_request(graph, application, connection):
    response = graph.post(HERE, {"id": "o1", "status": "failed", "error": MESSAGE})
    change = Change.objects.get(action=Action.OPERATION_REPORTED)
    assert change.channel == "api"
    assert change.actor_app_id == application.app_id
    assert change.request_id == response["request-id"]
    assert change.after == {"status": "failed", "error": MESSAGE}
    operation = ConnectionOperation.objects.get()
    assert operation.kind == Kind.REPORTED
    assert operation.requested_app_id == application.app_id


@pytest.mark.parametrize("status", ["unspecified", "inprogress", "completed", "failed"])
def test_in_any_of_four_statuses(graph, connection, status):
    assert graph.post(HERE, {"id": "o", "status": status}).json()["status"] == status
    operation = ConnectionOperation.objects.get()
    assert (operation.finished_at is not None) == (status in ("completed", "failed"))
    assert (operation.started_at is not None) == (status != "unspecified")


@pytest.mark.parametrize("status", ["Failed", "FAILED", "faiLED"])
def test_a_status_is_read_in_any_case_and_written_in_graphs(graph, connection, status):
    assert graph.post(HERE, {"status": status}).json()["status"] == "failed"


def test_a_message_without_a_code_is_an_error_as_in_the_seed(graph, connection):
    body = {
        "id": "3ed1595a-4bae-43c2-acda-ef973e581323",
        "@odata.type": "#microsoft.graph.externalConnectors.connectionOperation",
        "error": {"@odata.type": "microsoft.graph.publicError", **MESSAGE},
        "status": "failed",
    }
    created = graph.post(HERE, body)
    assert created.status_code == 201
    assert created.json()["error"] == MESSAGE


@pytest.mark.parametrize(
    "error",
    [
        {"code": "c"},
        {"message": ""},
        {"target": "t"},
        {"details": []},
        {"innerError": {}},
        {"code": "c", "message": "m", "target": "t"},
        {"details": [{"code": "c"}, {"message": "m"}, {"target": "t"}, {}]},
        {"message": "Zürich · 東京 · 🚲 · \u2028"},
        {
            "code": "c",
            "message": "m",
            "target": "t",
            "details": [{"code": "a", "message": "b", "target": "c"}],
            "innerError": {
                "code": "ic",
                "message": "im",
                "target": "it",
                "details": [{"code": "x", "message": "y", "target": "z"}],
                "correlationId": "5f",
                "attempts": [1, 2.5, -3, True, None, {"deep": ["er"]}],
                "innerError": {"code": "kept, because the type is open"},
                "big": 9007199254740993,
            },
        },
    ],
)
def test_an_error_comes_back_as_it_was_given(graph, connection, error):
    created = graph.post(HERE, {"id": "o", "status": "failed", "error": error})
    assert created.status_code == 201
    assert created.json()["error"] == error
    assert graph.get(f"{HERE}/o").json()["error"] == error


def test_members_of_an_error_that_are_null_are_absent(graph, connection):
    error = {
        "code": None,
        "message": "m",
        "target": None,
        "details": None,
        "innerError": {"code": None, "message": None, "details": None, "extra": None},
    }
    created = graph.post(HERE, {"status": "failed", "error": error}).json()
    assert created["error"] == {"message": "m", "innerError": {"extra": None}}


def test_a_reported_success_supersedes_the_failures_before_it(graph, connection):
    report(connection, graph_id="old", status="failed", error=MESSAGE)
    registration = fail_registration(connection)
    graph.post(HERE, {"id": "new", "status": "completed"})
    triage = dict(ConnectionOperation.objects.values_list("graph_id", "triage"))
    assert triage == {"old": "superseded", "new": "", registration.graph_id: "open"}


BAD = {
    "unknown status": ({"status": "running"}, "InvalidPropertyValue", "status", "must be one of"),
    "camel case only in letters": (
        {"status": "in progress"},
        "InvalidPropertyValue",
        "status",
        "unspecified, inprogress, completed, failed",
    ),
    "status as a number": ({"status": 3}, "InvalidPropertyValue", "status", "must be one of"),
    "status as a truth value": ({"status": True}, "InvalidPropertyValue", "status", "must be one"),
    "blank status": ({"status": ""}, "InvalidPropertyValue", "status", "must be one of"),
    "the sentinel": (
        {"status": "unknownFutureValue"},
        "InvalidPropertyValue",
        "status",
        "must not be 'unknownFutureValue'",
    ),
    "undeclared member": (
        {"progress": 5},
        "PropertyNotDeclared",
        "progress",
        "'progress' is not declared",
    ),
    "names are exact": ({"Status": "failed"}, "PropertyNotDeclared", "Status", "not declared"),
    "a member of ours": ({"kind": "reported"}, "PropertyNotDeclared", "kind", "not declared"),
    "id as a number": ({"id": 5}, "InvalidPropertyValue", "id", "must be a string"),
    "id as a list": ({"id": ["a"]}, "InvalidPropertyValue", "id", "must be a string"),
    "error as text": (
        {"status": "failed", "error": "broken"},
        "InvalidPropertyValue",
        "error",
        "must be an object",
    ),
    "error as a list": (
        {"status": "failed", "error": [MESSAGE]},
        "InvalidPropertyValue",
        "error",
        "must be an object",
    ),
    "empty error": (
        {"status": "failed", "error": {}},
        "RequiredPropertyMissing",
        "error",
        "at least one of code, message, target, details, innerError",
    ),
    "error of nulls": (
        {"status": "failed", "error": {"code": None, "message": None}},
        "RequiredPropertyMissing",
        "error",
        "at least one of",
    ),
    "undeclared in error": (
        {"status": "failed", "error": {"message": "m", "reason": "x"}},
        "PropertyNotDeclared",
        "error/reason",
        "'error/reason' is not declared",
    ),
    "innerError is exact": (
        {"status": "failed", "error": {"message": "m", "innererror": {}}},
        "PropertyNotDeclared",
        "error/innererror",
        "not declared",
    ),
    "undeclared in details": (
        {"status": "failed", "error": {"details": [{"code": "c"}, {"hint": "x"}]}},
        "PropertyNotDeclared",
        "error/details/1/hint",
        "not declared",
    ),
    "details in details": (
        {"status": "failed", "error": {"details": [{"details": []}]}},
        "PropertyNotDeclared",
        "error/details/0/details",
        "not declared",
    ),
    "undeclared in innerError's details": (
        {"status": "failed", "error": {"innerError": {"details": [{"hint": 1}]}}},
        "PropertyNotDeclared",
        "error/innerError/details/0/hint",
        "not declared",
    ),
    "code as a number": (
        {"status": "failed", "error": {"code": 500}},
        "InvalidPropertyValue",
        "error/code",
        "must be a string",
    ),
    "code too long": (
        {"status": "failed", "error": {"code": "c" * 256}},
        "InvalidPropertyValue",
        "error/code",
        "at most 255",
    ),
    "message as an object": (
        {"status": "failed", "error": {"message": {"value": "m"}}},
        "InvalidPropertyValue",
        "error/message",
        "must be a string",
    ),
    "target as a list": (
        {"status": "failed", "error": {"target": ["t"]}},
        "InvalidPropertyValue",
        "error/target",
        "must be a string",
    ),
    "details as an object": (
        {"status": "failed", "error": {"details": {"code": "c"}}},
        "InvalidPropertyValue",
        "error/details",
        "must be a collection",
    ),
    "a detail as text": (
        {"status": "failed", "error": {"details": ["oops"]}},
        "InvalidPropertyValue",
        "error/details/0",
        "must be an object",
    ),
    "innerError as text": (
        {"status": "failed", "error": {"innerError": "oops"}},
        "InvalidPropertyValue",
        "error/innerError",
        "must be an object",
    ),
    "innerError's code as a number": (
        {"status": "failed", "error": {"innerError": {"code": 1}}},
        "InvalidPropertyValue",
        "error/innerError/code",
        "must be a string",
    ),
    "error with completed": (
        {"status": "completed", "error": MESSAGE},
        "ErrorRequiresFailedStatus",
        "error",
        "only allowed with status 'failed', not with 'completed'",
    ),
    "error with inprogress": (
        {"status": "inprogress", "error": MESSAGE},
        "ErrorRequiresFailedStatus",
        "error",
        "not with 'inprogress'",
    ),
    "error with unspecified": (
        {"status": "unspecified", "error": MESSAGE},
        "ErrorRequiresFailedStatus",
        "error",
        "not with 'unspecified'",
    ),
    "error with the default status": (
        {"error": MESSAGE},
        "ErrorRequiresFailedStatus",
        "error",
        "not with 'inprogress'",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_names_the_field_and_the_rule(graph, connection, case):
    body, inner, target, says = BAD[case]
    assert_refused(
        graph.post(HERE, body), 400, "InvalidRequest", inner=inner, target=target, says=says
    )
    assert nothing_was_created()


@pytest.mark.parametrize(
    "graph_id",
    ["", " ", "a b", "a/b", "a'b", "ä", "x" * 129, ".", "..", "a\n", "a%41", "$count", "(1)"],
)
def test_a_bad_id_is_refused(graph, connection, graph_id):
    assert_refused(
        graph.post(HERE, {"id": graph_id}),
        400,
        "InvalidRequest",
        inner="InvalidIdentifier",
        target="id",
        says="1 to 128 characters",
    )
    assert nothing_was_created()


def test_all_faults_come_in_one_answer(graph, connection):
    body = {
        "id": "a b",
        "status": "done",
        "error": {"code": 1, "details": [{"hint": 1}]},
        "progress": 5,
    }
    error = assert_refused(graph.post(HERE, body), 400, "InvalidRequest", says="more in details")
    assert {(fault["target"], fault["code"]) for fault in error["details"]} == {
        ("progress", "PropertyNotDeclared"),
        ("id", "InvalidIdentifier"),
        ("status", "InvalidPropertyValue"),
        ("error/code", "InvalidPropertyValue"),
        ("error/details/0/hint", "PropertyNotDeclared"),
    }


@pytest.mark.parametrize("graph_id", ["x" * 128, "1.weu-b.0251D5.98B2", "~", "_-.~", "...", "0"])
def test_a_callers_own_id_is_kept(graph, connection, graph_id):
    response = graph.post(HERE, {"id": graph_id})
    assert response.status_code == 201
    assert response.json()["id"] == graph_id


def test_a_duplicate_id_is_a_conflict(graph, connection):
    report(connection, graph_id="o", status="completed")
    assert_refused(
        graph.post(HERE, {"id": "o", "status": "failed"}),
        409,
        "Conflict",
        inner="NameAlreadyExists",
        target="id",
        says="Connection 'contosohr' already has an operation with the id 'o'.",
    )
    assert ConnectionOperation.objects.get().graph()["status"] == "completed"


def test_ids_that_differ_in_case_are_two(graph, connection):
    assert graph.post(HERE, {"id": "Import"}).status_code == 201
    assert graph.post(HERE, {"id": "import"}).status_code == 201


def test_the_same_id_may_be_used_in_another_connection(graph, application, connection):
    report(make_connection("other", owner=application), graph_id="o")
    assert graph.post(HERE, {"id": "o"}).status_code == 201


def test_no_token(connection):
    response = GraphClient().post(HERE, {})
    assert_refused(response, 401, "InvalidAuthenticationToken")
    assert nothing_was_created()


def test_reading_roles_may_not_create(connection):
    error = assert_refused(GraphClient(make_application(READ_ALL)).post(HERE, {}), 403, "Forbidden")
    assert error["message"] == (
        "Missing role permissions on the request. API requires one of "
        "'ExternalConnection.ReadWrite.OwnedBy, ExternalConnection.ReadWrite.All'. "
        "Roles on the request 'ExternalConnection.Read.All'."
    )
    assert nothing_was_created()


def test_someone_elses_connection_does_not_exist(connection):
    response = GraphClient(make_application(OWNED)).post(HERE, {})
    assert_refused(response, 404, "ItemNotFound")
    assert nothing_was_created()


def test_seen_but_not_owned_is_forbidden(connection):
    response = GraphClient(make_application(OWNED, READ_ALL)).post(HERE, {})
    assert_refused(response, 403, "Forbidden", inner="NotOwner", says="connection 'contosohr'")
    assert nothing_was_created()


def test_missing_connection(graph):
    response = graph.post("/v1.0/connections/nosuch/operations", {})
    assert_refused(response, 404, "ItemNotFound", inner="ResourceNotFound")


def test_a_missing_connection_comes_before_a_bad_body(graph):
    response = graph.post("/v1.0/connections/nosuch/operations", "{")
    assert_refused(response, 404, "ItemNotFound")


@pytest.mark.parametrize("body", ["[]", '"x"', "1", "null", "true"])
def test_the_body_must_be_an_object(graph, connection, body):
    assert_refused(
        graph.post(HERE, body), 400, "BadRequest", inner="InvalidJson", says="Unable to read JSON"
    )
    assert nothing_was_created()


def test_the_answer_is_the_same_text_that_get_gives(graph, connection):
    created = graph.post(HERE, {"id": "o", "status": "failed", "error": MESSAGE})
    assert json.loads(created.content) == graph.get(f"{HERE}/o").json()
