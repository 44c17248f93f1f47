"""What a list's address may ask for: good parameters are kept, all others named, none breaks."""

from datetime import UTC, datetime, timedelta

import pytest
from django.http import QueryDict
from django.utils import timezone

from operations.dashboard.filters import Parameters, Span


def read(query):
    return Parameters(QueryDict(query))


def test_a_choice_is_one_value_in_any_case():
    parameters = read("kind=B")

    assert parameters.choice("kind", "Kind", {"a": "First", "b": "Second"}) == "b"
    assert [(chip.label, chip.value, chip.without) for chip in parameters.chips] == [
        ("Kind", "Second", "?")
    ]
    assert [option.chosen for option in parameters.options["kind"]] == [False, True]


def test_an_unknown_choice_is_named():
    parameters = read("kind=x")

    assert parameters.choice("kind", "Kind", {"a": "First"}) == ""
    assert parameters.ignored == ["kind=x"]


@pytest.mark.parametrize("text", ["%00", "a%00b", "x" * 201])
def test_text_that_no_database_can_look_for_is_named(text):
    parameters = read(f"q={text}")

    assert parameters.words("q", "Text") == ""
    assert len(parameters.ignored) == 1


def test_text_is_trimmed_and_kept():
    parameters = read("q=+%D7%A9%D7%9C%D7%95%D7%9D+")

    assert parameters.words("q", "Text") == "שלום"
    assert parameters.query == "q=%D7%A9%D7%9C%D7%95%D7%9D"


def test_without_a_range_all_time_is_meant():
    parameters = read("")

    assert parameters.span("Time") == Span()
    assert parameters.chips == []


def test_a_default_range_is_shown_and_can_be_removed():
    parameters = read("")
    span = parameters.span("Time", default="7d")

    assert abs(timezone.now() - timedelta(days=7) - span.since) < timedelta(minutes=1)
    assert [(chip.value, chip.without) for chip in parameters.chips] == [
        ("last 7 days", "?range=all")
    ]
    assert parameters.query == ""  # whoever reads the address anew has the same default


def test_any_time_is_kept_where_there_is_a_default():
    parameters = read("range=all")

    assert parameters.span("Time", default="7d") == Span()
    assert parameters.chips == []
    assert parameters.query == "range=all"


def test_a_range_of_ones_own():
    parameters = read("since=2026-11-01T08:00&until=2026-11-02T08:00%2B02:00&range=1h")
    span = parameters.span("Time", default="7d")

    assert span == Span(datetime(2026, 11, 1, 8, tzinfo=UTC), datetime(2026, 11, 2, 6, tzinfo=UTC))
    assert [chip.value for chip in parameters.chips] == [
        "from 2026-11-01 08:00",
        "until 2026-11-02 06:00",
    ]
    assert parameters.chips[0].without == "?until=2026-11-02T08%3A00%2B02%3A00&range=all"


@pytest.mark.parametrize(
    "query",
    [
        "range=5d",
        "since=yesterday",
        "since=0001-01-01",
        "until=9999-12-31T23:59-12:00",
        "since=%00",
    ],
)
def test_a_range_that_is_none_is_named(query):
    parameters = read(query)

    assert parameters.span("Time") == Span()
    assert len(parameters.ignored) == 1


def test_sorting_stays_when_filters_are_cleared():
    parameters = read("sort=-name&q=x")
    parameters.words("q", "Text")

    assert parameters.sort({"name": "Name", "age": "Age"}, default="age") == ("name", True)
    parameters.finish()
    assert parameters.none == "?sort=-name"
    assert parameters.heads["name"].order == "descending"
    assert parameters.heads["name"].address == "?sort=name&q=x"
    assert parameters.heads["age"].address == "?q=x"
    assert parameters.heads["age"].order == "none"


def test_an_unknown_column_is_named_and_the_default_sorts():
    parameters = read("sort=password")

    assert parameters.sort({"name": "Name"}, default="-name") == ("name", True)
    assert parameters.ignored == ["sort=password"]


@pytest.mark.parametrize(
    ("query", "remembered", "size"),
    [("", "", 50), ("rows=25", "100", 25), ("", "100", 100), ("rows=7", "100", 100), ("", "x", 50)],
)
def test_the_number_of_rows_is_remembered(query, remembered, size):
    assert read(query).page_size(remembered) == size


def test_the_sizes_of_a_page_are_links_that_keep_the_filters():
    parameters = read("q=x&rows=25")
    parameters.words("q", "Text")
    parameters.page_size("")
    parameters.finish()

    assert [(option.address, option.chosen) for option in parameters.options["rows"]] == [
        ("?q=x&rows=25", True),
        ("?q=x&rows=50", False),
        ("?q=x&rows=100", False),
    ]
