"""``odata.metadata=none|minimal|full`` and ``IEEE754Compatible``: what surrounds the members."""

from __future__ import annotations

import pytest

from tests.factories import make_connection, register_schema, report
from tests.graph import untagged

HERE = "/v1.0/external/connections/contosohr"
SERVER = "http://testserver/v1.0"


def accept(level: str) -> dict[str, str]:
    return {"Accept": f"application/json;odata.metadata={level}"}


@pytest.fixture
def connection(application):
    connection = make_connection("contosohr", owner=application)
    register_schema(connection)
    report(connection, graph_id="o")
    return connection


PATHS = [HERE, f"{HERE}/schema", f"{HERE}/operations/o"]


def control(body: dict) -> list[str]:
    return [name for name in body if "@" in name]


@pytest.mark.parametrize("path", PATHS)
def test_minimal_is_context_and_tag(graph, connection, path):
    assert control(graph.get(path).json()) == ["@odata.context", "@odata.etag"]
    assert graph.get(path, **accept("minimal")).json() == graph.get(path).json()


@pytest.mark.parametrize("path", PATHS)
def test_none_leaves_all_of_it_out(graph, connection, path):
    response = graph.get(path, **accept("none"))
    assert control(response.json()) == []
    body = untagged(graph.get(path).json())
    del body["@odata.context"]
    assert response.json() == body
    assert response["ETag"]


def test_none_keeps_count_and_next_link(graph, connection):
    report(connection, graph_id="p")
    body = graph.get(f"{HERE}/operations?$count=true&$top=1", **accept("none")).json()
    assert control(body) == ["@odata.count", "@odata.nextLink"]
    assert control(body["value"][0]) == []


def test_full_has_types_and_links(graph, connection):
    body = graph.get(HERE, **accept("full")).json()
    here = f"{SERVER}/external/connections('contosohr')"
    assert body["@odata.type"] == "#microsoft.graph.externalConnectors.externalConnection"
    assert body["@odata.id"] == here
    assert body["@odata.editLink"] == "external/connections('contosohr')"
    for name in ("operations", "schema"):
        assert body[f"{name}@odata.navigationLink"] == f"{here}/{name}"
    operation = graph.get(f"{HERE}/operations/o", **accept("full")).json()
    assert operation["@odata.type"] == "#microsoft.graph.externalConnectors.connectionOperation"
    assert operation["@odata.id"] == f"{here}/operations('o')"
    schema = graph.get(f"{HERE}/schema", **accept("full")).json()
    assert schema["@odata.type"] == "#microsoft.graph.externalConnectors.schema"
    assert schema["@odata.editLink"] == "external/connections('contosohr')/schema"


def test_full_has_the_types_that_json_does_not_tell(graph, connection):
    resolver = {
        "@odata.type": "#microsoft.graph.externalConnectors.itemIdResolver",
        "itemId": "{id}",
        "priority": 1,
        "urlMatchInfo": {"baseUrls": ["https://a.example"], "urlPattern": "/(?<id>[0-9]+)"},
    }
    graph.patch(
        HERE,
        {
            "activitySettings": {"urlToItemResolvers": [resolver]},
            "configuration": {"authorizedAppIds": [], "mine": {"a": [1]}},
        },
    )
    plain = graph.get("/beta/connections/contosohr").json()
    body = graph.get("/beta/connections/contosohr", **accept("full")).json()
    space = "microsoft.graph.externalConnectors"
    assert body["state@odata.type"] == f"#{space}.connectionState"
    assert body["contentCategory@odata.type"] == f"#{space}.contentCategory"
    assert body["ingestedItemsCount@odata.type"] == "#Int64"
    assert "name@odata.type" not in body
    settings = body["activitySettings"]
    assert settings["@odata.type"] == f"#{space}.activitySettings"
    assert (
        settings["urlToItemResolvers@odata.type"] == f"#Collection({space}.urlToItemResolverBase)"
    )
    [typed] = settings["urlToItemResolvers"]
    assert typed["@odata.type"] == f"#{space}.itemIdResolver"
    assert typed["urlMatchInfo"]["@odata.type"] == f"#{space}.urlMatchInfo"
    assert typed["urlMatchInfo"]["baseUrls@odata.type"] == "#Collection(String)"
    # what an open type holds is the caller's own
    assert body["configuration"] == plain["configuration"]


def test_full_leaves_an_inner_error_as_it_came(graph, connection):
    error = {"message": "m", "details": [{"code": "d"}], "innerError": {"mine@x": 1, "code": "c"}}
    report(connection, graph_id="f", status="failed", error=error)
    body = graph.get(f"{HERE}/operations/f", **accept("full")).json()
    assert body["status@odata.type"].endswith(".connectionOperationStatus")
    assert body["error"]["@odata.type"] == "#microsoft.graph.publicError"
    assert body["error"]["details@odata.type"] == "#Collection(microsoft.graph.publicErrorDetail)"
    assert body["error"]["innerError"] == error["innerError"]
    assert graph.patch(f"{HERE}/operations/f", body).status_code == 200


def test_links_of_full_can_be_followed(graph, connection):
    for path in PATHS:
        body = graph.get(path, **accept("full")).json()
        local = body["@odata.id"].removeprefix("http://testserver")
        assert graph.get(local, **accept("full")).json() == body
        edit = f"/v1.0/{body['@odata.editLink']}"
        assert graph.get(edit, **accept("full")).json() == body


def test_full_in_a_list(graph, connection):
    body = graph.get("/v1.0/connections", **accept("full")).json()
    [row] = body["value"]
    assert row["@odata.id"] == f"{SERVER}/connections('contosohr')"
    assert row["@odata.etag"] == graph.get(HERE)["ETag"]


@pytest.mark.parametrize("path", PATHS)
def test_what_is_read_with_full_can_be_sent_back_whole(graph, connection, path):
    body = graph.get(path, **accept("full")).json()
    assert graph.patch(path, body).status_code in (200, 202, 204)


@pytest.mark.parametrize("level", ["none", "minimal", "full"])
def test_the_content_type_says_which(graph, connection, level):
    for spelling in (
        f"application/json;odata.metadata={level}",
        f"application/json; ODATA.Metadata={level.upper()}; q=0.9",
        f"text/plain, application/json;odata.metadata={level}",
    ):
        response = graph.get(HERE, Accept=spelling)
        assert response["Content-Type"] == (
            f"application/json;odata.metadata={level};odata.streaming=true;"
            "IEEE754Compatible=false;charset=utf-8"
        )


def test_64_bit_numbers_as_text_for_who_asks(graph, connection):
    path = "/beta/connections?$count=true"
    body = graph.get(path).json()
    assert (body["@odata.count"], body["value"][0]["ingestedItemsCount"]) == (1, 0)
    response = graph.get(path, Accept="application/json;IEEE754Compatible=true")
    assert "IEEE754Compatible=true" in response["Content-Type"]
    body = response.json()
    assert (body["@odata.count"], body["value"][0]["ingestedItemsCount"]) == ("1", "0")
    one = graph.get("/beta/connections/contosohr", Accept="application/json;ieee754compatible=true")
    assert one.json()["ingestedItemsCount"] == "0"
