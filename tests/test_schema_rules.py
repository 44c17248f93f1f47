"""What a schema may hold, and what an update may change. Pure: no database."""

from __future__ import annotations

import pytest

from operations.schema_rules import (
    BASE_TYPE,
    LABELS,
    LABELS_ABOVE_SENTINEL,
    TYPES,
    TYPES_ABOVE_SENTINEL,
    read_schema,
    types_for_label,
)


def prop(name="title", kind="string", **attributes):
    return {"name": name, "type": kind, **attributes}


def document(*properties, **members):
    return {"baseType": BASE_TYPE, "properties": list(properties), **members}


def faults_of(*properties, in_force=None, beta=False):
    """What is wrong with a schema of these properties, as (code, target) pairs."""
    _, faults = read_schema(document(*properties), in_force, beta=beta)
    return [(fault.code, fault.target) for fault in faults]


def canonical(*properties, beta=False):
    schema, faults = read_schema(document(*properties), beta=beta)
    assert faults == []
    return schema


# The whole document ------------------------------------------------------------------------------


def test_canonical_form():
    schema, faults = read_schema(
        document(prop(isRetrievable=True, labels=["title"], description="A title"))
    )
    assert faults == []
    assert schema == {
        "baseType": "microsoft.graph.externalItem",
        "properties": [
            {
                "name": "title",
                "type": "string",
                "description": "A title",
                "aliases": [],
                "labels": ["title"],
                "isSearchable": None,
                "isQueryable": None,
                "isRetrievable": True,
                "isRefinable": None,
            }
        ],
    }


@pytest.mark.parametrize("body", [None, [], "schema", 3])
def test_body_must_be_an_object(body):
    _, faults = read_schema(body)
    assert [fault.message for fault in faults] == ["The body must be a schema object."]


def test_base_type_is_required():
    _, faults = read_schema({"properties": [prop()]})
    assert [(f.code, f.message) for f in faults] == [
        ("RequiredPropertyMissing", "Property 'baseType' is required.")
    ]


@pytest.mark.parametrize(
    "base_type", ["microsoft.graph.externalConnector.externalItem", "externalItem", "", 7]
)
def test_base_type_must_be_external_item(base_type):
    _, faults = read_schema({"baseType": base_type, "properties": [prop()]})
    assert [(f.code, f.target) for f in faults] == [("InvalidPropertyValue", "baseType")]
    assert faults[0].message == "Property 'baseType' must be 'microsoft.graph.externalItem'."


def test_properties_are_required():
    _, faults = read_schema({"baseType": BASE_TYPE})
    assert [(f.code, f.target) for f in faults] == [("RequiredPropertyMissing", "properties")]


def test_properties_must_be_a_collection():
    _, faults = read_schema({"baseType": BASE_TYPE, "properties": {"name": "title"}})
    assert [f.message for f in faults] == ["Property 'properties' must be a collection."]


def test_no_property_at_all():
    assert faults_of() == [("RequiredPropertyMissing", "properties")]


@pytest.mark.parametrize("count, fits", [(1, True), (128, True), (129, False)])
def test_number_of_properties(count, fits):
    found = faults_of(*(prop(f"p{number}") for number in range(count)))
    assert found == ([] if fits else [("TooManyProperties", "properties")])


def test_the_fault_says_how_many_properties_there_were():
    _, faults = read_schema(document(*(prop(f"p{number}") for number in range(130))))
    assert faults[0].message == "Property 'properties' must have 1 to 128 entries, not 130."


def test_undeclared_members_are_named():
    _, faults = read_schema(document(prop(color="red"), state="draft"))
    assert [(f.code, f.target) for f in faults] == [
        ("PropertyNotDeclared", "state"),
        ("PropertyNotDeclared", "properties/0/color"),
    ]


def test_annotations_and_the_id_are_accepted_and_not_kept():
    body = document(
        prop(**{"@odata.type": "microsoft.graph.externalConnectors.property"}),
        **{"@odata.context": "https://example", "id": "schema"},
    )
    schema, faults = read_schema(body)
    assert faults == []
    assert set(schema) == {"baseType", "properties"}
    assert not any("@" in member for member in schema["properties"][0])


def test_an_entry_must_be_an_object():
    assert ("InvalidPropertyValue", "properties/1") in faults_of(prop(), "title")


