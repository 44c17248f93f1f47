"""What a group, its members and an activity may hold. Pure: no database."""

from __future__ import annotations

import pytest

from operations.item_rules import (
    read_activity,
    read_group,
    read_member,
)
from operations.schema_rules import SENTINEL
from tests.item_bodies import (
    DATE,
    MOMENT,
    beta_only,
    invalid,
    missing,
    only,
    said,
    unknown,
    without,
)

# Activities --------------------------------------------------------------------------------------


PERFORMER = {"id": "e811976d", "type": "user"}
ACTIVITY = {"startDateTime": DATE, "type": "viewed", "performedBy": PERFORMER}
AT = "activities/0"


def activity(**members):
    return read_activity({**ACTIVITY, **members}, AT)


def test_activity():
    sent = {
        "@odata.type": "#microsoft.graph.externalConnectors.externalActivity",
        "id": None,
        "performedBy": {
            "@odata.type": "#microsoft.graph.externalConnectors.identity",
            "type": "ExternalGroup",
            "id": "Größe",
        },
        "type": "COMMENTED",
        "startDateTime": "2021-05-04T20:11:12.30+02:00",
    }
    assert read_activity(sent, AT) == (
        {
            "startDateTime": "2021-05-04T20:11:12.30+02:00",
            "type": "commented",
            "performedBy": {"id": "Größe", "type": "externalGroup"},
        },
        [],
    )


@pytest.mark.parametrize("member", ACTIVITY)
def test_what_an_activity_must_have(member):
    assert only(read_activity(without(ACTIVITY, member), AT)) == missing(f"{AT}/{member}")
    assert only(activity(**{member: None})) == missing(f"{AT}/{member}")


@pytest.mark.parametrize(
    "members, fault",
    [
        ({"startDateTime": 1}, invalid(f"{AT}/startDateTime", f"{MOMENT} an integer")),
        (
            {"startDateTime": "2024-05-31"},
            invalid(f"{AT}/startDateTime", f"{MOMENT} a date without a time and a zone"),
        ),
        (
            {"startDateTime": "0001-01-01T00:00:00+01:00"},
            invalid(f"{AT}/startDateTime", "must be in the years 1 to 9999 in UTC as well"),
        ),
        (
            {"type": "read"},
            invalid(
                f"{AT}/type", "must be one of viewed, modified, created, commented, not 'read'"
            ),
        ),
        ({"type": SENTINEL}, invalid(f"{AT}/type", f"must not be '{SENTINEL}'")),
        ({"item": 1}, unknown(f"{AT}/item")),
        ({"performedBy": "x"}, invalid(f"{AT}/performedBy", "must be an object, not a string")),
        ({"performedBy": {"id": "x"}}, missing(f"{AT}/performedBy/type")),
        ({"performedBy": {"type": "user"}}, missing(f"{AT}/performedBy/id")),
        (
            {"performedBy": {**PERFORMER, "id": " "}},
            invalid(f"{AT}/performedBy/id", "must not be blank"),
        ),
        (
            {"performedBy": {**PERFORMER, "id": "x" * 129}},
            invalid(f"{AT}/performedBy/id", "must be at most 128 characters, not 129"),
        ),
        (
            {"performedBy": {**PERFORMER, "type": "everyone"}},
            invalid(
                f"{AT}/performedBy/type",
                "must be one of user, group, externalGroup, not 'everyone'",
            ),
        ),
        ({"performedBy": {**PERFORMER, "upn": "x"}}, unknown(f"{AT}/performedBy/upn")),
    ],
)
def test_bad_activities(members, fault):
    assert only(activity(**members)) == fault


@pytest.mark.parametrize("value, sent", [(None, "null"), ("viewed", "a string"), ([], None)])
def test_an_activity_is_an_object(value, sent):
    sent = sent or "a collection"
    assert only(read_activity(value, AT)) == invalid(AT, f"must be an object, not {sent}")


# Groups and members ------------------------------------------------------------------------------


def test_group():
    sent = {"@odata.type": "x", "id": "31bea3d537902000", "displayName": "Größe", "members": []}
    assert read_group(sent, creating=True) == (
        {"id": "31bea3d537902000", "displayName": "Größe"},
        [],
    )
    assert read_group({"id": "g", "description": None, "members": None}, creating=True) == (
        {"id": "g", "description": None},
        [],
    )


@pytest.mark.parametrize("members", [{"id": 7}, {"members": [1]}, {"members": "x"}])
def test_what_an_update_of_a_group_does_not_change(members):
    sent = {**members, "description": "d"}
    assert read_group(sent, creating=False) == ({"description": "d"}, [])


@pytest.mark.parametrize(
    "sent, fault",
    [
        ({}, missing("id")),
        ({"id": None}, missing("id")),
        ({"id": 7}, invalid("id", "must be a string, not an integer")),
        ({"id": "g", "name": "x"}, unknown("name")),
        (
            {"id": "g", "displayName": 1},
            invalid("displayName", "must be a string or null, not an integer"),
        ),
        (
            {"id": "g", "members": [{}]},
            invalid(
                "members",
                "must be empty or left out: members are added one by one, at the group's own "
                "address",
            ),
        ),
    ],
)
def test_bad_groups(sent, fault):
    assert only(read_group(sent, creating=True)) == fault


def test_bad_id_of_a_group():
    assert only(read_group({"id": "x" * 129}, creating=True))[:2] == ("InvalidIdentifier", "id")


def test_bad_updates_of_a_group():
    _, faults = read_group({"description": [], "name": "x"}, creating=False)
    assert said(faults) == [
        unknown("name"),
        invalid("description", "must be a string or null, not a collection"),
    ]


@pytest.mark.parametrize("beta", [False, True])
@pytest.mark.parametrize("word", ["user", "group", "externalGroup"])
def test_member(beta, word):
    sent = {"@odata.type": "x", "type": word.upper(), "id": "a/b"}
    assert read_member(sent, beta=beta) == ({"id": "a/b", "type": word}, [])


@pytest.mark.parametrize("source", ["External", "azureActiveDirectory", None])
def test_the_identity_source_of_a_member(source):
    sent = {"id": "a", "type": "group", "identitySource": source}
    assert read_member(sent, beta=True) == ({"id": "a", "type": "group"}, [])
    assert only(read_member(sent)) == beta_only("identitySource")


@pytest.mark.parametrize(
    "sent, faults",
    [
        ({}, [missing("id"), missing("type")]),
        (
            {"id": "a", "type": SENTINEL},
            [invalid("type", f"must not be '{SENTINEL}'")],
        ),
        (
            {"id": 1, "type": "member"},
            [
                invalid("id", "must be a string, not an integer"),
                invalid("type", "must be one of user, group, externalGroup, not 'member'"),
            ],
        ),
        (
            {"id": "a", "type": "user", "identitySource": "x", "upn": "y"},
            [
                unknown("upn"),
                invalid("identitySource", "must be one of azureActiveDirectory, external, not 'x'"),
            ],
        ),
    ],
)
def test_bad_members(sent, faults):
    assert said(read_member(sent, beta=True)[1]) == faults
