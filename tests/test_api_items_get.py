"""Reading and deleting: ``GET`` and ``DELETE /items/{id}``, the list, ``$count``."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest

from operations.api import items
from operations.models import ExternalActivity, ExternalItem
from tests.factories import make_application
from tests.graph import ITEMS_OWNED, OWNED, GraphClient, assert_refused, untagged
from tests.item_bodies import holding, item
from tests.ready import BETA, HERE, ITEMS, SERVER, ids_of, make_ready, put, ready, tallied

PATH = f"{ITEMS}/a"
WHOLE = item(
    properties=holding("tags", ["a"]) | {"title": "A"},
    content={"type": "text", "value": "a"},
    informationProtectionLabel={"sensitivityLabelId": "s"},
)
CONTEXT = f"{SERVER}/v1.0/$metadata#external/connections('contosohr')/items"


@pytest.fixture
def graph(db):
    return ready()


@pytest.fixture
def several(graph):
    """Items that came in another order than that of their ids."""
    for graph_id in ("c", "a", "B", "b", "ä"):
        put(graph, f"{ITEMS}/{quote(graph_id)}", item(properties={"title": graph_id}))
    return graph


# One ---------------------------------------------------------------------------------------------


def test_an_item(graph):
    put(graph, PATH, WHOLE)
    response = graph.get(PATH)
    assert untagged(response.json()) == {"@odata.context": f"{CONTEXT}/$entity", "id": "a", **WHOLE}
    assert response["ETag"] == response.json()["@odata.etag"]
    head = graph.request("HEAD", PATH)
    assert (head.status_code, head.content, head["ETag"]) == (200, b"", response["ETag"])


@pytest.mark.parametrize("path", [f"{ITEMS}/b", f"{ITEMS}/A", f"{ITEMS}/a%20", f"{ITEMS}/%00"])
@pytest.mark.parametrize("method", ["GET", "DELETE", "PATCH"])
def test_an_item_that_is_not_there(graph, path, method):
    put(graph, PATH, WHOLE)
    body = {"acl": []} if method == "PATCH" else None
    response = graph.request(method, path, body)
    error = assert_refused(response, 404, "ItemNotFound", inner="ResourceNotFound")
    assert error["innerError"]["source"] == "ExternalItem"
    assert error["innerError"]["message"] == "'ExternalItem' was not found."


def test_a_connection_that_is_not_there(graph):
    for path in ("items/a", "items", "items/$count"):
        response = graph.get(f"/v1.0/connections/nosuch/{path}")
        error = assert_refused(response, 404, "ItemNotFound")
        assert error["innerError"]["source"] == "Connection"


def test_who_has_it_already_gets_a_304(graph):
    tag = put(graph, PATH, WHOLE)["@odata.etag"]
    for seen in (tag, tag.removeprefix("W/"), f'"other", {tag}', "*"):
        response = graph.get(PATH, If_None_Match=seen)
        assert (response.status_code, response.content, response["ETag"]) == (304, b"", tag)
        assert "Content-Type" not in response
    newer = put(graph, PATH, WHOLE)["@odata.etag"]
    assert graph.get(PATH, If_None_Match=tag)["ETag"] == newer != tag
    assert_refused(graph.get(PATH, If_Match=tag), 412, "PreconditionFailed")
    assert graph.get(PATH, If_Match=newer).status_code == 200


def test_a_tag_is_of_one_item_alone(graph):
    """An id that is deleted and comes again is another item."""
    first = put(graph, PATH, WHOLE)["@odata.etag"]
    other = put(graph, f"{ITEMS}/b", WHOLE)["@odata.etag"]
    graph.delete(PATH)
    again = put(graph, PATH, WHOLE)["@odata.etag"]
    assert len({first, other, again}) == 3


@pytest.mark.parametrize(
    "select, members",
    [
        ("id", ["id"]),
        ("properties,id", ["id", "properties"]),
        ("content", ["content"]),
        ("acl,informationProtectionLabel", ["acl", "informationProtectionLabel"]),
    ],
)
def test_select(graph, select, members):
    put(graph, PATH, WHOLE)
    answered = graph.get(f"{PATH}?$select={select}").json()
    assert answered.pop("@odata.context") == f"{CONTEXT}({select})/$entity"
    assert untagged(answered) == {name: {"id": "a", **WHOLE}[name] for name in members}


@pytest.mark.parametrize("name", ["title", "properties/title", "Id", "activities", ""])
def test_select_of_what_an_item_does_not_have(graph, name):
    put(graph, PATH, WHOLE)
    for path in (PATH, ITEMS):
        assert_refused(graph.get(f"{path}?$select={name}"), 400, "BadRequest", target="$select")


@pytest.mark.parametrize(
    "option", ["$filter=id eq 'a'", "$top=1", "$count=true", "$expand=x", "$x=1"]
)
def test_no_other_option(graph, option):
    put(graph, PATH, WHOLE)
    name = option.partition("=")[0]
    assert_refused(graph.get(f"{PATH}?{option}"), 400, "BadRequest", target=name)


def test_without_metadata_there_is_none(graph):
    """As ``m365`` asks."""
    put(graph, PATH, WHOLE)
    none = {"Accept": "application/json;odata.metadata=none"}
    assert graph.get(PATH, **none).json() == {"id": "a", **WHOLE}
    assert graph.get(ITEMS, **none).json() == {"value": [{"id": "a", **WHOLE}]}
    assert "odata.metadata=none" in graph.get(PATH, **none)["Content-Type"]


@pytest.mark.parametrize("way_in", [HERE, "/v1.0/connections/contosohr"])
def test_with_all_metadata(graph, way_in):
    put(graph, f"{ITEMS}/a%2Fb", WHOLE)
    namespace = "#microsoft.graph.externalConnectors"
    full = {"Accept": "application/json;odata.metadata=full"}
    answered = graph.get(f"{way_in}/items/a%2Fb", **full).json()
    edit = f"{way_in.removeprefix('/v1.0/').replace('/contosohr', '')}('contosohr')/items('a%2Fb')"
    assert answered["@odata.type"] == f"{namespace}.externalItem"
    assert answered["@odata.id"] == f"{SERVER}/v1.0/{edit}"
    assert answered["@odata.editLink"] == edit
    assert answered["acl@odata.type"] == f"#Collection({namespace[1:]}.acl)"
    assert answered["acl"][0]["@odata.type"] == f"{namespace}.acl"
    assert answered["content"]["@odata.type"] == f"{namespace}.externalItemContent"
    assert answered["properties"] == WHOLE["properties"]  # the caller's own
    assert graph.get(answered["@odata.id"].removeprefix(SERVER)).status_code == 200
    [listed] = graph.get(f"{way_in}/items", **full).json()["value"]
    assert listed == {name: value for name, value in answered.items() if name != "@odata.context"}


# The list ----------------------------------------------------------------------------------------


def test_no_items(graph):
    assert graph.get(ITEMS).json() == {"@odata.context": CONTEXT, "value": []}
    assert graph.get(f"{ITEMS}/$count").content == b"0"


def test_the_list_has_whole_items_in_the_order_in_which_they_came(several):
    put(several, PATH, WHOLE)  # again: it stays where it is
    answered = several.get(ITEMS).json()
    assert [row["id"] for row in answered["value"]] == ["c", "a", "B", "b", "ä"]
    assert untagged(answered["value"][1]) == {"id": "a", **WHOLE}
    alone = several.get(PATH).json()
    assert {"@odata.context": f"{CONTEXT}/$entity", **answered["value"][1]} == alone


def test_a_list_has_the_items_of_its_connection_alone(several):
    make_ready("second", owner=several.application)
    put(several, "/v1.0/connections/second/items/z", item())
    assert ids_of(several.get("/v1.0/connections/second/items")) == ["z"]
    assert several.get("/v1.0/connections/second/items/$count").content == b"1"
    assert len(ids_of(several.get(ITEMS))) == 5


@pytest.mark.parametrize(
    "condition, ids",
    [
        ("id eq 'a'", ["a"]),
        ("id ne 'a'", ["c", "B", "b", "ä"]),
        ("id in ('a','b','z')", ["a", "b"]),
        ("startswith(id,'a') or id eq 'c'", ["c", "a"]),
        ("not (id eq 'b')", ["c", "a", "B", "ä"]),
        ("id gt 'a'", ["c", "b", "ä"]),
        ("id eq 'z'", []),
        ("id eq 'ä'", ["ä"]),
        ("contains(id,'')", ["c", "a", "B", "b", "ä"]),
    ],
)
def test_filter_by_id(several, condition, ids):
    response = several.get(f"{ITEMS}?$count=true&$filter={quote(condition)}")
    assert ids_of(response) == ids
    assert response.json()["@odata.count"] == len(ids)
    counted = several.get(f"{ITEMS}/$count?$filter={quote(condition)}")
    assert counted.content == str(len(ids)).encode()


@pytest.mark.parametrize(
    "condition",
    ["title eq 'a'", "properties/title eq 'a'", "acl/any(a:a/type eq 'user')", "id eq 1", "id", ""],
)
def test_filter_by_nothing_else(several, condition):
    for path in (ITEMS, f"{ITEMS}/$count"):
        response = several.get(f"{path}?$filter={quote(condition)}")
        assert_refused(response, 400, "BadRequest", target="$filter")


def test_a_filter_with_a_text_that_no_id_can_have(several):
    for text in ("%00", "a%00"):
        response = several.get(f"{ITEMS}?$filter=id%20eq%20'{text}'")
        assert_refused(response, 400, "BadRequest", target="$filter")


@pytest.mark.parametrize(
    "order, ids",
    [
        ("id", ["B", "a", "b", "c", "ä"]),
        ("id asc", ["B", "a", "b", "c", "ä"]),
        ("id desc", ["ä", "c", "b", "a", "B"]),
    ],
)
def test_orderby_goes_by_code_point(several, order, ids):
    assert ids_of(several.get(f"{ITEMS}?$orderby={quote(order)}")) == ids
    found, path = [], f"{ITEMS}?$top=2&$orderby={quote(order)}"
    while path:
        answered = several.get(path).json()
        found += [row["id"] for row in answered["value"]]
        path = answered.get("@odata.nextLink", "").removeprefix(SERVER)
    assert found == ids


def test_orderby_of_nothing_else(several):
    for name in ("title", "properties", "content"):
        assert_refused(several.get(f"{ITEMS}?$orderby={name}"), 400, "BadRequest")


def test_skip_and_top(several):
    assert ids_of(several.get(f"{ITEMS}?$skip=1&$top=2")) == ["a", "B"]
    assert ids_of(several.get(f"{ITEMS}?$skip=9")) == []


def test_pages_have_every_row_once_whatever_comes_and_goes_meanwhile(several):
    first = several.get(f"{ITEMS}?$top=2&$select=id&$count=true").json()
    assert first["@odata.count"] == 5
    link = first["@odata.nextLink"]
    assert link.startswith(f"{SERVER}{ITEMS}?$top=2&$select=id&$count=true&$skiptoken=")
    several.delete(f"{ITEMS}/c")
    put(several, f"{ITEMS}/new", item())
    second = several.get(link.removeprefix(SERVER)).json()
    assert [untagged(row) for row in second["value"]] == [{"id": "B"}, {"id": "b"}]
    third = several.get(second["@odata.nextLink"].removeprefix(SERVER)).json()
    assert [row["id"] for row in third["value"]] == ["ä", "new"]
    assert "@odata.nextLink" not in third


def test_a_preferred_page_size(several):
    response = several.get(ITEMS, Prefer="odata.maxpagesize=3")
    assert ids_of(response) == ["c", "a", "B"]
    assert response["Preference-Applied"] == "odata.maxpagesize=3"


def test_large_items_end_a_page_early_and_every_row_comes_once(graph, monkeypatch):
    monkeypatch.setattr(items, "MOST_BYTES", 40_000)
    sizes = [15_000, 15_000, 15_000, 90_000, 1, 39_000, 41_000, 41_000, 5, 5]
    for number, size in enumerate(sizes):
        content = {"type": "text", "value": "a" * size}
        put(graph, f"{ITEMS}/{number}", item(content=content))
    pages, path = [], f"{ITEMS}?$top=5"
    while path:
        response = graph.get(path)
        page = ids_of(response)
        assert page, "an empty page ends what clients read"
        total = sum(sizes[int(graph_id)] for graph_id in page)
        assert len(page) == 1 or total <= 40_000
        pages.append(page)
        path = response.json().get("@odata.nextLink", "").removeprefix(SERVER)
    assert pages == [["0", "1"], ["2"], ["3"], ["4", "5"], ["6"], ["7"], ["8", "9"]]


def test_a_page_holds_no_more_than_four_million_bytes_but_for_its_first_item(graph):
    assert items.MOST_BYTES == 4_000_000
    content = {"type": "text", "value": "a" * 1_500_000}
    for graph_id in "abcd":
        put(graph, f"{ITEMS}/{graph_id}", item(content=content))
    first = graph.get(ITEMS)
    assert ids_of(first) == ["a", "b"]
    rest = graph.get(first.json()["@odata.nextLink"].removeprefix(SERVER))
    assert ids_of(rest) == ["c", "d"]
    assert "@odata.nextLink" not in rest.json()


def test_a_page_costs_as_many_queries_as_one_of_one(several, django_assert_num_queries):
    graph = GraphClient(several.application)
    graph.get(ITEMS)
    for path in (f"{ITEMS}?$top=1", ITEMS):
        with django_assert_num_queries(3):  # the connection, which rows, the rows
            assert graph.get(path).status_code == 200
    with django_assert_num_queries(2):  # the connection; the counted number
        assert graph.get(f"{ITEMS}/$count").content == b"5"


def test_the_count(several):
    response = several.get(f"{ITEMS}/$count", Accept="text/plain;q=0.9")
    assert (response.status_code, response.content) == (200, b"5")
    assert response["Content-Type"].startswith("text/plain")
    several.delete(PATH)
    assert several.get(f"{ITEMS}/$count").content == b"4"
    assert several.get(f"{ITEMS}?$count=true&$top=1").json()["@odata.count"] == 4
    assert_refused(several.get(f"{ITEMS}/$count?$top=1"), 400, "BadRequest", target="$top")
    response = several.delete(f"{ITEMS}/$count")
    assert_refused(response, 405, "Request_BadRequest")


def test_by_all_ways_in(several):
    for root in ("v1.0", "beta"):
        for path in ("external/connections", "connections", "External/Connections"):
            way_in = f"/{root}/{path}/contosohr/items"
            assert len(ids_of(several.get(way_in))) == 5
            assert several.get(f"{way_in}/a").json()["id"] == "a"


def test_the_context_is_the_same_by_all_ways_in(several):
    assert several.get("/beta/connections/CONTOSOHR/items").json()["@odata.context"] == (
        f"{SERVER}/beta/$metadata#external/connections('contosohr')/items"
    )


# Deleting ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("root", [HERE, BETA, "/v1.0/connections/contosohr"])
def test_a_deleted_item_is_gone_with_its_activities(several, root):
    by = {"id": "u", "type": "user"}
    activity = {"type": "viewed", "startDateTime": "2024-05-31T08:30:00Z", "performedBy": by}
    several.post(f"{PATH}/addActivities", {"activities": [activity]})
    assert ExternalActivity.objects.count() == 1
    response = several.delete(f"{root}/items/a")
    assert (response.status_code, response.content) == (204, b"")
    assert "Content-Type" not in response
    assert_refused(several.get(PATH), 404, "ItemNotFound")
    assert not ExternalActivity.objects.exists()
    assert (ExternalItem.objects.count(), tallied()) == (4, 4)
    error = assert_refused(several.delete(PATH), 404, "ItemNotFound")
    assert error["innerError"]["source"] == "ExternalItem"
    assert tallied() == 4


def test_delete_with_if_match(graph):
    tag = put(graph, PATH, WHOLE)["@odata.etag"]
    put(graph, PATH, WHOLE)
    assert_refused(graph.delete(PATH, If_Match=tag), 412, "PreconditionFailed")
    assert tallied() == 1
    assert graph.delete(PATH, If_Match="*").status_code == 204
    assert_refused(graph.delete(PATH, If_Match="*"), 404, "ItemNotFound")


def test_a_body_of_a_delete_is_ignored(graph):
    put(graph, PATH, WHOLE)
    assert graph.request("DELETE", PATH, "{no json").status_code == 204


def test_in_a_batch(several):
    parts = [
        {"id": "1", "method": "GET", "url": "/connections/contosohr/items/a"},
        {"id": "2", "method": "GET", "url": "/connections/contosohr/items?$top=1"},
        {"id": "3", "method": "DELETE", "url": "/connections/contosohr/items/a"},
        {"id": "4", "method": "GET", "url": "/connections/contosohr/items/a"},
        {"id": "5", "method": "GET", "url": "/connections/contosohr/items/$count"},
    ]
    answered = json.loads(several.post("/v1.0/$batch", {"requests": parts}).content)["responses"]
    assert [part["status"] for part in answered] == [200, 200, 204, 404, 200]
    assert answered[0]["body"]["properties"] == {"title": "a"}
    assert answered[1]["body"]["@odata.nextLink"].startswith(f"{SERVER}/v1.0/connections/contosohr")


def test_an_authorized_application_reads_it_as_the_owner_does(graph):
    put(graph, PATH, WHOLE)
    other = make_application(OWNED, ITEMS_OWNED)
    graph.patch(HERE, {"configuration": {"authorizedAppIds": [str(other.app_id)]}})
    assert GraphClient(other).get(PATH).json() == graph.get(PATH).json()
