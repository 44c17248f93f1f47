"""The tabs of a connection that show what is in it: its items and its groups."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext as _

from operations.dashboard.charts import ItemBars
from operations.dashboard.filters import KEY, Parameters
from operations.dashboard.group_list import counted_members, named_in_items, times_held
from operations.dashboard.item_list import (
    POSITION,
    Found,
    find_items,
    wanted_items,
    with_id_like,
)
from operations.dashboard.item_rates import item_rates
from operations.dashboard.listing import base_url, page_of
from operations.dashboard.presentation.groups import GroupRow
from operations.dashboard.presentation.items import item_rows
from operations.dashboard.presentation.numbers import Count, Total
from operations.item_rules import MAX_ITEM_ID
from operations.models import ExternalGroup


def items(request: HttpRequest, found: Any, now: datetime) -> dict[str, Any]:
    parameters = Parameters(request.GET, keep=("tab",))
    schema = found.schema_in_force
    names = [each.get("name", "") for each in schema.properties] if schema else []
    wanted = wanted_items(parameters, names)
    size = parameters.page_size(request.COOKIES.get("rows", ""))
    position = parameters.position("from", POSITION)
    try:
        page = find_items(found.pk, wanted, size, position)
    except ValueError:
        parameters.leave_out("from")
        position, page = "", find_items(found.pk, wanted, size)
    parameters.finish()
    total = Total(found.item_count)
    matching: Count = total
    if wanted.beginning and not wanted.looks_through:
        matching = Count.of(wanted.rows(found.pk))
    return {
        "parameters": parameters,
        "wanted": wanted,
        "rows": list(item_rows(page.rows, schema)),
        "names": parameters.options["property"],
        "total": total,
        "matching": matching,
        "looked": f"{page.looked:,}" if wanted.looks_through else "",
        "rates": _rates(found.pk, now) if wanted.is_all else None,
        "is_later_page": bool(position),
        "next_page": parameters.at("from", page.next_page) if page.next_page else "",
        "is_empty": _is_empty(page, total, wanted.is_all, position),
        "order": _("sorted by id") if wanted.beginning else _("newest first"),
        "schema": schema,
        "items_url": f"{base_url(request)}/v1.0/external/connections/{found.graph_id}/items",
    }


def _is_empty(page: Found, total: Total, is_all: bool, position: str) -> bool:
    return not total and not page.rows and is_all and not position


def _rates(connection_key: int, now: datetime) -> ItemBars:
    title = _("Items written and deleted, by ten minutes")
    return ItemBars("rates", title, item_rates(connection_key, now))


def groups(request: HttpRequest, found: Any, now: datetime) -> dict[str, Any]:
    parameters = Parameters(request.GET, keep=("tab",))
    beginning = parameters.words("id", _("Id begins with"), MAX_ITEM_ID)
    size = parameters.page_size(request.COOKIES.get("rows", ""))
    below = parameters.position("below", KEY)
    parameters.finish()
    everything = ExternalGroup.objects.filter(connection=found.pk)
    rows = with_id_like(everything, beginning) if beginning else everything
    counts = Count.several(matching=rows, total=everything)
    behind = rows.filter(pk__lt=int(below)) if below else rows
    listed, more = page_of(behind.annotate(member_count=counted_members()).order_by("-id"), size)
    ids = [group.graph_id for group in listed]
    held = times_held(found.pk, ids)
    named, newest = named_in_items(found.pk) if ids else (Counter[str](), 0)
    return {
        "parameters": parameters,
        "text": beginning,
        "rows": [
            GroupRow(group, held[group.graph_id], named[group.graph_id], newest) for group in listed
        ],
        **counts,
        "is_later_page": bool(below),
        "next_page": parameters.at("below", listed[-1].pk) if more else "",
        "is_empty": not counts["total"],
        "order": _("newest first"),
        "groups_url": f"{base_url(request)}/v1.0/external/connections/{found.graph_id}/groups",
    }
