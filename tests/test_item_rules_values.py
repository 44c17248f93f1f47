"""What the properties of an item may hold, by their types in the schema. Pure."""

from __future__ import annotations

import json

import pytest

from tests.item_bodies import (
    DATE,
    EDM,
    MOMENT,
    PRINCIPAL,
    SCHEMA,
    holding,
    invalid,
    item,
    kept,
    missing,
    of_bag,
    only,
    said,
    unknown,
)

# Properties --------------------------------------------------------------------------------------


GOOD = [
    ("title", ["", "Größe 𝒙", "o\u0308", "a\nb", "unknownFutureValue"]),
    ("size", [0, -1, 2**53 + 1, 2**63 - 1, -(2**63)]),
    ("score", [0, 1.5, -0.0, 1e300, 5e-324, 10**308, "INF", "-INF", "NaN"]),
    ("open", [True, False]),
    (
        "due",
        [
            DATE,
            "2024-05-31T08:30Z",
            "2024-05-31T08:30:00.1Z",
            "2024-05-31T08:30:00.123456789012Z",
            "2022-01-05T09:28:31.000Z",
            "2024-01-02T03:04:05+00:00",
            "2024-02-29T23:59:59-23:59",
            "2024-05-31t08:30:00z",
            "0001-01-01T00:00:00Z",
            "9999-12-31T23:59:59.9999999+14:00",
        ],
    ),
    ("tags", [[], ["b", "", "a", "b"], ["Größe"]]),
    ("sizes", [[], [3, 1, 2**63 - 1, -(2**63)]]),
    ("scores", [[], [1, 1.5, "NaN", 1]]),
    ("dates", [[], [DATE, "2024-05-31T08:30+02:00"]]),
    (
        "owner",
        [
            {},
            {"upn": "a@b", "email": None},
            {"@odata.type": f"#{PRINCIPAL}", "upn@odata.type": "String", "upn": ""},
            dict.fromkeys(
                ("upn tenantId externalName externalId entraId entraDisplayName email").split(),
                "x",
            ),
        ],
    ),
    ("people", [[], [{"externalId": "7", "@odata.type": PRINCIPAL}, {}]]),
]


@pytest.mark.parametrize(
    "name, value", [(name, value) for name, values in GOOD for value in [None, *values]]
)
def test_good_values_come_back_as_they_were_sent(name, value):
    bag = holding(name, value)
    assert json.dumps(kept(item(properties=bag))["properties"]) == json.dumps(bag)


def test_order_and_annotations_are_kept():
    bag = {
        "@odata.type": "microsoft.graph.externalConnectors.properties",
        "tags@odata.type": "Collection(String)",
        "tags": [],
        "size": 9007199254740993,
        "title@example.language": {"any": ["thing"]},
        "title@odata.type": "String",
        "title": None,
        "score": 1.0,
    }
    values = kept(item(properties=bag))["properties"]
    assert json.dumps(values) == json.dumps(bag)


TEXT = "must be a string, not"
INT = "must be an integer of at most 64 bits, not"
NUMBER = "must be a number or one of 'INF', '-INF', 'NaN', not"
TRUTH = "must be true or false, not"
FRACTION = "a number with a fraction or an exponent"


