"""The list of connections, and the same list as a file."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from operations.dashboard.actions import way_back
from operations.dashboard.charts import Strip
from operations.dashboard.connection_list import (
    ConnectionList,
    connections_asked_for,
    has_open_failure,
)
from operations.dashboard.filters import ANY_TIME, Parameters
from operations.dashboard.guard import page
from operations.dashboard.keyset import POSITION
from operations.dashboard.listing import base_url, page_of
from operations.dashboard.live import live_page
from operations.dashboard.lookups import application_name
from operations.dashboard.outcomes import outcomes_of
from operations.dashboard.presentation.connections import ApplicationShown, ConnectionRow
from operations.dashboard.presentation.numbers import Count, Total
from operations.dashboard.presentation.operations import OperationRow
from operations.exports import stream_csv, stream_jsonl
from operations.marks import HEALTH_MARKS, connection_mark, operation_mark
from operations.models import (
    AuthorizedApp,
    ConnectionOperation,
    ConnectionState,
    ExternalConnection,
    OperationStatus,
    Schema,
)
from operations.models.connection import CONNECTION_ID
from operations.models.health import Health
from operations.roles import Role

#: Rows of an export that are read at once.
BATCH = 500


@page(Role.VIEWER)
def connections(request: HttpRequest) -> HttpResponse:
    now = timezone.now()
    parameters = Parameters(request.GET)
    wanted = connections_asked_for(parameters, now)
    after = parameters.position("after", POSITION)
    size = parameters.page_size(request.COOKIES.get("rows", ""))
    try:
        rows = wanted.page(size + 1, after)
    except ValueError:
        parameters.leave_out("after")
        after, rows = "", wanted.page(size + 1)
    parameters.finish()
    everything = ExternalConnection.objects.all()
    alive = everything.alive()
    counts = Count.several(
        matching=wanted.rows,
        total=everything,
        failing=everything.filter(has_open_failure()),
        limited=alive.filter(state=ConnectionState.LIMIT_EXCEEDED),
        draft=alive.filter(state=ConnectionState.DRAFT),
    )
    found, more = page_of(rows, size)
    return live_page(
        request,
        "connections",
        {
            "title": _("Connections"),
            "parameters": parameters,
            "rows": connection_rows(found, wanted.extra, now),
            "extra": wanted.extra,
            "matching": counts["matching"],
            "total": counts["total"],
            "shortcuts": parameters.shortcuts(
                (_("All"), "?", counts["total"]),
                (_("Open failure"), "?failing=1", counts["failing"]),
                (_("Limit exceeded"), "?state=limitExceeded", counts["limited"]),
                (_("Draft"), "?state=draft", counts["draft"]),
            ),
            "is_later_page": bool(after),
            "next_page": parameters.at("after", wanted.order.position(found[-1])) if more else "",
            "is_empty": not counts["total"],
            "order": _("sorted by %(column)s") % {"column": _sorted_by(parameters)},
            "text": parameters.given("q"),
            "is_failing": "failing" in request.GET,
            "export_query": parameters.first_page.removeprefix("?"),
            "titles": {
                "health": _("Health"),
                "state": _("State"),
                "last": _("Last operation"),
                "show": _("Columns"),
            },
            "base_url": base_url(request),
        },
    )


def _sorted_by(parameters: Parameters) -> str:
    heads = parameters.heads.values()
    return next((head.label.lower() for head in heads if head.order != "none"), "")


def connection_rows(found: list[Any], extra: list[str], now: datetime) -> list[ConnectionRow]:
    """The rows of a page; what ``extra`` names costs a query each at the most."""
    keys = [row.pk for row in found]
    latest = ConnectionOperation.objects.in_bulk([row.latest_key for row in found])
    outcomes = outcomes_of(keys, now)
    authorized = _authorized(keys) if "authorized" in extra else {}
    labels = _labels(keys) if "labels" in extra else {}
    rows = []
    for row in found:
        operation = latest.get(row.latest_key)
        if operation:
            operation.connection = row
        owner = None
        if "owner" in extra and row.owner_app_id:
            owner = ApplicationShown(row.owner_app_id, row.owner_name)
        rows.append(
            ConnectionRow(
                row,
                OperationRow(operation, now) if operation else None,
                health=HEALTH_MARKS[Health(row.health)],
                strip=Strip(outcomes[row.pk]),
                owner=owner,
                authorized=authorized.get(row.pk, []),
                labels=labels.get(row.pk, []),
                items=Total(row.item_count),
            )
        )
    return rows


def _authorized(keys: list[int]) -> dict[int, list[ApplicationShown]]:
    listed = AuthorizedApp.objects.filter(connection__in=keys).annotate(name=application_name())
    found: dict[int, list[ApplicationShown]] = {}
    for key, app_id, name in listed.values_list("connection", "app_id", "name"):
        found.setdefault(key, []).append(ApplicationShown(app_id, name))
    return found


def _labels(keys: list[int]) -> dict[int, list[str]]:
    """The labels of each schema in force, each once, in the order of its properties."""
    in_force = Schema.all_in_force().filter(connection__in=keys)
    return {
        key: list(dict.fromkeys(label for each in properties for label in each.get("labels") or ()))
        for key, properties in in_force.values_list("connection", "properties")
    }


# With those that are selected --------------------------------------------------------------------


@page(Role.OPERATOR)
def with_selected(request: HttpRequest) -> HttpResponse:
    """Where each button of the bar leads: to a list or to a question. Nothing is done here."""
    ids = [each for each in request.GET.getlist("connection") if CONNECTION_ID.fullmatch(each)]
    if not ids:
        messages.info(request, _("No connection was selected. Nothing changed."))
        back = way_back(request, request.GET.get("next", ""), reverse("connections"))
        return HttpResponseRedirect(back)
    chosen = [("connection", each) for each in ids]
    failures = [*chosen, ("triage", "open"), ("range", ANY_TIME)]
    following = ("next", request.GET.get("next", ""))
    targets = {
        "show": ("operations", failures),
        "acknowledge": ("ask-run", [("action", "acknowledge"), ("all", "1"), *failures, following]),
        "delete": ("delete-connections", chosen),
    }
    action = request.GET.get("action", "")
    if action not in targets:
        raise Http404(_("There is no such action on connections."))
    name, query = targets[action]
    return redirect(f"{reverse(name)}?{urlencode(query)}")


# As a file ---------------------------------------------------------------------------------------

COLUMNS = (
    "id",
    "name",
    "description",
    "state",
    "stateLabel",
    "health",
    "healthLabel",
    "lastOperationId",
    "lastOperationStatus",
    "lastOperationStatusLabel",
    "lastOperationError",
    "ownerAppId",
    "ownerName",
    "items",
    "createdDateTime",
    "changedDateTime",
    "deletingSinceDateTime",
)


@page(Role.OPERATOR)
def export_connections(request: HttpRequest, kind: str) -> HttpResponseBase:
    """The filtered list, all pages of it, in its order, as ``csv`` or ``jsonl``.

    State and status are Graph's words, health is ours.
    """
    if kind not in ("csv", "jsonl"):
        raise Http404(_("Lists can be had as csv and as jsonl."))
    parameters = Parameters(request.GET)
    rows = _all_rows(connections_asked_for(parameters, timezone.now(), with_owner=True))
    if kind == "csv":
        return stream_csv("connections", COLUMNS, ([row[name] for name in COLUMNS] for row in rows))
    return stream_jsonl("connections", rows)


def _all_rows(wanted: ConnectionList) -> Iterator[dict[str, Any]]:
    position = ""
    while found := list(wanted.page(BATCH, position)):
        latest = ConnectionOperation.objects.in_bulk([row.latest_key for row in found])
        for row in found:
            yield _exported_row(row, latest.get(row.latest_key))
        position = wanted.order.position(found[-1])


def _exported_row(row: Any, operation: ConnectionOperation | None) -> dict[str, Any]:
    health = HEALTH_MARKS[Health(row.health)]
    status = OperationStatus(operation.status).word if operation else None
    return {
        "id": row.graph_id,
        "name": row.name,
        "description": row.description,
        "state": ConnectionState(row.state).word,
        "stateLabel": str(connection_mark(row).label),
        "health": health.value,
        "healthLabel": str(health.label),
        "lastOperationId": operation.graph_id if operation else None,
        "lastOperationStatus": status,
        "lastOperationStatusLabel": str(operation_mark(operation).label) if operation else None,
        "lastOperationError": operation.error_message if operation else None,
        "ownerAppId": row.owner_app_id,
        "ownerName": row.owner_name or None,
        "items": row.item_count,
        "createdDateTime": row.created_at,
        "changedDateTime": row.changed_at,
        "deletingSinceDateTime": row.deleting_since,
    }
