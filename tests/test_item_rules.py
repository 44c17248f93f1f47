"""What an item may hold: its id, its access list, its content. Pure: no database."""

from __future__ import annotations

import json

import pytest

from operations.item_rules import (
    ACCESS_TYPES,
    ACL_TYPES,
    ACTIVITY_TYPES,
    CONTENT_TYPES,
    IDENTITY_SOURCES,
    IDENTITY_TYPES,
    MAX_FAULTS,
    item_id_fault,
)
from operations.item_rules.values import KINDS
from operations.schema_rules import SENTINEL, TYPES, TYPES_ABOVE_SENTINEL
from tests.item_bodies import (
    EVERYONE,
    SCHEMA,
    beta_only,
    holding,
    invalid,
    item,
    kept,
    missing,
    only,
    read,
    said,
    unknown,
    without,
)

# Words -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words, graph",
    [
        (ACCESS_TYPES, "grant deny unknownFutureValue"),
        (ACL_TYPES, "user group everyone everyoneExceptGuests externalGroup unknownFutureValue"),
        (CONTENT_TYPES, "text html unknownFutureValue"),
        (ACTIVITY_TYPES, "viewed modified created commented unknownFutureValue"),
        (IDENTITY_TYPES, "user group externalGroup unknownFutureValue"),
        (IDENTITY_SOURCES, "azureActiveDirectory external unknownFutureValue"),
    ],
)
def test_graphs_numbers(words, graph):
    assert words == {word: number for number, word in enumerate(graph.split(), start=1)}


def test_every_type_of_a_schema_is_known():
    assert set(KINDS) == {*TYPES, *TYPES_ABOVE_SENTINEL} == set(SCHEMA.values())


# Ids ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "graph_id",
    ["1", "a" * 128, "𝒙" * 128, "TSP-22_8.html", "a/b", "größe", "...", ".a", " ", "a\nb", "a'b"],
)
def test_good_ids(graph_id):
    assert item_id_fault(graph_id) is None


@pytest.mark.parametrize(
    "graph_id, rule",
    [
        ("", "must be 1 to 128 characters, not 0"),
        ("a" * 129, "must be 1 to 128 characters, not 129"),
        (".", "must not be '.': HTTP clients take it out of an address"),
        ("..", "must not be '..': HTTP clients take it out of an address"),
        ("a\x00", "must not have a NUL character or half a surrogate pair"),
        ("\ud800a", "must not have a NUL character or half a surrogate pair"),
        ("\ud83d", "must not have a NUL character or half a surrogate pair"),
        ("a\udfff", "must not have a NUL character or half a surrogate pair"),
    ],
)
def test_bad_ids(graph_id, rule):
    fault = item_id_fault(graph_id)
    assert said([fault]) == [("InvalidIdentifier", "id", f"Property 'id' {rule}.")]
    assert item_id_fault(graph_id, "item-id").target == "item-id"


@pytest.mark.parametrize("members", [{}, {"id": None}, {"id": "one"}])
def test_the_id_of_a_put(members):
    assert "id" not in kept(item(**members))


@pytest.mark.parametrize("graph_id", ["One", "two", "", 1, True, [], {}])
@pytest.mark.parametrize("partial", [False, True])
def test_another_id_than_that_of_the_address(graph_id, partial):
    assert only(read(item(id=graph_id), partial=partial)) == invalid(
        "id", "must be the id in the address, or be left out"
    )


def test_case_and_form_of_an_id_count():
    assert kept(item(id="gr\u00f6\u00dfe"), graph_id="gr\u00f6\u00dfe")
    assert read(item(id="gro\u0308\u00dfe"), graph_id="gr\u00f6\u00dfe")[1]


def test_the_id_of_a_post():
    assert kept(item(id="a-1"), graph_id=None)["id"] == "a-1"
    assert only(read(item(), graph_id=None)) == missing("id")
    assert only(read(item(id=None), graph_id=None)) == missing("id")
    assert only(read(item(id=7), graph_id=None)) == invalid(
        "id", "must be a string, not an integer"
    )
    assert only(read(item(id=".."), graph_id=None))[:2] == ("InvalidIdentifier", "id")


# The whole item ----------------------------------------------------------------------------------


def test_canonical_form():
    sent = {
        "@odata.type": "microsoft.graph.externalConnectors.externalItem",
        "@odata.context": "https://example",
        "content": {"@odata.type": "x", "value": "<p>", "type": "HTML"},
        "properties": {"title": "A"},
        "acl": [{"@odata.type": "x", "value": "v", "type": "EveryoneExceptGuests"}],
        "id": "one",
        "informationProtectionLabel": {"@odata.type": "x", "sensitivityLabelId": "s"},
        "activities": [],
        "activities@odata.context": "https://example",
    }
    sent["acl"][0]["accessType"] = "DENY"
    assert kept(sent) == {
        "acl": [{"accessType": "deny", "type": "everyoneExceptGuests", "value": "v"}],
        "properties": {"title": "A"},
        "content": {"type": "html", "value": "<p>"},
        "informationProtectionLabel": {"sensitivityLabelId": "s"},
    }


