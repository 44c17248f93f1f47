"""``externalGroup``, its members, and the activities that people had with an item."""

from __future__ import annotations

from operations.errors import Fault
from operations.item_rules.ids import MAX_ITEM_ID
from operations.item_rules.reading import Json, Reader
from operations.item_rules.values import DATE_TIME, moment_of
from operations.item_rules.words import ACTIVITY_TYPES, IDENTITY_SOURCES, IDENTITY_TYPES

GROUP_MEMBERS = ("id", "displayName", "description", "members")
IDENTITY_MEMBERS = ("id", "type")
IDENTITY_BETA_MEMBERS = ("identitySource",)
ACTIVITY_MEMBERS = ("id", "startDateTime", "type", "performedBy")


def read_group(document: Json, *, creating: bool) -> tuple[Json, list[Fault]]:
    """The members that were sent, and everything that is wrong with them.

    The id and the members of a group that is there already say nothing: neither changes here.
    """
    faults: list[Fault] = []
    group = Reader(document, "", GROUP_MEMBERS, faults)
    values: Json = {}
    if creating:
        values["id"] = group.given_id()
        group.must_be_empty("members", "members are added one by one, at the group's own address")
    for member in ("displayName", "description"):
        if member in document:
            values[member] = group.text(member)
    return values, faults


def read_member(document: Json, *, beta: bool = False) -> tuple[Json, list[Fault]]:
    """The identity that joins a group, and everything that is wrong with it.

    Beta once had ``identitySource`` beside ``type``; it is accepted there and says nothing.
    """
    faults: list[Fault] = []
    declared = IDENTITY_MEMBERS + IDENTITY_BETA_MEMBERS if beta else IDENTITY_MEMBERS
    member = Reader(document, "", declared, faults, IDENTITY_BETA_MEMBERS)
    values = {"id": member.given_id(), "type": member.given_word("type", IDENTITY_TYPES)}
    if beta:
        member.word("identitySource", IDENTITY_SOURCES)
    return values, faults


def read_activity(document: object, path: str) -> tuple[Json, list[Fault]]:
    """What somebody did with an item, and everything that is wrong with it.

    ``path``: where it stands in the body. The id that every entity has is accepted and says
    nothing.
    """
    faults: list[Fault] = []
    activity = Reader(document, path, ACTIVITY_MEMBERS, faults)
    start = activity.given("startDateTime")
    if start is not None:
        if not DATE_TIME.holds(start):
            faults += DATE_TIME.faults(start, activity.at("startDateTime"), "")
        elif moment_of(start) is None:
            activity.fault("startDateTime", "must be in the years 1 to 9999 in UTC as well")
    kind = activity.given_word("type", ACTIVITY_TYPES)
    performer = None
    value = activity.given("performedBy")
    if value is not None:
        identity = Reader(value, activity.at("performedBy"), IDENTITY_MEMBERS, faults)
        performer = {
            "id": identity.given_text("id", MAX_ITEM_ID),
            "type": identity.given_word("type", IDENTITY_TYPES),
        }
    return {"startDateTime": start, "type": kind, "performedBy": performer}, faults
