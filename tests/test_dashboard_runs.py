"""Actions on many operations: the page that asks, and the page that tells how far it is."""

import re
import uuid
from html import unescape
from urllib.parse import urlencode

import pytest
from django.contrib.messages import get_messages
from django.db import connection as database
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from operations import runs
from operations.models import (
    Action,
    BulkRun,
    Change,
    ConnectionOperation,
    ExternalConnection,
    Triage,
    WorkerHeartbeat,
)
from tests import factories

pytestmark = pytest.mark.django_db


def failures(number, connection=None, **values):
    connection = connection or factories.make_connection()
    return [factories.report(connection, status="failed", **values) for _ in range(number)]


def question(action, *operations, **filters):
    """The address that asks: for these operations, or for all that match the filter."""
    pairs = [("action", action), *(("key", operation.pk) for operation in operations)]
    if not operations:
        pairs += [("all", "1"), ("range", "all"), *filters.items()]
    return f"{reverse('ask-run')}?{urlencode(pairs)}"


def ask(client, address):
    response = client.get(address)
    assert response.status_code == 200
    return response.content.decode()


def confirm(client, address, **given):
    """Send the form that the page shows, with what a person fills in."""
    text = ask(client, address)
    hidden = dict(re.findall(r'type="hidden" name="(run_id|last_key)" value="([^"]*)"', text))
    return client.post(address, {**hidden, **given})


def said(response):
    return [str(message) for message in get_messages(response.wsgi_request)]


def shown(client, response):
    return client.get(response["Location"]).content.decode()


def numbers(text):
    return dict(re.findall(r"<dt>([^<]*)</dt><dd[^>]*><strong>([^<]*)</strong>", text))


def test_the_question_shows_count_filter_and_effect(operator):
    failures(3, factories.make_connection("contosohr"), error={"message": "Away."})
    factories.report(factories.make_connection(), status="completed")

    text = ask(operator, question("acknowledge", status="failed", connection="contosohr"))

    assert "<h1>Acknowledge 3 failures</h1>" in text
    assert numbers(text) == {"Match now": "3", "Will be acted on": "3"}
    assert ">Failed</dd>" in text and ">contosohr</dd>" in text
    assert "taken off the list of what needs a person" in text
    assert "Away." in text
    assert re.search(r'<textarea id="ask-reason"[^>]* required', text)


def test_what_an_action_does_not_fit_is_said_before(operator):
    registration = factories.fail_registration(factories.make_connection())
    [reported] = failures(1)

    text = ask(operator, question("retry", registration, reported))
    assert numbers(text) == {"Match now": "2", "Will be acted on": "1"}
    assert "The others are passed over and counted." in text
    assert "2 selected rows" in text
    assert not re.search(r'<textarea id="ask-reason"[^>]* required', text)

    none = ask(operator, question("retry", reported))
    assert "this action fits none of them" in none
    assert "Retry 0 operations" not in none and 'name="reason"' not in none


def test_selected_rows_are_done_at_once(operator):
    chosen, other = failures(2), failures(1)

    response = confirm(operator, question("acknowledge", *chosen))

    run = BulkRun.objects.get()
    assert response["Location"] == reverse("run", args=[run.run_id])
    text = shown(operator, response)
    assert "2 of 2 handled" in text
    assert "<strong>2</strong> done" in text
    assert "Finished" in text
    other[0].refresh_from_db()
    assert other[0].triage == Triage.OPEN
    of_the_request = Change.objects.filter(request_id=response["request-id"])
    assert set(of_the_request.values_list("action", flat=True)) == {
        Action.RUN_STARTED,
        Action.RUN_FINISHED,
        Action.OPERATION_ACKNOWLEDGED,
    }


def test_all_that_match_the_filter(operator):
    error = {"code": "Away", "message": "The source is away."}
    failures(5, error=error)
    failures(2)

    response = confirm(operator, question("acknowledge", code="away"), reason="Known.")

    assert ConnectionOperation.objects.open_failures().count() == 2
    assert BulkRun.objects.get().selection == {"code": "away"}
    text = shown(operator, response)
    assert "Known." in text
    assert 'href="/operations/?code=away&amp;range=all"' in text
    assert f"?request={response['request-id']}" in text


def test_like_failures_are_acknowledged_from_their_error(operator):
    """Forty failures that say the same: one action, two clicks from any of them."""
    alike = failures(40, error={"message": "The source is away."})
    failures(1, error={"message": "Something else."})
    error_page = reverse("error", args=[alike[0].fingerprint])
    [link] = re.findall(
        r'href="([^"]*)">Acknowledge its 40 open', operator.get(error_page).content.decode()
    )

    text = ask(operator, unescape(link))
    assert "Acknowledge 40 failures" in text and "The source is away." in text
    assert f'href="{error_page}"' in text, "the way back"
    confirm(operator, unescape(link), reason="Known.")

    assert ConnectionOperation.objects.open_failures().count() == 1


