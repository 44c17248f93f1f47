"""Connections: what is in them, who may manage them, and the state that only a person may set."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from operations import provisioning
from operations.admin.cells import ago, cell, link, list_of
from operations.admin.fields import AppIdsField, JsonObjectField, LinesField, settable
from operations.admin.filters import HealthFilter, OwnerFilter, StateFilter
from operations.admin.guard import DomainAdmin, DomainForm
from operations.connection_rules import (
    read_activity_settings,
    read_compliance_settings,
    read_content_experiences,
    read_open_configuration,
    read_search_settings,
)
from operations.errors import Fault, ItemNotFound
from operations.marks import badge, connection_mark, operation_mark
from operations.models import (
    Actor,
    Application,
    Change,
    ConnectionOperation,
    ConnectionState,
    ContentCategory,
    ExternalConnection,
    ExternalGroup,
    ItemTally,
    OutcomeRule,
    Schema,
)

RECENT = 20
#: Fields that hold a part of a connection, and the rules of that part, which are the API's too.
RULES: dict[str, Callable[[object], tuple[Any, list[Fault]]]] = {
    "open_configuration": read_open_configuration,
    "activity_settings": read_activity_settings,
    "search_settings": read_search_settings,
    "compliance_settings": read_compliance_settings,
    "enabled_content_experiences": read_content_experiences,
}


class ConnectionForm(DomainForm):
    field_of_target = {"id": "graph_id", "state": "state"}

    description = LinesField(
        help_text=gettext_lazy("Optional. Shown in the administration of a tenant.")
    )
    authorized_app_ids = AppIdsField(
        label=gettext_lazy("Authorized applications"),
        help_text=gettext_lazy(
            "configuration.authorizedAppIds: client ids, one a line. Each may do all that the "
            "owner may."
        ),
    )
    open_configuration = JsonObjectField(
        label=gettext_lazy("Other members of configuration"),
        help_text=gettext_lazy(
            'configuration is an open type: {"member": …}, whatever its clients keep there.'
        ),
    )
    activity_settings = JsonObjectField(
        help_text=gettext_lazy(
            '{"urlToItemResolvers": [{"@odata.type": '
            '"#microsoft.graph.externalConnectors.itemIdResolver", "itemId": "{id}", '
            '"priority": 1, "urlMatchInfo": {"baseUrls": ["https://…"], "urlPattern": '
            '"/(?<id>[0-9]+)"}}]}: how addresses are matched to items.'
        )
    )
    search_settings = JsonObjectField(
        help_text=gettext_lazy(
            '{"searchResultTemplates": [{"id": "…", "priority": 1, "layout": {"type": '
            '"AdaptiveCard", …}, "rules": []}]}, two at most: how results are shown.'
        )
    )
    compliance_settings = JsonObjectField(
        help_text=gettext_lazy(
            '{"eDiscoveryResultTemplates": […]}, templates likewise, with cards up to 1.2 and '
            "without ${…}. Shown by beta only."
        )
    )

    class Meta:
        help_texts = {
            "graph_id": gettext_lazy(
                "3 to 32 letters and digits. Not a reserved name, not beginning with Microsoft, "
                "unique without regard to case, and fixed once it is saved."
            ),
            "name": gettext_lazy("Up to 128 characters."),
            "state": gettext_lazy(
                "Draft: no schema yet. Ready: accepts items. Obsolete: can only be read and "
                "deleted. Limit exceeded: no new items. Set by the worker; by hand only to "
                "correct it."
            ),
            "owner_app_id": gettext_lazy(
                "Client id of the application that owns it. Empty: nobody does."
            ),
            "content_category": gettext_lazy(
                "Uncategorized unless the owner says what the content is."
            ),
            "connector_id": gettext_lazy(
                "Teams app id, when the connection was made by a connector of Teams."
            ),
            "enabled_content_experiences": gettext_lazy(
                "Comma-separated: search, compliance. Beta only."
            ),
        }

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        connection = self.instance
        if connection.pk:
            self.initial["authorized_app_ids"] = connection.authorized_app_ids
        for name, enum in (("state", ConnectionState), ("content_category", ContentCategory)):
            field = self.fields.get(name)
            if isinstance(field, forms.TypedChoiceField):
                field.choices = settable(enum, getattr(connection, name))

    def clean_owner_app_id(self) -> UUID | None:
        app_id = self.cleaned_data["owner_app_id"]
        known = not app_id or Application.objects.filter(app_id=app_id).exists()
        # what is stored may belong to an application that is not registered here
        if not known and app_id != self.instance.owner_app_id:
            raise ValidationError(_("No application with this client id is registered."))
        return app_id

    def clean(self) -> dict[str, Any]:
        """The rules of each part that was edited; what is stored already is nobody's fault here."""
        cleaned = super().clean() or self.cleaned_data
        for name, read in RULES.items():
            if name in self.changed_data and cleaned.get(name) is not None:
                value, faults = read(cleaned[name])
                cleaned[name] = value
                if faults:
                    self.add_error(name, [fault.as_listed().message for fault in faults])
        return cleaned

    def apply(self) -> ExternalConnection:
        values = self.given()
        if "description" in values:
            values["description"] = values["description"] or None
        if "open_configuration" in values:
            values["open_configuration"] = values["open_configuration"] or {}
        if not self.instance.pk:
            return self._register(values)
        connection = ExternalConnection.objects.filter(pk=self.instance.pk).first()
        if connection is None:
            raise ItemNotFound("Connection")
        connection.revise(self.actor, **values)
        return connection

    def hold(self) -> None:
        if self.instance.pk:
            ExternalConnection.objects.hold(self.instance.pk)

    def _register(self, values: dict[str, Any]) -> ExternalConnection:
        owner = values.pop("owner_app_id", None)
        values.setdefault("name", self.cleaned_data["name"])
        connection = ExternalConnection.objects.register(
            self.actor, **{"graph_id": self.cleaned_data["graph_id"], **values}
        )
        if owner:  # who makes it by hand is a person, and a person owns nothing
            connection.revise(self.actor, owner_app_id=owner)
        return connection


