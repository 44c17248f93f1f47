"""What one schema changes about another, as a table prints it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from operations.schema_diff import PropertyChange, diff

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

KIND_LABELS: dict[str, tuple[str, StrOrPromise]] = {
    "added": ("+", gettext_lazy("Added")),
    "changed": ("~", gettext_lazy("Changed")),
    "removed": ("−", gettext_lazy("Removed")),
}


@dataclass(frozen=True)
class Line:
    """One attribute, as text: in both schemas for a changed property, in one for another."""

    attribute: str
    before: str
    after: str


@dataclass(frozen=True)
class ChangedProperty:
    """A property that is not the same in both. ``sign`` tells its kind without colour."""

    name: str
    kind: str
    sign: str
    label: StrOrPromise
    lines: list[Line]

    @classmethod
    def of(cls, change: PropertyChange) -> ChangedProperty:
        sign, label = KIND_LABELS[change.kind]
        if change.kind == "changed":
            lines = [
                Line(each.attribute, as_text(each.before), as_text(each.after))
                for each in change.attributes
            ]
        else:
            there = change.after or change.before or {}
            texts = {name: as_text(value) for name, value in there.items() if name != "name"}
            lines = [
                Line(name, "", text) if change.after else Line(name, text, "")
                for name, text in texts.items()
                if there[name]
            ]
        return cls(change.name, change.kind, sign, label, lines)


@dataclass(frozen=True)
class SchemaChanges:
    """What is added, changed and removed; what stays the same is counted."""

    properties: list[ChangedProperty]
    unchanged: int

    @classmethod
    def between(cls, before: dict[str, Any] | None, after: dict[str, Any] | None) -> SchemaChanges:
        changes = diff(before, after)
        differing = [ChangedProperty.of(change) for change in changes if change.kind != "same"]
        return cls(differing, len(changes) - len(differing))

    @property
    def summary(self) -> str:
        """``2 added, 1 changed, 40 unchanged``."""
        kinds = [each.kind for each in self.properties]
        parts = (
            (kinds.count("added"), _("%(n)s added")),
            (kinds.count("changed"), _("%(n)s changed")),
            (kinds.count("removed"), _("%(n)s removed")),
            (self.unchanged, _("%(n)s unchanged")),
        )
        return ", ".join(text % {"n": number} for number, text in parts if number)


def as_text(value: Any) -> str:
    """An attribute as a person reads it: ``yes``, ``title, url``, a dash where there is none."""
    if value is None or value == []:
        return "–"
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return ", ".join(value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
