"""What a page leaves unread of long texts is decided without reading them: by the size that an item
has, which is of all its texts, and by measuring those alone for which that leaves it open."""

from __future__ import annotations

import pytest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext

from operations.admin import items as admin_items
from operations.dashboard import item_list
from operations.dashboard.item_list import Wanted, find_items
from operations.models import ExternalItem
from operations.models.texts import Octets
from tests.admin_pages import administrator, url
from tests.factories import put_item
from tests.item_bodies import EVERYONE
from tests.ready import make_ready

pytestmark = pytest.mark.django_db
TEXTS = ("acl", "properties", "content_value", "label")


@pytest.fixture
def connection():
    return make_ready()


def put(connection, graph_id: str, length: int = 10, *, content: int = 0) -> ExternalItem:
    value = {"type": "text", "value": "c" * content} if content else None
    return put_item(connection, graph_id, properties={"title": "x" * length}, content=value)


def measured(queries) -> list[str]:
    return [each["sql"] for each in queries if "LENGTH(" in each["sql"]]


def test_texts_stand_last_in_a_row(db):
    """SQLite reads all that stands before a column."""
    with database.cursor() as cursor:
        described = database.introspection.get_table_description(
            cursor, ExternalItem._meta.db_table
        )
    assert tuple(column.name for column in described)[-4:] == TEXTS


@pytest.mark.parametrize("text", ["", "abc", "é", "東京", "\U0001f6b2"])
def test_bytes_are_counted(connection, text):
    put_item(connection, content={"type": "text", "value": text})
    found = ExternalItem.objects.values_list(Octets("content_value"), flat=True)
    assert found.get() == len(text.encode())


def test_what_is_small_as_a_whole_is_not_measured(connection):
    for number in range(30):
        put(connection, f"item{number}")
    with CaptureQueriesContext(database) as queries:
        found = find_items(connection.pk, Wanted(value="nothing"), 50)
    assert (found.looked, found.next_page) == (30, "")
    assert not measured(queries.captured_queries)
    assert [each["sql"] for each in queries if '"size"' in each["sql"]]


def test_what_has_a_long_content_is_measured_and_looked_through(connection, monkeypatch):
    monkeypatch.setattr(item_list, "BYTES", 3000)
    for number in range(20):
        put(connection, f"item{number}", content=2000)
    found = find_items(connection.pk, Wanted(value="xx"), 50)
    assert (len(found.rows), found.looked, found.next_page) == (20, 20, "")


def test_no_more_is_measured_than_is_looked_through(connection, monkeypatch):
    """Of a few hundred long ones no more than a batch."""
    monkeypatch.setattr(item_list, "BYTES", 3000)
    monkeypatch.setattr(item_list, "MEASURED", 6000)
    for number in range(60):
        put(connection, f"item{number}", 1000)
    with CaptureQueriesContext(database) as queries:
        found = find_items(connection.pk, Wanted(value="nothing"), 50)
    assert found.looked == 2
    (sql,) = measured(queries.captured_queries)
    assert sql.rpartition("IN (")[2].count(",") < 6


@pytest.mark.parametrize("wanted", [Wanted(value="y"), Wanted("item", value="y")])
def test_all_are_looked_through_in_the_end(connection, monkeypatch, wanted):
    monkeypatch.setattr(item_list, "BYTES", 3000)
    monkeypatch.setattr(item_list, "MEASURED", 6000)
    for number in range(12):
        put(connection, f"item{number}", 100 if number % 3 else 2500, content=number * 500)
    put_item(connection, "item99", properties={"title": "y"})
    met, looked, position = [], [], ""
    while True:
        found = find_items(connection.pk, wanted, 50, position)
        met += [row.graph_id for row in found.rows]
        looked.append(found.looked)
        if not (position := found.next_page):
            break
    assert met == ["item99"]
    assert looked == sorted(set(looked)) and looked[-1] == 13 and len(looked) > 2


def test_a_row_reads_what_is_short_beside_a_long_content(connection, monkeypatch):
    monkeypatch.setattr(item_list, "LONGEST", 500)
    put(connection, "short")
    put(connection, "content", content=2000)
    put(connection, "long", 2000)
    rows = find_items(connection.pk, Wanted(), 50).rows
    read = {row.graph_id: (row.row_properties, row.row_acl) for row in rows}
    assert read == {
        "short": ({"title": "x" * 10}, [EVERYONE]),
        "content": ({"title": "x" * 10}, [EVERYONE]),
        "long": (None, [EVERYONE]),
    }


def test_a_row_goes_by_the_size_first(connection, monkeypatch):
    """A size that says less than there is shows that no text was measured."""
    monkeypatch.setattr(item_list, "LONGEST", 500)
    put(connection, "long", 2000)
    ExternalItem.objects.update(size=400)
    (row,) = find_items(connection.pk, Wanted(), 50).rows
    assert row.row_properties == {"title": "x" * 2000}


def test_the_admin_goes_by_the_size_first(connection, monkeypatch):
    monkeypatch.setattr(admin_items, "SUMMED_UP", 500)
    users = [{"accessType": "grant", "type": "user", "value": f"user{n}"} for n in range(20)]
    item = put_item(connection, acl=users, content={"type": "text", "value": "c" * 2000})
    anna = administrator("anna")
    assert "a long list" in anna.get(url("externalitem")).content.decode()
    ExternalItem.objects.update(size=400)
    assert "20 users" in anna.get(url("externalitem")).content.decode()
    put_item(connection, item.graph_id, content={"type": "text", "value": "c" * 2000})
    assert "everyone" in anna.get(url("externalitem")).content.decode()
