"""The list of connections: state, last operation with its error, filters in the address."""

import pytest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from operations.models import ConnectionState, ExternalConnection
from tests import factories

pytestmark = pytest.mark.django_db


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


@pytest.mark.parametrize("query", ["?state=banana", "?after=%00", "?colour=red", "?failing=maybe"])
def test_what_means_nothing_is_named_and_left_out(operator, query):
    factories.make_connection("contosohr")

    text = page(operator, query)

    assert "was left out" in text
    assert "contosohr" in text


def test_pages_go_on_behind_the_last_id(operator):
    for number in range(60):
        factories.make_connection(f"connector{number:02d}", state=ConnectionState.READY)

    first = page(operator, "?state=ready")
    assert "50 of 60 shown" in first
    assert "?state=ready&amp;after=connector49" in first

    second = page(operator, "?state=ready&after=connector49")
    assert "10 of 60 shown" in second
    assert "connector50" in second
    assert "connector49" not in second.split("<tbody")[1].split("</tbody")[0]

    assert "No more rows" in page(operator, "?after=zzz")


def test_no_connection_yet(operator):
    assert "No connections yet" in page(operator)


@pytest.mark.parametrize("rows", [3, 30])
def test_the_number_of_queries_does_not_grow(operator, rows):
    for _ in range(rows):
        factories.report(factories.make_connection(), status="failed")

    with CaptureQueriesContext(database) as queries:
        page(operator)

    assert len(queries) == 8
