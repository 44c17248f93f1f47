"""One connection, in tabs."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from operations.dashboard.filters import Parameters
from operations.dashboard.guard import page
from operations.dashboard.listing import (
    GLIMPSE,
    PAGE,
    base_url,
    connection_row,
    operation_rows,
)
from operations.dashboard.live import live_page
from operations.dashboard.lookups import find_connection
from operations.dashboard.pages.operations import operation_list
from operations.dashboard.presentation.connections import health_shown
from operations.dashboard.presentation.numbers import Count
from operations.dashboard.presentation.schema import PropertyRow
from operations.models import Application, ExternalConnection
from operations.roles import Role

TABS = {"summary": "Summary", "operations": "Operations", "schema": "Schema"}


@page(Role.VIEWER)
def connection(request: HttpRequest, connection_id: str) -> HttpResponse:
    found, health = find_connection(connection_id)
    tab = request.GET.get("tab", "summary")
    tab = tab if tab in TABS else "summary"
    now = timezone.now()
    latest = found.operations.order_by("-id").first()
    if latest:
        latest.connection = found
    failure = found.operations.open_failures().order_by("-id").first()
    parts = {"summary": _summary, "operations": _operations_tab, "schema": _schema_tab}
    return live_page(
        request,
        "connection",
        {
            "title": found.name,
            "connection": found,
            "row": connection_row(found, latest, now),
            "health": health_shown(health, latest, failure, now),
            "tab": tab,
            "tab_template": f"dashboard/_tab_{tab}.html",
            "tabs": [(name, label, name == tab) for name, label in TABS.items()],
            "base_url": base_url(request),
            **parts[tab](request, found, now),
        },
    )


def _summary(request: HttpRequest, found: ExternalConnection, now: datetime) -> dict[str, Any]:
    app_ids = [*found.authorized_app_ids]
    owners = [found.owner_app_id] if found.owner_app_id else []
    names = dict(
        Application.objects.filter(app_id__in=[*owners, *app_ids]).values_list("app_id", "name")
    )
    failures = found.operations.open_failures().select_related("connection").order_by("-id")
    schema = found.schema_in_force
    return {
        "owner": [(app_id, names.get(app_id, "")) for app_id in owners],
        "authorized": [(app_id, names.get(app_id, "")) for app_id in app_ids],
        "failures": operation_rows(failures[:GLIMPSE], now),
        "failure_count": Count.of(failures),
        "glimpse": GLIMPSE,
        "schema": schema,
        "property_count": Count(len(schema.properties)) if schema else Count(0),
    }


def _operations_tab(
    request: HttpRequest, found: ExternalConnection, now: datetime
) -> dict[str, Any]:
    parameters = Parameters(request.GET, keep=("tab",))
    return operation_list(parameters, found.operations.all(), now)


def _schema_tab(request: HttpRequest, found: ExternalConnection, now: datetime) -> dict[str, Any]:
    parameters = Parameters(request.GET, keep=("tab",))
    wanted = parameters.position("version")
    parameters.finish()
    versions = list(found.schemas.select_related("operation").order_by("-version")[:PAGE])
    chosen = versions[0] if versions else None
    if wanted:
        chosen = next((row for row in versions if row.version == int(wanted)), chosen)
    return {
        "parameters": parameters,
        "versions": versions,
        "schema": chosen,
        "is_in_force": bool(versions) and chosen is versions[0],
        "properties": [PropertyRow.of(row) for row in chosen.properties] if chosen else [],
    }
