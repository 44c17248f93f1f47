"""An object that was read from us can be sent back whole, and nothing changes by it.

Clients read, change one member and send everything: with annotations of any metadata level, with
what ``$expand`` brought along, with members that cannot be set.
"""

from __future__ import annotations

import pytest

from operations.models import Change, ConnectionOperation, ConnectionState, ExternalConnection
from operations.models.enums import ContentCategory
from tests.factories import a_property, a_schema, make_connection, work_off
from tests.graph import assert_refused, untagged
from tests.test_api_connections import BETA, FULL

ROOTS = [f"/{version}/{path}" for version in ("v1.0", "beta") for path in ("external/", "")]
UNMASKED = {"Prefer": "include-unknown-enum-members"}
#: What a server writes beside the members when it is asked for odata.metadata=full.
FULL_METADATA = {
    "@odata.type": "#microsoft.graph.externalConnectors.externalConnection",
    "@odata.id": "connections('contosohr')",
    "@odata.etag": 'W/"1"',
    "@odata.editLink": "connections('contosohr')",
    "state@odata.type": "#microsoft.graph.externalConnectors.connectionState",
    "operations@odata.associationLink": "connections('contosohr')/operations/$ref",
    "operations@odata.navigationLink": "connections('contosohr')/operations",
    "operations@odata.context": "$metadata#external/connections('contosohr')/operations",
    "@connectorsAdmin.createdDateTime": "2024-05-31T07:12:09Z",
}
LABELLED = a_schema(
    a_property("mixed", isRetrievable=True, labels=["title", "iconUrl", "url", "tags"]),
    a_property("owner", type="principal", isRetrievable=True, labels=["personAccount"]),
    a_property("level", type="double", isRefinable=True, aliases=["grade"], description="A to F"),
    a_property("code", isExactMatchRequired=True, rankingHint={"importanceScore": "high"}),
)


@pytest.fixture
def whole(graph) -> dict:
    """A connection with every property set, as beta shows it."""
    body = {**FULL, **BETA, "configuration": {**FULL["configuration"], "region": {"name": "eu"}}}
    assert graph.post("/beta/external/connections", body).status_code == 201
    return shown(graph)


def shown(graph) -> dict:
    return untagged(graph.get("/beta/external/connections/contosohr").json())


def nothing_changes(graph, path: str, body: dict, status: int = 204) -> None:
    read, records = graph.get(path).json(), Change.objects.count()
    response = graph.patch(path, body)
    assert response.status_code == status, response.content
    assert graph.get(path).json() == read
    assert Change.objects.count() == records


# Connections -------------------------------------------------------------------------------------


@pytest.mark.parametrize("root", ROOTS)
@pytest.mark.parametrize("accept", ["*/*", "application/json;odata.metadata=full"])
def test_a_connection(graph, whole, root, accept):
    path = f"{root}connections/contosohr"
    nothing_changes(graph, path, graph.get(path, Accept=accept).json())
    assert shown(graph) == whole


@pytest.mark.parametrize("root", ROOTS)
def test_a_connection_of_a_list(graph, whole, root):
    row = graph.get(f"{root}connections").json()["value"][0]
    nothing_changes(graph, f"{root}connections/contosohr", row)
    assert shown(graph) == whole


def test_a_connection_with_nothing_in_it(graph, application):
    make_connection("empty", owner=application)
    for version in ("v1.0", "beta"):
        path = f"/{version}/connections/empty"
        nothing_changes(graph, path, graph.get(path).json())


def test_a_connection_in_an_unknown_state_and_category(graph, application):
    make_connection(
        "preview",
        owner=application,
        state=ConnectionState.UNKNOWN_FUTURE_VALUE,
        content_category=ContentCategory.UNKNOWN_FUTURE_VALUE,
    )
    path = "/v1.0/connections/preview"
    read = graph.get(path).json()
    assert (read["state"], read["contentCategory"]) == ("unknownFutureValue", "unknownFutureValue")
    nothing_changes(graph, path, read)


def test_annotations_of_every_kind(graph, whole):
    body = {**whole, **FULL_METADATA}
    for member in ("configuration", "activitySettings", "searchSettings", "complianceSettings"):
        kind = f"#microsoft.graph.externalConnectors.{member}"
        body[member] = {"@odata.type": kind, "x@odata.type": "#String", **whole[member]}
    nothing_changes(graph, "/beta/connections/contosohr", body)


