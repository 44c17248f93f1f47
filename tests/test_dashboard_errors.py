"""The list of errors: failures that say the same are one row, with cause, status and trend."""

import csv
import io
import json
from datetime import timedelta
from html import unescape

import pytest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from operations import causes
from operations.dashboard import error_list
from operations.dashboard.keyset import Order
from operations.models import ErrorGroup
from tests import factories

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


def page(client, query=""):
    response = client.get(reverse("errors") + query)
    assert response.status_code == 200
    return response.content.decode()


def fail(message, code=None, connection=None, **error):
    error = {"message": message, **({"code": code} if code else {}), **error}
    return factories.report(connection or factories.make_connection(), status="failed", error=error)


def sentences(text):
    """The patterns in the order in which the page shows them, without markup."""
    rows = text.split('<a class="sentence')[1:]
    cells = [row.split(">", 1)[1].split("</a>")[0] for row in rows]
    return [
        cell.replace('<span class="placeholder">', "{").replace("</span>", "}") for cell in cells
    ]


def test_failures_that_say_the_same_are_one_row(operator):
    connection = factories.make_connection()
    fail("No answer from 10.0.0.7 within 30 s.", "SourceUnreachable", connection)
    fail("No answer from 10.0.0.9 within 5 s.", "SourceUnreachable", connection)
    fail("No answer from 10.0.0.1 within 9 s.", "SourceUnreachable").acknowledge(factories.COMMAND)

    text = page(operator)

    assert sentences(text) == ["No answer from {ip} within {number} s."]
    fingerprint = ErrorGroup.objects.get().fingerprint
    operations = f"{reverse('operations')}?fingerprint={fingerprint}"
    assert f'href="{operations}&amp;range=all">3</a>' in text
    assert f'href="{operations}&amp;triage=open&amp;range=all">2</a>' in text
    assert f'href="{reverse("error", args=[fingerprint])}#connections">2</a>' in text
    assert "14 days: seen 3 times" in text
    assert "Probable cause: The source cannot be reached" in text
    assert "badge-new" in text


def test_a_failure_without_an_error_and_one_without_a_message(operator):
    factories.report(factories.make_connection(), status="failed")
    factories.report(factories.make_connection(), status="failed", error={"code": "Broken"})

    assert sentences(page(operator)) == [
        "Failed with code Broken and no message.",
        "Failed without an error.",
    ]


def test_names_made_of_markup_and_of_other_scripts(operator):
    fail("<script>alert(1)</script> of שלום", "<b>Code</b>")

    text = page(operator)

    assert "<script>alert" not in text and "<b>Code" not in text
    assert "&lt;script&gt;" in text and "&lt;b&gt;Code&lt;/b&gt;" in text
    assert 'dir="auto"' in text


def the_statuses():
    """One group in each status: the code says which."""
    now = timezone.now()
    for code in ("new", "ongoing", "resolved", "returned", "ignored"):
        fail(f"It is {code}.", code)
    groups = {group.code: group for group in ErrorGroup.objects.all()}
    ErrorGroup.objects.filter(code="ongoing").update(first_seen=now - 2 * DAY)
    groups["resolved"].resolve(factories.COMMAND)
    groups["returned"].resolve(factories.COMMAND)
    fail("It is returned.", "returned")
    groups["ignored"].ignore(factories.COMMAND, now + 30 * DAY)


def test_filter_count_and_badge_agree_on_the_status(operator):
    the_statuses()

    for status in ("new", "ongoing", "resolved", "returned", "ignored"):
        text = page(operator, f"?status={status}")
        assert sentences(text) == [f"It is {status}."]
        assert text.count(f'class="badge badge-{status}"') == 1
        assert f'href="?status={status}" aria-current="true">' in text
    assert len(sentences(page(operator, "?status=new&status=returned"))) == 2
    assert "5 of 5 shown" in page(operator)


def test_decided_until_when_and_by_whom(operator):
    the_statuses()

    text = page(operator)

    until = timezone.localtime(timezone.now() + 30 * DAY)
    assert f"{until.day} {until:%b %Y}" in text
    assert "<bdi>tests</bdi>" in text


