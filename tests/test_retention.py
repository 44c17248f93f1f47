"""What is old goes and what is still wanted stays: which records, told how, recorded how."""

from __future__ import annotations

import io
import json
from datetime import timedelta

import pytest
from django.contrib.sessions.models import Session
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.db.models import F, QuerySet
from django.urls import reverse
from django.utils import timezone

from connectors_admin import env
from operations import provisioning, retention, runs
from operations.checks import check_retention
from operations.models import (
    Action,
    Actor,
    ActorKind,
    BulkAction,
    BulkRun,
    Change,
    Channel,
    ConnectionOperation,
    ErrorGroup,
    ExternalActivity,
    ExternalConnection,
    ExternalGroup,
    ExternalItem,
    GroupMember,
    OutcomeCount,
    Retention,
)
from operations.selection import OperationSelection
from tests import factories
from tests.factories import COMMAND
from tests.graph import assert_refused

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
ADA = Actor(ActorKind.OPERATOR, "ada", Channel.DASHBOARD)


@pytest.fixture(autouse=True)
def rules(settings):
    settings.RETENTION_COMPLETED = 30
    settings.RETENTION_FAILED = 90
    settings.RETENTION_CHANGES = 0
    return settings


def age(rows: QuerySet, days: float, *times: str) -> None:
    """Let rows be so many days older. Changes too, which nobody else may touch."""
    QuerySet.update(rows, **{name: F(name) - days * DAY for name in times})


def aged(days: float, operation: ConnectionOperation) -> ConnectionOperation:
    """An operation, and what is recorded of it, that is so many days older."""
    rows = ConnectionOperation.objects.filter(pk=operation.pk)
    age(rows, days, "created_at", "finished_at")
    age(Change.objects.filter(operation_key=operation.pk), days, "at")
    return operation


def reported(days: float, connection, status="completed", **values) -> ConnectionOperation:
    return aged(days, factories.report(connection, status=status, **values))


@pytest.fixture
def connection():
    return factories.make_connection()


@pytest.fixture
def newest(connection):
    """What makes all earlier ones not the newest: call it last."""
    return lambda: factories.report(connection, graph_id="newest")


def apply(actor: Actor = COMMAND) -> dict[str, int]:
    """A whole run, as ``apply_retention --delete`` makes it. Returns what it removed."""
    run = retention.begin()
    while run.is_running:
        assert retention.step(actor)
        run.refresh_from_db()
    return run.removed


def left() -> set[str]:
    return set(ConnectionOperation.objects.values_list("graph_id", flat=True))


# Which operations go ------------------------------------------------------------------------------


def test_successes_go_before_failures_and_the_young_stay(connection, newest):
    reported(31, connection, graph_id="old-success")
    reported(29, connection, graph_id="young-success")
    reported(91, connection, "failed", graph_id="old-failure").acknowledge(ADA)
    reported(89, connection, "failed", graph_id="young-failure").acknowledge(ADA)
    newest()

    assert apply() == {"completedOperations": 1, "failedOperations": 1}

    assert left() == {"young-success", "young-failure", "newest"}


def test_nothing_goes_unless_a_setting_says_so(connection, newest, rules):
    rules.RETENTION_COMPLETED = rules.RETENTION_FAILED = 0
    reported(4000, connection)
    newest()

    assert apply() == {}

    assert ConnectionOperation.objects.count() == 2


def test_what_is_in_a_connection_never_goes_by_age(connection, rules):
    rules.RETENTION_CHANGES = 365
    factories.register_schema(connection)
    factories.make_activity(factories.put_item(connection))
    factories.make_group(connection, "team", "a")
    age(ExternalActivity.objects.all(), 4000, "started_at", "received_at")
    age(ExternalItem.objects.all(), 4000, "created_at", "changed_at")
    age(ExternalGroup.objects.all(), 4000, "created_at", "changed_at")

    assert apply() == {}

    kinds = (ExternalItem, ExternalActivity, ExternalGroup, GroupMember)
    assert [kind.objects.count() for kind in kinds] == [1, 1, 1, 1]


def test_its_age_counts_from_its_end(connection, newest):
    operation = factories.report(connection, graph_id="long", status="inprogress")
    aged(50, operation)
    operation.move(COMMAND, status=2)
    newest()

    assert apply() == {}


def test_what_has_not_ended_stays(connection, newest):
    reported(4000, connection, "inprogress", graph_id="running")
    reported(4000, connection, "unspecified", graph_id="unspecified")
    newest()

    assert apply() == {}


