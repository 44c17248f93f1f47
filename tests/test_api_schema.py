"""``/connections/{id}/schema``: 202 and an operation to poll, then the schema in force."""

from __future__ import annotations

import json

import pytest

from operations.models import ConnectionOperation, ConnectionState, Schema
from tests.factories import (
    a_property,
    a_schema,
    fail_registration,
    make_application,
    make_connection,
    register_schema,
    work_off,
)
from tests.graph import OWNED, READ_ALL, GraphClient, assert_refused, untagged

WAYS_IN = [
    f"/{root}/{path}"
    for root in ("v1.0", "beta")
    for path in ("external/connections", "connections")
]
HERE = "/v1.0/connections/contosohr/schema"
BETA = "/beta/connections/contosohr/schema"
UNMASKED = {"Prefer": "include-unknown-enum-members"}


@pytest.fixture
def connection(application):
    return make_connection("contosohr", owner=application)


def local(url: str) -> str:
    assert url.startswith("http://testserver/")
    return url.removeprefix("http://testserver")


def registered(graph, document: dict, path: str = HERE) -> str:
    """Register through the API and let the worker do it. Returns the operation's status."""
    response = graph.patch(path, document)
    assert response.status_code == 202, response.content
    work_off()
    return graph.get(local(response["Location"])).json()["status"]


def faults(graph, document, path: str = HERE) -> set[tuple[str, str]]:
    error = assert_refused(graph.patch(path, document), 400, "InvalidRequest")
    return {(fault["target"], fault["code"]) for fault in error["details"]}


# Registering -------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["PATCH", "POST"])
@pytest.mark.parametrize("way_in", WAYS_IN)
def test_answers_202_with_the_operation_to_poll(graph, connection, settings, way_in, method):
    settings.OPERATION_RETRY_AFTER = 9
    response = graph.request(method, f"{way_in}/contosohr/schema", a_schema())
    assert (response.status_code, response.content) == (202, b"")
    assert "Content-Type" not in response
    operation = ConnectionOperation.objects.get()
    root = way_in.split("/")[1]
    assert response["Location"] == (
        f"http://testserver/{root}/external/connections/contosohr/operations/{operation.graph_id}"
    )
    assert response["Retry-After"] == "9"


def test_the_whole_way_from_draft_to_ready(graph, connection):
    assert_refused(graph.get(HERE), 404, "ItemNotFound")
    location = local(graph.patch(HERE, a_schema())["Location"])
    assert graph.get(location).json()["status"] == "inprogress"
    assert graph.get("/v1.0/connections/contosohr").json()["state"] == "draft"
    work_off()
    assert graph.get(location).json()["status"] == "completed"
    assert graph.get("/v1.0/connections/contosohr").json()["state"] == "ready"
    assert graph.get(HERE).status_code == 200


def test_the_connections_own_spelling_is_in_the_location(graph, connection):
    response = graph.patch("/v1.0/external/connections('CONTOSOHR')/schema", a_schema())
    assert "/external/connections/contosohr/operations/" in response["Location"]


def test_the_operation_says_who_asked(graph, application, connection):
    response = graph.patch(HERE, a_schema())
    operation = ConnectionOperation.objects.get()
    assert operation.requested_app_id == application.app_id
    assert operation.request_id == response["request-id"]


def test_json_that_is_labelled_as_a_form_is_read(graph, connection):
    response = graph.patch(
        HERE, json.dumps(a_schema()), Content_Type="application/x-www-form-urlencoded"
    )
    assert response.status_code == 202


def test_a_second_registration_names_the_one_that_is_unfinished(graph, connection):
    first = graph.patch(HERE, a_schema())["Location"].rpartition("/")[2]
    for method in ("PATCH", "POST"):
        error = assert_refused(
            graph.request(method, HERE, a_schema()),
            409,
            "Conflict",
            inner="OperationInProgress",
            says=first,
        )
        assert error["innerError"]["operationId"] == first
    assert ConnectionOperation.objects.count() == 1


@pytest.mark.parametrize(
    ("state", "word"),
    [(ConnectionState.OBSOLETE, "obsolete"), (ConnectionState.LIMIT_EXCEEDED, "limitExceeded")],
)
def test_states_that_forbid_it_are_named(graph, application, state, word):
    make_connection("contosohr", owner=application, state=state)
    error = assert_refused(
        graph.patch(HERE, a_schema()),
        409,
        "Conflict",
        inner="InvalidStateTransition",
        target="state",
        says=f"is in state '{word}'",
    )
    assert error["innerError"]["state"] == word
    assert not ConnectionOperation.objects.exists()


