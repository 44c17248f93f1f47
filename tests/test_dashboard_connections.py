"""The list of connections: state, last operation with its error, filters in the address."""

import html
import re
import uuid
from datetime import timedelta
from urllib.parse import urlencode

import pytest
from django.db import connection as database
from django.db.models import F
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from operations.dashboard.connection_list import SORTS
from operations.models import (
    ConnectionOperation,
    ConnectionState,
    ExternalConnection,
    OutcomeCount,
    Triage,
)
from tests import factories

pytestmark = pytest.mark.django_db
COLUMNS = "show=owner&show=labels&show=authorized&show=created"


def page(client, query=""):
    response = client.get(reverse("connections") + query)
    assert response.status_code == 200
    return response.content.decode()


def test_each_row_says_state_and_last_error(operator):
    connection = factories.make_connection("contosohr", name="Contoso HR")
    factories.register_schema(connection)
    factories.fail_registration(connection, {"message": "No room left. Make some."})

    text = page(operator)

    assert "Contoso HR" in text
    assert 'data-copy="contosohr"' in text
    assert "badge-ready" in text
    assert "No room left." in text


@pytest.mark.parametrize("state", list(ConnectionState))
def test_every_state_has_its_badge(operator, state):
    factories.make_connection(state=state)

    assert f'badge-{state.word}" title="Graph: {state.word}"' in page(operator)


def test_what_is_being_deleted_is_shown_as_that(operator):
    connection = factories.make_connection("contosohr", state=ConnectionState.READY)
    ExternalConnection.objects.filter(pk=connection.pk).update(deleting_since=timezone.now())

    text = page(operator)

    assert "badge-deleting" in text
    assert "badge-ready" not in text
    assert "contosohr" not in page(operator, "?state=ready")


def test_filters_are_in_the_address(operator):
    factories.make_connection("draftone")
    factories.make_connection("readyone", state=ConnectionState.READY)
    failing = factories.make_connection("failingone", state=ConnectionState.READY)
    factories.report(failing, status="failed")

    drafts = page(operator, "?state=draft")
    assert "draftone" in drafts
    assert "readyone" not in drafts
    assert "State: <b" in drafts

    both = page(operator, "?state=ready&failing=1")
    assert "failingone" in both
    assert "readyone" not in both


def test_a_filter_that_matches_nothing_says_what_there_is(operator):
    factories.make_connection()

    text = page(operator, "?state=obsolete")

    assert "Nothing matches" in text
    assert "Without these filters there is 1 row." in text
    assert "Clear all" in text


@pytest.mark.parametrize(
    "query",
    [
        "?state=banana",
        "?after=%00",
        "?after=AAAA",
        "?colour=red",
        "?failing=maybe",
        "?health=fine",
        "?last=gone",
        "?owner=me",
        "?changed=1h",
        "?sort=strip",
        "?show=items",
        "?rows=7",
        "?q=%00",
    ],
)
def test_what_means_nothing_is_named_and_left_out(operator, query):
    factories.make_connection("contosohr")

    text = page(operator, query)

    assert "was left out" in text
    assert "contosohr" in text


def next_page(text):
    found = re.search(r'href="([^"]*)" rel="next"', text)
    return html.unescape(found[1]) if found else ""


def ids(text):
    """The ids of the rows in their order."""
    return re.findall(r'<span class="mono">([a-z0-9]+)</span>', text)


def test_every_order_goes_through_all_pages_once(operator):
    """Rows of all kinds, many of them alike in what is sorted by."""
    owner = factories.make_application(name="HR")
    for number in range(30):
        connection = factories.make_connection(
            f"connector{number:02d}",
            name=f"Name {number % 4}",
            state=ConnectionState.READY if number % 3 else ConnectionState.DRAFT,
            owner=owner if number % 2 else None,
        )
        if number % 5 == 0:
            factories.report(connection, status="failed")
    columns = "&show=owner&show=created"

    for sort in (f"{sign}{name}" for name in SORTS for sign in ("", "-")):
        first = page(operator, f"?rows=25&sort={sort}{columns}")
        assert "25 of 30 shown" in first, sort
        second = page(operator, next_page(first))
        assert "5 of 30 shown" in second, sort
        assert not next_page(second), sort

        met = ids(first) + ids(second)
        assert len(set(met)) == 30, sort
        assert met == ids(page(operator, f"?rows=100&sort={sort}{columns}")), sort


