"""Reading lists: pages by key, the options of a page, counts, and what is refused."""

from __future__ import annotations

import json
from urllib.parse import parse_qsl, urlsplit

import pytest

from operations.models import ConnectionOperation
from tests.factories import make_connection, report
from tests.graph import assert_refused, untagged

HERE = "/v1.0/connections/contosohr/operations"
LISTS = ["/v1.0/connections", "/v1.0/external/connections", HERE]


@pytest.fixture
def connection(application):
    return make_connection("contosohr", owner=application)


def names(count: int, first: int = 0) -> list[str]:
    return [f"op{number:03}" for number in range(first, first + count)]


def report_many(connection, ids: list[str]) -> None:
    for graph_id in ids:
        report(connection, graph_id=graph_id)


def local(link: str) -> str:
    assert link.startswith("http://testserver/")
    return link.removeprefix("http://testserver")


def follow(graph, path: str) -> list[dict]:
    """All pages to the end, as a PageIterator reads them."""
    pages = [graph.get(path).json()]
    while "@odata.nextLink" in pages[-1]:
        assert pages[-1]["value"], "an empty page stops a PageIterator"
        pages.append(graph.get(local(pages[-1]["@odata.nextLink"])).json())
    return pages


def ids(*pages: dict) -> list[str]:
    return [row["id"] for page in pages for row in page["value"]]


# Pages -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "top", "sizes"),
    [(0, 3, [0]), (2, 3, [2]), (3, 3, [3]), (4, 3, [3, 1]), (6, 3, [3, 3]), (7, 1, [1] * 7)],
)
def test_every_row_once_and_no_link_on_the_last_page(graph, connection, rows, top, sizes):
    report_many(connection, names(rows))
    pages = follow(graph, f"{HERE}?$top={top}")
    assert [len(page["value"]) for page in pages] == sizes
    assert ids(*pages) == names(rows)[::-1]
    assert "@odata.nextLink" not in pages[-1]


def test_connections_are_paged_too_the_oldest_first(graph, application):
    for graph_id in names(5):
        make_connection(graph_id, owner=application)
    make_connection("foreign")
    pages = follow(graph, "/beta/external/connections?$top=2")
    assert [len(page["value"]) for page in pages] == [2, 2, 1]
    assert ids(*pages) == names(5)


def test_rows_that_arrive_or_leave_meanwhile_neither_repeat_nor_hide_others(graph, connection):
    report_many(connection, names(6))
    first = graph.get(f"{HERE}?$top=2").json()
    assert ids(first) == ["op005", "op004"]
    report_many(connection, names(2, first=6))  # newer than all that was read
    ConnectionOperation.objects.get(graph_id="op004").delete()  # the row that the link stands on
    ConnectionOperation.objects.get(graph_id="op003").delete()  # the one that came next
    rest = follow(graph, local(first["@odata.nextLink"]))
    assert ids(*rest) == ["op002", "op001", "op000"]


def test_when_what_was_left_is_gone_the_page_is_empty_and_the_last(graph, connection):
    report_many(connection, names(3))
    first = graph.get(f"{HERE}?$top=2").json()
    ConnectionOperation.objects.get(graph_id="op000").delete()
    last = graph.get(local(first["@odata.nextLink"])).json()
    assert last["value"] == []
    assert "@odata.nextLink" not in last


@pytest.mark.parametrize("way_in", ["/v1.0/connections", "/beta/external/connections"])
def test_the_link_is_absolute_and_comes_back_to_the_same_list(graph, connection, way_in):
    report_many(connection, names(3))
    link = graph.get(f"{way_in}/ContosoHR/operations?$top=1").json()["@odata.nextLink"]
    assert link.startswith(f"http://testserver{way_in}/contosohr/operations?")


