"""A caller's regular expression is read, never run. Pure: no database."""

from __future__ import annotations

import time

import pytest

from operations.url_pattern import read_pattern


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("", set()),
        ("/tickets", set()),
        ("/(?<slug>[^/]+)", {"slug"}),
        ("/items/(?<myItemId>[0-9]+)", {"myItemId"}),
        (r"^/(?<a>\d{1,4})/(?:x|y)?/(?<b_2>[\]\w-]*?)(?=\?|$)", {"a", "b_2"}),
        (r"(?<year>\d{4})-\k<year>", {"year"}),
        ("(?<été>.)(?<$x>.)", {"été", "$x"}),
        ("(?<outer>(?<inner>a)b)c", {"outer", "inner"}),
        (r"\(?<no>\)", set()),
        ("[(?<no>]", set()),
        ("[[]", set()),
        ("(?<!no)a", set()),
        ("(?i:a)(?-m:b)", set()),
        ("a{2}b{2,}c{2,3}?", set()),
        ("{}{x}", set()),
        ("(a|b)+|", set()),
        (r"\k", set()),
    ],
)
def test_patterns_and_their_groups(pattern, names):
    assert read_pattern(pattern) == (names, None)


@pytest.mark.parametrize(
    ("pattern", "says"),
    [
        ("(", "has a '(' that nothing closes (position 0)"),
        ("a(b(c)", "has a '(' that nothing closes (position 1)"),
        ("a)", "has a ')' that nothing opens (position 1)"),
        ("[a-z", "has a '[' that nothing closes (position 0)"),
        ("[a\\]", "has a '[' that nothing closes (position 0)"),
        ("abc\\", "ends in a backslash (position 3)"),
        ("(?P<name>a)", "has a group of a form that is not known (position 0)"),
        ("(?<1st>a)", "has a group of a form that is not known (position 0)"),
        ("(?<>a)", "has a group of a form that is not known (position 0)"),
        ("(?#comment)", "has a group of a form that is not known (position 0)"),
        ("*a", "has a quantifier with nothing to repeat (position 0)"),
        ("(+)", "has a quantifier with nothing to repeat (position 1)"),
        ("a|?", "has a quantifier with nothing to repeat (position 2)"),
        ("a**", "has a quantifier with nothing to repeat (position 2)"),
        ("a++", "has a quantifier with nothing to repeat (position 2)"),
        ("a+??", "has a quantifier with nothing to repeat (position 3)"),
        ("a{3,2}", "has a count that ends before it begins (position 1)"),
        (r"(?<a>.)\k<b>", "refers to a group 'b' that it does not have (position 7)"),
    ],
)
def test_what_no_engine_takes(pattern, says):
    fault = read_pattern(pattern)[1]
    assert fault == f"must be an ECMAScript regular expression, and this one {says}"


@pytest.mark.parametrize(
    "unit", ["(", "[", "[a]", "(?<", r"\k<", "a{1", "(?<a", "((a+)+)+", "(?:", r"\\", "a{1,2}?"]
)
def test_a_pattern_as_large_as_a_body_is_read_at_once(unit):
    start = time.perf_counter()
    read_pattern(unit * (1_000_000 // len(unit)))
    assert time.perf_counter() - start < 5
