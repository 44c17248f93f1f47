"""A caller's regular expression is read, never run. Pure: no database."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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


def test_a_pattern_of_any_length_that_is_kept_is_read_at_once():
    assert read_pattern("a" * 4096) == (set(), None)
    assert read_pattern("a" * 4097)[1] == "must be at most 4096 characters, not 4097"
    for unit in ("(", "[", "[a]", "(?<", r"\k<", "((a+)+)+", r"\\", "a{1,2}?"):
        start = time.process_time()
        read_pattern(unit * (4096 // len(unit)))
        assert time.process_time() - start < 0.5, unit


@given(st.text(st.sampled_from("()[]{}?<>:=!\\k*+|^$-a1,P") | st.characters()))
@settings(deadline=None, database=None)
def test_any_text_is_read(pattern):
    names, fault = read_pattern(pattern)
    assert all(f"(?<{name}>" in pattern for name in names)
    assert fault is None or fault.startswith("must be an ECMAScript regular expression")
