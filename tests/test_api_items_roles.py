"""``ExternalItem.*`` roles over items, with ownership; ``ExternalConnection.*`` gives none."""

from __future__ import annotations

import pytest

from operations.models import ROLES, ExternalItem
from tests.factories import make_application
from tests.graph import (
    ITEMS_OWNED,
    ITEMS_READ_ALL,
    ITEMS_WRITE_ALL,
    OWNED,
    READ_ALL,
    WRITE_ALL,
    GraphClient,
    assert_refused,
)
from tests.item_bodies import item
from tests.ready import BETA, HERE, ITEMS, put, ready, tallied

READS = [("GET", ""), ("GET", "/$count"), ("GET", "/a"), ("GET", "/a/activities")]
WRITES = [
    ("PUT", "/a"),
    ("PUT", "/new"),
    ("PATCH", "/a"),
    ("POST", ""),
    ("POST", "/a/addActivities"),
    ("POST", "/a/microsoft.graph.externalConnectors.addActivities"),
    ("DELETE", "/a"),
]
ACTIVITY = {
    "type": "viewed",
    "startDateTime": "2024-05-31T08:30:00Z",
    "performedBy": {"id": "u", "type": "user"},
}
#: Roles, relation to the connection: the answers to reads and to writes. 404: it does not see it.
TABLE = [
    ([ITEMS_OWNED], "owner", "yes", "yes"),
    ([ITEMS_OWNED], "authorized", "yes", "yes"),
    ([ITEMS_OWNED], "stranger", "not found", "not found"),
    ([ITEMS_READ_ALL], "owner", "yes", "role"),
    ([ITEMS_READ_ALL], "authorized", "yes", "role"),
    ([ITEMS_READ_ALL], "stranger", "yes", "role"),
    ([ITEMS_WRITE_ALL], "owner", "yes", "yes"),
    ([ITEMS_WRITE_ALL], "stranger", "yes", "yes"),
    ([ITEMS_OWNED, ITEMS_READ_ALL], "owner", "yes", "yes"),
    ([ITEMS_OWNED, ITEMS_READ_ALL], "authorized", "yes", "yes"),
    ([ITEMS_OWNED, ITEMS_READ_ALL], "stranger", "yes", "not owner"),
    ([ITEMS_OWNED, ITEMS_WRITE_ALL], "stranger", "yes", "yes"),
    ([OWNED], "owner", "role", "role"),
    ([READ_ALL], "owner", "role", "role"),
    ([OWNED, READ_ALL, WRITE_ALL], "owner", "role", "role"),
    ([OWNED, READ_ALL, WRITE_ALL], "stranger", "role", "role"),
    # sight of a connection is no sight of its items
    ([READ_ALL, WRITE_ALL, ITEMS_OWNED], "stranger", "not found", "not found"),
    ([READ_ALL, WRITE_ALL, ITEMS_OWNED, ITEMS_READ_ALL], "stranger", "yes", "not owner"),
    ([], "owner", "role", "role"),
    ([], "stranger", "role", "role"),
]


@pytest.fixture
def owner(db):
    graph = ready()
    put(graph, f"{ITEMS}/a", item())
    return graph


def as_seen_by(owner: GraphClient, relation: str, roles: list[str]) -> GraphClient:
    """The API as an application with these roles sees it."""
    application = owner.application
    assert application is not None
    if relation == "owner":
        application.roles = roles
        application.save()
        return GraphClient(application)
    application = make_application(*roles)
    if relation == "authorized":
        body = {"configuration": {"authorizedAppIds": [str(application.app_id)]}}
        assert owner.patch(HERE, body).status_code == 204
    return GraphClient(application)


def send(graph: GraphClient, method: str, path: str):
    body = {"POST": item(id="new"), "PATCH": {"acl": []}, "PUT": item()}.get(method)
    if "ddActivities" in path:
        body = {"activities": [ACTIVITY]}
    return graph.request(method, f"{ITEMS}{path}", body)


