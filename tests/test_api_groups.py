"""``/connections/{id}/groups``: the groups of another system, which access lists may name."""

from __future__ import annotations

import uuid
from urllib.parse import quote

import pytest

from operations import groups
from operations.models import (
    Action,
    Change,
    ConnectionState,
    ExternalConnection,
    ExternalGroup,
    GroupMember,
    IdentityType,
)
from tests.factories import COMMAND, make_application, make_connection
from tests.graph import (
    ITEMS_OWNED,
    ITEMS_READ_ALL,
    ITEMS_WRITE_ALL,
    OWNED,
    WRITE_ALL,
    GraphClient,
    assert_refused,
    untagged,
)

WAYS_IN = [
    f"/{root}/{path}"
    for root in ("v1.0", "beta")
    for path in ("external/connections", "connections")
]
SERVER = "http://testserver"
HERE = "/v1.0/connections/contosohr/groups"
#: Characters that mean something in an address or in OData.
AWKWARD = "O'Brien/Größe 100% (a,b)?#$&=+;@日本"


@pytest.fixture
def application(db):
    return make_application(ITEMS_OWNED)


@pytest.fixture(autouse=True)
def connection(application):
    return make_connection("contosohr", owner=application)


def at(group_id: str, rest: str = "") -> str:
    return f"{HERE}/{quote(group_id, safe='')}{rest}"


def make_group(connection: ExternalConnection, graph_id: str = "g", **values) -> ExternalGroup:
    return groups.create(connection.pk, COMMAND, graph_id=graph_id, **values)


def nest(group: ExternalGroup, *graph_ids: str) -> None:
    for graph_id in graph_ids:
        groups.add_member(group, COMMAND, graph_id=graph_id, kind=IdentityType.EXTERNAL_GROUP)


def recorded(action: Action) -> list[Change]:
    return list(Change.objects.filter(action=action).order_by("id"))


# Creating -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("way_in", WAYS_IN)
def test_creates_through_both_roots_and_both_paths(graph, way_in):
    body = {"id": "31bea3d537902000", "displayName": "Contoso marketing", "description": "All."}
    response = graph.post(f"{way_in}/contosohr/groups", body)
    assert response.status_code == 201, response.content
    root = way_in.split("/")[1]
    assert untagged(response.json()) == {
        "@odata.context": (
            f"{SERVER}/{root}/$metadata#external/connections('contosohr')/groups/$entity"
        ),
        **body,
    }
    address = f"{SERVER}{way_in}('contosohr')/groups('31bea3d537902000')"
    assert response["Location"] == address
    read = graph.get(address.removeprefix(SERVER))
    assert read.json() == response.json()
    assert read["ETag"] == response["ETag"] == read.json()["@odata.etag"]


def test_only_the_id_is_required_and_null_is_not_the_empty_text(graph):
    created = graph.post(HERE, {"id": "a"}).json()
    assert (created["displayName"], created["description"]) == (None, None)
    created = graph.post(HERE, {"id": "b", "displayName": "", "members": []}).json()
    assert (created["displayName"], created["description"]) == ("", None)
    assert graph.get(at("b")).json() == created


def test_an_id_may_have_any_character(graph):
    response = graph.post(HERE, {"id": AWKWARD})
    assert response.status_code == 201
    key = quote(AWKWARD.replace("'", "''"), safe="")
    assert response["Location"] == f"{SERVER}/v1.0/connections('contosohr')/groups('{key}')"
    for path in (response["Location"].removeprefix(SERVER), at(AWKWARD)):
        assert graph.get(path).json()["id"] == AWKWARD
    assert graph.patch(at(AWKWARD), {"displayName": "x"}).status_code == 204
    full = graph.get(at(AWKWARD), Accept="application/json;odata.metadata=full").json()
    assert full["@odata.id"] == response["Location"]
    assert graph.delete(at(AWKWARD)).status_code == 204
    assert graph.get(at(AWKWARD)).status_code == 404


def test_ids_differ_by_the_case_of_their_letters(graph):
    for name in ("Sales", "sales"):
        assert graph.post(HERE, {"id": name, "displayName": name}).status_code == 201
    assert graph.get(at("Sales")).json()["displayName"] == "Sales"
    assert_refused(graph.get(at("SALES")), 404, "ItemNotFound")


