"""Ending one operation by hand, as failed or as completed: the page that asks, and the act."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _

from operations.access import person
from operations.dashboard.forms import MESSAGE_LENGTH, NOTE_LENGTH, FailForm, ReasonForm
from operations.dashboard.guard import page
from operations.dashboard.lookups import find_operation, last_decision
from operations.dashboard.presentation.operation import already
from operations.dashboard.presentation.operations import OperationRow
from operations.errors import GraphError
from operations.models import KEEP, Channel, ConnectionOperation, OperationStatus
from operations.roles import SETS_OUTCOMES


@page(SETS_OUTCOMES)
def set_outcome(
    request: HttpRequest, connection_id: str, operation_id: str, outcome: str
) -> HttpResponse:
    """Ask for the reason, and for the error that callers shall read (GET), then do it (POST)."""
    operation = find_operation(connection_id, operation_id)
    fails = outcome == "failed"
    own_page = redirect("operation", operation.connection.graph_id, operation.graph_id)
    if operation.is_terminal:
        messages.info(request, already(operation, last_decision(operation)))
        return own_page
    form_class = FailForm if fails else ReasonForm
    form = form_class(request.POST if request.method == "POST" else None)
    if form.is_valid():
        try:
            operation.move(
                person(request, Channel.DASHBOARD),
                status=OperationStatus.FAILED if fails else OperationStatus.COMPLETED,
                error=form.error() or KEEP,
                note=form.cleaned_data["reason"],
            )
            done = _("Marked as failed.") if fails else _("Marked as completed.")
            messages.success(request, done)
        except GraphError as refusal:
            messages.warning(request, _why_not(operation, refusal))
        return own_page
    return render(
        request,
        "dashboard/ask_outcome.html",
        {
            "title": _("Mark as failed") if fails else _("Mark as completed"),
            "operation": operation,
            "row": OperationRow(operation, timezone.now()),
            "fails": fails,
            "form": form,
            "note_length": NOTE_LENGTH,
            "message_length": MESSAGE_LENGTH,
        },
    )


def _why_not(operation: ConnectionOperation, refusal: GraphError) -> str:
    """Somebody else came first, which is no error; or the move is not allowed."""
    now = ConnectionOperation.objects.filter(pk=operation.pk).first()
    if now and now.is_terminal:
        return already(now, last_decision(now))
    return f"{refusal} {_('Nothing changed.')}"