def test_open_failures_stay_until_somebody_has_seen_to_them(connection, newest):
    failure = reported(4000, connection, "failed", graph_id="open")
    newest()
    assert apply() == {}

    failure.acknowledge(ADA)

    assert apply() == {"failedOperations": 1}


def test_a_superseded_failure_goes(connection, newest):
    failure = reported(91, connection, "failed", graph_id="first")
    factories.report(connection, status="completed")
    failure.refresh_from_db()
    assert failure.triage == "superseded"

    assert apply() == {"failedOperations": 1}


def test_the_newest_operation_of_each_connection_stays(connection):
    reported(4000, connection, graph_id="older")
    reported(4000, connection, graph_id="last")
    reported(4000, factories.make_connection(), graph_id="only")

    assert apply() == {"completedOperations": 1}

    assert left() == {"last", "only"}


def test_the_operation_of_the_schema_in_force_stays_and_those_of_earlier_versions_go(connection):
    first, second = (
        aged(
            4000,
            factories.register_schema(
                connection, factories.a_schema(*map(factories.a_property, names))
            ),
        )
        for names in (["title"], ["title", "author"])
    )
    factories.report(connection, graph_id="newest")

    assert apply() == {"completedOperations": 1}

    assert left() == {second.graph_id, "newest"}
    versions = dict(connection.schemas.values_list("version", "operation__graph_id"))
    assert versions == {1: None, 2: second.graph_id}


def test_what_was_retried_stays_as_long_as_its_retry(connection, newest):
    failed = factories.fail_registration(connection)
    retry = provisioning.retry(failed, COMMAND)
    factories.work_off()
    aged(4000, failed)
    newest()
    assert apply() == {}
    retry.refresh_from_db()
    assert retry.retry_of == failed
    factories.register_schema(connection)  # the retry's is no longer in force
    aged(4000, retry)

    assert apply() == {"completedOperations": 1, "failedOperations": 1}


def test_a_connection_that_is_being_deleted_is_left_to_its_deletion(connection, newest):
    reported(4000, connection)
    newest()
    ExternalConnection.objects.filter(pk=connection.pk).update(deleting_since=timezone.now())

    assert apply() == {}


# What they leave behind ---------------------------------------------------------------------------


def test_the_api_says_404_in_its_ordinary_words(graph, application):
    connection = factories.make_connection("contosohr", owner=application)
    reported(31, connection, graph_id="old")
    factories.report(connection, graph_id="newest")
    path = "/v1.0/external/connections/contosohr/operations"
    assert graph.get(f"{path}/old").status_code == 200

    apply()

    never = assert_refused(graph.get(f"{path}/never"), 404, "ItemNotFound")
    gone = assert_refused(graph.get(f"{path}/old"), 404, "ItemNotFound")
    assert gone["message"] == never["message"]
    listed = json.loads(graph.get(path).content)["value"]
    assert [row["id"] for row in listed] == ["newest"]


def test_its_page_is_a_404_that_leads_on(viewer):
    connection = factories.make_connection("contosohr")
    reported(31, connection, graph_id="old-1")
    factories.report(connection, graph_id="old-2")
    apply()

    response = viewer.get(reverse("operation", args=["contosohr", "old-1"]))

    text = response.content.decode()
    assert response.status_code == 404
    assert "has no operation with the id &#x27;old-1&#x27;" in text
    assert "?tab=operations" in text and ">old-2</a>" in text


def test_what_was_counted_stays_counted(connection, newest):
    reported(91, connection, "failed", error={"code": "Quota", "message": "x"}).acknowledge(ADA)
    reported(31, connection)
    newest()
    counted = sorted(OutcomeCount.objects.values_list("fingerprint", "count"))

    apply()

    assert sorted(OutcomeCount.objects.values_list("fingerprint", "count")) == counted
    assert ErrorGroup.objects.get().count == 1


def test_the_page_of_an_error_whose_failures_are_gone(viewer, connection, newest):
    reported(91, connection, "failed", error={"code": "Quota", "message": "x"}).acknowledge(ADA)
    newest()
    apply()

    address = reverse("error", args=[ErrorGroup.objects.get().fingerprint])

    assert viewer.get(address).status_code == 200


# History, runs, sessions --------------------------------------------------------------------------


