"""Bad input at scale: thousands of mangled paths, options, headers and bodies to every route.

Whatever comes, the answer is below 500; a refusal has Graph's envelope; and what is stored in the
end still keeps every rule. The requests are the same each time; ``MANGLED_REQUESTS=20000`` sends
that many others.
"""

from __future__ import annotations

import copy
import json
import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from operations.api.reading import read_connection_update, read_new_operation
from operations.api.representation import Root, connection_json
from operations.models import Change, ConnectionOperation, ExternalConnection, Replay, Schema
from operations.schema_rules import read_schema
from tests.factories import a_property, a_schema, make_connection, register_schema, report, work_off
from tests.graph import GraphClient, assert_refused

REQUESTS = int(os.environ.get("MANGLED_REQUESTS", 0))
CODES = {
    400: {"InvalidRequest", "BadRequest"},
    401: {"InvalidAuthenticationToken"},
    403: {"Forbidden"},
    404: {"ItemNotFound", "ResourceNotFound", "NotSupported"},
    405: {"Request_BadRequest"},
    409: {"Conflict"},
    412: {"PreconditionFailed"},
    413: {"RequestEntityTooLarge"},
    424: {"FailedDependency"},
    429: {"TooManyRequests"},
}

texts = some.text(max_size=40) | some.sampled_from(
    ["", " ", "'", "''", "\x00", "\ud800", "a" * 5000, "½", "‮abc", "<script>", "%2e", "..", "null"]
)
numbers = some.integers() | some.floats() | some.sampled_from([2**31, 2**63, -1, 0, 1e400])
scalars = some.none() | some.booleans() | numbers | texts
documents = some.recursive(
    scalars,
    lambda inner: some.lists(inner, max_size=4) | some.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)

CONNECTION = {
    "id": "mangled",
    "name": "Mangled",
    "description": "d",
    "configuration": {"authorizedAppIds": ["3ed1595a-4bae-43c2-acda-ef973e581323"]},
    "activitySettings": {
        "urlToItemResolvers": [
            {
                "@odata.type": "#microsoft.graph.externalConnectors.itemIdResolver",
                "priority": 1,
                "itemId": "{id}",
                "urlMatchInfo": {"baseUrls": ["https://a.example"], "urlPattern": "/(?<id>[0-9]+)"},
            }
        ]
    },
    "searchSettings": {
        "searchResultTemplates": [
            {
                "id": "one",
                "priority": 1,
                "layout": {"type": "AdaptiveCard", "version": "1.3", "body": []},
                "rules": [
                    {
                        "property": "title",
                        "operation": "equals",
                        "values": ["a"],
                        "valuesJoinedBy": "or",
                    }
                ],
            }
        ]
    },
    "contentCategory": "wikis",
    "connectorId": "c",
    "state": "ready",
    "enabledContentExperiences": "search, compliance",
}
OPERATION = {
    "id": "mangled",
    "status": "failed",
    "error": {
        "code": "c",
        "message": "m",
        "target": "t",
        "details": [{"code": "d", "message": "e", "target": "f"}],
        "innerError": {"code": "i", "date": "2026-01-01T00:00:00", "more": [1, {"a": None}]},
    },
}
SCHEMA = a_schema(
    a_property("title", isSearchable=True, isRetrievable=True, labels=["title"], aliases=["t"]),
    {
        "name": "due",
        "type": "dateTime",
        "labels": ["dueDate"],
        "isRetrievable": True,
        "isRefinable": True,
        "description": "d",
        "rankingHint": {"importanceScore": "low"},
    },
)
BATCH = {
    "requests": [
        {"id": "1", "method": "GET", "url": "/connections/kept", "headers": {"Accept": "*/*"}},
        {
            "id": "2",
            "method": "PATCH",
            "url": "/external/connections/kept/operations/kept",
            "dependsOn": ["1"],
            "body": {"status": "inprogress"},
        },
    ]
}
#: Path, the methods it has, and a body that would do.
ROUTES = [
    ("/connections", "GET POST", CONNECTION),
    ("/connections/$count", "GET", CONNECTION),
    ("/connections/{}", "GET PATCH DELETE", CONNECTION),
    ("/connections/{}/schema", "GET PATCH POST", SCHEMA),
    ("/connections/{}/operations", "GET POST", OPERATION),
    ("/connections/{}/operations/$count", "GET", OPERATION),
    ("/connections/{}/operations/{}", "GET PATCH DELETE", OPERATION),
    ("/$batch", "POST", BATCH),
    ("/$metadata", "GET", {}),
    ("/connections/{}/items/{}", "GET PUT", {"acl": [], "properties": {}}),
    ("/connections/{}/{}", "GET POST", {}),
    ("/{}", "GET", {}),
    ("", "GET", {}),
]
METHODS = "GET POST PATCH PUT DELETE HEAD".split()


