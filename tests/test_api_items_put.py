"""``PUT /connections/{id}/items/{id}``: create or replace a whole item; 200 either way."""

from __future__ import annotations

import json

import pytest

from operations.models import Change, ExternalItem
from tests.graph import assert_refused, untagged
from tests.item_bodies import EVERYONE, holding, item
from tests.ready import BETA, HERE, ITEMS, SERVER, make_ready, put, ready, tallied

WAYS_IN = [
    f"/{root}/{path}/contosohr"
    for root in ("v1.0", "beta")
    for path in ("external/connections", "connections")
]
HERS = {"accessType": "grant", "type": "user", "value": "ab3a4b0c-0001-4a0c-9b0a-2f3f0f2f1c11"}
WHOLE = {
    "acl": [HERS, {"accessType": "deny", "type": "externalGroup", "value": "31bea3d537902000"}],
    "properties": {"title": "Error in the payment gateway", "size": 1},
    "content": {"type": "text", "value": "Error in payment gateway..."},
    "informationProtectionLabel": {"sensitivityLabelId": "f71f1f74-bf1f-4e6b-b266-c777ea76e2s8"},
}


@pytest.fixture
def graph(db):
    return ready()


def nothing_was_written() -> bool:
    return not ExternalItem.objects.exists() and not tallied()


@pytest.mark.parametrize("way_in", WAYS_IN)
def test_creates_through_both_roots_and_both_paths(graph, way_in):
    response = graph.put(f"{way_in}/items/TSP228082938", WHOLE)
    assert response.status_code == 200
    root = way_in.split("/")[1]
    assert untagged(response.json()) == {
        "@odata.context": (
            f"{SERVER}/{root}/$metadata#external/connections('contosohr')/items/$entity"
        ),
        "id": "TSP228082938",
        **WHOLE,
    }
    assert "Location" not in response
    assert response["ETag"] == response.json()["@odata.etag"]
    assert graph.get(f"{way_in}/items/TSP228082938").json() == response.json()
    assert tallied() == 1


def test_replaces_all_of_it(graph):
    created = put(graph, f"{ITEMS}/a", WHOLE)
    replaced = put(graph, f"{ITEMS}/a", item())
    assert replaced["@odata.etag"] != created["@odata.etag"]
    assert untagged(graph.get(f"{ITEMS}/a").json()) == {
        "@odata.context": created["@odata.context"],
        "id": "a",
        **item(),
        "content": None,
    }
    assert (ExternalItem.objects.count(), tallied()) == (1, 1)


def test_the_same_twice_is_the_same(graph):
    first, second = put(graph, f"{ITEMS}/a", WHOLE), put(graph, f"{ITEMS}/a", WHOLE)
    assert untagged(first) == untagged(second)
    assert tallied() == 1


def test_the_row_says_who_wrote_it_last_and_there_is_no_change(graph):
    before = Change.objects.count()
    put(graph, f"{ITEMS}/a", WHOLE)
    created = ExternalItem.objects.get()
    response = graph.put(f"{ITEMS}/a", item())
    written = ExternalItem.objects.get()
    assert written.pk == created.pk
    assert (written.changed_by, written.changed_by_app_id, written.request_id) == (
        graph.application.name,
        graph.application.app_id,
        response["request-id"],
    )
    assert written.created_at == created.created_at < written.changed_at
    assert (created.version, written.version) == (1, 2)
    assert Change.objects.count() == before


def test_the_id_may_be_in_the_body_as_well(graph):
    assert put(graph, f"{ITEMS}/a", {"id": "a", **item()})["id"] == "a"
    assert put(graph, f"{ITEMS}/a", {"id": None, **item()})["id"] == "a"


@pytest.mark.parametrize("graph_id", ["b", "A", "", 1, ["a"], {}])
def test_another_id_in_the_body_is_refused(graph, graph_id):
    response = graph.put(f"{ITEMS}/a", {"id": graph_id, **item()})
    assert_refused(
        response,
        400,
        "InvalidRequest",
        inner="InvalidPropertyValue",
        target="id",
        says="Property 'id' must be the id in the address, or be left out.",
    )
    assert nothing_was_written()


def test_ids_differ_by_case(graph):
    put(graph, f"{ITEMS}/a", item(properties={"title": "small"}))
    put(graph, f"{ITEMS}/A", item(properties={"title": "capital"}))
    assert graph.get(f"{ITEMS}/a").json()["properties"] == {"title": "small"}
    assert graph.get(f"{ITEMS}/A").json()["properties"] == {"title": "capital"}


