"""The items of a connection: found by id and by property, with who may read and what came last."""

import re
from datetime import timedelta

import pytest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from operations.dashboard import item_list
from operations.dashboard.item_list import Wanted, find_items
from operations.dashboard.presentation.items import Access
from operations.models import Actor, ActorKind, Channel, ConnectionState, ExternalItem, ItemTally
from operations.models.connection import ExternalConnection
from operations.models.item_tally import bucket_of
from tests import factories
from tests.factories import a_property, a_schema
from tests.plans import plans, scans, sorts

pytestmark = pytest.mark.django_db
SCRIPT = "<script>alert(1)</script>"
SCHEMA = a_schema(
    a_property("headline", labels=["title"], isRetrievable=True),
    a_property("state"),
    a_property("number", type="int64"),
    a_property("tags", type="stringCollection"),
    a_property("owner", type="principal"),
)


@pytest.fixture
def connection():
    made = factories.make_connection("contosohr", name="Contoso HR")
    factories.register_schema(made, SCHEMA)
    return made


def page(client, query="", status=200):
    response = client.get(reverse("connection", args=["contosohr"]) + f"?tab=items{query}")
    assert response.status_code == status
    return response.content.decode()


def shown(text):
    """The ids in the list, in its order."""
    return re.findall(r'data-copy="([^"]*)" title="Copy item id"', text)


def put(connection, graph_id, **properties):
    return factories.put_item(connection, graph_id, properties=properties)


def in_the_table(text):
    return text.split("<tbody", 1)[1].split("</tbody>")[0]


# The tab -----------------------------------------------------------------------------------------


def test_a_draft_has_no_such_tabs(viewer):
    factories.make_connection("contosohr")

    text = viewer.get(reverse("connection", args=["contosohr"])).content.decode()

    assert "?tab=schema" in text
    assert "?tab=items" not in text and "?tab=groups" not in text
    assert "Owner application" in page(viewer)  # the summary


def test_a_draft_that_has_some_shows_them(viewer, connection):
    factories.put_item(connection, "one")
    factories.make_group(connection)
    ExternalConnection.objects.update(state=ConnectionState.DRAFT)

    text = page(viewer)

    assert shown(text) == ["one"]
    assert "?tab=groups" in text


def test_without_items_it_says_how_they_come(viewer, connection):
    text = page(viewer)

    assert "No items yet" in text
    assert "PUT http://testserver/v1.0/external/connections/contosohr/items/{item-id}" in text
    assert "<table" not in text


def test_a_row_has_title_access_size_and_last_change(viewer, connection):
    application = factories.make_application(name="Nightly sync")
    actor = Actor(ActorKind.APPLICATION, "Nightly sync", Channel.API, application.app_id)
    item = factories.put_item(
        connection, "a/b c?d", actor=actor, properties={"headline": "Holiday policy"}
    )
    ExternalItem.objects.update(size=2048, changed_at=timezone.now() - timedelta(hours=3))

    row = in_the_table(page(viewer))

    assert f'href="{reverse("item", args=["contosohr", item.pk])}" dir="auto">Holiday policy' in row
    assert "a/b c?d" in row
    assert "Everyone" in row
    assert "2.0\xa0KB" in row and "2,048 bytes" in row
    assert "3 h ago" in row
    assert reverse("application", args=[application.app_id]) in row and "Nightly sync" in row


def test_without_a_title_it_is_the_id(viewer, connection):
    put(connection, "one", state="open")
    put(connection, "two", headline="   ")

    assert re.findall(r'class="mono" href="[^"]*" dir="auto">(\w+)<', page(viewer)) == [
        "two",
        "one",
    ]


def test_an_application_that_is_not_registered_has_no_link(viewer, connection):
    factories.put_item(connection, "one", actor=Actor.command("importer"))

    row = in_the_table(page(viewer))

    assert "<bdi>importer</bdi>" in row
    assert "/applications/" not in row


def test_nothing_of_an_item_becomes_markup(viewer, connection):
    schema = a_schema(*SCHEMA["properties"], a_property("note", description=SCRIPT))
    factories.register_schema(connection, schema)
    factories.put_item(
        connection,
        f"{SCRIPT}'\"",
        actor=Actor.command(SCRIPT),
        properties={"headline": f"{SCRIPT}\"'", "state": SCRIPT},
        acl=[{"accessType": "grant", "type": "user", "value": SCRIPT}],
    )

    for query in ("", f"&id={SCRIPT}", f"&value={SCRIPT}&property=state", f"&from=0.{SCRIPT}"):
        text = page(viewer, query)
        assert SCRIPT not in text
        assert "&lt;script&gt;alert(1)" in text


def test_a_long_row_is_not_read(viewer, connection):
    many = [{"accessType": "grant", "type": "user", "value": f"user{n}"} for n in range(1000)]
    factories.put_item(connection, "one", acl=many, properties={"headline": "x" * 30_000})

    row = in_the_table(page(viewer))

    assert "A long list" in row
    assert shown(row) == ["one"]
    assert "xxx" not in row


# Who may read ------------------------------------------------------------------------------------


