"""An activity may be of the first moment that a date can name, or of the last: in no reader's zone
is that an address out of service."""

from __future__ import annotations

import pytest
from django.urls import reverse

from operations.models import ExternalItem
from tests.admin_pages import administrator, url
from tests.item_bodies import item
from tests.ready import ITEMS, put, ready

BOTH_ENDS = [
    ("0001-01-01T00:00:00Z", "America/New_York", "0001-01-01T00:00:00+00:00"),
    ("0001-01-01T00:00:00Z", "Asia/Tokyo", "0001-01-01T09:18:59+09:18:59"),
    ("9999-12-31T23:59:59Z", "Asia/Tokyo", "9999-12-31T23:59:59+00:00"),
    ("9999-12-31T23:59:59Z", "America/New_York", "9999-12-31T18:59:59-05:00"),
]


@pytest.fixture
def graph(db):
    return ready()


@pytest.fixture
def anna(db):
    return administrator("anna")


def tell(graph, moment: str):
    """An activity of this moment, told over the API; its item."""
    put(graph, f"{ITEMS}/one", item())
    activity = {
        "@odata.type": "#microsoft.graph.externalConnectors.externalActivity",
        "type": "viewed",
        "startDateTime": moment,
        "performedBy": {"type": "user", "id": "alex"},
    }
    answer = graph.post(f"{ITEMS}/one/addActivities", {"activities": [activity]})
    assert answer.status_code == 200, answer.content
    return ExternalItem.objects.get()


@pytest.mark.parametrize(("moment", "zone", "shown"), BOTH_ENDS)
def test_the_pages_of_an_item_show_it(graph, anna, moment, zone, shown):
    told = tell(graph, moment)
    anna.cookies["timezone"] = zone
    for address in (
        reverse("item", args=["contosohr", told.pk]),
        url("externalitem", "change", told.pk),
    ):
        answer = anna.get(address)
        assert answer.status_code == 200
        assert f'<time datetime="{shown}"' in answer.content.decode()
