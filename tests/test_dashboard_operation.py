"""One operation: status, error in full, timeline, raw JSON, retry, acknowledge."""

import json
import re
from datetime import timedelta
from html import unescape

import pytest
from django.contrib.messages import get_messages
from django.db import connection as database
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from operations import provisioning, registering
from operations.models import (
    Action,
    Actor,
    ActorKind,
    Change,
    Channel,
    ConnectionOperation,
    ErrorGroup,
    ExternalConnection,
    OperationStatus,
    OutcomeRule,
    Triage,
    WorkerHeartbeat,
)
from tests import factories

pytestmark = pytest.mark.django_db

ERROR = {
    "code": "LabelFault",
    "message": "Property 'assignee' cannot be retrieved. Set isRetrievable.",
    "target": "properties/assignee",
    "details": [{"code": "TypeMismatch", "message": "Type is string.", "target": "type"}],
    "innerError": {"code": "Deeper", "inner": {"tries": 3, "codes": ["x1", "x2"]}},
}


def address(operation, name="operation"):
    return reverse(name, args=[operation.connection.graph_id, operation.graph_id])


def page(client, operation):
    response = client.get(address(operation))
    assert response.status_code == 200
    return response.content.decode()


def said(response):
    return [str(message) for message in get_messages(response.wsgi_request)]


def test_the_error_is_shown_in_full(operator):
    text = unescape(page(operator, factories.fail_registration(factories.make_connection(), ERROR)))

    assert "Set isRetrievable." in text
    assert "properties/assignee" in text
    assert "TypeMismatch" in text and "Type is string." in text
    assert "Deeper" in text and "tries" in text and "x2" in text


def test_raw_json_is_what_graph_would_say(operator):
    operation = factories.fail_registration(factories.make_connection(), ERROR)

    raw = re.search(r'<pre id="raw-json"[^>]*>(.*?)</pre>', page(operator, operation), re.S)

    assert json.loads(unescape(raw.group(1))) == {
        "id": operation.graph_id,
        "status": "failed",
        "error": ERROR,
    }


def test_a_long_message_is_folded(operator):
    operation = factories.report(
        factories.make_connection(), status="failed", error={"message": "x" * 2140}
    )

    assert "Show all 2,140 characters" in page(operator, operation)


def test_the_timeline_has_who_and_how_long(operator):
    operation = factories.fail_registration(factories.make_connection())

    timeline = page(operator, operation).split('class="timeline"')[1]

    for word in ("Requested", "Started", "Failed", "test-worker", "tests", "later"):
        assert word in timeline


def test_an_operation_without_changes_shows_its_own_times(operator):
    operation = ConnectionOperation.objects.create(
        connection=factories.make_connection(),
        status=OperationStatus.COMPLETED,
        started_at=timezone.now(),
        finished_at=timezone.now(),
    )

    assert "Finished" in page(operator, operation).split('class="timeline"')[1]


def test_outside_text_is_escaped(operator):
    evil = "<script>alert(1)</script>"
    operation = factories.report(
        factories.make_connection(name=evil),
        status="failed",
        error={
            "code": evil,
            "message": evil * 30,
            "target": evil,
            "details": [{"code": evil, "message": evil}],
            "innerError": {evil: {evil: evil}},
        },
    )
    operation.acknowledge(factories.COMMAND, evil)

    assert "<script>alert" not in page(operator, operation)


def test_a_completed_registration_links_its_schema_version(operator):
    connection = factories.make_connection()

    text = page(operator, factories.register_schema(connection))

    assert "schema version 1" in text
    assert "Retry operation" not in text


def test_how_often_and_where_its_like_was_seen(operator):
    first, second = factories.make_connection(), factories.make_connection()
    for number in range(3):
        error = {"message": f"Item {number} was refused."}
        operation = factories.report(first, status="failed", error=error)
    factories.report(second, status="failed", error={"message": "Item 99 was refused."})

    text = page(operator, operation)

    assert "Seen 4 times (on 2 connections in the last 30 days)" in text
    assert reverse("error", args=[operation.fingerprint]) in text