def test_a_failed_registration_leaves_a_draft(graph, connection):
    fail_registration(connection)
    assert_refused(graph.get(HERE), 404, "ItemNotFound")
    assert graph.get("/v1.0/connections/contosohr").json()["state"] == "draft"


def test_a_failed_registration_leaves_the_earlier_schema_in_force(graph, connection):
    register_schema(connection)
    before = graph.get(HERE).json()
    wider = a_schema(*a_schema()["properties"], a_property("more"))
    fail_registration(connection, document=wider)
    assert graph.get(HERE).json() == before
    assert graph.get("/v1.0/connections/contosohr").json()["state"] == "ready"


# Reading -----------------------------------------------------------------------------------------


def test_no_schema_is_a_404_that_says_so(graph, connection):
    error = assert_refused(graph.get(HERE), 404, "ItemNotFound", inner="ResourceNotFound")
    assert error["innerError"]["source"] == "Schema"
    assert error["innerError"]["message"] == "'Schema' was not found."


@pytest.mark.parametrize("way_in", WAYS_IN)
def test_reads_the_schema_whole(graph, connection, way_in):
    register_schema(connection)
    root = way_in.split("/")[1]
    beta_only = {"isExactMatchRequired": None, "rankingHint": None} if root == "beta" else {}
    assert untagged(graph.get(f"{way_in}/contosohr/schema").json()) == {
        "@odata.context": (
            f"http://testserver/{root}/$metadata#external/connections('contosohr')/schema/$entity"
        ),
        "baseType": "microsoft.graph.externalItem",
        "properties": [
            {
                "name": "title",
                "type": "string",
                "description": None,
                "aliases": [],
                "labels": ["title"],
                "isSearchable": True,
                "isQueryable": None,
                "isRetrievable": True,
                "isRefinable": None,
                **beta_only,
            }
        ],
    }


def test_the_first_registration_can_be_read_while_it_runs(graph, connection):
    graph.patch(HERE, a_schema(a_property("first")))
    assert graph.get(HERE).json()["properties"][0]["name"] == "first"


def test_an_update_cannot_be_read_before_it_is_in_force(graph, connection):
    register_schema(connection, a_schema(a_property("first")))
    graph.patch(HERE, a_schema(a_property("first"), a_property("second")))
    names = [prop["name"] for prop in graph.get(HERE).json()["properties"]]
    assert names == ["first"]
    work_off()
    names = [prop["name"] for prop in graph.get(HERE).json()["properties"]]
    assert names == ["first", "second"]


def test_select(graph, connection):
    register_schema(connection)
    body = graph.get(f"{HERE}?$select=baseType").json()
    assert untagged(body) == {
        "@odata.context": (
            "http://testserver/v1.0/$metadata"
            "#external/connections('contosohr')/schema(baseType)/$entity"
        ),
        "baseType": "microsoft.graph.externalItem",
    }


LABELLED = a_schema(
    a_property("icon", isRetrievable=True, labels=["iconUrl", "containerUrl"]),
    a_property("title", isRetrievable=True, labels=["title"]),
    a_property("owner", type="principal", isRetrievable=True, labels=["personAccount"]),
    a_property("team", type="principalCollection"),
)


def labels_and_types(body: dict) -> list[tuple]:
    return [(prop["labels"], prop["type"]) for prop in body["properties"]]


def test_labels_and_types_above_the_sentinel_are_masked(graph, connection):
    register_schema(connection, LABELLED)
    response = graph.get(HERE)
    assert "Preference-Applied" not in response
    assert labels_and_types(response.json()) == [
        (["unknownFutureValue", "unknownFutureValue"], "string"),
        (["title"], "string"),
        (["unknownFutureValue"], "unknownFutureValue"),
        ([], "unknownFutureValue"),
    ]


