"""``$orderby``, pages by its keys, ``$skiptoken`` and the preferred size of a page."""

from __future__ import annotations

import base64
import itertools
import json
from functools import partial
from urllib.parse import parse_qsl, quote, urlsplit

import pytest
from django.db import connection as database

from operations.api.entity_types import OPERATION
from operations.api.filtering import after
from operations.models import ConnectionOperation, ConnectionState, ExternalConnection
from operations.odata.ordering import Mark, parse_orderby
from operations.odata.source import Source
from tests.factories import make_connection, report
from tests.graph import assert_refused

CONNECTIONS = "/v1.0/connections"
HERE = "/v1.0/connections/contosohr/operations"
LONG = "x" * 300
ERRORS = [
    {"code": "b", "message": "b"},
    {"code": "B", "message": "a"},
    {"code": "b", "message": "a", "target": LONG + "1"},
    {"code": "", "target": LONG + "2"},
    {"message": "\uffee"},
    {"message": "\U0001f600"},
    {"message": "é"},
]


@pytest.fixture
def connection(application):
    return make_connection("contosohr", owner=application)


@pytest.fixture
def operations(connection):
    for number, status in enumerate(["completed", "unspecified", "inprogress", "completed"]):
        report(connection, graph_id=f"o{number}", status=status)
    for number, error in enumerate(ERRORS):
        report(connection, graph_id=f"f{number}", status="failed", error=error)


def local(link: str) -> str:
    return link.removeprefix("http://testserver")


def all_pages(graph, path: str, **headers: str) -> list[dict]:
    pages = [graph.get(path, **headers).json()]
    while link := pages[-1].get("@odata.nextLink"):
        assert pages[-1]["value"]
        pages.append(graph.get(local(link), **headers).json())
    return pages


def ids(*pages: dict) -> list[str]:
    return [row["id"] for page in pages for row in page["value"]]


def token_of(page: dict) -> str:
    return dict(parse_qsl(urlsplit(page["@odata.nextLink"]).query))["$skiptoken"]


# Order -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("id", "f0 f1 f2 f3 f4 f5 f6 o0 o1 o2 o3"),
        ("id desc", "o3 o2 o1 o0 f6 f5 f4 f3 f2 f1 f0"),
        ("status", "o1 o2 o3 o0 f6 f5 f4 f3 f2 f1 f0"),
        ("status desc,id", "f0 f1 f2 f3 f4 f5 f6 o0 o3 o2 o1"),
        ("error/code", "f6 f5 f4 o3 o2 o1 o0 f3 f1 f2 f0"),
        ("error/code desc", "f2 f0 f1 f3 f6 f5 f4 o3 o2 o1 o0"),
        ("error/code asc, error/message DESC", "f5 f4 f6 o3 o2 o1 o0 f3 f1 f0 f2"),
        ("error/message", "f3 o3 o2 o1 o0 f2 f1 f0 f6 f4 f5"),
        ("error/target desc,status", "f3 f2 o1 o2 o3 o0 f6 f5 f4 f1 f0"),
    ],
)
def test_operations(graph, operations, order, expected):
    """Numbers of enumerations, nulls lowest, texts by code point; then the newest first."""
    path = f"{HERE}?$orderby={quote(order)}"
    assert ids(graph.get(path).json()) == expected.split()
    for size in (1, 2, 5):
        pages = all_pages(graph, f"{path}&$top={size}&$count=true")
        assert ids(*pages) == expected.split()
        assert [page["@odata.count"] for page in pages] == [11] * len(pages)


def test_a_long_text_sorts_by_its_first_128_characters(graph, operations):
    """f2 and f3 differ after that: the newer one comes first, in either direction."""
    for direction, page in (("asc", -1), ("desc", 0)):
        pages = all_pages(graph, f"{HERE}?$orderby=error/target%20{direction}&$top=1")
        tied = ids(*pages)[-2:] if page else ids(*pages)[:2]
        assert tied == ["f3", "f2"]
        assert max(len(p.get("@odata.nextLink", "")) for p in pages) < 400


def test_connections(graph, application):
    for graph_id, name, state in (
        ("one", "Zed", ConnectionState.READY),
        ("Two", "alpha", ConnectionState.DRAFT),
        ("three", "Zed", ConnectionState.DRAFT),
    ):
        make_connection(graph_id, owner=application, name=name, state=state)
    ExternalConnection.objects.filter(graph_id="Two").update(
        connector_id="T", content_category=3, description="d"
    )
    for order, expected in (
        ("name", "one three Two"),
        ("name desc", "Two one three"),
        ("id", "Two one three"),
        ("state desc,id desc", "one three Two"),
        ("connectorId", "one three Two"),
        ("connectorId desc", "Two one three"),
        ("contentCategory desc", "Two one three"),
        ("description,name", "one three Two"),
    ):
        pages = all_pages(graph, f"{CONNECTIONS}?$orderby={quote(order)}&$top=1")
        assert ids(*pages) == expected.split(), order


