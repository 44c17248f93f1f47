"""A page that is read by several statements shows one moment: nothing twice, nothing left out."""

from __future__ import annotations

from threading import Thread

import pytest
from django.db import connections

from operations.api import filtering
from operations.models import ConnectionOperation, OperationStatus
from tests.factories import COMMAND, make_application, make_connection, report
from tests.graph import OWNED, GraphClient

pytestmark = pytest.mark.django_db(transaction=True)


def complete(graph_id: str) -> None:
    """As another process does it."""

    def work() -> None:
        operation = ConnectionOperation.objects.get(graph_id=graph_id)
        operation.move(COMMAND, status=OperationStatus.COMPLETED)
        connections.close_all()

    thread = Thread(target=work)
    thread.start()
    thread.join()


@pytest.mark.parametrize("order", ["status", "status desc"])
@pytest.mark.parametrize("at", range(1, 5))
def test_an_operation_that_ends_between_two_statements(monkeypatch, order, at):
    application = make_application(OWNED)
    connection = make_connection("contosohr", owner=application)
    report(connection, graph_id="one", status="completed")
    report(connection, graph_id="two")
    asked, in_order = [], filtering.in_order

    def slow(*args, **kwargs):
        asked.append(args)
        if len(asked) == at:
            complete("two")
        return in_order(*args, **kwargs)

    monkeypatch.setattr(filtering, "in_order", slow)
    page = GraphClient(application).get(
        f"/v1.0/connections/contosohr/operations?$orderby={order.replace(' ', '%20')}"
    )
    found = sorted(row["id"] for row in page.json()["value"])
    assert found == ["one", "two"]
    assert len(asked) > at
    assert ConnectionOperation.objects.get(graph_id="two").is_terminal
    assert not connections["default"].in_atomic_block
