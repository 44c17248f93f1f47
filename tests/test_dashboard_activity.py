"""The list of every change: what, by whom, through which way in, before → after."""

import re
import uuid

import pytest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from operations import groups, provisioning
from operations.dashboard import activity_filter
from operations.dashboard.pages import activity
from operations.models import (
    Action,
    Actor,
    ActorKind,
    Change,
    Channel,
    ErrorGroup,
    ExternalConnection,
)
from tests import factories

pytestmark = pytest.mark.django_db
ANNA = Actor(ActorKind.OPERATOR, "anna", Channel.DASHBOARD, request_id="aa-11")


def page(client, query=""):
    response = client.get(reverse("activity") + query)
    assert response.status_code == 200
    return response.content.decode()


def keys(text):
    return [int(key) for key in re.findall(r'<tr data-key="(\d+)"', text)]


def changes(**filters):
    return list(Change.objects.filter(**filters).order_by("-id").values_list("pk", flat=True))


def test_nothing_happened_yet(viewer):
    text = page(viewer)

    assert "No changes yet" in text
    assert "<table" not in text


def test_a_row_says_what_where_by_whom_and_what_became_of_it(viewer):
    application = factories.make_application(name="HR crawler")
    connection = factories.make_connection("contosohr", owner=application)
    operation = factories.report(connection)
    actor = Actor(ActorKind.APPLICATION, "HR crawler", Channel.API, application.app_id, "r-1")
    operation.move(actor, status=3, error={"code": "Quota", "message": "Too many items."})

    text = page(viewer, "?action=operation.failed")

    assert keys(text) == changes(action=Action.OPERATION_FAILED)
    assert f'href="{reverse("connection", args=["contosohr"])}"' in text
    assert f'href="{reverse("operation", args=["contosohr", operation.graph_id])}"' in text
    assert f'href="/applications/{application.app_id}/"' in text
    assert "application · API" in text
    assert "inprogress" in text and "error.code" in text and "Too many items." in text
    assert 'href="/activity/?request=r-1"' in text
    assert reverse("event", args=keys(text)) in text


def test_what_is_gone_is_named_and_not_linked(viewer):
    connection = factories.make_connection("contosohr")
    operation = factories.report(connection, status="completed")
    provisioning.request_deletion(connection, ANNA)
    again = factories.make_connection("contosohr")

    text = page(viewer)

    link = f'href="{reverse("connection", args=["contosohr"])}"'
    assert text.count(link) == len(changes(connection_key=again.pk)) == 1
    assert text.count('class="gone">deleted') == len(changes(connection_key=connection.pk))
    assert operation.graph_id in text
    assert reverse("operation", args=["contosohr", operation.graph_id]) not in text


def test_a_deleted_operation_of_a_living_connection(viewer):
    operation = factories.report(factories.make_connection("contosohr"), status="completed")
    operation.remove(ANNA)

    text = page(viewer, f"?operation={operation.graph_id}")

    assert len(keys(text)) == 2
    assert text.count('class="gone">deleted') == 2
    assert f'href="{reverse("connection", args=["contosohr"])}"' in text


def test_changes_of_one_request_stand_together(viewer):
    connection = factories.make_connection()
    failures = [factories.report(connection, status="failed") for _ in range(2)]
    for failure in failures:
        failure.acknowledge(ANNA)
    factories.report(connection)

    text = page(viewer)

    [group] = re.findall(r'<tbody data-key="\d+" class="together">(.*?)</tbody>', text, re.S)
    assert "2 changes of one request" in group
    assert keys(group) == changes(request_id="aa-11")
    assert text.count("<tbody") == len(keys(text)) - 1


def test_what_has_no_request_stands_alone(viewer):
    factories.register_schema(factories.make_connection())  # several changes of the worker

    assert "changes of one request" not in page(viewer)


