"""What a long history must not slow down: filters of the pages are answered by an index."""

from __future__ import annotations

import re
import uuid
from datetime import timedelta

import pytest
from django.db import connection as database
from django.http import QueryDict
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from operations.dashboard.activity_filter import asked_for
from operations.dashboard.filters import Parameters
from operations.dashboard.pages import activity
from operations.dashboard.pages import operations as page
from operations.models import (
    Change,
    ConnectionOperation,
    ConnectionState,
    ExternalConnection,
    OperationStatus,
    few,
)
from operations.models.health import Health, has_health, health
from operations.selection import OperationSelection
from tests import factories
from tests.plans import plans, scans, sorts

pytestmark = pytest.mark.django_db


@pytest.fixture
def connection():
    return factories.make_connection("contosohr", state=ConnectionState.READY)


@pytest.mark.parametrize(
    ("selection", "index"),
    [
        (OperationSelection(longer_than=60), "operation_by_duration"),
        (OperationSelection(application=uuid.uuid4()), "operation_by_application"),
        (OperationSelection(statuses=(OperationStatus.FAILED,)), "operation_by_status"),
        (OperationSelection(text="quota"), "operation_by_status"),
    ],
)
def test_operations_are_found_by_an_index(connection, selection, index):
    rows = selection.rows(timezone.now()).order_by().values("pk")[:10]

    [plan] = plans(lambda: list(rows))

    assert index in plan
    assert not scans(plan), plan


def test_what_took_or_takes_longer(connection):
    now = timezone.now()
    for graph_id, status, minutes in (
        ("long", "completed", 10),
        ("short", "completed", 2),
        ("failed", "failed", 10),
        ("runs", "inprogress", None),
        ("unspecified", "unspecified", None),
    ):
        row = factories.report(connection, graph_id=graph_id, status=status)
        begun = now - timedelta(minutes=10)
        ended = None if minutes is None else begun + timedelta(minutes=minutes)
        ConnectionOperation.objects.filter(pk=row.pk).update(
            created_at=begun, started_at=begun, finished_at=ended
        )

    def longer_than(seconds):
        rows = OperationSelection(longer_than=seconds).rows(now)
        return {row.graph_id for row in rows}

    assert longer_than(300) == {"long", "failed", "runs"}
    assert longer_than(60) == {"long", "short", "failed", "runs"}
    assert longer_than(660) == set()


def test_few_matches_are_listed_as_many_are(connection, viewer, monkeypatch):
    for number in range(60):
        status = "failed" if number % 2 else "completed"
        factories.report(connection, graph_id=f"o{number}", status=status)
    for query in ("?status=failed&rows=25", "?range=all&rows=50", "?connection=contosohr&rows=25"):
        few = viewer.get(f"/operations/{query}").context
        monkeypatch.setattr(page, "FEW", 0)
        many = viewer.get(f"/operations/{query}").context
        monkeypatch.undo()
        assert [row.key for row in few["rows"]] == [row.key for row in many["rows"]]
        assert few["next_page"] == many["next_page"]
        later = viewer.get(f"/operations/{few['next_page']}").context["rows"]
        assert later and later[0].operation.pk < few["rows"][-1].operation.pk


def test_the_changes_of_an_application(viewer):
    application = factories.make_application("ExternalConnection.ReadWrite.OwnedBy", name="Ours")
    other = factories.make_application("ExternalConnection.ReadWrite.OwnedBy", name="Other")
    factories.make_connection("contosohr", owner=application)
    done_to = Change.objects.of_application(application.app_id)
    involved = Change.objects.with_application(application.app_id)

    assert {change.subject for change in done_to} == {str(application)}
    others = involved.exclude(pk__in=done_to.values("pk"))
    assert {change.action for change in others} == {"connection.created"}
    assert not done_to.filter(subject=str(other)).exists()
    for rows, index in ((done_to, "change_of_application"), (involved, "change_with_application")):
        [plan] = plans(lambda rows=rows: list(rows.order_by("-id")[:5]), about="change")
        assert index in plan


def test_to_find_a_health_is_to_compute_it(connection):
    states = list(ConnectionState)
    for number, state in enumerate(states):
        for suffix in ("idle", "running", "stuck", "failed"):
            made = factories.make_connection(f"{suffix}{number}", state=state)
            if suffix != "idle":
                status = "failed" if suffix == "failed" else "inprogress"
                operation = factories.report(made, status=status)
                if suffix == "stuck":
                    factories.make_stuck(operation)
    going = ExternalConnection.objects.filter(graph_id="failed0")
    going.update(deleting_since=timezone.now())
    now = timezone.now()
    every = ExternalConnection.objects.annotate(health=health(now))
    computed = {row.pk: row.health for row in every}
    assert set(computed.values()) == set(Health)

    wanted = [[each] for each in Health] + [[Health.STUCK, Health.HEALTHY], list(Health)]
    for some in wanted:
        found = ExternalConnection.objects.filter(has_health(now, *some))
        expected = {key for key, value in computed.items() if value in some}
        assert {row.pk for row in found} == expected, some


