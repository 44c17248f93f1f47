"""``/connections``: list, create, get."""

from __future__ import annotations

import pytest

from operations.models import Change, ConnectionState, ExternalConnection
from tests.factories import make_application, make_connection, register_schema
from tests.graph import OWNED, READ_ALL, WRITE_ALL, GraphClient, assert_refused, untagged

WAYS_IN = [
    f"/{root}/{path}"
    for root in ("v1.0", "beta")
    for path in ("external/connections", "connections")
]
HERE = "/v1.0/external/connections"
HR = {"id": "contosohr", "name": "Contoso HR", "description": "Everything about people"}
CARD = {
    "type": "AdaptiveCard",
    "version": "1.3",
    "body": [{"type": "TextBlock", "text": "[${title}](${url})", "weight": "bolder"}],
    "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
}
FULL = {
    **HR,
    "configuration": {"authorizedAppIds": ["d310d35d-72ec-47dd-92f2-fb9c40936555"]},
    "activitySettings": {
        "urlToItemResolvers": [
            {
                "@odata.type": "#microsoft.graph.externalConnectors.itemIdResolver",
                "urlMatchInfo": {
                    "baseUrls": ["https://hr.contoso.example"],
                    "urlPattern": "/(?<id>[0-9]+)",
                },
                "itemId": "{id}",
                "priority": 1,
            }
        ]
    },
    "searchSettings": {
        "searchResultTemplates": [{"id": "hr", "layout": CARD, "priority": 1, "rules": []}]
    },
    "connectorId": "02e1b1ce-9d0d-4f75-8b8e-8dbc4c0ca9c3",
    "contentCategory": "people",
}
BETA = {
    "complianceSettings": {
        "eDiscoveryResultTemplates": [
            {"id": "e", "layout": {"type": "AdaptiveCard"}, "priority": 2, "rules": []}
        ]
    },
    "enabledContentExperiences": "search, compliance",
}


def nothing_was_created() -> bool:
    return not ExternalConnection.objects.exists()


# Create ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way_in", WAYS_IN)
def test_creates_a_draft_through_both_roots_and_both_paths(graph, way_in):
    response = graph.post(way_in, HR)
    assert response.status_code == 201
    root, _, entity_set = way_in[1:].partition("/")
    expected = {
        "@odata.context": f"http://testserver/{root}/$metadata#{entity_set}/$entity",
        **HR,
        "state": "draft",
        "configuration": {"authorizedAppIds": []},
        "activitySettings": None,
        "searchSettings": None,
        "connectorId": None,
        "contentCategory": "uncategorized",
    }
    if root == "beta":
        expected |= {
            "complianceSettings": None,
            "enabledContentExperiences": None,
            "ingestedItemsCount": None,
        }
    assert untagged(response.json()) == expected
    location = response["Location"]
    assert location == f"http://testserver{way_in}('contosohr')"
    assert untagged(graph.get(location.removeprefix("http://testserver")).json()) == expected


def test_the_creator_owns_it_and_is_recorded(graph, application):
    response = graph.post(HERE, HR)
    connection = ExternalConnection.objects.get()
    assert connection.owner_app_id == application.app_id
    change = Change.objects.first()
    assert (change.action, change.channel) == ("connection.created", "api")
    assert (change.actor_app_id, change.request_id) == (
        application.app_id,
        response["request-id"],
    )


def test_all_properties_of_v1_are_kept_and_shown(graph):
    created = graph.post(HERE, FULL)
    assert created.status_code == 201
    shown = graph.get(f"{HERE}/contosohr").json()
    assert {member: shown[member] for member in FULL} == FULL


def test_beta_properties_are_kept_and_shown_on_beta_only(graph):
    assert graph.post("/beta/connections", {**FULL, **BETA}).status_code == 201
    on_beta = graph.get("/beta/connections/contosohr").json()
    assert {member: on_beta[member] for member in (*FULL, *BETA)} == {**FULL, **BETA}
    assert on_beta["ingestedItemsCount"] is None
    on_v1 = graph.get("/v1.0/connections/contosohr").json()
    assert set(on_beta) - set(on_v1) == {*BETA, "ingestedItemsCount"}


@pytest.mark.parametrize("member", [*BETA, "ingestedItemsCount"])
def test_beta_properties_are_not_declared_in_v1(graph, member):
    assert_refused(
        graph.post(HERE, {**HR, member: BETA.get(member)}),
        400,
        "InvalidRequest",
        inner="PropertyNotDeclared",
        target=member,
    )