def test_what_was_sent_stays_as_it_is():
    sent = item(content={"type": "Text"})
    before = json.dumps(sent)
    kept(sent)
    assert json.dumps(sent) == before


def test_only_what_was_given():
    assert set(kept(item())) == {"acl", "properties"}
    assert kept({}, partial=True) == {}
    assert kept({"content": None}, partial=True) == {"content": None}
    assert kept({"acl": []}, partial=True) == {"acl": []}


@pytest.mark.parametrize("member", ["acl", "properties"])
def test_what_an_item_must_have(member):
    assert only(read(without(item(), member))) == missing(member)
    assert set(kept(without(item(), member), partial=True)) == {"acl", "properties"} - {member}


@pytest.mark.parametrize("member", ["acl", "properties"])
@pytest.mark.parametrize("partial", [False, True])
def test_what_must_not_be_null(member, partial):
    assert only(read(item(**{member: None}), partial=partial)) == invalid(
        member, "must not be null"
    )


def test_undeclared_members():
    found = read(item(property={}, Acl=[]))
    assert said(found[1]) == [unknown("property"), unknown("Acl")]
    assert [fault.as_listed().message.partition(" Did ")[2] for fault in found[1]] == [
        "you mean 'properties'?",
        "you mean 'acl'?",
    ]


@pytest.mark.parametrize("none", [None, []])
def test_no_activities(none):
    assert set(kept(item(activities=none))) == {"acl", "properties"}


def test_activities_have_an_action_of_their_own():
    assert only(read(item(activities=[{}]))) == invalid(
        "activities",
        "must be empty or left out: activities are added with the action addActivities",
    )
    assert only(read(item(activities="x"))) == invalid(
        "activities", "must be a collection, not a string"
    )


def test_all_faults_at_once():
    _, faults = read(
        {
            "id": "two",
            "acl": [{"accessType": "allow", "type": "user", "extra": 1}, "everyone"],
            "properties": {"title": 1, "tags": ["a", None], "nothing": 1},
            "content": {"type": "pdf", "value": 1},
            "informationProtectionLabel": {"sensitivityLabelId": 1, "name": "x"},
            "activities": [1],
            "extra": 1,
        }
    )
    assert {(fault.code, fault.target) for fault in faults} == {
        ("InvalidPropertyValue", "id"),
        ("PropertyNotDeclared", "acl/0/extra"),
        ("InvalidPropertyValue", "acl/0/accessType"),
        ("RequiredPropertyMissing", "acl/0/value"),
        ("InvalidPropertyValue", "acl/1"),
        ("InvalidPropertyValue", "properties/title"),
        ("InvalidPropertyValue", "properties/tags/1"),
        ("RequiredPropertyMissing", "properties/tags@odata.type"),
        ("PropertyNotDeclared", "properties/nothing"),
        ("InvalidPropertyValue", "content/type"),
        ("InvalidPropertyValue", "content/value"),
        ("PropertyNotDeclared", "informationProtectionLabel/name"),
        ("InvalidPropertyValue", "informationProtectionLabel/sensitivityLabelId"),
        ("InvalidPropertyValue", "activities"),
        ("PropertyNotDeclared", "extra"),
    }
    assert len(faults) == 15


@pytest.mark.parametrize(
    "members",
    [
        {"acl": [0] * 5000},
        {"acl": [{f"x{number}": 0 for number in range(5000)}]},
        {"properties": {f"x{number}": 0 for number in range(5000)}},
        {"properties": holding("tags", [0] * 5000)},
        {"properties": {"owner": {f"x{number}": 0 for number in range(5000)}}},
        {f"x{number}": 0 for number in range(5000)},
    ],
)
def test_a_body_of_faults_is_not_answered_with_all_of_them(members):
    assert MAX_FAULTS <= len(read(item(**members))[1]) <= MAX_FAULTS + 3


# The access control list -------------------------------------------------------------------------


def test_nobody_may_see_it():
    assert kept(item(acl=[]))["acl"] == []


@pytest.mark.parametrize("member, words", [("accessType", ACCESS_TYPES), ("type", ACL_TYPES)])
@pytest.mark.parametrize("spelled", [str, str.lower, str.upper, str.title])
def test_words_in_any_case(member, words, spelled):
    for word in set(words) - {SENTINEL}:
        entry = kept(item(acl=[{**EVERYONE, member: spelled(word)}]))["acl"][0]
        assert entry == {**EVERYONE, member: word}


ACCESS = "must be one of grant, deny, not"
ACL = "must be one of user, group, everyone, everyoneExceptGuests, externalGroup, not"


