"""Operations in the admin: entered, moved, retried, acknowledged, failed, deleted, refused."""

from __future__ import annotations

import io
import json

import pytest
from django.core.management import call_command
from django.utils import timezone

from operations.models import (
    Action,
    Change,
    ConnectionOperation,
    ExternalConnection,
    Kind,
    OperationStatus,
    Triage,
)
from tests.admin_pages import act, administrator, inline_code, refusals, send, submit, told, url
from tests.factories import (
    COMMAND,
    WORKER,
    claim,
    fail_registration,
    finish,
    make_connection,
    make_stuck,
    report,
    request_registration,
)

MODEL = "connectionoperation"
ERROR = {"code": "Broken", "message": "It broke."}
INPROGRESS = OperationStatus.INPROGRESS
COMPLETED = OperationStatus.COMPLETED
FAILED = OperationStatus.FAILED


@pytest.fixture
def anna(db):
    return administrator("anna")


def add(client, connection, **values):
    return submit(client, url(MODEL, "add"), connection=connection.pk, **values)


def edit(client, operation, **values):
    return submit(client, url(MODEL, "change", operation.pk), **values)


def stored(operation) -> ConnectionOperation:
    return ConnectionOperation.objects.get(pk=operation.pk)


def by_anna(action: Action) -> Change:
    """The one record of this action, which anna left through the admin."""
    return Change.objects.get(action=action, channel="admin", actor_name="anna")


# Adding ------------------------------------------------------------------------------------------


def test_adding_reports_an_operation(anna):
    connection = make_connection()
    page = add(anna, connection, graph_id="run-1", status=FAILED, error=json.dumps(ERROR))
    assert refusals(page) == []
    operation = ConnectionOperation.objects.get()
    assert (operation.graph_id, operation.kind) == ("run-1", Kind.REPORTED)
    assert (operation.status, operation.error) == (FAILED, ERROR)
    assert operation.triage == Triage.OPEN
    assert operation.finished_at is not None
    assert by_anna(Action.OPERATION_REPORTED).after == {"status": "failed", "error": ERROR}


def test_an_id_is_proposed(anna):
    assert refusals(add(anna, make_connection())) == []
    assert len(ConnectionOperation.objects.get().graph_id) == 36


@pytest.mark.parametrize(
    "values, field, sentence",
    [
        (
            {"graph_id": "a b"},
            "graph_id",
            "Property 'id' must be 1 to 128 characters of A-Z a-z 0-9 . _ ~ - and not '.' or '..'.",
        ),
        (
            {"graph_id": "taken"},
            "__all__",
            "This connection has an operation with this id already.",
        ),
        (
            {"status": COMPLETED, "error": '{"message": "m"}'},
            "error",
            "Property 'error' is only allowed with status 'failed', not with 'completed'.",
        ),
        ({"status": 4}, "status", "Select a valid choice. 4 is not one of the available choices."),
        (
            {"status": FAILED, "error": "{"},
            "error",
            "This is not JSON: Expecting property name enclosed in double quotes at line 1, "
            "column 2.",
        ),
        (
            {"status": FAILED, "error": "{}"},
            "error",
            "Property 'error' must have at least one of code, message, target, details, "
            "innerError.",
        ),
        (
            {"status": FAILED, "error": '{"message": 5}'},
            "error",
            "Property 'error/message' must be a string.",
        ),
        (
            {"status": FAILED, "error": '{"message": "a\\u0000b"}'},
            "error",
            "Member 'message' has a NUL character or half a surrogate pair.",
        ),
    ],
)
def test_refused_additions(anna, values, field, sentence):
    connection = make_connection("contosohr")
    report(connection, graph_id="taken")
    page = add(anna, connection, **values)
    assert refusals(page) == [sentence]
    assert list(page.context["adminform"].form.errors) == [field]
    assert ConnectionOperation.objects.count() == 1


def test_every_fault_of_an_error_is_told(anna):
    page = add(anna, make_connection(), status=FAILED, error='{"code": 1, "severity": "high"}')
    assert refusals(page) == [
        "Property 'error/code' must be a string.",
        "Property 'error/severity' is not declared by the type.",
    ]


def test_nothing_is_added_to_what_is_being_deleted(anna):
    connection = make_connection("contosohr")
    ExternalConnection.objects.filter(pk=connection.pk).update(deleting_since=timezone.now())
    assert refusals(add(anna, connection)) == ["Connection 'contosohr' is being deleted."]