def test_all_faults_at_once():
    _, faults = read_schema(
        {
            "baseType": "wrong",
            "extra": 1,
            "properties": [
                prop("with space", "text", isSearchable="maybe"),
                prop("flag", "boolean", isRefinable=True, isSearchable=True),
                prop("owner", labels=["createdBy", "nonsense"]),
                prop("FLAG"),
            ],
        }
    )
    assert {(fault.code, fault.target) for fault in faults} == {
        ("PropertyNotDeclared", "extra"),
        ("InvalidPropertyValue", "baseType"),
        ("InvalidIdentifier", "properties/0/name"),
        ("InvalidPropertyValue", "properties/0/type"),
        ("InvalidPropertyValue", "properties/0/isSearchable"),
        ("SearchableShouldBeOfType", "properties/1/isSearchable"),
        ("RefinerShouldNotBeOfType", "properties/1/isRefinable"),
        ("RefinerShouldNotBeSearchable", "properties/1/isRefinable"),
        ("InvalidPropertyValue", "properties/2/labels/1"),
        ("LabelNotRetrievable", "properties/2/labels"),
        ("DuplicateProperty", "properties/3/name"),
    }


# Names and aliases -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a", "Title", "x" * 32, "9lives"])
def test_good_names(name):
    assert faults_of(prop(name)) == []


@pytest.mark.parametrize(
    "name", ["", "x" * 33, "last name", "last-name", "last_name", "naïve", "a\n", "a@b", 5]
)
def test_bad_names(name):
    assert faults_of(prop(name)) == [("InvalidIdentifier", "properties/0/name")]


def test_name_is_required():
    assert faults_of({"type": "string"}) == [("RequiredPropertyMissing", "properties/0/name")]


@pytest.mark.parametrize("alias", ["two words", "x" * 33, ""])
def test_bad_aliases(alias):
    assert faults_of(prop(aliases=["fine", alias])) == [
        ("InvalidIdentifier", "properties/0/aliases/1")
    ]


@pytest.mark.parametrize("aliases", ["heading", ["heading", 4]])
def test_aliases_must_be_texts(aliases):
    assert faults_of(prop(aliases=aliases)) == [("InvalidPropertyValue", "properties/0/aliases")]


def test_names_and_aliases_are_unique_in_any_case():
    assert faults_of(prop("title"), prop("Title")) == [("DuplicateProperty", "properties/1/name")]
    assert faults_of(prop("title", aliases=["head"]), prop("HEAD")) == [
        ("DuplicateProperty", "properties/1/name")
    ]
    assert faults_of(prop("title"), prop("body", aliases=["TITLE"])) == [
        ("DuplicateProperty", "properties/1/aliases/0")
    ]
    assert faults_of(prop("title", aliases=["title"])) == [
        ("DuplicateProperty", "properties/0/aliases/0")
    ]


# Types, descriptions, flags ----------------------------------------------------------------------


@pytest.mark.parametrize("kind", [*TYPES, *TYPES_ABOVE_SENTINEL])
def test_every_type_of_graph(kind):
    assert canonical(prop(kind=kind))["properties"][0]["type"] == kind


@pytest.mark.parametrize("word, kind", [("String", "string"), ("DATETIME", "dateTime")])
def test_type_in_any_case(word, kind):
    assert canonical(prop(kind=word))["properties"][0]["type"] == kind


@pytest.mark.parametrize("word", ["text", "", 3, ["string"], "unknownFutureValue"])
def test_unknown_types(word):
    _, faults = read_schema(document(prop(kind=word)))
    assert [(f.code, f.target) for f in faults] == [("InvalidPropertyValue", "properties/0/type")]
    assert "must be one of string, int64, double, dateTime, boolean" in faults[0].message


def test_type_is_required():
    assert faults_of({"name": "title"}) == [("RequiredPropertyMissing", "properties/0/type")]


@pytest.mark.parametrize("text, fits", [("x" * 200, True), ("x" * 201, False), (5, False)])
def test_description(text, fits):
    expected = [] if fits else [("InvalidPropertyValue", "properties/0/description")]
    assert faults_of(prop(description=text)) == expected


@pytest.mark.parametrize("flag", ["isSearchable", "isQueryable", "isRetrievable", "isRefinable"])
def test_flags_may_be_text(flag):
    assert canonical(prop(**{flag: "True"}))["properties"][0][flag] is True
    assert canonical(prop(**{flag: "false"}))["properties"][0][flag] is False
    assert canonical(prop(**{flag: None}))["properties"][0][flag] is None
    assert faults_of(prop(**{flag: "yes"})) == [("InvalidPropertyValue", f"properties/0/{flag}")]
    assert faults_of(prop(**{flag: 1})) == [("InvalidPropertyValue", f"properties/0/{flag}")]


@pytest.mark.parametrize("kind", [*TYPES, *TYPES_ABOVE_SENTINEL])
def test_only_text_is_searchable(kind):
    expected = (
        []
        if kind in ("string", "stringCollection")
        else [("SearchableShouldBeOfType", "properties/0/isSearchable")]
    )
    assert faults_of(prop(kind=kind, isSearchable=True)) == expected
    assert faults_of(prop(kind=kind, isSearchable=False)) == []