def test_the_connections_id_is_found_in_any_case(graph):
    body = put(graph, "/v1.0/connections/ContosoHR/items/a", item())
    assert "#external/connections('contosohr')/items/$entity" in body["@odata.context"]


@pytest.mark.parametrize("member", ["acl", "properties"])
@pytest.mark.parametrize("how", ["left out", "null"])
def test_what_must_be_there(graph, member, how):
    body = item(**{member: None})
    if how == "left out":
        del body[member]
    rule = "is required." if how == "left out" else "must not be null."
    response = graph.put(f"{ITEMS}/a", body)
    assert_refused(response, 400, "InvalidRequest", target=member, says=f"'{member}' {rule}")
    assert nothing_was_written()


def test_an_empty_acl_is_kept(graph):
    """Nobody sees such an item, which is what is asked for."""
    assert put(graph, f"{ITEMS}/a", item(acl=[]))["acl"] == []


def test_all_principal_types_and_both_kinds_of_access(graph):
    acl = [
        {"accessType": access, "type": kind, "value": "v"}
        for access in ("grant", "deny")
        for kind in ("user", "group", "everyone", "everyoneExceptGuests", "externalGroup")
    ]
    assert put(graph, f"{ITEMS}/a", item(acl=acl))["acl"] == acl
    assert graph.get(f"{ITEMS}/a").json()["acl"] == acl


def test_words_are_read_in_any_case_and_written_in_graphs(graph):
    acl = [{"accessType": "Grant", "type": "EVERYONEEXCEPTGUESTS", "value": "v"}]
    body = put(graph, f"{ITEMS}/a", item(acl=acl, content={"type": "HTML", "value": "<p>"}))
    assert body["acl"] == [{"accessType": "grant", "type": "everyoneExceptGuests", "value": "v"}]
    assert body["content"] == {"type": "html", "value": "<p>"}


def test_a_source_of_identities_is_betas(graph):
    acl = [{**HERS, "identitySource": "azureActiveDirectory"}]
    response = graph.put(f"{ITEMS}/a", item(acl=acl))
    assert_refused(
        response,
        400,
        "InvalidRequest",
        inner="PropertyNotDeclared",
        target="acl/0/identitySource",
        says="It is declared on /beta only.",
    )
    assert put(graph, f"{BETA}/items/a", item(acl=acl))["acl"] == acl
    assert graph.get(f"{BETA}/items/a").json()["acl"] == acl
    assert graph.get(f"{ITEMS}/a").json()["acl"] == [HERS]


@pytest.mark.parametrize(
    "content",
    [
        None,
        {"type": "text", "value": None},
        {"type": "text", "value": ""},
        {"type": "html", "value": "<p>&amp; 東京</p>\r\n"},
    ],
)
def test_content(graph, content):
    assert put(graph, f"{ITEMS}/a", item(content=content))["content"] == content
    assert graph.get(f"{ITEMS}/a").json()["content"] == content


def test_content_without_a_value_has_none(graph):
    body = put(graph, f"{ITEMS}/a", item(content={"type": "text"}))
    assert body["content"] == {"type": "text", "value": None}


@pytest.mark.parametrize("label", [{}, {"sensitivityLabelId": None}])
def test_an_empty_label(graph, label):
    body = put(graph, f"{ITEMS}/a", item(informationProtectionLabel=label))
    assert body["informationProtectionLabel"] == {"sensitivityLabelId": None}
    assert "informationProtectionLabel" not in put(graph, f"{ITEMS}/a", item())


def test_activities_may_be_there_as_they_are_read_but_not_be_written(graph):
    body = put(graph, f"{ITEMS}/a", item(activities=[]))
    assert "activities" not in body
    response = graph.put(f"{ITEMS}/b", item(activities=[{"type": "viewed"}]))
    assert_refused(response, 400, "InvalidRequest", target="activities", says="addActivities")


