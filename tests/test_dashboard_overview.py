"""The overview: counts, what needs a person with its error, what runs."""

import html
import re
from datetime import timedelta

import pytest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from operations import causes
from operations.models import (
    Actor,
    ActorKind,
    Change,
    Channel,
    ConnectionOperation,
    ConnectionState,
    ErrorGroup,
    ExternalConnection,
    OutcomeCount,
    WorkerHeartbeat,
)
from tests import factories

pytestmark = pytest.mark.django_db


def page(client, address="/"):
    response = client.get(address)
    assert response.status_code == 200
    return response.content.decode()


def test_first_use_shows_how_to_make_a_connection(operator):
    text = page(operator)

    assert "No connections yet" in text
    assert "curl -X POST http://testserver/v1.0/external/connections" in text
    assert 'data-copy-from="curl"' in text


def test_demo_data_is_loaded_into_an_empty_installation_only(administrator, caplog):
    caplog.set_level("INFO", "operations")
    assert reverse("load-demo") in page(administrator)

    response = administrator.post(reverse("load-demo"), follow=True)
    assert "Demo data is loaded: 10 connections" in response.content.decode()
    assert reverse("load-demo") not in response.content.decode()

    name = response.wsgi_request.user.get_username()
    assert caplog.messages.count(f"Demo data was loaded by {name}.") == 1

    again = administrator.post(reverse("load-demo"), follow=True)
    assert sum("Demo data" in message for message in caplog.messages) == 1
    assert "There are connections already. Nothing changed." in again.content.decode()
    assert ExternalConnection.objects.count() == 10


def test_demo_data_is_for_administrators_and_never_by_a_link(operator, administrator):
    assert reverse("load-demo") not in page(operator)
    refused = operator.post(reverse("load-demo"))
    assert refused.status_code == 403
    assert "This needs the role administrator." in refused.content.decode()

    assert administrator.get(reverse("load-demo")).status_code == 302
    assert not ExternalConnection.objects.exists()


def test_all_calm_is_one_line(operator):
    factories.make_connection(state=ConnectionState.READY)

    text = page(operator)

    assert "Nothing needs you." in text
    assert "No operation has failed so far." in text
    assert "<title>Overview · Connectors Admin</title>" in text


def test_calm_after_a_failure_says_when_it_was(operator):
    connection = factories.make_connection()
    failure = factories.fail_registration(connection)
    factories.register_schema(connection)
    ConnectionOperation.objects.filter(pk=failure.pk).update(
        finished_at=timezone.now() - timedelta(days=6, hours=1)
    )

    text = page(operator)

    assert "Nothing needs you." in text
    assert "6 days ago" in text


def test_failures_are_listed_with_their_error_and_counted_everywhere(operator):
    connection = factories.make_connection("contosohr", name="Contoso HR")
    operation = factories.fail_registration(
        connection, {"code": "Quota", "message": "The quota is used up. Ask for more."}
    )
    other = factories.make_connection()
    factories.report(other, status="failed", error={"message": "Source unreachable"})

    text = page(operator)

    assert "<title>(2) Overview · Connectors Admin</title>" in text
    assert "favicon-alarm.svg" in text.split("data-calm")[0]
    assert "The quota is used up." in text
    assert "Ask for more" not in text
    assert "Source unreachable" in text
    assert f'formaction="{reverse("retry", args=["contosohr", operation.graph_id])}"' in text
    assert f'href="{reverse("operations")}?triage=open&amp;range=all"' in text


def test_a_reported_failure_offers_no_retry(operator):
    operation = factories.report(factories.make_connection(), status="failed")

    text = page(operator)

    assert f"{operation.graph_id}/acknowledge/" in text
    assert f"{operation.graph_id}/retry/" not in text


def test_queued_and_running_are_told_apart(operator):
    factories.request_registration(factories.make_connection())
    factories.report(factories.make_connection(), status="inprogress")

    text = page(operator)

    assert "badge-queued" in text
    assert "Waiting for a worker for under a minute." in text
    assert "badge-inprogress" in text
    assert "Running for under a minute." in text


def test_what_does_not_end_is_stuck(operator):
    operation = factories.make_stuck(factories.report(factories.make_connection()))

    assert "badge-stuck" in page(operator)
    assert operation.graph_id in page(operator, "/operations/?stuck=1")


def test_names_and_messages_are_escaped(operator):
    connection = factories.make_connection(name="<script>alert(1)</script>")
    factories.report(
        connection,
        status="failed",
        error={"code": '"><img src=x>', "message": "<script>alert(2)</script>"},
    )

    text = page(operator)

    assert "<script>alert" not in text
    assert "<img" not in text
    assert "&lt;script&gt;alert(1)" in text
    assert "&lt;script&gt;alert(2)" in text


def test_staff_see_the_way_to_the_admin(operator, admin_client):
    assert reverse("admin:index") not in page(operator)
    assert reverse("admin:index") in page(admin_client)


def test_the_policy_finds_nothing_inline(operator):
    factories.fail_registration(factories.make_connection())

    text = page(operator)

    assert " style=" not in text
    assert " onclick=" not in text
    assert text.count("<script ") == text.count("<script src=")


def tiles(text):
    found = re.findall(
        r'<a class="tile[^"]*" href="([^"]*)"><span class="tile-number">([^<]*)</span>', text
    )
    return [(html.unescape(address), number) for address, number in found]