def test_what_needs_a_person_comes_first_then_by_name(operator):
    factories.make_connection("one", name="b calm", state=ConnectionState.READY)
    factories.make_connection("two", name="A calm", state=ConnectionState.READY)
    factories.report(factories.make_connection("bad", name="z"), status="failed")
    factories.make_stuck(factories.report(factories.make_connection("late", name="zz")))

    text = page(operator)

    assert ids(text) == ["late", "bad", "two", "one"]
    assert '<th scope="col" aria-sort="ascending">' in text
    assert 'href="?sort=-health"' in text


def test_the_order_by_failures_counts_those_of_the_last_14_days(operator):
    calm, bad = factories.make_connection("calm"), factories.make_connection("bad")
    old = factories.make_connection("old")
    factories.report(calm, status="completed")
    factories.report(bad, status="failed")
    for _ in range(3):
        factories.report(old, status="failed")
    OutcomeCount.objects.filter(connection=old).update(day=F("day") - timedelta(days=14))

    assert ids(page(operator, "?sort=-failures"))[0] == "bad"


def test_the_position_of_another_order_is_named(operator):
    for number in range(30):
        factories.make_connection(f"connector{number:02d}")
    position = next_page(page(operator, "?rows=25&sort=changed"))

    text = page(operator, position.replace("changed", "name"))

    assert "was left out" in text and "after=" in text


def test_rows_of_a_page_are_remembered(operator):
    for _ in range(30):
        factories.make_connection()

    assert "25 of 30 shown" in page(operator, "?rows=25")
    assert "25 of 30 shown" in page(operator)


def test_behind_the_last_row_there_is_a_way_back(operator):
    for number in range(26):
        factories.make_connection(f"connector{number:02d}")
    last = next_page(page(operator, "?rows=25&sort=name"))
    ExternalConnection.objects.filter(graph_id="connector25").delete()

    assert "No more rows" in page(operator, last)


def test_no_connection_yet(operator):
    assert "No connections yet" in page(operator)


def test_a_strip_tells_the_last_14_days(operator):
    connection = factories.make_connection()
    factories.report(connection, status="failed")
    factories.report(connection, status="completed")

    text = page(operator)

    assert "<title>14 days: 1 completed, 1 failed</title>" in text


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("q=HUMAN", {"hr"}),
        ("q=crm", {"crm"}),
        ("health=attention", {"hr"}),
        ("health=attention&health=draft", {"hr", "crm"}),
        ("last=failed", {"hr"}),
        ("last=completed&last=none", {"wiki", "crm"}),
        ("owner=none", {"wiki"}),
        ("changed=7d", {"hr", "wiki"}),
        ("state=ready&health=healthy", {"wiki"}),
    ],
)
def test_each_filter(operator, query, expected):
    owner = factories.make_application()
    hr = factories.make_connection("hr1", name="Human resources", owner=owner)
    wiki = factories.make_connection("wiki1", state=ConnectionState.READY)
    factories.make_connection("crm1", owner=owner)
    factories.report(wiki, status="failed")
    factories.report(wiki, status="completed")
    factories.report(hr, status="failed")
    month_ago = timezone.now() - timedelta(days=30)
    ExternalConnection.objects.filter(graph_id="crm1").update(changed_at=month_ago)

    assert set(ids(page(operator, f"?{query}"))) == {f"{name}1" for name in expected}


def test_the_owner_filter_names_any_application(operator):
    owner = factories.make_application(name="HR ingestion")
    stranger = uuid.uuid4()
    factories.make_connection("ours", owner=owner)
    factories.make_connection("theirs")
    ExternalConnection.objects.filter(graph_id="theirs").update(owner_app_id=stranger)

    text = page(operator, f"?owner={owner.app_id}")
    assert ids(text) == ["ours"]
    assert "Owner: <b" in text and "HR ingestion" in text

    assert ids(page(operator, f"?owner={stranger}")) == ["theirs"]


