"""Rare rows looked for before frequent ones: databases keep no counts that would tell them."""

from __future__ import annotations

from typing import Any

from django.db.models import Exists, Q, QuerySet

#: So many rows are read sooner than thousands are asked one by one.
FEW = 2000


def if_few(rows: QuerySet[Any, Any], column: str = "pk") -> Q:
    """To be asked before a condition that costs more: false for what has no chance to fulfil it.

    Where there are few of ``rows``, their ``column`` is read once, and only what is among that has
    a chance. Where there are more, everything has.
    """
    some = rows.order_by()
    return Q(pk__in=some.values(column)[:FEW]) | Q(Exists(some[FEW : FEW + 1]))
