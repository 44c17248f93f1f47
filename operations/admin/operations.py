"""Operations: reported ones are entered by hand, failures are retried, acknowledged, explained."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.text import Truncator

from operations import provisioning
from operations.admin.connections import settable
from operations.admin.fields import PublicErrorField, pretty
from operations.admin.guard import DomainAdmin, DomainForm, admin_actor, answer
from operations.errors import ItemNotFound
from operations.models import (
    KEEP,
    Actor,
    Change,
    ConnectionOperation,
    ExternalConnection,
    OperationStatus,
    Triage,
)


class OperationForm(DomainForm):
    field_of_target = {"id": "graph_id", "status": "status", "error": "error"}

    error = PublicErrorField()

    class Meta:
        help_texts = {
            "graph_id": "1 to 128 characters of A-Z a-z 0-9 . _ ~ - and not . or .., once per "
            "connection, fixed once it is saved.",
            "status": "unspecified may become any other status, inprogress may become completed "
            "or failed, and these two are final. What the worker runs may be failed by hand and "
            "is never completed by hand.",
        }

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            self.initial["error"] = self.instance.error
        status = self.fields.get("status")
        if isinstance(status, forms.TypedChoiceField):
            status.choices = settable(OperationStatus, self.instance.status)

    def clean_connection(self) -> ExternalConnection:
        connection = self.cleaned_data["connection"]
        if connection.deleting_since:
            raise ValidationError(f"Connection '{connection.graph_id}' is being deleted.")
        return connection

    def apply(self) -> ConnectionOperation:
        status = OperationStatus(self.cleaned_data["status"])
        error = self.cleaned_data["error"]
        if not self.instance.pk:
            return ConnectionOperation.objects.report(
                self.cleaned_data["connection"],
                self.actor,
                graph_id=self.cleaned_data["graph_id"],
                status=status,
                error=error,
            )
        operation = ConnectionOperation.objects.filter(pk=self.instance.pk).first()
        if operation is None:
            raise ItemNotFound("ConnectionOperation")
        operation.move(
            self.actor,
            # what was not edited is not asked for: it may have moved on since it was shown
            status=status if "status" in self.changed_data else None,
            error=error if "error" in self.changed_data else KEEP,
        )
        return operation


class NoteForm(forms.Form):
    note = forms.CharField(
        required=False, max_length=500, help_text="Kept in the history. Optional."
    )


class FailForm(forms.Form):
    code = forms.CharField(required=False, max_length=255, help_text="Optional.")
    message = forms.CharField(
        max_length=4000,
        widget=forms.Textarea(attrs={"rows": 4, "cols": 80}),
        help_text="What went wrong, as callers shall read it.",
    )
    note = forms.CharField(
        required=False, max_length=500, help_text="For the history, not for callers. Optional."
    )

    def error(self) -> dict[str, str]:
        members = {member: self.cleaned_data[member] for member in ("code", "message")}
        return {member: text for member, text in members.items() if text}


class ErrorFilter(admin.SimpleListFilter):
    title = "error"
    parameter_name = "error"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "With an error"), ("no", "Failed without one")]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        failed = queryset.filter(status=OperationStatus.FAILED)
        without = {
            f"error_{column}__isnull": True
            for column in ("code", "message", "target", "details", "inner")
        }
        if self.value() == "yes":
            return failed.exclude(**without)
        return failed.filter(**without) if self.value() == "no" else queryset


class StuckFilter(admin.SimpleListFilter):
    title = "duration"
    parameter_name = "stuck"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "Stuck: in progress for longer than usual")]

    def queryset(self, request: HttpRequest, queryset: Any) -> QuerySet:
        return queryset.stuck(timezone.now()) if self.value() == "yes" else queryset


@admin.register(ConnectionOperation)
class OperationAdmin(DomainAdmin):
    form = OperationForm
    list_display = (
        "graph_id",
        "status_word",
        "connection",
        "what_went_wrong",
        "created_at",
        "took",
        "triage",
    )
    list_filter = (
        "status",
        "triage",
        "kind",
        ErrorFilter,
        StuckFilter,
        "created_at",
    )
    list_select_related = ("connection",)
    search_fields = ("graph_id", "connection__graph_id", "error_code", "error_message")
    search_help_text = "Id, connection, error code or error message"
    sortable_by = ("status_word",)
    autocomplete_fields = ("connection",)
    actions = ("retry", "acknowledge", "fail", "delete_selected")
    always_readonly = (
        "kind",
        "triage",
        "triage_note",
        "retry_of_link",
        "requested_by",
        "requested_app_id",
        "request_id",
        "payload_shown",
        "created_at",
        "started_at",
        "finished_at",
        "changed_at",
        "run_after",
        "worker",
        "lease_until",
        "attempt",
    )

    @admin.display(description="status", ordering="status")
    def status_word(self, operation: ConnectionOperation) -> str:
        if operation.is_workers and operation.status == OperationStatus.INPROGRESS:
            return "inprogress (queued)" if operation.is_queued else "inprogress (running)"
        return OperationStatus(operation.status).word

    @admin.display(description="error", empty_value="")
    def what_went_wrong(self, operation: ConnectionOperation) -> str | None:
        text = operation.error_message or operation.error_code
        return Truncator(text).chars(120) if text else None

    @admin.display(description="took", empty_value="")
    def took(self, operation: ConnectionOperation) -> timedelta | None:
        if operation.started_at is None or operation.finished_at is None:
            return None
        seconds = (operation.finished_at - operation.started_at).total_seconds()
        return timedelta(seconds=max(0, round(seconds)))

    @admin.display(description="payload")
    def payload_shown(self, operation: ConnectionOperation) -> str:
        return format_html("<pre>{}</pre>", pretty(operation.payload))

    @admin.display(description="retry of", empty_value="no retry")
    def retry_of_link(self, operation: ConnectionOperation) -> str | None:
        if operation.retry_of_id is None:
            return None
        url = reverse("admin:operations_connectionoperation_change", args=[operation.retry_of_id])
        return format_html('<a href="{}">{}</a>', url, operation.retry_of)

    def get_fieldsets(self, request: HttpRequest, obj: ConnectionOperation | None = None) -> Any:
        shown = [(None, {"fields": ("connection", "graph_id", "status", "error")})]
        if obj is None:
            return shown
        return [
            *shown,
            ("Triage", {"fields": ("triage", "triage_note", "retry_of_link")}),
            ("Times", {"fields": ("created_at", "started_at", "finished_at", "changed_at")}),
            ("Asked by", {"fields": ("kind", "requested_by", "requested_app_id", "request_id")}),
            (
                "Worker",
                {
                    "classes": ("collapse",),
                    "fields": ("worker", "attempt", "run_after", "lease_until", "payload_shown"),
                },
            ),
        ]

    def get_readonly_fields(
        self, request: HttpRequest, obj: ConnectionOperation | None = None
    ) -> tuple[str, ...]:
        return (*self.always_readonly, "connection", "graph_id") if obj else self.always_readonly

    def has_change_permission(
        self, request: HttpRequest, obj: ConnectionOperation | None = None
    ) -> bool:
        """What is being deleted with its connection is looked at, no more."""
        being_deleted = obj is not None and obj.connection.deleting_since is not None
        return not being_deleted and super().has_change_permission(request, obj)

    def remove(self, actor: Actor, operation: ConnectionOperation) -> None:
        operation.remove(actor)

    def view_on_site(self, operation: ConnectionOperation) -> str:
        return reverse("operation", args=[operation.connection.graph_id, operation.graph_id])

    def changes_of(self, operation: ConnectionOperation) -> QuerySet[Change]:
        return Change.objects.filter(operation_key=operation.pk)

    @admin.action(permissions=["change"], description="Retry selected registrations…")
    def retry(self, request: HttpRequest, queryset: QuerySet) -> HttpResponse | None:
        form = answer(request, NoteForm)
        if not form.is_valid():
            return self.ask(
                request,
                queryset,
                form,
                action="retry",
                question="Ask again for these registrations?",
                button="Retry",
            )
        actor, note = admin_actor(request), form.cleaned_data["note"]

        def do(operation: ConnectionOperation) -> None:
            provisioning.retry(operation, actor, note)

        self.for_each(request, queryset, do, done="retried, each as a new operation")
        return None

    @admin.action(permissions=["change"], description="Acknowledge selected failures…")
    def acknowledge(self, request: HttpRequest, queryset: QuerySet) -> HttpResponse | None:
        form = answer(request, NoteForm)
        if not form.is_valid():
            return self.ask(
                request,
                queryset,
                form,
                action="acknowledge",
                question="Take these failures off the list of what needs a person?",
                button="Acknowledge",
            )
        actor, note = admin_actor(request), form.cleaned_data["note"]

        def do(operation: ConnectionOperation) -> str | None:
            if operation.acknowledge(actor, note):
                return None
            if operation.triage == Triage.NONE:
                return "it is no failure."
            return f"it is {operation.get_triage_display().lower()} already."

        self.for_each(request, queryset, do, done="acknowledged")
        return None

    @admin.action(permissions=["change"], description="Fail selected operations with a message…")
    def fail(self, request: HttpRequest, queryset: QuerySet) -> HttpResponse | None:
        form = answer(request, FailForm)
        if not form.is_valid():
            return self.ask(
                request,
                queryset,
                form,
                action="fail",
                question="Fail these operations?",
                button="Fail",
            )
        actor = admin_actor(request)

        def do(operation: ConnectionOperation) -> str | None:
            if operation.is_terminal:
                return f"it is {OperationStatus(operation.status).word} already."
            operation.move(
                actor,
                status=OperationStatus.FAILED,
                error=form.error(),
                note=form.cleaned_data["note"],
            )
            return None

        self.for_each(request, queryset, do, done="failed")
        return None