def test_history_of_what_is_still_there_stays_and_of_what_is_gone_goes(connection, newest, rules):
    rules.RETENTION_CHANGES = 365
    reported(400, connection, graph_id="gone")
    reported(400, connection, "inprogress", graph_id="there")
    doomed = factories.make_connection("doomed")
    provisioning.request_deletion(doomed, COMMAND)
    age(Change.objects.filter(connection_graph_id="doomed"), 366, "at")
    newest()
    age(Change.objects.filter(connection_key=connection.pk, operation_key=None), 4000, "at")
    factories.make_application()
    age(Change.objects.filter(action__startswith="application."), 4000, "at")

    removed = apply()

    assert removed == {"completedOperations": 1, "changes": 4}
    about = set(Change.objects.values_list("connection_graph_id", "operation_graph_id"))
    assert about == {
        (connection.graph_id, ""),
        (connection.graph_id, "there"),
        (connection.graph_id, "newest"),
        ("", ""),  # the application, and this run
    }


def test_the_history_of_a_lost_operation_is_kept_for_its_own_time(connection, newest, rules):
    rules.RETENTION_CHANGES = 365
    reported(364, connection, graph_id="gone")
    newest()

    assert apply() == {"completedOperations": 1}

    assert Change.objects.filter(operation_graph_id="gone").exists()


def test_changes_can_still_not_be_changed_or_deleted_otherwise(connection):
    with pytest.raises(TypeError, match="append-only"):
        Change.objects.all().delete()


def test_actions_on_many_go_with_their_changes(connection, newest, rules):
    rules.RETENTION_CHANGES = 365
    for days in (364, 366):
        factories.report(connection, status="failed")
        run = runs.start(BulkAction.ACKNOWLEDGE, OperationSelection(), ADA, reason="x")
        runs.run_some(run)
        age(BulkRun.objects.filter(pk=run.pk), days, "created_at", "finished_at")
        age(Change.objects.filter(after__run=str(run.run_id)), days, "at")
    unfinished = runs.start(BulkAction.RETRY, OperationSelection(), ADA, reason="x")
    age(BulkRun.objects.filter(pk=unfinished.pk), 400, "created_at")
    newest()

    assert apply() == {"changes": 2, "runs": 1}

    assert BulkRun.objects.count() == 2


def test_expired_sessions_go_whatever_is_set(rules):
    rules.RETENTION_COMPLETED = rules.RETENTION_FAILED = 0
    for key, days in (("over", -1), ("live", 1)):
        Session.objects.create(
            session_key=key, session_data="", expire_date=timezone.now() + days * DAY
        )

    assert apply() == {"sessions": 1}

    assert Session.objects.get().session_key == "live"


# How it is told and recorded ----------------------------------------------------------------------


def command(*arguments: str) -> str:
    out = io.StringIO()
    call_command("apply_retention", *arguments, stdout=out)
    return out.getvalue()


def test_without_delete_it_only_says_what_would_go(connection, newest, rules):
    rules.RETENTION_FAILED = 0
    first = reported(40, connection)
    second = reported(31, connection)
    newest()

    lines = command().splitlines()

    first.refresh_from_db(), second.refresh_from_db()
    moments = [f"{each.finished_at:%Y-%m-%d %H:%M}" for each in (first, second)]
    assert lines[0].split() == ["kept", "would", "go", "oldest", "newest"]
    cells = {line.split("  ")[0]: line.split()[-6:] for line in lines[1:-1]}
    completed = next(line for line in lines if line.startswith("Completed operations"))
    assert completed.split()[2:] == ["30", "days", "2", *" ".join(moments).split()]
    failed = next(line for line in lines if line.startswith("Failed operations"))
    assert failed.split()[-5:] == ["for", "ever", "-", "-", "-"], cells
    assert lines[-1].startswith("Nothing was removed. With --delete it will be, and with the ")
    assert ConnectionOperation.objects.count() == 3
    assert not Change.objects.filter(action=Action.RETENTION_APPLIED).exists()


def test_with_delete_it_does_it_and_says_how_much(connection, newest):
    reported(40, connection)
    newest()

    text = command("--delete")

    assert "Removed 1 in " in text
    assert ConnectionOperation.objects.count() == 1


def test_a_run_is_one_change_with_its_numbers(connection, newest):
    for _ in range(3):
        reported(31, connection)
    newest()

    apply(Actor.worker("night"))

    change = Change.objects.get(action=Action.RETENTION_APPLIED)
    assert (change.channel, change.actor_name) == ("worker", "night")
    assert change.after["removed"] == {"completedOperations": 3}
    assert change.after["kept"] == {"RETENTION_COMPLETED": 30, "RETENTION_FAILED": 90}
    assert not Change.objects.filter(action=Action.OPERATION_DELETED).exists()


def test_a_run_that_removes_nothing_is_no_change(connection):
    assert apply() == {}

    assert not Change.objects.filter(action=Action.RETENTION_APPLIED).exists()