@pytest.fixture
def history():
    """One change of each kind of actor and way in, about two connections and an application."""
    contoso = factories.make_connection("contosohr")
    other = factories.make_connection("other")
    application = factories.make_application(name="HR crawler")
    api = Actor(ActorKind.APPLICATION, "HR crawler", Channel.API, application.app_id, "r-1")
    failed = factories.report(contoso, api, status="failed")
    failed.acknowledge(ANNA, "Ticket 4711: moved")
    factories.report(other, api, status="completed", graph_id="nightly-1")
    factories.fail_registration(contoso)
    return application


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("?action=connection.created", {"action": "connection.created"}),
        (
            "?action=connection.created&action=OPERATION.FAILED",
            {"action__in": ["connection.created", "operation.failed"]},
        ),
        ("?channel=worker&channel=dashboard", {"channel__in": ["worker", "dashboard"]}),
        ("?by=application", {"actor_kind": "application"}),
        ("?who=CRAWL", {"actor_name": "HR crawler"}),
        ("?note=ticket+4711", {"note": "Ticket 4711: moved"}),
        ("?connection=ContosoHR", {"connection_graph_id": "contosohr"}),
        ("?operation=nightly-1", {"operation_graph_id": "nightly-1"}),
        ("?request=r-1", {"request_id": "r-1"}),
        ("?outcome=completed", {"operation_graph_id": "nightly-1"}),
        ("?range=1h", {}),
        ("?until=2020-01-01", {"pk": 0}),
        ("?since=2020-01-01", {}),
        ("?connection=contosohr&channel=worker", {"channel": "worker"}),
        ("?who=nobody", {"pk": 0}),
    ],
)
def test_filters(viewer, history, query, expected):
    text = page(viewer, query)

    assert keys(text) == changes(**expected)
    assert "was left out" not in text
    assert 'class="chip"' in text


def test_failed_are_those_of_the_worker_and_those_reported(viewer, history):
    text = page(viewer, "?outcome=failed")

    assert set(keys(text)) == {
        *changes(action=Action.OPERATION_FAILED),
        *changes(action=Action.OPERATION_REPORTED, connection_graph_id="contosohr"),
    }
    assert len(keys(text)) == 2


def test_an_application_is_who_did_it_or_whom_it_was_done_to(viewer, history):
    text = page(viewer, f"?application={str(history.app_id).upper()}")

    assert set(keys(text)) == {
        *changes(actor_app_id=history.app_id),
        *changes(subject=str(history)),
    }
    assert len(keys(text)) == 4


@pytest.mark.parametrize(
    "query",
    [
        "?action=banana",
        "?channel=%00",
        "?by=robot",
        "?outcome=maybe",
        "?connection=%3Cscript%3E",
        "?operation=a%20b",
        "?application=not-a-uuid",
        "?request=%00",
        "?note=%00",
        "?who=" + "x" * 201,
        "?before=x",
        "?since=yesterday",
        "?range=2y",
        "?rows=1000",
        "?page=2",
    ],
)
def test_what_means_nothing_is_named_and_left_out(viewer, history, query):
    text = page(viewer, query)

    assert "was left out" in text
    assert keys(text) == changes()
    assert "<script>" not in text


def test_nothing_matches(viewer, history):
    text = page(viewer, "?who=nobody")

    assert "Nothing matches" in text
    assert f"Without these filters there are {len(changes())} rows." in text


def test_pages_go_on_before_the_last_key(viewer):
    for _ in range(60):
        factories.make_connection()
    every = changes()

    first = page(viewer)
    assert keys(first) == every[:50]
    assert "50 of 60 shown" in first
    assert f'href="?before={every[49]}"' in first

    second = page(viewer, f"?before={every[49]}")
    assert keys(second) == every[50:]
    assert "First page" in second


def test_rows_a_page_are_chosen_and_remembered(viewer):
    for _ in range(60):
        factories.make_connection()

    assert len(keys(page(viewer, "?rows=25"))) == 25
    assert len(keys(page(viewer))) == 25


def test_what_no_index_serves_is_looked_for_in_the_newest_and_says_so(viewer, monkeypatch):
    monkeypatch.setattr(activity_filter, "SEARCHED", 5)
    monkeypatch.setattr(activity, "SEARCHED", 5)
    connection = factories.make_connection()
    for _ in range(9):
        factories.report(connection)

    text = page(viewer, "?who=tests")
    assert len(keys(text)) == 5
    assert "Looked through the newest 5 changes" in text

    narrow = page(viewer, f"?who=tests&connection={connection.graph_id}")
    assert len(keys(narrow)) == 10
    assert "Looked through" not in narrow


def test_markup_from_outside_is_text(viewer):
    evil = "<script>alert(1)</script>"
    connection = factories.make_connection(name=evil, description=evil)
    factories.report(connection, Actor(ActorKind.OPERATOR, evil, Channel.ADMIN), status="failed")
    Change.record(ANNA, Action.RULE_CHANGED, subject=evil, note=evil, after={evil: {evil: evil}})

    text = page(viewer)

    assert "<script>alert" not in text
    assert text.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 6


