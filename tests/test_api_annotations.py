"""Times, origin and history over the API, for those who ask: instance annotations of ours."""

from __future__ import annotations

import re
from datetime import datetime

import pytest

from operations import provisioning, registering
from operations.api.annotations import is_wanted
from operations.api.preferences import Preferences
from operations.models import Actor, ActorKind, Channel
from tests.factories import (
    COMMAND,
    claim,
    fail_registration,
    finish,
    make_connection,
    register_schema,
    report,
    request_registration,
)
from tests.graph import GUID

HERE = "/v1.0/connections/contosohr"
ALL = {"Prefer": 'odata.include-annotations="connectorsAdmin.*"'}
APPLIED = 'odata.include-annotations="connectorsAdmin.*"'
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


@pytest.fixture
def connection(application):
    return make_connection("contosohr", owner=application)


def annotations(body: dict) -> dict:
    prefix = "@connectorsAdmin."
    return {
        name.removeprefix(prefix): value for name, value in body.items() if name.startswith(prefix)
    }


def test_nobody_gets_them_unasked(graph, connection):
    operation = register_schema(connection)
    for path in (HERE, f"{HERE}/operations/{operation.graph_id}", f"{HERE}/schema"):
        response = graph.get(path)
        assert annotations(response.json()) == {}
        assert "Preference-Applied" not in response


def test_an_operation_with_its_times_and_its_history(graph, connection, application):
    created = graph.post(f"{HERE}/operations", {"id": "o"})
    graph.patch(f"{HERE}/operations/o", {"status": "failed", "error": {"message": "m"}})
    response = graph.get(f"{HERE}/operations/o", **ALL)
    body = response.json()
    assert (body["id"], body["status"], body["error"]) == ("o", "failed", {"message": "m"})
    assert response["Preference-Applied"] == APPLIED
    found = annotations(body)
    history = found.pop("history")
    times = [found.pop(name) for name in ("createdDateTime", "finishedDateTime")]
    for time in [*times, found.pop("startedDateTime"), found.pop("lastModifiedDateTime")]:
        assert TIME.fullmatch(time), time
    assert times == sorted(times)
    assert found == {
        "kind": "reported",
        "requestedBy": application.name,
        "requestedByAppId": str(application.app_id),
        "requestId": created["request-id"],
        "attempt": 0,
        "retryOf": None,
        "triage": "open",
    }
    assert [(entry["action"], entry["channel"], entry["by"]) for entry in history] == [
        ("operation.failed", "api", application.name),
        ("operation.reported", "api", application.name),
    ]
    latest = history[0]
    assert TIME.fullmatch(latest["dateTime"]) and GUID.fullmatch(latest["requestId"])
    assert latest["appId"] == str(application.app_id)
    assert latest["before"] == {"status": "inprogress", "error": None}
    assert latest["after"] == {"status": "failed", "error": {"message": "m"}}


def test_a_registration_and_its_retry(graph, connection):
    failed = fail_registration(connection)
    retry = provisioning.retry(failed, COMMAND)
    found = annotations(graph.get(f"{HERE}/operations/{retry.graph_id}", **ALL).json())
    assert (found["kind"], found["retryOf"]) == ("schemaRegistration", failed.graph_id)
    assert (found["attempt"], found["startedDateTime"]) == (0, None)
    found = annotations(graph.get(f"{HERE}/operations/{failed.graph_id}", **ALL).json())
    assert found["attempt"] == 1
    assert [entry["action"] for entry in found["history"]] == [
        "operation.failed",
        "operation.started",
        "operation.requested",
    ]


def test_a_connection_with_its_owner(graph, connection, application):
    graph.patch(HERE, {"name": "New"})
    found = annotations(graph.get(HERE, **ALL).json())
    assert found["ownerAppId"] == str(application.app_id)
    assert TIME.fullmatch(found["createdDateTime"])
    assert found["createdDateTime"] <= found["lastModifiedDateTime"]
    assert [entry["action"] for entry in found["history"]] == [
        "connection.updated",
        "connection.created",
    ]


def test_a_schema_with_its_version_and_its_operation(graph, connection):
    running = request_registration(connection)
    found = annotations(graph.get(f"{HERE}/schema", **ALL).json())
    assert found == {"version": None, "inForceDateTime": None, "operationId": running.graph_id}
    held = claim("worker")
    assert held and finish(held)
    found = annotations(graph.get(f"{HERE}/schema", **ALL).json())
    assert (found["version"], found["operationId"]) == (1, running.graph_id)
    assert TIME.fullmatch(found["inForceDateTime"])


