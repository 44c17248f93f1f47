"""``Prefer``: what is understood, what is ignored, and what the answer says was applied."""

from __future__ import annotations

import time

import pytest

from operations.api.preferences import Preferences
from tests.factories import a_schema, make_connection, register_schema, report
from tests.graph import assert_refused, untagged

HERE = "/v1.0/connections/contosohr"


@pytest.fixture
def connection(application):
    return make_connection("contosohr", owner=application)


@pytest.mark.parametrize(
    ("header", "size", "page", "unknown", "asynchronous", "annotations"),
    [
        ("", "", None, False, False, ""),
        ("return=minimal", "minimal", None, False, False, ""),
        ("Return = Representation ; x=1", "representation", None, False, False, ""),
        ("return=nothing, odata.maxpagesize=0", "", None, False, False, ""),
        ("return=minimal, return=representation", "minimal", None, False, False, ""),
        ("odata.maxpagesize=7", "", 7, False, False, ""),
        ('maxpagesize="7"', "", 7, False, False, ""),
        ("odata.maxpagesize=-1", "", None, False, False, ""),
        ("odata.maxpagesize=99999999999999999999", "", None, False, False, ""),
        ("include-unknown-enum-members,respond-async", "", None, True, True, ""),
        ("odata.respond-async; wait=5", "", None, False, True, ""),
        ('odata.include-annotations="a.*,-b.c"', "", None, False, False, "a.*,-b.c"),
        (r'include-annotations="a\"b", return=minimal', "minimal", None, False, False, 'a"b'),
        (",,, ;;; ==, return=minimal", "minimal", None, False, False, ""),
        ('"return=minimal"', "", None, False, False, ""),
        ("return=minimal and more, respond-async", "", None, False, True, ""),
    ],
)
def test_reading(header, size, page, unknown, asynchronous, annotations):
    prefer = Preferences.read(header)
    assert (prefer.answer_size, prefer.max_page_size) == (size, page)
    assert (prefer.unknown_enum_members, prefer.respond_async) == (unknown, asynchronous)
    assert prefer.annotations == set(annotations.split(",")) - {""}


def test_a_long_header_of_nonsense_is_read_quickly_and_ignored(graph, connection):
    begin = time.process_time()
    for nonsense in (
        "a" + ";a" * 30_000 + "(",
        "a" * 60_000,
        "a=" * 30_000,
        '"' * 60_000,
        "a;" * 30_000,
        "a;b=c" * 12_000,
    ):
        assert Preferences.read(nonsense).answer_size == ""
        assert graph.get(HERE, Prefer=nonsense).status_code == 200
    assert time.process_time() - begin < 2


# return ------------------------------------------------------------------------------------------


def test_minimal_makes_a_create_a_204_that_says_where(graph, connection):
    for path, body in (
        (f"{HERE}/operations", {"id": "o"}),
        ("/v1.0/connections", {"id": "other", "name": "Other"}),
    ):
        response = graph.post(path, body, Prefer="return=minimal")
        assert (response.status_code, response.content) == (204, b"")
        assert "Content-Type" not in response
        assert response["Location"] == response["OData-EntityId"]
        assert response["Preference-Applied"] == "return=minimal"
        created = graph.get(response["Location"].removeprefix("http://testserver"))
        assert created.json()["id"] == body["id"]
        assert created["ETag"] == response["ETag"]


def test_representation_of_a_create_is_what_it_answers_anyway(graph, connection):
    response = graph.post(f"{HERE}/operations", {"id": "o"}, Prefer="return=representation")
    assert (response.status_code, response.json()["id"]) == (201, "o")
    assert response["Preference-Applied"] == "return=representation"
    assert "OData-EntityId" not in response


def test_minimal_makes_an_update_of_an_operation_a_204(graph, connection):
    report(connection, graph_id="o")
    path = f"{HERE}/operations/o"
    response = graph.patch(path, {"status": "completed"}, Prefer="return=minimal")
    assert (response.status_code, response.content) == (204, b"")
    assert response["Preference-Applied"] == "return=minimal"
    assert response["ETag"] == graph.get(path)["ETag"]
    assert "Location" not in response and "OData-EntityId" not in response


def test_representation_makes_an_update_of_a_connection_a_200(graph, connection):
    response = graph.patch(HERE, {"name": "New"}, Prefer="return=representation")
    assert response.status_code == 200
    assert response["Preference-Applied"] == "return=representation"
    assert response.json() == graph.get(HERE).json()
    assert response.json()["name"] == "New"


def test_an_update_without_a_preference_answers_as_graph_does(graph, connection):
    report(connection, graph_id="o")
    for path, body, status in (
        (HERE, {"name": "New"}, 204),
        (f"{HERE}/operations/o", {"status": "completed"}, 200),
    ):
        response = graph.patch(path, body)
        assert response.status_code == status
        assert "Preference-Applied" not in response


def test_a_refusal_applies_no_preference(graph, connection):
    response = graph.patch(HERE, {"name": None}, Prefer="return=representation")
    assert_refused(response, 400, "InvalidRequest", target="name")
    assert "Preference-Applied" not in response


# the others --------------------------------------------------------------------------------------


def test_a_registration_is_asynchronous_and_says_so_to_who_asks(graph, connection):
    response = graph.post(f"{HERE}/schema", a_schema(), Prefer="respond-async")
    assert (response.status_code, response["Preference-Applied"]) == (202, "respond-async")


def test_what_is_never_asynchronous_does_not_say_that_it_is(graph, connection):
    response = graph.get(HERE, Prefer="respond-async, wait=10")
    assert response.status_code == 200
    assert "Preference-Applied" not in response


def test_several_preferences_at_once(graph, connection):
    register_schema(connection, a_schema({"name": "a", "type": "principal", "isRetrievable": True}))
    preferences = 'include-unknown-enum-members, odata.include-annotations="*"'
    response = graph.get(f"{HERE}/schema", Prefer=preferences)
    assert response.json()["properties"][0]["type"] == "principal"
    assert response.json()["@connectorsAdmin.version"] == 1
    assert response["Preference-Applied"].split(", ") == [
        "include-unknown-enum-members",
        'odata.include-annotations="connectorsAdmin.*"',
    ]


def test_an_answer_varies_with_what_the_caller_prefers(graph, connection):
    for path in (HERE, f"{HERE}/operations", "/v1.0/connections/nosuch"):
        assert graph.get(path)["Vary"] == "Accept, Prefer"
    assert untagged(graph.get(HERE).json())["id"] == "contosohr"
