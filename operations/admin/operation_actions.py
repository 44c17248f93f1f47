"""What the actions on operations ask, do to one row, and write to a file.

What is done is done by the function that the pages and the API call.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from django import forms
from django.db.models import QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from operations import provisioning
from operations.marks import OPERATION_MARKS, TRIAGE_MARKS, operation_mark
from operations.models import Actor, ConnectionOperation, OperationStatus, Triage

#: Rows of an export that are read at once.
BATCH = 500

# What the actions ask -----------------------------------------------------------------------------


class NoteForm(forms.Form):
    note = forms.CharField(
        label=gettext_lazy("Note"),
        required=False,
        max_length=500,
        help_text=gettext_lazy("Kept in the history. Optional."),
    )


class ReasonForm(forms.Form):
    """An outcome that a person sets is explained."""

    note = forms.CharField(
        label=gettext_lazy("Reason"),
        max_length=500,
        help_text=gettext_lazy("For the history, not for callers."),
    )


class FailForm(ReasonForm):
    field_order = ("code", "message", "note")

    code = forms.CharField(
        label=gettext_lazy("Code"),
        required=False,
        max_length=255,
        help_text=gettext_lazy("Optional."),
    )
    message = forms.CharField(
        label=gettext_lazy("Message"),
        max_length=4000,
        widget=forms.Textarea(attrs={"rows": 4, "cols": 80}),
        help_text=gettext_lazy("What went wrong, as callers shall read it."),
    )

    def error(self) -> dict[str, str]:
        members = {member: self.cleaned_data[member] for member in ("code", "message")}
        return {member: text for member, text in members.items() if text}


class ExportForm(forms.Form):
    kind = forms.ChoiceField(
        label=gettext_lazy("File"),
        choices=[
            ("csv", gettext_lazy("CSV, for a spreadsheet")),
            ("jsonl", gettext_lazy("JSON lines, for a program")),
        ],
    )


#: The columns of a file: Graph's words, and the labels of the pages beside them.
EXPORTED: dict[str, Callable[[ConnectionOperation], Any]] = {
    "connection": lambda operation: operation.connection.graph_id,
    "connectionName": lambda operation: operation.connection.name,
    "id": lambda operation: operation.graph_id,
    "status": lambda operation: OperationStatus(operation.status).word,
    "statusLabel": lambda operation: operation_mark(operation).label,
    "kind": lambda operation: operation.kind,
    "triage": lambda operation: operation.triage,
    "triageNote": lambda operation: operation.triage_note,
    "errorCode": lambda operation: operation.error_code,
    "errorMessage": lambda operation: operation.error_message,
    "errorTarget": lambda operation: operation.error_target,
    "errorDetails": lambda operation: operation.error_details,
    "innerError": lambda operation: operation.error_inner,
    "requested": lambda operation: operation.created_at,
    "started": lambda operation: operation.started_at,
    "finished": lambda operation: operation.finished_at,
    "requestedBy": lambda operation: operation.requested_by,
    "requestId": lambda operation: operation.request_id,
}


def in_batches(rows: QuerySet[ConnectionOperation]) -> Iterator[ConnectionOperation]:
    """All of them, newest first, by key: no cursor stays open while a client is slow."""
    rows = rows.select_related("connection").defer("payload").order_by("-pk")
    found = list(rows[:BATCH])
    while found:
        yield from found
        found = list(rows.filter(pk__lt=found[-1].pk)[:BATCH])


# What the actions do to one row; why, if there was nothing to do ----------------------------------


def retry(operation: ConnectionOperation, actor: Actor, form: forms.Form) -> None:
    provisioning.retry(operation, actor, form.cleaned_data["note"])


def acknowledge(operation: ConnectionOperation, actor: Actor, form: forms.Form) -> str | None:
    if operation.acknowledge(actor, form.cleaned_data["note"]):
        return None
    mark = TRIAGE_MARKS.get(Triage(operation.triage))
    if mark is None:
        return _("it is no failure.")
    return _("it is %(triage)s already.") % {"triage": str(mark.label).lower()}


def complete(operation: ConnectionOperation, actor: Actor, form: forms.Form) -> str | None:
    if operation.is_terminal:
        return _ended(operation)
    operation.move(actor, status=OperationStatus.COMPLETED, note=form.cleaned_data["note"])
    return None


def fail(operation: ConnectionOperation, actor: Actor, form: FailForm) -> str | None:
    if operation.is_terminal:
        return _ended(operation)
    note = form.cleaned_data["note"]
    operation.move(actor, status=OperationStatus.FAILED, error=form.error(), note=note)
    return None


def _ended(operation: ConnectionOperation) -> str:
    status = OPERATION_MARKS[OperationStatus(operation.status)].label
    return _("it is %(status)s already.") % {"status": str(status).lower()}
