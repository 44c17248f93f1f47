"""Reads ``docs/permissions.md`` and compares it with what is answered.

The file is kept by hand. A route of the URL configuration that has no row in it fails, and so does
a row whose cell is not what the service answers; the message shows the row as it is.
"""

from __future__ import annotations

import itertools
import logging
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.db import connection, transaction
from django.db.models import Count, Sum
from django.http import HttpResponse
from django.urls import URLPattern, get_resolver

from operations.models import ExternalItem

FILE = Path(__file__).resolve().parent.parent / "docs" / "permissions.md"
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
VERSION = re.compile(r"/(v1\.0|beta)(?:(/external)(?=/connections))?")
#: What is written about a call itself.
RECORDS = ("operations_refusal", "django_session")
ASKS_ITSELF = "INSERT INTO operations_externalitem AS stored"
WRITES = re.compile(r'\s*(?:INSERT INTO|UPDATE|DELETE FROM)\s+"?(\w+)', re.IGNORECASE)


# The file -----------------------------------------------------------------------------------------


def tables(heading: str) -> list[list[dict[str, str]]]:
    """The tables below a heading of the file, each a list of rows by column."""
    _, found, rest = FILE.read_text().partition(f"\n## {heading}\n")
    assert found, f"docs/permissions.md has no heading '{heading}'."
    section = rest.partition("\n## ")[0]
    several = []
    for block in re.findall(r"(?:^\|.*\n)+", section + "\n", re.MULTILINE):
        lines = [
            [text.strip().replace("`", "") for text in line.strip().strip("|").split("|")]
            for line in block.splitlines()
        ]
        header, _line, *rows = lines
        several.append([dict(zip(header, row, strict=True)) for row in rows])
    return several


def table(heading: str) -> list[dict[str, str]]:
    [only] = tables(heading)
    return only


@dataclass(frozen=True)
class Answer:
    """A cell of the file: a status, and for refusals the code and a part of the text."""

    status: int
    code: str = ""
    says: str = ""


def legend(heading: str) -> dict[str, Answer]:
    """What the words in the cells mean."""
    return {
        row["Cell"]: Answer(int(row["Cell"][:3]), row["Code"], row["Says"])
        for row in table(heading)
    }


def callers(heading: str) -> dict[str, list[str]]:
    """The columns and who stands in each."""
    return {row["Column"]: row["Callers"].split(", ") for row in table(heading)}


@dataclass
class Row:
    """A row of the file for one method: a path and what each column gets."""

    method: str
    path: str
    cells: dict[str, str]
    is_rest: bool = False  # one of those that have no row of their own
    actual: dict[str, set[str]] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


def rows(heading: str, routes: Sequence[str] = ()) -> list[Row]:
    """One for each method, and for each of the names that stand in parentheses: ``(a, b)``.

    ``any other`` path is each of the routes that has no row of its own for the method.
    """
    found: list[Row] = []
    for line in itertools.chain(*tables(heading)):
        cells = {name: cell for name, cell in line.items() if name not in ("Method", "Path")}
        for method in line["Method"].split(", "):
            paths = spelled_out(line["Path"])
            is_rest = line["Path"] == "any other"
            if is_rest:
                own = {form(row.path) for row in found if row.method == method}
                paths = [path for path in routes if form(path) not in own]
            found += [Row(method, path, cells, is_rest=is_rest) for path in paths]
    calls = [str(row) for row in found]
    assert len(calls) == len(set(calls)), f"Twice in '{heading}': {duplicates(calls)}"
    return found


def spelled_out(path: str) -> list[str]:
    """``/(a, b)/`` is ``/a/`` and ``/b/``; ``/(records)/`` is one of each of the records."""
    before, found, rest = path.partition("(")
    if not found:
        return [path]
    names, _, after = rest.partition(")")
    sets = {row["Name"]: row["Models"] for row in table("Models of the admin")}
    return [f"{before}{name}{after}" for name in sets.get(names, names).split(", ")]


def duplicates(names: list[str]) -> list[str]:
    return sorted({name for name in names if names.count(name) > 1})


def next_of(names: list[str], turns: Counter[str]) -> str:
    """One of them, each time the next: each set of names takes turns of its own."""
    key = ", ".join(names)
    turns[key] += 1
    return names[turns[key] % len(names)]


# The routes ---------------------------------------------------------------------------------------


