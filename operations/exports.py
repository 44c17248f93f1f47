"""A list as a file, CSV or JSON lines, sent while it is read: memory does not grow with it."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from io import StringIO
from itertools import chain, islice
from typing import Any

from django.http import StreamingHttpResponse
from django.utils import timezone
from django.utils.http import content_disposition_header

BYTE_ORDER_MARK = "\ufeff"
#: Rows that are sent at once.
BATCH = 200
#: The last line of a file whose rows broke off. A proxy that speaks HTTP/1.0 passes a cut file on
#: as a whole one; a reader, or a parser of JSON, then meets this.
INCOMPLETE = "INCOMPLETE: the export broke off here. The rows that follow are missing."
#: What a spreadsheet may take for a formula: these characters, also of full width, behind anything
#: that it does not show; and a tab or carriage return in front of the text.
FORMULA = re.compile(r"[\s\x00-\x1f\u200b-\u200f\u2060\ufeff]*[=+\-@＝＋－＠]|[^\S\t\r]*[\t\r]")
#: Where a spreadsheet whose separator is not the comma may begin another cell, and a formula in it.
#: There quotation marks within a line protect nothing, not even the end of a line.
SPLIT = re.compile(r"([;\t\r\n][\s\x00-\x1f\u200b-\u200f\u2060\ufeff\"]*)(?=[=+\-@＝＋－＠])")


def stream_csv(
    name: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]
) -> StreamingHttpResponse:
    """``name-2026-11-25.csv``: a head row and these rows.

    Texts cannot become formulas; times are in UTC; None is empty; lists and dicts are JSON. What
    breaks while the rows are read is raised, so that the server cuts the connection.
    """
    lines = _batches(chain([columns], rows), _csv_lines)
    return _file(f"{name}-{timezone.localdate()}.csv", "text/csv", chain([BYTE_ORDER_MARK], lines))


def stream_jsonl(name: str, rows: Iterable[Mapping[str, Any]]) -> StreamingHttpResponse:
    """``name-2026-11-25.jsonl``: a JSON object a line. Breaks as ``stream_csv`` does."""
    lines = _batches(rows, _json_lines)
    return _file(f"{name}-{timezone.localdate()}.jsonl", "application/x-ndjson", lines)


def _file(name: str, media_type: str, texts: Iterator[str]) -> StreamingHttpResponse:
    # A lone surrogate has no place in UTF-8; it must not end the export.
    response = StreamingHttpResponse(
        (text.encode("utf-8", "replace") for text in texts),
        content_type=f"{media_type}; charset=utf-8",
    )
    response["Content-Disposition"] = content_disposition_header(True, name)
    response["Cache-Control"] = "private, no-store"
    response["X-Content-Type-Options"] = "nosniff"
    return response


def _batches(rows: Iterable[Any], as_lines: Callable[[list[Any]], str]) -> Iterator[str]:
    waiting = iter(rows)
    batch: list[Any] = []
    try:
        while batch := list(islice(waiting, BATCH)):
            yield as_lines(batch)
    except Exception:
        yield f"{INCOMPLETE}\r\n"
        raise


def _csv_lines(rows: list[Sequence[Any]]) -> str:
    lines = StringIO(newline="")
    csv.writer(lines).writerows([_cell(value) for value in row] for row in rows)
    return lines.getvalue()


def _json_lines(rows: list[Mapping[str, Any]]) -> str:
    return "".join(f"{_json(row)}\n" for row in rows)


def _cell(value: Any) -> str | int | float:
    """What stands in a cell. A number is a number, also a negative one."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return value
    if isinstance(value, dict | list):
        # the same JSON: within a text a semicolon can be written so
        return SPLIT.sub(lambda found: f"\\u003b{found[0][1:]}", _json(value))
    text = _text(value)
    front = "'" if FORMULA.match(text) else ""
    return front + SPLIT.sub(r"\1'", text)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=_text)


def _text(value: Any) -> str:
    """A time as ISO 8601 in UTC, anything else as it prints: a label may be a lazy translation."""
    if isinstance(value, datetime):
        in_utc = value.astimezone(UTC).replace(tzinfo=None)
        return f"{in_utc.isoformat(timespec='milliseconds')}Z"
    return value.isoformat() if isinstance(value, date) else str(value)
