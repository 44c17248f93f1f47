"""Outcome rules: the next registrations fail, so that a team can rehearse it."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.utils.html import format_html
from django.utils.translation import gettext_lazy

from operations.admin.fields import PublicErrorField
from operations.admin.filters import UsedUpFilter
from operations.admin.guard import DomainAdmin, DomainForm
from operations.errors import ItemNotFound
from operations.masking import mask_json
from operations.models import Action, Actor, Change, OutcomeRule


class OutcomeRuleForm(DomainForm):
    error = PublicErrorField(
        required=True,
        help_text=gettext_lazy(
            'What they fail with: a publicError, such as {"code": "QuotaExceeded", "message": "…"}.'
        ),
    )

    def apply(self) -> OutcomeRule:
        values = {name: self.cleaned_data[name] for name in ("connection", "remaining", "error")}
        values["error"] = mask_json(values["error"])
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
    Change.record(
        actor,
        Action.RULE_CHANGED,
        connection=rule.connection,
        subject=str(rule),
        before=before,
        after=after,
    )


@admin.register(OutcomeRule)
class OutcomeRuleAdmin(DomainAdmin):
    form = OutcomeRuleForm
    list_display = ("which", "remaining", "code", "message")
    list_display_links = ("which",)
    list_select_related = ("connection",)
    list_filter = (UsedUpFilter,)
    autocomplete_fields = ("connection",)
    search_fields = ("connection__graph_id",)
    search_help_text = gettext_lazy("Id of a connection")
    sortable_by = ()
    fields = ("connection", "remaining", "error")

    @admin.display(description=gettext_lazy("connection"))
    def which(self, rule: OutcomeRule) -> Any:
        return rule.connection.graph_id if rule.connection else gettext_lazy("Any connection")

    @admin.display(description=gettext_lazy("code"), empty_value="")
    def code(self, rule: OutcomeRule) -> str:
        return rule.error.get("code", "")

    @admin.display(description=gettext_lazy("message"), empty_value="")
    def message(self, rule: OutcomeRule) -> str:
        text = rule.error.get("message")
        return format_html('<span class="sentence" dir="auto">{}</span>', text) if text else ""

    def remove(self, actor: Actor, rule: OutcomeRule) -> None:
        record(actor, rule, snapshot(rule), None)
        rule.delete()
