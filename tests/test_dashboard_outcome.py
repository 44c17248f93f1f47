"""Ending one operation by hand: as failed with an error, as completed; who may, and lost races."""

import re

import pytest
from django.contrib.messages import get_messages
from django.urls import reverse

from operations.models import Action, Change, ConnectionOperation, OperationStatus
from tests import factories

pytestmark = pytest.mark.django_db

BY_HAND = ["fail", "complete"]
GIVEN = {"reason": "Ticket 4711.", "message": "The source is gone.", "code": "GivenUp"}


def address(operation, name="operation"):
    return reverse(name, args=[operation.connection.graph_id, operation.graph_id])


def said(response):
    return [str(message) for message in get_messages(response.wsgi_request)]


@pytest.fixture
def reported(db):
    return factories.report(factories.make_connection("contosohr"))


def test_a_failure_by_hand_has_an_error_and_a_reason(administrator, reported):
    assert address(reported, "fail") in administrator.get(address(reported)).content.decode()
    assert (
        "whoever polls it reads it" in administrator.get(address(reported, "fail")).content.decode()
    )

    response = administrator.post(address(reported, "fail"), GIVEN)

    assert response["Location"] == address(reported)
    assert said(response) == ["Marked as failed."]
    reported.refresh_from_db()
    assert reported.graph()["error"] == {"code": "GivenUp", "message": "The source is gone."}
    change = Change.objects.get(action=Action.OPERATION_FAILED)
    assert (change.actor_name, change.channel, change.note, change.request_id) == (
        "administrator", "dashboard", "Ticket 4711.", response["request-id"],
    )  # fmt: skip


def test_completed_by_hand(administrator, reported):
    response = administrator.post(address(reported, "complete"), GIVEN)

    reported.refresh_from_db()
    assert reported.status == OperationStatus.COMPLETED
    assert said(response) == ["Marked as completed."]


def test_what_the_worker_runs_can_be_failed_and_not_completed(administrator):
    operation = factories.request_registration(factories.make_connection())
    text = administrator.get(address(operation)).content.decode()
    assert address(operation, "fail") in text
    assert address(operation, "complete") not in text

    refused = administrator.post(address(operation, "complete"), GIVEN)
    assert "is run by the worker and is not finished" in said(refused)[0]
    assert said(refused)[0].endswith("Nothing changed.")

    held = factories.claim("w")
    administrator.post(address(operation, "fail"), GIVEN)
    assert factories.finish(held) is False
    operation.refresh_from_db()
    assert operation.error_code == "GivenUp"


@pytest.mark.parametrize(
    "given, sentence",
    [
        ({"message": "m"}, "Say why: it is kept in the history"),
        ({"reason": "r"}, "Say what went wrong"),
        ({"reason": "r" * 2001, "message": "m"}, "A reason has at most 2000 characters."),
        ({"reason": "r", "message": "m" * 4001}, "A message has at most 4000 characters."),
        ({"reason": "r", "message": "m", "code": "c" * 256}, "A code has at most 255 characters."),
        ({"reason": "a\0b", "message": "m"}, "Null characters are not allowed."),
    ],
)
def test_what_cannot_be_taken_is_said_and_typed_text_stays(
    administrator, reported, given, sentence
):
    response = administrator.post(address(reported, "fail"), {"code": "Kept", **given})

    text = response.content.decode()
    assert sentence in text
    assert "Nothing was changed yet." in text
    assert given.get("code", "Kept") in text
    reported.refresh_from_db()
    assert not reported.is_terminal


@pytest.mark.parametrize("name", BY_HAND)
def test_who_comes_second_reads_who_was_first(administrator, name):
    connection = factories.make_connection()
    operation = factories.register_schema(connection)

    for response in (
        administrator.get(address(operation, name)),
        administrator.post(address(operation, name), GIVEN),
    ):
        assert response["Location"] == address(operation)
        assert re.fullmatch(
            r"Already completed by the worker at \d\d:\d\d\. Nothing changed\.", said(response)[-1]
        )


def test_a_race_that_is_lost_in_between_is_a_sentence(administrator, reported, monkeypatch):
    """It ends after the page has looked and before it acts."""
    move = ConnectionOperation.move

    def first_another(self, actor, **values):
        monkeypatch.setattr(ConnectionOperation, "move", move)
        ConnectionOperation.objects.get(pk=self.pk).move(
            factories.COMMAND, status=OperationStatus.COMPLETED
        )
        return self.move(actor, **values)

    monkeypatch.setattr(ConnectionOperation, "move", first_another)

    response = administrator.post(address(reported, "fail"), GIVEN)

    assert re.fullmatch(
        r"Already completed by tests at \d\d:\d\d\. Nothing changed\.", said(response)[0]
    )


@pytest.mark.parametrize("name", BY_HAND)
def test_the_role_that_is_needed_is_named(operator, reported, name):
    assert address(reported, name) not in operator.get(address(reported)).content.decode()
    for response in (
        operator.get(address(reported, name)),
        operator.post(address(reported, name), GIVEN),
    ):
        assert response.status_code == 403
        assert "This needs the role administrator." in response.content.decode()


@pytest.mark.parametrize("name", BY_HAND)
def test_an_unknown_operation_is_not_found(administrator, name):
    factories.make_connection("contosohr")

    assert administrator.get(reverse(name, args=["contosohr", "missing"])).status_code == 404
