"""Actions on operations in the admin: they ask, call the domain, and say what became of each."""

from __future__ import annotations

import csv
import io
import json

import pytest
from django.contrib.auth.models import Permission

from operations.models import (
    Action,
    Change,
    ConnectionOperation,
    OperationStatus,
    Triage,
)
from tests.admin_pages import act, administrator, inline_code, told, url
from tests.factories import (
    COMMAND,
    WORKER,
    claim,
    fail_registration,
    make_connection,
    register_schema,
    report,
    request_registration,
)

MODEL = "connectionoperation"
INPROGRESS = OperationStatus.INPROGRESS
COMPLETED = OperationStatus.COMPLETED
FAILED = OperationStatus.FAILED


@pytest.fixture
def anna(db):
    return administrator("anna")


def stored(operation) -> ConnectionOperation:
    return ConnectionOperation.objects.get(pk=operation.pk)


def by_anna(action: Action) -> Change:
    """The one record of this action, which anna left through the admin."""
    return Change.objects.get(action=action, channel="admin", actor_name="anna")


def test_retrying(anna):
    failed = fail_registration(make_connection())
    done = register_schema(make_connection())
    reported = report(make_connection(), graph_id="run-1", status="failed")
    page = act(anna, MODEL, "retry", [failed, done, reported], note="after the fix")
    messages = told(page)
    assert messages[0] == "1 retried, each as a new operation."
    assert messages[1].startswith("2 refused. ")
    assert f"'{done.graph_id}' cannot be retried: only a failed registration can." in messages[1]
    assert "'run-1' cannot be retried: only a failed registration can." in messages[1]
    again = ConnectionOperation.objects.get(retry_of=failed)
    assert (again.status, again.requested_by) == (INPROGRESS, "anna")
    change = by_anna(Action.OPERATION_RETRIED)
    assert (change.operation_key, change.note) == (again.pk, "after the fix")


def test_acknowledging(anna):
    one, two = (report(make_connection(), status="failed") for _ in range(2))
    two.acknowledge(COMMAND)
    done = report(make_connection(), graph_id="run-1", status="completed")
    page = act(anna, MODEL, "acknowledge", [one, two, done], note="known")
    messages = told(page)
    assert messages[0] == "1 acknowledged."
    assert messages[1].startswith("2 skipped. ")
    assert f"{two.graph_id}: it is acknowledged already." in messages[1]
    assert "run-1: it is no failure." in messages[1]
    row = stored(one)
    assert (row.triage, row.triage_note) == (Triage.ACKNOWLEDGED, "known")
    assert by_anna(Action.OPERATION_ACKNOWLEDGED).note == "known"


def test_failing_with_a_message(anna):
    reported = report(make_connection())
    running = request_registration(make_connection())
    done = report(make_connection(), graph_id="run-1", status="completed")
    page = act(
        anna,
        MODEL,
        "fail",
        [reported, running, done],
        message="The source <is> gone.",
        code="SourceGone",
        note="see the log",
    )
    assert told(page) == ["2 failed.", "1 skipped. run-1: it is completed already."]
    for operation in (reported, running):
        row = stored(operation)
        assert row.status == FAILED
        assert row.error == {"code": "SourceGone", "message": "The source <is> gone."}
    notes = Change.objects.filter(action=Action.OPERATION_FAILED, channel="admin")
    assert {change.note for change in notes} == {"see the log"}


def test_completing(anna):
    """What another service reports may be completed by hand; what our worker runs may not."""
    reported = report(make_connection())
    running = request_registration(make_connection())
    claim(WORKER)
    done = report(make_connection(), graph_id="run-1", status="failed")
    page = act(anna, MODEL, "complete", [reported, running, done], note="ended last night")
    assert told(page) == [
        "1 marked as completed.",
        "1 skipped. run-1: it is failed already.",
        f"1 refused. {running.graph_id}: Operation '{running.graph_id}' is run by the worker and "
        "is not finished.",
    ]
    assert stored(reported).status == COMPLETED
    assert stored(running).status == INPROGRESS
    assert by_anna(Action.OPERATION_COMPLETED).note == "ended last night"


@pytest.mark.parametrize(
    "action, answers",
    [
        ("fail", {"message": "", "note": "because"}),
        ("fail", {"message": "It broke.", "note": ""}),
        ("complete", {"note": ""}),
    ],
)
def test_an_outcome_by_hand_is_explained(anna, action, answers):
    operation = report(make_connection())
    data = {"action": action, "_selected_action": [operation.pk], "post": "yes", **answers}
    page = anna.post(url(MODEL), data)
    assert "This field is required." in page.content.decode()
    assert stored(operation).status == INPROGRESS


@pytest.mark.parametrize("action", ["retry", "acknowledge", "complete", "fail", "export"])
def test_every_action_asks_first(anna, action):
    operation = report(make_connection("contosohr"), graph_id="run-1", status="failed")
    changes = Change.objects.count()
    page = anna.post(url(MODEL), {"action": action, "_selected_action": [operation.pk]})
    text = page.content.decode()
    assert "1 is chosen:" in text
    assert "run-1 (contosohr, Failed)" in text
    assert f'name="_selected_action" value="{operation.pk}"' in text
    assert inline_code(page) == []
    assert Change.objects.count() == changes