def mostly(usual, odd):
    """Nine times out of ten the usual, so that requests come past the door."""
    return some.integers(0, 9).flatmap(lambda number: odd if number == 9 else usual)


@some.composite
def mangled(draw, document):
    """A document with up to three places replaced, removed or added."""
    result = copy.deepcopy(document)
    for _ in range(draw(some.integers(0, 3))):
        place = result
        while True:
            keys = list(place) if isinstance(place, dict) else list(range(len(place)))
            if not keys:
                break
            key = draw(some.sampled_from(keys))
            inside = place[key]
            if isinstance(inside, dict | list) and inside and draw(some.booleans()):
                place = inside
                continue
            what = draw(some.sampled_from(["replace", "remove", "add", "case"]))
            if what == "remove":
                del place[key]
            elif what == "add" and isinstance(place, dict):
                place[draw(texts)] = draw(documents)
            elif what == "case" and isinstance(inside, str):
                place[key] = inside.upper()
            else:
                place[key] = draw(documents)
            break
    return result


keys = mostly(
    some.sampled_from(["kept", "kept", "KEPT", "draft", "other", "over", "('kept')"]),
    some.just("nosuch") | texts,
)
options = (
    some.sampled_from(
        "$filter filter $orderby $select $top $skip $count $expand $search $format $skiptoken "
        "$apply $compute top count x".split()
    )
    | texts
)
option_values = texts | some.sampled_from(
    [
        "status eq 'failed'",
        "not (id eq 'a' or error/code ne null) and status in ('failed','completed')",
        "contains(name,'a')",
        "state eq ready",
        "id desc,status",
        "id,status",
        "operations,schema",
        "operations($top=1;$filter=status eq failed)",
        "true",
        "-1",
        "7",
        "WzFd",
        "((((((((((((((((((((((((((((((",
        "status eq 1e999",
        "name eq 'it''s'",
        "error/innerError/x eq 1",
        "connection/owner_app_id ne null",
        "a__b eq 1",
    ]
)
headers = some.dictionaries(
    some.sampled_from(
        "Accept Content-Type Prefer If-Match If-None-Match client-request-id Retry-Attempt "
        "OData-Version OData-MaxVersion ConsistencyLevel X-Forwarded-Proto Range".split()
    ),
    some.text(some.characters(min_codepoint=32, max_codepoint=126), max_size=30)
    | some.sampled_from(
        [
            "*",
            'W/"1-1-1"',
            "return=minimal",
            "return=representation",
            "odata.maxpagesize=1",
            'odata.include-annotations="*"',
            "include-unknown-enum-members",
            "application/json;odata.metadata=full;IEEE754Compatible=true",
            "application/json;odata.metadata=none",
            "multipart/form-data; boundary=x",
            "1",
        ]
    ),
    max_size=3,
)


@some.composite
def requests(draw):
    path, methods, document = draw(
        mostly(some.sampled_from(ROUTES[:8]), some.sampled_from(ROUTES[8:]))
    )
    method = draw(mostly(some.sampled_from(methods.split()), some.sampled_from(METHODS)))
    root = "" if path == "/$batch" else draw(some.sampled_from(["", "/external", "//External/"]))
    for _ in range(path.count("{}")):
        path = path.replace("{}", _in_path(draw(keys)), 1)
    how_many = some.integers(0, 2) if method == "GET" else mostly(some.just(0), some.just(1))
    query = "&".join(
        f"{_in_query(draw(options))}={_in_query(draw(option_values))}"
        for _ in range(draw(how_many))
    )
    body = None
    if method not in ("GET", "HEAD"):
        body = draw(mostly(mangled(document), some.binary() | documents))
        if isinstance(body, dict) and "id" in body and draw(some.booleans()):
            body["id"] = draw(some.sampled_from(["new", "other", "further"]))
        if not isinstance(body, bytes):
            body = json.dumps(body).encode("utf-8", "surrogatepass")
    address = f"{draw(some.sampled_from(['/v1.0', '/beta', '/V1.0/']))}{root}{path}"
    return method, f"{address}?{query}" if query else address, body, draw(headers)