def entries(*words):
    """``user`` grants, ``-user`` denies."""
    return [
        {"accessType": "deny" if word[0] == "-" else "grant", "type": word.strip("-"), "value": "x"}
        for word in words
    ]


@pytest.mark.parametrize(
    ("acl", "granted", "denied"),
    [
        ([], "Nobody", ""),
        (["everyone"], "Everyone", ""),
        (["everyone", "user"], "Everyone", ""),
        (["everyoneExceptGuests", "user"], "Everyone except guests, 1 user", ""),
        (["user", "user", "user", "group"], "3 users, 1 group", ""),
        (["externalGroup", "externalGroup"], "2 external groups", ""),
        (["everyone", "-user"], "Everyone", "not: 1 user"),
        (["everyone", "-group", "-group"], "Everyone", "not: 2 groups"),
        (["-user"], "Nobody", ""),
        (["everyone", "-everyone"], "Nobody", "everyone is denied"),
        (["somethingNew"], "Nobody that is known here", ""),
    ],
)
def test_an_access_list_in_a_few_words(acl, granted, denied):
    found = Access.of(entries(*acl))

    assert (found.granted, found.denied) == (granted, denied)


# Pages -------------------------------------------------------------------------------------------


def test_each_item_is_met_once_on_the_way_through_the_pages(viewer, connection):
    factories.fill_items(connection, 60)
    met, query = [], "&rows=25"
    for _page in range(3):
        text = page(viewer, query)
        met += shown(text)
        following = re.search(r'href="\?tab=items&amp;([^"]*)" rel="next"', text)
        query = "&" + following[1].replace("&amp;", "&") if following else ""

    assert met == [f"item{number:07}" for number in reversed(range(60))]
    assert following is None


def test_the_number_of_all_is_the_counted_one(viewer, connection):
    factories.fill_items(connection, 3)
    ItemTally.add(connection.pk, created=1_233_997)

    text = page(viewer)

    assert "1,234,000 items" in text
    assert "3 of 1,234,000 shown" in text


@pytest.mark.parametrize("position", ["0.x", "0.", "x", "1", "99999999999999999.1", "0.%00"])
def test_a_position_that_means_nothing_is_named(viewer, connection, position):
    factories.put_item(connection, "one")

    text = page(viewer, f"&from={position}")

    assert "means nothing here" in text
    assert shown(text) == ["one"]


# By id -------------------------------------------------------------------------------------------


def test_an_id_is_found_and_what_begins_so(viewer, connection):
    for graph_id in ("ticket/12", "ticket/1", "ticket/2", "Ticket/1", "tick", "ticket/1é", "%"):
        factories.put_item(connection, graph_id)

    assert shown(page(viewer, "&id=ticket/1")) == ["ticket/1", "ticket/12", "ticket/1é"]
    assert shown(page(viewer, "&id=%25")) == ["%"]
    assert shown(page(viewer, "&id=ticket/12")) == ["ticket/12"]


def test_ids_are_paged_by_id(viewer, connection):
    factories.fill_items(connection, 60)

    first = page(viewer, "&id=item00000&rows=25")
    assert "25 of 60 shown, sorted by id" in first
    assert 'from=0.item0000024" rel="next"' in first
    second = page(viewer, "&id=item00000&rows=25&from=0.item0000024")
    assert shown(second)[0] == "item0000025"


def test_items_of_others_are_not_found(viewer, connection):
    other = factories.make_connection("other")
    factories.register_schema(other, SCHEMA)
    factories.put_item(other, "theirs")
    factories.put_item(connection, "ours")

    for query in ("", "&id=theirs", "&value=title"):
        assert "theirs" not in shown(page(viewer, query))
    assert shown(page(viewer)) == ["ours"]


def test_no_id_begins_so(viewer, connection):
    factories.put_item(connection, "one")

    text = page(viewer, "&id=nothing")

    assert "Nothing matches" in text
    assert "Without these filters there is 1 row." in text
    assert "Clear all filters" in text


# By property -------------------------------------------------------------------------------------


@pytest.fixture
def tickets(connection):
    put(connection, "a", headline="Printer", state="open", number=12)
    put(connection, "b", headline="Opening hours", state="closed", tags=["Open", "vpn"])
    put(connection, "c", headline="Badge", owner={"externalName": "Ana Open"}, state=None)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("&value=open", ["c", "b", "a"]),
        ("&property=state&value=open", ["a"]),
        ("&property=state&value=OPEN", ["a"]),
        ("&property=state&value=ope&exact=1", []),
        ("&property=state&value=open&exact=1", ["a"]),
        ("&property=state&value=Open&exact=1", []),
        ("&property=tags&value=open", ["b"]),
        ("&property=tags&value=Open&exact=1", ["b"]),
        ("&property=owner&value=ana", ["c"]),
        ("&property=number&value=12&exact=1", ["a"]),
        ("&property=number&value=1", ["a"]),
        ("&property=state", ["b", "a"]),
        ("&property=STATE&value=closed", ["b"]),
        ("&id=a&property=state&value=open", ["a"]),
        ("&id=b&property=state&value=open", []),
    ],
)
def test_a_property_is_looked_for(viewer, tickets, query, found):
    assert shown(page(viewer, query)) == found