def test_the_link_keeps_every_option(graph, connection):
    report_many(connection, names(5))
    path = f"{HERE}?%24top=2&$select=id,status&$count=true&$skip=1"
    first = graph.get(path).json()
    assert ids(first) == ["op003", "op002"]
    options = dict(parse_qsl(urlsplit(first["@odata.nextLink"]).query))
    assert options.pop("$skiptoken")
    assert options == {"$top": "2", "$select": "id,status", "$count": "true"}
    second = graph.get(local(first["@odata.nextLink"])).json()
    assert ids(second) == ["op001", "op000"]
    assert second["@odata.count"] == 5
    assert set(untagged(second["value"][0])) == {"id", "status"}


def test_a_link_with_its_dollars_encoded_is_the_same_link(graph, connection):
    report_many(connection, names(3))
    link = local(graph.get(f"{HERE}?$top=2").json()["@odata.nextLink"])
    assert ids(graph.get(link.replace("$", "%24")).json()) == ["op000"]


def test_the_link_can_be_followed_with_any_accept(graph, connection):
    report_many(connection, names(3))
    link = local(graph.get(f"{HERE}?$top=2").json()["@odata.nextLink"])
    assert graph.get(link, Accept="*/*").status_code == 200


# $top and $skip ----------------------------------------------------------------------------------


def test_a_page_has_the_default_size(graph, connection, settings):
    settings.PAGE_SIZE = 2
    report_many(connection, names(3))
    assert [len(page["value"]) for page in follow(graph, HERE)] == [2, 1]


@pytest.mark.parametrize("top", [3, 4, 1_000_000, 2_147_483_647])
def test_a_page_is_never_larger_than_the_cap(graph, connection, settings, top):
    settings.MAX_PAGE_SIZE = 3
    report_many(connection, names(4))
    assert [len(page["value"]) for page in follow(graph, f"{HERE}?$top={top}")] == [3, 1]


def test_the_defaults(settings):
    assert (settings.PAGE_SIZE, settings.MAX_PAGE_SIZE) == (100, 999)


@pytest.mark.parametrize("option", ["$top", "$skip"])
@pytest.mark.parametrize(
    "value",
    ["-1", "x", "", "1.5", "%2B1", "1e3", "2147483648", "9" * 400, "1_0", "٣", "0x1", "%20"],
)
def test_numbers_that_are_none(graph, connection, option, value):
    assert_refused(
        graph.get(f"{HERE}?{option}={value}"),
        400,
        "BadRequest",
        inner="InvalidQueryOption",
        target=option,
        says=f"for {option} query option found",
    )


def test_a_page_of_nothing_is_refused_and_a_skip_of_nothing_is_not(graph, connection):
    assert_refused(graph.get(f"{HERE}?$top=0"), 400, "BadRequest", target="$top", says="'0'")
    assert graph.get(f"{HERE}?$skip=0").status_code == 200


@pytest.mark.parametrize(("skip", "left"), [(0, 3), (2, 1), (3, 0), (2_147_483_647, 0)])
def test_skip(graph, connection, skip, left):
    report_many(connection, names(3))
    body = graph.get(f"{HERE}?$skip={skip}").json()
    assert ids(body) == names(left)[::-1]
    assert "@odata.nextLink" not in body


def test_skip_is_done_once_and_not_on_every_page(graph, connection):
    report_many(connection, names(6))
    assert ids(*follow(graph, f"{HERE}?$top=2&$skip=1")) == names(5)[::-1]


def test_skip_beside_a_token_has_been_done_already(graph, connection):
    report_many(connection, names(4))
    link = local(graph.get(f"{HERE}?$top=2").json()["@odata.nextLink"])
    assert ids(graph.get(f"{link}&$skip=1").json()) == ["op001", "op000"]


