"""What several pages do with rows: cut a page, find the latest operations, say where we are."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.conf import settings
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest

from operations.dashboard.presentation.connections import ConnectionRow
from operations.dashboard.presentation.operations import OperationRow
from operations.models import ConnectionOperation, ExternalConnection

PAGE = 50
GLIMPSE = 10  # rows of a list that is part of another page


def page_of(rows: QuerySet, size: int = PAGE) -> tuple[list[Any], bool]:
    """One page of rows, and whether there are more."""
    found = list(rows[: size + 1])
    return found[:size], len(found) > size


def operation_rows(found: QuerySet[ConnectionOperation], now: datetime) -> list[OperationRow]:
    return [OperationRow(row, now) for row in found]


def latest_key() -> Subquery:
    newest = ConnectionOperation.objects.filter(connection=OuterRef("pk")).order_by("-id")
    return Subquery(newest.values("pk")[:1])


def connection_row(
    row: ExternalConnection, latest: ConnectionOperation | None, now: datetime
) -> ConnectionRow:
    if latest:
        latest.connection = row
    return ConnectionRow(row, OperationRow(latest, now) if latest else None)


def base_url(request: HttpRequest) -> str:
    return settings.PUBLIC_URL or request.build_absolute_uri("/").rstrip("/")
