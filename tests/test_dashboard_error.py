"""One error: what it is, why, whom it hits, and what a person decides about it."""

from datetime import timedelta

import pytest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from operations.models import Change, ErrorGroup, OutcomeCount
from operations.roles import Role
from tests import factories
from tests.conftest import signed_in

pytestmark = pytest.mark.django_db
NO_ANSWER = {"code": "SourceUnreachable", "message": "No answer from 10.0.0.7 within 30 s."}
DECISIONS = ["resolve-error", "reopen-error", "ignore-error"]


def fail(connection=None, error=NO_ANSWER):
    return factories.report(connection or factories.make_connection(), status="failed", error=error)


def a_group(error=NO_ANSWER) -> ErrorGroup:
    fail(error=error)
    return ErrorGroup.objects.get()


def page(client, group):
    response = client.get(reverse("error", args=[group.fingerprint]))
    assert response.status_code == 200
    return response.content.decode()


def decide(client, name, group, **values):
    """The sentences that came back, on the page of the group."""
    response = client.post(reverse(name, args=[group.fingerprint]), values, follow=True)
    assert response.redirect_chain == [(reverse("error", args=[group.fingerprint]), 302)]
    return [str(message) for message in response.context["messages"]]


def test_what_it_is_why_and_what_to_do(operator):
    connection = factories.make_connection("contosohr", name="Contoso HR")
    operation = fail(connection)
    group = ErrorGroup.objects.get()

    text = page(operator, group)

    assert 'No answer from <span class="placeholder">ip</span> within' in text
    assert "SourceUnreachable" in text
    assert "The source cannot be reached" in text
    assert "our advice" in text
    assert "Open the address of the message" in text
    assert reverse("operation", args=["contosohr", operation.graph_id]) in text
    assert "Contoso HR" in text
    assert f"?fingerprint={group.fingerprint}&amp;triage=open&amp;range=all" in text
    assert "Acknowledge its open failure" in text
    assert "Nobody has decided anything about it yet." in text


def test_connections_by_how_often_they_had_it(viewer):
    for number in range(22):
        connection = factories.make_connection(f"hr{number:02}")
        for _ in range(2 if number == 5 else 1):
            fail(connection)

    text = page(viewer, ErrorGroup.objects.get())

    rows = text.split('aria-labelledby="connections"')[1].split("</section>")[0]
    assert rows.index("hr05") < rows.index("hr00")
    assert rows.count("<tr data-key") == 20
    assert "and 2 more connections" in rows


def test_only_connections_of_the_last_30_days_count(viewer):
    group = a_group()
    now = timezone.now()
    for graph_id, days in (("recent", 29), ("longago", 30)):
        connection = factories.make_connection(graph_id)
        OutcomeCount.objects.add(
            connection.pk, now - timedelta(days=days), group.fingerprint, 1000 + days
        )

    text = page(viewer, group)

    assert "<b>2</b> connections in the last 30 days" in text
    rows = text.split('aria-labelledby="connections"')[1].split("</section>")[0]
    assert rows.count("<tr data-key") == 2
    assert "1029" in rows.replace(",", "")
    assert "longago" not in text and "1030" not in text.replace(",", "")
    listed = viewer.get(reverse("errors"))
    assert [row.connections for row in listed.context["rows"]] == [2]
    assert "14 days: seen once" in listed.content.decode()


def test_an_error_that_nobody_had_lately(viewer):
    group = a_group()
    OutcomeCount.objects.update(day=timezone.now() - timedelta(days=40))

    assert "None in the last 30 days" in page(viewer, group)


def test_the_trend_has_a_table(viewer):
    fail()
    group = ErrorGroup.objects.get()
    connection = factories.make_connection()
    yesterday = timezone.now() - timedelta(days=1)
    OutcomeCount.objects.add(connection.pk, yesterday, group.fingerprint, 3)

    text = page(viewer, group)

    table = text.split("Failures of the last 14 days</caption>")[1].split("</table>")[0]
    assert table.count("<tr>") == 15
    assert "Completed" not in table


def test_all_failures_were_deleted(operator):
    operation = fail()
    group = ErrorGroup.objects.get()
    operation.remove(factories.COMMAND)

    text = page(operator, group)

    assert "None is left" in text
    assert "The source cannot be reached" in text


def test_markup_is_text(operator):
    error = {"code": "<i>", "target": "<u>", "message": "<script>alert(1)</script>"}
    connection = factories.make_connection(name="<b>bold</b>")
    fail(connection, error)

    text = page(operator, ErrorGroup.objects.get())

    for tag in ("<i>", "<u>", "<script>alert", "<b>bold"):
        assert tag not in text
    assert "&lt;script&gt;" in text


def test_resolving_with_a_note(operator):
    group = a_group()

    [done, offer] = decide(operator, "resolve-error", group, note="New disk <b>")

    assert done == "Resolved. It returns when it is seen again."
    assert "1 of its failures is still open." in offer
    assert f"fingerprint={group.fingerprint}&amp;triage=open&amp;range=all" in offer
    change = Change.objects.get(action="error.resolved")
    assert (change.note, change.actor_name, change.channel) == (
        "New disk <b>",
        "operator",
        "dashboard",
    )
    text = page(operator, group)
    assert "badge-resolved" in text
    assert "New disk &lt;b&gt;" in text
    assert "Open again" in text
    assert "Resolve error" not in text