@pytest.mark.parametrize(
    "member, value, rule",
    [
        ("accessType", "allow", f"{ACCESS} 'allow'"),
        ("accessType", "", f"{ACCESS} ''"),
        ("accessType", "x" * 70, f"{ACCESS} '{'x' * 60}'"),
        ("accessType", 1, f"{ACCESS} an integer"),
        ("accessType", ["grant"], f"{ACCESS} a collection"),
        ("accessType", "unknownFutureValue", "must not be 'unknownFutureValue'"),
        ("accessType", "UnknownFutureValue", "must not be 'unknownFutureValue'"),
        ("type", "guests", f"{ACL} 'guests'"),
        ("type", True, f"{ACL} a boolean"),
        ("type", "unknownfuturevalue", "must not be 'unknownFutureValue'"),
        ("value", 3.5, "must be a string, not a number with a fraction or an exponent"),
        ("value", {}, "must be a string, not an object"),
        ("value", "", "must not be blank"),
        ("value", " \t", "must not be blank"),
        ("value", "x" * 1001, "must be at most 1000 characters, not 1001"),
    ],
)
def test_bad_members_of_an_entry(member, value, rule):
    found = read(item(acl=[EVERYONE, {**EVERYONE, member: value}]))
    assert only(found) == invalid(f"acl/1/{member}", rule)


@pytest.mark.parametrize("member", ["accessType", "type", "value"])
def test_an_entry_has_all_three(member):
    assert only(read(item(acl=[without(EVERYONE, member)]))) == missing(f"acl/0/{member}")
    assert only(read(item(acl=[{**EVERYONE, member: None}]))) == missing(f"acl/0/{member}")


def test_the_value_of_an_entry_stays_as_it_is():
    for value in ("x" * 1000, " größe ", "a@b"):
        assert kept(item(acl=[{**EVERYONE, "value": value}]))["acl"][0]["value"] == value


@pytest.mark.parametrize("entry, sent", [(None, "null"), ("everyone", "a string"), ([], None)])
def test_an_entry_is_an_object(entry, sent):
    sent = sent or "a collection"
    assert only(read(item(acl=[entry]))) == invalid("acl/0", f"must be an object, not {sent}")


def test_the_list_is_a_collection():
    assert only(read(item(acl=EVERYONE))) == invalid("acl", "must be a collection, not an object")


def test_an_entry_has_nothing_else():
    assert only(read(item(acl=[{**EVERYONE, "name": "x"}]))) == unknown("acl/0/name")


@pytest.mark.parametrize("source", ["external", None])
def test_identity_sources_are_beta(source):
    entry = {**EVERYONE, "identitySource": source}
    assert only(read(item(acl=[entry]))) == beta_only("acl/0/identitySource")


def test_identity_sources():
    def entry(source):
        return item(acl=[{**EVERYONE, "identitySource": source}])

    assert kept(entry("EXTERNAL"), beta=True)["acl"] == [{**EVERYONE, "identitySource": "external"}]
    assert kept(entry(None), beta=True)["acl"] == [EVERYONE]
    assert only(read(entry("aad"), beta=True)) == invalid(
        "acl/0/identitySource", "must be one of azureActiveDirectory, external, not 'aad'"
    )
    assert only(read(entry(SENTINEL), beta=True)) == invalid(
        "acl/0/identitySource", "must not be 'unknownFutureValue'"
    )


# Content and label -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "sent, stored",
    [
        (None, None),
        ({"type": "text", "value": "Größe"}, {"type": "text", "value": "Größe"}),
        ({"type": "HTML", "value": ""}, {"type": "html", "value": ""}),
        ({"type": "Text", "value": None}, {"type": "text", "value": None}),
        ({"type": "tEXT"}, {"type": "text", "value": None}),
    ],
)
def test_content(sent, stored):
    assert kept(item(content=sent))["content"] == stored


@pytest.mark.parametrize(
    "content, fault",
    [
        ({}, missing("content/type")),
        ({"type": None, "value": "x"}, missing("content/type")),
        ({"type": "pdf"}, invalid("content/type", "must be one of text, html, not 'pdf'")),
        ({"type": SENTINEL}, invalid("content/type", f"must not be '{SENTINEL}'")),
        (
            {"type": "text", "value": 1},
            invalid("content/value", "must be a string or null, not an integer"),
        ),
        ({"type": "text", "size": 1}, unknown("content/size")),
        ("text", invalid("content", "must be an object, not a string")),
        ([], invalid("content", "must be an object, not a collection")),
    ],
)
def test_bad_content(content, fault):
    assert only(read(item(content=content))) == fault


@pytest.mark.parametrize(
    "sent, stored",
    [
        (None, None),
        ({}, {"sensitivityLabelId": None}),
        ({"sensitivityLabelId": None}, {"sensitivityLabelId": None}),
        ({"sensitivityLabelId": "a-b"}, {"sensitivityLabelId": "a-b"}),
    ],
)
def test_label(sent, stored):
    member = "informationProtectionLabel"
    assert kept(item(**{member: sent}))[member] == stored


@pytest.mark.parametrize(
    "label, fault",
    [
        ("x", invalid("informationProtectionLabel", "must be an object, not a string")),
        ({"name": "x"}, unknown("informationProtectionLabel/name")),
        (
            {"sensitivityLabelId": 1},
            invalid(
                "informationProtectionLabel/sensitivityLabelId",
                "must be a string or null, not an integer",
            ),
        ),
    ],
)
def test_bad_label(label, fault):
    assert only(read(item(informationProtectionLabel=label))) == fault
