"""A limit of items, met by one who creates by hand."""

from __future__ import annotations

import json

import pytest

from operations.models import Action, Change, ConnectionState, ExternalItem
from tests.admin_pages import administrator, refusals, submit, url
from tests.factories import EVERYONE, put_item
from tests.ready import make_ready

MODEL = "externalitem"


@pytest.fixture
def anna(db):
    return administrator("anna")


def add(client, connection, graph_id="one"):
    properties = json.dumps({"title": "A"})
    given = {"graph_id": graph_id, "acl": json.dumps([EVERYONE]), "properties": properties}
    return submit(client, url(MODEL, "add"), connection=connection.pk, **given)


def edit(client, item, **values):
    return submit(client, url(MODEL, "change", item.pk), **values)


def test_a_full_limit(anna, settings):
    settings.ITEMS_PER_CONNECTION = 1
    connection = make_ready()
    assert refusals(add(anna, connection)) == []
    connection.refresh_from_db()
    assert connection.state == ConnectionState.LIMIT_EXCEEDED
    page = add(anna, connection, graph_id="two")
    assert refusals(page)[0].startswith("Connection 'contosohr' is in state 'limitExceeded'. The ")
    item = ExternalItem.objects.get()
    assert refusals(edit(anna, item, properties='{"title": "Other"}')) == []
    anna.post(url(MODEL, "delete", item.pk), {"post": "yes"})
    connection.refresh_from_db()
    assert connection.state == ConnectionState.READY, "there is room again"


def test_a_create_that_a_limit_refuses_puts_the_connection_into_its_state(anna, settings):
    connection = make_ready()
    put_item(connection)
    settings.ITEMS_PER_CONNECTION = 1  # as after a restart with another setting
    page = add(anna, connection, graph_id="two")
    assert refusals(page)[0].startswith("Connection 'contosohr' is in state 'limitExceeded'. The ")
    connection.refresh_from_db()
    assert connection.state == ConnectionState.LIMIT_EXCEEDED
    change = Change.objects.filter(action=Action.CONNECTION_UPDATED).latest("pk")
    assert (change.before["state"], change.after["state"]) == ("ready", "limitExceeded")
    assert ExternalItem.objects.count() == 1
