"""An item as a list and its own page show it: title, properties, content, who may read it. Pure."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from operations.dashboard.presentation.differences import Value
from operations.dashboard.presentation.numbers import Count
from operations.item_rules import visible_id
from operations.models import ExternalItem, Schema

Json = dict[str, Any]
#: Characters of a value of which a page shows no more, and entries of a list.
LONGEST = 20_000
MOST = 200

# Title and address -------------------------------------------------------------------------------


def bearers(schema: Schema | None, label: str) -> list[str]:
    """The names of the properties that have this label."""
    properties = schema.properties if schema else []
    return [each.get("name", "") for each in properties if label in (each.get("labels") or ())]


def text_of(properties: object, names: Iterable[str]) -> str:
    """The first of these properties that is a text with something in it."""
    found = properties if isinstance(properties, dict) else {}
    texts = (found.get(name) for name in names)
    return next((text for text in texts if isinstance(text, str) and text.strip()), "")


def web_address(text: str) -> str:
    """The text if it is an address that a browser may be led to; empty otherwise."""
    try:
        parts = urlsplit(text.strip())
    except ValueError:
        return ""
    return text.strip() if parts.scheme in ("http", "https") and parts.netloc else ""


# Who may read it ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Access:
    """An access list in a few words: who may read, and who of them may not."""

    granted: str
    denied: str = ""

    @classmethod
    def of(cls, acl: list[Json] | None) -> Access:
        """None is a list that is too long to be read for a row."""
        if acl is None:
            return cls(_("A long list"))
        grants, denies = Counter[str](), Counter[str]()
        for entry in acl:
            to = denies if entry.get("accessType") == "deny" else grants
            to[str(entry.get("type"))] += 1
        if denies["everyone"] or not grants:
            return cls(_("Nobody"), _("everyone is denied") if denies["everyone"] else "")
        denied = _("not: %(who)s") % {"who": _who(denies)} if denies else ""
        return cls(_who(grants), denied)

    @property
    def is_nobody(self) -> bool:
        return self.granted == _("Nobody")


def _who(types: Counter[str]) -> str:
    if types["everyone"]:
        return _("Everyone")
    words = [_("Everyone except guests")] if types["everyoneExceptGuests"] else []
    counted = (
        (types["user"], ngettext("%(n)s user", "%(n)s users", types["user"])),
        (types["group"], ngettext("%(n)s group", "%(n)s groups", types["group"])),
        (
            types["externalGroup"],
            ngettext("%(n)s external group", "%(n)s external groups", types["externalGroup"]),
        ),
    )
    words += [word % {"n": f"{number:,}"} for number, word in counted if number]
    return ", ".join(words) or _("Nobody that is known here")


@dataclass(frozen=True)
class GroupThere:
    """An external group that an access list leads to. Without an address it is not there."""

    graph_id: str
    address: str = ""
    name: str = ""
    members: Count = Count(0)

    @property
    def shown(self) -> str:
        return self.name or visible_id(self.graph_id)


@dataclass(frozen=True)
class AccessEntry:
    """One entry of an access list. ``group`` is the external group that it names, ``through`` are
    those that this one leads to."""

    is_deny: bool
    type: str
    value: str
    label: str
    group: GroupThere | None = None
    through: list[GroupThere] = field(default_factory=list)


def access_entries(
    acl: list[Json], groups: dict[str, GroupThere], nested: dict[str, list[str]]
) -> list[AccessEntry]:
    """The entries in their order: so many of them. ``groups`` are those that are there, ``nested``
    says which ids each of them holds."""
    entries = []
    for entry in acl[:MOST]:
        kind, value = str(entry.get("type")), str(entry.get("value"))
        group, through = None, []
        if kind == "externalGroup":
            group = groups.get(value, GroupThere(value))
            through = [groups.get(each, GroupThere(each)) for each in _led_to(value, nested)]
        entries.append(
            AccessEntry(
                entry.get("accessType") == "deny", kind, value, _kind(kind), group, through[:MOST]
            )
        )
    return entries


def _led_to(graph_id: str, nested: dict[str, list[str]]) -> list[str]:
    """What a group leads to but itself, the nearest first; a ring ends where it began."""
    seen = {graph_id: None}
    for here in (waiting := [graph_id]):
        new = [each for each in nested.get(here, ()) if each not in seen]
        seen |= dict.fromkeys(new)
        waiting += dict.fromkeys(new)
    return list(seen)[1:]


def _kind(kind: str) -> str:
    labels = {
        "user": _("User"),
        "group": _("Group of the directory"),
        "everyone": _("Everyone"),
        "everyoneExceptGuests": _("Everyone except guests"),
        "externalGroup": _("External group"),
    }
    return labels.get(kind, kind)


# Properties and content --------------------------------------------------------------------------


@dataclass(frozen=True)
class PropertyShown:
    """One property of an item. ``type`` is empty when the schema in force does not have it."""

    name: str
    type: str
    labels: list[str]
    values: list[Value]
    more: int = 0
    address: str = ""


def properties_shown(properties: Json, schema: Schema | None) -> list[PropertyShown]:
    """Those that have a value, in the order of the schema; then those that it does not have."""
    declared = {each.get("name", ""): each for each in (schema.properties if schema else [])}
    given = [name for name in properties if "@" not in name]
    order = [name for name in declared if name in properties]
    order += [name for name in given if name not in declared]
    return [
        _property(name, properties[name], declared.get(name, {}))
        for name in order
        if properties[name] is not None
    ]


def without_value(properties: Json, schema: Schema | None) -> list[str]:
    """The names of the schema's properties that an item has no value of."""
    names = [each.get("name", "") for each in (schema.properties if schema else [])]
    return [name for name in names if properties.get(name) is None]


