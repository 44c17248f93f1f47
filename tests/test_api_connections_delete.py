"""``DELETE /connections/{id}``: 202 without a ``Location``, then nothing is found any more."""

from __future__ import annotations

import pytest
from django.db import OperationalError

from operations import provisioning
from operations.models import Change, ConnectionOperation, ExternalConnection
from tests.factories import (
    WORKER,
    a_schema,
    claim,
    finish,
    make_application,
    make_connection,
    register_schema,
    report,
    request_registration,
    work_off,
)
from tests.graph import OWNED, READ_ALL, GraphClient, assert_refused

WAYS_IN = [
    f"/{root}/{path}"
    for root in ("v1.0", "beta")
    for path in ("external/connections", "connections")
]
HERE = "/v1.0/connections/contosohr"
HR = {"id": "contosohr", "name": "Contoso HR"}


@pytest.fixture
def connection(application):
    return make_connection("contosohr", owner=application)


@pytest.fixture
def large(connection, settings):
    """A connection that is too large to be purged in the request."""
    settings.PURGE_IN_REQUEST = 2
    for _ in range(3):
        report(connection)
    return connection


@pytest.mark.parametrize("way_in", WAYS_IN)
def test_answers_202_with_nothing_in_it(graph, connection, way_in):
    response = graph.delete(f"{way_in}/ContosoHR")
    assert (response.status_code, response.content) == (202, b"")
    assert "Location" not in response
    assert "Content-Type" not in response
    assert not ExternalConnection.objects.exists()


@pytest.mark.parametrize("size", ["small", "large"])
def test_it_and_all_below_it_are_gone_from_then_on(graph, connection, settings, size):
    settings.PURGE_IN_REQUEST = 1000 if size == "small" else 0
    register_schema(connection)
    operation = report(connection)
    assert graph.delete(HERE).status_code == 202
    assert ExternalConnection.objects.exists() == (size == "large")
    for method, path, body in (
        ("GET", HERE, None),
        ("PATCH", HERE, {"name": "x"}),
        ("DELETE", HERE, None),
        ("GET", f"{HERE}/schema", None),
        ("PATCH", f"{HERE}/schema", a_schema()),
        ("GET", f"{HERE}/operations", None),
        ("POST", f"{HERE}/operations", {}),
        ("GET", f"{HERE}/operations/$count", None),
        ("GET", f"{HERE}/operations/{operation.graph_id}", None),
        ("PATCH", f"{HERE}/operations/{operation.graph_id}", {"status": "completed"}),
        ("DELETE", f"{HERE}/operations/{operation.graph_id}", None),
    ):
        error = assert_refused(graph.request(method, path, body), 404, "ItemNotFound")
        assert error["innerError"]["source"] == "Connection", (method, path)
    assert graph.get("/v1.0/connections").json()["value"] == []
    assert graph.get("/v1.0/connections/$count").content == b"0"


def test_created_again_it_is_another_connection_with_another_history(graph, connection):
    graph.post(f"{HERE}/operations", {"id": "old"})
    graph.patch(f"{HERE}/schema", a_schema())
    work_off()
    graph.delete(HERE)
    created = graph.post("/v1.0/connections", {**HR, "id": "ContosoHR"})
    assert created.status_code == 201
    assert (created.json()["id"], created.json()["state"]) == ("ContosoHR", "draft")
    assert graph.get(f"{HERE}/operations").json()["value"] == []
    assert_refused(graph.get(f"{HERE}/schema"), 404, "ItemNotFound")
    again = ExternalConnection.objects.get()
    assert again.pk != connection.pk
    history = Change.objects.filter(connection_key=again.pk).values_list("action", flat=True)
    assert list(history) == ["connection.created"]
    assert Change.objects.filter(connection_key=connection.pk).count() > 3


def test_the_id_is_taken_until_the_deletion_ends(graph, large):
    graph.delete(HERE)
    assert_refused(
        graph.post("/v1.0/connections", {**HR, "id": "CONTOSOHR"}),
        409,
        "Conflict",
        inner="ConnectionBeingDeleted",
        target="id",
        says="'contosohr' is still being deleted",
    )
    work_off()
    assert graph.post("/v1.0/connections", HR).status_code == 201
    assert not ConnectionOperation.objects.exists()


def test_the_history_says_who_asked_and_that_it_ended(graph, application, connection):
    response = graph.delete(HERE)
    purged, requested = Change.objects.all()[:2]
    assert (requested.action, purged.action) == (
        "connection.deletionRequested",
        "connection.purged",
    )
    assert requested.actor_app_id == application.app_id
    assert requested.request_id == response["request-id"]
    assert requested.before["name"] == connection.name


def test_deleting_wins_over_a_running_registration(graph, connection, settings):
    settings.PURGE_IN_REQUEST = 0
    request_registration(connection)
    held = claim(WORKER)
    assert graph.delete(HERE).status_code == 202
    assert finish(held) is False
    work_off()
    assert not ExternalConnection.objects.exists()


def test_a_ticket_of_the_admin_center_is_accepted(graph, connection):
    assert graph.delete(HERE, GraphConnectors_Ticket="opaque").status_code == 202


@pytest.mark.parametrize(
    ("roles", "status", "code"),
    [
        ((OWNED,), 404, "ItemNotFound"),
        ((READ_ALL,), 403, "Forbidden"),
        ((OWNED, READ_ALL), 403, "Forbidden"),
    ],
)
def test_who_may_not(connection, roles, status, code):
    assert_refused(GraphClient(make_application(*roles)).delete(HERE), status, code)
    assert ExternalConnection.objects.alive().exists()


def test_no_token(connection):
    assert_refused(GraphClient().delete(HERE), 401, "InvalidAuthenticationToken")
    assert ExternalConnection.objects.alive().exists()


def test_missing_connection(graph):
    assert_refused(graph.delete(HERE), 404, "ItemNotFound", inner="ResourceNotFound")


@pytest.mark.django_db(transaction=True)
def test_what_could_not_be_purged_at_once_is_accepted_and_left_for_a_worker(
    graph, connection, monkeypatch, caplog
):
    def lost(*_):
        raise OperationalError("the connection is lost")

    report(connection)
    monkeypatch.setattr(provisioning, "_purge", lost)
    assert graph.delete(HERE).status_code == 202
    assert "left for a worker" in caplog.text
    assert graph.get(HERE).status_code == 404

    monkeypatch.undo()
    while provisioning.purge_step("worker", connection.pk):
        pass
    assert not ExternalConnection.objects.exists()