def test_a_name_that_looks_like_one_of_ours_is_an_id_all_the_same(graph):
    for name in ("$count", "members", "quota"):
        assert graph.post(HERE, {"id": name}).status_code == 201
        assert graph.get(at(name)).json()["id"] == name
    assert graph.get(f"{HERE}/$count").content == b"3"


def test_every_fault_at_once(graph):
    body = {
        "id": "",
        "displayName": 5,
        "description": ["x"],
        "members": [{"id": "a", "type": "user"}],
        "owner": "me",
    }
    error = assert_refused(graph.post(HERE, body), 400, "InvalidRequest")
    assert {detail["target"]: detail["code"] for detail in error["details"]} == {
        "owner": "PropertyNotDeclared",
        "id": "InvalidIdentifier",
        "members": "InvalidPropertyValue",
        "displayName": "InvalidPropertyValue",
        "description": "InvalidPropertyValue",
    }
    assert not ExternalGroup.objects.exists() and not recorded(Action.GROUP_CREATED)


@pytest.mark.parametrize(
    ("body", "code", "says"),
    [
        ({}, "RequiredPropertyMissing", "Property 'id' is required."),
        ({"id": None}, "RequiredPropertyMissing", "Property 'id' is required."),
        ({"id": 7}, "InvalidPropertyValue", "Property 'id' must be a string, not an integer."),
        ({"id": "x" * 129}, "InvalidIdentifier", "must be 1 to 128 characters, not 129"),
        ({"id": ".."}, "InvalidIdentifier", "must not be '..'"),
    ],
)
def test_an_id_that_is_none(graph, body, code, says):
    error = assert_refused(graph.post(HERE, body), 400, "InvalidRequest", inner=code, target="id")
    assert says in error["message"]


def test_a_taken_id(graph, connection):
    make_group(connection, "g", display_name="First")
    error = assert_refused(
        graph.post(HERE, {"id": "g", "displayName": "Second"}),
        409,
        "Conflict",
        inner="NameAlreadyExists",
        target="id",
        says="Connection 'contosohr' has a group with the id 'g' already.",
    )
    assert "details" not in error
    assert graph.get(at("g")).json()["displayName"] == "First"
    assert len(recorded(Action.GROUP_CREATED)) == 1


def test_another_connection_may_have_the_same_id(graph, application, connection):
    make_group(connection, "g", display_name="Here")
    make_connection("other", owner=application)
    assert graph.post("/v1.0/connections/other/groups", {"id": "g"}).status_code == 201
    assert graph.delete("/v1.0/connections/other/groups/g").status_code == 204
    assert graph.get(at("g")).json()["displayName"] == "Here"


def test_minimal_has_no_body(graph):
    response = graph.post(HERE, {"id": "g"}, Prefer="return=minimal")
    assert (response.status_code, response.content) == (204, b"")
    assert response["Location"] == response["OData-EntityId"]
    assert response["Preference-Applied"] == "return=minimal"
    assert response["ETag"] == graph.get(at("g"))["ETag"]


def test_the_same_request_again_makes_one_group(graph):
    key = str(uuid.uuid4())
    first, second = (graph.post(HERE, {"id": "g"}, client_request_id=key) for _ in range(2))
    assert (first.status_code, second.status_code) == (201, 201)
    assert second["Idempotent-Replayed"] == "true" and second.content == first.content
    assert second["Location"] == first["Location"]
    assert len(recorded(Action.GROUP_CREATED)) == 1
    assert graph.delete(at("g")).status_code == 204
    third = graph.post(HERE, {"id": "g"}, client_request_id=key)
    assert third.status_code == 201 and "Idempotent-Replayed" not in third
    assert graph.get(at("g")).status_code == 200


# Reading ------------------------------------------------------------------------------------------