def test_every_order_of_two_keys_gives_every_row_once(graph, operations):
    rows = {row["id"]: row for row in graph.get(HERE).json()["value"]}
    newest_first = list(rows)
    words = ["unspecified", "inprogress", "completed", "failed"]

    def sort_value(name: str, graph_id: str) -> tuple:
        value = rows[graph_id]
        for part in name.split("/"):
            value = None if value is None else value.get(part)
        if name == "status":
            return (1, words.index(value))
        return (0,) if value is None else (1, value[:128])

    for first, second in itertools.permutations([*OPERATION.properties], 2):
        if "error" in (first, second):
            continue
        for down, down_too in itertools.product([False, True], repeat=2):
            expected = newest_first
            for name, reverse in ((second, down_too), (first, down)):  # stable: last key first
                expected = sorted(expected, key=partial(sort_value, name), reverse=reverse)
            order = f"{first}{' desc' * down},{second}{' desc' * down_too}"
            pages = all_pages(graph, f"{HERE}?$orderby={quote(order)}&$top=4")
            assert ids(*pages) == expected, order


@pytest.mark.parametrize("order", ["status", "error/code desc", "id desc", "error/message,status"])
def test_rows_that_arrive_or_leave_neither_repeat_nor_hide_others(
    graph, connection, operations, order
):
    path = f"{HERE}?$orderby={quote(order)}"
    before = ids(graph.get(path).json())
    page = graph.get(f"{path}&$top=2").json()
    seen = ids(page)
    while link := page.get("@odata.nextLink"):
        number = len(seen)
        report(connection, graph_id=f"new{number}", status="unspecified")
        report(connection, graph_id=f"0new{number}", status="failed", error={"code": "Bb"})
        ConnectionOperation.objects.filter(graph_id=seen[-1]).delete()  # what the link stands on
        page = graph.get(local(link)).json()
        seen += ids(page)
    assert [graph_id for graph_id in seen if "new" not in graph_id] == before
    assert len(seen) == len(set(seen))


def test_the_key_condition_is_the_fast_one():
    keys = parse_orderby(Source.of("$orderby", "status,id desc"), OPERATION)
    condition = after(keys, Mark((2, "x"), 7), newest_first=True)
    rows = ConnectionOperation.objects.filter(condition)
    text = str(rows.only("pk").query).partition("WHERE ")[2].partition(" ORDER BY")[0]
    table = '"operations_connectionoperation"'
    short = text.replace(f"{table}.", "").replace('COLLATE "C"', "").replace('"', "")
    short = short.replace("(graph_id) ", "graph_id")
    assert short == (
        "(status >= 2 AND (status > 2 OR (graph_id <= x AND (graph_id < x OR id < 7))))"
    )


@pytest.mark.parametrize(
    ("order", "says", "position"),
    [
        ("", "Expression expected", 0),
        ("id,", "Expression expected", 3),
        (",id", "Expression expected", 0),
        ("id up", "Syntax error", 3),
        ("id desc desc", "Syntax error", 3),
        ("id)", "Syntax error", 2),
        ("color", "Could not find a property named 'color' on type 'microsoft.graph.ext", 0),
        ("id,Status", "Could not find a property named 'Status'", 3),
        ("pk", "Could not find a property named 'pk'", 0),
        ("-id", "Could not find a property named '-id'", 0),
        ("?", "Could not find a property named '?'", 0),
        ("error", "The property 'error' cannot be used in the $orderby query option.", 0),
        ("error/details", "'error/details' cannot be used in the $orderby", 0),
        ("error/colour", "'colour' on type 'microsoft.graph.publicError'.", 0),
        ("id,status,id desc", "Duplicate property named 'id' is not supported", 10),
        ("length(id)", "Could not find a property named 'length(id)'", 0),
    ],
)
def test_refused(graph, connection, order, says, position):
    error = assert_refused(
        graph.get(f"{HERE}?$orderby={quote(order)}"),
        400,
        "BadRequest",
        inner="InvalidQueryOption",
        target="$orderby",
        says=says,
    )
    assert f"at position {position} in '" in error["message"]


# Tokens ------------------------------------------------------------------------------------------


def forged(*document) -> str:
    return base64.urlsafe_b64encode(json.dumps(document).encode()).rstrip(b"=").decode()


