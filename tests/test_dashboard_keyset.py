"""Pages by key in any order: each row once, also among rows that are alike or gone."""

import base64
import json

import pytest

from operations.dashboard import keyset
from operations.dashboard.keyset import POSITION, Order
from operations.models import ExternalConnection
from tests import factories

pytestmark = pytest.mark.django_db
BY_NAME = (("name", keyset.text),)
BY_STATE = (("state", keyset.number), ("name", keyset.text))
BY_CHANGE = (("changed_at", keyset.moment),)
NAMES = ["b", "a", "a", "c", "a", "ü", "Z", "b", "\U0001f600", "with 'quotes' and %"]


def walk(order, size=2):
    """Every row that one meets from page to page, and the positions on the way."""
    rows = order.sort(ExternalConnection.objects.all())
    met, positions, page = [], [], list(rows[:size])
    while page:
        met += page
        positions.append(order.position(page[-1]))
        page = list(order.behind(rows, positions[-1])[:size])
    return met, positions


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("columns", [BY_NAME, BY_STATE, BY_CHANGE])
def test_each_row_is_met_once_and_in_order(columns, descending):
    for number, name in enumerate(NAMES):
        factories.make_connection(name=name, state=1 + number % 2)
    order = Order(columns, descending)

    met, positions = walk(order)

    assert met == list(order.sort(ExternalConnection.objects.all()))
    assert len(met) == len(NAMES)
    assert all(POSITION.fullmatch(position) for position in positions)


def test_a_position_holds_when_its_row_is_gone():
    rows = [factories.make_connection(name=name) for name in "abcd"]
    order = Order(BY_NAME)
    position = order.position(rows[1])
    rows[1].delete()

    left = order.behind(order.sort(ExternalConnection.objects.all()), position)

    assert [row.name for row in left] == ["c", "d"]


def token(value):
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


@pytest.mark.parametrize(
    "position",
    [
        "a",
        "AAAA",
        token({}),
        token([]),
        token(["name"]),
        token(["name", "a"]),
        token(["name", "a", 1, 2]),
        token(["name", 1, 1]),
        token(["name", None, 1]),
        token(["name", "a\0", 1]),
        token(["name", "\ud800", 1]),
        token(["name", "a", "1"]),
        token(["name", "a", True]),
        token(["name", "a", 2**63]),
        token(["name", "a", 1.5]),
        token(["-name", "a", 1]),
        token(["changed_at", "a", 1]),
        "W" * 2000,
    ],
)
def test_what_is_no_position_of_this_order_is_refused(position):
    with pytest.raises(ValueError):
        Order(BY_NAME).behind(ExternalConnection.objects.all(), position)


@pytest.mark.parametrize("text", ["yesterday", "2026-11-25", "9999-12-31T00:00:00+00:00"])
def test_a_moment_is_one_that_a_database_has(text):
    with pytest.raises(ValueError):
        Order(BY_CHANGE).behind(ExternalConnection.objects.all(), token(["changed_at", text, 1]))