@pytest.mark.parametrize(
    "name, value, rule",
    [
        ("title", 3, f"{TEXT} an integer"),
        ("title", 3.0, f"{TEXT} {FRACTION}"),
        ("title", True, f"{TEXT} a boolean"),
        ("title", ["a"], f"{TEXT} a collection"),
        ("title", {}, f"{TEXT} an object"),
        ("size", "3", f"{INT} a string"),
        ("size", 3.0, f"{INT} {FRACTION}"),
        ("size", True, f"{INT} a boolean"),
        ("size", 2**63, f"{INT} a longer one"),
        ("size", -(2**63) - 1, f"{INT} a longer one"),
        ("score", "1.5", f"{NUMBER} another string"),
        ("score", "nan", f"{NUMBER} another string"),
        ("score", False, f"{NUMBER} a boolean"),
        ("score", 10**400, f"{NUMBER} one that is too large for a double"),
        ("score", [], f"{NUMBER} a collection"),
        ("open", "true", f"{TRUTH} a string"),
        ("open", 1, f"{TRUTH} an integer"),
        ("due", 1717144200, f"{MOMENT} an integer"),
        ("due", "2024-05-31", f"{MOMENT} a date without a time and a zone"),
        *[
            ("due", text, f"{MOMENT} one without a zone (Z, or an offset such as +02:00)")
            for text in ("2024-05-31T08:30:00", "2024-05-31T08:30", "2024-05-31T08:30:00.5")
        ],
        ("due", "2016-12-31T23:59:60Z", f"{MOMENT} one with a leap second"),
        ("due", "2024-05-31 08:30:00Z", f"{MOMENT} one with a space in place of the T"),
        *[
            ("due", text, f"{MOMENT} '{text}', which does not exist")
            for text in (
                "2023-02-29T00:00:00Z",
                "2024-04-31T00:00:00Z",
                "2024-13-01T00:00:00Z",
                "2024-00-01T00:00:00Z",
                "2024-01-00T00:00:00Z",
                "0000-01-01T00:00:00Z",
                "2024-05-31T24:00:00Z",
                "2024-05-31T08:60:00Z",
                "2024-05-31T08:30:61Z",
                "2024-05-31T08:30:00+24:00",
                "2024-05-31T08:30:00+02:60",
            )
        ],
        *[
            ("due", text, f"{MOMENT} '{text}'")
            for text in (
                "",
                "soon",
                "24-05-31T08:30:00Z",
                "2024-5-31T08:30:00Z",
                "2024-05-31T08Z",
                "2024-05-31T08:30:00.Z",
                "2024-05-31T08:30:00.1234567890123Z",
                "2024-05-31T08:30:00+0200",
                "2024-05-31T08:30:00Z\n",
                " 2024-05-31T08:30:00Z",
                "٢٠٢٤-05-31T08:30:00Z",
            )
        ],
        ("due", "x" * 70, f"{MOMENT} '{'x' * 60}'"),
        *[
            (name, "a", "must be a collection, not a string")
            for name in ("tags", "sizes", "scores", "dates", "people")
        ],
        ("owner", "a@b", "must be an object, not a string"),
        ("owner", [], "must be an object, not a collection"),
    ],
)
def test_bad_values(name, value, rule):
    rule = f"{rule}: the type of '{name}' in the schema is {SCHEMA[name]}"
    assert only(of_bag(holding(name, value))) == invalid(f"properties/{name}", rule)


@pytest.mark.parametrize(
    "name, entries, where, rule",
    [
        ("tags", ["a", 1], "1", f"{TEXT} an integer"),
        ("tags", ["a", "b", "c", None], "3", f"{TEXT} null"),
        ("sizes", [1, 2**63], "1", f"{INT} a longer one"),
        ("sizes", [-(2**63) - 1, 1], "0", f"{INT} a longer one"),
        ("sizes", [1, True], "1", f"{INT} a boolean"),
        ("sizes", [None], "0", f"{INT} null"),
        ("scores", [1.5, "x"], "1", f"{NUMBER} another string"),
        ("dates", [DATE, "2024-05-31"], "1", f"{MOMENT} a date without a time and a zone"),
        ("dates", [[DATE]], "0", f"{MOMENT} a collection"),
        ("people", [{}, None], "1", "must be an object, not null"),
        ("people", [{}, {"upn": 1}], "1/upn", "must be a string or null, not an integer"),
    ],
)
def test_bad_entries(name, entries, where, rule):
    rule = f"{rule}: the type of '{name}' in the schema is {SCHEMA[name]}"
    assert only(of_bag(holding(name, entries))) == invalid(f"properties/{name}/{where}", rule)


def test_every_bad_entry_is_named():
    _, faults = of_bag(holding("sizes", [1, "2", 3, None]))
    assert [fault.target for fault in faults] == ["properties/sizes/1", "properties/sizes/3"]


def test_members_of_a_principal():
    _, faults = of_bag({"owner": {"uPn": "a@b", "email": True, "tenantId": []}})
    because = "the type of 'owner' in the schema is principal"
    assert said(faults) == [
        unknown("properties/owner/uPn"),
        invalid("properties/owner/email", f"must be a string or null, not a boolean: {because}"),
        invalid(
            "properties/owner/tenantId", f"must be a string or null, not a collection: {because}"
        ),
    ]
    assert faults[0].as_listed().message.endswith("Did you mean 'upn'?")


