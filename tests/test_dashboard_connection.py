"""One connection: what it is, how it is, its operations, its schema."""

from datetime import timedelta

import pytest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

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


def test_the_schema_tab_shows_flags_labels_and_versions(operator):
    connection = factories.make_connection("contosohr")
    title = factories.a_property("title", isSearchable=True, isRetrievable=True, labels=["title"])
    factories.register_schema(connection, factories.a_schema(title))
    more = factories.a_property("writer", isQueryable=True, aliases=["author"])
    factories.register_schema(connection, factories.a_schema(title, more))

    text = page(operator, "contosohr", "?tab=schema")
    assert "Version 2" in text and "writer" in text and "author" in text
    assert '<span class="visually-hidden">yes</span>' in text

    earlier = page(operator, "contosohr", "?tab=schema&version=1")
    assert "no longer in force" in earlier
    assert "writer" not in earlier


def test_without_a_schema_the_next_step_is_shown(operator):
    factories.make_connection("contosohr")

    text = page(operator, "contosohr", "?tab=schema")

    assert "No schema in force yet" in text
    assert "curl -X PATCH" in text and "/contosohr/schema" in text


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


@pytest.mark.parametrize(("tab", "expected"), [("summary", 13), ("operations", 10), ("schema", 9)])
@pytest.mark.parametrize("rows", [3, 30])
def test_the_number_of_queries_does_not_grow(operator, tab, expected, rows):
    connection = factories.make_connection("contosohr", owner=factories.make_application())
    properties = []
    for number in range(rows):
        factories.report(connection, status="failed")
        properties.append(factories.a_property(f"field{number}"))
        if number % 3 == 0:
            factories.register_schema(connection, factories.a_schema(*properties))

    with CaptureQueriesContext(database) as queries:
        page(operator, "contosohr", f"?tab={tab}")

    assert len(queries) == expected