def test_one_step_takes_so_many_and_says_so(anna, monkeypatch):
    monkeypatch.setattr("operations.admin.guard.MAX_AT_ONCE", 2)
    connection = make_connection()
    for number in range(4):
        report(connection, graph_id=f"run-{number}", status="failed")
    data = {"action": "acknowledge", "_selected_action": ["0"], "select_across": "1"}
    text = anna.post(url(MODEL), data).content.decode()
    assert "One step takes 2 at the most: these are the first. Repeat the action" in text
    assert "run-3 (" in text and "run-2 (" in text
    assert "run-1 (" not in text
    assert "select_across" not in text


# Export ------------------------------------------------------------------------------------------


def exported(client, rows, kind, **more):
    data = {"action": "export", "_selected_action": [row.pk for row in rows], "post": "yes"}
    response = client.post(url(MODEL), {**data, "kind": kind, **more})
    assert response.status_code == 200
    return response, b"".join(response.streaming_content).decode()


def test_exporting_as_csv(anna):
    error = {"code": "C", "message": "=1+1"}
    connection = make_connection("contosohr", name="Contoso HR")
    one = report(connection, graph_id="run-1", status="failed", error=error)
    two = report(connection, graph_id="run-2")
    report(connection, graph_id="run-3")
    response, text = exported(anna, [one, two], "csv")
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    assert 'attachment; filename="operations-' in response["Content-Disposition"]
    assert text[0] == "\ufeff"
    lines = list(csv.DictReader(io.StringIO(text[1:])))
    assert [line["id"] for line in lines] == ["run-2", "run-1"]
    failed = lines[1]
    assert (failed["connectionId"], failed["connectionName"]) == ("contosohr", "Contoso HR")
    assert (failed["status"], failed["statusLabel"]) == ("failed", "Failed")
    assert failed["errorMessage"] == "'=1+1"
    assert failed["requested"].endswith("Z")
    assert lines[0]["errorMessage"] == ""


def test_exporting_everything_that_matches_as_json_lines(anna, monkeypatch):
    monkeypatch.setattr("operations.admin.guard.MAX_AT_ONCE", 2)
    monkeypatch.setattr("operations.operation_export.BATCH", 2)
    connection = make_connection()
    for number in range(5):
        report(connection, graph_id=f"run-{number}", status="failed")
    report(connection, graph_id="running")
    address = url(MODEL) + "?status=failed"
    data = {"action": "export", "_selected_action": ["0"], "select_across": "1"}
    text = anna.post(address, data).content.decode()
    assert "Everything that matches the filter, of which these are the first:" in text
    assert 'name="select_across" value="1"' in text
    response = anna.post(address, {**data, "post": "yes", "kind": "jsonl"})
    lines = [json.loads(line) for line in b"".join(response.streaming_content).splitlines()]
    assert [line["id"] for line in lines] == [f"run-{number}" for number in (4, 3, 2, 1, 0)]
    assert lines[0]["status"] == "failed"
    assert lines[0]["errorCode"] is None


def test_an_export_has_a_kind(anna):
    operation = report(make_connection())
    data = {"action": "export", "_selected_action": [operation.pk], "post": "yes", "kind": "exe"}
    assert "Select a valid choice. exe is not one" in anna.post(url(MODEL), data).content.decode()


# Refused -----------------------------------------------------------------------------------------


def test_what_was_deleted_during_an_action_is_refused(anna, monkeypatch):
    operation = report(make_connection(), status="failed")

    def vanish(self, actor, note=""):
        ConnectionOperation.objects.filter(pk=self.pk).delete()
        self.refresh_from_db()

    monkeypatch.setattr(ConnectionOperation, "acknowledge", vanish)
    page = act(anna, MODEL, "acknowledge", [operation])
    assert told(page) == [
        f"1 refused. {operation.graph_id}: The database refused this change, because what it "
        "refers to was changed or deleted meanwhile."
    ]


@pytest.mark.parametrize("action", ["retry", "acknowledge", "complete", "fail", "export"])
def test_actions_need_permission(client, django_user_model, action):
    user = django_user_model.objects.create_user("viewer", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_connectionoperation"))
    client.force_login(user)
    operation = report(make_connection(), status="failed")
    page = client.get(url(MODEL))
    assert page.status_code == 200
    assert f'<option value="{action}">' not in page.content.decode()
    answers = {"note": "n", "message": "m", "kind": "csv"}
    data = {"action": action, "_selected_action": [operation.pk], "post": "yes", **answers}
    assert client.post(url(MODEL), data).status_code == 200, "the list again"
    assert stored(operation).triage == Triage.OPEN
    assert not Change.objects.filter(channel="admin").exists()


def test_the_buttons_of_the_pages_need_the_permission_of_the_pages(client, django_user_model):
    user = django_user_model.objects.create_user("helper", is_staff=True)
    names = ("view_connectionoperation", "operate")
    user.user_permissions.add(*Permission.objects.filter(codename__in=names))
    client.force_login(user)
    operation = report(make_connection(), status="failed")
    text = client.get(url(MODEL)).content.decode()
    offered = [name for name in ("retry", "acknowledge", "export") if f'value="{name}"' in text]
    assert offered == ["retry", "acknowledge", "export"]
    assert 'value="complete"' not in text and 'value="fail"' not in text
    assert told(act(client, MODEL, "acknowledge", [operation])) == ["1 acknowledged."]
