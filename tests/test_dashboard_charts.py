"""Charts: the numbers that are drawn, the words beside them, and markup that the policy allows."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from xml.etree import ElementTree

import pytest
from django.template.loader import render_to_string
from django.utils import translation
from hypothesis import example, given, settings
from hypothesis import strategies as st

from operations.dashboard.charts import DailyBars, Day, DurationDots, Run, Strip
from operations.dashboard.charts.drawing import PLOT_HEIGHT, svg_number
from operations.dashboard.charts.durations import MAX_DOTS

TODAY = date(2026, 11, 25)
NOW = datetime(2026, 11, 25, 14, 2, tzinfo=UTC)


def days(*outcomes: tuple[int, int], href="") -> list[Day]:
    """So many (completed, failed) a day, the last one today."""
    first = TODAY - timedelta(days=len(outcomes) - 1)
    return [Day(first + timedelta(days=n), *each, href) for n, each in enumerate(outcomes)]


def bars(*outcomes: tuple[int, int], href="") -> DailyBars:
    return DailyBars("daily", "Last days", days(*outcomes, href=href))


def dots(*seconds: float, failed=(), **values) -> DurationDots:
    runs = [
        Run(NOW - timedelta(hours=len(seconds) - n), each, n in failed, f"run {n}", **values)
        for n, each in enumerate(seconds)
    ]
    return DurationDots("durations", "How long runs took", runs)


def drawn(template: str, **context) -> ElementTree.Element:
    """The markup as a tree; it is well-formed, so nothing of a label has become markup."""
    return ElementTree.fromstring(f"<x>{markup(template, **context)}</x>")


def markup(template: str, **context) -> str:
    return render_to_string(f"dashboard/charts/_{template}.html", context)


def scale(chart) -> list[tuple[str, str]]:
    return [(line.y, line.label) for line in chart.gridlines]


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (-0.001, "0"), (12.5, "12.5"), (100, "100"), (1 / 3, "0.33"), (1234.0, "1234")],
)
def test_a_number_of_svg(value, text):
    assert svg_number(value) == text


# Daily bars --------------------------------------------------------------------------------------


def test_bars_stand_on_the_ground_and_failed_on_completed():
    chart = bars((6, 2), (0, 4), (8, 0), (0, 0))
    assert scale(chart) == [("120", "0"), ("90", "2"), ("60", "4"), ("30", "6"), ("0", "8")]
    first, second, third, last = chart.bars
    assert (first.completed_y, first.completed_height) == ("30", "90")
    assert (first.failed_y, first.failed_height, first.label_y) == ("0", "30", "-4")
    assert (second.failed_y, second.failed_height) == ("60", "60")
    assert (third.completed_y, third.completed_height, third.failed_height) == ("0", "120", "0")
    assert (last.completed_height, last.failed_height) == ("0", "0")
    assert [bar.slot_x for bar in chart.bars] == ["0%", "25%", "50%", "75%"]
    assert (first.slot_width, first.x, first.width, first.middle) == ("25%", "4.5%", "16%", "12.5%")


def test_one_failure_among_thousands_is_seen():
    chart = bars((9000, 1), (9000, 0))
    assert chart.bars[0].failed_height == "2" and chart.bars[1].failed_height == "0"


@pytest.mark.parametrize(
    ("highest", "labels"),
    [
        (1, "0 1"), (3, "0 1 2 3"), (4, "0 1 2 3 4"), (5, "0 2 4 6"), (9, "0 5 10"),
        (14, "0 5 10 15"), (999, "0 500 1,000"), (14_200, "0 5,000 10k 15k"),
        (9_000_000, "0 5M 10M"),
    ],
)  # fmt: skip
def test_the_scale_is_round(highest, labels):
    chart = bars((highest, 0), (0, 1))
    assert [line.label for line in chart.gridlines] == labels.split()
    assert [line.is_base for line in chart.gridlines].count(True) == 1


@given(st.lists(st.tuples(st.integers(0, 10**7), st.integers(0, 10**7)), min_size=2, max_size=40))
@settings(deadline=None, database=None)
def test_every_bar_stays_in_the_plot(outcomes):
    chart = bars(*outcomes)
    assert 2 <= len(chart.gridlines) <= 5
    assert chart.gridlines[0].y == str(PLOT_HEIGHT) and chart.gridlines[-1].y == "0"
    for bar in chart.bars:
        assert -2 <= float(bar.failed_y) <= float(bar.completed_y) <= PLOT_HEIGHT
    assert len(chart.ticks) <= 14


@pytest.mark.parametrize("count", [1, 2, 5, 7, 14, 15, 30, 31, 90, 366])
def test_labels_do_not_meet_in_any_width(count):
    """Four fit in a narrow card, seven in a middle one, fourteen in a wide one."""
    ticks = bars(*[(1, 0)] * count).ticks
    for rank, most in ((1, 4), (2, 7), (3, 14)):
        shown = [float(tick.x.rstrip("%")) for tick in ticks if tick.rank <= rank]
        assert 1 <= len(shown) <= most
        gaps = {round(after - before, 1) for before, after in zip(shown, shown[1:], strict=False)}
        assert len(gaps) <= 1 or max(gaps) - min(gaps) < 0.15
    assert ticks[-1].lines == ("Wed", "25 Nov") and ticks[-1].rank == 1


def test_numbers_on_bars_show_where_they_have_room():
    assert bars(*[(5, 1)] * 14).label_rank == 1
    assert bars(*[(5, 12)] * 14).label_rank == 2
    assert bars(*[(5, 300)] * 30).label_rank == 3
    assert bars(*[(5, 300)] * 90).label_rank == 4


def test_the_words_of_daily_bars():
    chart = bars((1200, 2), (4, 0), (0, 0))
    assert chart.sentence == "3 days: 1,204 completed, 2 failed"
    assert chart.bars[0].day.sentence == "Mon 23 Nov: 1,200 completed, 2 failed"


def test_with_fewer_than_two_days_the_numbers_are_text():
    assert bars((0, 0), (0, 0)).is_text_only and bars((3, 1), (0, 0)).is_text_only
    assert not bars((3, 0), (0, 1)).is_text_only
    shown = markup("daily_bars", chart=bars((3, 1), (0, 0)))
    assert "2 days: 3 completed, 1 failed." in shown
    assert "<svg" not in shown and "<table" not in shown
    assert "2 days: no operation ended." in markup("daily_bars", chart=bars((0, 0), (0, 0)))
    assert bars().is_text_only and "0 days" in markup("daily_bars", chart=bars())


def test_a_bar_leads_to_its_day_and_so_does_the_table():
    tree = drawn("daily_bars", chart=bars((3, 1), (4, 0), href="/operations/?a=1&day=2"))
    links = [a.get("href") for a in tree.iter("a")]
    assert links == ["/operations/?a=1&day=2"] * 4
    svg = next(each for each in tree.iter("svg") if each.get("role"))
    # an image must not have links in it
    assert svg.get("role") == "group"
    assert {a.get("tabindex") for a in svg.iter("a")} == {"-1"}
    assert all(a.find("title").text for a in svg.iter("a"))


def test_a_table_holds_the_same_numbers_newest_first():
    tree = drawn("daily_bars", chart=bars((1200, 2), (4, 0)))
    details = tree.find(".//details")
    assert details.find("summary").text == "Show as table"
    assert details.find(".//caption").text == "Last days"
    rows = [["".join(cell.itertext()) for cell in row] for row in details.iter("tr")]
    assert rows == [["Day", "Completed", "Failed"], ["25 Nov", "4", "0"],
                    ["24 Nov", "1,200", "2"]]  # fmt: skip


# Duration dots -----------------------------------------------------------------------------------


def test_dots_stand_by_their_duration_on_a_scale_from_nought():
    chart = dots(60, 240, 120, failed=[1])
    assert [y for y, _ in scale(chart)] == ["120", "90", "60", "30", "0"]
    assert [label for _, label in scale(chart)] == ["0", "1 min", "2 min", "3 min", "4 min"]
    assert [(dot.x, dot.y) for dot in chart.dots] == [
        ("16.67%", "90"),
        ("50%", "0"),
        ("83.33%", "60"),
    ]
    assert not chart.is_logarithmic


def test_the_median_is_that_of_the_completed_and_takes_the_place_of_near_labels():
    chart = dots(100, 4000, 140, 120, failed=[1])
    assert chart.median_label == "2 min"
    assert chart.sentence == "4 operations, 1 failed, median 2 min"
    chart = dots(60, 240, 126, 9000, failed=[3])
    assert chart.median_label == "2 min 6 s"
    chart = dots(60, 240, 126)
    assert scale(chart) == [("120", "0"), ("90", "1 min"), ("60", ""), ("30", "3 min"),
                            ("0", "4 min")]  # fmt: skip
    assert (chart.median_y, chart.median_label_y) == ("57", "61")


def test_without_a_completed_run_there_is_no_median():
    chart = dots(60, 240, failed=[0, 1])
    assert chart.median_label == chart.median_y == chart.median_label_y == ""
    assert chart.sentence == "2 operations, 2 failed"
    assert "chart-median" not in markup("duration_dots", chart=chart)


def test_an_outlier_makes_the_scale_logarithmic():
    chart = dots(30, 40, 35, 9000, failed=[3])
    assert chart.is_logarithmic
    assert [line.label for line in chart.gridlines] == ["10 s", "", "10 min", "1 h", "6 h"]
    heights = [float(dot.y) for dot in chart.dots]
    assert PLOT_HEIGHT > heights[0] > heights[2] > heights[1] > heights[3] > 0
    assert "Logarithmic scale" in markup("duration_dots", chart=chart)


@pytest.mark.parametrize(
    ("longest", "labels"),
    [
        (0, "0|10 ms"),
        (0.05, "0|20 ms|40 ms|60 ms"),
        (3, "0|1 s|2 s|3 s"),
        (50, "0|15 s|30 s|45 s|1 min"),
        (3 * 3600, "0|1 h|2 h|3 h"),
        (40 * 86_400, "0|10 days|20 days|30 days|40 days"),
    ],
)
def test_the_scale_has_lines_that_read_well(longest, labels):
    chart = dots(longest, longest, failed=[0, 1])
    assert [line.label for line in chart.gridlines] == labels.split("|")


@given(st.lists(st.floats(0, 10**8), min_size=2, max_size=70))
@example([0.0, 5e-324, 1e-300])  # an outlier, but too short for a scale of its own
@settings(deadline=None, database=None)
def test_every_dot_stays_in_the_plot(seconds):
    chart = dots(*seconds)
    assert 2 <= len(chart.gridlines) <= 5
    assert len(chart.dots) == min(len(seconds), MAX_DOTS)
    assert all(0 <= float(dot.y) <= PLOT_HEIGHT for dot in chart.dots)
    assert 0 <= float(chart.median_y) <= PLOT_HEIGHT


def test_the_newest_sixty_are_shown_oldest_first():
    chart = dots(*range(1, 81))
    assert [dot.run.seconds for dot in chart.dots] == list(range(21, 81))
    assert chart.newest_first[0].seconds == 80
    backwards = DurationDots("d", "t", list(reversed(chart.runs)))
    assert backwards.shown == chart.shown


def test_a_failed_run_has_another_shape():
    tree = drawn("duration_dots", chart=dots(60, 70, 80, failed=[1]))
    svg = next(each for each in tree.iter("svg") if each.get("role"))
    assert svg.get("role") == "img"
    assert len(svg.findall(".//circle[@class='dot-completed']")) == 2
    (cross,) = svg.findall(".//use[@class='dot-failed']")
    assert cross.get("href") == "#chart-cross" and cross.get("x") == "50%"
    titles = [
        group.find("title").text for group in svg.findall("g") if group.find("title") is not None
    ]
    assert titles[1] == "run 1 · failed after 1 min 10 s · 25 Nov 2026, 12:02 UTC"


def test_with_fewer_than_two_runs_there_is_a_sentence():
    assert "No operation has ended so far." in markup("duration_dots", chart=dots())
    shown = markup("duration_dots", chart=dots(72))
    assert "run 0 · completed in 1 min 12 s · 25 Nov 2026, 13:02 UTC." in shown
    assert "<svg" not in shown


def test_runs_stand_in_a_table_too():
    tree = drawn("duration_dots", chart=dots(60, 0.05, failed=[1], href="/o/"))
    rows = [[" ".join("".join(cell.itertext()).split()) for cell in row] for row in tree.iter("tr")]
    assert rows[1:] == [
        ["25 Nov 2026, 13:02:00 UTC", "run 1", "Failed", "50 ms"],
        ["25 Nov 2026, 12:02:00 UTC", "run 0", "Completed", "1 min"],
    ]
    assert [a.get("href") for a in tree.find(".//table").iter("a")] == ["/o/"] * 2


# Strip -------------------------------------------------------------------------------------------


def test_a_strip_tells_by_height():
    strip = Strip(days((1, 0), (0, 0), (2, 1), (0, 1)))
    assert strip.completed_path == "M3 16v-8"
    assert strip.none_path == "M9 16v-2"
    assert strip.failed_path == "M15 16v-16M21 16v-16"
    assert (strip.width, strip.sentence) == (24, "4 days: 3 completed, 2 failed")
    assert Strip(days((0, 0))).sentence == "1 day: no operation ended"


def test_a_strip_is_small_and_has_a_name():
    strip = Strip(days(*[(12, 2), (0, 0)] * 7))
    shown = markup("strip", strip=strip)
    assert len(shown) < 400
    (svg,) = drawn("strip", strip=strip)
    assert svg.get("role") == "img"
    assert svg.find("title").text == "14 days: 84 completed, 14 failed"
    assert [path.get("class") for path in svg.iter("path")] == ["strip-none", "strip-failed"]


# Markup ------------------------------------------------------------------------------------------

EVIL = "</title><script>alert('no')</script>\" onload=\"x"


def all_markup() -> str:
    chart = bars((1200, 2), (4, 0), href="/a")
    runs = [Run(NOW, 60, False, EVIL, f"/?q={EVIL}"), Run(NOW, 90, True, EVIL)]
    return "".join(
        [
            markup("chart_defs"),
            markup("daily_bars", chart=DailyBars("daily", EVIL, chart.days)),
            markup("duration_dots", chart=DurationDots("durations", EVIL, runs)),
            markup("strip", strip=Strip(chart.days)),
        ]
    )


def test_markup_holds_no_style_script_or_repeated_id():
    shown = all_markup()
    tree = ElementTree.fromstring(f"<x>{shown}</x>")
    for element in tree.iter():
        assert element.tag not in ("script", "style")
        assert not [name for name in element.attrib if name == "style" or name.startswith("on")]
    ids = [element.get("id") for element in tree.iter() if element.get("id")]
    assert len(ids) == len(set(ids)) == 8
    named = [
        each.get("aria-labelledby").split() for each in tree.iter() if each.get("aria-labelledby")
    ]
    assert len(named) == 2 and {part for parts in named for part in parts} <= set(ids)
    drawn_from = set(re.findall(r'(?:href="|url\()#([\w-]+)', shown))
    assert drawn_from == {"chart-hatch", "chart-cross"} <= set(ids)


def test_no_language_changes_a_number_of_svg():
    plain = all_markup()
    with translation.override("de"):
        german = all_markup()
    attributes = re.compile(r' (?:[xyr]|[xy][12]|c[xy]|width|height|dy|d)="([^"]*)"')
    assert attributes.findall(german) == attributes.findall(plain)
    assert all("," not in value for value in attributes.findall(german))
    assert "1.204" in german and "1,204" in plain
