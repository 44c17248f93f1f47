"""What the API shows of an item, whether all of its row was read or only what that takes."""

from __future__ import annotations

from collections import namedtuple
from typing import TYPE_CHECKING, Any

from operations.item_rules import CONTENT_TYPES

LABEL = "informationProtectionLabel"
_WORDS = {number: word for word, number in CONTENT_TYPES.items()}


class ItemMembers:
    """Graph's members of an item and its tag, made of the columns below."""

    if TYPE_CHECKING:
        id: Any
        graph_id: Any
        acl: Any
        properties: Any
        content_type: Any
        content_value: Any
        label: Any
        version: Any

    @property
    def etag(self) -> str:
        """The weak tag of the item as it is now: which one, and the how manieth time written."""
        return f'W/"{self.id:x}-i{self.version:x}"'

    @property
    def content(self) -> dict[str, Any] | None:
        """Graph's ``content``, None where the item has none."""
        if self.content_type is None:
            return None
        return {"type": _WORDS[self.content_type], "value": self.content_value}

    def graph(self) -> dict[str, Any]:
        """The item as Graph shows it. The label is there only if it was given."""
        members: dict[str, Any] = {
            "id": self.graph_id,
            "acl": self.acl,
            "properties": self.properties,
            "content": self.content,
        }
        if self.label is not None:
            members[LABEL] = self.label
        return members


COLUMNS = (
    *("id", "graph_id", "acl", "properties", "content_type", "content_value", "label"),
    "version",
)


class ItemRow(ItemMembers, namedtuple("ItemRow", COLUMNS)):  # type: ignore[misc]
    """No more of a row than an answer shows."""

    __slots__ = ()

    @property
    def pk(self) -> int:
        return self.id

    @classmethod
    def written(cls, key: int, version: int, graph_id: str, values: dict[str, Any]) -> ItemRow:
        """An item that was written with these members (``item_rules.read_item``), unread."""
        content = values.get("content")
        return cls._make(
            (
                key,
                graph_id,
                values["acl"],
                values["properties"],
                CONTENT_TYPES[content["type"]] if content else None,
                content["value"] if content else None,
                values.get(LABEL),
                version,
            )
        )
