"""Groups and what holds them: how many members, in which groups, named by which items.

No index leads from an identity to the groups that hold it, nor from a group to the items that name
it: so many are looked through, the newest, and the pages say so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from typing import Any

from django.db.models import Count as Number
from django.db.models import IntegerField, OuterRef, QuerySet, Subquery

from operations.dashboard.item_list import unless_long
from operations.dashboard.presentation.numbers import COUNT_LIMIT
from operations.models import ExternalGroup, ExternalItem, GroupMember, IdentityType

#: Newest groups that are looked through for those that hold one, and newest items.
GROUPS_LOOKED_AT = 5_000
ITEMS_LOOKED_AT = 100


class _NumberOf(Subquery):
    """How many rows a query has that refers to the row around it."""

    template = "(SELECT COUNT(*) FROM (%(subquery)s) AS counted)"
    output_field = IntegerField()


def counted_members(group: str = "pk") -> Any:
    """The number of members of a group whose key is in that column: as far as pages count."""
    members = GroupMember.objects.filter(group=OuterRef(group)).order_by()
    return _NumberOf(members.values("pk")[: COUNT_LIMIT + 1])


def holders(connection_key: int) -> QuerySet[GroupMember]:
    """External groups as members of the newest groups of a connection."""
    newest = ExternalGroup.objects.filter(connection=connection_key).order_by("-id")
    return GroupMember.objects.filter(
        group__in=newest.values("pk")[:GROUPS_LOOKED_AT], kind=IdentityType.EXTERNAL_GROUP
    ).order_by("group")


def times_held(connection_key: int, graph_ids: Collection[str]) -> Counter[str]:
    """In how many groups each of these groups is a member."""
    found = holders(connection_key).filter(graph_id__in=graph_ids).order_by()
    return Counter(dict(found.values_list("graph_id").annotate(Number("group"))))


def named_in_items(connection_key: int) -> tuple[Counter[str], int]:
    """How many of the newest items name each group in their access list, and how many were looked
    at. Lists that are very long are left out."""
    newest = ExternalItem.objects.filter(connection=connection_key).order_by("-id")
    lists = newest.annotate(short=unless_long("acl")).values_list("short", flat=True)
    named: Counter[str] = Counter()
    looked = 0
    for acl in lists[:ITEMS_LOOKED_AT]:
        looked += 1
        named.update({str(entry.get("value")) for entry in acl or () if _is_external_group(entry)})
    return named, looked


def _is_external_group(entry: dict[str, Any]) -> bool:
    return entry.get("type") == "externalGroup"
