"""How much of the limits is used, what to do about a connection that is at one, and how far the
deletion of a large one has come."""

import pytest
from django.urls import reverse
from django.utils import timezone

from operations.models import ConnectionState, ExternalConnection, ItemTally
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def connection():
    made = factories.make_connection("contosohr")
    factories.register_schema(made)
    return made


def page(client, query=""):
    response = client.get(reverse("connection", args=["contosohr"]) + query)
    assert response.status_code == 200
    return " ".join(response.content.decode().split())


def limits(client):
    return page(client).split('id="limits"')[1]


def advice(client):
    text = page(client)
    if 'data-key="limit-advice"' not in text:
        return ""
    return text.split('data-key="limit-advice"')[1].split("</div>")[0]


def put_into(state, limited_by=""):
    ExternalConnection.objects.update(state=state, limited_by=limited_by)


# Quota -------------------------------------------------------------------------------------------


def test_items_are_bars_with_their_numbers(viewer, connection, settings):
    settings.ITEMS_PER_CONNECTION, settings.ITEMS_IN_ALL = 1000, 20_000
    ItemTally.add(connection.pk, created=899)
    ItemTally.add(connection.pk + 1, created=12_345)

    text = limits(viewer)

    assert '<meter min="0" max="1000" value="899" high="900"' in text
    assert "899 of 1,000" in text and "13,244 of 20,000" in text
    assert "nearly used up" not in text


@pytest.mark.parametrize("items", [900, 1000, 1001])
def test_from_nine_tenths_on_it_warns(viewer, connection, settings, items):
    settings.ITEMS_PER_CONNECTION = 1000
    ItemTally.add(connection.pk, created=items)

    assert 'class="limit-number is-near"' in limits(viewer)
    assert "nearly used up" in limits(viewer)


def test_at_the_limit_of_the_connection(viewer, connection, settings):
    settings.ITEMS_PER_CONNECTION = 10
    ItemTally.add(connection.pk, created=10)
    put_into(ConnectionState.LIMIT_EXCEEDED, "connection")

    text = advice(viewer)

    assert "it has 10 of 10 that a connection may have" in text
    assert "raise ITEMS_PER_CONNECTION" in text
    assert "it takes items again by itself" in text
    assert 'href="?tab=summary#limits"' in page(viewer)


def test_at_the_limit_of_all(viewer, connection, settings):
    settings.ITEMS_IN_ALL = 20_000
    ItemTally.add(connection.pk + 1, created=20_000)
    put_into(ConnectionState.LIMIT_EXCEEDED, "all")

    text = advice(viewer)

    assert "all connections together have 20,000 of 20,000" in text
    assert "raise ITEMS_IN_ALL" in text


def test_a_state_set_by_hand_is_taken_back_by_hand(viewer, administrator, connection):
    put_into(ConnectionState.LIMIT_EXCEEDED)

    assert "by hand" in advice(viewer) and "by itself" not in advice(viewer)
    assert "Edit it" not in advice(viewer)
    edit = reverse("admin:operations_externalconnection_change", args=[connection.pk])
    assert f'<a href="{edit}">Edit it</a>' in advice(administrator)


@pytest.mark.parametrize("state", [ConnectionState.READY, ConnectionState.OBSOLETE])
def test_another_state_needs_no_advice(viewer, connection, state):
    put_into(state)

    assert advice(viewer) == ""


# Readiness ---------------------------------------------------------------------------------------


def content_check(client):
    text = page(client).split('id="readiness"')[1].split('id="limits"')[0]
    return (
        text.split("Items carry their text")[0].rsplit("<li", 1)[1]
        + (text.split("Items carry their text")[1].split("</li>")[0])
    )


def test_without_items_nobody_knows_whether_they_carry_text(viewer, connection):
    assert "check-manual" in content_check(viewer)
    assert "Not known here" in content_check(viewer)


def test_the_newest_hundred_items_are_looked_at(viewer, connection):
    factories.fill_items(connection, 50)  # the oldest have none
    factories.fill_items(connection, 53, first=50, content_type=1, content_value="")
    factories.fill_items(connection, 150, first=53, content_type=1, content_value="Text")

    text = content_check(viewer)

    assert "check-passed" in text
    assert "97 of the newest 100 items" in text


def test_items_without_text_are_advised_about(viewer, connection):
    factories.put_item(connection)

    text = content_check(viewer)

    assert "check-advised" in text
    assert "0 of 1 item" in text
    assert "content.value" in text


# A deletion --------------------------------------------------------------------------------------


def progress(client):
    return page(client).split('aria-labelledby="deleting"', 1)[1].split("</section>")[0]


def delete(items):
    ExternalConnection.objects.update(deleting_since=timezone.now(), deleting_items=items)


def test_a_deletion_shows_how_far_it_has_come(viewer, connection):
    ItemTally.add(connection.pk, created=1_000_000, deleted=340_000)
    delete(1_000_000)

    text = progress(viewer)

    assert "Deleting: <strong>340,000 of 1,000,000 items gone</strong>" in text
    assert '<progress class="run-progress" max="1000000" value="340000"' in text
    fragment = viewer.get(reverse("connection", args=["contosohr"]) + "?fragment=1")
    assert "340,000 of 1,000,000 items gone" in fragment.content.decode()


def test_where_nobody_counted_at_its_beginning_it_says_what_is_left(viewer, connection):
    ItemTally.add(connection.pk, created=660_000)
    delete(None)

    assert "660,000 items are left" in progress(viewer)
    assert "<progress" not in progress(viewer)


def test_the_last_step_of_a_deletion(viewer, connection):
    ItemTally.add(connection.pk, created=5, deleted=5)
    delete(5)

    assert "5 of 5 items gone" in progress(viewer)
    assert "Next go its groups" in progress(viewer)


def test_more_items_than_at_its_beginning_are_no_negative_progress(viewer, connection):
    ItemTally.add(connection.pk, created=7)
    delete(5)

    assert "0 of 5 items gone" in progress(viewer)


def test_one_that_is_not_being_deleted_shows_none(viewer, connection):
    assert "Deleting" not in page(viewer)


# The list ----------------------------------------------------------------------------------------


def cells(client, query=""):
    text = client.get(reverse("connections") + query).content.decode()
    return [
        " ".join(cell.split("</td>")[0].split())
        for cell in text.split('<td class="cell-items number" data-label="Items">')[1:]
    ]


def test_the_list_counts_items(viewer, connection):
    ItemTally.add(connection.pk, created=12_480)
    factories.make_connection("another")

    assert cells(viewer, "?sort=items") == [
        '<span class="muted">0</span>',
        f'<a href="{reverse("connection", args=["contosohr"])}?tab=items">12,480</a>',
    ]
    assert cells(viewer, "?sort=-items") == cells(viewer, "?sort=items")[::-1]


def test_the_list_tells_how_far_a_deletion_is(viewer, connection):
    ItemTally.add(connection.pk, created=10, deleted=4)
    delete(10)

    assert cells(viewer) == ['<span class="sub">4 of 10 items gone</span>']