def check(response, answer: str, *, accepted: tuple[str, ...], roles: list[str]) -> None:
    if answer == "yes":
        assert response.status_code in (200, 201, 204), response.content
    elif answer == "not found":
        error = assert_refused(response, 404, "ItemNotFound")
        assert error["innerError"]["source"] == "Connection"
    elif answer == "not owner":
        assert_refused(response, 403, "Forbidden", inner="NotOwner", says="connection 'contosohr'")
    else:
        error = assert_refused(response, 403, "Forbidden")
        assert error["message"] == (
            "Missing role permissions on the request. API requires one of "
            f"'{', '.join(accepted)}'. Roles on the request '{', '.join(sorted(roles))}'."
        )


@pytest.mark.parametrize("roles, relation, reads, writes", TABLE)
def test_the_table(owner, roles, relation, reads, writes):
    graph = as_seen_by(owner, relation, roles)
    for method, path in READS:
        accepted = (ITEMS_OWNED, ITEMS_READ_ALL, ITEMS_WRITE_ALL)
        check(send(graph, method, path), reads, accepted=accepted, roles=roles)
    before = list(ExternalItem.objects.values())
    for method, path in WRITES:
        if method == "POST" and not path:
            ExternalItem.objects.filter(graph_id="new").delete()
        accepted = (ITEMS_OWNED, ITEMS_WRITE_ALL)
        check(send(graph, method, path), writes, accepted=accepted, roles=roles)
    if writes != "yes":
        assert list(ExternalItem.objects.values()) == before
        assert tallied() == 1


@pytest.mark.parametrize("path", ["", "/schema", "/operations", "/operations/$count"])
def test_roles_for_items_give_nothing_of_the_connection(owner, path):
    items_alone = [role for role in ROLES if role.startswith("ExternalItem.")]
    graph = as_seen_by(owner, "owner", items_alone)
    for address in (f"{HERE}{path}", f"{BETA}/quota"):
        error = assert_refused(graph.get(address), 403, "Forbidden")
        assert OWNED in error["message"]
    assert_refused(graph.delete(HERE), 403, "Forbidden")
    assert graph.get(f"{ITEMS}/a").status_code == 200


def test_one_that_is_not_authorized_any_more_sees_nothing(owner):
    graph = as_seen_by(owner, "authorized", [ITEMS_OWNED])
    assert graph.get(f"{ITEMS}/a").status_code == 200
    owner.patch(HERE, {"configuration": {"authorizedAppIds": []}})
    assert_refused(graph.get(f"{ITEMS}/a"), 404, "ItemNotFound")
    assert_refused(graph.put(f"{ITEMS}/a", item()), 404, "ItemNotFound")


def test_what_one_application_wrote_the_other_replaces_and_deletes(owner):
    """An item belongs to its connection, not to who wrote it."""
    graph = as_seen_by(owner, "authorized", [ITEMS_OWNED])
    put(graph, f"{ITEMS}/a", item(acl=[]))
    assert ExternalItem.objects.get().changed_by_app_id == graph.application.app_id
    put(owner, f"{ITEMS}/a", item())
    assert ExternalItem.objects.get().changed_by_app_id == owner.application.app_id
    assert graph.delete(f"{ITEMS}/a").status_code == 204


def test_each_part_of_a_batch_by_its_own_role(owner):
    graph = as_seen_by(owner, "stranger", [ITEMS_READ_ALL])
    parts = [
        {"id": "1", "method": "GET", "url": "/connections/contosohr/items/a"},
        {"id": "2", "method": "DELETE", "url": "/connections/contosohr/items/a"},
        {"id": "3", "method": "GET", "url": "/connections/contosohr"},
    ]
    answered = graph.post("/v1.0/$batch", {"requests": parts}).json()["responses"]
    assert [part["status"] for part in answered] == [200, 403, 403]


@pytest.mark.parametrize("token", [None, "", "no.such.token"])
def test_no_call_without_a_token(owner, token):
    graph = GraphClient(token=token) if token is not None else GraphClient()
    for method, path in READS + WRITES:
        response = send(graph, method, path)
        assert_refused(response, 401, "InvalidAuthenticationToken")
        assert response["WWW-Authenticate"].startswith("Bearer ")
