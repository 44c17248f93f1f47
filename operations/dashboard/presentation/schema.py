"""A schema as a table of its properties."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

FLAGS = (
    ("isSearchable", "Searchable"),
    ("isQueryable", "Queryable"),
    ("isRetrievable", "Retrievable"),
    ("isRefinable", "Refinable"),
)


@dataclass(frozen=True)
class PropertyRow:
    """One property of a schema."""

    name: str
    type: str
    description: str
    flags: list[tuple[str, bool]]
    labels: list[str]
    aliases: list[str]

    @classmethod
    def of(cls, document: dict[str, Any]) -> PropertyRow:
        return cls(
            name=document.get("name", ""),
            type=document.get("type", ""),
            description=document.get("description") or "",
            flags=[(label, bool(document.get(member))) for member, label in FLAGS],
            labels=document.get("labels") or [],
            aliases=document.get("aliases") or [],
        )