def test_a_boolean_is_no_refiner():
    _, faults = read_schema(document(prop("isPublic", "boolean", isRefinable=True)))
    assert [(f.code, f.message) for f in faults] == [
        (
            "RefinerShouldNotBeOfType",
            "Refiner property 'isPublic' cannot be of type 'Boolean'.",
        )
    ]
    assert faults_of(prop("isPublic", "double", isRefinable=True)) == []


def test_a_refiner_is_not_searchable():
    assert faults_of(prop(isRefinable=True, isSearchable=True)) == [
        ("RefinerShouldNotBeSearchable", "properties/0/isRefinable")
    ]


# Labels ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("label", [*LABELS, *LABELS_ABOVE_SENTINEL])
def test_every_label_of_graph_on_every_type(label):
    for kind in [*TYPES, *TYPES_ABOVE_SENTINEL]:
        found = faults_of(prop(kind=kind, labels=[label], isRetrievable=True))
        fits = kind in types_for_label(label)
        assert found == ([] if fits else [("LabelTypeMismatch", "properties/0/labels")]), kind


@pytest.mark.parametrize(
    "label, kinds",
    [
        ("title", {"string", "stringCollection"}),
        ("dueDate", {"dateTime"}),
        ("createdDateTime", {"dateTime"}),
        ("numberOfReactions", {"int64"}),
        ("priorityNormalized", {"int64"}),
        ("authors", {"string", "stringCollection", "principal", "principalCollection"}),
        ("personManager", {"string", "stringCollection", "principal", "principalCollection"}),
    ],
)
def test_types_of_a_label(label, kinds):
    assert types_for_label(label) == kinds


def test_label_in_any_case():
    schema = canonical(prop(labels=["TITLE", "iconurl"], isRetrievable=True))
    assert schema["properties"][0]["labels"] == ["title", "iconUrl"]


@pytest.mark.parametrize("retrievable", [None, False])
def test_a_label_needs_a_retrievable_property(retrievable):
    assert faults_of(prop(labels=["title"], isRetrievable=retrievable)) == [
        ("LabelNotRetrievable", "properties/0/labels")
    ]


def test_a_label_belongs_to_one_property():
    one = prop("title", labels=["title"], isRetrievable=True)
    other = prop("heading", labels=["Title"], isRetrievable=True)
    assert faults_of(one, other) == [("DuplicateLabel", "properties/1/labels")]


def test_a_label_stands_once_on_a_property():
    found = faults_of(prop(labels=["title", "title"], isRetrievable=True))
    assert set(found) == {("DuplicateLabel", "properties/0/labels")}


def test_unknown_label():
    _, faults = read_schema(document(prop(labels=["headline"], isRetrievable=True)))
    assert [f.message for f in faults] == [
        "Property 'properties/0/labels/0' must be a label of Graph, such as title, url or "
        "iconUrl, not 'headline'."
    ]


def test_more_labels_than_there_are():
    labels = ["title"] * 100_000
    assert faults_of(prop(labels=labels, isRetrievable=True)) == [
        ("InvalidPropertyValue", "properties/0/labels")
    ]


def test_the_sentinel_is_no_label_of_a_new_property():
    assert faults_of(prop(labels=["unknownFutureValue"], isRetrievable=True)) == [
        ("InvalidPropertyValue", "properties/0/labels/0")
    ]


# Beta --------------------------------------------------------------------------------------------


def test_beta_attributes_are_declared_in_beta_only():
    hinted = prop(isExactMatchRequired=True, rankingHint={"importanceScore": "VeryHigh"})
    assert faults_of(hinted) == [
        ("PropertyNotDeclared", "properties/0/isExactMatchRequired"),
        ("PropertyNotDeclared", "properties/0/rankingHint"),
    ]
    stored = canonical(hinted, beta=True)["properties"][0]
    assert stored["isExactMatchRequired"] is True
    assert stored["rankingHint"] == {"importanceScore": "veryHigh"}


@pytest.mark.parametrize("hint", ["low", {}, {"importanceScore": "huge"}, {"importanceScore": 1}])
def test_bad_ranking_hint(hint):
    assert faults_of(prop(rankingHint=hint), beta=True) == [
        ("InvalidPropertyValue", "properties/0/rankingHint/importanceScore")
    ]


def test_a_ranking_hint_is_a_closed_type():
    hint = {"importanceScore": "low", "boost": 2, "@odata.type": "#x"}
    assert faults_of(prop(rankingHint=hint), beta=True) == [
        ("PropertyNotDeclared", "properties/0/rankingHint/boost")
    ]


def test_exact_match_is_for_text_that_is_not_searchable():
    wrong = [("ExactMatchShouldNotBeSearchable", "properties/0/isExactMatchRequired")]
    assert faults_of(prop(isExactMatchRequired=True), beta=True) == []
    assert faults_of(prop(kind="int64", isExactMatchRequired=True), beta=True) == wrong
    assert faults_of(prop(isExactMatchRequired=True, isSearchable=True), beta=True) == wrong


