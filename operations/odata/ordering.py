"""``$orderby`` and ``$skiptoken``: by what a list is sorted, and after which row it goes on."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass

from operations.errors import InvalidQueryOption
from operations.odata import hints
from operations.odata.source import Source
from operations.odata.types import EntityType, Property, Value

MAX_KEY = 2**63 - 1


@dataclass(frozen=True)
class SortKey:
    """One key of ``$orderby``."""

    name: str
    property: Property
    descending: bool = False

    def __str__(self) -> str:
        return f"{self.name} desc" if self.descending else self.name


@dataclass(frozen=True)
class Mark:
    """The last row of a page: the values of its sort keys, and its surrogate key."""

    values: tuple[Value, ...]
    key: int


def parse_orderby(source: Source, entity: EntityType) -> tuple[SortKey, ...]:
    """The keys, first one first. Raises InvalidQueryOption."""
    keys: dict[str, SortKey] = {}
    for piece in source.pieces(","):
        words = piece.text.split()
        if not words:
            raise piece.syntax_error(0, "Expression expected")
        name, direction = words[0], "".join(words[1:2]).lower()
        if len(words) > 2 or direction not in ("", "asc", "desc"):
            position = piece.text.index(words[1], len(name))
            raise piece.syntax_error(position, hint=hints.DIRECTION)
        prop = entity.properties.get(name)
        if not isinstance(prop, Property):
            raise piece.refuse(
                entity.why_not(name, "$orderby"), hint=entity.instead(name, "$orderby")
            )
        if name in keys:
            raise piece.refuse(f"Duplicate property named '{name}' is not supported in '$orderby'.")
        keys[name] = SortKey(name, prop, direction == "desc")
    return tuple(keys.values())


def write_skip_token(keys: Sequence[SortKey], mark: Mark) -> str:
    """The opaque token that continues after a row, under these keys only."""
    order = [_order(keys)] if keys else []
    document = json.dumps([*order, *mark.values, mark.key], ensure_ascii=False)
    return base64.urlsafe_b64encode(document.encode()).rstrip(b"=").decode()


def read_skip_token(text: str, keys: Sequence[SortKey]) -> Mark:
    """Where the list goes on. Raises InvalidQueryOption for a token that we did not give, or gave
    for another order: what it holds is used in a query, so each value must fit its key."""
    try:
        padded = text + "=" * (-len(text) % 4)
        document = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (ValueError, binascii.Error, RecursionError):
        document = None
    wrong = "is not one that this service gave"
    if isinstance(document, list) and document:
        *values, key = document
        order = values.pop(0) if values else ""
        if order != _order(keys):
            wrong = "belongs to another $orderby"
        elif (
            len(values) == len(keys)
            and all(sort.property.holds(value) for sort, value in zip(keys, values, strict=True))
            and type(key) is int
            and 0 <= key <= MAX_KEY
        ):
            return Mark(tuple(values), key)
    raise InvalidQueryOption(
        f"The value of $skiptoken {wrong}. Follow @odata.nextLink as it is.", "$skiptoken"
    )


def _order(keys: Sequence[SortKey]) -> str:
    return ",".join(map(str, keys))