def test_control_information_is_tolerated_everywhere(graph):
    body = {
        "@odata.context": "https://graph.microsoft.com/v1.0/$metadata#x",
        "@odata.type": "microsoft.graph.externalConnectors.externalItem",
        "@odata.etag": 'W/"1"',
        "acl@odata.type": "#Collection(microsoft.graph.externalConnectors.acl)",
        "acl": [{"@odata.type": "#microsoft.graph.externalConnectors.acl", **EVERYONE}],
        "properties": {
            "@odata.type": "microsoft.graph.externalConnectors.properties",
            "title@odata.type": "String",
            "title": "A",
        },
        "content": {
            "@odata.type": "#microsoft.graph.externalConnectors.externalItemContent",
            "type": "text",
            "value": "a",
        },
    }
    answered = untagged(put(graph, f"{ITEMS}/a", body))
    assert answered["acl"] == [EVERYONE]
    assert answered["properties"] == body["properties"]
    assert answered["content"] == {"type": "text", "value": "a"}


def test_an_item_that_was_read_can_be_sent_back_whole(graph):
    bag = holding("tags", ["a", "b"]) | {"due": "2024-05-31T08:30:00Z", "title": None}
    put(graph, f"{BETA}/items/a", {**WHOLE, "properties": bag})
    for root in (HERE, BETA):
        for accept in ("application/json;odata.metadata=full", "*/*"):
            read = graph.get(f"{root}/items/a", Accept=accept)
            answered = graph.put(f"{root}/items/a", read.content, Accept=accept)
            assert untagged(answered.json()) == untagged(read.json())


@pytest.mark.parametrize(
    "content_type", ["application/x-www-form-urlencoded", "text/plain", "application/xml", ""]
)
def test_whatever_the_content_type_says(graph, content_type):
    response = graph.put(f"{ITEMS}/a", item(), Content_Type=content_type)
    assert response.status_code == 200


def test_what_m365_sends(graph):
    """``m365 external item add``, with its own headers."""
    body = {
        "id": "1",
        "content": {"value": "Some text", "type": "text"},
        "acl": [{"accessType": "grant", "type": "everyone", "value": "everyone"}],
        "properties": {"title": "A", "tags@odata.type": "Collection(String)", "tags": ["a", "b"]},
    }
    accept = "application/json;odata.metadata=none"
    answered = put(graph, f"{ITEMS}/1", body, Accept=accept)
    assert answered == {
        "id": "1",
        "acl": body["acl"],
        "properties": body["properties"],
        "content": {"type": "text", "value": "Some text"},
    }


def test_what_the_python_sdk_sends(graph):
    """A doubled slash, the type in the body, dates with an offset."""
    body = {
        "@odata.type": "#microsoft.graph.externalConnectors.externalItem",
        "acl": [{"accessType": "grant", "type": "everyone", "value": "everyone"}],
        "content": {"type": "text", "value": "a"},
        "properties": {"title": "A", "due": "2024-01-02T03:04:05+00:00"},
    }
    path = "/v1.0//external/connections/contosohr/items/a%2Fb"
    assert put(graph, path, body)["id"] == "a/b"


def test_what_published_connectors_send(graph):
    body = {
        "id": "1",
        "acl": [{"accessType": "grant", "type": "everyone", "value": "everyone"}],
        "content": {"value": "<p>a</p>", "type": "html"},
        "properties": {
            "title": "A",
            "tags@odata.type": "Collection(String)",
            "tags": ["a"],
            "due": "2022-01-05T09:28:31.000Z",
        },
    }
    assert put(graph, f"{BETA}/items/1", body)["properties"] == body["properties"]


def test_every_fault_at_once_each_with_its_property_and_rule(graph):
    body = {
        "id": "other",
        "acl": [
            {"accessType": "allow", "type": "user", "value": ""},
            {"accessType": "grant", "type": "everyone"},
        ],
        "properties": {
            "titel": "A",
            "size": "1",
            "due": "2024-05-31",
            "tags": ["a", 1],
            "open": None,
        },
        "content": {"type": "pdf"},
        "colour": "red",
    }
    error = assert_refused(graph.put(f"{ITEMS}/a", body), 400, "InvalidRequest")
    assert {(each["code"], each["target"]) for each in error["details"]} == {
        ("PropertyNotDeclared", "colour"),
        ("InvalidPropertyValue", "id"),
        ("InvalidPropertyValue", "acl/0/accessType"),
        ("InvalidPropertyValue", "acl/0/value"),
        ("RequiredPropertyMissing", "acl/1/value"),
        ("PropertyNotDeclared", "properties/titel"),
        ("InvalidPropertyValue", "properties/size"),
        ("InvalidPropertyValue", "properties/due"),
        ("InvalidPropertyValue", "properties/tags/1"),
        ("RequiredPropertyMissing", "properties/tags@odata.type"),
        ("InvalidPropertyValue", "content/type"),
    }
    sentences = {each["target"]: each["message"] for each in error["details"]}
    assert sentences["properties/titel"] == (
        "Property 'properties/titel' is not in the schema of the connection. Did you mean 'title'?"
    )
    assert sentences["properties/size"] == (
        "Property 'properties/size' must be an integer of at most 64 bits, not a string: "
        "the type of 'size' in the schema is int64."
    )
    assert nothing_was_written()