def test_lists_pages_and_counts(graph, connection):
    for number in range(5):
        make_group(connection, f"g/{number}", display_name=f"Group {4 - number}")
    seen, address = [], f"{HERE}?$top=2&$count=true"
    while address:
        page = graph.get(address).json()
        assert page["@odata.count"] == 5
        assert page["@odata.context"].endswith("#external/connections('contosohr')/groups")
        seen += [group["id"] for group in page["value"]]
        address = page.get("@odata.nextLink", "").removeprefix(SERVER)
    assert seen == [f"g/{number}" for number in range(5)]
    assert graph.get(f"{HERE}/$count").content == b"5"
    assert graph.get(f"{HERE}/$count")["Content-Type"].startswith("text/plain")


def test_an_empty_list(graph):
    assert graph.get(HERE).json()["value"] == []
    assert graph.get(f"{HERE}/$count").content == b"0"


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("$filter=id eq 'a'", ["a"]),
        ("$filter=id eq 'A'", []),
        ("$filter=id in ('a','c')", ["a", "c"]),
        ("$filter=displayName eq null", ["c"]),
        ("$filter=startsWith(displayName,'It''s')", ["b"]),
        ("$filter=not contains(displayName,'t')", ["a"]),
        ("$orderby=displayName", ["c", "b", "a"]),
        ("$orderby=displayName desc", ["a", "b", "c"]),
        ("$orderby=id desc&$top=1", ["c"]),
        ("$skip=1", ["b", "c"]),
    ],
)
def test_filters_and_sorts(graph, connection, query, ids):
    for graph_id, name in (("a", "Sales"), ("b", "It's HR"), ("c", None)):
        make_group(connection, graph_id, display_name=name)
    found = graph.get(f"{HERE}?{quote(query, safe='$=&,()')}").json()["value"]
    assert [group["id"] for group in found] == ids


def test_pages_in_an_order_of_names_that_are_alike(graph, connection):
    for number in range(5):
        make_group(connection, f"g{number}", display_name=None if number % 2 else "Same")
    seen, address = [], f"{HERE}?$orderby=displayName&$top=2&$select=id"
    while address:
        page = graph.get(address).json()
        seen += [group["id"] for group in page["value"]]
        address = page.get("@odata.nextLink", "").removeprefix(SERVER)
    assert seen == ["g1", "g3", "g0", "g2", "g4"]


def test_selects(graph, connection):
    make_group(connection, "g", display_name="Sales")
    one = graph.get(f"{at('g')}?$select=displayName").json()
    assert one["@odata.context"].endswith("/groups(displayName)/$entity")
    assert untagged({name: one[name] for name in one if name != "@odata.context"}) == {
        "displayName": "Sales"
    }
    [listed] = graph.get(f"{HERE}?$select=id").json()["value"]
    assert untagged(listed) == {"id": "g"}


@pytest.mark.parametrize(
    ("query", "target"),
    [
        ("$select=nothing", "$select"),
        ("$filter=description eq 'x'", "$filter"),
        ("$orderby=description", "$orderby"),
        ("$search=x", "$search"),
        ("$expand=members", "$expand"),
        ("$top=0", "$top"),
    ],
)
def test_an_option_that_cannot_be_used(graph, query, target):
    refused = graph.get(f"{HERE}?{quote(query, safe='$=')}")
    assert_refused(refused, 400, "BadRequest", target=target)


def test_a_group_that_is_not_there(graph):
    for method, body in (("GET", None), ("PATCH", {}), ("DELETE", None)):
        refused = graph.request(method, at("lost"), body)
        error = assert_refused(refused, 404, "ItemNotFound", inner="ResourceNotFound")
        assert error["innerError"]["source"] == "ExternalGroup"
    for path in ("", "/$count", "/m"):
        assert_refused(graph.get(at("lost", f"/members{path}")), 404, "ItemNotFound")


@pytest.mark.parametrize("lost", ["%00", "a%00b", "x" * 129, "x" * 2000, "%2E%2E"])
def test_an_id_that_no_group_and_no_member_can_have(graph, connection, lost):
    make_group(connection)
    for method in ("GET", "PATCH", "DELETE"):
        assert graph.request(method, f"{HERE}/{lost}", {}).status_code == 404
    assert_refused(graph.get(f"{HERE}/{lost}/members"), 404, "ItemNotFound")
    for method in ("GET", "DELETE"):
        refused = graph.request(method, f"{HERE}/g/members/{lost}")
        error = assert_refused(refused, 404, "ItemNotFound")
        assert error["innerError"]["source"] == "Identity"


