"""The list of operations: the error in the row, filters and pages in the address."""

import pytest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from operations.dashboard.presentation import numbers
from operations.models import ConnectionOperation, OperationStatus
from tests import factories

pytestmark = pytest.mark.django_db


def page(client, query=""):
    response = client.get(reverse("operations") + query)
    assert response.status_code == 200
    return response.content.decode()


def test_the_row_says_why(operator):
    connection = factories.make_connection("contosohr", name="Contoso HR")
    operation = factories.fail_registration(
        connection, {"code": "LabelFault", "message": "A label is wrong. Correct it."}
    )

    text = page(operator)

    assert "A label is wrong." in text
    assert "LabelFault" in text
    assert "Contoso HR" in text
    assert "Schema registration" in text
    assert reverse("operation", args=["contosohr", operation.graph_id]) in text
    assert "badge-open" in text


@pytest.mark.parametrize("status", list(OperationStatus))
def test_every_status_has_its_badge(operator, status):
    operation = factories.report(factories.make_connection(), status="unspecified")
    finished = {"finished_at": operation.created_at} if status in (2, 3) else {}
    ConnectionOperation.objects.filter(pk=operation.pk).update(
        status=status, started_at=operation.created_at, **finished
    )

    assert f'badge-{status.word}" title="Graph: {status.word}"' in page(operator)


def test_queued_is_not_running(operator):
    factories.request_registration(factories.make_connection())

    text = page(operator)

    assert 'badge-queued" title="Graph: inprogress"' in text
    assert "badge-inprogress" not in text


def test_filters_are_in_the_address_and_removable(operator):
    connection = factories.make_connection("contosohr")
    failure = factories.report(connection, status="failed")
    success = factories.report(connection, status="completed")
    foreign = factories.report(factories.make_connection(), status="failed")

    text = page(operator, "?status=failed&status=COMPLETED&connection=ContosoHR")
    assert failure.graph_id in text and success.graph_id in text
    assert foreign.graph_id not in text
    assert 'href="?status=completed&amp;connection=ContosoHR"' in text  # without status=failed
    assert 'value="failed" checked' in text

    acknowledged = page(operator, "?triage=acknowledged")
    assert "Nothing matches" in acknowledged
    assert "Without these filters there are 3 rows." in acknowledged


@pytest.mark.parametrize(
    "query",
    [
        "?status=banana",
        "?triage=maybe",
        "?connection=%3Cscript%3E",
        "?before=x",
        "?before=99999999999999999999999",
        "?stuck=yes",
        "?page=2",
        "?status=%00",
    ],
)
def test_what_means_nothing_is_named_and_left_out(operator, query):
    operation = factories.report(factories.make_connection(), status="completed")

    text = page(operator, query)

    assert "was left out" in text
    assert operation.graph_id in text
    assert "<script>" not in text


def test_pages_go_on_before_the_last_key(operator):
    connection = factories.make_connection()
    operations = [factories.report(connection, status="completed") for _ in range(60)]

    first = page(operator, "?status=completed")
    assert "50 of 60 shown, newest first" in first
    assert f"?status=completed&amp;before={operations[10].pk}" in first

    second = page(operator, f"?status=completed&before={operations[10].pk}")
    assert "10 of 60 shown" in second
    assert operations[9].graph_id in second
    assert operations[10].graph_id not in second
    assert "First page" in second


def test_counts_stop_and_say_so(operator, monkeypatch):
    monkeypatch.setattr(numbers, "COUNT_LIMIT", 2)
    connection = factories.make_connection()
    for _ in range(4):
        factories.report(connection, status="completed")

    assert "4 of 2+ shown" in page(operator)


def test_no_operation_yet(operator):
    assert "No operations yet" in page(operator)


@pytest.mark.parametrize("rows", [3, 30])
def test_the_number_of_queries_does_not_grow(operator, rows):
    for _ in range(rows):
        factories.fail_registration(factories.make_connection())

    with CaptureQueriesContext(database) as queries:
        page(operator)

    assert len(queries) == 9