@pytest.mark.parametrize(
    "prefer",
    ["include-unknown-enum-members", 'return=representation, Include-Unknown-Enum-Members; x="y"'],
)
def test_labels_and_types_are_shown_to_those_who_ask(graph, connection, prefer):
    register_schema(connection, LABELLED)
    response = graph.get(HERE, Prefer=prefer)
    assert response["Preference-Applied"] == "include-unknown-enum-members"
    assert labels_and_types(response.json()) == [
        (["iconUrl", "containerUrl"], "string"),
        (["title"], "string"),
        (["personAccount"], "principal"),
        ([], "principalCollection"),
    ]


# What is accepted --------------------------------------------------------------------------------


def test_the_documented_examples_booleans_as_text_and_words_in_any_case(graph, connection):
    document = {
        "baseType": "microsoft.graph.externalItem",
        "properties": [
            {
                "name": "ticketTitle",
                "type": "String",
                "isSearchable": "true",
                "isRetrievable": "True",
                "isRefinable": "false",
                "labels": ["Title"],
            },
            {"name": "changed", "type": "DateTime", "isRetrievable": "TRUE"},
            {"name": "tags", "type": "STRINGCOLLECTION", "isQueryable": None},
        ],
    }
    assert registered(graph, document) == "completed"
    first, second, third = graph.get(HERE).json()["properties"]
    assert (first["type"], first["labels"]) == ("string", ["title"])
    assert (first["isSearchable"], first["isRetrievable"], first["isRefinable"]) == (
        True,
        True,
        False,
    )
    assert (second["type"], third["type"]) == ("dateTime", "stringCollection")
    assert third["isQueryable"] is None


def test_annotations_and_the_schemas_own_key_are_accepted(graph, connection):
    document = {
        "@odata.type": "microsoft.graph.externalConnectors.schema",
        "id": "contosohr",
        **a_schema({"@odata.type": "#microsoft.graph.externalConnectors.property", "name": "a"}),
    }
    document["properties"][0]["type"] = "int64"
    assert registered(graph, document) == "completed"


@pytest.mark.parametrize("root", ["v1.0", "beta"])
@pytest.mark.parametrize("headers", [{}, UNMASKED], ids=["masked", "unmasked"])
def test_a_schema_that_was_read_can_be_sent_back_whole(graph, connection, root, headers):
    document = json.loads(json.dumps(LABELLED))
    document["properties"][3] |= {"aliases": ["crew"], "description": "Everyone"}
    document["properties"].append(
        a_property("code", isExactMatchRequired=True, rankingHint={"importanceScore": "veryHigh"})
    )
    assert registered(graph, document, BETA) == "completed"
    whole = graph.get(BETA, **UNMASKED).json()
    path = f"/{root}/connections/contosohr/schema"
    assert registered(graph, graph.get(path, **headers).json(), path) == "completed"
    assert untagged(graph.get(BETA, **UNMASKED).json()) == untagged(whole)
    assert Schema.objects.count() == 2


def test_beta_attributes_are_shown_on_beta_only(graph, connection):
    prop = a_property("code", isExactMatchRequired=True, rankingHint={"importanceScore": "High"})
    assert registered(graph, a_schema(prop), BETA) == "completed"
    on_beta = graph.get(BETA).json()["properties"][0]
    assert on_beta["isExactMatchRequired"] is True
    assert on_beta["rankingHint"] == {"importanceScore": "high"}
    assert set(on_beta) - set(graph.get(HERE).json()["properties"][0]) == {
        "isExactMatchRequired",
        "rankingHint",
    }


