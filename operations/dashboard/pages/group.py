"""One group: who is in it, by however many steps, and what holds it."""

from __future__ import annotations

from typing import Any

from django.db.models import OuterRef, Subquery
from django.http import HttpRequest, HttpResponse

from operations.dashboard.filters import KEY, Parameters
from operations.dashboard.group_list import (
    GROUPS_LOOKED_AT,
    counted_members,
    holders,
    named_in_items,
)
from operations.dashboard.guard import page
from operations.dashboard.listing import GLIMPSE
from operations.dashboard.live import live_page
from operations.dashboard.lookups import find_group
from operations.dashboard.presentation.groups import (
    LEVELS,
    MOST,
    Loaded,
    MemberRow,
    member_tree,
)
from operations.dashboard.presentation.numbers import Count
from operations.item_rules import visible_id
from operations.models import ExternalGroup, GroupMember, IdentityType
from operations.roles import Role

#: Members of the group itself that a page shows; the rest of MOST is for those below them.
PAGE = 100


@page(Role.VIEWER)
def group(request: HttpRequest, connection_id: str, group_key: int) -> HttpResponse:
    rows = ExternalGroup.objects.annotate(member_count=counted_members())
    found: Any = find_group(connection_id, group_key, rows)
    parameters = Parameters(request.GET)
    after = parameters.position("after", KEY)
    parameters.finish()
    loaded, next_after = _loaded(found, int(after or 0))
    holding = _holding(found)
    named, newest = named_in_items(found.connection_id)
    return live_page(
        request,
        "group",
        {
            "title": found.display_name or visible_id(found.graph_id),
            "group": found,
            "connection": found.connection,
            "member_count": Count(found.member_count),
            "parameters": parameters,
            "members": member_tree(found.pk, loaded),
            "levels": LEVELS,
            "is_later_page": bool(after),
            "next_page": parameters.at("after", next_after) if next_after else "",
            "holding": holding[:GLIMPSE],
            "more_holding": len(holding) > GLIMPSE,
            "groups_looked_at": f"{GROUPS_LOOKED_AT:,}",
            "named": named[found.graph_id],
            "newest": newest,
        },
    )


def _loaded(found: ExternalGroup, after: int) -> tuple[Loaded, int]:
    """The members of the group behind a key, and of the groups below it: a query for each level.
    Beside them the key behind which the next page begins."""
    connection_key = found.connection_id
    first = list(_members(connection_key).filter(group=found, pk__gt=after)[: PAGE + 1])
    is_cut = len(first) > PAGE
    first = first[:PAGE]
    rows = [_row(each) for each in first]
    loaded: Loaded = {found.pk: (rows, not is_cut)}
    left = MOST - len(first)
    for _level in range(LEVELS - 1):
        keys = {key for _id, _kind, key, _name in rows if key} - set(loaded)
        level = list(_members(connection_key).filter(group__in=keys)[: left + 1])
        cut = level.pop().group_id if len(level) > left else None
        for key in keys:
            members = [_row(each) for each in level if each.group_id == key]
            # those that come behind the one that was cut were not read
            if cut is None or key < cut or (key == cut and members):
                loaded[key] = (members, key != cut)
        rows = [_row(each) for each in level]
        left -= len(level)
    return loaded, first[-1].pk if is_cut else 0


def _members(connection_key: int) -> Any:
    """Members, each with the key and the name of the group of this connection that has its id."""
    same_id = ExternalGroup.objects.filter(connection=connection_key, graph_id=OuterRef("graph_id"))
    return GroupMember.objects.annotate(
        group_key=Subquery(same_id.values("pk")[:1]),
        group_name=Subquery(same_id.values("display_name")[:1]),
    ).order_by("group", "id")


def _row(member: Any) -> MemberRow:
    if member.kind != IdentityType.EXTERNAL_GROUP:
        return member.graph_id, member.kind, None, None
    return member.graph_id, member.kind, member.group_key, member.group_name


def _holding(found: ExternalGroup) -> list[Any]:
    """The groups that this one is a member of: of the newest."""
    members = holders(found.connection_id).filter(graph_id=found.graph_id)
    named = members.values("group_id", "group__graph_id", "group__display_name")
    return list(named[: GLIMPSE + 1])
