"""One change: all of it, what else its request did, and the changes before and after it."""

from __future__ import annotations

import json

from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from operations.dashboard.guard import page
from operations.dashboard.listing import GLIMPSE
from operations.dashboard.live import live_page
from operations.dashboard.pages.activity import activity_rows
from operations.models import Change
from operations.roles import Role


@page(Role.VIEWER)
def event(request: HttpRequest, key: int) -> HttpResponse:
    change = Change.objects.filter(pk=key).first() if key < 2**63 else None
    if change is None:
        raise Http404(_("There is no change with the number %(key)s.") % {"key": key})
    same_request: list[Change] = []
    if change.request_id:
        others = Change.objects.filter(request_id=change.request_id).exclude(pk=change.pk)
        same_request = list(others.order_by("-id")[: GLIMPSE + 1])
    rows = activity_rows([change, *same_request[:GLIMPSE]], longest=None)
    earlier, later = _neighbours(change)
    return live_page(
        request,
        "event",
        {
            "title": f"{rows[0].label} · {change.connection_graph_id or change.subject}",
            "row": rows[0],
            "same_request": rows[1:],
            "has_more_of_request": len(same_request) > GLIMPSE,
            "earlier": earlier,
            "later": later,
            "before_json": _pretty(change.before),
            "after_json": _pretty(change.after),
        },
    )


def _neighbours(change: Change) -> tuple[Change | None, Change | None]:
    """The changes of the same connection just before and just after this one."""
    if change.connection_key is None:
        return None, None
    history: QuerySet[Change] = Change.objects.filter(connection_key=change.connection_key)
    return (
        history.filter(pk__lt=change.pk).order_by("-id").first(),
        history.filter(pk__gt=change.pk).order_by("id").first(),
    )


def _pretty(document: object) -> str:
    return "" if document is None else json.dumps(document, indent=2, ensure_ascii=False)