def test_the_probable_cause_is_marked_as_advice(operator):
    error = {"code": "DuplicateLabel", "message": "No."}
    operation = factories.fail_registration(factories.make_connection(), error)

    text = page(operator, operation)
    assert "A label is used twice" in text
    assert "What to do" in text and "not part of Graph" in text

    ErrorGroup.objects.update(cause="too-many-properties")
    assert "The schema has more than 128 properties" in page(operator, operation)


def test_the_change_that_was_asked_for(operator):
    connection = factories.make_connection()
    title = factories.a_property("title", isSearchable=True)
    factories.register_schema(connection, factories.a_schema(title))
    both = factories.a_schema({**title, "isRetrievable": True}, factories.a_property("owner"))
    failed = factories.fail_registration(connection, document=both)
    registered = factories.register_schema(connection, both)
    factories.register_schema(connection, factories.a_schema(*both["properties"][::-1]))

    for operation in (failed, registered):
        card = page(operator, operation).split('data-key="changes"')[1].split("</section>")[0]
        assert "version 1</a>" in card
        assert re.findall(r'class="diff-(\w+)" data-key="(\w+)"', card) == [
            ("changed", "title"),
            ("added", "owner"),
        ]
        assert "isRetrievable" in card


def test_the_first_schema_is_compared_with_none(operator):
    operation = factories.request_registration(factories.make_connection())

    assert "there was none in force" in page(operator, operation)


def test_the_json_is_a_file_too(operator):
    operation = factories.fail_registration(factories.make_connection("contosohr"), ERROR)

    response = operator.get(address(operation, "operation-json"))

    assert json.loads(response.content) == operation.graph()
    assert response["Content-Disposition"] == (
        f'attachment; filename="contosohr-{operation.graph_id}.json"'
    )


def advice(client, operation):
    found = re.search(r'class="outcome-advice" dir="auto">(.*?)</p>', page(client, operation))
    return unescape(found.group(1)) if found else ""


def test_waiting_long_asks_for_a_worker(operator):
    operation = factories.request_registration(factories.make_connection())
    assert advice(operator, operation) == ""

    factories.make_stuck(operation)
    assert "No worker has been heard of. Start one" in advice(operator, operation)

    beat = WorkerHeartbeat.objects.create(name="w", seen_at=timezone.now() - timedelta(days=1))
    assert re.match(
        r"No worker has been heard of since .*\d\d:\d\d\. Start", advice(operator, operation)
    )

    WorkerHeartbeat.objects.filter(pk=beat.pk).update(seen_at=timezone.now())
    assert "A worker lives and has not taken it" in advice(operator, operation)


def test_running_long_names_the_worker(operator):
    operation = factories.request_registration(factories.make_connection())
    factories.claim("worker-7")
    WorkerHeartbeat.objects.create(name="worker-7")
    assert advice(operator, operation) == ""

    factories.make_stuck(operation)
    assert "Worker worker-7 has it in hand" in advice(operator, operation)

    ConnectionOperation.objects.update(lease_until=timezone.now() - timedelta(minutes=2))
    assert "fallen silent" in advice(operator, operation)


def test_what_another_service_reports_is_asked_there(operator):
    actor = Actor(ActorKind.APPLICATION, "People sync", Channel.API)
    operation = factories.make_stuck(factories.report(factories.make_connection(), actor))

    assert advice(operator, operation).startswith("People sync reports it")


