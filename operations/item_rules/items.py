"""``externalItem``: who may see it, its properties, its content."""

from __future__ import annotations

from typing import Any

from operations.errors import Fault, required
from operations.item_rules.reading import MAX_FAULTS, Json, Reader, found
from operations.item_rules.values import Shape
from operations.item_rules.words import ACCESS_TYPES, ACL_TYPES, CONTENT_TYPES, IDENTITY_SOURCES

MAX_ACL_VALUE = 1000

MEMBERS = ("id", "acl", "properties", "content", "informationProtectionLabel", "activities")
ACL_MEMBERS = ("accessType", "type", "value")
ACL_BETA_MEMBERS = ("identitySource",)
CONTENT_MEMBERS = ("type", "value")
LABEL_MEMBERS = ("sensitivityLabelId",)


def read_item(
    document: Json,
    shape: Shape,
    *,
    graph_id: str | None,
    beta: bool = False,
    partial: bool = False,
) -> tuple[Json, list[Fault]]:
    """The members that were sent, in canonical form, and everything that is wrong with them.

    ``properties`` stays as it came, with its annotations: it is the caller's own.

    Args:
        document: the body as it was sent. Enum words may be in any case.
        shape: of the schema of the connection.
        graph_id: the id in the address; None where the body has to bring it.
        beta: whether beta-only members are declared.
        partial: whether a member that is left out stays as it is; else ``acl`` and
            ``properties`` are required.
    """
    faults: list[Fault] = []
    item = Reader(document, "", MEMBERS, faults)
    values: Json = {}
    if graph_id is None:
        values["id"] = item.given_id()
    elif document.get("id") not in (None, graph_id):
        item.fault("id", "must be the id in the address, or be left out")
    if _is_given(item, "acl", partial):
        values["acl"] = _acl(item, beta)
    if _is_given(item, "properties", partial):
        values["properties"] = _properties(item, shape)
    if "content" in document:
        values["content"] = _content(document["content"], faults)
    if "informationProtectionLabel" in document:
        values["informationProtectionLabel"] = _label(
            document["informationProtectionLabel"], faults
        )
    item.must_be_empty("activities", "activities are added with the action addActivities")
    return values, faults


def _is_given(item: Reader, member: str, partial: bool) -> bool:
    """Whether there is a value. Null is none: neither of the two members is nullable."""
    if member not in item.members:
        if not partial:
            item.faults.append(required(member))
        return False
    if item.members[member] is None:
        item.fault(member, "must not be null")
        return False
    return True


def _acl(item: Reader, beta: bool) -> list[Json]:
    """Its entries. With none of them nobody sees the item."""
    declared = ACL_MEMBERS + ACL_BETA_MEMBERS if beta else ACL_MEMBERS
    most = len(item.faults) + MAX_FAULTS
    acl = []
    for index, value in enumerate(item.entries("acl")):
        if len(item.faults) >= most:
            break
        entry = Reader(value, f"acl/{index}", declared, item.faults, ACL_BETA_MEMBERS)
        kept: Json = {
            "accessType": entry.given_word("accessType", ACCESS_TYPES),
            "type": entry.given_word("type", ACL_TYPES),
            "value": entry.given_text("value", MAX_ACL_VALUE),
        }
        if beta:
            source = entry.word("identitySource", IDENTITY_SOURCES)
            kept |= {"identitySource": source} if source else {}
        acl.append(kept)
    return acl


def _properties(item: Reader, shape: Shape) -> Json:
    bag = item.members["properties"]
    if not isinstance(bag, dict):
        item.fault("properties", f"must be an object, not {found(bag)}")
        return {}
    item.faults += shape.faults(bag)
    return bag


def _content(value: Any, faults: list[Fault]) -> Json | None:
    if value is None:
        return None
    content = Reader(value, "content", CONTENT_MEMBERS, faults)
    return {
        "type": content.given_word("type", CONTENT_TYPES),
        "value": content.text("value"),
    }


def _label(value: Any, faults: list[Fault]) -> Json | None:
    if value is None:
        return None
    label = Reader(value, "informationProtectionLabel", LABEL_MEMBERS, faults)
    return {"sensitivityLabelId": label.text("sensitivityLabelId")}
