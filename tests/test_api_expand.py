"""``$expand`` of a connection: its operations and its schema, alone and in lists."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from django.db import connections
from django.test.utils import CaptureQueriesContext

from operations.models import ConnectionOperation
from tests.factories import (
    a_property,
    a_schema,
    fail_registration,
    make_connection,
    register_schema,
    report,
    request_registration,
)
from tests.graph import assert_refused, untagged

LIST = "/v1.0/external/connections"
ONE = f"{LIST}/contosohr"
METADATA = "http://testserver/v1.0/$metadata#"
PLAIN = [
    "id",
    "name",
    "description",
    "state",
    "configuration",
    "activitySettings",
    "searchSettings",
    "connectorId",
    "contentCategory",
]


@pytest.fixture
def connection(application):
    return make_connection("contosohr", owner=application)


def get(graph, path: str, expand: str, rest: str = "", **headers: str) -> dict:
    response = graph.get(f"{path}?$expand={quote(expand, safe='$')}{rest}", **headers)
    assert response.status_code == 200, response.content
    return untagged(response.json())


def local(link: str) -> str:
    assert link.startswith("http://testserver/")
    return link.removeprefix("http://testserver")


def ids(rows: list[dict]) -> list[str]:
    return [row["id"] for row in rows]


def test_operations_of_one_connection(graph, connection):
    report(connection, graph_id="first")
    report(connection, graph_id="second", status="failed", error={"message": "m"})
    body = get(graph, ONE, "operations")
    assert body.pop("@odata.context") == f"{METADATA}external/connections(operations())/$entity"
    assert list(body) == [*PLAIN, "operations@odata.context", "operations"]
    assert body["operations@odata.context"] == (
        f"{METADATA}external/connections('contosohr')/operations"
    )
    assert body["operations"] == [
        {"id": "second", "status": "failed", "error": {"message": "m"}},
        {"id": "first", "status": "inprogress", "error": None},
    ]


def test_both_in_a_list_of_what_the_caller_sees(graph, application, connection):
    other = make_connection("other", owner=application)
    make_connection("foreign")
    register_schema(other)
    report(connection, graph_id="mine")
    body = get(graph, LIST, "operations,schema")
    assert body["@odata.context"] == f"{METADATA}external/connections(operations(),schema())"
    first, second = body["value"]
    assert ids(first["operations"]) == ["mine"]
    assert first["schema"] is None and "schema@odata.context" not in first
    assert [row["status"] for row in second["operations"]] == ["completed"]
    alone = untagged(graph.get(f"{LIST}/other/schema").json())
    assert second["schema@odata.context"] == alone.pop("@odata.context")
    assert second["schema"] == alone


def test_nothing_to_expand(graph, connection):
    body = get(graph, ONE, "operations,schema")
    assert body["operations"] == [] and body["schema"] is None
    assert "operations@odata.nextLink" not in body
    assert get(graph, LIST, "operations", "&$filter=false")["value"] == []


@pytest.mark.parametrize("way_in", ["/v1.0/connections", "/beta/external/connections"])
@pytest.mark.parametrize(("rows", "linked"), [(20, False), (21, True), (45, True)])
def test_the_newest_twenty_and_a_link_to_the_rest(graph, connection, way_in, rows, linked):
    for number in range(rows):
        report(connection, graph_id=f"o{number}")
    newest_first = [f"o{number}" for number in range(rows)][::-1]
    for body in (
        get(graph, f"{way_in}/contosohr", "operations"),
        get(graph, way_in, "operations")["value"][0],
    ):
        assert ids(body["operations"]) == newest_first[:20]
        assert ("operations@odata.nextLink" in body) == linked
        if linked:
            link = body["operations@odata.nextLink"]
            assert link.startswith(f"http://testserver{way_in}/contosohr/operations?$skiptoken=")
            assert ids(graph.get(local(link)).json()["value"]) == newest_first[20:]


def test_each_connection_has_its_own_newest(graph, application):
    made = [make_connection(f"conn{number}", owner=application) for number in range(3)]
    for number in range(70):  # interleaved; the first connection's are the oldest
        report(made[0 if number < 20 else 1 + number % 2], graph_id=f"o{number:02}")
    for row, connection in zip(get(graph, LIST, "operations")["value"], made, strict=True):
        newest = ConnectionOperation.objects.filter(connection=connection).order_by("-pk")[:20]
        assert ids(row["operations"]) == [operation.graph_id for operation in newest]
        assert ("operations@odata.nextLink" in row) == (connection is not made[0])


def test_options_in_the_parentheses(graph, application, connection):
    other = make_connection("other", owner=application)
    for number in range(6):
        error = {"code": f"C{number % 3};,)('"} if number else None
        report(connection, graph_id=f"o{number}", status="failed", error=error)
        report(other, graph_id=f"o{number}", status="completed")
    nested = (
        "operations($select=id,status;$filter=status eq 'failed' and not(error/code eq 'C1;,)(''');"
        "$orderby=error/code desc,id;$top=2;$count=true)"
    )
    first, second = get(graph, LIST, nested, "&$select=id")["value"]
    assert first["operations"] == [
        {"id": "o2", "status": "failed"},
        {"id": "o5", "status": "failed"},
    ]
    assert first["operations@odata.count"] == 4 and second["operations@odata.count"] == 0
    assert list(first) == [
        "id",
        "operations@odata.context",
        "operations@odata.count",
        "operations@odata.nextLink",
        "operations",
    ]
    assert first["operations@odata.context"].endswith("('contosohr')/operations(id,status)")
    assert second["operations"] == [] and "operations@odata.nextLink" not in second
    rest = graph.get(local(first["operations@odata.nextLink"])).json()
    assert untagged(rest["value"]) == [
        {"id": "o3", "status": "failed"},
        {"id": "o0", "status": "failed"},
    ]
    assert rest["@odata.count"] == 4 and "@odata.nextLink" not in rest
    assert get(graph, ONE, nested, "&$select=id") == first | {
        "@odata.context": f"{METADATA}external/connections(id,operations(id,status))/$entity"
    }


@pytest.mark.parametrize(
    ("nested", "expected"),
    [
        ("", "o4 o3 o2 o1 o0"),
        ("()", "o4 o3 o2 o1 o0"),
        ("($skip=1)", "o3 o2 o1 o0"),
        ("($skip=1;$top=2)", "o3 o2"),
        ("($skip=2147483647)", ""),
        ("($orderby=id;$skip=3)", "o3 o4"),
        ("( top=1 ; SELECT = id )", "o4"),
        ("($filter=id in ('o1','o3'))", "o3 o1"),
        ("($top=1000)", "o4 o3 o2 o1 o0"),
    ],
)
def test_nested_options(graph, connection, nested, expected):
    for number in range(5):
        report(connection, graph_id=f"o{number}")
    assert ids(get(graph, ONE, f"operations{nested}")["operations"]) == expected.split()


def test_a_nested_skip_is_done_before_the_link(graph, connection):
    for number in range(6):
        report(connection, graph_id=f"o{number}")
    body = get(graph, ONE, "operations($skip=1;$top=2)")
    rest = graph.get(local(body["operations@odata.nextLink"])).json()
    assert ids(body["operations"] + rest["value"]) == ["o4", "o3", "o2", "o1"]


def test_a_nested_page_larger_than_twenty_goes_on_at_its_link(graph, connection):
    for number in range(60):
        report(connection, graph_id=f"o{number}")
    body = get(graph, ONE, "operations($top=30)")
    assert len(body["operations"]) == 20
    rest = graph.get(local(body["operations@odata.nextLink"])).json()
    assert len(rest["value"]) == 30


@pytest.mark.parametrize(
    ("select", "members"),
    [
        ("id", ["id", "operations"]),
        ("id,operations", ["id", "operations"]),
        ("operations", ["operations"]),
        ("*", [*PLAIN, "operations"]),
    ],
)
def test_what_is_expanded_stays_whatever_is_selected(graph, connection, select, members):
    body = get(graph, ONE, "operations", f"&$select={select}")
    assert [name for name in body if "@" not in name] == members


def test_a_navigation_that_is_only_selected_adds_nothing(graph, connection):
    body = untagged(graph.get(f"{ONE}?$select=id,operations").json())
    assert list(body) == ["@odata.context", "id"]


def test_metadata_none_has_links_and_counts_only(graph, connection):
    for number in range(3):
        report(connection, graph_id=f"o{number}")
    body = get(
        graph,
        ONE,
        "operations($top=1;$count=true),schema",
        Accept="application/json;odata.metadata=none",
    )
    assert sorted(name for name in body if "@" in name) == [
        "operations@odata.count",
        "operations@odata.nextLink",
    ]


def test_the_schema_is_the_one_that_can_be_read(graph, application, connection):
    versions = make_connection("versions", owner=application)
    register_schema(versions)
    longer = a_schema(
        a_property("title", isSearchable=True, isRetrievable=True, labels=["title"]),
        a_property("url"),
    )
    register_schema(versions, longer)
    failed = make_connection("failed", owner=application)
    fail_registration(failed)
    request_registration(connection)
    shown = {row["id"]: row["schema"] for row in get(graph, LIST, "schema")["value"]}
    assert [prop["name"] for prop in shown["versions"]["properties"]] == ["title", "url"]
    assert [prop["name"] for prop in shown["contosohr"]["properties"]] == ["title"]
    assert shown["failed"] is None
    for graph_id, schema in shown.items():
        alone = graph.get(f"{LIST}/{graph_id}/schema")
        assert (alone.status_code == 404) == (schema is None)
        if schema:
            assert alone.json()["properties"] == schema["properties"]


def test_schema_members_can_be_selected(graph, connection):
    register_schema(connection)
    body = get(graph, ONE, "schema($select=baseType)")
    assert body["schema"] == {"baseType": "microsoft.graph.externalItem"}
    assert body["schema@odata.context"].endswith("('contosohr')/schema(baseType)/$entity")


def test_labels_above_the_sentinel_are_masked_as_in_the_schema_itself(graph, connection):
    register_schema(connection, a_schema(a_property(isRetrievable=True, labels=["iconUrl"])))
    plain = get(graph, LIST, "schema")["value"][0]["schema"]["properties"][0]
    assert plain["labels"] == ["unknownFutureValue"]
    for path in (LIST, ONE):
        response = graph.get(f"{path}?$expand=schema", Prefer="include-unknown-enum-members")
        assert response["Preference-Applied"] == "include-unknown-enum-members"
        assert b'"labels":["iconUrl"]' in response.content


PARSING = "Parsing OData Select and Expand failed: "


@pytest.mark.parametrize("path", [LIST, ONE])
@pytest.mark.parametrize(
    ("expand", "says", "position"),
    [
        ("color", f"{PARSING}Could not find a property named 'color' on type 'microsoft.gr", 0),
        ("operations,Schema", f"{PARSING}Could not find a property named 'Schema'", 11),
        ("*", f"{PARSING}Could not find a property named '*'", 0),
        ("operations/$count", f"{PARSING}Could not find a property named 'operations/$count'", 0),
        ("authorized_apps", f"{PARSING}Could not find a property named 'authorized_apps'", 0),
        ("name", f"{PARSING}Property 'name' on type", 0),
        ("", f"{PARSING}Term '' is not valid in a $select or $expand expression.", 0),
        ("operations,", f"{PARSING}Term '' is not valid", 11),
        ("operations x", f"{PARSING}Term 'operations x' is not valid", 0),
        ("operations,operations", f"{PARSING}'operations' is expanded more than once.", 11),
        ("operations(", "Syntax error", 11),
        ("operations)", "Syntax error", 10),
        ("operations(a)(b)", "Syntax error", 12),
        ("operations($filter=id eq 'a)", "Syntax error", 28),
        ("operations($top)", "Syntax error", 15),
        ("operations($top=0)", "Invalid value '0' for $top query option found.", 16),
        ("operations($top=1;top=2)", "'$top' was specified more than once", 18),
        ("operations($color=1)", "Query option '$color' is not allowed here.", 11),
        ("operations($expand=schema)", "Query option '$expand' is not allowed here.", 11),
        ("operations($search=x)", "Query option '$search' is not supported.", 11),
        ("operations($skiptoken=WzFd)", "'$skiptoken' is not allowed here.", 11),
        ("schema($filter=a eq 1)", "'$filter' is not allowed here. Allowed: $select.", 7),
        ("operations($filter=color eq 1)", "Could not find a property named 'color'", 19),
        ("schema,operations($filter= id eq)", "Expression expected", 32),
        ("operations($orderby=id,color)", "Could not find a property named 'color'", 23),
        ("operations($select=id,color)", f"{PARSING}Could not find a property named 'color'", 22),
        ("operations($count=maybe)", "Invalid value 'maybe' for $count", 18),
        (f"operations($filter={'(' * 30}true{')' * 30})", "nested deeper than 20 levels", 39),
    ],
)
def test_refused_with_the_place_in_the_whole_text(graph, connection, path, expand, says, position):
    error = assert_refused(
        graph.get(f"{path}?$expand={quote(expand, safe='$')}"),
        400,
        "BadRequest",
        inner="InvalidQueryOption",
        target="$expand",
        says=says,
    )
    assert f"at position {position} in '" in error["message"]


@pytest.mark.parametrize("path", ["/v1.0/connections", "/beta/connections/contosohr"])
@pytest.mark.parametrize("name", ["groups", "items"])
def test_what_graph_has_besides_is_refused_in_its_words(graph, connection, path, name):
    assert_refused(
        graph.get(f"{path}?$expand={name}"),
        400,
        "ExpandNotSupported",
        target="$expand",
        says=f"Expand is not allowed for property '{name}' according to the entity schema.",
    )


def test_only_a_connection_has_something_to_expand(graph, connection):
    report(connection, graph_id="o")
    register_schema(connection)
    for path in (f"{ONE}/operations", f"{ONE}/operations/o", f"{ONE}/schema"):
        response = graph.get(f"{path}?$expand=schema")
        assert_refused(response, 400, "BadRequest", target="$expand", says="is not allowed here")


@pytest.mark.parametrize("number", [1, 12])
@pytest.mark.parametrize(
    ("expand", "queries"),
    [
        ("operations", 2),  # the keys of the newest, the rows
        ("operations($filter=status eq 'completed')", 1),
        ("operations($orderby=id;$count=true)", 2),  # rows, counts
        ("schema", 2),  # in force, asked for the first time
        ("operations,schema", 4),
    ],
)
def test_the_number_of_queries_is_that_of_one_connection(
    graph, application, django_assert_num_queries, number, expand, queries
):
    for one in range(number):
        connection = make_connection(f"conn{one}", owner=application)
        for _ in range(3):
            report(connection, status="completed")
        request_registration(connection)
    path = f"{LIST}?$expand={quote(expand, safe='$')}"
    graph.get(path)
    with django_assert_num_queries(2 + queries):  # page, authorized apps
        assert len(graph.get(path).json()["value"]) == number


def test_a_page_costs_as_many_queries_as_one_also_with_annotations(
    graph, application, django_assert_num_queries
):
    for name in ("one", "two", "three"):
        register_schema(make_connection(name, owner=application))
    headers = {"Prefer": 'odata.include-annotations="*"'}
    get(graph, LIST, "schema,operations", "&$top=1", **headers)
    with CaptureQueriesContext(connections["default"]) as queries:
        get(graph, LIST, "schema,operations", "&$top=1", **headers)
    with django_assert_num_queries(len(queries)):
        get(graph, LIST, "schema,operations", **headers)