def test_the_change_can_be_read(viewer, connection, newest):
    reported(31, connection)
    newest()
    apply()

    change = Change.objects.get(action=Action.RETENTION_APPLIED)
    text = viewer.get(reverse("event", args=[change.pk])).content.decode()

    assert "Old records removed" in text and "completedOperations" in text


def test_many_rows_go_in_windows_none_is_passed_over(connection, newest, monkeypatch):
    monkeypatch.setattr(retention, "WINDOW", 3)
    for number in range(11):
        status = "inprogress" if number % 4 == 0 else "completed"
        reported(100 - number, connection, status, graph_id=f"{number}")
    same = timezone.now() - 50 * DAY
    ConnectionOperation.objects.filter(graph_id__in=["5", "6", "7", "9", "10"]).update(
        created_at=same, finished_at=same
    )
    newest()

    assert apply() == {"completedOperations": 8}

    assert left() == {"0", "4", "8", "newest"}


# What the settings may say ------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["0.5", "0.99"])
def test_less_than_a_day_is_refused(monkeypatch, text):
    monkeypatch.setenv("RETENTION_COMPLETED", text)
    with pytest.raises(ImproperlyConfigured, match="RETENTION_COMPLETED must be at least 1 day"):
        env.days("RETENTION_COMPLETED")


@pytest.mark.parametrize(("text", "days"), [("", 0), ("0", 0), ("1", 1), ("1.5", 1.5)])
def test_days(monkeypatch, text, days):
    monkeypatch.setenv("X", text)
    assert env.days("X") == days


@pytest.mark.parametrize(
    ("completed", "failed", "fine"),
    [(0, 0, True), (30, 30, True), (30, 0, True), (30, 29, False), (0, 30, False)],
)
def test_e020_failures_that_would_go_before_successes(rules, completed, failed, fine):
    rules.RETENTION_COMPLETED, rules.RETENTION_FAILED = completed, failed

    assert [message.id for message in check_retention()] == ([] if fine else ["operations.E020"])


def test_the_first_thing_a_person_reads(rules):
    rules.RETENTION_FAILED = 7

    [message] = check_retention()

    assert message.msg == (
        "RETENTION_FAILED is 7 days: failures would go before successes, which "
        "RETENTION_COMPLETED keeps 30 days."
    )
    assert "at least as many days" in message.hint


# The day's run ------------------------------------------------------------------------------------


def row(**values) -> Retention:
    retention.state()
    Retention.objects.update(**values)
    return Retention.objects.get()


def test_the_first_run_is_planned_for_tomorrow():
    assert retention.step(COMMAND) is False

    assert timedelta(hours=23) < row().due_at - timezone.now() <= DAY


def test_it_begins_when_it_is_due_and_plans_the_next(connection, newest):
    reported(31, connection)
    newest()
    row(due_at=timezone.now() - timedelta(hours=1))

    while retention.step(COMMAND):
        pass

    state = Retention.objects.get()
    assert state.removed == {"completedOperations": 1}
    assert state.ended_at and timedelta(hours=23) < state.due_at - state.ended_at <= DAY


@pytest.mark.parametrize("days", [1.1, 400])
def test_one_that_is_a_day_late_waits_another_day_the_clock_may_have_jumped(
    connection, newest, days
):
    reported(31, connection)
    newest()
    due = timezone.now() - days * DAY
    row(due_at=due)

    assert retention.step(COMMAND) is False

    state = Retention.objects.get()
    assert state.put_off_from == due
    assert timedelta(hours=23) < state.due_at - timezone.now() <= DAY
    assert ConnectionOperation.objects.count() == 2


def test_when_the_clock_is_put_right_again_it_is_not_a_year_until_the_next():
    row(due_at=timezone.now() + 365 * DAY)

    assert retention.step(COMMAND) is False

    assert row().due_at - timezone.now() <= DAY


def test_a_run_goes_by_the_clock_at_its_begin_and_the_settings_of_now(connection, newest, rules):
    reported(29, connection, graph_id="young")
    reported(31, connection, graph_id="old")
    newest()
    retention.begin()
    Retention.objects.update(started_at=timezone.now() - 10 * DAY)
    assert apply() == {}  # at its begin the old one was 21 days old
    retention.begin()
    rules.RETENTION_COMPLETED = 0

    assert apply() == {}


def test_the_worker_applies_it(connection, newest):
    reported(31, connection)
    newest()
    row(due_at=timezone.now() - timedelta(minutes=1))

    call_command("run_operations", once=True)

    assert Retention.objects.get().removed == {"completedOperations": 1}
    assert Change.objects.get(action=Action.RETENTION_APPLIED).channel == "worker"
