"""The page of one change: all of it, what else its request did, what came before and after."""

import pytest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from operations.models import Action, Actor, ActorKind, Change, Channel
from tests import factories

pytestmark = pytest.mark.django_db
ANNA = Actor(ActorKind.OPERATOR, "anna", Channel.DASHBOARD, request_id="aa-11")


def page(client, change):
    response = client.get(reverse("event", args=[change.pk]))
    assert response.status_code == 200
    return response.content.decode()


def test_all_of_a_change_is_there(viewer):
    application = factories.make_application(name="HR crawler")
    connection = factories.make_connection("contosohr", owner=application)
    actor = Actor(ActorKind.APPLICATION, "HR crawler", Channel.API, application.app_id, "r-1")
    connection.revise(actor, description="long " * 2000)
    change = Change.objects.get(action=Action.CONNECTION_UPDATED)

    text = page(viewer, change)

    assert "<h1>Connection changed</h1>" in text
    assert "connection.updated" in text
    assert text.count("long ") >= 4000  # folded, and in the JSON
    assert f'href="{reverse("connection", args=["contosohr"])}"' in text
    assert f'href="/applications/{application.app_id}/"' in text
    assert "r-1" in text and str(application.app_id) in text
    assert f'datetime="{change.at:%Y-%m-%dT%H:%M}' in text


def test_the_other_changes_of_the_request(viewer):
    connection = factories.make_connection()
    failures = [factories.report(connection, status="failed") for _ in range(13)]
    for failure in failures:
        failure.acknowledge(ANNA, "Known")
    first, *others = Change.objects.filter(request_id="aa-11").order_by("id")

    text = page(viewer, first)

    assert "Other changes of this request" in text
    assert "All of them" in text
    assert reverse("event", args=[others[-1].pk]) in text
    assert text.count("<li data-key=") == 10
    assert "Known" in text


def test_the_neighbours_of_the_same_connection(viewer):
    connection = factories.make_connection("contosohr")
    operation = factories.report(connection)
    factories.make_connection()
    operation.move(ANNA, status=2)
    before, change, after = Change.objects.filter(connection_key=connection.pk).order_by("id")

    text = page(viewer, change)

    assert f'rel="prev" href="{reverse("event", args=[before.pk])}"' in text
    assert f'rel="next" href="{reverse("event", args=[after.pk])}"' in text
    assert 'rel="next"' not in page(viewer, after)


def test_a_change_without_values(viewer):
    Change.record(ANNA, Action.RUN_FINISHED, subject="Retry 3 operations")

    text = page(viewer, Change.objects.get())

    assert "records that it happened" in text
    assert "Retry 3 operations" in text


def test_markup_is_text(viewer):
    evil = "<script>alert(1)</script>"
    Change.record(
        Actor(ActorKind.OPERATOR, evil, Channel.ADMIN, request_id=evil),
        Action.RULE_CHANGED,
        subject=evil,
        before={evil: [evil, {evil: evil}]},
        note=evil,
    )

    assert "<script>alert" not in page(viewer, Change.objects.get())


@pytest.mark.parametrize("key", [0, 999_999_999, 2**63, 10**30])
def test_a_number_that_names_nothing(viewer, key):
    response = viewer.get(f"/activity/{key}/")

    assert response.status_code == 404
    assert f"There is no change with the number {key}." in response.content.decode()


@pytest.mark.parametrize("others", [0, 30])
def test_the_number_of_queries_does_not_grow(viewer, others):
    connection = factories.make_connection()
    for _ in range(others):
        factories.report(connection, ANNA, status="completed")
    change = factories.report(connection, ANNA)

    with CaptureQueriesContext(database) as queries:
        page(viewer, Change.objects.get(operation_key=change.pk))

    assert len(queries) <= 12