def test_read_only_properties_are_ignored(graph):
    body = {**HR, "state": "ready", "ingestedItemsCount": 7}
    created = graph.post("/beta/external/connections", body)
    assert created.status_code == 201
    assert (created.json()["state"], created.json()["ingestedItemsCount"]) == ("draft", None)


def test_a_generic_odata_client_sends_every_property_it_knows(graph):
    body = {
        "@odata.type": "microsoft.graph.externalConnectors.externalConnection",
        "id": "contosohr",
        "name": "Contoso HR",
        "description": None,
        "state": None,
        "configuration": None,
        "activitySettings": None,
        "searchSettings": None,
        "connectorId": None,
        "contentCategory": None,
        "groups": None,
        "items": None,
        "operations": [],
        "schema": None,
    }
    created = graph.post("/v1.0/connections", body, OData_Version="4.0")
    assert created.status_code == 201
    shown = created.json()
    assert (shown["description"], shown["state"]) == (None, "draft")
    assert shown["contentCategory"] == "uncategorized"
    assert shown["configuration"] == {"authorizedAppIds": []}


def test_a_description_may_be_missing_or_empty(graph):
    assert graph.post(HERE, {"id": "one", "name": "One"}).json()["description"] is None
    body = {"id": "two", "name": "Two", "description": ""}
    assert graph.post(HERE, body).json()["description"] == ""


@pytest.mark.parametrize("graph_id", ["abc", "a1B2c3", "123", "x" * 32, "Micro", "Noneth", "team"])
def test_good_ids_are_kept_as_they_are(graph, graph_id):
    assert graph.post(HERE, {**HR, "id": graph_id}).json()["id"] == graph_id


@pytest.mark.parametrize(
    "graph_id",
    [
        "",
        "ab",
        "x" * 33,
        "contoso-hr",
        "contoso_hr",
        "contoso hr",
        "contosö",
        "a/b",
        "abc\n",
        "a.b",
    ],
)
def test_ids_that_break_the_rule(graph, graph_id):
    assert_refused(
        graph.post(HERE, {**HR, "id": graph_id}),
        400,
        "InvalidRequest",
        inner="InvalidIdentifier",
        target="id",
        says="3 to 32 characters, letters A-Z a-z and digits only",
    )
    assert nothing_was_created()


RESERVED = (
    "None Directory Exchange ExchangeArchive LinkedIn Mailbox OneDriveBusiness SharePoint Teams "
    "Yammer Connectors TaskFabric PowerBI Assistant TopicEngine"
).split()


@pytest.mark.parametrize(
    "graph_id", [*RESERVED, "sharepoint", "TEAMS", "Microsoft", "MicrosoftHR", "microsoftx"]
)
def test_reserved_ids(graph, graph_id):
    assert_refused(
        graph.post(HERE, {**HR, "id": graph_id}),
        400,
        "InvalidRequest",
        inner="ReservedIdentifier",
        target="id",
        says=f"must not be '{graph_id}'",
    )
    assert nothing_was_created()


@pytest.mark.parametrize(
    ("change", "inner", "target", "says"),
    [
        ({"id": None}, "RequiredPropertyMissing", "id", "required"),
        ({"id": 5}, "InvalidPropertyValue", "id", "must be a string"),
        ({"name": None}, "RequiredPropertyMissing", "name", "required"),
        ({"name": ""}, "InvalidPropertyValue", "name", "must not be blank"),
        ({"name": " \t"}, "InvalidPropertyValue", "name", "must not be blank"),
        ({"name": 5}, "InvalidPropertyValue", "name", "must be a string"),
        ({"name": "n" * 129}, "InvalidPropertyValue", "name", "at most 128 characters, not 129"),
        ({"description": 5}, "InvalidPropertyValue", "description", "must be a string"),
        ({"displayName": "x"}, "PropertyNotDeclared", "displayName", "not declared"),
        ({"Name": "x"}, "PropertyNotDeclared", "Name", "not declared"),
        ({"operations": [{}]}, "InvalidPropertyValue", "operations", "an address of its own"),
        ({"configuration": []}, "InvalidPropertyValue", "configuration", "must be an object"),
        (
            {"configuration": {"authorizedAppIds": "x"}},
            "InvalidPropertyValue",
            "configuration/authorizedAppIds",
            "must be a collection",
        ),
        (
            {"configuration": {"authorizedAppIds": ["d310d35d-72ec-47dd-92f2-fb9c40936555", "x"]}},
            "InvalidPropertyValue",
            "configuration/authorizedAppIds/1",
            "a GUID",
        ),
        (
            {"configuration": {"authorizedAppIds": [None]}},
            "InvalidPropertyValue",
            "configuration/authorizedAppIds/0",
            "a GUID",
        ),
        ({"activitySettings": "x"}, "InvalidPropertyValue", "activitySettings", "an object"),
        ({"searchSettings": [1]}, "InvalidPropertyValue", "searchSettings", "an object"),
        ({"connectorId": 5}, "InvalidPropertyValue", "connectorId", "must be a string"),
        ({"connectorId": "x" * 129}, "InvalidPropertyValue", "connectorId", "at most 128"),
        ({"contentCategory": "books"}, "InvalidPropertyValue", "contentCategory", "one of"),
        (
            {"contentCategory": "unknownFutureValue"},
            "InvalidPropertyValue",
            "contentCategory",
            "must not be 'unknownFutureValue'",
        ),
    ],
)
def test_bad_input_names_the_field_and_the_rule(graph, change, inner, target, says):
    assert_refused(
        graph.post(HERE, {**HR, **change}),
        400,
        "InvalidRequest",
        inner=inner,
        target=target,
        says=says,
    )
    assert nothing_was_created()