def several_errors():
    hr = factories.make_connection("contosohr")
    fail("Too many requests.", "Throttled", hr)
    fail("The crawl stopped.", "CrawlFailed", hr)
    fail("Nobody knows why.", "Odd")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("?code=crawl", ["The crawl stopped."]),
        ("?text=KNOWS", ["Nobody knows why."]),
        ("?connection=ContosoHR", ["The crawl stopped.", "Too many requests."]),
        ("?connection=nobody", []),
        ("?cause=throttled", ["Too many requests."]),
        ("?cause=none", ["Nobody knows why.", "The crawl stopped."]),
        ("?cause=quota-full", []),
        ("?range=1h", ["Nobody knows why.", "The crawl stopped.", "Too many requests."]),
        ("?until=2020-01-01T00:00", []),
        ("?text=%25", []),
    ],
)
def test_filters(operator, query, expected):
    several_errors()

    text = page(operator, query)

    assert sentences(text) == expected
    assert 'class="chip"' in text
    assert ("Nothing matches" in text) == (not expected)


def test_the_cause_that_was_chosen_is_the_one_that_is_filtered_by(operator):
    several_errors()
    ErrorGroup.objects.get(code="Odd").choose_cause(factories.COMMAND, "throttled")

    assert sentences(page(operator, "?cause=throttled")) == [
        "Nobody knows why.",
        "Too many requests.",
    ]


def test_the_cause_is_read_from_the_newest_failure_in_full(operator):
    fail("It broke.", innerError={"code": "QuotaExceeded"})

    assert "The quota of the connection or tenant is full" in page(operator)


def test_the_cause_when_all_failures_were_deleted(operator):
    fail("Too many requests.").remove(factories.COMMAND)

    assert "Probable cause: The source throttles" in page(operator)


def test_so_many_are_looked_at_for_their_cause(operator, monkeypatch):
    monkeypatch.setattr(error_list, "CAUSE_LIMIT", 2)
    several_errors()

    text = page(operator, "?cause=throttled")

    assert sentences(text) == []
    assert "were read" in text


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("", ["c", "b", "a"]),
        ("last", ["a", "b", "c"]),
        ("first", ["b", "c", "a"]),
        ("-first", ["a", "c", "b"]),
        ("count", ["a", "c", "b"]),  # a and c alike: the key decides, in the same direction
        ("-count", ["b", "c", "a"]),
    ],
)
def test_order_and_pages(operator, monkeypatch, sort, expected):
    now = timezone.now()
    for word, first, last, count in (("a", 1, 9, 5), ("b", 3, 8, 7), ("c", 2, 7, 5)):
        fail(word)
        ErrorGroup.objects.filter(pattern=word).update(
            first_seen=now - first * DAY, last_seen=now - last * timedelta(hours=1), count=count
        )
    query = f"?sort={sort}" if sort else "?"
    assert sentences(page(operator, query)) == expected

    monkeypatch.setattr("operations.dashboard.pages.errors.page_of", one_at_a_time)
    seen, address = [], query
    while address:
        text = page(operator, address)
        seen += sentences(text)
        following = text.split('rel="next"')[0].rpartition('href="')[2].split('"')[0]
        address = following.replace("&amp;", "&") if 'rel="next"' in text else ""
    assert seen == expected


def one_at_a_time(rows, size):
    found = list(rows[:2])
    return found[:1], len(found) > 1


@pytest.mark.parametrize(
    "query",
    [
        "?status=bad",
        "?cause=unknown",
        "?connection=%3Cscript%3E",
        "?after=1",
        "?after=WyJhIiwgMV0",
        "?sort=name",
        "?range=1y",
        "?text=%00",
        "?page=2",
    ],
)
def test_what_means_nothing_is_named_and_left_out(operator, query):
    fail("It broke.")

    text = page(operator, query)

    assert "was left out" in text
    assert sentences(text) == ["It broke."]
    assert "<script>" not in text


def test_no_errors_yet(operator):
    assert "No operation has failed so far." in page(operator)


def test_behind_the_last_page(operator):
    fail("It broke.")
    last = Order(error_list.KEYS["last"], descending=True).position(ErrorGroup.objects.get())

    assert "No more rows" in page(operator, f"?after={last}")


