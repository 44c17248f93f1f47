"""Query options of a request applied to a queryset: one page by key, its count, its next link."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

from django.conf import settings
from django.db.models import QuerySet

from operations.api.filtering import mark, narrowed, read_in_order
from operations.api.representation import Json, pick
from operations.odata.options import QueryOptions
from operations.odata.ordering import MAX_KEY, Mark, write_skip_token

#: What a value in a link keeps as it is: the marks of OData, which need no escape in a query.
READABLE = "$,;:/='()@*"


def page_size(options: QueryOptions, preferred: int | None = None) -> int:
    """How many rows a page has at most: ``$top`` or what the caller prefers, the smaller."""
    wanted = [size for size in (options.top, preferred) if size is not None]
    return min(*wanted, settings.MAX_PAGE_SIZE) if wanted else settings.PAGE_SIZE


@dataclass(frozen=True)
class Rows:
    """Where a collection takes its rows from: ``make`` gives all of them.

    ``read`` makes what has the columns as attributes of what the queryset gives, where that is
    something else. ``prepared`` gives so many rows after a key sooner, where nobody filters or
    sorts. ``fits`` is how many of these rows one page holds, and ``whole`` gives those with all
    that is shown, where the rows are not. ``counted`` knows how many there are without looking.
    """

    make: Callable[[], QuerySet[Any, Any]]
    newest_first: bool = False
    read: Callable[[Any], Any] | None = None
    prepared: Callable[[int, int], list[Any]] | None = None
    fits: Callable[[list[Any]], int] = len
    whole: Callable[[list[Any]], list[Any]] | None = None
    counted: Callable[[QueryOptions], int | None] | None = None

    def count(self, options: QueryOptions) -> int:
        """How many there are with ``$filter``."""
        known = self.counted(options) if self.counted else None
        return known if known is not None else narrowed(self.make(), options.filter).count()

    def page(self, options: QueryOptions, number: int) -> list[Any]:
        """So many rows at the most, from where the options say."""
        start = options.skip if options.after is None else 0
        found: list[Any]
        if self.prepared and options.filter is None and not options.order and not start:
            found = self.prepared(options.after.key if options.after else MAX_KEY, number)
        else:
            found = read_in_order(
                narrowed(self.make(), options.filter),
                options.order,
                options.after,
                skip=start,
                number=number,
                newest_first=self.newest_first,
            )
        return [self.read(row) for row in found] if self.read else found


def page(
    rows: Rows,
    options: QueryOptions,
    *,
    size: int,
    shape: Callable[[Any], Json],
    expand: Callable[[Sequence[Any]], list[Json]],
    context: str,
    address: str,
) -> Json:
    """One page of a collection: ``value`` and, where they apply, count and next link.

    Pages go by the sort keys and the surrogate key, so rows that arrive or leave meanwhile make
    none appear twice or get lost. One row more than the page is asked for, to know whether a next
    page exists; an empty page never has a next link.
    """
    result: Json = {"@odata.context": context}
    if options.count:
        result["@odata.count"] = rows.count(options)
    asked, found = size, rows.page(options, size + 1)
    size = rows.fits(found[:size])
    last = mark(found[size - 1], options.order) if len(found) > size else None
    del found[size:]
    if rows.whole:
        found = rows.whole(found)
        if last and not found:  # all of them are gone since; an empty page ends what a client reads
            options = replace(options, after=last, skip=0)
            return result | page(
                rows,
                options,
                size=asked,
                shape=shape,
                expand=expand,
                context=context,
                address=address,
            )
    if last:
        result["@odata.nextLink"] = next_link(address, options, last)
    value = [shape(row) for row in found]
    if options.expand:
        for document, added in zip(value, expand(found), strict=True):
            document |= added
    if options.columns:
        value = [pick(document, options.columns) for document in value]
    result["value"] = value
    return result


def next_link(address: str, options: QueryOptions, last: Mark) -> str:
    """Absolute, with all the options of the request; ``$skip`` has been done by then."""
    kept = [(name, value) for name, value in options.pairs if name not in ("$skip", "$skiptoken")]
    kept.append(("$skiptoken", write_skip_token(options.order, last)))
    query = [f"{quote(name, safe='$')}={quote(value, safe=READABLE)}" for name, value in kept]
    return f"{address}?{'&'.join(query)}"
