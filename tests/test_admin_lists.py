"""Lists of the admin: no page costs more because there are more rows, and none reads them all."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from operations import groups, ingestion
from operations.models import (
    Application,
    Change,
    ConnectionOperation,
    ErrorGroup,
    ExternalConnection,
    ExternalGroup,
    ExternalItem,
    GroupMember,
    IdentityType,
    OutcomeRule,
)
from operations.models.container import Container
from tests.admin_pages import administrator, url
from tests.factories import (
    COMMAND,
    fail_registration,
    make_application,
    make_connection,
    register_schema,
    report,
)
from tests.item_bodies import EVERYONE

#: Of a page of the admin: two for the session and the user, one to count, and its own.
MOST_QUERIES = 8
LISTS = (
    "externalconnection",
    "connectionoperation",
    "outcomerule",
    "application",
    "applicationsecret",
    "errorgroup",
    "schema",
    "change",
    "outcomecount",
    "externalitem",
    "externalgroup",
    "groupmember",
)


#: Models whose rows are deleted by hand.
DELETED = (
    *("externalconnection", "connectionoperation", "outcomerule"),
    *("externalitem", "externalgroup", "groupmember"),
)


@pytest.fixture
def anna(db):
    return administrator("anna")


def cost(client, address) -> int:
    client.get(address)  # what is looked up once in a process
    with CaptureQueriesContext(database) as queries:
        assert client.get(address).status_code == 200
    return len(queries)


def grow(number: int) -> None:
    """More of everything."""
    for at in range(number):
        application = make_application()
        connection = make_connection(owner=application)
        register_schema(connection)
        error = {"code": f"Code{chr(65 + at)}", "message": f"Message {chr(65 + at)}."}
        fail_registration(connection, error)
        report(connection, status="failed", error=error)
        OutcomeRule.objects.create(connection=connection, error=error)
        put_item(connection)
        group = groups.create(connection.pk, COMMAND, graph_id="staff")
        groups.add_member(group, COMMAND, graph_id="ada", kind=IdentityType.USER)


def put_item(connection, graph_id: str = "one") -> None:
    values = {"acl": [EVERYONE], "properties": {"title": "A"}}
    ingestion.put(Container.of(connection), graph_id, values, COMMAND)


def test_every_page_costs_the_same_for_many_rows(anna):
    grow(1)
    connection = ExternalConnection.objects.get()
    addresses = [url(model) for model in LISTS]
    for row in (
        connection,
        ConnectionOperation.objects.first(),
        OutcomeRule.objects.last(),
        Application.objects.get(),
        ErrorGroup.objects.first(),
        Change.objects.first(),
        ExternalItem.objects.get(),
        ExternalGroup.objects.get(),
        GroupMember.objects.get(),
    ):
        model = row._meta.model_name
        addresses += [url(model, "change", row.pk), url(model, "history", row.pk)]
        if model in DELETED:
            addresses.append(url(model, "delete", row.pk))
    few = {address: cost(anna, address) for address in addresses}
    grow(8)
    for number in range(8):  # and more below the rows that are looked at
        report(connection, graph_id=f"more-{number}", status="failed")
        Application.objects.first().create_secret(COMMAND)
        put_item(connection, f"more-{number}")
        group = connection.groups.get()
        groups.add_member(group, COMMAND, graph_id=f"more-{number}", kind=IdentityType.USER)
    register_schema(connection)
    many = {address: cost(anna, address) for address in addresses}
    assert many == few
    assert {address: number for address, number in many.items() if number > MOST_QUERIES} == {}


def test_deleting_many_asks_with_as_few_queries_as_deleting_one(anna):
    grow(6)
    keys = list(ExternalConnection.objects.values_list("pk", flat=True))

    def asking(chosen):
        data = {"action": "delete_selected", "_selected_action": chosen}
        anna.post(url("externalconnection"), data)
        with CaptureQueriesContext(database) as queries:
            assert anna.post(url("externalconnection"), data).status_code == 200
        return len(queries)

    assert asking(keys) == asking(keys[:1])


def test_counts_are_capped_and_say_so(anna, monkeypatch):
    monkeypatch.setattr("operations.admin.lists.COUNT_LIMIT", 3)
    connection = make_connection()
    for _ in range(5):
        report(connection)
    text = anna.get(url("connectionoperation")).content.decode()
    assert "3+ connection operations" in text
    assert "Only the first 3 are counted and paged." in text
    ConnectionOperation.objects.filter(pk__lt=ConnectionOperation.objects.last().pk + 3).delete()
    assert "2 connection operations" in anna.get(url("connectionoperation")).content.decode()


# Bounded -----------------------------------------------------------------------------------------


def shown(client, address) -> list[str]:
    return [str(row) for row in client.get(address).context["cl"].result_list]


def test_a_search_looks_at_the_newest_rows_but_finds_an_id_in_all(anna, monkeypatch):
    monkeypatch.setattr("operations.admin.lists.NEWEST", 2)
    old = make_connection("oldhr")
    for number in range(4):
        error = {"message": "It broke."}
        target = old if number == 0 else make_connection()
        report(target, graph_id=f"run-{number}", status="failed", error=error)
    address = url("connectionoperation")
    assert shown(anna, address + "?q=broke") == ["run-3", "run-2"]
    assert shown(anna, address + "?q=run-0") == ["run-0"]
    assert shown(anna, address + "?q=OLDHR") == ["run-0"]
    assert len(shown(anna, address)) == 4, "the list itself has no bound"


def test_a_filter_without_an_index_is_bounded_and_says_so(anna, monkeypatch):
    monkeypatch.setattr("operations.admin.lists.NEWEST", 2)
    connections = [make_connection() for _ in range(4)]
    address = url("change")
    page = anna.get(address + "?channel__exact=command")
    assert len(page.context["cl"].result_list) == 2
    assert "This filter looked at the newest 2 only." in page.content.decode()
    for free in ("", f"?at__year={timezone.now().year}"):
        page = anna.get(address + free)
        assert len(page.context["cl"].result_list) == 4
        assert "looked at the newest" not in page.content.decode()
    one = f"?channel__exact=command&connection_key={connections[0].pk}"
    assert len(anna.get(address + one).context["cl"].result_list) == 1, "few rows need no bound"


# Dates -------------------------------------------------------------------------------------------

MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
OPERATIONS = "/admin/operations/connectionoperation/"


def requested(graph_id: str, *date: int) -> None:
    connection = ExternalConnection.objects.first() or make_connection()
    operation = report(connection, graph_id=graph_id)
    moment = datetime(*date, tzinfo=UTC)
    ConnectionOperation.objects.filter(pk=operation.pk).update(created_at=moment)


@pytest.fixture
def three_years(anna, monkeypatch):
    monkeypatch.setattr(timezone, "now", lambda: datetime(2026, 3, 4, 12, tzinfo=UTC))
    requested("one", 2024, 11, 30, 23)
    requested("two", 2026, 2, 28, 1)
    requested("three", 2026, 3, 2, 5)


def steps(page) -> list[str]:
    return [step.label for step in page.context["cl"].dates.steps]


@pytest.mark.parametrize(
    "query, rows, offered",
    [
        ("", ["three", "two", "one"], ["2024", "2025", "2026"]),
        ("?created_at__year=2024", ["one"], ["Nov 2024", "Dec 2024"]),
        ("?created_at__year=2026", ["three", "two"], ["Jan 2026", "Feb 2026", "Mar 2026"]),
        ("?created_at__year=2025", [], [f"{month} 2025" for month in MONTHS]),
        ("?created_at__year=2026&created_at__month=3", ["three"], ["1", "2", "3", "4"]),
        ("?created_at__year=2026&created_at__month=2&created_at__day=28", ["two"], []),
    ],
)
def test_a_line_of_dates_narrows_the_list(anna, three_years, query, rows, offered):
    page = anna.get(OPERATIONS + query)
    assert [row.graph_id for row in page.context["cl"].result_list] == rows
    assert steps(page) == offered


def test_dates_lead_on_and_back_and_keep_the_filter(anna, three_years):
    page = anna.get(OPERATIONS + "?created_at__year=2026&status=inprogress")
    dates = page.context["cl"].dates
    assert (dates.title, dates.here) == ("requested", "2026")
    assert (dates.back.label, dates.back.address) == ("All dates", "?status=inprogress")
    february = dates.steps[1].address
    assert february == "?created_at__month=2&created_at__year=2026&status=inprogress"
    page = anna.get(OPERATIONS + february)
    assert [row.graph_id for row in page.context["cl"].result_list] == ["two"]
    assert page.context["cl"].dates.back.label == "2026"


def test_one_year_begins_with_its_months(anna, monkeypatch):
    monkeypatch.setattr(timezone, "now", lambda: datetime(2026, 3, 4, tzinfo=UTC))
    requested("one", 2026, 2, 1)
    assert steps(anna.get(OPERATIONS)) == ["Feb 2026", "Mar 2026"]
    assert anna.get(OPERATIONS).context["cl"].dates.back is None


def test_no_rows_no_dates(anna):
    page = anna.get(OPERATIONS)
    assert page.context["cl"].dates is None
    assert "Nothing to show." in page.content.decode()
    text = anna.get(OPERATIONS + "?status=failed").content.decode()
    assert "Nothing matches." in text and '<a href="?">Show all</a>' in text


@pytest.mark.parametrize(
    "query",
    [
        "?created_at__year=x",
        "?created_at__year=2026&created_at__month=13",
        "?created_at__year=2026&created_at__month=2&created_at__day=30",
    ],
)
def test_dates_that_are_none_are_no_server_error(anna, query):
    report(make_connection())
    assert anna.get(OPERATIONS + query, follow=True).status_code == 200


def test_dates_never_read_the_rows(anna, three_years):
    with CaptureQueriesContext(database) as queries:
        anna.get(OPERATIONS + "?created_at__year=2026")
    reading = [query["sql"] for query in queries if "created_at" in query["sql"]]
    assert not [sql for sql in reading if "DISTINCT" in sql or "MIN(" in sql]
    in_order = 'ORDER BY "operations_connectionoperation"."created_at" DESC'
    assert any(in_order in sql for sql in reading)
