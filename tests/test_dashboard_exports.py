"""Lists as files: whole or visibly not, read as they are written, and never a formula."""

from __future__ import annotations

import csv
import json
from datetime import UTC, date, datetime, timedelta, timezone
from io import StringIO

import pytest
from django.utils import timezone as django_timezone
from django.utils.translation import gettext_lazy
from hypothesis import given, settings
from hypothesis import strategies as st

from operations.exports import BATCH, FORMULA, INCOMPLETE, SPLIT, stream_csv, stream_jsonl
from operations.models import OperationStatus


def body(response) -> bytes:
    return b"".join(response.streaming_content)


def cells(*values) -> list[str]:
    """The cells of one row, as a spreadsheet reads them."""
    text = body(stream_csv("x", [], [values])).decode("utf-8-sig")
    return list(csv.reader(StringIO(text, newline="")))[1]


def test_a_csv_file_is_one_that_spreadsheets_open():
    response = stream_csv("operations", ["id", "Name"], [["a", "Ünï"], ["b", 'x "y", z\nw']])
    assert body(response) == (
        b'\xef\xbb\xbfid,Name\r\na,\xc3\x9cn\xc3\xaf\r\nb,"x ""y"", z\nw"\r\n'
    )
    assert response["Content-Type"] == "text/csv; charset=utf-8"


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_the_headers_of_a_file(kind):
    response = stream_csv("operations", [], []) if kind == "csv" else stream_jsonl("operations", [])
    today = django_timezone.localdate().isoformat()
    assert response["Content-Disposition"] == f'attachment; filename="operations-{today}.{kind}"'
    assert response["Cache-Control"] == "private, no-store"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response.streaming


def test_the_day_in_the_name_is_the_readers():
    with django_timezone.override(timezone(timedelta(hours=14))):
        ahead = stream_csv("x", [], [])["Content-Disposition"]
    with django_timezone.override(timezone(timedelta(hours=-12))):
        behind = stream_csv("x", [], [])["Content-Disposition"]
    assert ahead > behind


def test_values_in_cells():
    moment = datetime(2026, 11, 25, 14, 2, 11, 123456, tzinfo=timezone(timedelta(hours=2)))
    assert cells(None, "", True, False, 0, -7, -1.5, date(2026, 11, 25), moment) == [
        "", "", "true", "false", "0", "-7", "-1.5", "2026-11-25", "2026-11-25T12:02:11.123Z",
    ]  # fmt: skip
    assert cells({"é": [1, None]}, ["-1"], [], gettext_lazy("Failed"), OperationStatus.FAILED) == [
        '{"é":[1,null]}', '["-1"]', "[]", "Failed", "3",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "text",
    ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", " =1", " \t x", "\xa0=1",
     "\u200b=1", "\ufeff=1", "\x00=1", "＝1", "＋1", "－1", "＠x", " ＝1", "=", "-"],
)  # fmt: skip
def test_what_a_spreadsheet_takes_for_a_formula_gets_an_apostrophe(text):
    assert cells(text, "after") == [f"'{text}", "after"]


@pytest.mark.parametrize(
    "text",
    [
        "a=1",
        "1-1",
        "a\t",
        "a;b",
        "a; b=1",
        "'=1",
        "\n x",
        " x",
        "#",
        "{=}",
        "(-1)",
        "é",
        "−1",
        "3ed1595a-4bae",
    ],
)
def test_what_is_no_formula_stays(text):
    assert cells(text, 1) == [text, "1"]


@pytest.mark.parametrize(
    "text, cell",
    [
        ("x;=1", "x;'=1"),
        ("x; =HYPERLINK(1)", "x; '=HYPERLINK(1)"),
        ("x;+1;-1;@A", "x;'+1;'-1;'@A"),
        ("x\t=1", "x\t'=1"),
        ('x;"=1"', 'x;"\'=1"'),
        ("x\n=1", "x\n'=1"),
        ("\r\n=1", "'\r\n'=1"),
        ("done; - next", "done; '- next"),
        ("=1;=2", "'=1;'=2"),
    ],
)
def test_no_formula_begins_where_another_separator_would_split(text, cell):
    assert cells(text, "after") == [cell, "after"]


def test_json_in_a_cell_does_not_split_into_a_formula_and_means_the_same():
    [cell, _after] = cells({"a": "x;=1; y"}, "after")
    assert cell == '{"a":"x\\u003b=1; y"}'
    assert json.loads(cell) == {"a": "x;=1; y"}


@given(st.lists(st.text() | st.sampled_from("= + - @ \t \r \n , ; ;= \" '".split(" ")), min_size=2))
@settings(deadline=None, database=None)
def test_no_cell_begins_a_formula_and_none_is_lost(values):
    read = cells(*values)
    assert len(read) == len(values)
    for value, cell in zip(values, read, strict=True):
        assert not FORMULA.match(cell)
        assert not SPLIT.search(cell)
        assert cell.replace("'", "") == value.replace("'", "")


def test_a_lone_surrogate_does_not_end_the_export():
    assert cells("a\ud800b", {"x": "\udfff"}) == ["a?b", '{"x":"?"}']


def test_json_lines():
    moment = datetime(2026, 11, 25, 14, 2, 11, tzinfo=UTC)
    rows = [{"id": "é", "at": moment, "error": {"code": "=1"}}, {"id": "a\nb", "n": -1, "x": None}]
    response = stream_jsonl("operations", rows)
    text = body(response).decode()
    assert text.splitlines() == [
        '{"id":"é","at":"2026-11-25T14:02:11.000Z","error":{"code":"=1"}}',
        '{"id":"a\\nb","n":-1,"x":null}',
    ]
    assert text.endswith("\n") and response["Content-Type"] == "application/x-ndjson; charset=utf-8"


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_rows_are_read_while_they_are_sent(kind):
    read = []

    def rows(row):
        for _ in range(5 * BATCH):
            read.append(row)
            yield row

    response = (
        stream_csv("x", ["n"], rows([1])) if kind == "csv" else stream_jsonl("x", rows({"n": 1}))
    )
    sent = iter(response.streaming_content)
    assert read == []
    while not read:
        next(sent)
    assert len(read) <= BATCH
    for _ in sent:
        pass
    assert len(read) == 5 * BATCH


class Broken(Exception):
    pass


def broken_rows(row):
    for _ in range(BATCH + 50):
        yield row
    raise Broken


@pytest.mark.parametrize(
    "response",
    [
        stream_csv("x", ["n"], broken_rows([1])),
        stream_jsonl("x", broken_rows({"n": 1})),
    ],
    ids=["csv", "jsonl"],
)
def test_a_file_that_breaks_off_does_not_look_whole(response):
    """The server cuts the connection; and the last line says so, where nobody sees the cut."""
    sent = b""
    with pytest.raises(Broken):
        for chunk in response.streaming_content:
            sent += chunk
    *_, whole, last = sent.decode().splitlines()
    assert whole in ("1", '{"n":1}')
    assert INCOMPLETE in last
    with pytest.raises(json.JSONDecodeError):
        json.loads(last)


@pytest.mark.django_db  # the end of a request looks after the connections of the database
def test_a_reader_who_leaves_ends_the_reading():
    ended = []

    def rows():
        try:
            while True:
                yield [1]
        finally:
            ended.append(True)

    response = stream_csv("x", ["n"], rows())
    sent = iter(response.streaming_content)
    next(sent), next(sent)
    response.close()
    assert ended
