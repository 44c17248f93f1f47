"""The list of operations: the error in the row, filters and pages in the address."""

import re
from datetime import timedelta
from html import unescape

import pytest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from operations import runs
from operations.dashboard.presentation import numbers
from operations.models import (
    Actor,
    ActorKind,
    BulkAction,
    Channel,
    ConnectionOperation,
    OperationStatus,
)
from operations.selection import OperationSelection
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
    assert 'href="?range=all"' in acknowledged, "without filters is without a span of time too"


def shown(client, query):
    """The ids in the list, in its order."""
    return re.findall(r'<span class="line-id mono" title="([^"]*)"', page(client, query))


def begun(operation, ago):
    ConnectionOperation.objects.filter(pk=operation.pk).update(created_at=timezone.now() - ago)


def test_the_last_seven_days_come_first(operator):
    connection = factories.make_connection()
    old, new = factories.report(connection), factories.report(connection)
    begun(old, timedelta(days=8))

    assert shown(operator, "") == [new.graph_id]
    assert "last 7 days" in page(operator)
    assert shown(operator, "?range=all") == [new.graph_id, old.graph_id]
    assert shown(operator, "?range=30d") == [new.graph_id, old.graph_id]
    ninth = (timezone.localtime() - timedelta(days=9)).strftime("%Y-%m-%dT%H:%M")
    second = (timezone.localtime() - timedelta(days=2)).strftime("%Y-%m-%dT%H:%M")
    assert shown(operator, f"?since={ninth}&until={second}") == [old.graph_id]
    assert f'name="since" value="{ninth}"' in page(operator, f"?since={ninth}")


def test_every_filter_narrows(operator):
    application = factories.make_application(name="Crawler")
    one, other = factories.make_connection("contosohr"), factories.make_connection("fabrikam")
    quota = factories.report(
        one, application_actor(application), status="failed",
        error={"code": "Quota", "message": "The quota of 100% is used."},
    )  # fmt: skip
    slow = factories.report(other, status="completed")
    ConnectionOperation.objects.filter(pk=slow.pk).update(
        started_at=timezone.now() - timedelta(hours=1)
    )
    stuck = factories.make_stuck(factories.report(other))

    for query in (
        "?code=quota",
        "?text=100%25",
        f"?application={application.app_id}",
        f"?fingerprint={quota.fingerprint}",
        "?connection=ContosoHR",
        "?status=failed&triage=open&text=quota&code=Quota&connection=contosohr",
    ):
        assert shown(operator, query) == [quota.graph_id], query
    assert shown(operator, "?over=1800") == [slow.graph_id]
    assert shown(operator, "?stuck=1") == [stuck.graph_id]
    assert shown(operator, "?connection=contosohr%20fabrikam&status=failed") == [quota.graph_id]
    assert len(shown(operator, "?connection=contosohr&connection=fabrikam")) == 3
    text = page(operator, f"?application={application.app_id}&over=1234")
    assert "Application: <b" in text and ">Crawler</b>" in text
    assert "over 20 min 34 s" in text


def application_actor(application):
    return Actor(ActorKind.APPLICATION, application.name, Channel.API, application.app_id)


def test_the_number_of_a_shortcut_is_that_of_its_list(operator):
    connection = factories.make_connection()
    for status in ("failed", "failed", "inprogress", "completed"):
        factories.report(connection, status=status)
    factories.report(connection, status="failed")
    factories.make_stuck(factories.report(connection))
    begun(ConnectionOperation.objects.first(), timedelta(days=40))

    links = re.findall(
        r'<li><a href="([^"]*)">([^<]*) <span class="count">([^<]*)</span>', page(operator)
    )

    assert [(label, count) for _address, label, count in links] == [
        ("Open failures", "1"),
        ("In progress", "2"),
        ("Stuck", "1"),
        ("Today", "5"),
        ("All", "6"),
    ]
    for address, _label, count in links:
        text = page(operator, unescape(address))
        assert f"{count} of {count} shown" in text
        assert 'aria-current="true">' in text