def test_v1_keeps_beta_attributes_that_it_cannot_see():
    hinted = prop(isExactMatchRequired=True, rankingHint={"importanceScore": "low"})
    before = canonical(hinted, beta=True)
    after, faults = read_schema(document(prop()), before)
    assert faults == []
    assert after["properties"][0]["isExactMatchRequired"] is True
    assert after["properties"][0]["rankingHint"] == {"importanceScore": "low"}


def test_a_kept_beta_attribute_still_counts_for_the_rules():
    before = canonical(prop(isExactMatchRequired=True), beta=True)
    assert faults_of(prop(isSearchable=True), in_force=before) == [
        ("ExactMatchShouldNotBeSearchable", "properties/0/isExactMatchRequired")
    ]


# Updates -----------------------------------------------------------------------------------------


def test_an_object_read_can_be_sent_back():
    """v1.0 shows labels and types above the sentinel as unknownFutureValue."""
    before = canonical(
        prop("icon", labels=["iconUrl"], isRetrievable=True),
        prop("owner", "principal", labels=["createdBy", "closedBy"], isRetrievable=True),
    )
    as_read = (
        prop("icon", labels=["unknownFutureValue"], isRetrievable=True),
        prop(
            "owner",
            "unknownFutureValue",
            labels=["createdBy", "unknownFutureValue"],
            isRetrievable=True,
        ),
    )
    after, faults = read_schema(document(*as_read), before)
    assert faults == []
    assert after == before


def test_masked_labels_keep_their_order():
    labels = ["title", "iconUrl", "url", "tags"]
    before = canonical(prop(labels=labels, isRetrievable=True))
    sentinel = "unknownFutureValue"
    for masked, kept in (
        (["title", sentinel, "url", sentinel], labels),
        (["title", "UnknownFutureValue"], ["title", "iconUrl", "tags"]),
        ([sentinel, sentinel, sentinel], ["iconUrl", "tags"]),
    ):
        sent = document(prop(labels=masked, isRetrievable=True))
        after, faults = read_schema(sent, before)
        assert faults == []
        assert after["properties"][0]["labels"] == kept


def test_the_sentinel_stands_for_nothing_on_a_property_without_masked_labels():
    before = canonical(prop(labels=["title"], isRetrievable=True))
    masked = prop(labels=["unknownFutureValue"], isRetrievable=True)
    assert faults_of(masked, in_force=before) == [("InvalidPropertyValue", "properties/0/labels/0")]


def test_a_masked_type_needs_a_stored_one_above_the_sentinel():
    before = canonical(prop(kind="string"))
    assert ("InvalidPropertyValue", "properties/0/type") in faults_of(
        prop(kind="unknownFutureValue"), in_force=before
    )


def test_an_update_may_add_properties_labels_aliases_and_search():
    before = canonical(prop(isRetrievable=True, isSearchable=True, aliases=["head"]))
    after = (
        prop(isRetrievable=True, isSearchable=False, isQueryable=True, labels=["title"]),
        prop("level", "double", isRefinable=True),
    )
    assert faults_of(*after, in_force=before) == []


def test_a_property_cannot_be_left_out():
    before = canonical(prop("title"), prop("body"))
    _, faults = read_schema(document(prop("title")), before)
    assert [(f.code, f.target) for f in faults] == [("PropertyRemoved", "properties")]
    assert "'body' is registered and is missing here" in faults[0].message


def test_a_property_cannot_be_renamed_not_even_in_case():
    before = canonical(prop("title"))
    assert faults_of(prop("Title"), in_force=before) == [("PropertyRemoved", "properties")]


def test_a_type_cannot_change():
    before = canonical(prop("level", "int64"))
    _, faults = read_schema(document(prop("level", "double")), before)
    assert [(f.code, f.message) for f in faults] == [
        (
            "PropertyTypeChanged",
            "Property 'properties/0/type': the type of 'level' is int64 and cannot change.",
        )
    ]


@pytest.mark.parametrize("after", [False, None])
def test_retrievable_stays(after):
    before = canonical(prop(isRetrievable=True))
    assert faults_of(prop(isRetrievable=after), in_force=before) == [
        ("RetrievableRemoved", "properties/0/isRetrievable")
    ]


@pytest.mark.parametrize("before, after", [(True, False), (False, True), (None, True)])
def test_refinable_cannot_change(before, after):
    stored = canonical(prop(isRefinable=before))
    assert faults_of(prop(isRefinable=after), in_force=stored) == [
        ("RefinableChanged", "properties/0/isRefinable")
    ]


def test_not_refinable_may_be_said_in_two_ways():
    assert faults_of(prop(isRefinable=None), in_force=canonical(prop(isRefinable=False))) == []
