"""Who may do what: a readable matrix of roles, relations and calls, walked through the API."""

from __future__ import annotations

import pytest

from operations import access
from operations.errors import NotOwner
from tests.factories import a_schema, make_application, make_connection, register_schema, report
from tests.graph import OWNED, READ_ALL, WRITE_ALL, GraphClient, assert_refused

#: (method, path below the connection, body, status when it is allowed)
READS = [
    ("GET", "", None, 200),
    ("GET", "/schema", None, 200),
    ("GET", "/operations", None, 200),
    ("GET", "/operations/$count", None, 200),
    ("GET", "/operations/o", None, 200),
]
WRITES = [
    ("PATCH", "", {"name": "n"}, 204),
    ("PATCH", "/schema", a_schema(), 202),
    ("POST", "/schema", a_schema(), 202),
    ("POST", "/operations", {"id": "p"}, 201),
    ("PATCH", "/operations/o", {"status": "completed"}, 200),
    ("DELETE", "/operations/o", None, 204),
    ("DELETE", "", None, 202),
]
ALLOWED = "allowed"
NO_ROLE = (403, "Forbidden", "Missing role permissions")
NOT_FOUND = (404, "ItemNotFound", "The requested resource does not exist.")
NOT_OWNER = (403, "Forbidden", "neither owns it nor is listed")
ITEMS = ("ExternalItem.ReadWrite.OwnedBy", "ExternalItem.Read.All", "ExternalItem.ReadWrite.All")

# roles                    owner and authorized    anybody else
#                          read      write         read       write
MATRIX = {
    ():                   (NO_ROLE,  NO_ROLE,      NO_ROLE,   NO_ROLE),
    ITEMS:                (NO_ROLE,  NO_ROLE,      NO_ROLE,   NO_ROLE),
    (OWNED,):             (ALLOWED,  ALLOWED,      NOT_FOUND, NOT_FOUND),
    (READ_ALL,):          (ALLOWED,  NO_ROLE,      ALLOWED,   NO_ROLE),
    (OWNED, READ_ALL):    (ALLOWED,  ALLOWED,      ALLOWED,   NOT_OWNER),
    (WRITE_ALL,):         (ALLOWED,  ALLOWED,      ALLOWED,   ALLOWED),
    (READ_ALL, WRITE_ALL): (ALLOWED, ALLOWED,      ALLOWED,   ALLOWED),
    (OWNED, WRITE_ALL):   (ALLOWED,  ALLOWED,      ALLOWED,   ALLOWED),
}  # fmt: skip


def related(application, relation: str):
    """A connection that has this relation to the application, with a schema and an operation."""
    connection = make_connection(
        "contosohr",
        owner=application if relation == "owner" else make_application(OWNED),
        authorized_app_ids=[application.app_id] if relation == "authorized" else [],
    )
    register_schema(connection)
    report(connection, graph_id="o")
    return connection


@pytest.mark.parametrize("relation", ["owner", "authorized", "stranger"])
@pytest.mark.parametrize("roles", MATRIX, ids=lambda roles: "+".join(roles[:2]) or "none")
def test_the_matrix(db, roles, relation):
    application = make_application(*roles)
    related(application, relation)
    client = GraphClient(application)
    reading, writing = MATRIX[roles][2:] if relation == "stranger" else MATRIX[roles][:2]
    # the write that deletes the connection is the last; each way in is used once
    for calls, expected in ((READS, reading), (WRITES, writing)):
        for number, (method, path, body, good) in enumerate(calls):
            if (method, path) == ("POST", "/schema") and expected == ALLOWED:
                good = 409  # the one before it is still queued: allowed, and in progress
            way_in = ("/v1.0/connections", "/beta/external/connections")[number % 2]
            response = client.request(method, f"{way_in}/contosohr{path}", body)
            if expected == ALLOWED:
                assert response.status_code == good, (method, path, response.content)
            else:
                status, code, says = expected
                assert_refused(response, status, code, says=says)


@pytest.mark.parametrize("relation", ["owner", "authorized", "stranger"])
@pytest.mark.parametrize("roles", MATRIX, ids=lambda roles: "+".join(roles[:2]) or "none")
def test_a_list_holds_what_can_be_read_one_by_one(db, roles, relation):
    application = make_application(*roles)
    related(application, relation)
    reading = MATRIX[roles][2 if relation == "stranger" else 0]
    response = GraphClient(application).get("/v1.0/connections?$count=true")
    if reading == NO_ROLE:
        assert_refused(response, *NO_ROLE[:2])
        return
    shown = [] if reading == NOT_FOUND else ["contosohr"]
    assert [row["id"] for row in response.json()["value"]] == shown
    assert response.json()["@odata.count"] == len(shown)


@pytest.mark.parametrize("roles", MATRIX, ids=lambda roles: "+".join(roles[:2]) or "none")
def test_who_may_create(db, roles):
    body = {"id": "contosohr", "name": "Contoso HR"}
    response = GraphClient(make_application(*roles)).post("/v1.0/connections", body)
    if OWNED in roles or WRITE_ALL in roles:
        assert response.status_code == 201
    else:
        assert_refused(response, *NO_ROLE[:2], says=NO_ROLE[2])


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
