"""One connection: what it is, how it is, its operations, its schema."""

import re
from datetime import timedelta

import pytest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from operations.dashboard.pages.connection import TABS
from operations.models import ConnectionState, ExternalConnection
from tests import factories

pytestmark = pytest.mark.django_db


def page(client, graph_id, query=""):
    response = client.get(reverse("connection", args=[graph_id]) + query)
    assert response.status_code == 200
    return response.content.decode()


def test_summary_names_owner_and_authorized_applications(operator):
    owner = factories.make_application(name="HR ingestion")
    friend = factories.make_application(name="Nightly sync")
    factories.make_connection(
        "contosohr",
        owner=owner,
        name="Contoso HR",
        description="People & policies",
        authorized_app_ids=[friend.app_id],
    )

    text = page(operator, "contosohr")

    assert "<h1" in text and "Contoso HR" in text
    assert "People &amp; policies" in text
    assert "HR ingestion" in text and str(owner.app_id) in text
    assert "Nightly sync" in text and str(friend.app_id) in text


def test_the_id_is_found_in_any_case(operator):
    factories.make_connection("ContosoHR")

    assert "ContosoHR" in page(operator, "contosohr")


def healthy(connection):
    factories.register_schema(connection)


def failed(connection):
    factories.fail_registration(connection, {"message": "It broke. Mend it."})


def failed_before_something_else(connection):
    factories.report(connection, status="failed", error={"message": "It broke. Mend it."})
    factories.report(connection, status="unspecified")


def working(connection):
    factories.request_registration(connection)


def stuck(connection):
    factories.make_stuck(factories.report(connection), timedelta(minutes=45))


def deleting(connection):
    ExternalConnection.objects.filter(pk=connection.pk).update(deleting_since=timezone.now())


def in_state(state):
    def put(connection):
        ExternalConnection.objects.filter(pk=connection.pk).update(state=state)

    return put


@pytest.mark.parametrize(
    ("arrange", "label", "reason"),
    [
        (healthy, "Healthy", "It accepts items."),
        (failed, "Needs attention", "It broke."),
        (failed_before_something_else, "Needs attention", "An earlier failure is open: It broke."),
        (working, "Working", "requested just now"),
        (stuck, "Stuck", "has not ended for 45 min"),
        (deleting, "Deleting", "free again when the deletion ends"),
        (in_state(ConnectionState.DRAFT), "Set-up not finished", "Next step: register one."),
        (in_state(ConnectionState.LIMIT_EXCEEDED), "Limited", "below the limit"),
        (in_state(ConnectionState.OBSOLETE), "Obsolete", "only be read and deleted"),
        (in_state(ConnectionState.UNKNOWN_FUTURE_VALUE), "Unknown value", "newer value"),
    ],
)
def test_health_comes_with_its_reason(operator, arrange, label, reason):
    connection = factories.make_connection("contosohr")
    arrange(connection)

    standing = page(operator, "contosohr").split("<dt>Health</dt>")[1].split("</dl>")[0]

    assert label in standing
    assert reason in standing


def test_the_health_leads_to_what_it_is_about(viewer):
    connection = factories.make_connection("contosohr")
    assert 'href="?tab=schema#register" dir="auto">It has no schema' in page(viewer, "contosohr")

    failure = factories.report(connection, status="failed", error={"message": "It broke."})
    address = reverse("operation", args=["contosohr", failure.graph_id])
    assert f'href="{address}" dir="auto">It broke.' in page(viewer, "contosohr")

    late = factories.make_stuck(factories.report(connection))
    factories.report(connection, status="unspecified")
    text = page(viewer, "contosohr")
    assert 'href="?tab=operations&amp;stuck=1" dir="auto">An operation does not end.' in text
    assert late.graph_id in page(viewer, "contosohr", "?tab=operations&stuck=1")


def test_the_operations_tab_filters_and_keeps_the_tab(operator):
    connection = factories.make_connection("contosohr")
    failure = factories.report(connection, status="failed")
    success = factories.report(factories.make_connection(), status="completed")

    text = page(operator, "contosohr", "?tab=operations&status=failed")

    assert failure.graph_id in text
    assert success.graph_id not in text
    assert 'href="?tab=operations"' in text


def test_an_unknown_tab_is_the_summary(operator):
    factories.make_connection("contosohr")

    assert "Owner application" in page(operator, "contosohr", "?tab=banana")


def test_an_unknown_id_offers_near_ones(operator):
    factories.make_connection("contosohr")

    response = operator.get(reverse("connection", args=["contosoHRR"]))

    assert response.status_code == 404
    assert reverse("connection", args=["contosohr"]) in response.content.decode()


@pytest.mark.parametrize("graph_id", ["%00", "a", "x" * 500, "نص", "a'b"])
def test_an_impossible_id_is_not_found(operator, graph_id):
    assert operator.get(f"/connections/{graph_id}/").status_code == 404


