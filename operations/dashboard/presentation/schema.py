"""A schema as a table of its properties, as JSON, and what changed from one to another."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext_lazy as _

from operations.schema_diff import PropertyChange, diff

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

#: From so many properties on there is a box to search them.
SEARCH_FROM = 20
FLAGS = (
    ("isSearchable", _("Searchable")),
    ("isQueryable", _("Queryable")),
    ("isRetrievable", _("Retrievable")),
    ("isRefinable", _("Refinable")),
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
            flags=[(str(label), bool(document.get(member))) for member, label in FLAGS],
            labels=document.get("labels") or [],
            aliases=document.get("aliases") or [],
        )


def matching(rows: list[PropertyRow], text: str) -> list[PropertyRow]:
    """Those that have the text in their name, type, description, a label or an alias."""
    wanted = text.casefold()
    return [
        row
        for row in rows
        if any(
            wanted in word.casefold()
            for word in (row.name, row.type, row.description, *row.labels, *row.aliases)
        )
    ]


def as_json(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False)


@dataclass(frozen=True)
class PropertyChangeShown:
    """One property that two versions do not have alike. ``kind`` is added, removed or changed."""

    name: str
    kind: str
    label: StrOrPromise
    sign: str
    attributes: list[tuple[str, str, str]]  # attribute, before, after


KINDS = {
    "added": (_("Added"), "+"),
    "removed": (_("Removed"), "−"),
    "changed": (_("Changed"), "~"),
}


@dataclass(frozen=True)
class SchemaChanges:
    """What the later of two versions changes."""

    changes: list[PropertyChangeShown]
    same: int


def schema_changes(before: dict[str, Any] | None, after: dict[str, Any]) -> SchemaChanges:
    """None is no schema: all that the other has is added."""
    found = diff(before, after)
    return SchemaChanges(
        changes=[
            PropertyChangeShown(each.name, each.kind, *KINDS[each.kind], _attributes(each))
            for each in found
            if each.kind != "same"
        ],
        same=sum(each.kind == "same" for each in found),
    )


def _attributes(change: PropertyChange) -> list[tuple[str, str, str]]:
    if change.kind == "changed":
        return [
            (each.attribute, _value(each.before), _value(each.after)) for each in change.attributes
        ]
    # of one that came or went, all that it says
    whole = change.after or change.before or {}
    said = [(name, _value(value)) for name, value in whole.items() if name != "name" and value]
    is_new = change.kind == "added"
    return [(name, "" if is_new else text, text if is_new else "") for name, text in said]


def _value(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if value is None or isinstance(value, bool):
        return "true" if value else "false" if value is False else ""
    return str(value)
