"""A group in a list, and its members as a tree. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext as _

from operations.dashboard.presentation.numbers import Count
from operations.item_rules import visible_id
from operations.models import IdentityType

#: How deep a tree goes, and how many members it shows.
LEVELS = 3
MOST = 200


@dataclass(frozen=True)
class GroupRow:
    """One group. ``held`` is in how many groups it is a member, ``named`` by how many of the
    ``newest`` items."""

    group: Any
    held: int
    named: int
    newest: int

    @property
    def key(self) -> int:
        return self.group.pk

    @property
    def graph_id(self) -> str:
        return self.group.graph_id

    @property
    def name(self) -> str:
        return self.group.display_name or ""

    @property
    def members(self) -> Count:
        return Count(self.group.member_count)


@dataclass
class Member:
    """One member. ``key`` is that of the group that it is; None for a person, and for a group that
    is not there. ``fold`` says why a group's members do not stand below it."""

    graph_id: str
    kind: int
    key: int | None = None
    name: str = ""
    fold: str = ""
    children: list[Member] = field(default_factory=list)
    is_open: bool = False

    @property
    def shown(self) -> str:
        return self.name or visible_id(self.graph_id)

    @property
    def is_group(self) -> bool:
        return self.kind == IdentityType.EXTERNAL_GROUP

    @property
    def label(self) -> str:
        labels = {
            IdentityType.USER: _("User"),
            IdentityType.GROUP: _("Group of the directory"),
            IdentityType.EXTERNAL_GROUP: _("External group"),
        }
        known = next((label for kind, label in labels.items() if kind == self.kind), None)
        return known or _("Unknown value")


#: A member's id and kind, and key and name of the group that it is.
MemberRow = tuple[str, int, int | None, str | None]
#: Of a group by its key: its members, and whether these are all of them.
Loaded = dict[int, tuple[Sequence[MemberRow], bool]]


def member_tree(key: int, loaded: Loaded) -> list[Member]:
    """The members of a group, with those of the groups among them below. A group that stands above
    itself is not unfolded again."""
    return _below(key, loaded, (key,), [MOST])


def _below(key: int, loaded: Loaded, path: tuple[int, ...], left: list[int]) -> list[Member]:
    rows, _is_all = loaded.get(key, ((), True))
    members = []
    for graph_id, kind, nested, name in rows:
        if left[0] <= 0:
            break
        left[0] -= 1
        members.append(Member(graph_id, kind, nested, name or ""))
    # what stands beside each other comes before what stands below it
    for member in members:
        if not member.is_group:
            continue
        if member.key is None:
            member.fold = _("not there")
        elif member.key in path:
            member.fold = _("already shown above")
        elif len(path) >= LEVELS or member.key not in loaded:
            member.fold = _("its members are on its page")
        elif not loaded[member.key][0]:
            member.fold = _("no members")
        else:
            member.children = _below(member.key, loaded, (*path, member.key), left)
            member.is_open = len(path) == 1 and len(members) <= 10
            shown = len(member.children)
            if shown < len(loaded[member.key][0]) or not loaded[member.key][1]:
                member.fold = _("more members are on its page")
    return members