def _property(name: str, value: Any, declared: Json) -> PropertyShown:
    several = value if isinstance(value, list) and value else [value]
    return PropertyShown(
        name=name,
        type=declared.get("type", ""),
        labels=declared.get("labels") or [],
        values=[Value.of(each, LONGEST) for each in several[:MOST]],
        more=max(0, len(several) - MOST),
        address=web_address(value) if isinstance(value, str) else "",
    )


@dataclass(frozen=True)
class ContentShown:
    """The beginning of an item's content. ``length`` is of the whole, in characters."""

    type: str
    beginning: str
    length: int

    #: A content that is longer or has more lines is folded.
    FOLDED, LINES = 600, 8

    @property
    def is_long(self) -> bool:
        return self.length > self.FOLDED or self.beginning.count("\n") >= self.LINES

    @property
    def is_cut(self) -> bool:
        return self.length > len(self.beginning)

    @property
    def first_lines(self) -> str:
        lines = self.beginning[: self.FOLDED].splitlines(keepends=True)
        return "".join(lines[: self.LINES]).rstrip()

    @property
    def length_shown(self) -> str:
        return f"{self.length:,}"

    @property
    def shown_of_it(self) -> str:
        return f"{len(self.beginning):,}"


def item_json(item: ExternalItem) -> str:
    """The item as the API answers it."""
    return json.dumps(item.graph(), indent=2, ensure_ascii=False)


# The row of a list -------------------------------------------------------------------------------


@dataclass(frozen=True)
class ItemRow:
    """One item as the list shows it (``item_list``)."""

    item: Any
    title: str

    @property
    def key(self) -> int:
        return self.item.pk

    @property
    def graph_id(self) -> str:
        return self.item.graph_id

    @cached_property
    def access(self) -> Access:
        return Access.of(self.item.row_acl)

    @property
    def size_shown(self) -> str:
        return f"{self.item.size:,}"


def item_rows(items: Iterable[Any], schema: Schema | None) -> Iterator[ItemRow]:
    titles = bearers(schema, "title")
    return (ItemRow(item, text_of(item.row_properties, titles)) for item in items)
