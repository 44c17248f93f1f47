"""Query options of a request applied to a queryset: one page by key, its count, its next link."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from django.conf import settings
from django.db.models import Model, QuerySet

from operations.api.representation import Json, pick
from operations.odata import QueryOptions, skip_token


def page(
    rows: QuerySet[Any],
    options: QueryOptions,
    *,
    shape: Callable[[Any], Json],
    context: str,
    address: str,
    pairs: list[tuple[str, str]],
    newest_first: bool = False,
) -> Json:
    """One page of a collection: ``value`` and, where they apply, count and next link.

    Pages go by the surrogate key, so rows that arrive or leave meanwhile make none appear twice
    or get lost. One row more than the page is asked for, to know whether a next page exists; an
    empty page never has a next link.
    """
    result: Json = {"@odata.context": context}
    if options.count:
        result["@odata.count"] = rows.count()
    if options.after is not None:
        rows = rows.filter(**{"pk__lt" if newest_first else "pk__gt": options.after})
    rows = rows.order_by("-pk" if newest_first else "pk")
    size = options.top or settings.PAGE_SIZE
    start = options.skip if options.after is None else 0
    found: list[Model] = list(rows[start : start + size + 1])
    if len(found) > size:
        result["@odata.nextLink"] = _next_link(address, pairs, found[size - 1].pk)
    result["value"] = [pick(shape(row), options.select) for row in found[:size]]
    return result


def _next_link(address: str, pairs: list[tuple[str, str]], last_key: int) -> str:
    """Absolute, with all the options of the request; ``$skip`` has been done by then."""
    kept = [(name, value) for name, value in pairs if name not in ("$skip", "$skiptoken")]
    kept.append(("$skiptoken", skip_token(last_key)))
    query = "&".join(f"{quote(name, safe='$')}={quote(value, safe=',')}" for name, value in kept)
    return f"{address}?{query}"