@pytest.mark.parametrize("experiences", ["search, crawl", "all", 3, ["search"]])
def test_bad_content_experiences(graph, experiences):
    assert_refused(
        graph.post("/beta/connections", {**HR, "enabledContentExperiences": experiences}),
        400,
        "InvalidRequest",
        inner="InvalidPropertyValue",
        target="enabledContentExperiences",
    )


def test_content_experiences_are_written_as_graph_writes_flags(graph):
    body = {**HR, "enabledContentExperiences": "Compliance,search ,compliance"}
    created = graph.post("/beta/connections", body)
    assert created.json()["enabledContentExperiences"] == "search, compliance"


def test_enum_words_in_any_case(graph):
    created = graph.post(HERE, {**HR, "contentCategory": "KnowledgeBase"})
    assert created.json()["contentCategory"] == "knowledgeBase"


def test_all_faults_come_in_one_answer(graph):
    body = {"id": "a b", "description": 5, "color": "red", "configuration": 5}
    error = assert_refused(graph.post(HERE, body), 400, "InvalidRequest")
    assert {(fault["target"], fault["code"]) for fault in error["details"]} == {
        ("id", "InvalidIdentifier"),
        ("name", "RequiredPropertyMissing"),
        ("description", "InvalidPropertyValue"),
        ("color", "PropertyNotDeclared"),
        ("configuration", "InvalidPropertyValue"),
    }


def test_a_name_of_128_characters_counts_characters_and_not_bytes(graph):
    assert graph.post(HERE, {**HR, "name": "🚲" * 128}).status_code == 201


@pytest.mark.parametrize("graph_id", ["contosohr", "ContosoHR", "CONTOSOHR"])
def test_a_duplicate_id_in_any_case_is_a_conflict(graph, graph_id):
    graph.post(HERE, HR)
    assert_refused(
        graph.post(HERE, {**HR, "id": graph_id}),
        409,
        "Conflict",
        inner="NameAlreadyExists",
        target="id",
        says="A connection with the id 'contosohr' already exists.",
    )
    assert ExternalConnection.objects.count() == 1


def test_an_id_that_somebody_else_has_is_a_conflict_too(graph):
    make_connection("contosohr")
    response = graph.post(HERE, HR)
    assert_refused(response, 409, "Conflict", inner="NameAlreadyExists")


def test_authorized_app_ids_are_kept_once_each_and_in_order(graph):
    first, second = (
        "d310d35d-72ec-47dd-92f2-fb9c40936555",
        "02e1b1ce-9d0d-4f75-8b8e-8dbc4c0ca9c3",
    )
    body = {
        **HR,
        "configuration": {
            "@odata.type": "microsoft.graph.externalConnectors.configuration",
            "authorizedAppIds": [first, second.upper(), first],
            "authorizedApps": [first],
        },
    }
    created = graph.post(HERE, body)
    assert created.json()["configuration"] == {"authorizedAppIds": [first, second]}


def test_a_ticket_of_the_admin_center_is_accepted(graph):
    assert graph.post(HERE, HR, GraphConnectors_Ticket="opaque").status_code == 201


@pytest.mark.parametrize("roles", [(READ_ALL,), (), ("ExternalItem.ReadWrite.All",)])
def test_creating_needs_a_writing_role(roles, db):
    response = GraphClient(make_application(*roles)).post(HERE, HR)
    assert_refused(response, 403, "Forbidden", says=f"Roles on the request '{', '.join(roles)}'.")
    assert nothing_was_created()