def test_a_property_that_the_schema_lacks_is_named(viewer, tickets):
    text = page(viewer, "&property=colour")

    assert "property=colour" in text.split("means nothing here")[1].split("</div>")[0]
    assert shown(text) == ["c", "b", "a"]


def test_the_page_says_how_many_were_looked_at(viewer, connection, monkeypatch):
    monkeypatch.setattr(item_list, "LOOKED_THROUGH", 20)
    factories.fill_items(connection, 50)

    text = page(viewer, "&value=Title 4")
    assert "10 found here. Looked at 20 of 50 items, newest first." in " ".join(text.split())
    assert "Look further" in text
    following = re.search(r'href="\?(tab=items[^"]*)" rel="next"', text)[1].replace("&amp;", "&")

    text = page(viewer, f"&{following}")
    assert "None found so far" in text
    assert "Looked at 40 of 50 items" in text
    following = re.search(r'href="\?(tab=items[^"]*)" rel="next"', text)[1].replace("&amp;", "&")

    text = page(viewer, f"&{following}")
    assert shown(text) == ["item0000004"]
    assert "Looked at 50 of 50 items" in text
    assert "Look further" not in text


def test_a_full_page_goes_on_behind_its_last_item(connection):
    factories.fill_items(connection, 60)
    wanted, met, position = Wanted(value="title"), [], ""
    for looked in (25, 50, 60):
        found = find_items(connection.pk, wanted, 25, position)
        met += [row.graph_id for row in found.rows]
        assert found.looked == looked
        position = found.next_page

    assert met == [f"item{number:07}" for number in reversed(range(60))]
    assert position == ""


def test_nothing_has_the_value(viewer, tickets):
    text = page(viewer, "&value=elephant")

    assert "Nothing matches" in text
    assert "No index leads from a value to its items" in text
    assert "Looked at 3 of 3 items" in text


def test_long_properties_are_looked_through_a_few_at_a_time(connection, monkeypatch):
    monkeypatch.setattr(item_list, "BYTES", 3000)
    for number in range(5):
        put(connection, f"item{number}", headline="x" * 1000)
    put(connection, "huge", headline="y" * 9000)

    found = find_items(connection.pk, Wanted(value="y"), 50)
    assert ([row.graph_id for row in found.rows], found.looked) == (["huge"], 1)
    found = find_items(connection.pk, Wanted(value="z"), 50, found.next_page)
    assert (found.rows, found.looked) == ([], 3)


# How it is asked ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wanted", [Wanted(), Wanted(beginning="item0"), Wanted(value="9"), Wanted("item0", value="9")]
)
@pytest.mark.parametrize("later", [False, True])
def test_no_list_reads_the_whole_table(connection, wanted, later):
    factories.fill_items(connection, 300)
    position = find_items(connection.pk, wanted, 5).next_page if later else ""

    for plan in plans(lambda: find_items(connection.pk, wanted, 5, position), "externalitem"):
        assert not scans(plan), plan
        if "IN (" not in plan and "= ANY" not in plan:
            assert not sorts(plan), plan


@pytest.mark.parametrize("query", ["", "&id=item", "&value=title", "&id=item&value=title"])
def test_the_number_of_queries_stays(viewer, connection, query):
    application = factories.make_application()
    numbers = []
    for first, behind in ((0, 10), (10, 1000)):
        factories.fill_items(connection, behind, first=first, changed_by_app_id=application.app_id)
        with CaptureQueriesContext(database) as queries:
            page(viewer, query)
        numbers.append(len(queries))

    assert numbers[0] == numbers[1] <= 12


# The chart ---------------------------------------------------------------------------------------


def test_what_was_written_is_drawn_above_the_list(viewer, connection):
    factories.put_item(connection, "one")
    factories.put_item(connection, "one")
    earlier = bucket_of(timezone.now().timestamp()) - 120
    ItemTally.objects.create(
        connection_key=connection.pk, bucket=earlier, slot=3, created=40, replaced=2, deleted=1
    )
    ItemTally.objects.create(connection_key=connection.pk, bucket=earlier, slot=4, created=2)

    chart = page(viewer).split('id="rates-head"')[1].split("</section>")[0]

    assert "43 items created, 3 replaced, 1 deleted; at most 45 in ten minutes" in chart
    assert chart.count('class="bar-created" x=') == 2
    assert chart.count('class="bar-deleted" x=') == 1
    assert "style=" not in chart


def test_with_one_interval_numbers_are_said_in_words(viewer, connection):
    factories.put_item(connection, "one")

    chart = page(viewer).split('id="rates-head"')[1].split("</section>")[0]

    assert "In the last 24 hours: 1 item created, 0 replaced, 0 deleted." in chart
    assert "<svg" not in chart


def test_what_is_looked_for_stands_without_the_chart(viewer, connection):
    factories.put_item(connection, "one")

    assert "rates-head" not in page(viewer, "&id=one")