# $select -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("select", "members", "context"),
    [
        ("id", ["id"], "(id)"),
        ("status,id", ["id", "status"], "(status,id)"),
        ("error", ["error"], "(error)"),
        ("id,%20status", ["id", "status"], "(id,status)"),
        ("id,id", ["id"], "(id)"),
        ("*", ["id", "status", "error"], ""),
        ("id,*", ["id", "status", "error"], ""),
    ],
)
def test_select(graph, connection, select, members, context):
    report_many(connection, names(1))
    body = graph.get(f"{HERE}?$select={select}").json()
    assert [list(untagged(row)) for row in body["value"]] == [members]
    assert body["@odata.context"] == (
        f"http://testserver/v1.0/$metadata#external/connections('contosohr')/operations{context}"
    )


@pytest.mark.parametrize("path", LISTS)
def test_select_of_what_the_type_does_not_have(graph, connection, path):
    kind = "connectionOperation" if path == HERE else "externalConnection"
    assert_refused(
        graph.get(f"{path}?$select=id,color"),
        400,
        "BadRequest",
        inner="InvalidQueryOption",
        target="$select",
        says=(
            "Parsing OData Select and Expand failed: Could not find a property named 'color' on "
            f"type 'microsoft.graph.externalConnectors.{kind}'."
        ),
    )


@pytest.mark.parametrize("member", ["graph_id", "kind", "Id", "pk", "connection"])
def test_select_reaches_graphs_members_only(graph, connection, member):
    response = graph.get(f"{HERE}?$select={member}")
    assert_refused(response, 400, "BadRequest", target="$select", says=f"'{member}'")


@pytest.mark.parametrize("select", ["", ",", "id,", "id status", "id/x", "id;", "1d"])
def test_select_that_cannot_be_read(graph, connection, select):
    assert_refused(
        graph.get(f"{HERE}?$select={select}"),
        400,
        "BadRequest",
        target="$select",
        says="is not valid in a $select or $expand expression.",
    )


def test_beta_members_can_be_selected_on_beta(graph, connection):
    path = "connections?$select=ingestedItemsCount"
    assert untagged(graph.get(f"/beta/{path}").json())["value"] == [{"ingestedItemsCount": None}]
    assert_refused(graph.get(f"/v1.0/{path}"), 400, "BadRequest", target="$select")


# Counts ------------------------------------------------------------------------------------------


def test_count_is_of_all_rows_on_every_page(graph, connection):
    report_many(connection, names(5))
    pages = follow(graph, f"{HERE}?$count=true&$top=2&$skip=1")
    assert [page["@odata.count"] for page in pages] == [5, 5]


def test_no_count_unless_asked_for(graph, connection):
    assert "@odata.count" not in graph.get(HERE).json()
    assert "@odata.count" not in graph.get(f"{HERE}?$count=false").json()


@pytest.mark.parametrize("value", ["", "yes", "1", "True%20", "null"])
def test_a_count_that_is_neither_true_nor_false(graph, connection, value):
    response = graph.get(f"{HERE}?$count={value}")
    assert_refused(response, 400, "BadRequest", target="$count", says="'true' and 'false'")


@pytest.mark.parametrize("path", LISTS)
def test_the_count_alone_is_plain_text(graph, connection, path):
    report_many(connection, names(1))
    response = graph.get(f"{path}/$count", Accept="text/plain;q=0.9")
    assert (response.status_code, response.content) == (200, b"1")
    assert response["Content-Type"].partition(";")[0] == "text/plain"


@pytest.mark.parametrize("path", LISTS)
def test_an_error_of_the_count_is_json_all_the_same(graph, connection, path):
    response = graph.get(f"{path}/$count?$top=1", Accept="text/plain;q=0.9")
    assert_refused(response, 400, "BadRequest", target="$top")


@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE", "PUT"])
def test_the_count_can_only_be_read(graph, connection, method):
    response = graph.request(method, f"{HERE}/$count", {})
    assert_refused(response, 405, "Request_BadRequest")
    assert response["Allow"] == "GET, HEAD"


