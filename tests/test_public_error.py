"""What may be kept as the error of an operation. Pure: no database."""

from __future__ import annotations

import pytest

from operations.errors import InvalidRequest
from operations.public_error import parse_public_error


def refused(document) -> list[tuple[str, str]]:
    with pytest.raises(InvalidRequest) as refusal:
        parse_public_error(document)
    return [(fault.code, fault.message) for fault in refusal.value.faults]


def test_only_the_members_that_were_given():
    assert parse_public_error({"message": "Server error, something went wrong"}) == {
        "message": "Server error, something went wrong"
    }
    assert parse_public_error({"code": "A", "message": None}) == {"code": "A"}


def test_members_come_in_the_order_of_graph():
    parsed = parse_public_error(
        {
            "innerError": {"code": "I"},
            "details": [{"target": "t", "code": "D"}],
            "target": "schema",
            "message": "m",
            "code": "C",
        }
    )
    assert list(parsed) == ["code", "message", "target", "details", "innerError"]
    assert parsed["details"] == [{"code": "D", "target": "t"}]


def test_empty_text_is_a_value():
    assert parse_public_error({"message": ""}) == {"message": ""}


def test_inner_error_is_open():
    inner = {"code": "I", "request-id": "1", "nested": {"any": [1, 2]}, "a@b": 1}
    assert parse_public_error({"innerError": inner})["innerError"] == inner


def test_annotations_are_accepted_and_not_kept():
    document = {
        "@odata.type": "microsoft.graph.publicError",
        "message": "m",
        "details": [{"@odata.type": "microsoft.graph.publicErrorDetail", "code": "D"}],
    }
    assert parse_public_error(document) == {"message": "m", "details": [{"code": "D"}]}


@pytest.mark.parametrize("document", [{}, {"message": None}, {"@odata.type": "x"}])
def test_an_error_says_something(document):
    assert refused(document) == [
        (
            "RequiredPropertyMissing",
            "Property 'error' must have at least one of code, message, target, details, "
            "innerError.",
        )
    ]


@pytest.mark.parametrize("document", ["broken", [], 5, True])
def test_an_error_is_an_object(document):
    assert refused(document) == [("InvalidPropertyValue", "Property 'error' must be an object.")]


@pytest.mark.parametrize("member", ["code", "message", "target"])
def test_texts_are_texts(member):
    assert refused({member: 500}) == [
        ("InvalidPropertyValue", f"Property 'error/{member}' must be a string.")
    ]


def test_the_length_of_a_code():
    assert parse_public_error({"code": "c" * 255}) == {"code": "c" * 255}
    assert refused({"code": "c" * 256}) == [
        ("InvalidPropertyValue", "Property 'error/code' must be at most 255 characters.")
    ]


def test_undeclared_members_are_refused():
    assert refused({"message": "m", "severity": "high"}) == [
        ("PropertyNotDeclared", "Property 'error/severity' is not declared by the type.")
    ]


@pytest.mark.parametrize(
    "details, message",
    [
        ({}, "Property 'error/details' must be a collection."),
        (["x"], "Property 'error/details/0' must be an object."),
        ([{}, {"code": 1}], "Property 'error/details/1/code' must be a string."),
        (
            [{"details": []}],
            "Property 'error/details/0/details' is not declared by the type.",
        ),
    ],
)
def test_details(details, message):
    assert [found for _, found in refused({"details": details})] == [message]


def test_an_inner_error_is_checked_where_it_is_declared():
    assert [found for _, found in refused({"innerError": {"code": 1, "details": [2]}})] == [
        "Property 'error/innerError/code' must be a string.",
        "Property 'error/innerError/details/0' must be an object.",
    ]
    assert refused({"innerError": "text"}) == [
        ("InvalidPropertyValue", "Property 'error/innerError' must be an object.")
    ]


def test_all_faults_at_once():
    found = refused({"code": 1, "message": 2, "extra": 3, "details": [4]})
    assert [message for _, message in found] == [
        "Property 'error/code' must be a string.",
        "Property 'error/message' must be a string.",
        "Property 'error/details/0' must be an object.",
        "Property 'error/extra' is not declared by the type.",
    ]
