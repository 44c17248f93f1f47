"""Which items a list shows: those whose id begins so, or that have a value in a property.

Items are found by their key and by their id. By a property they are not: so many are looked
through at a time, and the page says how many that were.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db.models import Case, F, QuerySet, TextField, When
from django.db.models.functions import Cast
from django.utils.translation import gettext as _

from operations.dashboard.filters import KEY, Parameters
from operations.dashboard.lookups import application_name
from operations.item_rules import MAX_ITEM_ID
from operations.models import ExternalItem
from operations.models.item import has_short
from operations.models.json_text import JSONTextField
from operations.models.texts import Octets

#: Items that a page looks through at the most, and the bytes of their properties.
LOOKED_THROUGH = 2_000
BYTES = 8_000_000
#: Bytes of items whose properties are measured at a time.
MEASURED = 10 * BYTES
#: What has more bytes than this a row does not read.
LONGEST = 20_000
#: How many were looked through before, and the key or the id behind which it goes on.
POSITION = re.compile(rf"(?s)(\d{{1,12}})\.([^\0]{{1,{MAX_ITEM_ID}}})")


@dataclass(frozen=True)
class Wanted:
    """What an address asks for. Without a property any of them may have the value; without a value
    the property must have one."""

    beginning: str = ""
    name: str = ""
    value: str = ""
    exactly: bool = False

    @property
    def looks_through(self) -> bool:
        return bool(self.name or self.value)

    @property
    def is_all(self) -> bool:
        return not (self.beginning or self.looks_through)

    def rows(self, connection_key: int) -> QuerySet[ExternalItem]:
        """The items in the order of the list: the newest first; by id where one is looked for."""
        rows = ExternalItem.objects.filter(connection=connection_key)
        if self.beginning:
            return with_id_like(rows, self.beginning).order_by("graph_id")
        return rows.order_by("-id")

    def behind(self, rows: QuerySet[ExternalItem], position: str) -> QuerySet[ExternalItem]:
        """Those behind a key or an id. Raises ValueError for what is no key."""
        if self.beginning:
            return rows.filter(graph_id__gt=position)
        if not KEY.fullmatch(position):
            raise ValueError(position)
        return rows.filter(pk__lt=int(position))

    def position(self, key: int, graph_id: str, looked: int = 0) -> str:
        return f"{looked}.{graph_id if self.beginning else key}"

    def holds(self, properties: object) -> bool:
        """Whether these properties have what is looked for."""
        if not isinstance(properties, dict):
            return False
        values = [
            value
            for name, value in properties.items()
            if name == self.name or not (self.name or "@" in name)
        ]
        return any(self._is_wanted(value) for value in values)

    def _is_wanted(self, value: Any) -> bool:
        if isinstance(value, list):
            return any(self._is_wanted(each) for each in value)
        if isinstance(value, dict):  # a principal: any of its members
            return any(self._is_wanted(each) for name, each in value.items() if "@" not in name)
        if value is None:
            return False
        text = value if isinstance(value, str) else json.dumps(value)
        if self.exactly:
            return text == self.value
        return self.value.casefold() in text.casefold()


def wanted_items(parameters: Parameters, names: list[str]) -> Wanted:
    """Read the filter of an address. ``names`` are those of the schema's properties."""
    return Wanted(
        beginning=parameters.words("id", _("Id begins with"), MAX_ITEM_ID),
        name=parameters.choice("property", _("Property"), {name: name for name in names}),
        value=parameters.words("value", _("Value")),
        exactly=parameters.flag("exact", _("Match"), _("the whole value")),
    )


def with_id_like(rows: QuerySet, beginning: str) -> QuerySet:
    """Whose id begins so, by the index: ids are compared by code point."""
    return rows.filter(graph_id__gte=beginning, graph_id__lt=f"{beginning}\U0010ffff")


@dataclass(frozen=True)
class Found:
    """A page of items; ``next_page`` is where the next one begins, empty at the end. ``looked`` is
    how many have been looked through up to here, with those of the pages before."""

    rows: list[ExternalItem]
    next_page: str
    looked: int = 0


def find_items(connection_key: int, wanted: Wanted, size: int, position: str = "") -> Found:
    """A page of what is wanted. Raises ValueError for a position that is none."""
    rows, before = wanted.rows(connection_key), 0
    if position:
        looked, _dot, place = position.partition(".")
        rows, before = wanted.behind(rows, place), int(looked)
    if wanted.looks_through:
        return _looked_through(rows, wanted, size, before)
    found = list(_for_a_row(rows)[: size + 1])
    more = len(found) > size
    last = found[size - 1] if more else None
    return Found(found[:size], wanted.position(last.pk, last.graph_id) if last else "")


def _looked_through(rows: QuerySet[ExternalItem], wanted: Wanted, size: int, before: int) -> Found:
    ahead = list(rows.values_list("pk", "graph_id", "size")[: LOOKED_THROUGH + 1])
    taken = ahead[: _as_many_as_fit([(key, size) for key, _, size in ahead[:LOOKED_THROUGH]])]
    there = ExternalItem.objects.filter(pk__in=[key for key, *_ in taken]).order_by()
    texts = dict(there.values_list("pk", Cast("properties", TextField())))
    keys: list[int] = []
    looked, position = before, ""
    for key, graph_id, _size in taken:
        looked += 1
        position = wanted.position(key, graph_id, looked)
        if key in texts and wanted.holds(json.loads(texts[key])):  # else it is gone since
            keys.append(key)
            if len(keys) == size:
                break
    if looked - before == len(ahead):  # there is none behind
        position = ""
    found = {row.pk: row for row in _for_a_row(ExternalItem.objects.filter(pk__in=keys))}
    return Found([found[key] for key in keys if key in found], position, looked)


def _as_many_as_fit(items: list[tuple[int, int]]) -> int:
    """How many of these items (key and size) have no more than ``BYTES`` in their properties; the
    first one fits, whatever it has."""
    if sum(size for _key, size in items) <= BYTES:  # of all their texts
        return len(items)
    total = 0
    for number, length in enumerate(_lengths(items)):
        total += length
        if number and total > BYTES:
            return number
    return len(items)


def _lengths(items: list[tuple[int, int]]) -> Iterator[int]:
    """The bytes of the properties of each: its size, or measured where that is large. A few at a
    time, for not every database measures a text without reading it."""
    while items:
        number = total = 0
        for _key, size in items:
            total += size
            if number and total > MEASURED:
                break
            number += 1
        batch, items = items[:number], items[number:]
        large = [key for key, size in batch if size > BYTES // LOOKED_THROUGH]
        found = ExternalItem.objects.filter(pk__in=large).order_by()
        measured = dict(found.values_list("pk", Octets("properties")))
        yield from (measured.get(key, size) for key, size in batch)


def _for_a_row(rows: QuerySet[ExternalItem]) -> QuerySet[ExternalItem]:
    """What a row shows: not the content, and of long texts only that they are."""
    return rows.only(
        *("graph_id", "size", "version", "changed_at", "changed_by", "changed_by_app_id")
    ).annotate(
        row_properties=unless_long("properties"),
        row_acl=unless_long("acl"),
        application=application_name("changed_by_app_id"),
    )


def unless_long(column: str) -> Case:
    """The value of a column of JSON; None when it is longer than a row should read."""
    is_short = When(has_short(column, LONGEST), then=F(column))
    return Case(is_short, default=None, output_field=JSONTextField())