# Editing -----------------------------------------------------------------------------------------


def test_moving_a_reported_operation(anna):
    operation = report(make_connection())
    assert refusals(edit(anna, operation, status=COMPLETED)) == []
    assert stored(operation).status == COMPLETED
    change = by_anna(Action.OPERATION_COMPLETED)
    assert change.before == {"status": "inprogress", "error": None}
    assert change.after == {"status": "completed", "error": None}


def test_failing_with_details(anna):
    error = {
        "code": "C",
        "message": "<b>bold</b>\n",
        "target": "t",
        "details": [{"code": "D"}],
        "innerError": {"code": "I", "any": [1]},
    }
    operation = report(make_connection())
    assert refusals(edit(anna, operation, status=FAILED, error=json.dumps(error))) == []
    row = stored(operation)
    assert row.error == error
    assert (row.error_code, row.error_inner) == ("C", {"code": "I", "any": [1]})
    page = anna.get(url(MODEL, "change", operation.pk))
    shown = page.context["adminform"].form["error"].value()
    assert json.loads(shown) == error
    assert shown.startswith('{\n  "code": "C",\n')
    assert "<b>bold" not in page.content.decode()


def test_saving_what_was_not_edited_changes_nothing(anna):
    operation = report(make_connection(), status="failed", error={"message": "two\nlines"})
    before = Change.objects.count()
    assert refusals(edit(anna, operation)) == []
    assert Change.objects.count() == before


@pytest.mark.parametrize(
    "old, new, sentence",
    [
        (COMPLETED, FAILED, "Property 'status' cannot change from 'completed' to 'failed'."),
        (FAILED, INPROGRESS, "Property 'status' cannot change from 'failed' to 'inprogress'."),
        (INPROGRESS, 0, "Property 'status' cannot change from 'inprogress' to 'unspecified'."),
    ],
)
def test_refused_moves(anna, old, new, sentence):
    operation = report(make_connection(), status=old)
    page = edit(anna, operation, status=new)
    assert refusals(page) == [sentence]
    assert list(page.context["adminform"].form.errors) == ["status"]
    assert stored(operation).status == old


def test_an_error_is_added_once(anna):
    operation = report(make_connection("contosohr"), graph_id="run-1", status="failed")
    assert refusals(edit(anna, operation, error=json.dumps(ERROR))) == []
    assert stored(operation).error == ERROR
    for again in ('{"message": "Another."}', ""):
        page = edit(anna, operation, error=again)
        assert refusals(page) == ["The error of operation 'run-1' is final."]
        assert list(page.context["adminform"].form.errors) == ["error"]
    assert stored(operation).error == ERROR


def test_an_error_needs_a_failure(anna):
    operation = report(make_connection())
    page = edit(anna, operation, error=json.dumps(ERROR))
    assert refusals(page) == [
        "Property 'error' is only allowed with status 'failed', not with 'inprogress'."
    ]


@pytest.mark.parametrize("claimed", [True, False])
def test_an_unfinished_registration_may_be_failed_never_completed(anna, claimed):
    operation = request_registration(make_connection())
    held = claim(WORKER) if claimed else None
    page = edit(anna, operation, status=COMPLETED)
    assert refusals(page) == [
        f"Operation '{operation.graph_id}' is run by the worker and is not finished."
    ]
    assert stored(operation).status == INPROGRESS
    assert refusals(edit(anna, operation, status=FAILED, error=json.dumps(ERROR))) == []
    assert stored(operation).error == ERROR
    assert by_anna(Action.OPERATION_FAILED)
    if held:
        assert finish(held) is False


def test_what_an_import_brought_is_shown_and_stays(anna):
    operation = report(make_connection())
    ConnectionOperation.objects.filter(pk=operation.pk).update(status=4)
    page = anna.get(url(MODEL, "change", operation.pk))
    assert '<option value="4" selected>unknownFutureValue</option>' in page.content.decode()
    assert refusals(edit(anna, operation)) == []
    assert refusals(edit(anna, operation, status=COMPLETED)) == [
        "Property 'status' cannot change from 'unknownFutureValue' to 'completed'."
    ]


