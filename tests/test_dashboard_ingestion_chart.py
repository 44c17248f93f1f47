"""Items written by ten minutes: what is drawn, and the words and the table beside it."""

from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree

import pytest
from django.template.loader import render_to_string
from django.utils import timezone

from operations.dashboard.charts import Interval, ItemBars
from operations.dashboard.item_rates import INTERVALS, item_rates
from operations.models import ItemTally
from operations.models.item_tally import bucket_of

NOW = datetime(2026, 11, 25, 14, 2, tzinfo=UTC)


def bars(*numbers):
    """So many created, replaced and deleted in each ten minutes, the last one now."""
    first = datetime(2026, 11, 25, 14, tzinfo=UTC) - timedelta(minutes=10 * (len(numbers) - 1))
    return ItemBars(
        "rates",
        "Items <written>",
        [Interval(first + timedelta(minutes=10 * n), *each) for n, each in enumerate(numbers)],
    )


def drawn(chart):
    markup = render_to_string("dashboard/charts/_item_bars.html", {"chart": chart})
    assert "style" not in markup and "<script" not in markup
    return ElementTree.fromstring(f"<x>{markup}</x>")


def test_parts_stand_on_each_other():
    [first, second] = bars((60, 40, 20), (0, 0, 0), (0, 10, 0)).bars

    assert [(part.kind, part.y, part.height) for part in first.parts] == [
        ("created", "72", "48"),
        ("replaced", "40", "32"),
        ("deleted", "24", "16"),
    ]
    assert [part.kind for part in second.parts] == ["replaced"]
    assert (first.slot_x, second.slot_x) == ("0%", "66.67%")


def test_the_scale_begins_at_nought_and_ends_above_the_highest():
    chart = bars((70, 30, 20), (1, 0, 0))

    assert [(line.label, line.y) for line in chart.gridlines] == [
        ("0", "120"),
        ("50", "80"),
        ("100", "40"),
        ("150", "0"),
    ]


def test_one_among_thousands_is_seen():
    first = bars((9000, 0, 1), (9000, 0, 0)).bars[0]

    assert first.parts[-1].height == "2"


def test_the_words_beside_it():
    chart = bars((1200, 3, 0), (1, 0, 2))

    assert chart.sentence == (
        "In the last 24 hours: 1,201 items created, 3 replaced, 2 deleted; at most 1,203 in ten "
        "minutes"
    )
    assert bars((0, 0, 0)).sentence == "In the last 24 hours: no item was written or deleted"


@pytest.mark.parametrize(
    ("numbers", "is_text"), [([(0, 0, 0)] * 3, True), ([(1, 0, 0), (0, 0, 0)], True)]
)
def test_fewer_than_two_points_are_words(numbers, is_text):
    chart = bars(*numbers)

    assert chart.is_text_only is is_text
    assert drawn(chart).find(".//svg") is None


def test_the_table_has_what_happened_newest_first():
    chart = bars((5, 0, 0), (0, 0, 0), (1, 2, 3))
    rows = drawn(chart).findall(".//table/tbody/tr")

    assert [[cell.text for cell in row] for row in rows] == [
        ["25 Nov, 14:00", "1", "2", "3"],
        ["25 Nov, 13:40", "5", "0", "0"],
    ]
    plot = drawn(chart).find(".//svg[@class='chart-plot']")
    titles = [title.text for title in plot.findall("g/title")]
    assert titles[-1] == "25 Nov, 14:00: 1 item created, 2 replaced, 3 deleted"


def test_labels_stand_at_full_hours_of_the_readers_zone():
    chart = bars(*[(1, 0, 0)] * 144)
    with timezone.override("Asia/Kathmandu"):  # 5 h 45 min ahead
        ticks = [(tick.lines, tick.rank) for tick in chart.ticks]
    assert (("00:05", "25 Nov"), 1) in ticks
    assert {rank for _lines, rank in ticks} == {1, 2, 3}
    assert len(ticks) == 12


def test_a_summer_day_that_ends_has_labels_too():
    chart = bars(*[(1, 0, 0)] * 144)
    with timezone.override("Europe/Berlin"):
        assert len(chart.ticks) == 12


@pytest.mark.django_db
def test_what_is_counted_becomes_intervals():
    now = bucket_of(NOW.timestamp())
    for bucket, slot, numbers in (
        (now, 0, (1, 2, 3)),
        (now, 5, (10, 20, 30)),
        (now - 10, 0, (7, 0, 0)),
        (now - 24 * 60, 0, (1000, 0, 0)),  # yesterday
        (now - 24 * 60 + 10, 0, (9, 0, 0)),
        (0, 0, (5000, 0, 0)),  # all time
    ):
        created, replaced, deleted = numbers
        ItemTally.objects.create(
            connection_key=4,
            bucket=bucket,
            slot=slot,
            created=created,
            replaced=replaced,
            deleted=deleted,
        )
    ItemTally.objects.create(connection_key=5, bucket=now, slot=0, created=99)

    found = item_rates(4, NOW)

    assert len(found) == INTERVALS == 144
    assert found[-1] == Interval(datetime(2026, 11, 25, 14, tzinfo=UTC), 11, 22, 33)
    assert found[-2].created == 7
    assert found[0].created == 9
    assert sum(each.total for each in found) == 82
