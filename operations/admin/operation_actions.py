"""What the actions on operations ask, and what they do to one row.

What is done is done by the function that the pages and the API call.
"""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from operations import provisioning
from operations.marks import OPERATION_MARKS, TRIAGE_MARKS
from operations.models import Actor, ConnectionOperation, OperationStatus, Triage

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
