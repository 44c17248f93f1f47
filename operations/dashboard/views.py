"""The pages. Each reads a fixed number of sets of rows, whatever the tables hold."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import LoginView
from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from operations.dashboard.filters import Parameters
from operations.dashboard.forms import NOTE_LENGTH, SignInForm
from operations.dashboard.live import live_page
from operations.dashboard.lookups import find_connection, find_operation
from operations.dashboard.presentation import (
    OPERATION_MARKS,
    STATE_MARKS,
    STUCK_AFTER,
    TRIAGE_MARKS,
    ConnectionRow,
    Count,
    ErrorInFull,
    OperationRow,
    PropertyRow,
    graph_json,
    health,
    operation_mark,
    operation_sentence,
    timeline,
)
from operations.models import (
    Application,
    Change,
    ConnectionOperation,
    ConnectionState,
    ExternalConnection,
    OperationStatus,
    Triage,
)
from operations.models.connection import CONNECTION_ID

PAGE = 50
GLIMPSE = 10  # rows of a list that is part of another page
TIMELINE = 100
TABS = {"summary": "Summary", "operations": "Operations", "schema": "Schema"}

STATUS_LABELS = {mark.word: mark.label for mark in OPERATION_MARKS.values()}
STATE_LABELS = {mark.word: mark.label for mark in STATE_MARKS.values()}
TRIAGE_LABELS = {mark.value: mark.label for mark in TRIAGE_MARKS.values()}


class SignInView(LoginView):
    template_name = "dashboard/sign_in.html"
    authentication_form = SignInForm
    redirect_authenticated_user = True


# Overview ----------------------------------------------------------------------------------------


@login_required
def overview(request: HttpRequest) -> HttpResponse:
    now = timezone.now()
    operations = ConnectionOperation.objects.select_related("connection")
    in_progress = operations.filter(status=OperationStatus.INPROGRESS)
    alive = ExternalConnection.objects.alive()
    attention = _rows(operations.open_failures().order_by("-id")[:GLIMPSE], now)
    last_failure = None
    if not attention:
        last_failure = operations.filter(status=OperationStatus.FAILED).order_by("-id").first()
    return live_page(
        request,
        "overview",
        {
            "title": "Overview",
            "in_progress": Count.of(in_progress),
            "stuck": Count.of(_stuck(in_progress, now)),
            "limited": Count.of(alive.filter(state=ConnectionState.LIMIT_EXCEEDED)),
            "ready": Count.of(alive.filter(state=ConnectionState.READY)),
            "attention": attention,
            "running": _rows(in_progress.order_by("-id")[:GLIMPSE], now),
            "last_failure": last_failure,
            "is_empty": not ExternalConnection.objects.exists(),
            "base_url": _base_url(request),
            "glimpse": GLIMPSE,
        },
    )


# Connections -------------------------------------------------------------------------------------


@login_required
def connections(request: HttpRequest) -> HttpResponse:
    parameters = Parameters(request.GET)
    states = parameters.several("state", "State", STATE_LABELS)
    failing = parameters.flag("failing", "Operations", "open failure")
    after = parameters.position("after", CONNECTION_ID)
    parameters.finish()

    everything = ExternalConnection.objects.all()
    open_failure = Exists(
        ConnectionOperation.objects.open_failures().filter(connection=OuterRef("pk"))
    )
    rows = everything
    if states:
        # one that is being deleted shows as that, not as the state that it had
        rows = rows.alive().filter(state__in=[ConnectionState.from_word(word) for word in states])
    if failing:
        rows = rows.filter(open_failure)
    matching = Count.of(rows)
    page = rows.order_by("lookup_id")
    if after:
        page = page.filter(lookup_id__gt=after.lower())
    found, more = _page(page.annotate(latest_key=_latest_key()))
    latest = ConnectionOperation.objects.in_bulk(
        [row.latest_key for row in found if row.latest_key]
    )
    alive = everything.alive()
    total = Count.of(everything)
    now = timezone.now()
    return live_page(
        request,
        "connections",
        {
            "title": "Connections",
            "parameters": parameters,
            "rows": [_connection_row(row, latest.get(row.latest_key), now) for row in found],
            "matching": matching,
            "total": total,
            "shortcuts": parameters.shortcuts(
                ("All", "?", total),
                ("Open failure", "?failing=1", Count.of(everything.filter(open_failure))),
                (
                    "Limit exceeded",
                    "?state=limitExceeded",
                    Count.of(alive.filter(state=ConnectionState.LIMIT_EXCEEDED)),
                ),
                ("Draft", "?state=draft", Count.of(alive.filter(state=ConnectionState.DRAFT))),
            ),
            "is_later_page": bool(after),
            "next_page": parameters.at("after", found[-1].graph_id) if more else "",
            "is_empty": not matching and not parameters.chips,
            "base_url": _base_url(request),
        },
    )


@login_required
def connection(request: HttpRequest, connection_id: str) -> HttpResponse:
    found = find_connection(connection_id)
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
            "row": _connection_row(found, latest, now),
            "health": health(found, latest, failure, now),
            "tab": tab,
            "tab_template": f"dashboard/_tab_{tab}.html",
            "tabs": [(name, label, name == tab) for name, label in TABS.items()],
            "base_url": _base_url(request),
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
        "failures": _rows(failures[:GLIMPSE], now),
        "failure_count": Count.of(failures),
        "glimpse": GLIMPSE,
        "schema": schema,
        "property_count": Count(len(schema.properties)) if schema else Count(0),
    }


def _operations_tab(
    request: HttpRequest, found: ExternalConnection, now: datetime
) -> dict[str, Any]:
    parameters = Parameters(request.GET, keep=("tab",))
    return _operation_list(parameters, found.operations.all(), now)


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


# Operations --------------------------------------------------------------------------------------


@login_required
def operations(request: HttpRequest) -> HttpResponse:
    now = timezone.now()
    parameters = Parameters(request.GET)
    rows = ConnectionOperation.objects.all()
    connection_id = parameters.text("connection", "Connection", CONNECTION_ID)
    if connection_id:
        rows = rows.filter(connection__lookup_id=connection_id.lower())
    everything = ConnectionOperation.objects.all()
    in_progress = everything.filter(status=OperationStatus.INPROGRESS)
    total = Count.of(everything)
    shown = _operation_list(parameters, rows, now)
    return live_page(
        request,
        "operations",
        {
            "title": "Operations",
            "connection_id": connection_id,
            "total": total,
            "shortcuts": parameters.shortcuts(
                ("All", "?", total),
                ("Open failures", "?triage=open", Count.of(everything.open_failures())),
                ("In progress", "?status=inprogress", Count.of(in_progress)),
                ("Stuck", "?stuck=1", Count.of(_stuck(in_progress, now))),
            ),
            **shown,
        },
    )


@login_required
def operation(request: HttpRequest, connection_id: str, operation_id: str) -> HttpResponse:
    found = find_operation(connection_id, operation_id)
    now = timezone.now()
    changes = Change.objects.filter(operation_key=found.pk).order_by("id")[:TIMELINE]
    row = OperationRow(found, now)
    return live_page(
        request,
        "operation",
        {
            "title": f"Operation {found.graph_id}",
            "announce": f"{operation_mark(found).label}: {operation_sentence(found, now)}"
            if found.is_terminal
            else operation_mark(found).label,
            "operation": found,
            "row": row,
            "error": ErrorInFull.of(found),
            "timeline": timeline(found, list(changes)),
            "retries": list(found.retries.order_by("id")[:GLIMPSE]),
            "schema": found.registered,
            "graph_json": graph_json(found),
            "note_length": NOTE_LENGTH,
        },
    )


def _operation_list(
    parameters: Parameters, rows: QuerySet[ConnectionOperation], now: datetime
) -> dict[str, Any]:
    """What the partial of a list of operations needs: filters, rows, where the next page begins."""
    statuses = parameters.several("status", "Status", STATUS_LABELS)
    triages = parameters.several("triage", "Triage", TRIAGE_LABELS)
    stuck = parameters.flag("stuck", "Duration", "stuck")
    before = parameters.position("before")
    parameters.finish()
    if statuses:
        rows = rows.filter(status__in=[OperationStatus.from_word(word) for word in statuses])
    if triages:
        rows = rows.filter(triage__in=[Triage(value) for value in triages])
    if stuck:
        rows = _stuck(rows.filter(status=OperationStatus.INPROGRESS), now)
    matching = Count.of(rows)
    page = rows.select_related("connection").order_by("-id")
    if before:
        page = page.filter(pk__lt=int(before))
    found, more = _page(page)
    return {
        "parameters": parameters,
        "rows": [OperationRow(row, now) for row in found],
        "matching": matching,
        "is_later_page": bool(before),
        "next_page": parameters.at("before", found[-1].pk) if more else "",
        "is_empty": not matching and not parameters.chips,
    }


# Helpers -----------------------------------------------------------------------------------------


def _page(rows: QuerySet) -> tuple[list[Any], bool]:
    """One page of rows, and whether there are more."""
    found = list(rows[: PAGE + 1])
    return found[:PAGE], len(found) > PAGE


def _rows(found: QuerySet[ConnectionOperation], now: datetime) -> list[OperationRow]:
    return [OperationRow(row, now) for row in found]


def _stuck(
    in_progress: QuerySet[ConnectionOperation], now: datetime
) -> QuerySet[ConnectionOperation]:
    return in_progress.filter(Q(created_at__lt=now - STUCK_AFTER))


def _latest_key() -> Subquery:
    newest = ConnectionOperation.objects.filter(connection=OuterRef("pk")).order_by("-id")
    return Subquery(newest.values("pk")[:1])


def _connection_row(
    row: ExternalConnection, latest: ConnectionOperation | None, now: datetime
) -> ConnectionRow:
    if latest:
        latest.connection = row
    return ConnectionRow(row, OperationRow(latest, now) if latest else None)


def _base_url(request: HttpRequest) -> str:
    return settings.PUBLIC_URL or request.build_absolute_uri("/").rstrip("/")
