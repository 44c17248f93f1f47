"""What an update of a schema may change, attribute by attribute, through the API and the worker."""

from __future__ import annotations

import pytest

from operations.models import ConnectionOperation, Schema
from tests.factories import a_property, a_schema, make_connection, work_off
from tests.graph import assert_refused

HERE = "/beta/connections/contosohr/schema"
ALWAYS = {"isRetrievable": True}


@pytest.fixture
def update(graph, application):
    """A function: register one property as ``before``, then update it to ``after``."""
    make_connection("contosohr", owner=application)

    def send(before: dict, after: dict, *more: dict):
        assert graph.patch(HERE, a_schema(a_property("one", **before))).status_code == 202
        work_off()
        return graph.patch(HERE, a_schema(a_property(**{"name": "one", **after}), *more))

    return send


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("isSearchable", True),
        ("isQueryable", True),
        ("aliases", ["uno", "eins"]),
        ("labels", ["title"]),
        ("labels", ["iconUrl"]),
        ("description", "First"),
        ("isExactMatchRequired", True),
        ("rankingHint", {"importanceScore": "high"}),
    ],
    ids=str,
)
@pytest.mark.parametrize("adding", [True, False], ids=["adding", "removing"])
def test_what_may_be_added_and_removed(graph, update, member, value, adding):
    given, other = {**ALWAYS, member: value}, ALWAYS
    response = update(other, given) if adding else update(given, other)
    assert response.status_code == 202, response.content
    work_off()
    shown = graph.get(HERE, Prefer="include-unknown-enum-members").json()["properties"][0]
    empty = [] if isinstance(value, list) else None
    assert shown[member] == (value if adding else empty)
    assert Schema.objects.count() == 2


@pytest.mark.parametrize("member", ["aliases", "labels"])
def test_aliases_and_labels_may_be_exchanged(graph, update, member):
    before, after = (["title"], ["fileName"]) if member == "labels" else (["uno"], ["eins"])
    assert update({**ALWAYS, member: before}, {**ALWAYS, member: after}).status_code == 202
    work_off()
    assert graph.get(HERE).json()["properties"][0][member] == after


def test_a_label_may_move_to_another_property(graph, update):
    moved = a_property("two", isRetrievable=True, labels=["title"])
    assert update({**ALWAYS, "labels": ["title"]}, ALWAYS, moved).status_code == 202
    work_off()
    labels = [prop["labels"] for prop in graph.get(HERE).json()["properties"]]
    assert labels == [[], ["title"]]


def test_retrievable_may_be_added(graph, update):
    assert update({}, ALWAYS).status_code == 202
    work_off()
    assert graph.get(HERE).json()["properties"][0]["isRetrievable"] is True


@pytest.mark.parametrize(
    "new",
    [
        a_property("two"),
        a_property("two", type="boolean", isQueryable=True, isRetrievable=True),
        a_property("two", type="dateTime", isRefinable=True, isRetrievable=True),
        a_property("two", isSearchable=True, isRetrievable=True, labels=["title"], aliases=["t"]),
        a_property("two", type="principal"),
        a_property("two", isExactMatchRequired=True, rankingHint={"importanceScore": "low"}),
    ],
)
def test_a_new_property_may_have_any_attributes(graph, update, new):
    assert update({}, {}, new).status_code == 202
    work_off()
    assert [prop["name"] for prop in graph.get(HERE).json()["properties"]] == ["one", "two"]


@pytest.mark.parametrize(
    ("before", "after", "target", "code"),
    [
        ({"isRetrievable": True}, {"isRetrievable": False}, "isRetrievable", "RetrievableRemoved"),
        ({"isRetrievable": True}, {"isRetrievable": None}, "isRetrievable", "RetrievableRemoved"),
        ({"isRetrievable": True}, {}, "isRetrievable", "RetrievableRemoved"),
        ({"isRefinable": True}, {}, "isRefinable", "RefinableChanged"),
        ({}, {"isRefinable": "true"}, "isRefinable", "RefinableChanged"),
        ({}, {"type": "Int64"}, "type", "PropertyTypeChanged"),
        ({}, {"type": "stringCollection"}, "type", "PropertyTypeChanged"),
        ({}, {"type": "principal"}, "type", "PropertyTypeChanged"),
        ({"type": "principal"}, {"type": "principalCollection"}, "type", "PropertyTypeChanged"),
    ],
)
def test_what_may_not_be_changed(graph, update, before, after, target, code):
    error = assert_refused(
        update(before, after), 400, "InvalidRequest", inner=code, target=f"properties/0/{target}"
    )
    assert len(error["details"]) == 1
    assert ConnectionOperation.objects.count() == Schema.objects.count() == 1


@pytest.mark.parametrize("name", ["other", "One"])
def test_a_property_may_not_be_renamed(graph, update, name):
    assert_refused(
        update({}, {"name": name}),
        400,
        "InvalidRequest",
        inner="PropertyRemoved",
        target="properties",
        says="'one' is registered and is missing here",
    )


def test_a_property_may_not_be_left_out(graph, update):
    assert update({}, {}, a_property("two")).status_code == 202
    work_off()
    assert_refused(
        graph.patch(HERE, a_schema(a_property("one"))),
        400,
        "InvalidRequest",
        inner="PropertyRemoved",
        says="'two' is registered and is missing here",
    )


def test_an_update_obeys_every_rule_of_a_registration(graph, update):
    """What was left alone counts too: here a kept label needs what the update takes away."""
    response = update({**ALWAYS, "labels": ["title"]}, {"labels": ["title"]})
    error = assert_refused(response, 400, "InvalidRequest")
    assert {fault["code"] for fault in error["details"]} == {
        "LabelNotRetrievable",
        "RetrievableRemoved",
    }


def test_the_order_of_properties_may_change(graph, update):
    assert update({}, {}, a_property("two")).status_code == 202
    work_off()
    assert graph.patch(HERE, a_schema(a_property("two"), a_property("one"))).status_code == 202
    work_off()
    assert [prop["name"] for prop in graph.get(HERE).json()["properties"]] == ["two", "one"]