def all_routes() -> list[str]:
    """Every path of the URL configuration, parameters as ``{name}``."""
    return [re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", path) for path in _walk(get_resolver(), "/")]


def _walk(resolver: Any, before: str) -> Iterator[str]:
    for entry in resolver.url_patterns:
        # the admin has patterns as regular expressions, too
        pattern = re.sub(r"\(\?P(<\w+>)[^)]*\)", r"\1", str(entry.pattern)).strip("^$")
        if isinstance(entry, URLPattern):
            yield before + pattern
        else:
            yield from _walk(entry, before + pattern)


def graph_routes() -> dict[str, list[str]]:
    """The routes below a version root, without the ways in; and the ways in that each has."""
    found: dict[str, list[str]] = {}
    for path in all_routes():
        if way_in := VERSION.match(path):
            found.setdefault(path[way_in.end() :] or "/", []).append(way_in.group())
    return found


def is_graphs(path: str) -> bool:
    return VERSION.match(path) is not None


def form(path: str) -> str:
    """A path without its query and the names of its parameters."""
    return re.sub(r"\{\w+\}", "{}", path.partition("?")[0])


def assert_complete(heading: str, routes: Iterable[str], found: list[Row]) -> None:
    """Each route has a row for each method, and each row a route."""
    routes = list(routes)
    there = {(row.method, form(row.path)) for row in found}
    wanted = {(method, form(path)): path for path in routes for method in METHODS}
    missing: dict[str, list[str]] = {}
    for (method, shape), path in wanted.items():
        if (method, shape) not in there:
            missing.setdefault(path, []).append(method)
    assert not missing, (
        f"docs/permissions.md says nothing about these routes. Add to the table '{heading}' who "
        "may call them:\n"
        + "\n".join(f"| {', '.join(methods)} | `{path}` | … |" for path, methods in missing.items())
    )
    gone = sorted(str(row) for row in found if (row.method, form(row.path)) not in wanted)
    assert not gone, f"Rows of '{heading}' without a route: {gone}"


# The comparison -----------------------------------------------------------------------------------


@contextmanager
def writes() -> Iterator[list[str]]:
    """The tables that are written to. A PUT of an item asks in its one statement whether it may:
    there it counts what has become of the items."""
    written: list[str] = []
    before = _items()

    def watch(execute: Callable, sql: str, params: Any, many: bool, context: Any) -> Any:
        found = WRITES.match(sql)
        if found and found.group(1) not in RECORDS and not sql.startswith(ASKS_ITSELF):
            written.append(found.group(1))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(watch):
        yield written
    if _items() != before:
        written.append("operations_externalitem")


def _items() -> dict[str, Any]:
    return ExternalItem.objects.aggregate(number=Count("pk"), written=Sum("version"))


@contextmanager
def quiet() -> Iterator[None]:
    """A refusal has a line in the log; thousands of them would be kept for a message."""
    logging.disable(logging.INFO)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


@contextmanager
def kept_for_a_module(django_db_blocker: Any) -> Iterator[None]:
    """One transaction around all tests of a module, which share what is made in it: making it
    anew for each takes longer than most of them."""
    with django_db_blocker.unblock(), undone():
        yield


@contextmanager
def undone() -> Iterator[None]:
    """What happens inside has not happened afterwards."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


class Comparison:
    """Cells as they are, beside cells as the file has them."""

    def __init__(
        self,
        heading: str,
        words: dict[str, Answer],
        says: Callable[[HttpResponse, Answer], bool],
        *,
        tells_effects: bool = False,
    ):
        """``tells_effects``: a cell that is not refused says "done" when something was written."""
        self.heading = heading
        self.tells_effects = tells_effects
        self.words = words
        self.says = says
        self.faults: list[str] = []
        self.wrong: dict[str, Row] = {}
        self.cells = 0

    def look(
        self, row: Row, column: str, caller: str, response: HttpResponse, written: list[str]
    ) -> None:
        """One answer: its status, its code and text, and that a refusal wrote nothing."""
        self.cells += 1
        wanted = self.expected(row, column)
        # to somebody who sends a HEAD, nothing says more than the status
        told = row.method == "HEAD" and response.status_code == wanted.status
        got = row.cells[column] if told else self.cell(response)
        if self.tells_effects and written and response.status_code < 400:
            got = f"{got} done"
        row.actual.setdefault(column, set()).add(got)
        if got != row.cells[column]:
            self.wrong[str(row)] = row
            self.faults.append(f"{row}, {caller}: {row.cells[column]} in the file, is {got}")
        elif written and wanted.status >= 400:
            self.faults.append(f"{row}, {caller}: refused, and yet it wrote to {written}")

    def expected(self, row: Row, column: str) -> Answer:
        cell = row.cells[column]
        assert cell in self.words, f"{row}: the legend has no '{cell}'."
        return self.words[cell]

    def cell(self, response: HttpResponse) -> str:
        """The word of the legend that this answer is."""
        for word, answer in self.words.items():
            if answer.status == response.status_code and self.says(response, answer):
                return word
        return str(response.status_code)

    def finish(self) -> None:
        if not self.faults:
            return
        shown = "\n".join(self.faults[:40])
        as_it_is = "\n".join(
            f"| {row.method} | `{row.path}` | "
            + " | ".join(" or ".join(sorted(row.actual.get(name, ["?"]))) for name in row.cells)
            + " |"
            for row in self.wrong.values()
        )
        raise AssertionError(
            f"{len(self.faults)} of {self.cells} cells of '{self.heading}' in docs/permissions.md "
            f"are not what is answered:\n{shown}\n\nThese rows as they are:\n{as_it_is}"
        )
