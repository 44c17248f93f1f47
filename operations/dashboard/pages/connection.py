"""One connection: its head, and in tabs what there is to know about it."""

from __future__ import annotations

from typing import Any

from django.db.models import Q, Subquery
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.http import content_disposition_header
from django.utils.translation import gettext_lazy as _

from operations.dashboard.guard import page
from operations.dashboard.listing import base_url
from operations.dashboard.live import live_page
from operations.dashboard.lookups import find_connection
from operations.dashboard.pages import connection_tabs as tabs
from operations.dashboard.pages import item_tabs
from operations.dashboard.presentation.connections import (
    ConnectionRow,
    deletion_shown,
    health_shown,
)
from operations.dashboard.presentation.operations import OperationRow
from operations.dashboard.presentation.schema import as_json
from operations.models import ConnectionOperation, ConnectionState, ExternalConnection, Triage
from operations.provisioning import REGISTRABLE
from operations.roles import Role

TABS = {
    "summary": (_("Summary"), tabs.summary),
    "operations": (_("Operations"), tabs.operations),
    "schema": (_("Schema"), tabs.schema),
    "items": (_("Items"), item_tabs.items),
    "groups": (_("Groups"), item_tabs.groups),
    "activity": (_("Activity"), tabs.activity),
    "api": (_("API"), tabs.api),
}


@page(Role.VIEWER)
def connection(request: HttpRequest, connection_id: str) -> HttpResponse:
    found, health = find_connection(connection_id)
    tab = request.GET.get("tab", "summary")
    offered = _offered(found)
    tab = tab if tab in offered else "summary"
    now = timezone.now()
    latest, failure = _latest_and_failure(found)
    _label, read_tab = TABS[tab]
    return live_page(
        request,
        "connection",
        {
            "title": found.name,
            "connection": found,
            "row": ConnectionRow(found, OperationRow(latest, now) if latest else None),
            "health": health_shown(health, latest, failure, now),
            "can_register": found.state in REGISTRABLE and not found.deleting_since,
            "tab": tab,
            "tab_template": f"dashboard/_tab_{tab}.html",
            "tabs": [(name, TABS[name][0], name == tab) for name in offered],
            "deletion": deletion_shown(found),
            "base_url": base_url(request),
            **read_tab(request, found, now),
        },
    )


@page(Role.VIEWER)
def schema_json(request: HttpRequest, connection_id: str, version: int) -> HttpResponse:
    """One version of the schema as a file."""
    found, _health = find_connection(connection_id)
    schema = found.schemas.filter(version=version).first()
    if schema is None:
        raise Http404(
            _("Connection '%(id)s' has no schema version %(version)s.")
            % {"id": found.graph_id, "version": version}
        )
    response = HttpResponse(as_json(schema.document), content_type="application/json")
    name = f"{found.graph_id}-schema-{version}.json"
    response["Content-Disposition"] = content_disposition_header(True, name) or ""
    return response


def _offered(found: Any) -> list[str]:
    """The tabs of a connection: what a draft has none of is left out."""
    is_draft = found.state == ConnectionState.DRAFT
    left_out = set()
    if is_draft and not found.item_count:
        left_out.add("items")
    if is_draft and not found.has_groups:
        left_out.add("groups")
    return [name for name in TABS if name not in left_out]


def _latest_and_failure(
    found: ExternalConnection,
) -> tuple[ConnectionOperation | None, ConnectionOperation | None]:
    """The connection's newest operation and its newest open failure, in one query."""
    newest = found.operations.order_by("-id")
    latest = Subquery(newest.values("pk")[:1])
    failure = Subquery(newest.open_failures().values("pk")[:1])
    rows = list(newest.filter(Q(pk=latest) | Q(pk=failure)))
    for row in rows:
        row.connection = found
    return rows[0] if rows else None, next((row for row in rows if row.triage == Triage.OPEN), None)
