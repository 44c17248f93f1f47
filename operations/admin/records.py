"""What is only looked at: schemas, the history, errors, runs, refusals, workers, keys."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.db.models.functions import Lower
from django.db.models.lookups import Exact
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy

from operations.admin.cells import ago, json_block, link
from operations.admin.guard import ReadOnlyAdmin
from operations.causes import catalogue
from operations.models import (
    BulkRun,
    Change,
    ErrorGroup,
    Installation,
    OutcomeCount,
    Refusal,
    Schema,
    SigningKey,
    WorkerHeartbeat,
)
from operations.models.outcome_count import COMPLETED


@admin.register(ErrorGroup)
class ErrorGroupAdmin(ReadOnlyAdmin):
    """Failures that say the same. They are resolved and ignored on their own page."""

    list_display = ("sentence", "code", "count", "seen_last", "cause_shown")
    list_display_links = ("sentence",)
    search_fields = ("pattern", "code", "target")
    search_help_text = gettext_lazy("Text in the sentence, code or target")
    sortable_by = ()
    indexed = frozenset({"fingerprint"})
    fields = (
        "pattern",
        "code",
        "target",
        "count",
        "failures",
        "first_seen",
        "last_seen",
        "cause_shown",
        "resolved_at",
        "resolved_by",
        "ignored_until",
    )

    @admin.display(description=gettext_lazy("sentence"))
    def sentence(self, group: ErrorGroup) -> SafeString:
        return format_html('<span class="sentence" dir="auto">{}</span>', str(group))

    @admin.display(description=gettext_lazy("last seen"))
    def seen_last(self, group: ErrorGroup) -> SafeString:
        return ago(group.last_seen)

    @admin.display(description=gettext_lazy("cause"), empty_value="")
    def cause_shown(self, group: ErrorGroup) -> str:
        """The one that a person chose, or the probable one."""
        causes = catalogue()
        cause = causes.by_id(group.cause) if group.cause else None
        cause = cause or causes.probable(group.code, group.pattern)
        return cause.title if cause else ""

    @admin.display(description=gettext_lazy("failures"))
    def failures(self, group: ErrorGroup) -> SafeString:
        address = reverse("admin:operations_connectionoperation_changelist")
        query = urlencode({"fingerprint": group.fingerprint})
        return link(f"{address}?{query}", gettext_lazy("Those that are kept"))

    def view_on_site(self, group: ErrorGroup) -> str:
        return reverse("error", args=[group.fingerprint])


@admin.register(Schema)
class SchemaAdmin(ReadOnlyAdmin):
    """Written by the completion of a registration and by nothing else."""

    list_display = ("connection", "version", "property_count", "in_force_at")
    list_select_related = ("connection",)
    search_fields = ("connection__graph_id",)
    search_help_text = gettext_lazy("Id of a connection")
    sortable_by = ()
    fields = ("connection", "version", "base_type", "document_shown", "operation", "in_force_at")

    @admin.display(description=gettext_lazy("properties"))
    def property_count(self, schema: Schema) -> int:
        return len(schema.properties)

    @admin.display(description=gettext_lazy("schema"))
    def document_shown(self, schema: Schema) -> SafeString:
        return json_block(schema.document)


@admin.register(Change)
class ChangeAdmin(ReadOnlyAdmin):
    list_display = ("when", "action", "who", "what", "note_shown")
    list_filter = ("channel", "actor_kind", "action")
    date_hierarchy = "at"
    indexed = frozenset({"at", "action", "connection_key", "operation_key", "request_id"})
    selective = frozenset({"connection_key", "operation_key", "request_id"})
    not_listed = ("before", "after")
    search_fields = ("connection_graph_id", "subject", "actor_name", "note")
    search_help_text = gettext_lazy(
        "Id of a connection, operation or request; or a part of a name, subject or note: that is "
        "looked for in the newest 100,000."
    )
    sortable_by = ()
    fields = (
        "at",
        "action",
        "who",
        "actor_app_id",
        "request_id",
        "connection",
        "operation",
        "subject",
        "before_shown",
        "after_shown",
        "note",
    )

    def exactly(self, term: str) -> Q:
        by_connection = Exact(Lower("connection_graph_id"), term.lower())
        return Q(request_id=term) | Q(operation_graph_id=term) | Q(by_connection)

    @admin.display(description=gettext_lazy("when"))
    def when(self, change: Change) -> SafeString:
        return ago(change.at)

    @admin.display(description=gettext_lazy("who"))
    def who(self, change: Change) -> SafeString:
        channel = change.get_channel_display()
        return format_html('<bdi dir="auto">{}</bdi> ({})', change.actor_name, channel)

    @admin.display(description=gettext_lazy("what"))
    def what(self, change: Change) -> SafeString:
        name = change.connection_graph_id or change.subject
        return format_html(
            '<bdi dir="auto">{}</bdi><span class="sub mono">{}</span>',
            name,
            change.operation_graph_id,
        )

    @admin.display(description=gettext_lazy("note"), empty_value="")
    def note_shown(self, change: Change) -> str:
        if not change.note:
            return ""
        return format_html('<span class="sentence" dir="auto">{}</span>', change.note)

    @admin.display(description=gettext_lazy("connection"), empty_value="")
    def connection(self, change: Change) -> str:
        """A link by key: it finds this incarnation of the id, or says that it is gone."""
        if change.connection_key is None:
            return ""
        address = reverse(
            "admin:operations_externalconnection_change", args=[change.connection_key]
        )
        return link(address, change.connection_graph_id)

    @admin.display(description=gettext_lazy("operation"), empty_value="")
    def operation(self, change: Change) -> str:
        if change.operation_key is None:
            return ""
        address = reverse(
            "admin:operations_connectionoperation_change", args=[change.operation_key]
        )
        return link(address, change.operation_graph_id)

    @admin.display(description=gettext_lazy("before"), empty_value="")
    def before_shown(self, change: Change) -> str:
        return json_block(change.before) if change.before else ""

    @admin.display(description=gettext_lazy("after"), empty_value="")
    def after_shown(self, change: Change) -> str:
        return json_block(change.after) if change.after else ""

    def view_on_site(self, change: Change) -> str:
        return reverse("event", args=[change.pk])


@admin.register(OutcomeCount)
class OutcomeCountAdmin(ReadOnlyAdmin):
    """The numbers behind strips, bars and trends."""

    list_display = ("day", "connection", "outcome", "count")
    list_select_related = ("connection",)
    search_fields = ("connection__graph_id",)
    search_help_text = gettext_lazy("Id of a connection")
    indexed = frozenset({"connection", "day", "fingerprint"})
    ordering = ("-day", "fingerprint", "-pk")
    sortable_by = ()
    fields = ("connection", "day", "fingerprint", "count")

    def exactly(self, term: str) -> Q:
        return Q(connection__lookup_id=term.lower())

    @admin.display(description=gettext_lazy("outcome"))
    def outcome(self, row: OutcomeCount) -> Any:
        completed = row.fingerprint == COMPLETED
        return gettext_lazy("completed") if completed else gettext_lazy("failed")


@admin.register(BulkRun)
class BulkRunAdmin(ReadOnlyAdmin):
    list_display = ("asked_for", "actor_name", "expected", "done", "skipped", "refused", "created")
    sortable_by = ()
    fields = (
        "action",
        "reason",
        "actor_name",
        "request_id",
        "selection_shown",
        "expected",
        "done",
        "skipped",
        "refused",
        "reasons_shown",
        "created_at",
        "finished_at",
    )

    @admin.display(description=gettext_lazy("action"))
    def asked_for(self, run: BulkRun) -> str:
        return run.get_action_display()

    @admin.display(description=gettext_lazy("asked for"))
    def created(self, run: BulkRun) -> SafeString:
        return ago(run.created_at)

    @admin.display(description=gettext_lazy("filter"))
    def selection_shown(self, run: BulkRun) -> SafeString:
        return json_block(run.selection)

    @admin.display(description=gettext_lazy("reasons"))
    def reasons_shown(self, run: BulkRun) -> SafeString:
        return json_block(run.reasons)

    def view_on_site(self, run: BulkRun) -> str:
        return reverse("run", args=[run.run_id])


@admin.register(Refusal)
class RefusalAdmin(ReadOnlyAdmin):
    """Calls that were not let in, kept for a while."""

    list_display = ("request", "when", "status", "code", "app_id")
    search_fields = ("path", "code", "message")
    search_help_text = gettext_lazy("Request id, or text in the path, code or message")
    indexed = frozenset({"request_id", "at", "app_id"})
    sortable_by = ()

    def exactly(self, term: str) -> Q:
        return Q(request_id=term)

    @admin.display(description=gettext_lazy("request"))
    def request(self, refusal: Refusal) -> SafeString:
        return format_html(
            '<span class="mono" dir="auto">{} {}</span>', refusal.method, refusal.path
        )

    @admin.display(description=gettext_lazy("when"))
    def when(self, refusal: Refusal) -> SafeString:
        return ago(refusal.at)


@admin.register(WorkerHeartbeat)
class WorkerHeartbeatAdmin(ReadOnlyAdmin):
    list_display = ("name", "seen", "started", "held", "version")
    sortable_by = ()

    @admin.display(description=gettext_lazy("last seen"))
    def seen(self, worker: WorkerHeartbeat) -> SafeString:
        return ago(worker.seen_at)

    @admin.display(description=gettext_lazy("started"))
    def started(self, worker: WorkerHeartbeat) -> SafeString:
        return ago(worker.started_at)


@admin.register(SigningKey)
class SigningKeyAdmin(ReadOnlyAdmin):
    """The name of a key and its times. The key itself is never read here."""

    list_display = fields = ("kid", "created_at", "retired_at")

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return super().get_queryset(request).defer("private_pem")


@admin.register(Installation)
class InstallationAdmin(ReadOnlyAdmin):
    list_display = fields = ("tenant_id", "address", "created_at")