def test_more_columns_are_there_when_asked_for(operator):
    owner, friend = (factories.make_application(name=name) for name in ("HR app", "Friend <b>"))
    connection = factories.make_connection(owner=owner, authorized_app_ids=[friend.app_id])
    factories.register_schema(connection)
    assert "HR app" not in page(operator).split("<tbody")[1]

    text = page(operator, f"?{COLUMNS}").split("<tbody")[1]

    assert "HR app" in text
    assert "Friend &lt;b&gt;" in text
    assert 'cell-more">title</td>' in text
    assert 'data-label="Created"' in text


def test_columns_stay_when_a_filter_goes(operator):
    factories.make_connection()

    text = page(operator, "?show=owner&state=draft")

    assert 'href="?show=owner"' in text


def test_a_viewer_selects_and_exports_nothing(viewer, operator, administrator):
    factories.make_connection()

    assert 'form="bulk"' not in page(viewer) and "export.csv" not in page(viewer)
    assert 'form="bulk"' in page(operator) and "export.csv" in page(operator)
    assert 'value="delete"' not in page(operator)
    assert 'value="delete"' in page(administrator)


def selected(client, action, *graph_ids):
    query = urlencode([("action", action), *(("connection", each) for each in graph_ids)])
    return client.get(f"{reverse('selected-connections')}?{query}", follow=True)


def test_open_failures_of_the_selected_are_shown_and_acknowledged(operator):
    failures = []
    for name in ("one", "two", "three"):
        connection = factories.make_connection(name)
        failures.append(factories.report(connection, status="failed"))
        factories.report(connection, status="unspecified")

    shown = selected(operator, "show", "one", "two").content.decode()
    assert "2 of 2 shown" in shown
    assert [failure.graph_id in shown for failure in failures] == [True, True, False]

    asked = selected(operator, "acknowledge", "one", "two")
    assert "Acknowledge 2 failures" in asked.content.decode()
    address = asked.redirect_chain[-1][0]
    form = {"reason": "Known.", "run_id": uuid.uuid4(), "last_key": failures[-1].pk + 9}
    operator.post(address, form)

    triage = [ConnectionOperation.objects.get(pk=failure.pk).triage for failure in failures]
    assert triage == [Triage.ACKNOWLEDGED, Triage.ACKNOWLEDGED, Triage.OPEN]


def test_nothing_selected_is_nothing_done(operator):
    """Not the whole list, which the same address without connections would mean."""
    factories.report(factories.make_connection(), status="failed")

    for action in ("acknowledge", "show", "delete"):
        response = selected(operator, action, "%00")
        assert response.redirect_chain == [(reverse("connections"), 302)]
        assert "No connection was selected. Nothing changed." in response.content.decode()


def test_deleting_the_selected_asks_and_needs_the_role(operator, administrator):
    factories.make_connection("one")

    assert "Delete 1 connection" in selected(administrator, "delete", "one").content.decode()
    assert selected(operator, "delete", "one").status_code == 403


def test_an_unknown_action_is_not_found(operator):
    response = selected(operator, "polish", "one")

    assert response.status_code == 404
    assert "There is no such action on connections." in response.content.decode()


def test_names_are_escaped(operator):
    factories.make_connection(name="<script>alert(1)</script>")

    text = page(operator, "?q=%3Cscript%3E")

    assert "<script>alert" not in text
    assert text.count("&lt;script&gt;alert(1)") >= 1


EVERYTHING = f"?{COLUMNS}&sort=-failures&q=n&health=attention"


@pytest.mark.parametrize(("query", "expected"), [("", 10), (EVERYTHING, 12)])
@pytest.mark.parametrize("rows", [3, 30])
def test_the_number_of_queries_does_not_grow(operator, rows, query, expected):
    friend = factories.make_application()
    for _ in range(rows):
        connection = factories.make_connection(owner=friend, authorized_app_ids=[friend.app_id])
        factories.register_schema(connection)
        factories.report(connection, status="failed")

    with CaptureQueriesContext(database) as queries:
        page(operator, query)

    assert len(queries) == expected