@pytest.mark.parametrize("rows", [3, 20])
def test_the_number_of_queries_does_not_grow(operator, rows):
    friend = factories.make_application()
    connection = factories.make_connection(
        "contosohr", owner=friend, authorized_app_ids=[friend.app_id]
    )
    properties = [factories.a_property(f"field{number}") for number in range(rows)]
    for number in range(rows):
        factories.report(connection, status="failed")
        if number % 3 == 0:
            factories.register_schema(connection, factories.a_schema(*properties[: number + 1]))
    page(operator, "contosohr", "?tab=api")  # the tenant id is made on first use

    seen = {}
    for tab in TABS:
        with CaptureQueriesContext(database) as queries:
            page(operator, "contosohr", f"?tab={tab}&rows=50")
        seen[tab] = len(queries)

    # of the list of operations and that of changes only the bound is fixed here
    assert {name: seen.pop(name) <= 12 for name in ("operations", "activity")} == {
        "operations": True,
        "activity": True,
    }
    assert seen == {"summary": 12, "schema": 10, "items": 10, "groups": 9, "api": 9}


# The summary -------------------------------------------------------------------------------------


def readiness(text):
    return text.split('id="readiness"')[1].split('id="limits"')[0]


def test_readiness_says_what_is_missing_why_and_what_to_do(viewer):
    connection = factories.make_connection("contosohr")
    assert readiness(page(viewer, "contosohr")).count("check-missing") == 5

    factories.register_schema(connection)
    text = readiness(page(viewer, "contosohr"))

    assert text.count("check-missing") == 2  # url and iconUrl
    assert "3 of 5" in text
    assert "without it content does not surface." in text
    assert "register the schema again." in text
    assert text.count("check-advised") == 2
    assert text.count("check-manual") == 3


def test_limits_used_are_a_bar_with_its_number(viewer):
    connection = factories.make_connection("contosohr")
    factories.register_schema(connection)
    factories.report(connection)

    text = page(viewer, "contosohr").split('id="limits"')[1]

    assert '<meter min="0" max="128" value="1"' in text
    assert "1 of 128" in text
    assert "0 of 1,000" in text
    assert '<span class="limit-number">2</span>' in text


def test_durations_of_finished_operations_are_drawn(viewer):
    connection = factories.make_connection("contosohr")
    for status in ("completed", "failed", "inprogress"):
        factories.report(connection, status=status, graph_id=f"run-{status}")

    chart = page(viewer, "contosohr").split('id="durations"')[1].split('id="about"')[0]

    assert "2 operations, 1 failed" in chart
    assert reverse("operation", args=["contosohr", "run-failed"]) in chart
    assert "run-inprogress" not in chart


def test_applications_lead_to_their_pages(viewer):
    owner = factories.make_application(name="HR <i>")
    factories.make_connection("contosohr", owner=owner)

    text = page(viewer, "contosohr")

    assert "HR &lt;i&gt;" in text and "<i>" not in text
    assert f'data-copy="{owner.app_id}"' in text


# Buttons -----------------------------------------------------------------------------------------


def standing(client):
    return page(client, "contosohr").split('data-key="standing"')[1].split("<nav")[0]


def test_each_role_has_its_buttons(viewer, operator, administrator):
    connection = factories.make_connection("contosohr")
    failed = factories.fail_registration(connection)
    retry = reverse("retry", args=["contosohr", failed.graph_id])
    edit = reverse("admin:operations_externalconnection_change", args=[connection.pk])
    delete = reverse("delete-connection", args=["contosohr"])

    shown = [
        [address in standing(client) for address in (retry, edit, delete)]
        for client in (viewer, operator, administrator)
    ]

    assert shown == [[False, False, False], [True, False, False], [True, True, True]]
    assert "?tab=schema#register" in standing(viewer)


def test_a_viewer_has_no_buttons_at_the_failures(viewer):
    factories.report(factories.make_connection("contosohr"), status="failed")

    assert "formaction" not in page(viewer, "contosohr")


def test_what_is_being_deleted_has_no_buttons(administrator):
    connection = factories.make_connection("contosohr")
    factories.fail_registration(connection)
    deleting(connection)

    shown = standing(administrator)

    assert "It is being deleted." in shown
    assert "button" not in shown.replace("badge", "")
    for tab in ("summary", "schema"):
        text = page(administrator, "contosohr", f"?tab={tab}")
        assert "/retry/" not in text and "curl" not in text


@pytest.mark.parametrize("state", [ConnectionState.OBSOLETE, ConnectionState.LIMIT_EXCEEDED])
def test_where_no_schema_can_be_registered_none_is_offered(operator, state):
    factories.make_connection("contosohr", state=state)

    assert "#register" not in standing(operator)
    assert "In its state none can be registered." in page(operator, "contosohr", "?tab=schema")


# Activity ----------------------------------------------------------------------------------------


def test_activity_is_that_of_this_connection_with_before_and_after(viewer):
    connection = factories.make_connection("contosohr", name="Old name")
    factories.make_connection("other", name="Somebody else")
    connection.revise(factories.COMMAND, name="New name <b>")

    text = page(viewer, "contosohr", "?tab=activity")

    assert "Connection changed" in text
    assert "Old name" in text and "New name &lt;b&gt;" in text
    assert "Somebody else" not in text


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("action=connection.created", ["Connection created"]),
        ("outcome=failed", ["Failed"]),
        ("by=worker&action=operation.started", ["Started"]),
        ("who=nobody", []),
        ("since=2999-01-01T00:00", []),
    ],
)
def test_activity_filters_and_keeps_the_tab(viewer, query, expected):
    factories.fail_registration(factories.make_connection("contosohr"))

    text = page(viewer, "contosohr", f"?tab=activity&{query}")

    assert re.findall(r'<a class="what"[^>]*>([^<]*)<', text) == expected
    assert 'href="?tab=activity"' in text
    assert "was left out" not in text
    assert 'value="application.created"' not in text