def test_what_is_internal_stays_inside(graph, connection, django_user_model):
    """Who of the operators, their notes, which worker, and what broke it: not for every reader."""
    maria = Actor(ActorKind.OPERATOR, "maria.schmidt", Channel.DASHBOARD)
    failed = fail_registration(connection)
    failed.acknowledge(maria, "the customer is in arrears")
    retry = provisioning.retry(failed, maria, "once more for them")
    held = claim("host-7-worker")
    registering.fail_attempt(held, "OperationalError: server at 10.0.0.5")
    graph.patch("/beta/connections/contosohr", {"enabledContentExperiences": "search"})
    for path in (
        HERE,
        f"{HERE}/operations/{failed.graph_id}",
        f"{HERE}/operations/{retry.graph_id}",
        f"{HERE}/operations",
    ):
        text = graph.get(path, **ALL).content.decode()
        for inside in ("maria", "arrears", "once more", "host-7", "10.0.0.5", "ContentExper"):
            assert inside not in text, (path, inside)
    history = annotations(graph.get(f"{HERE}/operations/{failed.graph_id}", **ALL).json())[
        "history"
    ]
    assert history[0]["action"] == "operation.acknowledged"
    assert (history[0]["channel"], history[0]["by"]) == ("dashboard", None)


def test_one_operation_costs_no_query_for_each_annotation(
    graph, connection, django_assert_num_queries
):
    retry = provisioning.retry(fail_registration(connection), COMMAND)
    path = f"{HERE}/operations/{retry.graph_id}"
    graph.get(path)  # who is asking is known then
    with django_assert_num_queries(3):  # whether it may be seen, the whole of it, its history
        found = annotations(graph.get(path, **ALL).json())
    assert found["retryOf"] and found["history"] and found["createdDateTime"]


def test_a_list_has_the_times_of_each_but_no_histories(
    graph, connection, django_assert_num_queries
):
    failed = fail_registration(connection)
    for number in range(3):
        report(connection, graph_id=f"o{number}")
    provisioning.retry(failed, COMMAND)

    def rows():
        return graph.get(f"{HERE}/operations", **ALL).json()["value"]

    rows()  # who is asking is known then
    with django_assert_num_queries(2):
        found = [annotations(row) for row in rows()]
    assert len(found) == 5
    assert found[0]["retryOf"] == failed.graph_id
    assert all(TIME.fullmatch(one["createdDateTime"]) for one in found)
    assert not any("history" in one for one in found)
    [row] = graph.get("/v1.0/connections", **ALL).json()["value"]
    assert set(annotations(row)) == {"createdDateTime", "lastModifiedDateTime", "ownerAppId"}


def test_select_does_not_take_them_away(graph, connection):
    report(connection, graph_id="o")
    body = graph.get(f"{HERE}/operations/o?$select=id", **ALL).json()
    assert "status" not in body and annotations(body)["kind"] == "reported"


def test_a_created_thing_has_them_too(graph, connection):
    response = graph.post(f"{HERE}/operations", {"id": "o"}, **ALL)
    assert annotations(response.json())["kind"] == "reported"
    assert response["Preference-Applied"] == APPLIED


def test_what_is_read_with_them_can_be_sent_back(graph, connection):
    report(connection, graph_id="o")
    before = annotations(graph.get(HERE, **ALL).json())["history"]
    for path, status in ((HERE, 204), (f"{HERE}/operations/o", 200)):
        assert graph.patch(path, graph.get(path, **ALL).json()).status_code == status
    assert annotations(graph.get(HERE, **ALL).json())["history"] == before


@pytest.mark.parametrize(
    ("patterns", "kind", "history"),
    [
        ("*", True, True),
        ("connectorsAdmin.*", True, True),
        ("connectorsAdmin.kind", True, False),
        ("connectorsAdmin.kind,connectorsAdmin.history", True, True),
        ("*,-connectorsAdmin.history", True, False),
        ("connectorsAdmin.*, -connectorsAdmin.history", True, False),
        ("-connectorsAdmin.*,connectorsAdmin.history", False, True),
        ("*,-connectorsAdmin.*", False, False),
        ("-*", False, False),
        ("other.*", False, False),
        ("", False, False),
    ],
)
def test_patterns(graph, connection, patterns, kind, history):
    names = Preferences.read(f'include-annotations="{patterns}"').annotations
    assert (is_wanted("kind", names), is_wanted("history", names)) == (kind, history)
    report(connection, graph_id="o")
    header = f'odata.include-annotations="{patterns}"'
    found = annotations(graph.get(f"{HERE}/operations/o", Prefer=header).json())
    assert ("kind" in found, "history" in found) == (kind, history)


def test_times_are_utc(graph, connection, settings):
    settings.TIME_ZONE = "Asia/Tokyo"
    report(connection, graph_id="o")
    body = graph.get(f"{HERE}/operations/o", **ALL).json()
    created = datetime.fromisoformat(body["@connectorsAdmin.createdDateTime"])
    assert abs((datetime.now(tz=created.tzinfo) - created).total_seconds()) < 60