def test_attempts_are_the_workers_and_retries_are_operations(operator):
    operation = factories.request_registration(factories.make_connection())
    held = factories.claim("w")
    registering.fail_attempt(held, "It broke.")
    ConnectionOperation.objects.update(run_after=timezone.now() - timedelta(seconds=1))
    OutcomeRule.objects.create(error={"message": "No."})
    factories.work_off()
    operation.refresh_from_db()
    new = provisioning.retry(operation, factories.COMMAND)

    timeline = page(operator, operation).split('class="timeline"')[1]

    labels = re.findall(r"<strong>(.*?)</strong>", timeline)
    assert labels == [
        "Requested", "Queued", "Started", "Handed back to the queue", "Started", "Failed",
        "Retried",
    ]  # fmt: skip
    assert "attempt 1 of 3" in timeline and "attempt 2 of 3" in timeline
    assert address(new) in timeline


def test_what_goes_on_says_for_how_long(operator):
    operation = factories.request_registration(factories.make_connection())

    assert "Waiting for a worker" in page(operator, operation).split('class="timeline"')[1]
    factories.claim("w")
    text = page(operator, operation)
    assert "<strong>Running</strong>" in text
    assert "it looks again every 5 seconds" in text


def retry_button(client, operation):
    found = re.search(r'/retry/" class="button([^"]*)">([^<]*)<', page(client, operation))
    return found.groups() if found else None


def test_the_retry_of_what_is_settled_is_no_first_choice(operator):
    connection = factories.make_connection()
    operation = factories.fail_registration(connection)
    assert retry_button(operator, operation) == (" primary", "Retry operation")

    new = provisioning.retry(operation, factories.COMMAND)
    assert retry_button(operator, operation) is None
    text = page(operator, operation)
    assert "A registration of this connection runs already:" in text
    assert address(new) in text

    factories.work_off()
    assert retry_button(operator, operation) == ("", "Retry once more")


def test_a_viewer_reads_and_cannot_act(viewer):
    operation = factories.fail_registration(factories.make_connection(), ERROR)

    text = page(viewer, operation)

    assert "Set isRetrievable." in text
    assert "Retry operation" not in text and "Acknowledge failure" not in text
    for action in ("retry", "acknowledge"):
        response = viewer.post(address(operation, action))
        assert response.status_code == 403
        assert "This needs the role operator." in response.content.decode()


def test_retry_makes_a_new_linked_operation(operator):
    operation = factories.fail_registration(factories.make_connection())

    response = operator.post(address(operation, "retry"), {"next": address(operation)})

    new = ConnectionOperation.objects.get(retry_of=operation)
    assert response["Location"] == address(operation)
    assert said(response)[0].startswith("Retry requested.")
    change = Change.objects.get(action=Action.OPERATION_RETRIED)
    assert (change.channel, change.actor_name) == (Channel.DASHBOARD, "operator")
    assert change.request_id == response["request-id"]
    assert re.search(rf'Retried as .*href="{address(new)}"', page(operator, operation))
    assert re.search(rf'Retry of .*href="{address(operation)}"', page(operator, new))


def test_a_lost_race_is_a_sentence(operator):
    operation = factories.fail_registration(factories.make_connection())
    provisioning.retry(operation, factories.COMMAND)

    response = operator.post(address(operation, "retry"))

    assert response["Location"] == address(operation)
    assert "is unfinished" in said(response)[0]
    assert said(response)[0].endswith("Nothing changed.")


def test_retrying_what_is_reported_is_refused_calmly(operator):
    operation = factories.report(factories.make_connection(), status="failed")

    assert "Only that application can report a new one." in page(operator, operation)
    assert "cannot be retried" in said(operator.post(address(operation, "retry")))[0]


def test_acknowledging_keeps_the_note(operator):
    operation = factories.fail_registration(factories.make_connection())

    response = operator.post(
        address(operation, "acknowledge"),
        {"note": "Known, ticket 4711", "next": reverse("overview")},
    )

    operation.refresh_from_db()
    assert response["Location"] == reverse("overview")
    assert operation.triage == Triage.ACKNOWLEDGED
    assert "Known, ticket 4711" in page(operator, operation)
    again = operator.post(address(operation, "acknowledge"))
    [sentence] = said(again)[-1:]
    assert re.fullmatch(
        r"Already acknowledged by operator at \d\d:\d\d\. Nothing changed\.", sentence
    )


