"""``PATCH /connections/{id}``: 204 without a body; what is left out stays."""

from __future__ import annotations

import pytest

from operations.models import Change, ConnectionState, ExternalConnection
from tests.factories import make_application, make_connection
from tests.graph import OWNED, READ_ALL, GraphClient, assert_refused, untagged
from tests.test_api_connections import BETA, FULL, WAYS_IN

HERE = "/v1.0/external/connections/contosohr"
FRIEND = "02e1b1ce-9d0d-4f75-8b8e-8dbc4c0ca9c3"


@pytest.fixture
def full(graph) -> dict:
    """A connection with every property set, as beta shows it."""
    graph.post("/beta/external/connections", {**FULL, **BETA})
    return shown(graph)


def shown(graph) -> dict:
    return untagged(graph.get("/beta/external/connections/contosohr").json())


@pytest.mark.parametrize("way_in", WAYS_IN)
def test_changes_through_both_roots_and_both_paths(graph, full, way_in):
    response = graph.patch(f"{way_in}/ContosoHR", {"name": "HR", "description": "d"})
    assert (response.status_code, response.content) == (204, b"")
    assert "Content-Type" not in response and "Location" not in response
    assert shown(graph) == {**full, "name": "HR", "description": "d"}


@pytest.mark.parametrize(
    "change",
    [
        {"name": "n" * 128},
        {"description": ""},
        {"configuration": {"authorizedAppIds": [FRIEND]}},
        {"activitySettings": {"urlToItemResolvers": []}},
        {"searchSettings": {"searchResultTemplates": []}},
        {"connectorId": "another"},
        {"contentCategory": "wikis"},
        {"complianceSettings": {"eDiscoveryResultTemplates": []}},
        {"enabledContentExperiences": "compliance"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_one_member_alone(graph, full, change):
    assert graph.patch("/beta/connections/contosohr", change).status_code == 204
    assert shown(graph) == {**full, **change}


def test_the_record_names_what_changed_and_nothing_else(graph, application, full):
    response = graph.patch(HERE, {"name": "HR", "description": full["description"]})
    change = Change.objects.first()
    assert change.action == "connection.updated"
    assert (change.before, change.after) == ({"name": "Contoso HR"}, {"name": "HR"})
    assert (change.actor_app_id, change.request_id) == (
        application.app_id,
        response["request-id"],
    )


@pytest.mark.parametrize("body", [{}, {"@odata.type": "#microsoft.graph.x"}])
def test_nothing_changes_nothing(graph, full, body):
    records = Change.objects.count()
    assert graph.patch(HERE, body).status_code == 204
    assert Change.objects.count() == records


@pytest.mark.parametrize("member", ["id", "state", "ingestedItemsCount"])
@pytest.mark.parametrize("value", [None, "ready", 7, {"x": 1}])
def test_keys_and_computed_members_are_ignored(graph, full, member, value):
    assert graph.patch("/beta/connections/contosohr", {member: value}).status_code == 204
    assert shown(graph) == full


@pytest.mark.parametrize(
    ("member", "cleared"),
    [
        ("description", None),
        ("configuration", {"authorizedAppIds": []}),
        ("activitySettings", None),
        ("searchSettings", None),
        ("connectorId", None),
        ("complianceSettings", None),
        ("enabledContentExperiences", None),
    ],
)
def test_null_clears_an_optional_member(graph, full, member, cleared):
    assert full[member] != cleared
    assert graph.patch("/beta/connections/contosohr", {member: None}).status_code == 204
    assert shown(graph) == {**full, member: cleared}


@pytest.mark.parametrize("member", ["name", "contentCategory"])
def test_null_is_refused_for_a_member_that_must_have_a_value(graph, full, member):
    assert_refused(
        graph.patch(HERE, {member: None}),
        400,
        "InvalidRequest",
        inner="InvalidPropertyValue",
        target=member,
        says="must not be null",
    )
    assert shown(graph) == full


@pytest.mark.parametrize(
    ("body", "inner", "target"),
    [
        ({"name": ""}, "InvalidPropertyValue", "name"),
        ({"name": "n" * 129}, "InvalidPropertyValue", "name"),
        ({"description": []}, "InvalidPropertyValue", "description"),
        ({"title": "x"}, "PropertyNotDeclared", "title"),
        ({"complianceSettings": {}}, "PropertyNotDeclared", "complianceSettings"),
        ({"configuration": "x"}, "InvalidPropertyValue", "configuration"),
        (
            {"configuration": {"authorizedAppIds": ["x"]}},
            "InvalidPropertyValue",
            "configuration/authorizedAppIds/0",
        ),
        ({"contentCategory": 4}, "InvalidPropertyValue", "contentCategory"),
    ],
)
def test_bad_input_names_the_field_and_changes_nothing(graph, full, body, inner, target):
    response = graph.patch(HERE, {"description": "new", **body})
    assert_refused(response, 400, "InvalidRequest", inner=inner, target=target)
    assert shown(graph) == full


def test_a_complex_member_is_replaced_whole(graph, full):
    assert graph.patch(HERE, {"configuration": {}}).status_code == 204
    assert shown(graph)["configuration"] == {"authorizedAppIds": []}


def test_taking_an_application_off_the_list_takes_effect_at_once(graph, application):
    friend = make_application(OWNED)
    make_connection("contosohr", owner=application, authorized_app_ids=[friend.app_id])
    client = GraphClient(friend)
    assert client.get(HERE).status_code == 200
    graph.patch(HERE, {"configuration": {"authorizedAppIds": []}})
    assert_refused(client.get(HERE), 404, "ItemNotFound")


def test_an_authorized_application_may_do_what_the_owner_may(graph, application):
    friend = make_application(OWNED)
    make_connection("contosohr", owner=application, authorized_app_ids=[friend.app_id])
    assert GraphClient(friend).patch(HERE, {"name": "Theirs"}).status_code == 204
    assert graph.get(HERE).json()["name"] == "Theirs"


@pytest.mark.parametrize("state", [ConnectionState.READY, ConnectionState.LIMIT_EXCEEDED])
def test_states_that_allow_it(graph, application, state):
    make_connection("contosohr", owner=application, state=state)
    assert graph.patch(HERE, {"name": "New"}).status_code == 204


def test_an_obsolete_connection_can_only_be_read_and_deleted(graph, application):
    make_connection("contosohr", owner=application, state=ConnectionState.OBSOLETE, name="Old")
    error = assert_refused(
        graph.patch(HERE, {"name": "New"}),
        409,
        "Conflict",
        inner="InvalidStateTransition",
        target="state",
        says="obsolete",
    )
    assert error["innerError"]["state"] == "obsolete"
    assert graph.get(HERE).json()["name"] == "Old"
    assert graph.delete(HERE).status_code == 202


@pytest.mark.parametrize(
    ("roles", "status", "code"),
    [
        ((OWNED,), 404, "ItemNotFound"),
        ((READ_ALL,), 403, "Forbidden"),
        ((OWNED, READ_ALL), 403, "Forbidden"),
    ],
)
def test_who_may_not(roles, status, code, db):
    make_connection("contosohr", name="Old")
    client = GraphClient(make_application(*roles))
    assert_refused(client.patch(HERE, {"name": "New"}), status, code)
    assert ExternalConnection.objects.get().name == "Old"


def test_no_token(db):
    make_connection("contosohr", name="Old")
    assert_refused(GraphClient().patch(HERE, {"name": "N"}), 401, "InvalidAuthenticationToken")
    assert ExternalConnection.objects.get().name == "Old"


def test_missing_connection_is_not_created(graph):
    assert_refused(graph.patch(HERE, {"name": "New"}), 404, "ItemNotFound")
    assert not ExternalConnection.objects.exists()


@pytest.mark.parametrize(("stored", "sent"), [(1, True), (True, 1), (0, False), (1, 1.5)])
def test_a_number_and_a_truth_value_are_not_the_same(graph, application, stored, sent):
    """In Python 1 == True; in JSON it is a change, and it must not get lost."""
    make_connection("contosohr", owner=application, open_configuration={"x": stored})
    assert graph.patch(HERE, {"configuration": {"x": sent}}).status_code == 204
    kept = graph.get(HERE).json()["configuration"]["x"]
    assert (type(kept), kept) == (type(sent), sent)
