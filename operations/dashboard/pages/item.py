"""One item: what is in it, who may read it, who wrote it last."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.db.models.functions import Length, Substr
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.http import content_disposition_header

from operations import groups
from operations.dashboard.group_list import counted_members
from operations.dashboard.guard import page
from operations.dashboard.live import live_page
from operations.dashboard.lookups import application_name, find_item
from operations.dashboard.presentation.items import (
    LONGEST,
    MOST,
    Access,
    AccessEntry,
    ContentShown,
    GroupThere,
    access_entries,
    bearers,
    item_json,
    properties_shown,
    text_of,
    web_address,
    without_value,
)
from operations.dashboard.presentation.numbers import Count
from operations.item_rules import visible_id
from operations.models import ContentType, ExternalGroup, ExternalItem, GroupMember, IdentityType
from operations.roles import Role

#: Newest activities that the page shows.
ACTIVITIES = 20
#: A larger item is not printed whole, for the page reads itself again and again; its file has all.
PRINTED = 200_000
#: Nested groups of an access list that the page knows.
NESTED = 1000


@page(Role.VIEWER)
def item(request: HttpRequest, connection_id: str, item_key: int) -> HttpResponse:
    found: Any = find_item(connection_id, item_key, _rows())
    schema = found.connection.schema_in_force
    acl, properties = found.acl or [], found.properties or {}
    title = text_of(properties, bearers(schema, "title"))
    entries = _entries(found)
    is_printed = found.size <= PRINTED
    if is_printed:  # the beginning is the whole
        found.content_value = found.beginning
    activities = found.activities.order_by("-id")[:ACTIVITIES]
    return live_page(
        request,
        "item",
        {
            "title": title or visible_id(found.graph_id),
            "item": found,
            "item_title": title,
            "connection": found.connection,
            "address": web_address(text_of(properties, bearers(schema, "url"))),
            "schema": schema,
            "properties": properties_shown(properties, schema),
            "without": without_value(properties, schema),
            "content": _content(found),
            "access": Access.of(acl),
            "entries": entries,
            "more_entries": max(0, len(acl) - MOST),
            "label": (found.label or {}).get("sensitivityLabelId") if found.label else None,
            "activities": list(activities),
            "graph_json": item_json(found) if is_printed else "",
            "size": f"{found.size:,}",
            "version": f"{found.version:,}",
        },
    )


@page(Role.VIEWER)
def item_file(request: HttpRequest, connection_id: str, item_key: int) -> HttpResponse:
    """The Graph JSON of an item, to keep or to send on."""
    found = find_item(connection_id, item_key, ExternalItem.objects.all())
    # an id may hold anything, also what no file is called
    name = f"{found.connection.graph_id}-item-{found.pk}.json"
    return HttpResponse(
        item_json(found),
        content_type="application/json",
        headers={"Content-Disposition": content_disposition_header(True, name) or "attachment"},
    )


def _rows() -> QuerySet[ExternalItem]:
    """Items with the beginning of their content in place of the whole."""
    return ExternalItem.objects.defer("content_value").annotate(
        beginning=Substr("content_value", 1, PRINTED),
        length=Length("content_value"),
        application=application_name("changed_by_app_id"),
    )


def _content(found: Any) -> ContentShown | None:
    if found.content_type is None:
        return None
    beginning = (found.beginning or "")[:LONGEST]
    return ContentShown(ContentType.word_of(found.content_type), beginning, found.length or 0)


def _entries(found: Any) -> list[AccessEntry]:
    """The access list, with the groups that it leads to."""
    acl = found.acl or []
    named = [entry["value"] for entry in acl[:MOST] if entry.get("type") == "externalGroup"]
    reached = groups.reached_from(found.connection_id, named, NESTED)
    if not reached:
        return access_entries(acl, {}, {})
    known = ExternalGroup.objects.filter(connection=found.connection_id, graph_id__in=reached)
    counted = list(known.annotate(member_count=counted_members()))
    there = {
        group.graph_id: GroupThere(
            group.graph_id,
            reverse("group", args=[found.connection.graph_id, group.pk]),
            group.display_name or "",
            Count(group.member_count),
        )
        for group in counted
    }
    held = GroupMember.objects.filter(group__in=counted, kind=IdentityType.EXTERNAL_GROUP)
    nested: dict[str, list[str]] = {}
    for holder, graph_id in held.order_by("id").values_list("group__graph_id", "graph_id")[
        : 10 * NESTED
    ]:
        nested.setdefault(holder, []).append(graph_id)
    return access_entries(acl, there, nested)