def test_an_editor_does_not_put_back_what_moved_meanwhile(anna):
    """The page shows inprogress, the service completes it, and saving it untouched is no move."""
    operation = report(make_connection())
    address = url(MODEL, "change", operation.pk)
    shown = anna.get(address)
    operation.move(COMMAND, status=COMPLETED)
    assert refusals(send(anna, address, shown)) == []
    assert stored(operation).status == COMPLETED
    assert refusals(send(anna, address, shown, status=FAILED)) == [
        "Property 'status' cannot change from 'completed' to 'failed'."
    ]


def test_an_editor_does_not_take_back_an_error_that_came_meanwhile(anna):
    operation = report(make_connection(), status="failed")
    address = url(MODEL, "change", operation.pk)
    shown = anna.get(address)
    operation.move(COMMAND, error=ERROR)
    assert refusals(send(anna, address, shown)) == []
    assert stored(operation).error == ERROR


def test_who_loses_a_race_reads_a_sentence(anna, monkeypatch):
    """The form was right when it was checked; the service was faster before it was saved."""
    operation = report(make_connection())
    real = ConnectionOperation.move
    calls = []

    def move(self, actor, **values):
        calls.append(values)
        if len(calls) == 2:
            real(stored(self), COMMAND, status=FAILED)
        return real(self, actor, **values)

    monkeypatch.setattr(ConnectionOperation, "move", move)
    page = edit(anna, operation, status=COMPLETED)
    assert told(page) == ["Property 'status' cannot change from 'failed' to 'completed'."]
    assert not Change.objects.filter(channel="admin").exists()


def test_what_is_gone_is_not_found(anna):
    operation = report(make_connection())
    address = url(MODEL, "change", operation.pk)
    shown = anna.get(address)
    operation.remove(COMMAND)
    page = anna.post(address, {"status": COMPLETED, "error": ""}, follow=True)
    assert shown.status_code == 200
    assert "doesn’t exist. Perhaps it was deleted?" in told(page)[0]


def test_what_is_fixed_is_not_edited(anna):
    connection, other = make_connection(), make_connection()
    operation = report(connection, graph_id="run-1")
    edit(anna, operation, connection=other.pk, graph_id="run-2", triage="open", kind="x")
    row = stored(operation)
    assert (row.connection, row.graph_id, row.triage) == (connection, "run-1", "")


# Deleting ----------------------------------------------------------------------------------------


def test_deleting(anna):
    operation = report(make_connection(), status="completed")
    page = anna.post(url(MODEL, "delete", operation.pk), {"post": "yes"}, follow=True)
    assert "was deleted successfully" in told(page)[0]
    assert not ConnectionOperation.objects.exists()
    assert by_anna(Action.OPERATION_DELETED)


def test_an_unfinished_registration_is_not_deleted(anna):
    operation = request_registration(make_connection())
    page = anna.post(url(MODEL, "delete", operation.pk), {"post": "yes"}, follow=True)
    assert told(page) == [
        f"Operation '{operation.graph_id}' is run by the worker and is not finished. It can be "
        "deleted when it is."
    ]
    assert stored(operation)


def test_deleting_many_reports_what_was_refused(anna):
    reported = report(make_connection(), status="completed")
    running = request_registration(make_connection())
    page = act(anna, MODEL, "delete_selected", [reported, running])
    assert told(page) == [
        "1 deleted.",
        f"1 refused. {running.graph_id}: Operation '{running.graph_id}' is run by the worker and "
        "is not finished. It can be deleted when it is.",
    ]
    assert list(ConnectionOperation.objects.all()) == [running]


# Looking -----------------------------------------------------------------------------------------


def test_the_list_says_what_is_wrong_and_how_long_it_took(anna):
    connection = make_connection("contosohr")
    failed = report(connection, graph_id="run-1", status="failed", error={"message": "<b>It broke"})
    ConnectionOperation.objects.filter(pk=failed.pk).update(usual_seconds=312)
    make_stuck(report(connection, graph_id="run-2"))
    text = anna.get(url(MODEL)).content.decode()
    assert "&lt;b&gt;It broke" in text
    assert 'class="badge badge-failed" title="Graph: failed"' in text
    assert 'class="badge badge-open"' in text
    assert "usual 5 min 12 s" in text
    assert 'class="badge badge-stuck"' in text
    assert f'href="{url("externalconnection", "change", connection.pk)}"' in text


