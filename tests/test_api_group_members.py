"""``…/groups/{id}/members``: who belongs to a group, other groups among them."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import pytest
from django.db import connections as databases

from operations import groups
from operations.models import Action, Change, ExternalGroup, GroupMember, IdentityType
from tests.factories import COMMAND, make_application, make_connection
from tests.graph import ITEMS_OWNED, GraphClient, assert_refused, untagged

SERVER = "http://testserver"
CONTOSO = "/v1.0/connections/contosohr"
HERE = f"{CONTOSO}/groups/g/members"
AWKWARD = "i:0#.f|member/O'Brien@contoso.com 100%"
PEOPLE = {"id": "e811976d-83df-4cbd-8b9b-5215b18aa874", "type": "user"}


@pytest.fixture
def application(db):
    return make_application(ITEMS_OWNED)


@pytest.fixture
def group(application) -> ExternalGroup:
    connection = make_connection("contosohr", owner=application)
    return groups.create(connection.pk, COMMAND, graph_id="g")


def add(group: ExternalGroup, *graph_ids: str, kind: IdentityType = IdentityType.USER) -> None:
    for graph_id in graph_ids:
        groups.add_member(group, COMMAND, graph_id=graph_id, kind=kind)


def at(member_id: str) -> str:
    return f"{HERE}/{quote(member_id, safe='')}"


# Adding -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("root", ["v1.0", "beta"])
@pytest.mark.parametrize("kind", ["user", "group", "externalGroup"])
def test_adds_each_kind(graph, group, root, kind):
    response = graph.post(
        f"/{root}/external/connections('contosohr')/groups('g')/members", {"id": "m", "type": kind}
    )
    assert response.status_code == 201, response.content
    assert response.json() == {
        "@odata.context": (
            f"{SERVER}/{root}/$metadata#external/connections('contosohr')"
            "/groups('g')/members/$entity"
        ),
        "id": "m",
        "type": kind,
    }
    address = f"{SERVER}/{root}/external/connections('contosohr')/groups('g')/members('m')"
    assert response["Location"] == address
    assert graph.get(address.removeprefix(SERVER)).json() == response.json()


def test_words_are_read_in_any_case(graph, group):
    assert graph.post(HERE, {"id": "m", "type": "ExternalGroup"}).json()["type"] == "externalGroup"


def test_what_was_once_on_beta_is_accepted_there_and_says_nothing(graph, group):
    body = {**PEOPLE, "identitySource": "azureActiveDirectory"}
    refused = graph.post(HERE, body)
    assert_refused(refused, 400, "InvalidRequest", target="identitySource", says="on /beta only")
    added = graph.post(HERE.replace("v1.0", "beta"), body)
    assert added.status_code == 201 and "identitySource" not in added.json()


def test_ids_may_have_any_character(graph, application):
    connection = make_connection("contosohr", owner=application)
    groups.create(connection.pk, COMMAND, graph_id=AWKWARD)
    there = f"{CONTOSO}/groups/{quote(AWKWARD, safe='')}/members"
    added = graph.post(there, {"id": AWKWARD, "type": "user"})
    assert added.status_code == 201
    key = quote(AWKWARD.replace("'", "''"), safe="")
    address = f"/v1.0/connections('contosohr')/groups('{key}')/members('{key}')"
    assert added["Location"] == SERVER + address
    assert f"/groups('{key}')/members/$entity" in added.json()["@odata.context"]
    assert graph.get(address).json() == added.json()
    page = graph.get(f"{there}?$top=1").json()
    assert [member["id"] for member in page["value"]] == [AWKWARD]
    assert graph.delete(f"{there}/{quote(AWKWARD, safe='')}").status_code == 204
    assert graph.get(f"{there}/$count").content == b"0"


def test_every_fault_at_once(graph, group):
    error = assert_refused(
        graph.post(HERE, {"id": "..", "type": "person", "name": "x"}), 400, "InvalidRequest"
    )
    assert {detail["target"]: detail["message"] for detail in error["details"]} == {
        "name": "Property 'name' is not declared by the type.",
        "id": "Property 'id' must not be '..': HTTP clients take it out of an address.",
        "type": "Property 'type' must be one of user, group, externalGroup, not 'person'.",
    }
    assert not GroupMember.objects.exists()


def test_both_members_are_required(graph, group):
    error = assert_refused(graph.post(HERE, {}), 400, "InvalidRequest")
    assert [(detail["code"], detail["target"]) for detail in error["details"]] == [
        ("RequiredPropertyMissing", "id"),
        ("RequiredPropertyMissing", "type"),
    ]


def test_unknown_future_value_is_no_kind(graph, group):
    refused = graph.post(HERE, {"id": "m", "type": "unknownFutureValue"})
    assert_refused(refused, 400, "InvalidRequest", target="type", says="must not be")


def test_who_is_there_already(graph, group):
    """The id is what counts: the same one as another kind is taken, too."""
    add(group, "m")
    for kind in ("user", "externalGroup"):
        assert_refused(
            graph.post(HERE, {"id": "m", "type": kind}),
            409,
            "Conflict",
            inner="NameAlreadyExists",
            target="id",
            says="Group 'g' has a member with the id 'm' already.",
        )
    assert graph.get(at("m")).json()["type"] == "user"
    assert graph.post(HERE, {"id": "M", "type": "user"}).status_code == 201  # exact in its case


def test_a_group_that_is_not_there(graph, group):
    lost = f"{CONTOSO}/groups/lost/members"
    for method, path, body in (
        ("GET", lost, None),
        ("GET", f"{lost}/$count", None),
        ("POST", lost, PEOPLE),
        ("GET", f"{lost}/m", None),
        ("DELETE", f"{lost}/m", None),
    ):
        error = assert_refused(graph.request(method, path, body), 404, "ItemNotFound")
        assert error["innerError"]["source"] == "ExternalGroup"


def test_minimal_has_no_body(graph, group):
    response = graph.post(HERE, PEOPLE, Prefer="return=minimal")
    assert (response.status_code, response.content) == (204, b"")
    assert response["Location"] == response["OData-EntityId"]
    assert response["Preference-Applied"] == "return=minimal"


def test_the_same_request_again_adds_one_member(graph, group):
    key = str(uuid.uuid4())
    first, second = (graph.post(HERE, PEOPLE, client_request_id=key) for _ in range(2))
    assert (first.status_code, second.status_code) == (201, 201)
    assert second["Idempotent-Replayed"] == "true" and second.content == first.content
    assert Change.objects.filter(action=Action.MEMBER_ADDED).count() == 1
    assert graph.delete(at(PEOPLE["id"])).status_code == 204
    third = graph.post(HERE, PEOPLE, client_request_id=key)
    assert third.status_code == 201 and "Idempotent-Replayed" not in third


# Reading ------------------------------------------------------------------------------------------


def test_lists_pages_and_counts(graph, group):
    add(group, *(f"m/{number}" for number in range(5)))
    seen, address = [], f"{HERE}?$top=2&$count=true"
    while address:
        page = graph.get(address).json()
        assert page["@odata.count"] == 5
        assert page["@odata.context"].endswith("/groups('g')/members")
        seen += [member["id"] for member in page["value"]]
        address = page.get("@odata.nextLink", "").removeprefix(SERVER)
    assert seen == [f"m/{number}" for number in range(5)]
    assert graph.get(f"{HERE}/$count").content == b"5"


def test_next_links_lead_on_below_a_group_with_an_awkward_id(graph, application):
    connection = make_connection("contosohr", owner=application)
    add(groups.create(connection.pk, COMMAND, graph_id=AWKWARD), "a", "b")
    first = graph.get(f"{CONTOSO}/groups/{quote(AWKWARD, safe='')}/members?$top=1").json()
    second = graph.get(first["@odata.nextLink"].removeprefix(SERVER)).json()
    assert [page["value"][0]["id"] for page in (first, second)] == ["a", "b"]
    assert "@odata.nextLink" not in second


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("$filter=id eq 'b'", ["b"]),
        ("$filter=type eq 'externalGroup'", ["c"]),
        ("$filter=type ne 'user'", ["b", "c"]),
        ("$orderby=type desc,id", ["c", "b", "a"]),
        ("$orderby=id desc", ["c", "b", "a"]),
    ],
)
def test_filters_and_sorts(graph, group, query, ids):
    for graph_id, kind in zip("abc", IdentityType, strict=True):
        add(group, graph_id, kind=kind)
    found = graph.get(f"{HERE}?{quote(query, safe='$=&,')}").json()["value"]
    assert [member["id"] for member in found] == ids


def test_selects(graph, group):
    add(group, "m")
    one = graph.get(f"{at('m')}?$select=type").json()
    assert one["@odata.context"].endswith("/members(type)/$entity")
    assert one["type"] == "user" and "id" not in one
    assert graph.get(f"{HERE}?$select=id").json()["value"] == [{"id": "m"}]


def test_full_metadata(graph, group):
    add(group, "m")
    full = graph.get(at("m"), Accept="application/json;odata.metadata=full").json()
    assert full["@odata.type"] == "#microsoft.graph.externalConnectors.identity"
    assert full["@odata.id"] == f"{SERVER}/v1.0/connections('contosohr')/groups('g')/members('m')"
    assert full["type@odata.type"] == "#microsoft.graph.externalConnectors.identityType"
    assert untagged(full) == full  # a member has no tag: nothing of it ever changes


# Removing -----------------------------------------------------------------------------------------


def test_removes_this_one_alone(graph, group):
    add(group, "a", "b")
    response = graph.delete(at("a"))
    assert (response.status_code, response.content) == (204, b"")
    assert [member["id"] for member in graph.get(HERE).json()["value"]] == ["b"]
    for refused in (graph.delete(at("a")), graph.get(at("a"))):
        error = assert_refused(refused, 404, "ItemNotFound")
        assert error["innerError"]["source"] == "Identity"


def test_who_comes_and_goes_is_recorded(graph, application, group):
    added = graph.post(HERE, PEOPLE)
    removed = graph.delete(at(PEOPLE["id"]))
    for action, answer, before, after in (
        (Action.MEMBER_ADDED, added, None, PEOPLE),
        (Action.MEMBER_REMOVED, removed, PEOPLE, None),
    ):
        record = Change.objects.get(action=action)
        assert (record.subject, record.connection_graph_id) == ("g", "contosohr")
        assert (record.before, record.after) == (before, after)
        assert record.actor_app_id == application.app_id
        assert record.request_id == answer["request-id"]


# At once ------------------------------------------------------------------------------------------


def at_once(client: GraphClient, calls: list[tuple]) -> list:
    """The answers to these calls, each sent by a thread of its own."""

    def send(call: tuple):
        try:
            return GraphClient(token=client.token).request(*call)
        finally:
            databases.close_all()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(send, calls))


@pytest.mark.django_db(transaction=True)
def test_one_of_many_adds_a_member(graph, group):
    answers = at_once(graph, [("POST", HERE, PEOPLE)] * 8)
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 7
    for answer in answers:
        if answer.status_code == 409:
            assert_refused(answer, 409, "Conflict", inner="NameAlreadyExists")
    assert graph.get(f"{HERE}/$count").content == b"1"
    assert Change.objects.filter(action=Action.MEMBER_ADDED).count() == 1


@pytest.mark.django_db(transaction=True)
def test_one_of_many_creates_a_group_and_one_removes_a_member(graph, group):
    answers = at_once(graph, [("POST", f"{CONTOSO}/groups", {"id": "new"})] * 8)
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 7
    add(group, "m")
    answers = at_once(graph, [("DELETE", at("m"))] * 8)
    assert sorted(answer.status_code for answer in answers) == [204] + [404] * 7
    assert Change.objects.filter(action=Action.MEMBER_REMOVED).count() == 1


@pytest.mark.django_db(transaction=True)
def test_members_that_are_added_while_their_group_is_deleted(graph, group):
    """Either before, and the record of the deletion counts them, or not at all."""
    for _ in range(5):
        adding = [("POST", HERE, {"id": f"m{number}", "type": "user"}) for number in range(6)]
        deletion = ("DELETE", f"{CONTOSO}/groups/g")
        *answers, deleted = at_once(graph, [*adding, deletion])
        assert deleted.status_code == 204
        assert {answer.status_code for answer in answers} <= {201, 404}
        added = sum(answer.status_code == 201 for answer in answers)
        record = Change.objects.filter(action=Action.GROUP_DELETED).latest("id")
        assert record.before["members"] == added
        assert not GroupMember.objects.exists()
        assert graph.post(f"{CONTOSO}/groups", {"id": "g"}).status_code == 201


@pytest.mark.django_db(transaction=True)
def test_changes_of_a_group_do_not_undo_each_other(graph, group):
    names = [("PATCH", f"{CONTOSO}/groups/g", {"displayName": f"n{n}"}) for n in range(4)]
    texts = [("PATCH", f"{CONTOSO}/groups/g", {"description": f"d{n}"}) for n in range(4)]
    answers = at_once(graph, names + texts)
    assert {answer.status_code for answer in answers} == {204}
    shown = graph.get(f"{CONTOSO}/groups/g").json()
    assert shown["displayName"] in {f"n{n}" for n in range(4)}
    assert shown["description"] in {f"d{n}" for n in range(4)}
    before: dict = {}
    for record in Change.objects.filter(action=Action.GROUP_UPDATED).order_by("id"):
        for name, value in record.before.items():
            assert before.get(name) == value  # each begins where the one before has ended
        before |= record.after
