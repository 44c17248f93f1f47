"""Random filters give the rows that a plain reading of OData's rules gives, on any database."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from operations.api.entity_types import OPERATION
from operations.api.filtering import where
from operations.models import ConnectionOperation
from operations.odata.filters import parse_filter
from operations.odata.source import Source
from tests.factories import make_connection, report

WORDS = ["unspecified", "inprogress", "completed", "failed", "unknownFutureValue"]
TEXTS = ["", "a", "A", "ab", "b'a", "%", "ä", "z\U0001f600", "\uffee", "~"]
FAILURES = [
    None,
    {"code": "a", "message": "Ab"},
    {"code": "A", "message": ""},
    {"code": "", "message": "b'a", "target": "z\U0001f600"},
    {"code": "~", "message": "ä\uffee"},
    {"message": "%", "target": "\uffee"},
    {"target": "ab"},
    {"innerError": {"code": "a"}},
]


@dataclass(frozen=True)
class Said:
    """A filter as text, and what it says about an operation: True, False or None for unknown."""

    text: str
    of: Callable[[dict[str, Any]], bool | None]


def value(row: dict[str, Any], path: str) -> Any:
    for name in path.split("/"):
        row = None if row is None else row.get(name)
    return row


def literal(text: str | None) -> str:
    return "null" if text is None else "'" + text.replace("'", "''") + "'"


def ordered(path: str, text: str) -> Any:
    return WORDS.index(text) if path == "status" else text


def comparison(path: str, operator: str, text: str | None) -> Said:
    def of(row: dict[str, Any]) -> bool:
        mine = value(row, path)
        if operator in ("eq", "ne"):
            return (mine == text) == (operator == "eq")
        if mine is None or text is None:
            return False
        left, right = ordered(path, mine), ordered(path, text)
        return {"gt": left > right, "ge": left >= right, "lt": left < right, "le": left <= right}[
            operator
        ]

    return Said(f"{path} {operator} {literal(text)}", of)


def one_of(path: str, texts: list[str | None]) -> Said:
    listed = ",".join(literal(text) for text in texts)
    return Said(f"{path} in ({listed})", lambda row: value(row, path) in texts)


def function(path: str, name: str, text: str) -> Said:
    def of(row: dict[str, Any]) -> bool | None:
        mine = value(row, path)
        if mine is None:
            return None
        return {
            "contains": text in mine,
            "startswith": mine.startswith(text),
            "endswith": mine.endswith(text),
        }[name]

    return Said(f"{name}({path},{literal(text)})", of)


def opposite(said: Said) -> Said:
    def of(row: dict[str, Any]) -> bool | None:
        answer = said.of(row)
        return None if answer is None else not answer

    return Said(f"not ({said.text})", of)


def joined(left: Said, word: str, right: Said) -> Said:
    def of(row: dict[str, Any]) -> bool | None:
        answers = {left.of(row), right.of(row)}
        decisive = word == "or"
        if decisive in answers:
            return decisive
        return None if None in answers else not decisive

    return Said(f"({left.text}) {word} ({right.text})", of)


texts = st.sampled_from(TEXTS)
text_paths = st.sampled_from(["id", "error/code", "error/message", "error/target"])
operators = st.sampled_from(["eq", "ne", "gt", "ge", "lt", "le"])
equality = st.sampled_from(["eq", "ne"])
leaves = st.one_of(
    st.builds(comparison, text_paths, operators, st.none() | texts),
    st.builds(comparison, st.just("status"), operators, st.none() | st.sampled_from(WORDS)),
    st.builds(comparison, st.just("error"), equality, st.none()),
    st.builds(one_of, text_paths, st.lists(st.none() | texts, min_size=1, max_size=3)),
    st.builds(one_of, st.just("status"), st.lists(st.sampled_from(WORDS), min_size=1, max_size=3)),
    st.builds(function, text_paths, st.sampled_from(["contains", "startswith", "endswith"]), texts),
)
filters = st.recursive(
    leaves,
    lambda inner: (
        st.builds(opposite, inner) | st.builds(joined, inner, st.sampled_from(["and", "or"]), inner)
    ),
    max_leaves=8,
)


@pytest.fixture
def rows(db) -> list[dict[str, Any]]:
    connection = make_connection()
    for status in ("unspecified", "inprogress", "completed"):
        report(connection, graph_id=status[:2], status=status)
    for number, error in enumerate(FAILURES):
        graph_id = "aA~b"[number % 4] + "." * number
        report(connection, graph_id=graph_id, status="failed", error=error)
    return [operation.graph() for operation in ConnectionOperation.objects.order_by("pk")]


def test_random_filters_find_what_they_say(rows):
    checked = 0

    @given(filters)
    @settings(
        max_examples=400,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
    def check(said: Said) -> None:
        nonlocal checked
        condition = parse_filter(Source.of("$filter", said.text), OPERATION)
        found = ConnectionOperation.objects.filter(where(condition)).order_by("pk")
        assert [row.graph_id for row in found] == [
            row["id"] for row in rows if said.of(row) is True
        ], said.text
        checked += 1

    check()
    assert checked >= 100
