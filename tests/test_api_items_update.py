"""``PATCH /connections/{id}/items/{id}``: the members that are sent, each of them whole."""

from __future__ import annotations

import pytest

from operations.models import Change, ExternalItem, Schema
from tests.factories import a_property, a_schema, register_schema
from tests.graph import assert_refused, untagged
from tests.item_bodies import EVERYONE, holding, item
from tests.ready import BETA, HERE, ITEMS, SERVER, make_ready, put, ready, tallied

PATH = f"{ITEMS}/a"
DENY = {"accessType": "deny", "type": "group", "value": "g"}
LABEL = {"sensitivityLabelId": "secret"}
WHOLE = {
    "acl": [EVERYONE],
    "properties": holding("tags", ["a"]) | {"title": "A", "size": 1},
    "content": {"type": "text", "value": "a"},
    "informationProtectionLabel": LABEL,
}


@pytest.fixture
def graph(db):
    graph = ready()
    put(graph, PATH, WHOLE)
    return graph


def stored(graph):
    answered = untagged(graph.get(PATH).json())
    return {name: answered[name] for name in answered if name in WHOLE}


@pytest.mark.parametrize(
    "sent",
    [
        {"acl": [DENY]},
        {"acl": []},
        {"properties": {"size": 2}},
        {"content": {"type": "html", "value": "<p>"}},
        {"content": {"type": "text", "value": None}},
        {"content": None},
        {"informationProtectionLabel": {"sensitivityLabelId": None}},
        {"acl": [DENY], "content": None, "properties": {"title": "B"}},
    ],
)
@pytest.mark.parametrize("root", [HERE, BETA, "/v1.0/connections/contosohr"])
def test_what_is_sent_is_replaced_whole_and_the_rest_stays(graph, root, sent):
    response = graph.patch(f"{root}/items/a", sent)
    assert response.status_code == 200
    answered = untagged(response.json())
    assert answered.pop("@odata.context") == (
        f"{SERVER}/{root.split('/')[1]}/$metadata#external/connections('contosohr')/items/$entity"
    )
    assert answered == {"id": "a", **WHOLE, **sent}
    assert stored(graph) == {**WHOLE, **sent}
    assert response["ETag"] == graph.get(PATH)["ETag"]


def test_a_label_can_be_taken_away(graph):
    assert (
        "informationProtectionLabel"
        not in graph.patch(PATH, {"informationProtectionLabel": None}).json()
    )
    assert "informationProtectionLabel" not in stored(graph)


def test_nothing_sent_changes_nothing(graph):
    assert graph.patch(PATH, {}).status_code == 200
    assert stored(graph) == WHOLE


def test_it_counts_as_a_replacement(graph):
    before = Change.objects.count()
    response = graph.patch(PATH, {"acl": []})
    assert tallied() == 1
    written = ExternalItem.objects.get()
    assert (written.version, written.request_id) == (2, response["request-id"])
    assert Change.objects.count() == before


def test_an_object_that_was_read_can_be_sent_back(graph):
    read = graph.get(PATH).json()
    answered = graph.patch(PATH, {**read, "activities": []})
    assert untagged(answered.json()) == untagged(read)


def test_where_an_identity_is_known_stays_when_v1_changes_something_else(graph):
    acl = [{**EVERYONE, "identitySource": "external"}]
    graph.patch(f"{BETA}/items/a", {"acl": acl})
    graph.patch(PATH, {"content": None})
    assert graph.get(f"{BETA}/items/a").json()["acl"] == acl


@pytest.mark.parametrize("member", ["acl", "properties"])
def test_what_must_be_there_cannot_be_cleared(graph, member):
    response = graph.patch(PATH, {member: None})
    assert_refused(
        response,
        400,
        "InvalidRequest",
        inner="InvalidPropertyValue",
        target=member,
        says=f"Property '{member}' must not be null.",
    )
    assert stored(graph) == WHOLE


def test_properties_are_checked_against_the_schema_in_force(graph):
    response = graph.patch(PATH, {"properties": {"size": "2", "colour": "red"}, "x": 1})
    error = assert_refused(response, 400, "InvalidRequest")
    targets = [each["target"] for each in error["details"]]
    assert targets == ["x", "properties/size", "properties/colour"]
    assert stored(graph) == WHOLE


def test_what_is_not_sent_is_not_held_against_a_later_schema(db):
    """A property cannot leave a schema, but can come: it is there for the items of before."""
    graph = ready()
    other = make_ready("second", owner=graph.application, document=a_schema(a_property("title")))
    path = "/v1.0/connections/second/items/a"
    put(graph, path, item())
    assert_refused(graph.patch(path, {"properties": {"size": 1}}), 400, "InvalidRequest")
    register_schema(other, a_schema(a_property("title"), a_property("size", type="int64")))
    assert Schema.objects.filter(connection=other).count() == 2
    assert graph.patch(path, {"properties": {"size": 1}}).json()["properties"] == {"size": 1}
    assert graph.patch(path, {"acl": []}).json()["properties"] == {"size": 1}


def test_another_id_in_the_body(graph):
    response = graph.patch(PATH, {"id": "b"})
    assert_refused(response, 400, "InvalidRequest", target="id", says="must be the id in the addr")
    assert graph.patch(PATH, {"id": "a", "acl": []}).status_code == 200


def test_an_item_that_is_not_there_is_not_made(graph):
    response = graph.patch(f"{ITEMS}/b", {"acl": []})
    error = assert_refused(response, 404, "ItemNotFound", inner="ResourceNotFound")
    assert error["innerError"]["source"] == "ExternalItem"
    assert tallied() == 1


def test_if_match(graph):
    tag = graph.get(PATH)["ETag"]
    assert graph.patch(PATH, {"acl": []}, If_Match=tag).status_code == 200
    assert_refused(graph.patch(PATH, {"acl": [DENY]}, If_Match=tag), 412, "PreconditionFailed")
    assert graph.patch(PATH, {"acl": [DENY]}, If_Match="*").status_code == 200
    assert_refused(graph.patch(PATH, {"acl": []}, If_None_Match="*"), 412, "PreconditionFailed")
    assert stored(graph)["acl"] == [DENY]


def test_return_minimal_is_a_204(graph):
    response = graph.patch(PATH, {"acl": []}, Prefer="return=minimal")
    assert (response.status_code, response.content) == (204, b"")
    assert response["Preference-Applied"] == "return=minimal"
    assert response["ETag"] == graph.get(PATH)["ETag"]


def test_no_query_option(graph):
    assert_refused(graph.patch(f"{PATH}?$top=1", {"acl": []}), 400, "BadRequest", target="$top")


def test_in_a_batch(graph):
    part = {"id": "1", "method": "PATCH", "url": "/connections/contosohr/items/a"}
    part |= {"headers": {"Content-Type": "application/json"}, "body": {"acl": [DENY]}}
    [answered] = graph.post("/v1.0/$batch", {"requests": [part]}).json()["responses"]
    assert (answered["status"], answered["body"]["acl"]) == (200, [DENY])