# What is refused ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("document", "fault"),
    [
        ({"properties": [a_property()]}, ("baseType", "RequiredPropertyMissing")),
        ({**a_schema(), "baseType": "externalItem"}, ("baseType", "InvalidPropertyValue")),
        ({**a_schema(), "baseType": 5}, ("baseType", "InvalidPropertyValue")),
        ({"baseType": "microsoft.graph.externalItem"}, ("properties", "RequiredPropertyMissing")),
        ({**a_schema(), "properties": []}, ("properties", "RequiredPropertyMissing")),
        ({**a_schema(), "properties": {}}, ("properties", "InvalidPropertyValue")),
        ({**a_schema(), "properties": ["x"]}, ("properties/0", "InvalidPropertyValue")),
        (
            a_schema(*(a_property(f"p{n}") for n in range(129))),
            ("properties", "TooManyProperties"),
        ),
        ({**a_schema(), "version": 2}, ("version", "PropertyNotDeclared")),
        ({}, ("baseType", "RequiredPropertyMissing")),
    ],
)
def test_faults_of_the_schema(graph, connection, document, fault):
    assert fault in faults(graph, document)
    assert not ConnectionOperation.objects.exists()


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"name": None}, ("name", "RequiredPropertyMissing")),
        ({"name": "n" * 33}, ("name", "InvalidIdentifier")),
        ({"name": "a b"}, ("name", "InvalidIdentifier")),
        ({"name": "a_b"}, ("name", "InvalidIdentifier")),
        ({"name": ""}, ("name", "InvalidIdentifier")),
        ({"name": 5}, ("name", "InvalidIdentifier")),
        ({"type": None}, ("type", "RequiredPropertyMissing")),
        ({"type": "text"}, ("type", "InvalidPropertyValue")),
        ({"type": "unknownFutureValue"}, ("type", "InvalidPropertyValue")),
        ({"description": "d" * 201}, ("description", "InvalidPropertyValue")),
        ({"aliases": ["ok", "not ok"]}, ("aliases/1", "InvalidIdentifier")),
        ({"aliases": "alias"}, ("aliases", "InvalidPropertyValue")),
        ({"labels": ["heading"]}, ("labels/0", "InvalidPropertyValue")),
        ({"labels": ["unknownFutureValue"]}, ("labels/0", "InvalidPropertyValue")),
        ({"labels": [5]}, ("labels", "InvalidPropertyValue")),
        ({"labels": ["title"]}, ("labels", "LabelNotRetrievable")),
        ({"labels": ["closedDate"], "isRetrievable": True}, ("labels", "LabelTypeMismatch")),
        (
            {"type": "int64", "labels": ["title"], "isRetrievable": True},
            ("labels", "LabelTypeMismatch"),
        ),
        ({"isSearchable": "yes"}, ("isSearchable", "InvalidPropertyValue")),
        ({"isSearchable": 1}, ("isSearchable", "InvalidPropertyValue")),
        ({"type": "int64", "isSearchable": True}, ("isSearchable", "SearchableShouldBeOfType")),
        ({"type": "boolean", "isRefinable": True}, ("isRefinable", "RefinerShouldNotBeOfType")),
        (
            {"isSearchable": True, "isRefinable": True},
            ("isRefinable", "RefinerShouldNotBeSearchable"),
        ),
        ({"isExactMatchRequired": True}, ("isExactMatchRequired", "PropertyNotDeclared")),
        ({"rankingHint": None}, ("rankingHint", "PropertyNotDeclared")),
        ({"isFast": True}, ("isFast", "PropertyNotDeclared")),
    ],
)
def test_faults_of_a_property(graph, connection, change, fault):
    target, code = fault
    document = a_schema({**a_property("one"), **change})
    assert (f"properties/0/{target}", code) in faults(graph, document)
    assert not ConnectionOperation.objects.exists()


@pytest.mark.parametrize(
    ("change", "target", "code"),
    [
        (
            {"isExactMatchRequired": True, "isSearchable": True},
            "isExactMatchRequired",
            "ExactMatchShouldNotBeSearchable",
        ),
        ({"rankingHint": {}}, "rankingHint/importanceScore", "InvalidPropertyValue"),
        (
            {"rankingHint": {"importanceScore": "top"}},
            "rankingHint/importanceScore",
            "InvalidPropertyValue",
        ),
        ({"rankingHint": "high"}, "rankingHint/importanceScore", "InvalidPropertyValue"),
    ],
)
def test_faults_of_beta_attributes(graph, connection, change, target, code):
    document = a_schema({**a_property("one"), **change})
    assert faults(graph, document, BETA) == {(f"properties/0/{target}", code)}


@pytest.mark.parametrize(
    ("properties", "fault"),
    [
        ([a_property("one"), a_property("ONE")], ("properties/1/name", "DuplicateProperty")),
        (
            [a_property("one"), a_property("two", aliases=["One"])],
            ("properties/1/aliases/0", "DuplicateProperty"),
        ),
        (
            [
                a_property("one", isRetrievable=True, labels=["title"]),
                a_property("two", isRetrievable=True, labels=["Title"]),
            ],
            ("properties/1/labels", "DuplicateLabel"),
        ),
    ],
)
def test_faults_between_properties(graph, connection, properties, fault):
    assert fault in faults(graph, a_schema(*properties))