def test_nothing_is_offered_when_nothing_is_open(operator):
    operation = fail()
    operation.acknowledge(factories.COMMAND)

    assert len(decide(operator, "resolve-error", ErrorGroup.objects.get())) == 1


def test_resolving_does_not_acknowledge(operator):
    operation = fail()
    decide(operator, "resolve-error", ErrorGroup.objects.get())

    operation.refresh_from_db()
    assert operation.triage == "open"


def test_somebody_was_faster(operator):
    group = a_group()
    group.resolve(factories.COMMAND)

    for name, values in (("resolve-error", {}), ("ignore-error", {"days": "7"})):
        [said] = decide(operator, name, group, **values)
        assert said == "Already resolved by tests. Nothing changed."
    group.reopen(factories.COMMAND)
    assert decide(operator, "reopen-error", group) == ["It is open already. Nothing changed."]


@pytest.mark.parametrize("days", [1, 7, 30])
def test_ignoring_for_days(operator, days):
    group = a_group()

    [said] = decide(operator, "ignore-error", group, days=str(days), until="")

    assert said.startswith("Ignored until")
    group.refresh_from_db()
    assert timedelta(days=days - 1) < group.ignored_until - timezone.now() <= timedelta(days=days)
    assert "badge-ignored" in page(operator, group)


def test_ignoring_until_a_day(operator):
    group = a_group()
    day = timezone.localdate() + timedelta(days=100)

    decide(operator, "ignore-error", group, days="7", until=day.isoformat())

    group.refresh_from_db()
    begins = timezone.localtime(group.ignored_until)
    assert (begins.date(), begins.hour, begins.minute) == (day, 0, 0)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, "Choose for how long. Nothing changed."),
        ({"until": "2020-01-01"}, "Choose a day between tomorrow and one year from now."),
        ({"until": "9999-12-31"}, "Choose a day between tomorrow and one year from now."),
        ({"until": "soon"}, "Enter a valid date."),
        ({"days": "2"}, "Select a valid choice."),
    ],
)
def test_a_time_that_will_not_do(operator, values, expected):
    group = a_group()

    [said] = decide(operator, "ignore-error", group, **values)

    assert expected in said and said.endswith("Nothing changed.")
    group.refresh_from_db()
    assert group.ignored_until is None


@pytest.mark.parametrize("note", ["x" * 2001, "a\0b"])
def test_a_note_that_cannot_be_kept(operator, note):
    group = a_group()

    [said] = decide(operator, "resolve-error", group, note=note)

    assert said == "A note is plain text of at most 2,000 characters. Nothing changed."
    group.refresh_from_db()
    assert group.resolved_at is None


def test_an_administrator_chooses_the_cause(administrator):
    group = a_group()

    assert decide(administrator, "change-cause", group, cause="throttled") == [
        "The cause was changed."
    ]

    text = page(administrator, group)
    assert '<p class="cause-title">The source throttles</p>' in text
    assert "An administrator chose this cause." in text
    assert '<option value="throttled" selected>' in text
    assert decide(administrator, "change-cause", group, cause="throttled") == [
        "It has this cause already. Nothing changed."
    ]
    assert decide(administrator, "change-cause", group, cause="") == ["The cause was changed."]
    assert "The source cannot be reached" in page(administrator, group)


def test_a_cause_that_there_is_not(administrator):
    group = a_group()

    [said] = decide(administrator, "change-cause", group, cause="nonsense")

    assert said == "The catalogue has no cause with this id. Nothing changed."


@pytest.mark.parametrize(
    ("role", "name"),
    [
        *((Role.VIEWER, name) for name in (*DECISIONS, "change-cause")),
        (Role.OPERATOR, "change-cause"),
    ],
)
def test_who_may_not_decide_sees_no_button_and_is_refused(db, role, name):
    client = signed_in(role)
    group = a_group()

    response = client.post(reverse(name, args=[group.fingerprint]), {"cause": "throttled"})

    assert response.status_code == 403
    needed = "administrator" if name == "change-cause" else "operator"
    assert f"This needs the role {needed}." in response.content.decode()
    assert not Change.objects.filter(action__startswith="error.").exists()
    assert reverse(name, args=[group.fingerprint]) not in page(client, group)


@pytest.mark.parametrize("name", [*DECISIONS, "change-cause"])
def test_a_get_decides_nothing(administrator, name):
    group = a_group()

    response = administrator.get(reverse(name, args=[group.fingerprint]))

    assert response["Location"] == reverse("error", args=[group.fingerprint])
    assert not Change.objects.filter(action__startswith="error.").exists()


@pytest.mark.parametrize("fingerprint", ["0" * 32, "x", "%00", "A" * 32])
def test_an_error_that_there_is_not(operator, fingerprint):
    for response in (
        operator.get(f"/errors/{fingerprint}/"),
        operator.post(f"/errors/{fingerprint}/resolve/"),
    ):
        assert response.status_code == 404
        assert "There is no error with this fingerprint." in response.content.decode()


@pytest.mark.parametrize("rows", [1, 30])
def test_the_number_of_queries_does_not_grow(administrator, rows):
    for _ in range(rows):
        fail()
    group = ErrorGroup.objects.get()
    for _ in range(rows):
        group.resolve(factories.COMMAND)
        group.reopen(factories.COMMAND)

    with CaptureQueriesContext(database) as queries:
        page(administrator, group)

    assert len(queries) == 12