def test_a_long_value_is_folded_and_cut(viewer):
    factories.make_connection(description="long " * 2000)

    text = page(viewer)

    assert "Show all 10,000 characters" in text
    assert text.count("long ") < 1000
    assert "The rest is on the page of this change" in text


def test_many_members_are_folded(viewer):
    factories.make_connection(description="x", connector_id="y")

    assert "more members</summary>" in page(viewer)


@pytest.mark.parametrize("subject", ["", "rule of all", "x (not-an-id)", "(" * 190, "\ud7ff)"])
def test_any_subject_is_shown(viewer, subject):
    for action in (Action.APPLICATION_UPDATED, Action.ERROR_RESOLVED, Action.RUN_FINISHED):
        Change.record(ANNA, action, subject=subject)

    assert len(keys(page(viewer))) == 3


@pytest.mark.parametrize("rows", [2, 40])
def test_the_number_of_queries_does_not_grow(viewer, rows):
    for number in range(rows):
        application = factories.make_application(name=f"app {number}")
        actor = Actor(
            ActorKind.APPLICATION, "x", Channel.API, application.app_id, str(uuid.uuid4())
        )
        factories.report(factories.make_connection(), actor, status="completed")
        Change.record(ANNA, Action.ERROR_RESOLVED, subject=f"Sentence ({uuid.uuid4().hex})")
    provisioning.request_deletion(ExternalConnection.objects.first(), ANNA)

    with CaptureQueriesContext(database) as queries:
        page(viewer, "?who=s&note=")

    assert len(queries) == 10


def test_strangers_sign_in_first(client):
    assert client.get(reverse("activity")).status_code == 302


def test_decisions_about_errors_and_runs_lead_to_them(viewer):
    factories.report(factories.make_connection(), status="failed", error={"message": "Down."})
    known = ErrorGroup.objects.get().fingerprint
    for fingerprint in (known, "0" * 32):
        Change.record(
            ANNA, Action.ERROR_RESOLVED, subject="Down.", after={"fingerprint": fingerprint}
        )
    run = str(uuid.uuid4())
    Change.record(ANNA, Action.RUN_STARTED, subject="Retry 3 operations", after={"run": run})

    text = page(viewer)

    assert f'href="/errors/{known}/"' in text
    assert f"/errors/{'0' * 32}/" not in text
    assert f'href="/runs/{run}/"' in text


# What is in a connection -------------------------------------------------------------------------


def test_changes_of_items_and_groups_lead_to_them(viewer):
    connection = factories.make_connection("contosohr")
    factories.register_schema(connection)
    item = factories.put_item(connection, "hr/1")
    gone = factories.make_group(connection, "gone")
    team = factories.make_group(connection, "team", "other")
    groups.delete(gone, factories.COMMAND)
    Change.record(
        factories.COMMAND, Action.ITEM_WRITTEN, connection=connection, subject="hr/1", after={}
    )
    Change.record(factories.COMMAND, Action.ITEM_DELETED, connection=connection, subject="hr/2")

    for address in (
        reverse("activity"),
        reverse("connection", args=["contosohr"]) + "?tab=activity",
    ):
        text = viewer.get(address).content.decode()
        assert f'href="{reverse("item", args=["contosohr", item.pk])}"' in text
        assert f'href="{reverse("group", args=["contosohr", team.pk])}"' in text
        for words in ("Item written by hand", "Item deleted by hand", "Member added"):
            assert words in text
        assert "<span>gone</span>" in text and "<span>hr/2</span>" in text


def test_a_group_of_the_same_id_elsewhere_is_not_meant(viewer):
    connection, other = (factories.make_connection(name) for name in ("contosohr", "other"))
    groups.delete(factories.make_group(connection, "team"), factories.COMMAND)
    elsewhere = factories.make_group(other, "team")

    text = viewer.get(reverse("activity") + "?connection=contosohr").content.decode()

    assert "<span>team</span>" in text
    assert reverse("group", args=["other", elsewhere.pk]) not in text


def test_the_tab_offers_what_happens_to_items_and_groups(viewer):
    factories.make_connection("contosohr")

    text = viewer.get(reverse("connection", args=["contosohr"]) + "?tab=activity").content.decode()

    for action in ("item.written", "group.memberAdded", "connection.updated"):
        assert f'value="{action}"' in text
    assert 'value="application.created"' not in text
