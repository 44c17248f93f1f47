"""Connections: what is in them, who may manage them, and the state that only a person may set."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import Count, IntegerField, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.loader import render_to_string
from django.urls import reverse

from operations import provisioning
from operations.admin.fields import AppIdsField, JsonObjectField, LinesField
from operations.admin.guard import DomainAdmin, DomainForm
from operations.connection_rules import (
    read_activity_settings,
    read_compliance_settings,
    read_content_experiences,
    read_open_configuration,
    read_search_settings,
)
from operations.errors import Fault, ItemNotFound
from operations.models import (
    Actor,
    Application,
    Change,
    ConnectionOperation,
    ConnectionState,
    ContentCategory,
    ExternalConnection,
    GraphEnum,
    OperationStatus,
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


def settable(enum: type[GraphEnum], current: int | None) -> list[tuple[int, str]]:
    """The choices of an enumeration: without the sentinel, unless that is what is stored."""
    return [
        (member.value, member.word)
        for member in enum
        if member.word != "unknownFutureValue" or member.value == current
    ]


class ConnectionForm(DomainForm):
    field_of_target = {"id": "graph_id", "state": "state"}

    description = LinesField(help_text="Optional. Shown in the administration of a tenant.")
    authorized_app_ids = AppIdsField(
        label="Authorized applications",
        help_text="configuration.authorizedAppIds: client ids, one a line. Each may do all that "
        "the owner may.",
    )
    open_configuration = JsonObjectField(
        label="Other members of configuration",
        help_text='configuration is an open type: {"member": …}, whatever its clients keep there.',
    )
    activity_settings = JsonObjectField(
        help_text='{"urlToItemResolvers": [{"@odata.type": '
        '"#microsoft.graph.externalConnectors.itemIdResolver", "itemId": "{id}", "priority": 1, '
        '"urlMatchInfo": {"baseUrls": ["https://…"], "urlPattern": "/(?<id>[0-9]+)"}}]}: how '
        "addresses are matched to items."
    )
    search_settings = JsonObjectField(
        help_text='{"searchResultTemplates": [{"id": "…", "priority": 1, "layout": {"type": '
        '"AdaptiveCard", …}, "rules": []}]}, two at most: how results are shown.'
    )
    compliance_settings = JsonObjectField(
        help_text='{"eDiscoveryResultTemplates": […]}, templates likewise, with cards up to 1.2 '
        "and without ${…}. Shown by beta only."
    )

    class Meta:
        help_texts = {
            "graph_id": "3 to 32 letters and digits. Not a reserved name, not beginning with "
            "Microsoft, unique without regard to case, and fixed once it is saved.",
            "name": "Up to 128 characters.",
            "state": "Draft: no schema yet. Ready: accepts items. Obsolete: can only be read and "
            "deleted. Limit exceeded: no new items. Set by the worker; by hand only to correct it.",
            "owner_app_id": "Client id of the application that owns it. Empty: nobody does.",
            "content_category": "Uncategorized unless the owner says what the content is.",
            "connector_id": "Teams app id, when the connection was made by a connector of Teams.",
            "enabled_content_experiences": "Comma-separated: search, compliance. Beta only.",
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
            raise ValidationError("No application with this client id is registered.")
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

    def _register(self, values: dict[str, Any]) -> ExternalConnection:
        owner = values.pop("owner_app_id", None)
        values.setdefault("name", self.cleaned_data["name"])
        connection = ExternalConnection.objects.register(
            self.actor, **{"graph_id": self.cleaned_data["graph_id"], **values}
        )
        if owner:  # who makes it by hand is a person, and a person owns nothing
            connection.revise(self.actor, owner_app_id=owner)
        return connection


class DeletingFilter(admin.SimpleListFilter):
    title = "deletion"
    parameter_name = "deleting"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "Being deleted"), ("no", "Not being deleted")]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        if self.value() in ("yes", "no"):
            return queryset.filter(deleting_since__isnull=self.value() == "no")
        return queryset


class OwnerFilter(admin.SimpleListFilter):
    title = "owner"
    parameter_name = "owner"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        named = Application.objects.order_by("name").values_list("app_id", "name")[:50]
        return [("none", "Nobody"), *((str(app_id), name) for app_id, name in named)]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        value = self.value()
        if value == "none":
            return queryset.filter(owner_app_id=None)
        try:
            return queryset.filter(owner_app_id=UUID(value)) if value else queryset
        except ValueError:
            return queryset.none()


@admin.register(ExternalConnection)
class ConnectionAdmin(DomainAdmin):
    form = ConnectionForm
    list_display = ("graph_id", "name", "state_word", "latest", "open_failures", "changed_at")
    list_filter = ("state", OwnerFilter, DeletingFilter, "content_category", "created_at")
    search_fields = ("graph_id", "name", "description")
    search_help_text = "Id, name or description"
    sortable_by = ("graph_id", "name", "state_word")
    always_readonly = ("created_at", "changed_at", "deleting_since", "recent_operations")

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        below = ConnectionOperation.objects.filter(connection=OuterRef("pk"))
        failures = below.open_failures().order_by().values("connection").annotate(n=Count("pk"))
        return (
            super()
            .get_queryset(request)
            .annotate(
                latest_status=Subquery(below.order_by("-id").values("status")[:1]),
                failure_count=Coalesce(
                    Subquery(failures.values("n"), output_field=IntegerField()), 0
                ),
            )
        )

    @admin.display(description="state", ordering="state")
    def state_word(self, connection: ExternalConnection) -> str:
        if connection.deleting_since:
            return "being deleted"
        return ConnectionState(connection.state).word

    @admin.display(description="latest operation", empty_value="none yet")
    def latest(self, connection: ExternalConnection) -> str | None:
        status = connection.latest_status  # type: ignore[attr-defined]
        return None if status is None else OperationStatus(status).word

    @admin.display(description="open failures")
    def open_failures(self, connection: ExternalConnection) -> int:
        return connection.failure_count  # type: ignore[attr-defined]

    @admin.display(description=f"latest {RECENT}")
    def recent_operations(self, connection: ExternalConnection) -> str:
        return render_to_string(
            "admin/operations/_recent_operations.html",
            {"connection": connection, "operations": connection.operations.all()[:RECENT]},
        )

    def get_fieldsets(self, request: HttpRequest, obj: ExternalConnection | None = None) -> Any:
        state = ("state",) if obj else ()  # a new connection is a draft
        fieldsets: list[tuple[str, dict[str, Any]]] = [
            ("Identity", {"fields": ("graph_id", "name", "description", *state)}),
            (
                "Access",
                {"fields": ("owner_app_id", "authorized_app_ids", "open_configuration")},
            ),
            ("Content", {"fields": ("content_category", "search_settings", "activity_settings")}),
            (
                "Advanced",
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
                ("Operations", {"fields": ("recent_operations",)}),
                ("Times", {"fields": ("created_at", "changed_at", "deleting_since")}),
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
        keys = [connection.pk for connection in connections]
        below = ConnectionOperation.objects.filter(connection__in=keys)
        limit = self.paginator(below, 1).count
        schemas = sum(connection.schemas.count() for connection in connections[:50])
        return [
            f"With all operations ({limit} counted), schema versions ({schemas} counted) and "
            "outcome rules. The history of changes stays."
        ]

    def response_delete(self, request: HttpRequest, obj_display: str, obj_id: Any) -> HttpResponse:
        if not ExternalConnection.objects.filter(pk=obj_id).exists():
            return super().response_delete(request, obj_display, obj_id)
        self.message_user(
            request,
            f"{obj_display} is being deleted. It holds so much that the worker deletes it in "
            "steps; its id is free again when that ends.",
        )
        return HttpResponseRedirect(reverse("admin:operations_externalconnection_changelist"))

    def view_on_site(self, connection: ExternalConnection) -> str:
        return reverse("connection", args=[connection.graph_id])

    def changes_of(self, connection: ExternalConnection) -> QuerySet[Change]:
        return Change.objects.filter(connection_key=connection.pk)