@pytest.mark.parametrize("query", ["?text=%00", "?code=a%00", "?text=" + "x" * 5000])
def test_text_that_no_database_can_search_is_left_out(operator, query):
    operation = factories.report(factories.make_connection(), status="completed")

    text = page(operator, query)

    assert "was left out" in text
    assert operation.graph_id in text


def test_a_row_unfolds_in_place(operator):
    operation = factories.report(
        factories.make_connection(),
        status="failed",
        error={
            "code": "Deep",
            "message": "The first sentence. The second one.",
            "target": "properties/owner",
            "details": [{"code": "Other", "message": f"Detail {n}"} for n in range(7)],
        },
    )

    [more] = re.findall(r'<details class="more".*?</details>', page(operator), re.S)

    for word in ("The second one.", "properties/owner", "Other", "Detail 4", "All of the error"):
        assert word in more
    assert "Detail 5" not in more
    assert reverse("error", args=[operation.fingerprint]) in more


def test_a_duration_stands_beside_the_usual_one(operator):
    connection = factories.make_connection()
    quick, slow = (factories.report(connection, status="completed") for _ in range(2))
    now = timezone.now()
    for operation, seconds in ((quick, 300), (slow, 4000)):
        ConnectionOperation.objects.filter(pk=operation.pk).update(
            usual_seconds=360, started_at=now - timedelta(seconds=seconds), finished_at=now
        )

    bars = re.findall(r'<svg class="pace(.*?)".*?pace-bar" y="2" width="(\d+)"', page(operator))

    assert bars == [(" pace-slow", "72"), ("", "20")]  # newest first; a third is the usual time
    assert "usual 6 min" in page(operator)
    assert "style=" not in page(operator)


def test_ugly_data_is_shown_as_it_is(operator):
    evil = "<script>alert(1)</script>"
    factories.report(
        factories.make_connection(name=evil),
        Actor(ActorKind.APPLICATION, evil, Channel.API),
        status="failed",
        error={"code": evil, "message": evil * 100, "target": evil, "details": [{"code": evil}]},
    )
    factories.report(
        factories.make_connection(name="الموارد البشرية"),
        status="failed",
        error={"message": "مصدر"},
    )

    text = page(operator, "?text=<script>")

    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(1)" in text
    assert 'dir="auto">الموارد البشرية' in page(operator)


def test_a_viewer_sees_no_control(viewer):
    factories.fail_registration(factories.make_connection())

    text = page(viewer)

    for control in (">Retry<", ">Acknowledge<", 'name="key"', 'id="bulk"', "export."):
        assert control not in text


def test_an_outcome_by_hand_is_for_administrators(operator, administrator):
    factories.report(factories.make_connection())

    assert 'value="acknowledge"' in page(operator)
    assert 'value="fail"' not in page(operator)
    assert 'value="fail"' in page(administrator)


def test_what_goes_on_over_many_is_named(operator):
    factories.report(factories.make_connection(), status="failed")
    ada = Actor(ActorKind.OPERATOR, "ada", Channel.DASHBOARD)
    run = runs.start(BulkAction.ACKNOWLEDGE, OperationSelection(), ada, reason="x")

    assert reverse("run", args=[run.run_id]) in page(operator)
    while runs.step(run):
        pass
    assert reverse("run", args=[run.run_id]) not in page(operator)


def test_the_list_of_a_connection_acts_on_that_connection(operator):
    factories.report(factories.make_connection("contosohr"), status="failed")

    text = operator.get(
        reverse("connection", args=["contosohr"]) + "?tab=operations&status=failed"
    ).content.decode()

    for name, value in (("connection", "contosohr"), ("status", "failed"), ("range", "all")):
        assert f'<input type="hidden" name="{name}" value="{value}" form="bulk">' in text
    assert 'href="/operations/export.csv?status=failed&amp;connection=contosohr&amp;range=all"' in (
        text
    )


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
    assert "100 of" not in page(operator, "?rows=25") and "25 of 60" in page(operator, "?rows=25")
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
