"""Operations: reported ones are entered by hand, failures are retried, acknowledged, explained."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from operations.admin import operation_actions
from operations.admin.cells import ago, cell, json_block, link
from operations.admin.fields import PublicErrorField, settable
from operations.admin.filters import (
    ConnectionChoice,
    ConnectionFilter,
    ErrorFilter,
    StatusFilter,
    StuckFilter,
    TriageFilter,
)
from operations.admin.guard import DomainAdmin, DomainForm, answer
from operations.errors import ItemNotFound
from operations.marks import OPERATION_MARKS, STUCK, TRIAGE_MARKS, badge, operation_mark
from operations.models import (
    KEEP,
    Actor,
    Change,
    ConnectionOperation,
    ExternalConnection,
    OperationStatus,
    Triage,
)
from operations.operation_export import stream_operations
from operations.roles import SETS_OUTCOMES, Role


class OperationForm(DomainForm):
    field_of_target = {"id": "graph_id", "status": "status", "error": "error"}

    error = PublicErrorField()

    class Meta:
        help_texts = {
            "graph_id": gettext_lazy(
                "1 to 128 characters of A-Z a-z 0-9 . _ ~ - and not . or .., once per "
                "connection, fixed once it is saved."
            ),
            "status": gettext_lazy(
                "unspecified may become any other status, inprogress may become completed "
                "or failed, and these two are final. What the worker runs may be failed by hand "
                "and is never completed by hand."
            ),
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
            raise ValidationError(
                _("Connection '%(id)s' is being deleted.") % {"id": connection.graph_id}
            )
        return connection

    def hold(self) -> None:
        if self.instance.pk:  # in the order in which a move locks
            ExternalConnection.objects.hold(self.instance.connection_id)
        super().hold()

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


@admin.register(ConnectionOperation)
class OperationAdmin(DomainAdmin):
    form = OperationForm
    list_display = (
        "status_mark",
        "operation",
        "connection_link",
        "started",
        "duration",
        "triage_mark",
    )
    list_display_links = ("operation",)
    list_filter = (StatusFilter, TriageFilter, ErrorFilter, StuckFilter, ConnectionFilter)
    list_select_related = ("connection",)
    not_listed = ("payload",)
    date_hierarchy = "created_at"
    indexed = frozenset(
        {"status", "triage", "error", "stuck", "connection", "created_at", "fingerprint"}
    )
    selective = frozenset({"connection", "fingerprint"})
    search_fields = ("error_code", "error_message")
    search_help_text = gettext_lazy(
        "Id of an operation or connection, or text in the code or message of an error: that is "
        "looked for in the newest 100,000."
    )
    sortable_by = ("status_mark",)
    autocomplete_fields = ("connection",)
    actions = ("retry", "acknowledge", "complete", "fail", "export", "delete_selected")
    always_readonly = (
        "kind",
        "triage_mark",
        "triage_note",
        "retry_of_link",
        "requested_by",
        "requested_app_id",
        "request_id",
        "payload_shown",
        "created_at",
        "started_at",
        "finished_at",
        "duration",
        "changed_at",
        "run_after",
        "worker",
        "lease_until",
        "attempt",
    )

    @property
    def media(self) -> forms.Media:
        return super().media + ConnectionChoice().media

    def exactly(self, term: str) -> Q:
        # by key: no index serves "this id, or that one in the other table"
        connection = ExternalConnection.objects.filter(lookup_id=term.lower()).first()
        return Q(graph_id=term) | Q(connection=connection) if connection else Q(graph_id=term)

    def with_text(self, rows: QuerySet) -> QuerySet:
        return rows.filter(status=OperationStatus.FAILED)  # only these have an error

    # What it shows --------------------------------------------------------------------------------

    @admin.display(description=gettext_lazy("status"), ordering="status")
    def status_mark(self, operation: ConnectionOperation) -> SafeString:
        shown = badge(operation_mark(operation))
        return shown + badge(STUCK) if operation.is_stuck(timezone.now()) else shown

    @admin.display(description=gettext_lazy("operation"))
    def operation(self, operation: ConnectionOperation) -> SafeString:
        return cell("_operation", operation=operation)

    @admin.display(description=gettext_lazy("connection"))
    def connection_link(self, operation: ConnectionOperation) -> SafeString:
        connection = operation.connection
        address = reverse("admin:operations_externalconnection_change", args=[connection.pk])
        return link(address, connection.graph_id)

    @admin.display(description=gettext_lazy("started"), empty_value="")
    def started(self, operation: ConnectionOperation) -> str:
        return ago(operation.started_at) if operation.started_at else ""

    @admin.display(description=gettext_lazy("duration"), empty_value="")
    def duration(self, operation: ConnectionOperation) -> SafeString:
        return cell("_duration", operation=operation)

    @admin.display(description=gettext_lazy("triage"), empty_value="")
    def triage_mark(self, operation: ConnectionOperation) -> str:
        mark = TRIAGE_MARKS.get(Triage(operation.triage))
        return badge(mark) if mark else ""

    @admin.display(description=gettext_lazy("payload"), empty_value="")
    def payload_shown(self, operation: ConnectionOperation) -> str:
        return "" if operation.payload is None else json_block(operation.payload)

    @admin.display(description=gettext_lazy("retry of"), empty_value="")
    def retry_of_link(self, operation: ConnectionOperation) -> str:
        if operation.retry_of_id is None:
            return ""
        address = reverse(
            "admin:operations_connectionoperation_change", args=[operation.retry_of_id]
        )
        return link(address, operation.retry_of)

    def get_fieldsets(self, request: HttpRequest, obj: ConnectionOperation | None = None) -> Any:
        shown = [(None, {"fields": ("connection", "graph_id", "status", "error")})]
        if obj is None:
            return shown
        return [
            *shown,
            (_("Triage"), {"fields": ("triage_mark", "triage_note", "retry_of_link")}),
            (
                _("Times"),
                {"fields": ("created_at", "started_at", "finished_at", "duration", "changed_at")},
            ),
            (
                _("Asked by"),
                {"fields": ("kind", "requested_by", "requested_app_id", "request_id")},
            ),
            (
                _("Worker"),
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
        """To change an operation is to set its outcome. What is being deleted with its connection
        is looked at, no more."""
        being_deleted = obj is not None and obj.connection.deleting_since is not None
        may_change = super().has_change_permission(request, obj)
        return not being_deleted and may_change and self.has_outcome_permission(request)

    # The roles that the same buttons of the pages ask for.

    def has_operate_permission(self, request: HttpRequest) -> bool:
        return Role.OPERATOR.is_held_by(request.user)

    def has_outcome_permission(self, request: HttpRequest) -> bool:
        return SETS_OUTCOMES.is_held_by(request.user)

    def remove(self, actor: Actor, operation: ConnectionOperation) -> None:
        operation.remove(actor)

    def view_on_site(self, operation: ConnectionOperation) -> str:
        return reverse("operation", args=[operation.connection.graph_id, operation.graph_id])

    def changes_of(self, operation: ConnectionOperation) -> QuerySet[Change]:
        return Change.objects.filter(operation_key=operation.pk)

    def all_changes_of(self, operation: ConnectionOperation) -> str:
        address = reverse("admin:operations_change_changelist")
        return f"{address}?operation_key={operation.pk}"

    def describe(self, operation: ConnectionOperation) -> str:
        status = OPERATION_MARKS[OperationStatus(operation.status)].label
        return f"{operation.graph_id} ({operation.connection.graph_id}, {status})"

    # Actions --------------------------------------------------------------------------------------

    @admin.action(permissions=["operate"], description=gettext_lazy("Retry selected…"))
    def retry(self, request: HttpRequest, queryset: QuerySet) -> HttpResponse | None:
        return self.ask_and_do(
            request,
            queryset,
            operation_actions.NoteForm,
            operation_actions.retry,
            action="retry",
            question=_("Ask again for these registrations?"),
            button=_("Retry"),
            done=_("retried, each as a new operation"),
        )

    @admin.action(permissions=["operate"], description=gettext_lazy("Acknowledge selected…"))
    def acknowledge(self, request: HttpRequest, queryset: QuerySet) -> HttpResponse | None:
        return self.ask_and_do(
            request,
            queryset,
            operation_actions.NoteForm,
            operation_actions.acknowledge,
            action="acknowledge",
            question=_("Take these failures off the list of what needs a person?"),
            button=_("Acknowledge"),
            done=_("acknowledged"),
        )

    @admin.action(permissions=["outcome"], description=gettext_lazy("Mark selected as completed…"))
    def complete(self, request: HttpRequest, queryset: QuerySet) -> HttpResponse | None:
        return self.ask_and_do(
            request,
            queryset,
            operation_actions.ReasonForm,
            operation_actions.complete,
            action="complete",
            question=_("Mark these operations as completed?"),
            button=_("Mark as completed"),
            done=_("marked as completed"),
        )

    @admin.action(
        permissions=["outcome"], description=gettext_lazy("Fail selected with a message…")
    )
    def fail(self, request: HttpRequest, queryset: QuerySet) -> HttpResponse | None:
        return self.ask_and_do(
            request,
            queryset,
            operation_actions.FailForm,
            operation_actions.fail,
            action="fail",
            question=_("Fail these operations?"),
            button=_("Fail"),
            done=_("failed"),
        )

    @admin.action(permissions=["operate"], description=gettext_lazy("Export selected…"))
    def export(self, request: HttpRequest, queryset: QuerySet) -> HttpResponseBase:
        form = answer(request, operation_actions.ExportForm)
        if not form.is_valid():
            return self.ask(
                request,
                queryset,
                form,
                action="export",
                question=_("Export these operations?"),
                button=_("Download"),
                takes_all=True,
            )
        return stream_operations(queryset, form.cleaned_data["kind"])
