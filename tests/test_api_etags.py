"""Weak ETags: ``If-None-Match`` saves an answer (304), ``If-Match`` saves a change (412)."""

from __future__ import annotations

import pytest

from operations.api.views import GraphViewSet
from operations.models import Change, ConnectionOperation, ExternalConnection, Schema
from operations.preconditions import ALWAYS, Precondition
from tests.factories import (
    COMMAND,
    a_property,
    a_schema,
    make_connection,
    register_schema,
    report,
    request_registration,
    work_off,
)
from tests.graph import GraphClient, assert_refused

HERE = "/v1.0/connections/contosohr"
OPERATION = f"{HERE}/operations/o"


@pytest.fixture
def connection(application):
    return make_connection("contosohr", owner=application)


@pytest.fixture
def operation(connection):
    return report(connection, graph_id="o")


@pytest.fixture
def schema(connection):
    return register_schema(connection)


READABLE = [HERE, OPERATION, f"{HERE}/schema"]


@pytest.mark.parametrize("path", READABLE)
def test_every_entity_has_a_weak_tag_in_header_and_body(graph, operation, schema, path):
    response = graph.get(path)
    assert response["ETag"].startswith('W/"')
    assert response.json()["@odata.etag"] == response["ETag"]
    assert graph.get(path)["ETag"] == response["ETag"]


@pytest.mark.parametrize("path", READABLE)
def test_who_has_it_already_gets_a_304(graph, operation, schema, path):
    tag = graph.get(path)["ETag"]
    for seen in (tag, tag.removeprefix("W/"), f'"other", {tag}', "*"):
        response = graph.get(path, If_None_Match=seen)
        assert (response.status_code, response.content) == (304, b""), seen
        assert response["ETag"] == tag
        assert "Content-Type" not in response
        assert response["request-id"]


@pytest.mark.parametrize("path", READABLE)
@pytest.mark.parametrize("seen", ['W/"1-0-0"', "nonsense", '""', ",", '"*"', "*, *", ""])
def test_who_has_another_one_gets_it_whole(graph, operation, schema, path, seen):
    response = graph.get(path, If_None_Match=seen)
    assert response.status_code == 200
    assert response.json()["@odata.context"]


def test_a_304_of_an_unfinished_registration_still_says_when_to_ask_again(graph, connection):
    running = request_registration(connection)
    path = f"{HERE}/operations/{running.graph_id}"
    tag = graph.get(path)["ETag"]
    waiting = graph.get(path, If_None_Match=tag)
    assert (waiting.status_code, waiting["Retry-After"]) == (304, "5")
    work_off()
    done = graph.get(path, If_None_Match=tag)
    assert (done.status_code, done.json()["status"]) == (200, "completed")


def test_each_entity_of_a_list_has_the_tag_that_it_has_alone(graph, operation):
    [row] = graph.get(f"{HERE}/operations").json()["value"]
    assert row["@odata.etag"] == graph.get(OPERATION)["ETag"]
    [row] = graph.get("/v1.0/connections").json()["value"]
    assert row["@odata.etag"] == graph.get(HERE)["ETag"]


def test_a_tag_changes_with_what_it_is_of_and_not_otherwise(graph, operation):
    of_connection, of_operation = graph.get(HERE)["ETag"], graph.get(OPERATION)["ETag"]
    assert graph.patch(OPERATION, {"status": "inprogress"})["ETag"] == of_operation
    changed = graph.patch(OPERATION, {"status": "completed"})
    assert changed["ETag"] == graph.get(OPERATION)["ETag"] != of_operation
    assert graph.get(HERE)["ETag"] == of_connection
    renamed = graph.patch(HERE, {"name": "New"})
    assert renamed["ETag"] == graph.get(HERE)["ETag"] != of_connection


def test_a_create_answers_with_the_tag_that_is_read_later(graph, connection):
    created = graph.post(f"{HERE}/operations", {"id": "o"})
    assert created["ETag"] == graph.get(OPERATION)["ETag"]
    created = graph.post("/v1.0/connections", {"id": "other", "name": "Other"})
    assert created["ETag"] == graph.get("/v1.0/connections/other")["ETag"]


CHANGES = [
    ("PATCH", OPERATION, {"status": "completed"}, 200),
    ("DELETE", OPERATION, None, 204),
    ("PATCH", HERE, {"name": "New"}, 204),
    ("DELETE", HERE, None, 202),
    ("PATCH", f"{HERE}/schema", a_schema(a_property("title"), a_property("more")), 202),
    ("POST", f"{HERE}/schema", a_schema(a_property("title"), a_property("more")), 202),
]


@pytest.fixture
def plain_schema(connection):
    return register_schema(connection, a_schema(a_property("title")))


@pytest.mark.parametrize(("method", "path", "body", "status"), CHANGES)
@pytest.mark.parametrize("form", ["{tag}", "*", '"other", {tag}'])
def test_a_change_of_what_was_seen(
    graph, operation, plain_schema, method, path, body, status, form
):
    tag = graph.get(path)["ETag"]
    response = graph.request(method, path, body, If_Match=form.format(tag=tag))
    assert response.status_code == status, response.content