def test_acknowledging_a_settled_failure_says_so(operator):
    connection = factories.make_connection()
    operation = factories.fail_registration(connection)
    factories.register_schema(connection)

    response = operator.post(address(operation, "acknowledge"))

    assert said(response) == ["A later success has settled it already. Nothing changed."]


@pytest.mark.parametrize("note", ["x" * 2001, "a\0b"])
def test_a_note_that_cannot_be_kept_is_refused(operator, note):
    operation = factories.fail_registration(factories.make_connection())

    operator.post(address(operation, "acknowledge"), {"note": note})

    operation.refresh_from_db()
    assert operation.triage == Triage.OPEN


@pytest.mark.parametrize("action", ["retry", "acknowledge"])
def test_a_get_changes_nothing_and_shows_the_operation(operator, action):
    operation = factories.fail_registration(factories.make_connection())

    response = operator.get(address(operation, action))

    assert response["Location"] == address(operation)
    assert ConnectionOperation.objects.count() == 1
    operation.refresh_from_db()
    assert operation.triage == Triage.OPEN


@pytest.mark.parametrize("action", ["retry", "acknowledge"])
def test_what_was_deleted_meanwhile_is_said(operator, action):
    operation = factories.fail_registration(factories.make_connection())
    target = address(operation, action)
    operation.remove(factories.COMMAND)

    response = operator.post(target)

    assert response["Location"] == reverse("operations")
    assert "may have been deleted" in said(response)[0]


def test_nothing_is_retried_while_the_connection_is_deleted(operator):
    operation = factories.fail_registration(factories.make_connection())
    ExternalConnection.objects.update(deleting_since=timezone.now())

    assert "Retry operation" not in page(operator, operation)
    response = operator.post(address(operation, "retry"))
    assert said(response)[0].endswith("Nothing changed.")


@pytest.mark.parametrize("elsewhere", ["https://evil.example/", "//evil.example", "javascript:1"])
def test_a_foreign_way_back_is_not_taken(operator, elsewhere):
    operation = factories.fail_registration(factories.make_connection())

    response = operator.post(address(operation, "acknowledge"), {"next": elsewhere})

    assert response["Location"] == address(operation)


@pytest.mark.parametrize("action", ["retry", "acknowledge"])
def test_changes_need_the_csrf_token(django_user_model, action):
    client = Client(enforce_csrf_checks=True)
    client.force_login(django_user_model.objects.create_user("eve"))
    operation = factories.fail_registration(factories.make_connection())

    response = client.post(address(operation, action))

    assert response.status_code == 403
    assert "The form was out of date" in response.content.decode()
    operation.refresh_from_db()
    assert operation.triage == Triage.OPEN


@pytest.mark.parametrize("graph_id", ["missing", "%00", "a b", "..."])
def test_an_unknown_operation_is_not_found(operator, graph_id):
    factories.make_connection("contosohr")

    assert operator.get(f"/connections/contosohr/operations/{graph_id}/").status_code == 404


def test_an_id_of_the_callers_own_is_found(operator):
    connection = factories.make_connection("contosohr")
    operation = factories.report(connection, graph_id="Crawl_2026-11~22.full", status="completed")

    assert "Crawl_2026-11~22.full" in page(operator, operation)


@pytest.mark.parametrize("rows", [3, 30])
def test_the_number_of_queries_does_not_grow(operator, rows):
    connection = factories.make_connection()
    first = factories.fail_registration(connection)
    for _ in range(rows):
        provisioning.retry(first, factories.COMMAND)
        factories.work_off()

    with CaptureQueriesContext(database) as queries:
        page(operator, first)

    assert len(queries) == 11
