"""What one schema changes about another, property by property. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from operations.schema_rules import BETA_MEMBERS, FLAGS

#: The order in which attributes are told; others follow by name.
_ORDER = ("name", "type", "description", "aliases", "labels", *FLAGS, *sorted(BETA_MEMBERS))


@dataclass(frozen=True)
class AttributeChange:
    """One attribute of a property, as JSON values; None where it is not there."""

    attribute: str
    before: Any
    after: Any


@dataclass(frozen=True)
class PropertyChange:
    """One property in both schemas; ``attributes`` are those that a changed one differs in."""

    name: str
    kind: Literal["added", "removed", "changed", "same"]
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    attributes: tuple[AttributeChange, ...] = ()


def diff(before: dict[str, Any] | None, after: dict[str, Any] | None) -> list[PropertyChange]:
    """Each property of two schemas (``{"baseType", "properties"}``; None is no schema).

    In the order of ``after``, then those that it leaves out. Names are compared without regard
    to case, as within a schema.
    """
    earlier = {_key(prop): prop for prop in _properties(before)}
    later = {_key(prop): prop for prop in _properties(after)}
    changes = [_compare(earlier.get(key), prop) for key, prop in later.items()]
    return changes + [
        PropertyChange(prop["name"], "removed", prop, None)
        for key, prop in earlier.items()
        if key not in later
    ]


def _properties(document: dict[str, Any] | None) -> list[dict[str, Any]]:
    return (document or {}).get("properties") or []


def _key(prop: dict[str, Any]) -> str:
    return prop["name"].casefold()


def _compare(before: dict[str, Any] | None, after: dict[str, Any]) -> PropertyChange:
    if before is None:
        return PropertyChange(after["name"], "added", None, after)
    others = sorted((before.keys() | after.keys()) - set(_ORDER))
    attributes = tuple(
        AttributeChange(attribute, before.get(attribute), after.get(attribute))
        for attribute in (*_ORDER, *others)
        if _meaning(before.get(attribute)) != _meaning(after.get(attribute))
    )
    return PropertyChange(
        after["name"], "changed" if attributes else "same", before, after, attributes
    )


def _meaning(value: Any) -> Any:
    """What a value says: nothing, false and an empty list are one, and so are labels and aliases
    in another order."""
    if isinstance(value, list):
        value = sorted(value, key=str)
    return value or None
