"""The overview: counts, what needs a person with its error, what runs."""

from datetime import timedelta

import pytest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from operations.models import ConnectionOperation, ConnectionState
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
    assert f'href="{reverse("operations")}?triage=open"' in text


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


@pytest.mark.parametrize("rows", [3, 30])
def test_the_number_of_queries_does_not_grow(operator, rows):
    for _ in range(rows):
        connection = factories.make_connection()
        factories.fail_registration(connection)
        factories.report(connection, status="inprogress")

    with CaptureQueriesContext(database) as queries:
        page(operator)

    assert len(queries) == 8