def test_write_all_may_create(db):
    assert GraphClient(make_application(WRITE_ALL)).post(HERE, HR).status_code == 201


# List --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way_in", WAYS_IN)
def test_lists_through_both_roots_and_both_paths(graph, application, way_in):
    for graph_id in ("one", "two"):
        make_connection(graph_id, owner=application)
    root, _, entity_set = way_in[1:].partition("/")
    body = graph.get(way_in).json()
    assert body["@odata.context"] == f"http://testserver/{root}/$metadata#{entity_set}"
    assert [row["id"] for row in body["value"]] == ["one", "two"]
    assert all("@odata.context" not in row for row in body["value"])
    assert ("complianceSettings" in body["value"][0]) == (root == "beta")


def test_lists_what_is_owned_or_authorized_and_nothing_else(graph, application):
    make_connection("owned", owner=application)
    make_connection("shared", authorized_app_ids=[application.app_id])
    make_connection("foreign", owner=make_application(OWNED))
    assert [row["id"] for row in graph.get(HERE).json()["value"]] == ["owned", "shared"]
    assert graph.get(f"{HERE}/$count").content == b"2"


@pytest.mark.parametrize("role", [READ_ALL, WRITE_ALL])
def test_lists_everything_for_the_all_roles(role, db):
    for graph_id in ("one", "two"):
        make_connection(graph_id)
    client = GraphClient(make_application(role))
    assert [row["id"] for row in client.get(HERE).json()["value"]] == ["one", "two"]


def test_list_without_a_token(db):
    assert_refused(GraphClient().get(HERE), 401, "InvalidAuthenticationToken")


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS"])
def test_wrong_method_on_the_collection(graph, method):
    response = graph.request(method, HERE)
    assert_refused(response, 405, "Request_BadRequest")
    assert sorted(response["Allow"].split(", ")) == ["GET", "HEAD", "POST"]


# Get ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["/contosohr", "/ContosoHR", "('contosohr')", "('CONTOSOHR')"])
def test_gets_one_by_its_id_in_any_case(graph, form):
    graph.post(HERE, HR)
    assert graph.get(HERE + form).json()["id"] == "contosohr"


@pytest.mark.parametrize(
    ("state", "word"),
    [
        (ConnectionState.DRAFT, "draft"),
        (ConnectionState.READY, "ready"),
        (ConnectionState.OBSOLETE, "obsolete"),
        (ConnectionState.LIMIT_EXCEEDED, "limitExceeded"),
    ],
)
def test_every_state_is_shown_as_graph_writes_it(graph, application, state, word):
    make_connection("contosohr", owner=application, state=state)
    assert graph.get(f"{HERE}/contosohr").json()["state"] == word


def test_the_schema_makes_it_ready(graph, application):
    register_schema(make_connection("contosohr", owner=application))
    assert graph.get(f"{HERE}/contosohr").json()["state"] == "ready"


def test_select(graph):
    graph.post(HERE, HR)
    assert untagged(graph.get(f"{HERE}/contosohr?$select=state,id").json()) == {
        "@odata.context": (
            "http://testserver/v1.0/$metadata#external/connections(state,id)/$entity"
        ),
        "id": "contosohr",
        "state": "draft",
    }


@pytest.mark.parametrize("method", ["POST", "PUT", "OPTIONS"])
def test_wrong_method_on_one(graph, method):
    graph.post(HERE, HR)
    response = graph.request(method, f"{HERE}/contosohr", HR)
    assert_refused(response, 405, "Request_BadRequest")
    assert sorted(response["Allow"].split(", ")) == ["DELETE", "GET", "HEAD", "PATCH"]


def test_get_without_a_token(db):
    make_connection("contosohr")
    assert_refused(GraphClient().get(f"{HERE}/contosohr"), 401, "InvalidAuthenticationToken")


def test_get_of_somebody_elses(graph):
    make_connection("contosohr")
    foreign = assert_refused(graph.get(f"{HERE}/contosohr"), 404, "ItemNotFound")
    missing = assert_refused(graph.get(f"{HERE}/nosuch"), 404, "ItemNotFound")
    for error in (foreign, missing):  # nothing tells the one from the other
        for member in ("date", "request-id", "client-request-id"):
            del error["innerError"][member]
    assert foreign == missing
    assert foreign["innerError"] == {
        "code": "ResourceNotFound",
        "message": "'Connection' was not found.",
        "source": "Connection",
    }