def test_retried_skipped_and_refused_are_told_apart(operator):
    good = factories.fail_registration(factories.make_connection())
    bad = factories.fail_registration(factories.make_connection("obsolete1"))
    ExternalConnection.objects.filter(graph_id="obsolete1").update(state=3)
    [reported] = failures(1)

    text = shown(operator, confirm(operator, question("retry", good, bad, reported)))

    assert "3 of 3 handled" in text
    refused = unescape(text.split('data-key="refused"')[1].split("</section>")[0])
    assert "is in state 'obsolete'" in refused
    assert reverse("operation", args=["obsolete1", bad.graph_id]) in refused
    skipped = text.split('data-key="skipped"')[1]
    assert "only that service can report a new one" in skipped
    assert ConnectionOperation.objects.filter(retry_of=good).exists()


def test_marking_as_failed_asks_for_error_and_reason(administrator):
    operation = factories.report(factories.make_connection())
    address = question("fail", operation)

    unsaid = confirm(administrator, address, code="GivenUp")
    text = unsaid.content.decode()
    assert "Say what went wrong" in text and "Say why" in text
    assert 'value="GivenUp"' in text
    assert not BulkRun.objects.exists()

    confirm(administrator, address, code="GivenUp", message="Gone.", reason="Ticket 1.")
    operation.refresh_from_db()
    assert operation.error == {"code": "GivenUp", "message": "Gone."}


def test_marking_as_completed(administrator):
    operation = factories.report(factories.make_connection())

    confirm(administrator, question("complete", operation), reason="It ran.")

    operation.refresh_from_db()
    assert operation.get_status_display() == "completed"


def test_all_that_match_need_a_reason(operator):
    failures(1)

    response = confirm(operator, question("acknowledge", status="failed"), reason=" ")

    assert "Say why: it is kept in the history" in response.content.decode()
    assert not BulkRun.objects.exists()


def test_what_came_after_the_question_is_left_out(operator):
    failures(2)
    address = question("acknowledge", status="failed")
    text = ask(operator, address)
    hidden = dict(re.findall(r'name="(run_id|last_key)" value="([^"]*)"', text))
    failures(1)

    operator.post(address, {**hidden, "reason": "Known."})

    assert BulkRun.objects.get().done == 2
    assert ConnectionOperation.objects.open_failures().count() == 1


def test_a_form_that_is_sent_twice_acts_once(operator):
    failures(1)
    address = question("acknowledge", status="failed")
    given = {"run_id": uuid.uuid4(), "last_key": 2**62, "reason": "Known."}

    first, second = operator.post(address, given), operator.post(address, given)

    assert first["Location"] == second["Location"]
    assert BulkRun.objects.count() == 1


@pytest.mark.parametrize(
    "given", [{}, {"run_id": "x", "last_key": "1"}, {"run_id": str(uuid.uuid4()), "last_key": "-1"}]
)
def test_a_form_that_was_tampered_with_starts_nothing(operator, given):
    failures(1)

    response = operator.post(question("acknowledge", status="failed"), {"reason": "x", **given})

    assert response.status_code == 200
    assert not BulkRun.objects.exists()


@pytest.mark.parametrize("rest", ["", "&key=x", "&key=%00", "&next=https://evil.example/"])
def test_nothing_selected_is_said_on_the_list(operator, rest):
    response = operator.get(f"{reverse('ask-run')}?action=retry{rest}")

    assert response["Location"] == reverse("operations")
    assert said(response) == ["No row was selected. Nothing changed."]


def test_the_way_back_is_the_list_as_it_was(operator):
    [operation] = failures(1)
    back = "/operations/?triage=open&range=all"

    text = ask(operator, question("acknowledge", operation) + "&" + urlencode({"next": back}))

    assert 'href="/operations/?triage=open&amp;range=all"' in text


def test_a_filter_that_means_nothing_is_named_before_it_acts(operator):
    failures(1)

    text = ask(operator, question("acknowledge", status="banana", sort="x"))

    assert "was left out" in text
    assert "status=banana" in text and "sort=x" in text
    assert "nothing can be started from here" in text


def test_a_filter_that_means_nothing_never_widens_what_is_acted_on(operator):
    failures(3)

    response = operator.post(
        question("acknowledge", connection="bad-id"), {"reason": "All of them.", "last_key": 10**9}
    )

    assert response.status_code == 302
    assert not BulkRun.objects.exists()
    assert not ConnectionOperation.objects.filter(triage=Triage.ACKNOWLEDGED).exists()
    text = operator.get(response["Location"]).content.decode()
    assert "Part of the filter means nothing here: connection=bad-id. Nothing changed." in text


@pytest.mark.parametrize("wanted", ["abc", "overview", "//elsewhere.example/", "javascript:1"])
def test_a_way_back_that_is_none_leads_to_the_list(operator, wanted):
    address = reverse("ask-run") + "?" + urlencode({"action": "retry", "next": wanted})

    assert operator.get(address)["Location"] == reverse("operations")
    address = reverse("selected-connections") + "?" + urlencode({"next": wanted})
    assert operator.get(address)["Location"] == reverse("connections")


def test_an_unknown_action_is_not_found(operator):
    assert operator.get(question("explode")).status_code == 404


