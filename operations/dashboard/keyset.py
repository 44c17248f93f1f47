"""Paging by key in any order: a page begins behind the last row of the one before.

The address holds that row's sort values and its key, so a page stays right when rows come and go,
and also when that row is gone. Each row is met once, as long as its own values do not change.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet

#: A position as it stands in an address: base64url of a JSON list.
POSITION = re.compile(r"[A-Za-z0-9_-]{1,2000}")
MAX_KEY = 2**63 - 1
Reader = Callable[[Any], Any]


def number(value: Any) -> int:
    if type(value) is not int or not -MAX_KEY <= value <= MAX_KEY:
        raise ValueError(value)
    return value


def text(value: Any) -> str:
    # no database compares with a NUL or with half of a surrogate pair
    if not isinstance(value, str) or "\0" in value:
        raise ValueError(value)
    value.encode()
    return value


def moment(value: Any) -> datetime:
    found = datetime.fromisoformat(text(value))
    if found.tzinfo is None or not 1970 <= found.year <= 9998:
        raise ValueError(value)
    return found


@dataclass(frozen=True)
class Order:
    """By which columns (fields or annotations) rows are sorted, and how each is read back.

    The primary key comes last of itself, so that no two rows are alike. All go up, or all down.
    """

    columns: tuple[tuple[str, Reader], ...]
    descending: bool = False

    @property
    def _all(self) -> tuple[tuple[str, Reader], ...]:
        return (*self.columns, ("pk", number))

    @property
    def _name(self) -> str:
        """Stands in every position, for the values of another order may look alike."""
        columns = ",".join(column for column, _reader in self.columns)
        return f"-{columns}" if self.descending else columns

    def sort(self, rows: QuerySet) -> QuerySet:
        sign = "-" if self.descending else ""
        return rows.order_by(*(sign + column for column, _reader in self._all))

    def position(self, row: Any) -> str:
        """Where the page behind this row begins."""
        values = [self._name, *(getattr(row, column) for column, _reader in self._all)]
        document = json.dumps(values, ensure_ascii=False, default=datetime.isoformat)
        return base64.urlsafe_b64encode(document.encode()).rstrip(b"=").decode()

    def behind(self, rows: QuerySet, position: str) -> QuerySet:
        """The rows behind a position. Raises ValueError for one that is none of this order."""
        try:
            padded = position + "=" * (-len(position) % 4)
            values = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        except (binascii.Error, RecursionError) as error:
            raise ValueError(position) from error
        is_ours = isinstance(values, list) and len(values) == len(self._all) + 1
        if not is_ours or values.pop(0) != self._name:
            raise ValueError(position)
        comparison = "lt" if self.descending else "gt"
        behind, alike = Q(), Q()
        for (column, reader), value in zip(self._all, values, strict=True):
            known = reader(value)
            behind |= alike & Q(**{f"{column}__{comparison}": known})
            alike &= Q(**{column: known})
        return rows.filter(behind)