@pytest.mark.parametrize("text", ["%ED%A0%80", "x" * 200, ".."])
@pytest.mark.parametrize("path", ["", "/$count", "/g/members", "/g/members/$count"])
def test_a_text_that_no_id_can_have_is_found_nowhere(graph, connection, path, text):
    make_group(connection)
    response = graph.get(f"{HERE}{path}?$filter=id%20eq%20'{text}'")
    assert response.status_code == 200, response.content
    assert response.content == b"0" or response.json()["value"] == []
    refused = graph.get(f"{HERE}{path}?$filter=id%20eq%20'a%00b'")
    assert_refused(refused, 400, "BadRequest", target="$filter", says="that no text can have")


def test_a_connection_that_is_not_there_or_not_for_the_caller(graph):
    stranger = GraphClient(make_application(ITEMS_OWNED))
    answers = [graph.get("/v1.0/connections/lost/groups"), stranger.get(HERE)]
    for refused in answers:
        error = assert_refused(refused, 404, "ItemNotFound")
        assert error["innerError"]["source"] == "Connection"


def test_each_state_but_obsolete_takes_groups(graph, connection):
    """Who belongs to what has nothing to do with how many items there are."""
    for state in ConnectionState:
        ExternalConnection.objects.filter(pk=connection.pk).update(state=state)
        if state == ConnectionState.OBSOLETE:
            continue
        assert graph.post(HERE, {"id": state.word}).status_code == 201, state


def test_an_obsolete_connection_refuses_every_write_and_can_be_read(graph, connection):
    nest(make_group(connection, "g"), "m")
    ExternalConnection.objects.filter(pk=connection.pk).update(state=ConnectionState.OBSOLETE)
    for method, path, body in (
        ("POST", HERE, {"id": "new"}),
        ("PATCH", at("g"), {"displayName": "x"}),
        ("DELETE", at("g"), None),
        ("POST", at("g", "/members"), {"id": "new", "type": "user"}),
        ("DELETE", at("g", "/members/m"), None),
    ):
        error = assert_refused(
            graph.request(method, path, body),
            409,
            "Conflict",
            inner="InvalidStateTransition",
            target="state",
            says="Connection 'contosohr' is obsolete. In this state it can only be read and",
        )
        assert error["innerError"]["state"] == "obsolete"
    assert [group["id"] for group in graph.get(HERE).json()["value"]] == ["g"]
    assert graph.get(at("g", "/members/m")).status_code == 200


def test_who_may(application, connection):
    """Ownership is the connection's, the roles are those of items."""
    make_group(connection)
    reader, writer = (GraphClient(make_application(r)) for r in (ITEMS_READ_ALL, ITEMS_WRITE_ALL))
    assert reader.get(at("g")).status_code == 200
    assert_refused(reader.post(HERE, {"id": "x"}), 403, "Forbidden", says="ExternalItem.ReadWrite")
    assert writer.post(HERE, {"id": "x"}).status_code == 201
    both = GraphClient(make_application(ITEMS_OWNED, ITEMS_READ_ALL))
    assert_refused(both.post(HERE, {"id": "y"}), 403, "Forbidden", inner="NotOwner")
    manager = GraphClient(make_application(OWNED, WRITE_ALL))
    refused = assert_refused(manager.get(HERE), 403, "Forbidden")
    assert "'ExternalItem.ReadWrite.OwnedBy, ExternalItem.Read.All" in refused["message"]
    friend = make_application(ITEMS_OWNED)
    connection.revise(COMMAND, authorized_app_ids=[friend.app_id])
    assert GraphClient(friend).patch(at("g"), {"displayName": "x"}).status_code == 204


