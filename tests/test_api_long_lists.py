"""A list of one connection costs the same however long it is: each of its pages has an index."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from tests.factories import make_connection, report
from tests.graph import GraphClient
from tests.plans import plans, scans, sorts

HERE = "/v1.0/connections/contosohr/operations"
KEYS = ["id", "status", "error/code", "error/message", "error/target"]


@pytest.fixture
def operations(application):
    connection = make_connection("contosohr", owner=application)
    error = {"code": "Quota", "message": "Too much.", "target": "items"}
    for number in range(4):
        report(connection, graph_id=f"failed{number}", status="failed", error=error)
        report(connection, graph_id=f"completed{number}", status="completed")
        report(connection, graph_id=f"running{number}")


def ids(body: dict) -> list[str]:
    return [row["id"] for row in body["value"]]


@pytest.mark.parametrize("direction", ["asc", "desc"])
@pytest.mark.parametrize("key", KEYS)
def test_no_order_sorts_the_whole_list(graph: GraphClient, operations, key, direction):
    path = f"{HERE}?$orderby={quote(f'{key} {direction}')}&$top=3"
    while path:
        found: dict = {}
        for plan in plans(lambda path=path, found=found: found.update(graph.get(path).json())):
            assert not sorts(plan), plan
            assert not scans(plan), plan
        path = found.get("@odata.nextLink", "").removeprefix("http://testserver")


@pytest.mark.parametrize("status", ["unspecified", "inprogress", "completed", "failed"])
def test_one_status_has_an_index(graph: GraphClient, operations, status):
    wanted = quote(f"status eq '{status}'")
    [plan] = plans(lambda: graph.get(f"{HERE}?$filter={wanted}&$top=3"))

    assert "operation_by_conn_and_status" in plan or "operation_by_status" in plan
    assert not sorts(plan), plan


@pytest.mark.parametrize("key", ["status", "error/code desc", "status desc,error/message"])
@pytest.mark.parametrize("number", [0, 1, 4, 5, 8, 11, 12, 20])
def test_rows_are_skipped_from_one_part_of_an_order_into_the_next(
    graph: GraphClient, operations, key, number
):
    path = f"{HERE}?$orderby={quote(key)}"
    whole = ids(graph.get(path).json())

    assert ids(graph.get(f"{path}&$skip={number}").json()) == whole[number:]
    assert ids(graph.get(f"{path}&$skip={number}&$top=2").json()) == whole[number : number + 2]