@pytest.mark.parametrize("root", ROOTS)
def test_what_was_expanded_is_left_alone(graph, application, root):
    make_connection("contosohr", owner=application)
    graph.patch("/beta/connections/contosohr/schema", LABELLED)
    work_off()
    path = f"{root}connections/contosohr"
    body = graph.get(path).json() | {
        "operations": graph.get(f"{path}/operations").json()["value"],
        "schema": graph.get(f"{path}/schema").json(),
        "items": [],
        "groups": None,
    }
    assert body["operations"]
    nothing_changes(graph, path, body)
    assert ConnectionOperation.objects.count() == 1


@pytest.mark.parametrize("member", ["operations", "schema", "items", "groups", "quota"])
def test_a_new_connection_brings_nothing_along(graph, member):
    body = {"id": "contosohr", "name": "HR", member: {"id": "x"}}
    assert_refused(
        graph.post("/beta/connections", body),
        400,
        "InvalidRequest",
        inner="InvalidPropertyValue",
        target=member,
        says="it has an address of its own",
    )
    assert not ExternalConnection.objects.exists()


def test_one_member_changed_and_all_the_others_sent_along(graph, whole):
    body = {**whole, **FULL_METADATA, "name": "New name"}
    assert graph.patch("/beta/connections/contosohr", body).status_code == 204
    assert shown(graph) == {**whole, "name": "New name"}
    assert Change.objects.first().after == {"name": "New name"}


def test_a_connection_that_was_read_can_be_created_again_under_another_id(graph, whole):
    body = {**whole, **FULL_METADATA, "id": "copy"}
    assert graph.post("/beta/connections", body).status_code == 201
    copy = untagged(graph.get("/beta/external/connections/copy").json())
    assert {**copy, "id": "contosohr"} == whole


# Operations --------------------------------------------------------------------------------------

ERROR = {
    "code": "QuotaExceeded",
    "message": "Too many items.",
    "target": "items",
    "details": [{"code": "c", "message": "m", "target": "t"}],
    "innerError": {"code": "x", "request-id": "r", "deep": {"a": [1, None, True]}},
}


@pytest.mark.parametrize("root", ROOTS)
@pytest.mark.parametrize(
    "body",
    [
        {"status": "unspecified"},
        {"status": "inprogress"},
        {"status": "completed"},
        {"status": "failed"},
        {"status": "failed", "error": ERROR},
    ],
    ids=lambda body: "-".join(body.values() if len(body) == 1 else ["failed", "error"]),
)
def test_an_operation(graph, application, root, body):
    make_connection("contosohr", owner=application)
    path = f"{root}connections/contosohr/operations"
    created = graph.post(path, body).json()
    one = f"{path}/{created['id']}"
    nothing_changes(graph, one, graph.get(one).json(), status=200)
    annotated = {
        "@odata.type": "#microsoft.graph.externalConnectors.connectionOperation",
        "@odata.etag": 'W/"1"',
        "status@odata.type": "#microsoft.graph.externalConnectors.connectionOperationStatus",
        **created,
    }
    if created["error"]:
        annotated["error"] = {"@odata.type": "#microsoft.graph.publicError", **created["error"]}
    nothing_changes(graph, one, annotated, status=200)


# Schemas -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("root", ROOTS)
@pytest.mark.parametrize("headers", [{}, UNMASKED], ids=["masked", "unmasked"])
def test_a_schema_stays_the_same_in_every_part(graph, application, root, headers):
    """It is registered again, as every PATCH of a schema; what is in force does not differ."""
    connection = make_connection("contosohr", owner=application)
    graph.patch("/beta/connections/contosohr/schema", LABELLED)
    work_off()
    in_force = connection.schema_in_force.document
    assert in_force["properties"][0]["labels"] == ["title", "iconUrl", "url", "tags"]
    path = f"{root}connections/contosohr/schema"
    read = graph.get(path, **headers).json()
    annotated = {
        **read,
        "@odata.type": "#microsoft.graph.externalConnectors.schema",
        "properties": [
            {
                "@odata.type": "#microsoft.graph.externalConnectors.property",
                "labels@odata.type": "#Collection(microsoft.graph.externalConnectors.label)",
                **prop,
            }
            for prop in read["properties"]
        ],
    }
    for body in (read, annotated):
        assert graph.patch(path, body).status_code == 202
        work_off()
        assert connection.schema_in_force.document == in_force
    assert connection.schema_in_force.version == 3