def operations_of(connection: ExternalConnection, **filters: str) -> str:
    """The address of the list of its operations."""
    return list_of("connectionoperation", connection=connection.pk, **filters)


@admin.register(ExternalConnection)
class ConnectionAdmin(DomainAdmin):
    form = ConnectionForm
    list_display = (
        "name_shown",
        "graph_id",
        "state_mark",
        "latest_mark",
        "open_failures",
        "changed",
    )
    list_filter = (StateFilter, HealthFilter, OwnerFilter, "created_at")
    search_fields = ("graph_id", "name", "description")
    search_help_text = gettext_lazy("Id, name or description")
    sortable_by = ("graph_id", "name_shown", "state_mark")
    always_readonly = ("created_at", "changed_at", "deleting_since", "recent_operations", "inside")

    def complete_rows(self, rows: list[ExternalConnection]) -> None:
        """The latest operation of each connection of the page, and how many failures are open."""
        below = ConnectionOperation.objects.filter(connection=OuterRef("pk")).order_by("-id")
        newest = ExternalConnection.objects.filter(pk__in=[row.pk for row in rows]).values(
            newest=Subquery(below.values("pk")[:1])
        )
        latest = {
            operation.connection_id: operation
            for operation in ConnectionOperation.objects.filter(pk__in=newest).defer("payload")
        }
        failures = ConnectionOperation.objects.open_failures().filter(connection__in=rows)
        counted = failures.order_by().values("connection").annotate(number=Count("pk"))
        numbers = dict(counted.values_list("connection", "number"))
        for row in rows:
            row.latest = latest.get(row.pk)  # type: ignore[attr-defined]
            row.failures = numbers.get(row.pk, 0)  # type: ignore[attr-defined]

    @admin.display(description=gettext_lazy("name"), ordering="name")
    def name_shown(self, connection: ExternalConnection) -> SafeString:
        return format_html('<bdi dir="auto">{}</bdi>', connection.name)

    @admin.display(description=gettext_lazy("state"), ordering="state")
    def state_mark(self, connection: ExternalConnection) -> SafeString:
        return badge(connection_mark(connection))

    @admin.display(description=gettext_lazy("last operation"))
    def latest_mark(self, connection: ExternalConnection) -> str:
        latest = connection.latest  # type: ignore[attr-defined]
        return badge(operation_mark(latest)) if latest else _("none yet")

    @admin.display(description=gettext_lazy("open failures"), empty_value="")
    def open_failures(self, connection: ExternalConnection) -> str:
        number = connection.failures  # type: ignore[attr-defined]
        if not number:
            return ""
        return link(operations_of(connection, triage="open"), f"{number:,}")

    @admin.display(description=gettext_lazy("changed"))
    def changed(self, connection: ExternalConnection) -> SafeString:
        return ago(connection.changed_at)

    @admin.display(description=gettext_lazy("latest %(number)s") % {"number": RECENT})
    def recent_operations(self, connection: ExternalConnection) -> SafeString:
        recent = connection.operations.defer("payload")[:RECENT]
        return cell("_recent_operations", operations=recent, all=operations_of(connection))

    @admin.display(description=gettext_lazy("what is in it"))
    def inside(self, connection: ExternalConnection) -> SafeString:
        number = f"{ItemTally.objects.items(connection.pk):,}"
        items = link(
            list_of("externalitem", connection=connection.pk),
            _("Items: %(number)s") % {"number": number},
        )
        return format_html(
            "{}<br>{}",
            items,
            link(list_of("externalgroup", connection=connection.pk), _("External groups")),
        )

    def get_fieldsets(self, request: HttpRequest, obj: ExternalConnection | None = None) -> Any:
        state = ("state",) if obj else ()  # a new connection is a draft
        fieldsets: list[tuple[str, dict[str, Any]]] = [
            (_("Identity"), {"fields": ("graph_id", "name", "description", *state)}),
            (
                _("Access"),
                {"fields": ("owner_app_id", "authorized_app_ids", "open_configuration")},
            ),
            (
                _("Content"),
                {"fields": ("content_category", "search_settings", "activity_settings")},
            ),
            (
                _("Advanced"),
                {
                    "classes": ("collapse",),
                    "fields": (
                        "connector_id",
                        "compliance_settings",
                        "enabled_content_experiences",
                    ),
                },
            ),
        ]
        if obj:
            fieldsets += [
                (_("Items and groups"), {"fields": ("inside",)}),
                (_("Operations"), {"fields": ("recent_operations",)}),
                (_("Times"), {"fields": ("created_at", "changed_at", "deleting_since")}),
            ]
        return fieldsets

    def get_readonly_fields(
        self, request: HttpRequest, obj: ExternalConnection | None = None
    ) -> tuple[str, ...]:
        return (*self.always_readonly, "graph_id") if obj else self.always_readonly

    def has_change_permission(
        self, request: HttpRequest, obj: ExternalConnection | None = None
    ) -> bool:
        """What is being deleted is looked at, no more."""
        being_deleted = obj is not None and obj.deleting_since is not None
        return not being_deleted and super().has_change_permission(request, obj)

    def remove(self, actor: Actor, connection: ExternalConnection) -> None:
        provisioning.request_deletion(connection, actor)

    def what_goes_along(self, connections: list[ExternalConnection]) -> list[str]:
        """What is counted in the database is capped; items have been counted as they came."""
        below = {
            _("Operations"): ConnectionOperation.objects,
            _("Schema versions"): Schema.objects,
            _("Outcome rules"): OutcomeRule.objects,
            _("External groups, with their members"): ExternalGroup.objects,
        }
        items = sum(ItemTally.objects.items_of([each.pk for each in connections]).values())
        counted = [
            f"{name}: {self.paginator(rows.filter(connection__in=connections), 1).number_shown}"
            for name, rows in below.items()
        ]
        with_items = f"{_('Items, with the activities on them')}: {items:,}"
        return [*counted, with_items, _("The history of changes stays.")]

    def response_delete(self, request: HttpRequest, obj_display: str, obj_id: Any) -> HttpResponse:
        if not ExternalConnection.objects.filter(pk=obj_id).exists():
            return super().response_delete(request, obj_display, obj_id)
        self.message_user(
            request,
            _(
                "%(connection)s is being deleted. It holds so much that the worker deletes it in "
                "steps; its id is free again when that ends."
            )
            % {"connection": obj_display},
        )
        return HttpResponseRedirect(reverse("admin:operations_externalconnection_changelist"))

    def view_on_site(self, connection: ExternalConnection) -> str:
        return reverse("connection", args=[connection.graph_id])

    def changes_of(self, connection: ExternalConnection) -> QuerySet[Change]:
        return Change.objects.filter(connection_key=connection.pk)

    def all_changes_of(self, connection: ExternalConnection) -> str:
        return list_of("change", connection_key=connection.pk)