# What is refused ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "token",
    ["", "x", "!", "W10", "WzEsMl0", "WyIxIl0", "W3RydWVd", "Wy0xXQ", "WzEuNV0", "MQ", "e30", "%00"]
    + ["W" * 3000, "WzkyMjMzNzIwMzY4NTQ3NzU4MDhd", "WzFd%20", "W251bGxd"],
)  # fmt: skip
def test_a_skip_token_that_we_never_gave(graph, connection, token):
    report_many(connection, names(1))
    assert_refused(
        graph.get(f"{HERE}?$skiptoken={token}"),
        400,
        "BadRequest",
        inner="InvalidQueryOption",
        target="$skiptoken",
        says="Follow @odata.nextLink as it is.",
    )


@pytest.mark.parametrize("path", [*LISTS, f"{HERE}/$count", "/v1.0/connections/contosohr"])
@pytest.mark.parametrize("option", ["$search", "$apply", "$compute", "$index", "search", "$Search"])
def test_options_without_a_meaning_here_say_so(graph, connection, path, option):
    name = option.lower() if option.startswith("$") else f"${option}"
    assert_refused(
        graph.get(f"{path}?{option}=name"),
        400,
        "BadRequest",
        inner="InvalidQueryOption",
        target=name,
        says=f"Query option '{name}' is not supported.",
    )


@pytest.mark.parametrize("options", ["top=1&select=id", "$TOP=1&$Select=id", "Top=1&SELECT=id"])
def test_options_in_any_case_and_without_their_dollar(graph, connection, options):
    report_many(connection, names(2))
    body = graph.get(f"{HERE}?{options}").json()
    assert untagged(body["value"]) == [{"id": "op001"}]
    assert "?$top=1&$select=id&$skiptoken=" in body["@odata.nextLink"]
    assert ids(graph.get(local(body["@odata.nextLink"])).json()) == ["op000"]


@pytest.mark.parametrize("value", ["json", "JSON", "application/json", "application/json;x=1"])
@pytest.mark.parametrize("option", ["$format", "format"])
def test_the_only_format_can_be_asked_for_everywhere(graph, connection, option, value):
    report_many(connection, ["o"])
    for path in (*LISTS, f"{HERE}/o", f"{HERE}/$count", "/v1.0/connections/contosohr"):
        assert graph.get(f"{path}?{option}={value}").status_code == 200
    response = graph.patch(f"{HERE}/o?{option}={value}", {"status": "completed"})
    assert response.status_code == 200


@pytest.mark.parametrize("value", ["xml", "atom", "text/plain", "", "application/jsonx", "*/*"])
def test_other_formats_are_refused(graph, connection, value):
    for path in (*LISTS, "/v1.0/connections/contosohr"):
        response = graph.get(f"{path}?$format={value}")
        assert_refused(response, 400, "BadRequest", target="$format", says="in 'json'")


def test_the_format_stands_in_the_accept_headers_place(graph, connection):
    path = f"{HERE}?$format=application/json;odata.metadata=none"
    response = graph.get(path, Accept="application/json;odata.metadata=minimal")
    assert "odata.metadata=none" in response["Content-Type"]
    assert "@odata.context" not in response.json()


@pytest.mark.parametrize("option", ["$select", "$expand", "$filter", "$orderby", "$skiptoken"])
def test_a_value_that_is_too_long_is_not_read(graph, connection, option):
    response = graph.get(f"/v1.0/connections?{option}={'a' * 4001}")
    assert_refused(response, 400, "BadRequest", target=option, says="longer than 4000 characters")


@pytest.mark.parametrize(
    ("option", "says"),
    [
        ("$expand", "'$expand' is not allowed here. Allowed: $select, $filter, $orderby, $top,"),
        ("$unheard", "'$unheard' is not allowed here. Allowed: $select, $filter,"),
        ("status", "'status' was not recognized"),
        ("api-version", "'api-version' was not recognized"),
        ("@p", "'@p' was not recognized"),
        ("$", "'$' is not allowed"),
        ("", "'' was not recognized"),
    ],
)
def test_options_that_are_not_understood_are_named(graph, connection, option, says):
    response = graph.get(f"{HERE}?{option}=1")
    assert_refused(response, 400, "BadRequest", target=option, says=says)