@pytest.mark.parametrize(
    "query, shown",
    [
        ("?q=broke", ["with"]),
        ("?q=CONTOSOhr", ["running", "with", "without"]),
        ("?q=running", ["running"]),
        ("?q=nowhere", []),
        ("?error=yes", ["with"]),
        ("?error=no", ["without"]),
        ("?triage=open", ["with"]),
        ("?triage__exact=open", ["with"]),
        ("?triage=acknowledged", ["without"]),
        ("?status=inprogress", ["running"]),
        ("?status__exact=1", ["running"]),
        ("?stuck=yes", ["running"]),
        ("?kind__exact=schemaRegistration", []),
        ("?connection=x", []),
        ("?connection=999999999", []),
    ],
)
def test_search_and_filters(anna, query, shown):
    connection = make_connection("contosohr")
    report(connection, graph_id="with", status="failed", error=ERROR)
    report(connection, graph_id="without", status="failed").acknowledge(COMMAND)
    make_stuck(report(connection, graph_id="running"))
    page = anna.get(url(MODEL) + query)
    assert page.status_code == 200
    found = sorted(row.graph_id for row in page.context["cl"].result_list)
    assert found == shown


def test_filtering_by_connection_names_it_and_lists_no_others(anna):
    connection, other = make_connection("contosohr"), make_connection("wiki")
    report(connection, graph_id="run-1", status="failed")
    report(other, graph_id="run-2", status="failed")
    page = anna.get(url(MODEL) + f"?connection={connection.pk}&status=failed")
    assert [row.graph_id for row in page.context["cl"].result_list] == ["run-1"]
    text = page.content.decode()
    assert f'<option value="{connection.pk}" selected>contosohr</option>' in text
    assert f'<option value="{other.pk}"' not in text
    assert '<input type="hidden" name="status" value="failed">' in text, "other filters stay"


@pytest.mark.parametrize("query", ["?q=%00", "?stuck=x", "?triage__exact=x", "?p=99999999999"])
def test_odd_queries_are_no_server_errors(anna, query):
    report(make_connection())
    assert anna.get(url(MODEL) + query, follow=True).status_code == 200


def test_every_kind_of_row_of_the_demo_can_be_opened(anna):
    call_command("seed_demo", stdout=io.StringIO())
    kinds = {
        (row.kind, row.status, row.triage, row.error is None): row
        for row in ConnectionOperation.objects.all()
    }
    assert len(kinds) > 8
    for row in (*ExternalConnection.objects.all(), *kinds.values()):
        page = anna.get(url(row._meta.model_name, "change", row.pk))
        assert page.status_code == 200
        assert inline_code(page) == []
    for model in ("externalconnection", MODEL):
        assert anna.get(url(model)).status_code == 200


def test_connections_are_found_by_typing(anna):
    make_connection("contosohr")
    make_connection("wiki")
    answer = anna.get(
        "/admin/autocomplete/",
        {
            "term": "contoso",
            "app_label": "operations",
            "model_name": MODEL,
            "field_name": "connection",
        },
    )
    assert [found["text"] for found in answer.json()["results"]] == ["contosohr"]


def test_history_shows_before_and_after(anna):
    operation = report(make_connection(), graph_id="run-1")
    edit(anna, operation, status=COMPLETED)
    text = anna.get(url(MODEL, "history", operation.pk)).content.decode()
    assert "tests</bdi> (command)" in text
    assert "anna</bdi> (admin)" in text
    assert "status: inprogress" in text
    assert "status: completed" in text
    assert "error: null" in text


def test_pages_work_under_a_strict_content_policy(anna):
    operation = fail_registration(make_connection())
    addresses = [
        url(MODEL),
        url(MODEL, "add"),
        url(MODEL, "change", operation.pk),
        url(MODEL, "delete", operation.pk),
        url(MODEL, "history", operation.pk),
    ]
    pages = [anna.get(address) for address in addresses]
    for action in ("retry", "acknowledge", "fail", "delete_selected"):
        data = {"action": action, "_selected_action": [operation.pk]}
        pages.append(anna.post(url(MODEL), data))
    for page in pages:
        assert page.status_code == 200
        assert inline_code(page) == []


@pytest.mark.parametrize("key", ["0", "99999999999999999999", "x"])
def test_a_key_that_nothing_has(anna, key):
    page = anna.get(url(MODEL, "change", key), follow=True)
    assert "doesn’t exist" in told(page)[0]
