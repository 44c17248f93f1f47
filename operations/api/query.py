"""Query options of a request applied to a queryset: one page by key, its count, its next link."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import quote

from django.conf import settings
from django.db.models import Model, QuerySet

from operations.api.filtering import mark, narrowed, read_in_order
from operations.api.representation import Json, pick
from operations.odata.options import QueryOptions
from operations.odata.ordering import Mark, write_skip_token

#: What a value in a link keeps as it is: the marks of OData, which need no escape in a query.
READABLE = "$,;:/='()@*"


def page_size(options: QueryOptions, preferred: int | None = None) -> int:
    """How many rows a page has at most: ``$top`` or what the caller prefers, the smaller."""
    wanted = [size for size in (options.top, preferred) if size is not None]
    return min(*wanted, settings.MAX_PAGE_SIZE) if wanted else settings.PAGE_SIZE


def page(
    rows: QuerySet[Any],
    options: QueryOptions,
    *,
    size: int,
    shape: Callable[[Any], Json],
    expand: Callable[[Sequence[Any]], list[Json]],
    context: str,
    address: str,
    newest_first: bool = False,
) -> Json:
    """One page of a collection: ``value`` and, where they apply, count and next link.

    Pages go by the sort keys and the surrogate key, so rows that arrive or leave meanwhile make
    none appear twice or get lost. One row more than the page is asked for, to know whether a next
    page exists; an empty page never has a next link.
    """
    result: Json = {"@odata.context": context}
    rows = narrowed(rows, options.filter)
    if options.count:
        result["@odata.count"] = rows.count()
    found: list[Model] = read_in_order(
        rows,
        options.order,
        options.after,
        skip=options.skip if options.after is None else 0,
        number=size + 1,
        newest_first=newest_first,
    )
    if len(found) > size:
        result["@odata.nextLink"] = next_link(
            address, options, mark(found[size - 1], options.order)
        )
    del found[size:]
    result["value"] = [
        pick(shape(row) | added, options.columns)
        for row, added in zip(found, expand(found), strict=True)
    ]
    return result


def next_link(address: str, options: QueryOptions, last: Mark) -> str:
    """Absolute, with all the options of the request; ``$skip`` has been done by then."""
    kept = [(name, value) for name, value in options.pairs if name not in ("$skip", "$skiptoken")]
    kept.append(("$skiptoken", write_skip_token(options.order, last)))
    query = [f"{quote(name, safe='$')}={quote(value, safe=READABLE)}" for name, value in kept]
    return f"{address}?{'&'.join(query)}"
