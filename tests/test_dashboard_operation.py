"""One operation: status, error in full, timeline, raw JSON, retry, acknowledge."""

import json
import re
from html import unescape

import pytest
from django.contrib.messages import get_messages
from django.db import connection as database
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from operations import provisioning
from operations.models import (
    Action,
    Change,
    Channel,
    ConnectionOperation,
    ExternalConnection,
    OperationStatus,
    Triage,
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