@pytest.mark.parametrize("number", [0, 1, 2, 100])
def test_to_read_a_few_first_changes_nothing(connection, viewer, monkeypatch, number):
    now = timezone.now()
    for index in range(4):
        made = factories.make_connection(f"made{index}", state=ConnectionState.READY)
        factories.report(made, status="completed")
        if index:
            factories.report(made, status="failed" if index > 1 else "inprogress")
    long = ConnectionOperation.objects.filter(connection__graph_id__in=["made2", "made3"])
    long.update(started_at=now - timedelta(hours=5), finished_at=now)

    monkeypatch.setattr(few, "FEW", number)

    of_many = health(now, of_many=True)
    computed = {
        row.graph_id: Health(row.health)
        for row in ExternalConnection.objects.annotate(health=of_many)
    }
    assert computed == {
        "contosohr": Health.HEALTHY,
        "made0": Health.HEALTHY,
        "made1": Health.WORKING,
        "made2": Health.ATTENTION,
        "made3": Health.ATTENTION,
    }
    healthy = ExternalConnection.objects.filter(has_health(now, Health.HEALTHY))
    assert {row.graph_id for row in healthy} == {"contosohr", "made0"}
    recent = OperationSelection(longer_than=3600, since=now - timedelta(days=1))
    assert recent.rows(now).count() == 4
    listed = viewer.get("/connections/?last=failed&last=none").context["rows"]
    assert {row.connection.graph_id for row in listed} == {"contosohr", "made2", "made3"}


def test_of_all_connections_only_what_sorts_them_is_computed(connection, viewer):
    factories.report(connection, status="failed")
    for sort, sorts_by_operations in (("name", False), ("-changed", False), ("last", True)):
        with CaptureQueriesContext(database) as queries:
            [row] = viewer.get(f"/connections/?sort={sort}").context["rows"]

        [listed] = [query["sql"] for query in queries if '"lookup_id"' in query["sql"]]
        which = r'WHERE "operations_externalconnection"."id" IN \(SELECT "?\w+"?\."id".* LIMIT 51\)'
        chosen = re.search(which, listed)
        assert chosen, listed
        assert ("operations_connectionoperation" in chosen[0]) == sorts_by_operations
        assert row.health.value == "attention" and row.latest.has_failed


def test_those_with_the_most_failures_come_first(connection, viewer):
    other = factories.make_connection("other")
    for status in ("failed", "failed", "completed"):
        factories.report(other, status=status)
    factories.report(connection, status="failed")
    factories.make_connection("idle")

    shown = viewer.get("/connections/?sort=-failures").context["rows"]

    assert [row.connection.graph_id for row in shown] == ["other", "contosohr", "idle"]


@pytest.mark.parametrize(
    ("query", "index"),
    [
        ("by=worker", "change_by_others"),
        ("channel=dashboard&channel=admin", "change_by_others"),
        ("note=nothing", "change_with_note"),
    ],
)
def test_rare_changes_are_found_by_an_index(query, index):
    wanted = asked_for(Parameters(QueryDict(query)), Change.objects.all())

    [plan] = plans(lambda: list(wanted.rows.order_by("-id").values("pk")[:10]), about="change")

    assert index in plan
    assert not scans(plan) and not sorts(plan), plan


def test_what_few_changes_match_is_looked_for_once(connection, viewer):
    for number in range(60):
        factories.report(connection, status="failed" if number % 2 else "completed")

    with CaptureQueriesContext(database) as queries:
        first = viewer.get("/activity/?outcome=failed&rows=25").context

    assert sum("CASE" in query["sql"] for query in queries.captured_queries) == 1
    assert (first["matching"].number, len(first["rows"])) == (30, 25)
    later = viewer.get(f"/activity/{first['next_page']}").context
    assert len(later["rows"]) == 5 and later["rows"][0].key < first["rows"][-1].key


def test_what_many_changes_match_is_listed_alike(connection, viewer, monkeypatch):
    for _ in range(60):
        factories.report(connection, status="failed")
    addresses = "?outcome=failed&rows=25", "?by=application&rows=25&before=60"
    few_match = [viewer.get(f"/activity/{query}").context for query in addresses]

    monkeypatch.setattr(activity, "COUNT_LIMIT", 10)

    for query, expected in zip(addresses, few_match, strict=True):
        shown = viewer.get(f"/activity/{query}").context
        assert [row.key for row in shown["rows"]] == [row.key for row in expected["rows"]]
        assert shown["next_page"] == expected["next_page"]


def test_what_no_change_matches_is_looked_for_once(connection, viewer):
    factories.report(connection)

    with CaptureQueriesContext(database) as queries:
        response = viewer.get("/activity/?note=nowhere")

    assert response.context["rows"] == []
    assert sum("note" in query["sql"] for query in queries.captured_queries) == 1
