"""Ownership and authorization, beside the table of docs/permissions.md: what they hold on to."""

from __future__ import annotations

import pytest

from operations import access
from operations.errors import NotOwner
from tests.factories import make_application, make_connection
from tests.graph import OWNED, READ_ALL, WRITE_ALL, GraphClient, assert_refused


@pytest.mark.parametrize("relation", ["owner", "authorized", "stranger"])
@pytest.mark.parametrize("role", [OWNED, READ_ALL, WRITE_ALL])
def test_a_list_holds_what_can_be_read_one_by_one(db, role, relation):
    application = make_application(role)
    make_connection(
        "contosohr",
        owner=application if relation == "owner" else make_application(OWNED),
        authorized_app_ids=[application.app_id] if relation == "authorized" else [],
    )
    response = GraphClient(application).get("/v1.0/connections?$count=true")
    shown = [] if (role, relation) == (OWNED, "stranger") else ["contosohr"]
    assert [row["id"] for row in response.json()["value"]] == shown
    assert response.json()["@odata.count"] == len(shown)


def test_the_refusal_lists_the_roles_that_would_do_and_those_that_are_there(db):
    client = GraphClient(make_application("ExternalItem.ReadWrite.All", "ExternalItem.Read.All"))
    read = assert_refused(client.get("/v1.0/connections"), 403, "Forbidden")
    assert read["message"] == (
        f"Missing role permissions on the request. API requires one of '{OWNED}, {READ_ALL}, "
        f"{WRITE_ALL}'. Roles on the request 'ExternalItem.Read.All, ExternalItem.ReadWrite.All'."
    )
    write = assert_refused(client.post("/v1.0/connections", {}), 403, "Forbidden")
    assert f"one of '{OWNED}, {WRITE_ALL}'" in write["message"]


def test_ownership_alone_is_no_right_to_write(application):
    """The role is asked for again where the connection is found, whoever calls."""
    make_connection("contosohr", owner=application)
    caller = access.Caller(application.app_id, "reader", frozenset([READ_ALL]))
    assert access.find_connection(caller, "ContosoHR", to_write=False).graph_id == "contosohr"
    with pytest.raises(NotOwner):
        access.find_connection(caller, "contosohr", to_write=True)


def test_a_connection_without_an_owner_is_nobodys_own(db):
    make_connection("contosohr")
    client = GraphClient(make_application(OWNED))
    assert_refused(client.get("/v1.0/connections/contosohr"), 404, "ItemNotFound")


def test_authorized_by_the_id_in_any_case_of_letters(graph, application):
    friend = make_application(OWNED)
    body = {"id": "contosohr", "name": "n"}
    body["configuration"] = {"authorizedAppIds": [str(friend.app_id).upper()]}
    graph.post("/v1.0/connections", body)
    assert GraphClient(friend).get("/v1.0/connections/contosohr").status_code == 200


def test_an_application_may_be_authorized_before_it_exists(graph):
    body = {"id": "contosohr", "name": "n"}
    body["configuration"] = {"authorizedAppIds": ["d310d35d-72ec-47dd-92f2-fb9c40936555"]}
    assert graph.post("/v1.0/connections", body).status_code == 201


def test_creating_in_a_connection_is_no_ownership_of_it(graph, application):
    """What an authorized application reports stays the connection's when it is taken off."""
    friend = make_application(OWNED)
    connection = make_connection("contosohr", owner=application)
    connection._authorize([friend.app_id])
    client = GraphClient(friend)
    assert client.post("/v1.0/connections/contosohr/operations", {"id": "o"}).status_code == 201
    connection._authorize([])
    path = "/v1.0/connections/contosohr/operations/o"
    assert_refused(client.get(path), 404, "ItemNotFound")
    assert graph.get(path).status_code == 200