def _in_path(text: str) -> str:
    return _quoted(text).replace("/", "%2F").replace("?", "%3F").replace("#", "%23")


def _in_query(text: str) -> str:
    return _quoted(text).replace("&", "%26").replace("#", "%23")


def _quoted(text: str) -> str:
    return "".join(
        char
        if 32 < ord(char) < 127
        else "".join(f"%{b:02X}" for b in char.encode("utf8", "replace"))
        for char in text
    )


def restock(application) -> None:
    """Something to hit: a connection with a schema and operations, and a draft."""
    there = set(ExternalConnection.objects.values_list("lookup_id", flat=True))
    if "kept" not in there:
        kept = make_connection("kept", owner=application, name="Kept")
        register_schema(kept)
        report(kept, graph_id="kept")
        report(kept, graph_id="over", status="failed", error={"message": "m"})
    for draft in {"draft", "other"} - there:
        make_connection(draft, owner=application)


def test_thousands_of_mangled_requests(application):
    graph = GraphClient(application)
    restock(application)
    answered: dict[int, int] = {}

    @settings(
        max_examples=REQUESTS or 2000,
        derandomize=not REQUESTS,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(requests())
    def send(request):
        method, path, body, extra = request
        response = graph.request(method, path, body, **extra)
        status = response.status_code
        answered[status] = answered.get(status, 0) + 1
        assert status < 500, (request, response.content)
        if method == "DELETE" and status == 202:
            restock(application)
        assert response["request-id"] and response["OData-Version"] == "4.0"
        if status < 400:
            assert status in (200, 201, 202, 204, 304), request
            if response.content and response["Content-Type"].startswith("application/json"):
                _check_batch(response)
        elif method == "HEAD":
            assert not response.content
        else:
            assert_refused(response, status, _code(response, status))

    send()
    work_off()
    # it was no test if everything was refused at the door, or nothing was
    assert {200, 201, 202, 204, 400, 404, 405, 409} <= set(answered), answered
    _check_what_is_stored()


def _code(response, status: int) -> str:
    code = json.loads(response.content)["error"]["code"]
    assert code in CODES[status], (status, code)
    return code


def _check_batch(response) -> None:
    for part in json.loads(response.content).get("responses", ()):
        assert part["status"] < 500, part
        if part["status"] >= 400:
            assert part["body"]["error"]["code"] in CODES[part["status"]]


def _check_what_is_stored() -> None:
    """Every row by its own rules, and every document by the rules that let it in."""
    root = Root("http://testserver", "beta", True)
    for connection in ExternalConnection.objects.all():
        connection.full_clean()
        read_connection_update(connection_json(connection, root), beta=True)
    for operation in ConnectionOperation.objects.all():
        operation.full_clean()
        if operation.error:
            read_new_operation({"status": "failed", "error": operation.error})
        if operation.payload:
            assert read_schema(operation.payload, beta=True)[1] == []
    for schema in Schema.objects.all():
        assert read_schema(schema.document, beta=True)[1] == []
    for replay in Replay.objects.all():
        assert replay.status < 400
    assert Change.objects.count() >= ExternalConnection.objects.count()


@pytest.mark.parametrize(
    "authorization",
    ["", "Bearer", "Bearer ", "Bearer a.b.c", "Basic YTpi", "bearer \x7f", "Bearer " + "a" * 5000],
)
@pytest.mark.parametrize(
    "path", [path.replace("{}", "kept") for path, *_ in ROUTES if path not in ("", "/$metadata")]
)
def test_no_route_without_a_good_token(db, path, authorization):
    for method in ("GET", "POST", "PATCH", "DELETE"):
        response = GraphClient().request(method, f"/v1.0{path}", {}, Authorization=authorization)
        assert_refused(response, 401, "InvalidAuthenticationToken")
        assert response["WWW-Authenticate"].startswith("Bearer ")
