"""Two schemas side by side, property by property. Pure: no database."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from operations.schema_diff import AttributeChange, diff
from operations.schema_rules import read_schema
from tests.factories import a_property, a_schema


def kinds(before, after):
    return [(change.name, change.kind) for change in diff(before, after)]


def attributes(before, after):
    (change,) = diff(a_schema(before), a_schema(after))
    return [(each.attribute, each.before, each.after) for each in change.attributes]


def test_the_order_is_that_of_the_later_schema_and_what_it_leaves_out_comes_last():
    before = a_schema(a_property("gone"), a_property("kept"), a_property("other"))
    after = a_schema(a_property("new"), a_property("other", type="int64"), a_property("kept"))
    assert kinds(before, after) == [
        ("new", "added"),
        ("other", "changed"),
        ("kept", "same"),
        ("gone", "removed"),
    ]


def test_no_schema_on_one_side_or_on_both():
    schema = a_schema(a_property("a"), a_property("b"))
    assert kinds(None, schema) == [("a", "added"), ("b", "added")]
    assert kinds(schema, None) == [("a", "removed"), ("b", "removed")]
    assert kinds(None, None) == kinds({}, {"properties": None}) == []


def test_an_added_and_a_removed_property_come_whole():
    new, gone = a_property("new", labels=["title"]), a_property("gone")
    added, removed = diff(a_schema(gone), a_schema(new))
    assert (added.before, added.after, added.attributes) == (None, new, ())
    assert (removed.before, removed.after, removed.attributes) == (gone, None, ())


def test_what_a_changed_property_differs_in_in_a_fixed_order():
    before = a_property("a", isSearchable=True, labels=["title"], description="x")
    after = a_property(
        "a",
        type="int64",
        isQueryable=True,
        labels=["title", "url"],
        rankingHint={"importanceScore": "high"},
        custom=1,
    )
    assert attributes(before, after) == [
        ("type", "string", "int64"),
        ("description", "x", None),
        ("labels", ["title"], ["title", "url"]),
        ("isSearchable", True, None),
        ("isQueryable", None, True),
        ("rankingHint", None, {"importanceScore": "high"}),
        ("custom", None, 1),
    ]


def test_names_are_matched_without_regard_to_case():
    (change,) = diff(a_schema(a_property("Title")), a_schema(a_property("title")))
    assert (change.name, change.kind) == ("title", "changed")
    assert change.attributes == (AttributeChange("name", "Title", "title"),)


def test_what_says_the_same_is_no_change():
    assert attributes(a_property(isSearchable=False, labels=[]), a_property(labels=None)) == []
    assert attributes(a_property(isSearchable=None), a_property(description="")) == []
    assert (
        attributes(a_property(labels=["title", "url"]), a_property(labels=["url", "title"])) == []
    )
    sent = a_schema(a_property("a", labels=["Title"], isRetrievable="true"))
    canonical, faults = read_schema(sent)
    assert not faults and kinds(canonical, read_schema(canonical)[0]) == [("a", "same")]


PROPERTIES = st.lists(
    st.builds(
        a_property,
        st.text("ab", min_size=1, max_size=3),
        type=st.sampled_from(["string", "int64"]),
        isSearchable=st.sampled_from([None, True, False]),
    ),
    max_size=5,
    unique_by=lambda prop: prop["name"],
)
SCHEMAS = st.none() | PROPERTIES.map(lambda properties: {"properties": properties})


@given(SCHEMAS, SCHEMAS)
@settings(deadline=None, database=None)
def test_backwards_says_the_opposite(before, after):
    forth = {change.name: change for change in diff(before, after)}
    back = {change.name: change for change in diff(after, before)}
    opposite = {"added": "removed", "removed": "added", "changed": "changed", "same": "same"}
    assert forth.keys() == back.keys()
    for name, change in forth.items():
        assert back[name].kind == opposite[change.kind]
        assert (back[name].before, back[name].after) == (change.after, change.before)
        assert bool(change.attributes) == (change.kind == "changed")