@pytest.mark.parametrize("other", ["$top=1", "%24top=2", "top=2", "$Top=2"])
def test_an_option_that_stands_twice(graph, connection, other):
    response = graph.get(f"{HERE}?$top=1&{other}")
    assert_refused(response, 400, "BadRequest", target="$top", says="specified more than once")


def test_more_options_than_can_be_read(graph, connection):
    query = "&".join(f"a{number}=1" for number in range(1001))
    assert_refused(graph.get(f"{HERE}?{query}"), 400, "InvalidRequest")


@pytest.mark.parametrize("option", ["$top=1", "$count=true", "$skip=1", "$skiptoken=WzFd"])
def test_options_of_lists_are_refused_on_one_entity(graph, connection, option):
    report_many(connection, ["o"])
    for path in ("/v1.0/connections/contosohr", f"{HERE}/o"):
        name = option.partition("=")[0]
        response = graph.get(f"{path}?{option}")
        assert_refused(response, 400, "BadRequest", target=name, says="Allowed: $select")


@pytest.mark.parametrize("option", ["$select=id", "$top=1", "$filter=x", "api-version=1"])
def test_options_on_writes_are_refused_and_nothing_is_written(graph, connection, option):
    report_many(connection, ["o"])
    for method, path, body in (
        ("POST", "/v1.0/connections", {"id": "another", "name": "n"}),
        ("PATCH", "/v1.0/connections/contosohr", {"name": "new"}),
        ("DELETE", "/v1.0/connections/contosohr", None),
        ("PATCH", "/v1.0/connections/contosohr/schema", {}),
        ("POST", HERE, {"id": "another"}),
        ("PATCH", f"{HERE}/o", {"status": "completed"}),
        ("DELETE", f"{HERE}/o", None),
    ):
        name = option.partition("=")[0]
        response = graph.request(method, f"{path}?{option}", body)
        assert_refused(response, 400, "BadRequest", inner="InvalidQueryOption", target=name)
    assert graph.get("/v1.0/connections/$count").content == b"1"
    assert ConnectionOperation.objects.get().graph()["status"] == "inprogress"
    assert graph.get("/v1.0/connections/contosohr").json()["name"] == connection.name


# Cost --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rows", [3, 50])
def test_a_page_of_operations_costs_the_same_however_many_rows(
    graph, connection, django_assert_num_queries, rows
):
    report_many(connection, names(rows))
    graph.get(HERE)  # who is asking is known then
    with django_assert_num_queries(2):  # connection, page
        assert len(graph.get(HERE).json()["value"]) == rows
    with django_assert_num_queries(3):  # count
        body = graph.get(f"{HERE}?$count=true").json()
    assert body["@odata.count"] == len(body["value"]) == rows


@pytest.mark.parametrize("rows", [3, 50])
def test_a_page_of_connections_costs_the_same_however_many_rows(
    graph, application, django_assert_num_queries, rows
):
    for graph_id in names(rows):
        make_connection(graph_id, owner=application, authorized_app_ids=[application.app_id])
    graph.get("/v1.0/connections")
    with django_assert_num_queries(2):  # page, its authorized apps
        body = graph.get("/v1.0/connections").json()
    assert len(body["value"]) == rows


def test_skip_tokens_are_opaque_and_short(graph, connection):
    report_many(connection, names(2))
    link = graph.get(f"{HERE}?$top=1").json()["@odata.nextLink"]
    token = dict(parse_qsl(urlsplit(link).query))["$skiptoken"]
    assert len(token) < 40
    with pytest.raises(ValueError):
        json.loads(token)