@pytest.mark.parametrize(("method", "path", "body", "status"), CHANGES)
@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("If-Match", 'W/"1-0-0"'),
        ("If-Match", "nonsense"),
        ("If-Match", '""'),
        ("If-Match", ","),
        ("If-Match", '"*"'),
        ("If-Match", "{bare}"),
        ("If-None-Match", "*"),
        ("If-None-Match", "{tag}"),
    ],
)
def test_a_change_of_something_else_is_refused_and_changes_nothing(
    graph, operation, plain_schema, method, path, body, status, header, value
):
    tag = graph.get(path)["ETag"]
    records = Change.objects.count()
    sent = value.format(tag=tag, bare=tag.removeprefix("W/").strip('"'))
    response = graph.request(method, path, body, **{header: sent})
    assert_refused(
        response,
        412,
        "PreconditionFailed",
        inner="PreconditionFailed",
        target=header,
        says=f"The precondition in header '{header}' does not hold: the tag of the resource is",
    )
    assert response["ETag"] == tag
    assert Change.objects.count() == records
    assert ConnectionOperation.objects.filter(graph_id="o", status=1).exists()
    assert ExternalConnection.objects.alive().get().name != "New"
    assert Schema.objects.count() == 1


@pytest.mark.parametrize("path", READABLE)
def test_a_reader_may_insist_on_what_it_has_seen(graph, operation, schema, path):
    assert graph.get(path, If_Match=graph.get(path)["ETag"]).status_code == 200
    response = graph.get(path, If_Match='W/"1-0-0"')
    assert_refused(response, 412, "PreconditionFailed", target="If-Match")


def test_a_first_schema_only_if_there_is_none(graph, connection):
    path = f"{HERE}/schema"
    error = assert_refused(
        graph.patch(path, a_schema(), If_Match="*"), 412, "PreconditionFailed", target="If-Match"
    )
    assert "the resource does not exist" in error["message"]
    assert graph.patch(path, a_schema(), If_None_Match="*").status_code == 202
    work_off()
    refused = graph.patch(path, a_schema(), If_None_Match="*")
    assert_refused(refused, 412, "PreconditionFailed", target="If-None-Match")
    assert Schema.objects.count() == 1


def test_what_is_gone_is_a_404_whatever_its_tag(graph, operation):
    tag = graph.get(OPERATION)["ETag"]
    graph.delete(OPERATION)
    for method in ("GET", "PATCH", "DELETE"):
        assert_refused(graph.request(method, OPERATION, {}, If_Match=tag), 404, "ItemNotFound")


def test_of_two_who_saw_the_same_only_the_first_may_change_it(graph, operation):
    tag = graph.get(OPERATION)["ETag"]
    first = graph.patch(OPERATION, {"status": "failed", "error": {"message": "m"}}, If_Match=tag)
    assert first.status_code == 200
    second = graph.patch(OPERATION, {"status": "completed"}, If_Match=tag)
    assert_refused(second, 412, "PreconditionFailed")
    third = graph.patch(OPERATION, {"status": "completed"}, If_Match=first["ETag"])
    assert_refused(third, 409, "Conflict", inner="InvalidStateTransition")


def test_a_connection_with_its_history_is_never_taken_for_unchanged(graph, connection):
    """Its history has what happened to its operations, and its tag does not."""
    tag = graph.get(HERE)["ETag"]
    report(connection, graph_id="o")
    assert graph.get(HERE, If_None_Match=tag).status_code == 304
    headers = {"Prefer": 'odata.include-annotations="*"', "If_None_Match": tag}
    assert graph.get(HERE, **headers).status_code == 200
    assert graph.get(f"{HERE}?$expand=operations", If_None_Match=tag).status_code == 200


@pytest.mark.django_db(transaction=True)
def test_an_answer_carries_the_tag_of_its_own_change(application, monkeypatch):
    """Somebody else changes it right after: the first one's next If-Match must not pass."""
    connection = make_connection("contosohr", owner=application)
    graph = GraphClient(application)
    written = GraphViewSet.written

    def after_somebody_else(view, *args, **kwargs):
        ExternalConnection.objects.get(pk=connection.pk).revise(COMMAND, name="Theirs")
        return written(view, *args, **kwargs)

    monkeypatch.setattr(GraphViewSet, "written", after_somebody_else)
    mine = graph.patch(HERE, {"name": "Mine"})
    monkeypatch.undo()
    assert mine.status_code == 204
    late = graph.patch(HERE, {"name": "Mine again"}, If_Match=mine["ETag"])
    assert_refused(late, 412, "PreconditionFailed", target="If-Match")
    assert graph.get(HERE).json()["name"] == "Theirs"


def test_a_batch_has_conditions_of_its_parts_and_not_of_its_own(graph, operation):
    tag = graph.get(OPERATION)["ETag"]
    url = "/connections/contosohr/operations/o"
    parts = [
        {"id": "1", "method": "GET", "url": url, "headers": {"if-none-match": tag}},
        {"id": "2", "method": "GET", "url": url},
        {"id": "3", "method": "DELETE", "url": url, "headers": {"If-Match": 'W/"1-0-0"'}},
        {"id": "4", "method": "DELETE", "url": url, "headers": {"If-Match": tag}},
    ]
    answers = graph.post("/v1.0/$batch", {"requests": parts}, If_None_Match="*").json()["responses"]
    assert [answer["status"] for answer in answers] == [304, 200, 412, 204]


def test_no_header_is_no_condition():
    assert Precondition.of(None, None) == ALWAYS
    ALWAYS.check('W/"1"')
    assert not ALWAYS.has_seen('W/"1"')
