"""What several pages do with rows: cut a page, make rows of operations, say where we are."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from django.http import HttpRequest

from operations.dashboard.presentation.operations import OperationRow
from operations.models import ConnectionOperation

PAGE = 50
GLIMPSE = 10  # rows of a list that is part of another page


def page_of(rows: QuerySet, size: int = PAGE) -> tuple[list[Any], bool]:
    """One page of rows, and whether there are more."""
    found = list(rows[: size + 1])
    return found[:size], len(found) > size


def operation_rows(found: QuerySet[ConnectionOperation], now: datetime) -> list[OperationRow]:
    return [OperationRow(row, now) for row in found]


def base_url(request: HttpRequest) -> str:
    return settings.PUBLIC_URL or request.build_absolute_uri("/").rstrip("/")
