"""``$filter`` as text: what is understood, what is refused where, and that nothing breaks it."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from operations.errors import InvalidQueryOption
from operations.odata.conditions import And, Compare, Constant, IsNull, Match, Not, OneOf, Or
from operations.odata.filters import MAX_CLAUSES, MAX_DEPTH, MAX_LIST, parse_filter
from operations.odata.source import MAX_LENGTH, Source
from operations.odata.types import Complex, EntityType, Enumeration, Text

NAME = Text("name")
NOTE = Text("note", nullable=True)
COLOUR = Enumeration(
    "colour",
    type_name="n.colour",
    numbers={"red": 1, "green": 2, "unknownFutureValue": 3, "ultraviolet": 4, "infrared": 5},
)
ERROR = Complex("n.fault", ("code", "more"), ("code", "more"))
CODE = Text("code", nullable=True)
#: Names that begin with keywords are names.
ODD = {name: Text(name) for name in ("nullable", "anyone", "android", "notes", "trueness", "inn")}
ENTITY = EntityType(
    "n.thing",
    ("name", "note", "colour", "error", "shape", *ODD),
    {"name": NAME, "note": NOTE, "colour": COLOUR, "error": ERROR, "error/code": CODE, **ODD},
)


def read(text: str, **options):
    return parse_filter(Source.of("$filter", text), ENTITY, **options)


def refused(text: str) -> str:
    with pytest.raises(InvalidQueryOption) as caught:
        read(text)
    assert caught.value.target == "$filter"
    return caught.value.message


def a(name: str) -> OneOf:
    return OneOf(NAME, (name,))


# What is understood ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ("name eq 'a'", a("a")),
        ("name ne 'a'", Not(a("a"))),
        ("name gt 'a'", Compare(NAME, "gt", "a")),
        ("name ge 'a'", Compare(NAME, "ge", "a")),
        ("name lt 'a'", Compare(NAME, "lt", "a")),
        ("name le 'a'", Compare(NAME, "le", "a")),
        ("'a' eq name", a("a")),
        ("'a' lt name", Compare(NAME, "gt", "a")),
        ("'a' ge name", Compare(NAME, "le", "a")),
        ("name in ('a')", a("a")),
        ("name in ('a','b', 'a')", OneOf(NAME, ("a", "b"))),
        ("name in('a')", a("a")),
        ("note in ('a',null)", OneOf(NOTE, ("a", None))),
        ("note eq null", OneOf(NOTE, (None,))),
        ("null ne note", Not(OneOf(NOTE, (None,)))),
        ("note gt null", Constant(False)),
        ("error eq null", IsNull(ERROR)),
        ("error ne null", Not(IsNull(ERROR))),
        ("error/code eq 'x'", OneOf(CODE, ("x",))),
        ("contains(name,'a')", Match(NAME, "contains", "a")),
        ("startswith( name , 'a' )", Match(NAME, "startswith", "a")),
        ("startsWith(name,'a')", Match(NAME, "startswith", "a")),
        ("ENDSWITH(error/code,'')", Match(CODE, "endswith", "")),
        ("not(startswith(name,'a'))", Not(Match(NAME, "startswith", "a"))),
        ("not startswith(name,'a')", Not(Match(NAME, "startswith", "a"))),
        ("not (name eq 'a')", Not(a("a"))),
        ("not not name eq 'a'", Not(Not(a("a")))),
        ("contains(name,'a') eq true", Match(NAME, "contains", "a")),
        ("contains(name,'a') ne true", Not(Match(NAME, "contains", "a"))),
        ("contains(name,'a') eq false", Not(Match(NAME, "contains", "a"))),
        ("(contains(name,'a'))", Match(NAME, "contains", "a")),
        ("true", Constant(True)),
        ("false or name eq 'a'", Or((Constant(False), a("a")))),
        ("name eq 'a' and name eq 'b'", And((a("a"), a("b")))),
        ("name eq 'a' or name eq 'b' and name eq 'c'", Or((a("a"), And((a("b"), a("c")))))),
        ("(name eq 'a' or name eq 'b') and name eq 'c'", And((Or((a("a"), a("b"))), a("c")))),
        ("not name eq 'a' and name eq 'b'", And((Not(a("a")), a("b")))),
        ("name EQ 'a' AND NOT name Eq 'b'", And((a("a"), Not(a("b"))))),
        ("  name\teq\n'a'  ", a("a")),
        ("((((name eq 'a'))))", a("a")),
    ],
)
def test_understood(text, condition):
    assert read(text) == condition


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("''", ""),
        ("''''", "'"),
        ("'O''Neil'", "O'Neil"),
        ("'a) and (b'", "a) and (b"),
        ("'eq'", "eq"),
        ("'null'", "null"),
        ("'ünï\u2028\U0001f600'", "ünï\u2028\U0001f600"),
        ("'%_\\'", "%_\\"),
    ],
)
def test_texts(text, value):
    assert read(f"name eq {text}") == a(value)


@pytest.mark.parametrize("name", ODD)
def test_names_that_begin_with_keywords(name):
    assert read(f"{name} eq 'a'") == OneOf(ODD[name], ("a",))


@pytest.mark.parametrize("text", ["'red'", "red", "RED", "'Red'", "n.colour'red'"])
def test_enumerations_quoted_or_not_in_any_case(text):
    assert read(f"colour eq {text}") == OneOf(COLOUR, (1,))
    assert read(f"{text} lt colour" if "'" in text else f"colour gt {text}") == (
        Compare(COLOUR, "gt", 1)
    )
    assert read(f"colour in ({text},green)") == OneOf(COLOUR, (1, 2))


def test_the_sentinel_stands_for_all_members_above_it_unless_they_are_asked_for():
    for text in ("colour eq unknownFutureValue", "colour in ('unknownfuturevalue')"):
        assert read(text) == OneOf(COLOUR, (3, 4, 5))
        assert read(text, unmask=True) == OneOf(COLOUR, (3,))
    assert read("colour ne 'unknownFutureValue'") == Not(OneOf(COLOUR, (3, 4, 5)))
    assert read("colour eq ultraviolet", unmask=True) == OneOf(COLOUR, (4,))
    message = refused("colour eq ultraviolet")
    assert message == (
        "The member 'ultraviolet' needs the header 'Prefer: include-unknown-enum-members'. Found "
        "at position 10 in 'colour eq ultraviolet'."
    )


# What is refused, and where ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "says", "position"),
    [
        ("", "Expression expected", 0),
        ("   ", "Expression expected", 3),
        ("name eq", "Expression expected", 7),
        ("eq 'a'", "Could not find a property named 'eq' on type 'n.thing'.", 0),
        ("name eq 'a' and", "Expression expected", 15),
        ("and name eq 'a'", "Could not find a property named 'and' on type 'n.thing'.", 0),
        ("(name eq 'a'", "')' expected", 12),
        ("name eq 'a')", "Syntax error", 11),
        ("()", "Expression expected", 1),
        ("name eq ('a')", "Expression expected", 8),
        ("name eq 'a' name eq 'b'", "Syntax error", 12),
        ("name eq 'a' eq 'b'", "Syntax error", 12),
        ("name eq 'a", "There is an unterminated string literal", 8),
        ("name eq 'a''", "There is an unterminated string literal", 8),
        ('name eq "a"', "Syntax error", 8),
        ("name = 'a'", "Syntax error", 5),
        ("name eq x'a'", "Syntax error", 9),
        ("name", "must evaluate to a single boolean value.", 0),
        ("(name)", "must evaluate to a single boolean value.", 1),
        ("'a'", "must evaluate to a single boolean value.", 0),
        ("name and name", "must evaluate to a single boolean value.", 0),
        ("size eq 1", "Could not find a property named 'size' on type 'n.thing'.", 0),
        ("Name eq 'a'", "Could not find a property named 'Name' on type 'n.thing'.", 0),
        ("name/x eq 'a'", "Could not find a property named 'name/x' on type 'n.thing'.", 0),
        ("a__b eq 'a'", "Could not find a property named 'a__b' on type 'n.thing'.", 0),
        ("name eq b", "Could not find a property named 'b' on type 'n.thing'.", 8),
        ("error/x eq 'a'", "Could not find a property named 'x' on type 'n.fault'.", 0),
        ("error/more eq 1", "'error/more' cannot be used in the $filter query option.", 0),
        ("shape eq 'a'", "The property 'shape' cannot be used in the $filter query option.", 0),
        ("name eq note", "not with another property.", 8),
        ("1 eq 1", "One side of a comparison must be a property.", 0),
        ("name eq 1", "'Edm.String' and 'Edm.Int32' for operator kind 'Equal'.", 8),
        ("name gt 1.5", "'Edm.String' and 'Edm.Double' for operator kind 'GreaterThan'.", 8),
        ("name ne true", "'Edm.String' and 'Edm.Boolean' for operator kind 'NotEqual'.", 8),
        ("name in ('a',2)", "'Edm.String' and 'Edm.Int32' for operator kind 'In'.", 13),
        ("name eq n.colour'red'", "'Edm.String' and 'n.colour' for operator kind 'Equal'.", 8),
        ("colour eq 1", "'n.colour' and 'Edm.Int32' for operator kind 'Equal'.", 10),
        ("colour eq n.size'red'", "'n.colour' and 'n.size' for operator kind 'Equal'.", 10),
        ("colour eq 'pink'", "'pink' is not a valid enumeration type constant", 10),
        ("colour eq pink", "'pink' is not a valid enumeration type constant", 10),
        ("error eq 'a'", "A value of type 'n.fault' can only be compared with null", 9),
        ("error gt null", "A value of type 'n.fault' can only be compared with null", 9),
        ("error in (null)", "A value of type 'n.fault' cannot be in a list.", 0),
        ("name in 'a'", "'(' expected", 8),
        ("name in ()", "Expression expected", 9),
        ("name in ('a',)", "Expression expected", 13),
        ("name in ('a' 'b')", "')' expected", 13),
        ("length(name) eq 1", "An unknown function with name 'length' was found.", 0),
        ("matchesPattern(name,'a')", "An unknown function with name 'matchesPattern'", 0),
        ("error/any(e:e/code eq 'a')", "Lambda operators are not supported: 'error/any'.", 0),
        ("error/all(e:true)", "Lambda operators are not supported: 'error/all'.", 0),
        ("name add 'a' eq 'b'", "The operator 'add' is not supported.", 5),
        ("name eq 'a' mul 2", "The operator 'mul' is not supported.", 12),
        ("colour has red", "The operator 'has' is not supported.", 7),
        ("contains(name)", "',' expected", 13),
        ("contains(name,'a'", "')' expected", 17),
        ("contains(name,'a','b')", "')' expected", 17),
        ("contains('a',name)", "One side of a comparison must be a property.", 9),
        ("contains(name,note)", "No function signature", 14),
        ("contains(name,1)", "No function signature", 14),
        ("contains(colour,'a')", "No function signature", 9),
        ("contains(error,'a')", "No function signature", 9),
        ("contains(name,'a') eq 'a'", "'true' or 'false' expected", 22),
        ("contains(name,'a') gt true", "Syntax error", 19),
        ("name eq 'a\0b'", "has a character that no text can have.", 10),
        ("name eq '\ud800'", "has a character that no text can have.", 9),
        ("name eq @p", "Syntax error", 8),
        ("name eq $it", "Syntax error", 8),
        ("error/$count gt 1", "Syntax error", 0),
    ],
)  # fmt: skip
def test_refused(text, says, position):
    message = refused(text)
    assert says in message
    assert f"at position {position} in '" in message


def test_a_long_text_is_not_repeated_whole():
    message = refused(f"name eq '{'a' * 500}' what now")
    assert message == f"Syntax error at position 511 in '…{'a' * 38}' what now'."


TEXT = "A text stands in single quotes: 'abc'."
QUOTE = "A text ends with a single quote; one inside of it is doubled: 'it''s'."
NAMES = (
    "Those that can be filtered by: name, note, colour, error, error/code, nullable, anyone, "
    "android, notes, trueness, inn."
)
MEMBERS = "Members: red, green, unknownFutureValue."


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("Name eq 'a'", f"Did you mean 'name'? {NAMES}"),
        ("nmae eq 'a'", f"Did you mean 'name'? {NAMES}"),
        ("size eq 'a'", NAMES),
        ("shape eq 'a'", NAMES),
        ("error/kode eq 'a'", f"Did you mean 'error/code'? {NAMES}"),
        ("error.code eq 'a'", "A path is written with a slash: error/code."),
        ("colour eq gren", f"Did you mean 'green'? {MEMBERS}"),
        ("colour eq 'blue'", MEMBERS),
        ("colour eq 3", MEMBERS),
        ("name eq Contoso", TEXT),
        ("name eq Contoso HR", TEXT),
        ("name eq 1", TEXT),
        ("name eq 2025-01-01", TEXT),
        ("name eq \"Contoso HR\"", TEXT),
        ("\"a\" eq name", TEXT),
        ("name in (\"a\")", TEXT),
        ("contains(name,\"a\")", TEXT),
        ("contains(name,note)", TEXT),
        ("name = 'a'", "'=' is written 'eq', with a blank on either side."),
        ("name='a'", "'=' is written 'eq', with a blank on either side."),
        ("colour=red", "'=' is written 'eq', with a blank on either side."),
        ("name == 'a'", "'==' is written 'eq', with a blank on either side."),
        ("name != 'a'", "'!=' is written 'ne', with a blank on either side."),
        ("name>= 'a'", "'>=' is written 'ge', with a blank on either side."),
        ("true && false", "'&&' is written 'and', with a blank on either side."),
        ("name like 'a'", "Comparisons: eq, ne, gt, ge, lt, le, in."),
        ("name eq 'it's'", QUOTE),
        ("name eq 'a'b or true", QUOTE),
        ("contains(name,'a'b)", QUOTE),
        ("name eq 'a", QUOTE),
        ("startwith(name,'a')", "Did you mean 'startswith'?"),
    ],
)  # fmt: skip
def test_how_it_is_mended_stands_behind_the_place(text, hint):
    assert refused(text).endswith(f"'. {hint}")


@pytest.mark.parametrize("text", ["name eq 'a' b", "error/$count gt 1", "name eq @p", "name eq"])
def test_no_hint_where_nothing_is_known(text):
    assert refused(text).endswith(f" in '{text}'.")


def test_members_above_the_sentinel_are_named_for_those_who_see_them():
    with pytest.raises(InvalidQueryOption, match="unknownFutureValue, ultraviolet, infrared"):
        read("colour eq blue", unmask=True)


# Bounds ------------------------------------------------------------------------------------------


def test_length_depth_clauses_and_lists_are_bounded_at_what_is_said():
    longest = f"name eq '{'a' * (MAX_LENGTH - 10)}'"
    assert len(longest) == MAX_LENGTH and read(longest)
    assert refused(longest + " ") == "The value of $filter is longer than 4000 characters."
    for opening, closing in (("(", ")"), ("not ", ""), ("not(", ")")):
        depth = MAX_DEPTH // (2 if opening == "not(" else 1)
        assert read(opening * depth + "name eq 'a'" + closing * depth)
        message = refused(opening * (depth + 1) + "name eq 'a'" + closing * (depth + 1))
        assert "nested deeper than 20 levels" in message
    assert read(" and ".join(["name eq 'a'"] * MAX_CLAUSES))
    assert "more than 100 clauses" in refused(" or ".join(["name eq 'a'"] * (MAX_CLAUSES + 1)))
    assert read(f"name in ({','.join(['null'] * MAX_LIST)})")
    too_many = f"name in ({','.join(['null'] * (MAX_LIST + 1))})"
    assert "has more than 100 entries" in refused(too_many)


@pytest.mark.parametrize(
    "text",
    ["(" * 10_000, "a" * 100_000, "'" * 100_000, "not " * 30_000, "(" * 3999, "name in (" * 400]
    + ["''" * 1999 + "'", " " * 4000, "name eq 'a' and " * 249, "1" * 4000, "a/" * 1999],
    ids=lambda text: f"{len(text)} {text[:6]}",
)  # fmt: skip
def test_what_is_monstrous_is_refused_quickly(text):
    begin = time.process_time()
    refused(text)
    assert time.process_time() - begin < 1


# Whatever is sent --------------------------------------------------------------------------------

PIECES = (
    "name note colour error error/code shape nullable eq ne gt ge lt le in and or not ( ) , 'a' "
    "'it''s' '' ' null true false 1 -2.5e3 red 'green' ultraviolet contains( startswith( endsWith( "
    "any( error/all( add n.colour'red' @p $it \0 \ud800 ü % x:"
).split()
VALID = (
    "name eq 'a' and (colour in (red,'green') or not contains(error/code,'it''s'))",
    "error ne null or note eq null and startswith(name,'') eq true",
)


def nothing_but_the_refusal(text: str) -> None:
    begin = time.process_time()
    try:
        read(text)
    except InvalidQueryOption as refusal:
        assert refusal.target == "$filter" and refusal.message
    assert time.process_time() - begin < 1


@given(st.text(max_size=200))
@settings(max_examples=300, deadline=None)
def test_random_texts(text):
    nothing_but_the_refusal(text)


@given(st.lists(st.sampled_from(PIECES), max_size=60), st.sampled_from(["", " "]))
@settings(max_examples=500, deadline=None)
def test_random_words_of_the_language(pieces, between):
    nothing_but_the_refusal(between.join(pieces))


@given(
    st.sampled_from(VALID),
    st.integers(0, 80),
    st.integers(0, 8),
    st.text(max_size=4),
    st.booleans(),
)
@settings(max_examples=500, deadline=None)
def test_mangled_valid_filters(text, position, cut, insert, doubled):
    mangled = text[:position] + insert + text[position + cut :]
    nothing_but_the_refusal(f"({mangled}) and {mangled}" if doubled else mangled)