def test_a_large_run_is_left_to_the_worker(operator, monkeypatch):
    monkeypatch.setattr(runs, "IN_REQUEST", 2)
    monkeypatch.setattr(runs, "CHUNK", 2)
    failures(9)

    response = confirm(operator, question("acknowledge", status="failed"), reason="Known.")

    text = shown(operator, response)
    assert "0 of 9 handled" in text and "Running" in text
    assert "No worker is heard of at present." in text
    WorkerHeartbeat.objects.create(name="w", seen_at=timezone.now())
    assert "The worker goes on with it" in shown(operator, response)

    run = BulkRun.objects.get()
    operator.post(reverse("continue-run", args=[run.run_id]))
    assert "4 of 9 handled" in shown(operator, response)
    while run := runs.next_run():
        runs.step(run)
    assert "9 of 9 handled" in shown(operator, response)
    assert Change.objects.filter(action=Action.OPERATION_ACKNOWLEDGED).count() == 9


def test_a_run_can_be_stopped(operator, monkeypatch):
    monkeypatch.setattr(runs, "IN_REQUEST", 0)
    failures(3)
    response = confirm(operator, question("acknowledge", status="failed"), reason="Known.")
    run = BulkRun.objects.get()

    stopped = operator.post(reverse("stop-run", args=[run.run_id]))
    assert stopped["Location"] == response["Location"]
    assert "Stopped" in shown(operator, response)
    assert "no longer matched" not in shown(operator, response)
    assert runs.next_run() is None
    again = operator.post(reverse("stop-run", args=[run.run_id]))
    assert said(again) == ["It had ended already. Nothing changed."]
    assert operator.get(reverse("stop-run", args=[run.run_id])).status_code == 302


def test_rows_that_went_meanwhile_are_counted(operator, monkeypatch):
    monkeypatch.setattr(runs, "IN_REQUEST", 0)
    first, second, third = failures(3)
    response = confirm(operator, question("acknowledge", triage="open"), reason="Known.")
    first.remove(factories.COMMAND)
    second.acknowledge(factories.COMMAND)

    runs.step(runs.next_run())

    text = shown(operator, response)
    assert "1 of 3 handled" in text
    assert "<strong>2</strong> no longer matched or were deleted" in text


def test_outside_text_is_escaped(administrator):
    evil = "<script>alert(1)</script>"
    operation = factories.report(factories.make_connection(name=evil))
    address = question("fail", operation)

    assert "<script>alert" not in ask(administrator, address)
    response = confirm(administrator, address, reason=evil, message=evil, code=evil)
    text = shown(administrator, response)
    assert "<script>alert" not in text and "&lt;script&gt;" in text


@pytest.mark.parametrize("action, role", [("retry", "operator"), ("acknowledge", "operator")])
def test_a_viewer_reads_a_run_and_starts_none(viewer, operator, action, role):
    failures(1)
    confirm(operator, question("acknowledge", status="failed"), reason="Known.")
    run = BulkRun.objects.get()

    assert viewer.get(reverse("run", args=[run.run_id])).status_code == 200
    for response in (
        viewer.get(question(action, status="failed")),
        viewer.post(question(action, status="failed"), {}),
        viewer.post(reverse("continue-run", args=[run.run_id])),
        viewer.post(reverse("stop-run", args=[run.run_id])),
    ):
        assert response.status_code == 403
        assert f"This needs the role {role}." in response.content.decode()


@pytest.mark.parametrize("action", ["fail", "complete"])
def test_outcomes_are_an_administrators(operator, administrator, action, monkeypatch):
    monkeypatch.setattr(runs, "IN_REQUEST", 0)
    operation = factories.report(factories.make_connection())
    confirm(administrator, question(action, operation), reason="r", message="m")
    run = BulkRun.objects.get()

    assert "Go on now" not in operator.get(reverse("run", args=[run.run_id])).content.decode()
    for response in (
        operator.get(question(action, operation)),
        operator.post(question(action, operation), {}),
        operator.post(reverse("stop-run", args=[run.run_id])),
        operator.post(reverse("continue-run", args=[run.run_id])),
    ):
        assert response.status_code == 403
        assert "This needs the role administrator." in response.content.decode()
    run.refresh_from_db()
    assert run.finished_at is None


def test_starting_needs_the_csrf_token(operator, django_user_model):
    failures(1)
    client = Client(enforce_csrf_checks=True)
    client.force_login(django_user_model.objects.get(username="operator"))

    assert client.post(question("acknowledge", status="failed")).status_code == 403
    assert not BulkRun.objects.exists()


def test_an_unknown_run_is_not_found(operator):
    response = operator.get(reverse("run", args=[uuid.uuid4()]))

    assert response.status_code == 404
    assert "There is no action on many with the id" in response.content.decode()


@pytest.mark.parametrize("rows", [3, 40])
def test_the_number_of_queries_does_not_grow(operator, rows):
    failures(rows)
    address = question("acknowledge", status="failed")

    with CaptureQueriesContext(database) as queries:
        ask(operator, address)
    assert len(queries) == 8
    response = confirm(operator, address, reason="Known.")
    with CaptureQueriesContext(database) as queries:
        shown(operator, response)
    assert len(queries) == 6