def test_a_put_that_is_refused_leaves_what_was_there(graph):
    created = put(graph, f"{ITEMS}/a", WHOLE)
    refused = graph.put(f"{ITEMS}/a", item(properties={}))
    assert_refused(
        refused, 400, "InvalidRequest", target="properties", says="at least one property"
    )
    assert graph.get(f"{ITEMS}/a").json() == created


def test_if_match_writes_only_what_was_seen(graph):
    tag = put(graph, f"{ITEMS}/a", item())["@odata.etag"]
    newer = put(graph, f"{ITEMS}/a", WHOLE, If_Match=tag)
    response = graph.put(f"{ITEMS}/a", item(), If_Match=tag)
    assert_refused(response, 412, "PreconditionFailed")
    assert graph.get(f"{ITEMS}/a").json() == newer
    put(graph, f"{ITEMS}/a", item(), If_Match="*")


def test_if_match_of_an_item_that_is_not_there(graph):
    for tag in ("*", 'W/"1-i1"'):
        response = graph.put(f"{ITEMS}/a", item(), If_Match=tag)
        assert_refused(response, 412, "PreconditionFailed")
    assert nothing_was_written()


def test_if_none_match_creates_and_does_not_replace(graph):
    created = put(graph, f"{ITEMS}/a", item(), If_None_Match="*")
    response = graph.put(f"{ITEMS}/a", WHOLE, If_None_Match="*")
    assert_refused(response, 412, "PreconditionFailed")
    assert graph.get(f"{ITEMS}/a").json() == created


def test_return_minimal_is_a_204(graph):
    response = graph.put(f"{ITEMS}/a", item(), Prefer="return=minimal")
    assert (response.status_code, response.content) == (204, b"")
    assert response["Preference-Applied"] == "return=minimal"
    assert response["ETag"] == graph.get(f"{ITEMS}/a")["ETag"]
    response = graph.put(f"{ITEMS}/a", item(), Prefer="return=representation")
    assert response.status_code == 200
    assert response["Preference-Applied"] == "return=representation"


def test_no_query_option(graph):
    response = graph.put(f"{ITEMS}/a?$select=id", item())
    assert_refused(response, 400, "BadRequest", inner="InvalidQueryOption", target="$select")
    assert nothing_was_written()


def test_a_connection_that_is_not_there(graph):
    response = graph.put("/v1.0/connections/nosuch/items/a", item())
    error = assert_refused(response, 404, "ItemNotFound", inner="ResourceNotFound")
    assert error["innerError"]["source"] == "Connection"


def test_the_same_id_in_two_connections_is_two_items(graph):
    other = make_ready("second", owner=graph.application)
    put(graph, f"{ITEMS}/a", WHOLE)
    put(graph, "/v1.0/connections/second/items/a", item())
    assert graph.get(f"{ITEMS}/a").json()["content"] == WHOLE["content"]
    assert (ExternalItem.objects.count(), tallied(), tallied(other)) == (2, 2, 1)


def test_no_other_method(graph):
    response = graph.post(f"{ITEMS}/a", item())
    assert_refused(response, 405, "Request_BadRequest")
    assert set(response["Allow"].split(", ")) == {"GET", "PUT", "PATCH", "DELETE", "HEAD"}


def test_in_a_batch(graph):
    parts = [
        {"id": f"{n}", "method": "PUT", "url": f"/external/connections/contosohr/items/{n}"}
        for n in range(3)
    ]
    bodies = [item(), WHOLE, item(properties={"nosuch": 1})]
    for part, body in zip(parts, bodies, strict=True):
        part |= {"headers": {"Content-Type": "application/json"}, "body": body}
    answered = graph.post("/v1.0/$batch", {"requests": parts}).json()["responses"]
    assert [part["status"] for part in answered] == [200, 200, 400]
    assert answered[1]["body"]["content"] == WHOLE["content"]
    assert answered[2]["body"]["error"]["details"][0]["target"] == "properties/nosuch"
    assert json.loads(graph.get(f"{ITEMS}/1").content) == answered[1]["body"]
    assert tallied() == 2
