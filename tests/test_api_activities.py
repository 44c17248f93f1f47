"""``POST …/addActivities``: up to 20, each with its result, 207 when some were refused."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from operations.models import ActivityType, ExternalActivity, IdentityType, Replay
from tests.factories import make_application
from tests.graph import ITEMS_OWNED, ITEMS_READ_ALL, OWNED, GraphClient, assert_refused
from tests.item_bodies import item
from tests.ready import BETA, HERE, ITEMS, SERVER, put, ready

ACTIONS = ("addActivities", "microsoft.graph.externalConnectors.addActivities")
WAYS_IN = [
    f"/{root}/{path}/contosohr/items"
    for root in ("v1.0", "beta")
    for path in ("external/connections", "connections")
]
ADD = f"{ITEMS}/a/addActivities"
RESULT = "#microsoft.graph.externalConnectors.externalActivityResult"
MEGAN = {"id": "1f0c1a2b-0001-4a0c-9b0a-2f3f0f2f1c11", "type": "user"}
VIEWED = {"type": "viewed", "startDateTime": "2024-05-31T08:30:00Z", "performedBy": MEGAN}


@pytest.fixture
def graph(db):
    graph = ready()
    put(graph, f"{ITEMS}/a", item())
    return graph


def result(activity, error=None):
    shown = {name: activity.get(name) for name in ("startDateTime", "type", "performedBy")}
    return {"@odata.type": RESULT, **shown, "error": error}


def add(graph, *activities, path=ADD, status=200):
    response = graph.post(path, {"activities": list(activities)})
    assert response.status_code == status, response.content
    return json.loads(response.content)


@pytest.mark.parametrize("action", [*ACTIONS, "ADDACTIVITIES"])
@pytest.mark.parametrize("way_in", WAYS_IN)
def test_by_both_names_and_all_ways_in(graph, way_in, action):
    response = graph.post(f"{way_in}/a/{action}", {"activities": [VIEWED]})
    assert response.status_code == 200
    root = way_in.split("/")[1]
    assert response.json() == {
        "@odata.context": f"{SERVER}/{root}/$metadata#Collection({RESULT[1:]})",
        "value": [result(VIEWED)],
    }
    kept = ExternalActivity.objects.get()
    assert (kept.item.graph_id, kept.kind, kept.started_at) == (
        "a",
        ActivityType.VIEWED,
        datetime(2024, 5, 31, 8, 30, tzinfo=UTC),
    )
    assert (kept.performed_by, kept.performed_by_kind) == (MEGAN["id"], IdentityType.USER)


def test_the_published_example(graph):
    sent = [
        {
            "@odata.type": "#microsoft.graph.externalConnectors.externalActivity",
            "type": "created",
            "startDateTime": "2021-04-06T18:04:31.033Z",
            "performedBy": {
                "@odata.type": "microsoft.graph.externalConnectors.identity",
                "type": "user",
                "id": "1f0c997e-99f7-43f1-8cca-086f8d42be8d",
            },
        }
    ]
    [answered] = add(graph, *sent)["value"]
    assert answered == {
        "@odata.type": RESULT,
        "startDateTime": "2021-04-06T18:04:31.033Z",
        "type": "created",
        "performedBy": {"id": "1f0c997e-99f7-43f1-8cca-086f8d42be8d", "type": "user"},
        "error": None,
    }


@pytest.mark.parametrize("kind", ["viewed", "modified", "created", "commented", "Viewed"])
@pytest.mark.parametrize("performer", ["user", "group", "externalGroup"])
def test_all_kinds_and_performers(graph, kind, performer):
    activity = {**VIEWED, "type": kind, "performedBy": {"id": "x", "type": performer}}
    [answered] = add(graph, activity)["value"]
    assert (answered["type"], answered["performedBy"]["type"]) == (kind.lower(), performer)
    kept = ExternalActivity.objects.get()
    assert ActivityType(kept.kind).word == kind.lower()
    assert IdentityType(kept.performed_by_kind).word == performer


def test_twenty_but_no_more(graph):
    many = [{**VIEWED, "performedBy": {"id": f"{n}", "type": "user"}} for n in range(21)]
    answered = add(graph, *many[:20])["value"]
    assert [each["performedBy"]["id"] for each in answered] == [f"{n}" for n in range(20)]
    kept = ExternalActivity.objects.order_by("pk").values_list("performed_by", flat=True)
    assert list(kept) == [f"{n}" for n in range(20)]
    response = graph.post(ADD, {"activities": many})
    assert_refused(
        response,
        400,
        "InvalidRequest",
        target="activities",
        says="must be a collection of 1 to 20 activities",
    )
    assert ExternalActivity.objects.count() == 20


@pytest.mark.parametrize(
    "body, target, says",
    [
        ({}, "activities", "Property 'activities' is required."),
        ({"activities": None}, "activities", "is required"),
        ({"activities": []}, "activities", "must be a collection of 1 to 20 activities"),
        ({"activities": {}}, "activities", "must be a collection of 1 to 20 activities"),
        ({"activities": "viewed"}, "activities", "must be a collection of 1 to 20 activities"),
        ({"activities": [VIEWED], "x": 1}, "x", "Property 'x' is not declared by the type."),
        ({"activity": [VIEWED]}, "activity", "Did you mean 'activities'?"),
    ],
)
def test_what_is_wrong_with_the_whole_body(graph, body, target, says):
    response = graph.post(ADD, body)
    assert_refused(response, 400, "InvalidRequest", target=target, says=says)
    assert not ExternalActivity.objects.exists()


def test_control_information_around_them(graph):
    body = {"@odata.context": "x", "activities@odata.type": "y", "activities": [VIEWED]}
    assert graph.post(ADD, body).status_code == 200


BAD = [
    (None, "activities/1", "must be an object, not null"),
    ("viewed", "activities/1", "must be an object, not a string"),
    ({**VIEWED, "type": "liked"}, "activities/1/type", "must be one of viewed, modified, created"),
    ({**VIEWED, "type": "unknownFutureValue"}, "activities/1/type", "must not be 'unknownFutureV"),
    ({**VIEWED, "type": None}, "activities/1/type", "is required"),
    ({**VIEWED, "performedBy": None}, "activities/1/performedBy", "is required"),
    ({**VIEWED, "performedBy": "u"}, "activities/1/performedBy", "must be an object"),
    ({**VIEWED, "performedBy": {"id": "u"}}, "activities/1/performedBy/type", "is required"),
    (
        {**VIEWED, "performedBy": {"id": "a" * 129, "type": "user"}},
        "activities/1/performedBy/id",
        "must be at most 128 characters, not 129",
    ),
    ({**VIEWED, "startDateTime": None}, "activities/1/startDateTime", "is required"),
    ({**VIEWED, "startDateTime": 1}, "activities/1/startDateTime", "must be a date and time such"),
    ({**VIEWED, "startDateTime": "2024-05-31"}, "activities/1/startDateTime", "without a time"),
    ({**VIEWED, "startDateTime": "2024-02-30T00:00:00Z"}, "activities/1/startDateTime", "exist"),
    (
        {**VIEWED, "startDateTime": "0001-01-01T00:00:00+01:00"},
        "activities/1/startDateTime",
        "must be in the years 1 to 9999 in UTC as well",
    ),
    (
        {**VIEWED, "startDateTime": "9999-12-31T23:59:59.999-00:01"},
        "activities/1/startDateTime",
        "must be in the years 1 to 9999 in UTC as well",
    ),
    ({**VIEWED, "likes": 1}, "activities/1/likes", "is not declared by the type"),
]


@pytest.mark.parametrize("bad, target, says", BAD)
def test_the_others_are_kept_and_the_answer_is_207(graph, bad, target, says):
    answered = add(graph, VIEWED, bad, VIEWED, status=207)["value"]
    assert answered[0] == answered[2] == result(VIEWED)
    error = answered[1]["error"]
    assert error["code"] == "InvalidRequest"
    assert says in error["message"]
    assert error["target"] == target
    assert [each["target"] for each in error["details"]] == [target]
    assert ExternalActivity.objects.count() == 2


def test_every_fault_of_an_activity_at_once(graph):
    bad = {"startDateTime": "now", "type": "liked", "performedBy": {}, "x": 1}
    [answered] = add(graph, bad, status=207)["value"]
    assert [each["target"] for each in answered["error"]["details"]] == [
        "activities/0/x",
        "activities/0/startDateTime",
        "activities/0/type",
        "activities/0/performedBy/id",
        "activities/0/performedBy/type",
    ]
    assert not ExternalActivity.objects.exists()


@pytest.mark.parametrize(
    "text, moment",
    [
        ("2024-05-31T08:30Z", datetime(2024, 5, 31, 8, 30, tzinfo=UTC)),
        ("2024-05-31t08:30:00z", datetime(2024, 5, 31, 8, 30, tzinfo=UTC)),
        ("2024-05-31T08:30:00.5-02:00", datetime(2024, 5, 31, 10, 30, 0, 500000, UTC)),
        ("2024-05-31T08:30:00.123456789012Z", datetime(2024, 5, 31, 8, 30, 0, 123456, UTC)),
        ("0001-01-01T00:00:00Z", datetime(1, 1, 1, tzinfo=UTC)),
        ("0001-01-01T00:00:00-23:59", datetime(1, 1, 1, 23, 59, tzinfo=UTC)),
        ("9999-12-31T23:59:59.999999Z", datetime(9999, 12, 31, 23, 59, 59, 999999, UTC)),
    ],
)
def test_a_moment_as_it_may_be_written(graph, text, moment):
    [answered] = add(graph, {**VIEWED, "startDateTime": text})["value"]
    assert answered["startDateTime"] == text
    assert ExternalActivity.objects.get().started_at == moment


def test_an_item_that_is_not_there(graph):
    for path in (f"{ITEMS}/b/addActivities", f"{ITEMS}/%00/addActivities"):
        error = assert_refused(graph.post(path, {"activities": [VIEWED]}), 404, "ItemNotFound")
        assert error["innerError"]["source"] == "ExternalItem"
    assert_refused(graph.get(f"{ITEMS}/b/activities"), 404, "ItemNotFound")


def test_the_same_request_again_adds_nothing(graph):
    body = {"activities": [VIEWED, {}]}
    first = graph.post(ADD, body, client_request_id="same")
    again = graph.post(ADD, body, client_request_id="same")
    assert (first.status_code, again.status_code) == (207, 207)
    assert again.content == first.content
    assert again["Idempotent-Replayed"] == "true"
    assert ExternalActivity.objects.count() == 1
    assert Replay.objects.get().content_kind == "item"
    graph.post(ADD, body, client_request_id="another")
    assert ExternalActivity.objects.count() == 2


def test_twice_without_an_id_of_the_request_is_two_activities(graph):
    add(graph, VIEWED)
    add(graph, VIEWED)
    assert ExternalActivity.objects.count() == 2


def test_they_are_written_only(graph):
    add(graph, VIEWED)
    for way_in in WAYS_IN:
        root = way_in.split("/")[1]
        assert graph.get(f"{way_in}/a/activities").json() == {
            "@odata.context": (
                f"{SERVER}/{root}/$metadata#external/connections('contosohr')/items('a')/activities"
            ),
            "value": [],
        }
    assert "activities" not in graph.get(f"{ITEMS}/a").json()
    response = graph.get(f"{ITEMS}/a/activities?$top=1")
    assert_refused(response, 400, "BadRequest", target="$top")


def test_without_metadata(graph):
    none = {"Accept": "application/json;odata.metadata=none"}
    answered = graph.post(ADD, {"activities": [VIEWED]}, **none).json()
    assert "@odata.context" not in answered


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
def test_no_other_method(graph, action, method):
    response = graph.request(method, f"{ITEMS}/a/{action}", {"activities": [VIEWED]})
    assert_refused(response, 405, "Request_BadRequest")
    assert response["Allow"] == "POST"


def test_a_body_that_cannot_be_read(graph):
    assert_refused(graph.post(ADD, "{"), 400, "BadRequest", inner="InvalidJson")
    assert_refused(graph.post(f"{ADD}?$top=1", {"activities": [VIEWED]}), 400, "BadRequest")


@pytest.mark.parametrize(
    "roles, authorized, status",
    [
        ([ITEMS_OWNED], True, 200),
        ([ITEMS_OWNED], False, 404),
        ([ITEMS_READ_ALL], True, 403),
        ([ITEMS_OWNED, ITEMS_READ_ALL], False, 403),
        ([OWNED], True, 403),
    ],
)
def test_who_may(graph, roles, authorized, status):
    other = make_application(*roles)
    if authorized:
        graph.patch(HERE, {"configuration": {"authorizedAppIds": [str(other.app_id)]}})
    response = GraphClient(other).post(ADD, {"activities": [VIEWED]})
    assert response.status_code == status
    assert ExternalActivity.objects.count() == (status == 200)


def test_a_replaced_item_keeps_them_and_a_deleted_one_takes_them_along(graph):
    add(graph, VIEWED)
    put(graph, f"{ITEMS}/a", item(acl=[]))
    assert ExternalActivity.objects.count() == 1
    assert graph.delete(f"{ITEMS}/a").status_code == 204
    assert not ExternalActivity.objects.exists()


def test_in_a_batch(graph):
    headers = {"Content-Type": "application/json"}
    parts = [
        {"id": f"{n}", "method": "POST", "url": f"/connections/contosohr/items/a/{action}"}
        for n, action in enumerate(ACTIONS)
    ]
    for part, bodies in zip(parts, ([VIEWED], [VIEWED, {}]), strict=True):
        part |= {"headers": headers, "body": {"activities": bodies}}
    parts.append({"id": "2", "method": "GET", "url": "/connections/contosohr", "dependsOn": ["1"]})
    answered = graph.post("/v1.0/$batch", {"requests": parts}).json()["responses"]
    assert [part["status"] for part in answered] == [200, 207, 200]
    assert ExternalActivity.objects.count() == 2


def test_twenty_cost_as_many_queries_as_one(graph, django_assert_max_num_queries):
    add(graph, VIEWED)
    with django_assert_max_num_queries(14) as one:
        add(graph, VIEWED)
    with django_assert_max_num_queries(len(one)):
        add(graph, *[VIEWED] * 20)


def test_on_beta_as_on_v1(graph):
    assert add(graph, VIEWED, path=f"{BETA}/items/a/addActivities")["value"] == [result(VIEWED)]
