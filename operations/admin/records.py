"""What is mostly looked at: schemas, the history, keys, the installation; and outcome rules."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html

from operations.admin.fields import PublicErrorField, pretty
from operations.admin.guard import DomainAdmin, DomainForm, ReadOnlyAdmin
from operations.errors import ItemNotFound
from operations.models import (
    Action,
    Actor,
    Change,
    ExternalConnection,
    Installation,
    OutcomeRule,
    Schema,
    SigningKey,
)


@admin.register(Schema)
class SchemaAdmin(ReadOnlyAdmin):
    """Written by the completion of a registration and by nothing else."""

    list_display = ("connection", "version", "property_count", "in_force_at")
    list_select_related = ("connection",)
    search_fields = ("connection__graph_id",)
    sortable_by = ()
    fields = ("connection", "version", "base_type", "document_shown", "operation", "in_force_at")

    @admin.display(description="properties")
    def property_count(self, schema: Schema) -> int:
        return len(schema.properties)

    @admin.display(description="schema")
    def document_shown(self, schema: Schema) -> str:
        return format_html("<pre>{}</pre>", pretty(schema.document))


@admin.register(Change)
class ChangeAdmin(ReadOnlyAdmin):
    list_display = ("at", "action", "connection_graph_id", "operation_graph_id", "who", "note")
    list_filter = ("channel", "actor_kind", "action")
    search_fields = (
        "connection_graph_id",
        "operation_graph_id",
        "subject",
        "actor_name",
        "request_id",
    )
    sortable_by = ()
    fields = (
        "at",
        "action",
        "who",
        "actor_app_id",
        "request_id",
        "connection_graph_id",
        "operation_graph_id",
        "subject",
        "before_shown",
        "after_shown",
        "note",
    )

    @admin.display(description="who")
    def who(self, change: Change) -> str:
        return f"{change.actor_name} ({change.get_channel_display()})"

    @admin.display(description="before", empty_value="")
    def before_shown(self, change: Change) -> str | None:
        return change.before and format_html("<pre>{}</pre>", pretty(change.before))

    @admin.display(description="after", empty_value="")
    def after_shown(self, change: Change) -> str | None:
        return change.after and format_html("<pre>{}</pre>", pretty(change.after))


@admin.register(SigningKey)
class SigningKeyAdmin(ReadOnlyAdmin):
    """The name of a key and its times. The key itself is never read here."""

    list_display = fields = ("kid", "created_at", "retired_at")

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return super().get_queryset(request).defer("private_pem")


@admin.register(Installation)
class InstallationAdmin(ReadOnlyAdmin):
    list_display = fields = ("tenant_id", "address", "created_at")


class OutcomeRuleForm(DomainForm):
    error = PublicErrorField(
        required=True,
        help_text='What they fail with: a publicError, such as {"code": "QuotaExceeded", '
        '"message": "…"}.',
    )

    def apply(self) -> OutcomeRule:
        values = {name: self.cleaned_data[name] for name in ("connection", "remaining", "error")}
        if not self.instance.pk:
            rule = OutcomeRule(**values)
            before = None
        else:
            current = OutcomeRule.objects.select_for_update().filter(pk=self.instance.pk).first()
            if current is None:
                raise ItemNotFound("OutcomeRule")
            rule, before = current, snapshot(current)
            for name in self.changed_data:
                setattr(rule, name, values[name])
        if before != snapshot(rule):
            rule.full_clean()
            rule.save()
            record(self.actor, rule, before, snapshot(rule))
        return rule


def snapshot(rule: OutcomeRule) -> dict[str, Any]:
    return {
        "connection": rule.connection.graph_id if rule.connection else None,
        "remaining": rule.remaining,
        "error": rule.error,
    }


def record(actor: Actor, rule: OutcomeRule, before: dict | None, after: dict | None) -> None:
    connection: ExternalConnection | None = rule.connection
    Change.record(
        actor,
        Action.RULE_CHANGED,
        connection=connection,
        subject=str(rule),
        before=before,
        after=after,
    )


@admin.register(OutcomeRule)
class OutcomeRuleAdmin(DomainAdmin):
    form = OutcomeRuleForm
    list_display = ("__str__", "connection", "remaining")
    list_select_related = ("connection",)
    autocomplete_fields = ("connection",)
    search_fields = ("connection__graph_id",)
    fields = ("connection", "remaining", "error")

    def remove(self, actor: Actor, rule: OutcomeRule) -> None:
        record(actor, rule, snapshot(rule), None)
        rule.delete()
