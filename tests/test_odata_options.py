"""Query options as texts: whatever is sent, they are read or refused by the one named refusal."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from operations.api.entity_types import BETA_CONNECTION, CONNECTION, OPERATION, SCHEMA
from operations.errors import InvalidQueryOption
from operations.odata.options import QueryOptions, option_name, read_options
from operations.odata.ordering import Mark, read_skip_token, write_skip_token

NAMES = "$select $expand $filter $orderby $top $skip $count $skiptoken $format".split()
PIECES = (
    "id name error/code operations schema items ( ) , ; = ' '' $select= $filter= $orderby= $top= "
    "filter= $expand= desc asc eq 'a' 1 -1 true * / \\ $ @ % \0 \ud800 ü WzFd"
).split() + [" "]
VALID = (
    ("$expand", "operations($select=id;$filter=error/code eq 'a;)' or true;$orderby=id),schema"),
    ("$orderby", "name desc,id asc, state"),
    ("$select", "id,name, state"),
    ("$skiptoken", "WyJuYW1lIiwiYSIsMV0"),
)


def read(*pairs: tuple[str, str], entity=CONNECTION) -> QueryOptions:
    return read_options(pairs, entity, allowed=NAMES[:-1], max_page_size=999)


def nothing_but_the_refusal(*pairs: tuple[str, str]) -> None:
    begin = time.process_time()
    for entity in (CONNECTION, OPERATION, SCHEMA):
        try:
            read(*pairs, entity=entity)
        except InvalidQueryOption as refusal:
            assert refusal.message and refusal.target in {option_name(name) for name, _ in pairs}
    assert time.process_time() - begin < 1


def test_all_at_once():
    options = read(
        ("$select", "id,name"),
        ("Expand", "schema,operations($top=5)"),
        ("filter", "true"),
        ("$OrderBy", "name"),
        ("$top", "5000"),
        ("$skip", "3"),
        ("$count", "TRUE"),
        ("$format", "json"),
    )
    assert options.columns == ("id", "name", "schema()", "operations()")
    assert (options.top, options.skip, options.count) == (999, 3, True)
    assert options.expand["operations"].top == 5
    assert [str(key) for key in options.order] == ["name"]
    assert options.format == "application/json"
    assert options.pairs[1:3] == (("$expand", "schema,operations($top=5)"), ("$filter", "true"))


@pytest.mark.parametrize("entity", [OPERATION, CONNECTION])
def test_a_token_is_read_as_it_was_written(entity):
    properties = {name: prop for name, prop in entity.properties.items() if name != "error"}
    keys = read(("$orderby", ",".join(properties)), entity=entity).order
    longest = {"Text": "\x01ü\U0001f600" * 42, "Enumeration": 1}
    values = tuple(longest[type(key.property).__name__] for key in keys)
    last = Mark(values, 2**63 - 1)
    token = write_skip_token(keys, last)
    assert read_skip_token(token, keys) == last
    assert len(token) < 4000


def test_beta_has_a_quota_that_is_not_expanded():
    for entity, says in ((CONNECTION, "Could not find"), (BETA_CONNECTION, "Expand is not all")):
        with pytest.raises(InvalidQueryOption, match=says):
            read(("$expand", "quota"), entity=entity)


SELECTED = "Those that can be selected: id, baseType, properties."
SORTED = "Those that can be sorted by: id, status, error/code, error/message, error/target."
EXPANDED = "Those that can be expanded: operations, schema."
SEPARATOR = "Options in parentheses are separated by ';'."
QUOTE = "A text ends with a single quote; one inside of it is doubled: 'it''s'."


@pytest.mark.parametrize(
    ("entity", "option", "text", "hint"),
    [
        (OPERATION, "$orderby", "color", SORTED),
        (OPERATION, "$orderby", "ID", f"Did you mean 'id'? {SORTED}"),
        (OPERATION, "$orderby", "error.code desc", f"Did you mean 'error/code'? {SORTED}"),
        (OPERATION, "$orderby", "error/details", SORTED),
        (CONNECTION, "$orderby", "configuration", ", description, state, connectorId, contentC"),
        (CONNECTION, "$orderby", "name descending", "Only asc or desc can follow a property."),
        (CONNECTION, "$select", "naem", "Did you mean 'name'? Those that can be selected: id, "),
        (CONNECTION, "$select", "naem", ", operations, schema."),
        (CONNECTION, "$select", "id;name", "Those that can be selected: id, "),
        (SCHEMA, "$select", "color", f"'color'. {SELECTED}"),
        (CONNECTION, "$expand", "operation", f"Did you mean 'operations'? {EXPANDED}"),
        (CONNECTION, "$expand", "name", f"'name'. {EXPANDED}"),
        (CONNECTION, "$expand", "items", f"'items'. {EXPANDED}"),
        (CONNECTION, "$expand", "operations($top=2", "')' expected."),
        (CONNECTION, "$expand", "operations($filter=id eq 'a)", QUOTE),
        (CONNECTION, "$expand", "operations($top=2,$select=id)", SEPARATOR),
        (CONNECTION, "$expand", "operations(select=id, top=2)", SEPARATOR),
        (CONNECTION, "$expand", "operations($filter=id eq 'a',$top=2)", SEPARATOR),
        (CONNECTION, "$expand", "operations(fliter=true)", "Did you mean '$filter'?"),
        (CONNECTION, "$expand", "operations(=true)", "Its name is empty"),
        (CONNECTION, "$oderby", "name", "Did you mean '$orderby'?"),
        (CONNECTION, "", "name eq 'a'", "Its name is empty: between double quotes a shell takes"),
    ],
)
def test_how_it_is_mended_stands_at_the_end(entity, option, text, hint):
    with pytest.raises(InvalidQueryOption) as caught:
        read((option, text), entity=entity)
    assert hint in caught.value.message
    assert caught.value.target == option


def test_what_is_wrong_inside_parentheses_is_not_blamed_on_a_comma():
    with pytest.raises(InvalidQueryOption) as caught:
        read(("$expand", "operations($select=id,color)"))
    assert SEPARATOR not in caught.value.message


@given(st.lists(st.tuples(st.sampled_from([*NAMES, "top", ""]), st.text(max_size=60)), max_size=4))
@settings(max_examples=300, deadline=None)
def test_random_texts(pairs):
    nothing_but_the_refusal(*pairs)


@given(st.sampled_from(NAMES), st.lists(st.sampled_from(PIECES), max_size=40))
@settings(max_examples=600, deadline=None)
def test_random_words_of_the_language(name, pieces):
    nothing_but_the_refusal((name, "".join(pieces)))


@given(st.sampled_from(VALID), st.integers(0, 80), st.integers(0, 6), st.text(max_size=4))
@settings(max_examples=600, deadline=None)
def test_mangled_valid_values(pair, position, cut, insert):
    name, text = pair
    mangled = text[:position] + insert + text[position + cut :]
    nothing_but_the_refusal((name, mangled))
    nothing_but_the_refusal(("$orderby", "name"), ("$skiptoken", mangled))


@pytest.mark.parametrize(
    "text",
    ["operations(" * 300, "(" * 3999, "operations($expand=" * 200, "a," * 1999, "'" * 3999]
    + ["operations($filter=" + "(" * 3900 + "true" + ")" * 76, ";" * 4000, "id," * 1300],
    ids=lambda text: f"{len(text)} {text[:12]}",
)  # fmt: skip
@pytest.mark.parametrize("name", ["$select", "$expand", "$orderby", "$skiptoken", "$format"])
def test_what_is_monstrous_is_refused_quickly(name, text):
    begin = time.process_time()
    with pytest.raises(InvalidQueryOption):
        read((name, text))
    assert time.process_time() - begin < 1