@pytest.mark.parametrize("rows", [1, 30])
@pytest.mark.parametrize(("query", "expected"), [("", 10), ("?cause=none&connection=hr1", 12)])
def test_the_number_of_queries_does_not_grow(operator, rows, query, expected):
    connection = factories.make_connection("hr1")
    for number in range(rows):
        fail("word " * (number + 1), connection=connection)

    with CaptureQueriesContext(database) as queries:
        page(operator, query)

    assert len(queries) == expected


# As a file ---------------------------------------------------------------------------------------


def export(client, kind, query=""):
    response = client.get(reverse("export-errors", args=[kind]) + query)
    assert response.status_code == 200
    return b"".join(response.streaming_content).decode()


def test_csv_of_what_is_filtered(operator):
    several_errors()
    fail("=cmd()", "Formula")

    rows = list(csv.DictReader(io.StringIO(export(operator, "csv", "?code=l").lstrip("\ufeff"))))

    assert [row["sentence"] for row in rows] == [
        "'=cmd()",
        "The crawl stopped.",
        "Too many requests.",
    ]
    assert rows[2]["code"] == "Throttled"
    assert (rows[2]["status"], rows[2]["statusLabel"]) == ("new", "New")
    assert (rows[2]["count"], rows[2]["openFailures"], rows[2]["connections"]) == ("1", "1", "1")
    assert (rows[2]["causeId"], rows[2]["cause"]) == ("throttled", "The source throttles")


def test_json_lines_in_the_order_of_the_list(operator):
    several_errors()

    lines = [json.loads(line) for line in export(operator, "jsonl", "?sort=last").splitlines()]

    assert [line["code"] for line in lines] == ["Throttled", "CrawlFailed", "Odd"]
    assert lines[0]["firstSeen"].endswith("Z")
    assert lines[2]["causeId"] is None


def test_the_list_links_to_its_files(operator):
    several_errors()

    text = page(operator, "?code=l&sort=count&rows=25")

    for kind in ("csv", "jsonl"):
        where = reverse("export-errors", args=[kind])
        assert f'href="{where}?sort=count&amp;rows=25&amp;code=l" download>' in text


def test_a_viewer_exports_nothing(viewer):
    fail("It broke.")

    assert "as a file" not in page(viewer)
    response = viewer.get(reverse("export-errors", args=["csv"]))
    assert response.status_code == 403
    assert "This needs the role operator." in response.content.decode()


def test_there_is_no_other_kind_of_file(operator):
    assert operator.get(reverse("export-errors", args=["xml"])).status_code == 404


# The catalogue -----------------------------------------------------------------------------------


def test_every_cause_is_listed(viewer, settings, tmp_path):
    settings.CAUSES_FILE = tmp_path / "causes.toml"

    text = viewer.get(reverse("causes")).content.decode()

    for cause in causes.catalogue():
        assert f'id="{cause.id}"' in text
    assert "The source cannot be reached" in text
    assert "Open the address of the message" in text
    assert str(settings.CAUSES_FILE) in text
    assert "0 entries are yours" in text


def test_an_administrators_own_cause_is_marked_and_a_fault_is_said(viewer, settings, tmp_path):
    settings.CAUSES_FILE = tmp_path / "causes.toml"
    entry = '[[causes]]\nid = "ours"\ntitle = "<b>"\ncause = "c"\nfix = "f"\ncodes = ["x"]\n'
    settings.CAUSES_FILE.write_text(entry)

    text = viewer.get(reverse("causes")).content.decode()
    assert "1 entry is yours" in text
    assert "&lt;b&gt;" in text and "<strong><b>" not in text

    settings.CAUSES_FILE.write_text("[[causes]]\nid = 1\n")
    text = viewer.get(reverse("causes")).content.decode()
    assert "has a fault" in text
    assert "&#x27;title&#x27; must be a text" in text


def test_the_example_is_one_that_can_be_used(viewer, settings, tmp_path):
    text = viewer.get(reverse("causes")).content.decode()
    example = text.split('id="example"')[1].partition(">")[2].split("</pre>")[0]

    entries, faults = causes.read_catalogue(unescape(example))

    assert [entry.id for entry in entries] == ["crm-maintenance"]
    assert faults == []
