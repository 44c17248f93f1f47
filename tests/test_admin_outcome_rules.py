"""Outcome rules in the admin: made, edited and deleted with a record, hidden once used up."""

from __future__ import annotations

import json

import pytest

from operations.models import Action, Change, OutcomeRule
from tests.admin_pages import administrator, refusals, submit, url
from tests.factories import fail_registration, make_connection

RULE = "outcomerule"
ERROR = {"code": "Broken", "message": "It broke."}


@pytest.fixture
def anna(db):
    return administrator("anna")


def test_rules_are_made_edited_and_deleted_with_a_record(anna):
    connection = make_connection("contosohr")
    page = submit(
        anna,
        url(RULE, "add"),
        connection=connection.pk,
        remaining=2,
        error=json.dumps(ERROR),
    )
    assert refusals(page) == []
    rule = OutcomeRule.objects.get()
    assert (rule.connection, rule.remaining, rule.error) == (connection, 2, ERROR)
    assert refusals(submit(anna, url(RULE, "change", rule.pk), remaining=5)) == []
    anna.post(url(RULE, "delete", rule.pk), {"post": "yes"})
    assert not OutcomeRule.objects.exists()
    made, edited, deleted = Change.objects.filter(action=Action.RULE_CHANGED).order_by("id")
    assert (made.before, made.after["remaining"]) == (None, 2)
    assert (edited.before["remaining"], edited.after["remaining"]) == (2, 5)
    assert (deleted.before["remaining"], deleted.after) == (5, None)
    assert {change.actor_name for change in (made, edited, deleted)} == {"anna"}
    assert made.connection_graph_id == "contosohr"


def test_a_rule_for_any_connection(anna):
    assert refusals(submit(anna, url(RULE, "add"), error='{"message": "m"}')) == []
    assert OutcomeRule.objects.get().connection is None


@pytest.mark.parametrize(
    "field, value, sentence",
    [
        ("error", "", "This field is required."),
        ("error", '{"message": 1}', "Property 'error/message' must be a string."),
        ("remaining", "-1", "Ensure this value is greater than or equal to 0."),
        ("remaining", "9" * 30, "Ensure this value is less than or equal to"),
    ],
)
def test_refused_rules(anna, field, value, sentence):
    page = submit(anna, url(RULE, "add"), **{"error": '{"message": "m"}', field: value})
    assert sentence in refusals(page)[0]
    assert not OutcomeRule.objects.exists()


def test_the_list_says_what_they_fail_with(anna):
    OutcomeRule.objects.create(error={"code": "Broken", "message": "It <b>broke</b>."})
    OutcomeRule.objects.create(connection=make_connection("contosohr"), error={"target": "t"})
    text = anna.get(url(RULE)).content.decode()
    assert "Any connection" in text and "contosohr" in text
    assert "Broken" in text
    assert "It &lt;b&gt;broke&lt;/b&gt;." in text


def test_what_is_used_up_is_shown_when_it_is_asked_for(anna):
    fail_registration(make_connection("used"))
    OutcomeRule.objects.create(connection=make_connection("waiting"), error=ERROR)

    def shown(query):
        rows = anna.get(url(RULE) + query).context["cl"].result_list
        return sorted(rule.connection.graph_id for rule in rows)

    assert shown("") == ["waiting"]
    assert shown("?rules=used") == ["used"]
    assert shown("?rules=all") == ["used", "waiting"]
    assert "Still to come" in anna.get(url(RULE)).content.decode()
