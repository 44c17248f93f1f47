"""Refreshing: the same partial, unchanged is a 304, and it is cheap to ask."""

import pytest
from django.contrib.staticfiles import finders
from django.urls import reverse

from operations.models import ConnectionState
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def addresses():
    connection = factories.make_connection("contosohr")
    operation = factories.fail_registration(connection)
    return [
        reverse("overview"),
        reverse("connections"),
        reverse("connection", args=["contosohr"]),
        reverse("connection", args=["contosohr"]) + "?tab=operations",
        reverse("connection", args=["contosohr"]) + "?tab=schema",
        reverse("connection", args=["contosohr"]) + "?tab=activity",
        reverse("connection", args=["contosohr"]) + "?tab=api",
        reverse("operations"),
        reverse("operation", args=["contosohr", operation.graph_id]),
    ]


def fragment_of(client, address, **headers):
    joint = "&" if "?" in address else "?"
    return client.get(f"{address}{joint}fragment=1", headers=headers)


def test_a_fragment_is_the_part_that_the_page_shows(operator, addresses):
    for address in addresses:
        whole = operator.get(address).content.decode()
        fragment = fragment_of(operator, address).content.decode()

        assert fragment.startswith("<div data-live")
        assert fragment.strip() in whole
        assert "<html" not in fragment


def test_unchanged_is_a_304_without_a_body(operator, addresses):
    for address in addresses:
        first = fragment_of(operator, address)
        again = fragment_of(operator, address, if_none_match=first["ETag"])

        assert first.status_code == 200
        assert again.status_code == 304
        assert again.content == b""
        assert "Data-Time" in again
        assert first["Cache-Control"] == again["Cache-Control"] == "private, no-store"


def test_a_change_is_a_new_fragment(operator):
    connection = factories.make_connection("contosohr", state=ConnectionState.READY)
    first = fragment_of(operator, "/")
    factories.report(connection, status="failed", error={"message": "Source unreachable"})

    again = fragment_of(operator, "/", if_none_match=first["ETag"])

    assert again.status_code == 200
    text = again.content.decode()
    assert 'data-open="1"' in text
    assert 'data-title="(1) Overview · Connectors Admin"' in text
    assert "Source unreachable" in text


def test_rows_carry_their_key(operator):
    operation = factories.report(factories.make_connection(), status="failed")

    for address in ("/", "/operations/"):
        assert f'data-key="{operation.pk}"' in fragment_of(operator, address).content.decode()


def test_a_fragment_holds_no_token(operator, addresses):
    """A masked CSRF token differs each time: the fragment would never be the same twice."""
    for address in addresses:
        assert "csrfmiddlewaretoken" not in fragment_of(operator, address).content.decode()


def test_a_running_operation_is_announced_when_it_ends(operator):
    connection = factories.make_connection("contosohr")
    operation = factories.request_registration(connection)
    address = reverse("operation", args=["contosohr", operation.graph_id])
    assert 'data-announce="Queued"' in fragment_of(operator, address).content.decode()

    factories.work_off()

    text = fragment_of(operator, address).content.decode()
    assert 'data-announce="Completed: Schema registered."' in text


def test_signed_out_is_a_redirect_that_the_script_sees(client):
    assert fragment_of(client, "/").status_code == 302


def test_own_files_stay_small():
    names = ("app.css", "pages.js", "live.js")
    size = 0
    for name in names:
        with open(finders.find(f"operations/{name}"), "rb") as file:
            size += len(file.read())

    assert size < 60_000  # uncompressed; the aim is 60 kB compressed