@pytest.mark.parametrize(
    ("path", "methods", "allowed"),
    [
        ("", ("PUT", "PATCH", "DELETE"), "GET, HEAD, POST"),
        ("/$count", ("POST", "PUT", "PATCH", "DELETE"), "GET, HEAD"),
        ("/g", ("POST", "PUT"), "DELETE, GET, HEAD, PATCH"),
        ("/g/members", ("PUT", "PATCH", "DELETE"), "GET, HEAD, POST"),
        ("/g/members/$count", ("POST", "PATCH", "DELETE"), "GET, HEAD"),
        ("/g/members/m", ("POST", "PUT", "PATCH"), "DELETE, GET, HEAD"),
    ],
)
def test_methods_that_there_are_not(graph, path, methods, allowed):
    """The SDKs can PATCH a member; it has nothing that could change."""
    for method in methods:
        refused = graph.request(method, f"{HERE}{path}", {})
        assert_refused(refused, 405, "Request_BadRequest")
        assert sorted(refused["Allow"].split(", ")) == allowed.split(", ")


# Changing and deleting ----------------------------------------------------------------------------


def test_changes_what_is_given(graph, connection):
    make_group(connection, display_name="Sales", description="All.")
    response = graph.patch(at("g"), {"displayName": "Marketing", "id": "other", "members": []})
    assert (response.status_code, response.content) == (204, b"")
    after = graph.get(at("g"))
    assert untagged(after.json()) == {
        "@odata.context": (
            f"{SERVER}/v1.0/$metadata#external/connections('contosohr')/groups/$entity"
        ),
        "id": "g",
        "displayName": "Marketing",
        "description": "All.",
    }
    assert response["ETag"] == after["ETag"]
    assert graph.patch(at("g"), {"description": None}).status_code == 204
    assert graph.get(at("g")).json()["description"] is None


def test_representation_has_a_body(graph, connection):
    make_group(connection)
    response = graph.patch(at("g"), {"displayName": "x"}, Prefer="return=representation")
    assert response.status_code == 200
    assert response["Preference-Applied"] == "return=representation"
    assert response.json() == graph.get(at("g")).json()


def test_faults_of_a_change(graph, connection):
    make_group(connection, display_name="Sales")
    refused = graph.patch(at("g"), {"displayName": 1, "description": True, "name": "x"})
    error = assert_refused(refused, 400, "InvalidRequest")
    targets = {detail["target"] for detail in error["details"]}
    assert targets == {"displayName", "description", "name"}
    assert graph.get(at("g")).json()["displayName"] == "Sales"


def test_what_was_read_can_be_sent_back_and_leaves_no_trace(graph, connection):
    make_group(connection, display_name="Sales")
    read = graph.get(at("g"), Accept="application/json;odata.metadata=full")
    assert graph.patch(at("g"), read.json()).status_code == 204
    assert graph.get(at("g"))["ETag"] == read["ETag"]
    assert recorded(Action.GROUP_UPDATED) == []


def test_tags_save_an_answer_and_a_change(graph, connection):
    make_group(connection)
    tag = graph.get(at("g"))["ETag"]
    assert graph.get(at("g"), If_None_Match=tag).status_code == 304
    assert graph.patch(at("g"), {"displayName": "A"}, If_Match=tag).status_code == 204
    for method, body in (("PATCH", {"displayName": "B"}), ("DELETE", None)):
        refused = graph.request(method, at("g"), body, If_Match=tag)
        assert_refused(refused, 412, "PreconditionFailed", target="If-Match")
    assert graph.get(at("g"), If_None_Match=tag).json()["displayName"] == "A"
    assert graph.delete(at("g"), If_Match=graph.get(at("g"))["ETag"]).status_code == 204


def test_members_have_nothing_to_do_with_the_tag(graph, connection):
    group = make_group(connection)
    tag = graph.get(at("g"))["ETag"]
    nest(group, "m")
    assert graph.get(at("g"))["ETag"] == tag


def test_deletes_with_the_members_of_this_group_alone(graph, connection):
    for name in ("g", "other"):
        nest(make_group(connection, name), "a", "b")
    assert graph.delete(at("g")).status_code == 204
    assert_refused(graph.delete(at("g")), 404, "ItemNotFound")
    assert_refused(graph.get(at("g", "/members")), 404, "ItemNotFound")
    assert set(GroupMember.objects.values_list("group__graph_id", "graph_id")) == {
        ("other", "a"),
        ("other", "b"),
    }
    assert graph.post(HERE, {"id": "g"}).status_code == 201
    assert graph.get(at("g", "/members")).json()["value"] == []


