"""A filtered list of operations as a file, CSV or JSON lines."""

from __future__ import annotations

from django.http import Http404, HttpRequest, StreamingHttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _

from operations.dashboard.filters import Parameters
from operations.dashboard.guard import page
from operations.dashboard.operation_filter import read_selection
from operations.operation_export import stream_operations
from operations.roles import Role


@page(Role.OPERATOR)
def export_operations(request: HttpRequest, kind: str) -> StreamingHttpResponse:
    """``kind`` is csv or jsonl."""
    if kind not in ("csv", "jsonl"):
        raise Http404(_("A list is exported as csv or jsonl."))
    selection = read_selection(Parameters(request.GET))
    return stream_operations(selection.rows(timezone.now()), kind)