def test_all_faults_come_in_one_answer(graph, connection):
    document = {
        "baseType": "item",
        "extra": 1,
        "properties": [
            a_property("a b", type="text"),
            a_property("flag", type="boolean", isRefinable=True, isSearchable=True),
            a_property("FLAG", labels=["title"]),
        ],
    }
    assert faults(graph, document) == {
        ("baseType", "InvalidPropertyValue"),
        ("extra", "PropertyNotDeclared"),
        ("properties/0/name", "InvalidIdentifier"),
        ("properties/0/type", "InvalidPropertyValue"),
        ("properties/1/isRefinable", "RefinerShouldNotBeOfType"),
        ("properties/1/isRefinable", "RefinerShouldNotBeSearchable"),
        ("properties/1/isSearchable", "SearchableShouldBeOfType"),
        ("properties/2/name", "DuplicateProperty"),
        ("properties/2/labels", "LabelNotRetrievable"),
    }


def test_graphs_own_words_for_a_boolean_refiner(graph, connection):
    document = a_schema(a_property("x", type="Boolean", isRefinable=True))
    error = assert_refused(
        graph.patch(HERE, document),
        400,
        "InvalidRequest",
        inner="RefinerShouldNotBeOfType",
        says="The request is malformed or incorrect.",
    )
    assert error["innerError"]["message"] == ("Refiner property 'x' cannot be of type 'Boolean'.")


@pytest.mark.parametrize(
    ("after", "fault"),
    [
        ([a_property("two")], ("properties", "PropertyRemoved")),
        ([a_property("ONE", isRetrievable=True)], ("properties", "PropertyRemoved")),
        (
            [a_property("one", type="int64", isRetrievable=True)],
            ("properties/0/type", "PropertyTypeChanged"),
        ),
        ([a_property("one")], ("properties/0/isRetrievable", "RetrievableRemoved")),
        (
            [a_property("one", isRetrievable=True, isRefinable=True)],
            ("properties/0/isRefinable", "RefinableChanged"),
        ),
    ],
)
def test_what_an_update_may_not_change(graph, connection, after, fault):
    register_schema(connection, a_schema(a_property("one", isRetrievable=True)))
    assert fault in faults(graph, a_schema(*after))
    assert Schema.objects.count() == 1


def test_what_an_update_may_change(graph, connection):
    register_schema(connection, a_schema(a_property("one", isRetrievable=True)))
    after = a_schema(
        a_property(
            "one",
            isRetrievable=True,
            isSearchable=True,
            isQueryable=True,
            aliases=["uno"],
            labels=["title"],
            description="First",
        ),
        a_property("two", type="double", isRefinable=True),
    )
    assert registered(graph, after) == "completed"
    shown = graph.get(HERE).json()["properties"]
    assert [prop["name"] for prop in shown] == ["one", "two"]
    assert (shown[0]["aliases"], shown[0]["labels"]) == (["uno"], ["title"])


# Who ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS"])
def test_wrong_method(graph, connection, method):
    register_schema(connection)
    response = graph.request(method, HERE)
    assert_refused(response, 405, "Request_BadRequest")
    assert sorted(response["Allow"].split(", ")) == ["GET", "HEAD", "PATCH", "POST"]


@pytest.mark.parametrize("method", ["GET", "PATCH", "POST"])
def test_no_token(connection, method):
    response = GraphClient().request(method, HERE, a_schema())
    assert_refused(response, 401, "InvalidAuthenticationToken")
    assert not ConnectionOperation.objects.exists()


@pytest.mark.parametrize(
    ("roles", "reading", "writing"),
    [
        ((), 403, 403),
        ((READ_ALL,), 200, 403),
        ((OWNED,), 404, 404),
        ((OWNED, READ_ALL), 200, 403),
    ],
)
def test_who_may_not(connection, roles, reading, writing):
    register_schema(connection)
    client = GraphClient(make_application(*roles))
    assert client.get(HERE).status_code == reading
    code = "ItemNotFound" if writing == 404 else "Forbidden"
    assert_refused(client.patch(HERE, a_schema()), writing, code)
    assert ConnectionOperation.objects.count() == 1


@pytest.mark.parametrize("method", ["GET", "PATCH", "POST"])
def test_missing_connection(graph, method):
    path = "/v1.0/connections/nosuch/schema"
    error = assert_refused(graph.request(method, path, a_schema()), 404, "ItemNotFound")
    assert error["innerError"]["source"] == "Connection"