def test_each_tile_is_the_number_of_the_list_it_leads_to(operator):
    healthy = [factories.make_connection(state=ConnectionState.READY) for _ in range(2)]
    factories.report(healthy[0], status="completed")
    factories.make_connection(state=ConnectionState.LIMIT_EXCEEDED)
    for _ in range(3):
        factories.report(factories.make_connection(), status="failed")
    late = factories.make_connection(state=ConnectionState.READY)
    factories.make_stuck(factories.report(late))
    for _ in range(3):
        factories.report(late)

    found = tiles(page(operator))

    assert [number for _address, number in found] == ["3", "4", "1", "1", "2"]
    for address, number in found:
        assert f"{number} of {number} shown" in page(operator, address), address


def attention(text):
    return text.split('data-key="attention"')[1].split("</section>")[0]


def test_stuck_operations_come_before_failures(operator):
    late = factories.make_stuck(factories.report(factories.make_connection("late")))
    factories.report(factories.make_connection("bad"), status="failed")

    rows = re.findall(r'<tr data-key="\d+">(.*?)</tr>', attention(page(operator)), re.DOTALL)

    assert len(rows) == 2
    assert "badge-stuck" in rows[0] and late.graph_id in rows[0]
    assert "Ask the service that reports it." in rows[0]
    assert "badge-failed" in rows[1] and ">bad<" in rows[1]


def test_at_most_ten_rows_and_how_many_more(operator):
    connection = factories.make_connection()
    for _ in range(31):
        factories.report(connection, status="failed")
    for _ in range(2):
        factories.make_stuck(factories.report(connection))

    shown = attention(page(operator))

    assert shown.count("<tr data-key") == 10
    assert shown.count("badge-stuck") == 2
    assert "and 23 more" in shown


def test_the_probable_cause_is_named(operator):
    error = {"code": "SourceUnreachable", "message": "The directory did not answer."}
    failure = factories.report(factories.make_connection(), status="failed", error=error)
    assert "Probably: The source cannot be reached" in attention(page(operator))

    group = ErrorGroup.objects.filter(fingerprint=failure.fingerprint)
    group.update(cause="throttled")
    title = causes.catalogue().by_id("throttled").title
    assert f"Probably: {title}" in attention(page(operator))


def test_a_viewer_has_no_buttons(viewer):
    factories.fail_registration(factories.make_connection())

    text = page(viewer)

    assert "Rehearsed failure." in text
    assert "formaction" not in text


def test_running_against_usual(operator):
    operation = factories.report(factories.make_connection())
    ConnectionOperation.objects.filter(pk=operation.pk).update(
        started_at=timezone.now() - timedelta(minutes=2, seconds=5), usual_seconds=360
    )

    running = page(operator).split('data-key="running"')[1].split("</section>")[0]

    assert "Running for 2 min." in running
    assert "usual 6 min" in running


def test_the_last_days_are_drawn(operator):
    connection = factories.make_connection()
    for status in ("completed", "completed", "failed"):
        factories.report(connection, status=status)

    assert "14 days: 2 completed, 1 failed" in page(operator)

    today = timezone.now().date()
    OutcomeCount.objects.create(connection=connection, day=today - timedelta(days=3), count=5)
    OutcomeCount.objects.create(connection=connection, day=today - timedelta(days=14), count=70)
    chart = page(operator).split('data-key="daily"')[1].split("</section>")[0]
    assert "14 days: 7 completed, 1 failed" in chart
    assert "bar-failed" in chart and "<table" in chart


def test_recent_activity_leads_to_the_thing_and_to_the_change(operator):
    owner = factories.make_application(name="HR <b>")
    actor = Actor(ActorKind.APPLICATION, owner.name, Channel.API, owner.app_id)
    operation = factories.report(factories.make_connection("contosohr"), actor, graph_id="crawl-1")
    change = Change.objects.get(operation_key=operation.pk)

    recent = page(operator).split('data-key="recent"')[1]

    assert f'href="{reverse("event", args=[change.pk])}">Reported</a>' in recent
    assert reverse("operation", args=["contosohr", "crawl-1"]) in recent
    assert "HR &lt;b&gt;" in recent and "API" in recent
    assert recent.count('<li data-key="') == 4


def test_at_most_eight_changes(operator):
    connection = factories.make_connection()
    for _ in range(9):
        factories.report(connection)

    assert page(operator).split('data-key="recent"')[1].count('<li data-key="') == 8


NO_WORKER = "Work waits, and no worker lives to do it."


def test_work_that_waits_for_no_worker_is_said(operator):
    connection = factories.make_connection()
    factories.report(connection)
    assert NO_WORKER not in page(operator)

    factories.request_registration(connection)
    assert NO_WORKER in page(operator)

    worker = WorkerHeartbeat.objects.create(name="one")
    assert NO_WORKER not in page(operator)

    WorkerHeartbeat.objects.filter(pk=worker.pk).update(
        seen_at=timezone.now() - timedelta(seconds=31)
    )
    assert NO_WORKER in page(operator)


def test_a_deletion_waits_for_a_worker_too(operator):
    connection = factories.make_connection()
    ExternalConnection.objects.filter(pk=connection.pk).update(deleting_since=timezone.now())

    assert NO_WORKER in page(operator)


@pytest.mark.parametrize("rows", [3, 30])
def test_the_number_of_queries_does_not_grow(operator, rows):
    for _ in range(rows):
        connection = factories.make_connection()
        factories.report(connection, status="failed")
    owner = factories.make_application()
    actor = Actor(ActorKind.APPLICATION, owner.name, Channel.API, owner.app_id)
    factories.make_stuck(factories.report(connection, actor))

    with CaptureQueriesContext(database) as queries:
        page(operator)

    assert len(queries) == 12


def test_a_calm_page_needs_no_more_queries(operator):
    factories.report(factories.make_connection(), status="completed")

    with CaptureQueriesContext(database) as queries:
        page(operator)

    assert len(queries) <= 12
