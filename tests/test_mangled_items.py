"""Bad input to items and activities at scale, as ``test_mangled_requests`` has it for the rest.

Whatever comes, the answer is below 500, a refusal has Graph's envelope, what was taken comes back,
and the counts are right in the end. ``MANGLED_REQUESTS=20000`` sends that many others.
"""

from __future__ import annotations

import json
from urllib.parse import quote

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from operations.item_rules import Shape, item_id_fault, read_item
from operations.models import ExternalActivity, ExternalItem, Schema
from tests.graph import assert_refused
from tests.item_bodies import EVERYONE, holding
from tests.ready import put, ready, tallied
from tests.test_mangled_requests import (
    CODES,
    REQUESTS,
    documents,
    headers,
    mangled,
    mostly,
    option_values,
    options,
    texts,
)

KEPT = {
    "@odata.type": "#microsoft.graph.externalConnectors.externalItem",
    "id": "kept",
    "acl": [EVERYONE, {"accessType": "deny", "type": "externalGroup", "value": "g"}],
    "properties": {
        "@odata.type": "x",
        "title": "A",
        "size": 1,
        "score": 0.5,
        "due": "2024-05-31T08:30:00Z",
        "open": True,
        **holding("tags", ["a", "b"]),
        **holding("dates", ["2024-05-31T08:30:00Z"]),
        "owner": {"upn": "u", "email": None},
        **holding("people", [{"upn": "u"}]),
    },
    "content": {"type": "text", "value": "a"},
    "informationProtectionLabel": {"sensitivityLabelId": "s"},
    "activities": [],
}
ACTIVITIES = {
    "activities": [
        {
            "id": "1",
            "type": "viewed",
            "startDateTime": "2024-05-31T08:30:00Z",
            "performedBy": {"id": "u", "type": "user"},
        },
        {
            "type": "commented",
            "startDateTime": "0001-01-01T00:00:00-01:00",
            "performedBy": {"id": "g", "type": "externalGroup"},
        },
    ]
}
ACTION = "microsoft.graph.externalConnectors.addActivities"
#: Path below the connection, the methods it has, and a body that would do.
ROUTES = [
    ("/items/{}", "GET PUT PUT PATCH DELETE", KEPT),
    ("/items", "GET POST", KEPT),
    ("/items/$count", "GET", None),
    ("/items/{}/addActivities", "POST", ACTIVITIES),
    (f"/items/{{}}/{ACTION}", "POST", ACTIVITIES),
    ("/items/{}/activities", "GET", None),
    ("/quota", "GET", None),
]
METHODS = "GET POST PATCH PUT DELETE HEAD".split()
ids = mostly(some.sampled_from(["kept", "kept", "other", "a/b", "$count", "('x')", "%"]), texts)


@some.composite
def requests(draw):
    path, methods, document = draw(some.sampled_from(ROUTES))
    method = draw(mostly(some.sampled_from(methods.split()), some.sampled_from(METHODS)))
    graph_id = draw(ids)
    key = _quoted(graph_id)
    if draw(some.booleans()) and "/{}" in path:
        path = path.replace("/{}", "('{}')")
        key = _quoted(graph_id.replace("'", "''"))
    path = path.replace("{}", key)
    how_many = some.integers(0, 2) if method == "GET" else mostly(some.just(0), some.just(1))
    query = "&".join(
        f"{_quoted(draw(options))}={_quoted(draw(option_values))}" for _ in range(draw(how_many))
    )
    body = None
    if method not in ("GET", "HEAD", "DELETE"):
        body = draw(mostly(mangled(document or KEPT), some.binary() | documents))
        if isinstance(body, dict) and body.get("id") == "kept":
            body["id"] = graph_id if draw(some.booleans()) else draw(ids)
        if not isinstance(body, bytes):
            body = json.dumps(body).encode("utf-8", "surrogatepass")
    connection = draw(mostly(some.just("contosohr"), some.sampled_from(["draft", "nosuch"])))
    root = draw(some.sampled_from(["/v1.0", "/beta", "/V1.0//External", "/beta/external"]))
    address = f"{root}/connections/{connection}{path}"
    return method, f"{address}?{query}" if query else address, body, draw(headers)


def _quoted(text: str) -> str:
    return quote(text.encode("utf-8", "surrogatepass"), safe="$")


def test_thousands_of_mangled_requests(db):
    graph = ready()
    graph.post("/v1.0/connections", {"id": "draft", "name": "Draft"})
    answered: dict[int, int] = {}

    @settings(
        max_examples=REQUESTS or 1500,
        derandomize=not REQUESTS,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(requests())
    def send(request):
        if not ExternalItem.objects.filter(graph_id="kept").exists():
            put(graph, "/beta/connections/contosohr/items/kept", KEPT)
        method, path, body, extra = request
        response = graph.request(method, path, body, **extra)
        status = response.status_code
        answered[status] = answered.get(status, 0) + 1
        assert status < 500, (request, response.content)
        assert response["request-id"] and response["OData-Version"] == "4.0"
        if status < 400:
            assert status in (200, 201, 204, 207, 304), request
        elif method == "HEAD":
            assert not response.content
        else:
            error = assert_refused(response, status, json.loads(response.content)["error"]["code"])
            assert error["code"] in CODES[status]

    send()
    # it was no test if everything was refused at the door, or nothing was
    assert {200, 201, 204, 207, 400, 404, 405, 409} <= set(answered), answered
    shape = Shape.of(Schema.objects.get().document)
    for item in ExternalItem.objects.all():
        assert item_id_fault(item.graph_id) is None
        # an empty list is one that nobody sees; forms would have it filled
        item.full_clean()
        assert read_item(item.graph(), shape, graph_id=item.graph_id, beta=True)[1] == []
    for activity in ExternalActivity.objects.all():
        activity.full_clean()
    assert tallied() == ExternalItem.objects.count() > 1