@pytest.mark.parametrize("bag", [{}, {"@odata.type": "x"}, {"title@odata.type": "String"}])
def test_an_item_has_a_property(bag):
    assert only(of_bag(bag)) == missing(
        "properties", "must have at least one property of the schema"
    )
    assert only(of_bag(bag, partial=True))[:2] == ("RequiredPropertyMissing", "properties")


@pytest.mark.parametrize("bag, sent", [([], "a collection"), ("x", "a string"), (False, None)])
def test_properties_are_an_object(bag, sent):
    rule = f"must be an object, not {sent or 'a boolean'}"
    assert only(of_bag(bag)) == invalid("properties", rule)


@pytest.mark.parametrize("name, meant", [("Title", "title"), ("tag", "tags"), ("zzzz", None)])
def test_names_are_those_of_the_schema(name, meant):
    found = of_bag({name: "A"})
    sentence = f"Property 'properties/{name}' is not in the schema of the connection."
    assert only(found) == ("PropertyNotDeclared", f"properties/{name}", sentence)
    question = f" Did you mean '{meant}'?" if meant else ""
    assert found[1][0].as_listed().message == sentence + question


# Annotations -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SCHEMA)
@pytest.mark.parametrize("sign", ["", "#"])
@pytest.mark.parametrize("namespace", ["", "Edm."])
@pytest.mark.parametrize("spelled", [str, str.lower, str.upper])
def test_types_as_they_may_be_written(name, sign, namespace, spelled):
    text = EDM[name]
    if PRINCIPAL not in text:
        head, bracket, tail = text.rpartition("(")
        text = f"{head}{bracket}{namespace}{tail}"
    bag = {f"{name}@odata.type": spelled(sign + text), name: None, "title": "A"}
    assert json.dumps(kept(item(properties=bag))["properties"]) == json.dumps(bag)


@pytest.mark.parametrize(
    "name, text, sent",
    [
        ("tags", "Collection(Int64)", "'Collection(Int64)'"),
        ("tags", "String", "'String'"),
        ("tags", "##Collection(String)", "'##Collection(String)'"),
        ("title", "Collection(String)", "'Collection(String)'"),
        ("size", "#Int32", "'#Int32'"),
        ("due", "Edm.DateTime", "'Edm.DateTime'"),
        ("owner", "String", "'String'"),
        ("owner", f"Edm.{PRINCIPAL}x", f"'Edm.{PRINCIPAL}x'"),
        ("open", "", "''"),
        ("open", None, "null"),
        ("open", True, "a boolean"),
        ("title", "x" * 70, f"'{'x' * 60}'"),
    ],
)
def test_types_that_are_not_those_of_the_schema(name, text, sent):
    member = f"{name}@odata.type"
    rule = f"must be '{EDM[name]}', not {sent}: the type of '{name}' in the schema is"
    found = of_bag({"score": 1, member: text, name: None})
    assert only(found) == invalid(f"properties/{member}", f"{rule} {SCHEMA[name]}")


@pytest.mark.parametrize("name", ["tags", "sizes", "scores", "dates", "people"])
def test_a_collection_needs_its_type(name):
    member = f"{name}@odata.type"
    rule = f'is required beside a collection. Add "{member}": "{EDM[name]}"'
    assert only(of_bag({name: []})) == missing(f"properties/{member}", rule)
    assert kept(item(properties={name: None}))
    # the order does not matter
    assert kept(item(properties={name: [], member: EDM[name]}))


@pytest.mark.parametrize("member", ["nothing@odata.type", "nothing@example.language"])
def test_an_annotation_is_about_a_property_of_the_schema(member):
    sentence = f"Property 'properties/{member}' is about 'nothing', which is not in the schema."
    assert only(of_bag({"title": "A", member: "String"})) == (
        "PropertyNotDeclared",
        f"properties/{member}",
        sentence,
    )
    # what is said of the property is not said again of what is about it
    assert only(of_bag({"nothing": "A", member: "String"}))[1] == "properties/nothing"