@pytest.mark.parametrize(
    "document",
    [
        (),
        (1,),
        ("status", 1),
        ("status", 1, 2, 3),
        ("status", "failed", 1),
        ("status", 9, 1),
        ("status", True, 1),
        ("status", None, 1),
        ("status", 1, -1),
        ("status", 1, 2**63),
        ("status", 1, True),
        ("status", 1, "1"),
        ("status", 1.0, 1),
        ("status", [1], 1),
        (["status"], 1, 1),
        (None, 1, 1),
        ("status desc", 1, 1),
        ("id", "x", 1),
    ],
)
def test_a_forged_token_is_refused(graph, operations, document):
    response = graph.get(f"{HERE}?$orderby=status&$skiptoken={forged(*document)}")
    assert_refused(
        response, 400, "BadRequest", target="$skiptoken", says="Follow @odata.nextLink as it is."
    )


@pytest.mark.parametrize("text", ["x" * 129, "a\0", "\ud800", 5, None])
def test_a_forged_text_is_refused(graph, operations, text):
    response = graph.get(f"{HERE}?$orderby=id&$skiptoken={forged('id', text, 1)}")
    assert_refused(response, 400, "BadRequest", target="$skiptoken", says="is not one that this")


def test_a_token_belongs_to_its_order(graph, operations):
    token = token_of(graph.get(f"{HERE}?$orderby=status,id&$top=2").json())
    same = graph.get(f"{HERE}?orderby=status%20asc,%20id&$top=2&$skiptoken={token}")
    assert same.status_code == 200
    for order in ("status", "id,status", "status desc,id"):
        response = graph.get(f"{HERE}?$orderby={quote(order)}&$skiptoken={token}")
        assert_refused(
            response, 400, "BadRequest", target="$skiptoken", says="belongs to another $orderby"
        )
    response = graph.get(f"{HERE}?$skiptoken={token}")
    assert_refused(response, 400, "BadRequest", target="$skiptoken", says="another $orderby")


def test_skip_with_an_order_is_done_once(graph, operations):
    pages = all_pages(graph, f"{HERE}?$orderby=id&$top=3&$skip=2")
    assert ids(*pages) == "f2 f3 f4 f5 f6 o0 o1 o2 o3".split()


# Preferred size ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("prefer", "top", "size", "applied"),
    [
        ("odata.maxpagesize=2", "", 2, "odata.maxpagesize=2"),
        ("maxpagesize=2", "", 2, "odata.maxpagesize=2"),
        ('return=minimal, ODATA.MaxPageSize="2"', "", 2, "odata.maxpagesize=2"),
        ("odata.maxpagesize=2", "$top=3", 2, "odata.maxpagesize=2"),
        ("odata.maxpagesize=5", "$top=3", 3, "odata.maxpagesize=5"),
        ("odata.maxpagesize=5000", "", 11, "odata.maxpagesize=999"),
        ("odata.maxpagesize=0", "$top=3", 3, None),
        ("odata.maxpagesize=-2", "$top=3", 3, None),
        ("odata.maxpagesize=x", "$top=3", 3, None),
        ("odata.maxpagesize", "$top=3", 3, None),
        ("notodata.maxpagesizes=2", "$top=3", 3, None),
    ],
)
def test_the_preferred_size_of_a_page(graph, operations, prefer, top, size, applied):
    response = graph.get(f"{HERE}?{top}", Prefer=prefer)
    assert len(response.json()["value"]) == size
    assert response.get("Preference-Applied") == applied


def test_a_preferred_size_pages_through_everything(graph, operations):
    pages = all_pages(graph, f"{HERE}?$orderby=id", Prefer="odata.maxpagesize=4")
    assert [len(page["value"]) for page in pages] == [4, 4, 3]


def test_the_preferred_size_may_exceed_the_default_one(graph, operations, settings):
    settings.PAGE_SIZE = 2
    body = graph.get(HERE, Prefer="odata.maxpagesize=5").json()
    assert len(body["value"]) == 5


# Cost --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rows", [3, 40])
def test_a_filtered_sorted_page_costs_the_same_however_many_rows(
    graph, connection, django_assert_num_queries, rows
):
    for number in range(rows):
        report(connection, graph_id=f"o{number}")
    path = f"{HERE}?$filter=status%20ne%20'failed'&$orderby=id&$count=true&$top=2"
    link = local(graph.get(path).json()["@odata.nextLink"])
    with django_assert_num_queries(3):  # connection, count, page
        assert graph.get(link).json()["@odata.count"] == rows


def test_texts_sort_by_code_point_whatever_the_databases_own_order(graph, operations):
    keys = parse_orderby(Source.of("$orderby", "id"), OPERATION)
    condition = after(keys, Mark(("x",), 7), newest_first=True)
    sql = str(ConnectionOperation.objects.filter(condition).query)
    assert ('COLLATE "C" >=' in sql) == (database.vendor == "postgresql")  # SQLite's own is that