def test_writes_take_no_options(graph, connection):
    make_group(connection)
    for method, path in (("POST", HERE), ("PATCH", at("g")), ("DELETE", at("g"))):
        refused = graph.request(method, f"{path}?$select=id", {"id": "x"})
        assert_refused(refused, 400, "BadRequest", target="$select")


# History ------------------------------------------------------------------------------------------


def test_every_change_is_recorded(graph, application, connection):
    created = graph.post(HERE, {"id": AWKWARD, "displayName": "A"})
    graph.patch(at(AWKWARD), {"displayName": "B", "description": None})
    graph.post(at(AWKWARD, "/members"), {"id": "m", "type": "user"})
    deleted = graph.delete(at(AWKWARD))
    [made], [changed], [gone] = (
        recorded(action)
        for action in (Action.GROUP_CREATED, Action.GROUP_UPDATED, Action.GROUP_DELETED)
    )
    for record in (made, changed, gone):
        assert record.subject == AWKWARD and record.connection_graph_id == "contosohr"
        assert (record.actor_app_id, record.channel) == (application.app_id, "api")
    assert made.request_id == created["request-id"] and gone.request_id == deleted["request-id"]
    assert (made.before, made.after) == (None, {"displayName": "A", "description": None})
    assert (changed.before, changed.after) == ({"displayName": "A"}, {"displayName": "B"})
    assert (gone.before, gone.after) == (
        {"displayName": "B", "description": None, "members": 1},
        None,
    )


# Groups in groups ---------------------------------------------------------------------------------


def test_a_group_in_itself_and_groups_in_a_ring_end_where_they_began(graph, connection):
    for name in "abcd":
        assert graph.post(HERE, {"id": name}).status_code == 201
    for name, nested in (("a", "a"), ("a", "b"), ("b", "c"), ("c", "a"), ("d", "a")):
        added = graph.post(at(name, "/members"), {"id": nested, "type": "externalGroup"})
        assert added.status_code == 201
    assert groups.reached_from(connection.pk, ["a"]) == {"a", "b", "c"}
    assert groups.reached_from(connection.pk, ["d"]) == {"a", "b", "c", "d"}
    assert graph.delete(at("b")).status_code == 204
    # it is named still, and leads nowhere
    assert groups.reached_from(connection.pk, ["a"]) == {"a", "b"}


def test_a_person_with_the_id_of_a_group_leads_nowhere(connection):
    group = make_group(connection, "a")
    groups.add_member(group, COMMAND, graph_id="b", kind=IdentityType.USER)
    nest(make_group(connection, "b"), "c")
    assert groups.reached_from(connection.pk, ["a"]) == {"a"}


def test_groups_of_another_connection_are_not_reached(application, connection):
    nest(make_group(connection, "a"), "b")
    other = make_connection("other", owner=application)
    nest(make_group(other, "b"), "c")
    assert groups.reached_from(connection.pk, ["a"]) == {"a", "b"}


def test_a_thousand_nested_groups_are_walked_and_no_more(connection):
    made = ExternalGroup.objects.bulk_create(
        ExternalGroup(connection=connection, graph_id=f"g{number}") for number in range(1001)
    )
    GroupMember.objects.bulk_create(
        GroupMember(
            group=group, graph_id=f"g{(number + 1) % 1001}", kind=IdentityType.EXTERNAL_GROUP
        )
        for number, group in enumerate(made)
    )
    assert len(groups.reached_from(connection.pk, ["g0"], most=2000)) == 1001
    assert groups.reached_from(connection.pk, ["g0"]) == {f"g{number}" for number in range(1000)}


def test_a_wide_group_is_walked_as_far_as_is_asked(connection):
    nest(make_group(connection, "a"), "a", *(f"w{number}" for number in range(20)))
    assert len(groups.reached_from(connection.pk, ["a"], most=10)) == 10
    assert len(groups.reached_from(connection.pk, ["a"])) == 21
    assert len(groups.reached_from(connection.pk, [f"x{number}" for number in range(9)], 5)) == 5
