"""External groups and who is in them: each edit by the functions that the API calls."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from operations import groups
from operations.admin.cells import ago, cell, link, list_of
from operations.admin.fields import LinesField
from operations.admin.filters import ConnectionChoice, ConnectionFilter, GroupFilter
from operations.admin.guard import ContentAdmin, DomainForm
from operations.admin.lists import by_id, newest
from operations.errors import ItemNotFound
from operations.item_rules import read_group, read_member, visible_id
from operations.models import (
    Action,
    Actor,
    Change,
    ExternalConnection,
    ExternalGroup,
    GroupMember,
    IdentityType,
)

MEMBERS_SHOWN = 20
#: Form fields that hold a member of a group.
COLUMNS = {"displayName": "display_name", "description": "description"}
ID_RULE = gettext_lazy(
    "1 to 128 characters, any but NUL, and not . or .., fixed once it is saved. Case counts."
)


class GroupForm(DomainForm):
    field_of_target = {"id": "graph_id", "state": "connection", **COLUMNS}

    display_name = LinesField(
        label=gettext_lazy("Display name"),
        help_text=gettext_lazy("Optional. For people; access lists name the id."),
    )
    description = LinesField(label=gettext_lazy("Description"), help_text=gettext_lazy("Optional."))

    class Meta:
        help_texts = {"graph_id": ID_RULE}

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        document = {
            member: cleaned[name]
            for member, name in (("id", "graph_id"), *COLUMNS.items())
            if name in cleaned
        }
        self.add_faults(read_group(document, creating=not self.instance.pk)[1])
        return cleaned

    def hold(self) -> None:
        if self.instance.pk:  # in the order in which a deletion locks
            ExternalConnection.objects.hold(self.instance.connection_id)
        super().hold()

    def apply(self) -> ExternalGroup:
        values: dict[str, Any] = {
            name: self.cleaned_data[name] or None
            for name in COLUMNS.values()
            if name in self.changed_data
        }
        if not self.instance.pk:
            key, graph_id = self.cleaned_data["connection"].pk, self.cleaned_data["graph_id"]
            return groups.create(key, self.actor, graph_id=graph_id, **values)
        group = ExternalGroup.objects.filter(pk=self.instance.pk).first()
        if group is None:
            raise ItemNotFound("ExternalGroup")
        return groups.update(group, self.actor, **values)


@admin.register(ExternalGroup)
class GroupAdmin(ContentAdmin):
    form = GroupForm
    list_display = ("group", "name_shown", "connection_link", "changed")
    list_display_links = ("group",)
    list_filter = (ConnectionFilter,)
    list_select_related = ("connection",)
    ordering = ("-pk",)
    indexed = frozenset({"connection"})
    search_fields = ("graph_id", "display_name")
    search_help_text = gettext_lazy(
        "Id of a group, or text in an id or display name: that is looked for in the newest 100,000."
    )
    sortable_by = ()
    autocomplete_fields = ("connection",)
    always_readonly = ("members_shown", "add_member", "created_at", "changed_at")

    def view_on_site(self, group: ExternalGroup) -> str:
        return reverse("group", args=[group.connection.graph_id, group.pk])

    @property
    def media(self) -> forms.Media:
        return super().media + ConnectionChoice().media

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return super().get_queryset(request).select_related("connection")

    def exactly(self, term: str) -> Q:
        # the index of ids is one of each connection's
        everywhere = ExternalConnection.objects.order_by().values("pk")
        return Q(connection__in=everywhere, graph_id=term)

    # What it shows --------------------------------------------------------------------------------

    @admin.display(description=gettext_lazy("group"))
    def group(self, group: ExternalGroup) -> SafeString:
        return format_html('<bdi dir="auto" class="mono">{}</bdi>', visible_id(group.graph_id))

    @admin.display(description=gettext_lazy("display name"), empty_value="")
    def name_shown(self, group: ExternalGroup) -> str:
        name = group.display_name
        return format_html('<bdi dir="auto">{}</bdi>', name) if name else ""

    @admin.display(description=gettext_lazy("connection"))
    def connection_link(self, group: ExternalGroup) -> SafeString:
        address = reverse("admin:operations_externalconnection_change", args=[group.connection_id])
        return link(address, group.connection.graph_id)

    @admin.display(description=gettext_lazy("changed"))
    def changed(self, group: ExternalGroup) -> SafeString:
        return ago(group.changed_at)

    @admin.display(description=gettext_lazy("first %(number)s") % {"number": MEMBERS_SHOWN})
    def members_shown(self, group: ExternalGroup) -> SafeString:
        """A group may have 50,000: the others have a list of their own."""
        return cell(
            "_members",
            members=group.members.all()[:MEMBERS_SHOWN],
            number=self.paginator(group.members.all(), 1).number_shown,
            all=list_of("groupmember", group=group.pk),
        )

    @admin.display(description=gettext_lazy("one more"))
    def add_member(self, group: ExternalGroup) -> SafeString:
        address = f"{reverse('admin:operations_groupmember_add')}?group={group.pk}"
        return link(address, _("Add a member"))

    def get_fieldsets(self, request: HttpRequest, obj: ExternalGroup | None = None) -> Any:
        identity = ("connection", "graph_id", "display_name", "description")
        fieldsets: list[tuple[str, dict[str, Any]]] = [(_("Identity"), {"fields": identity})]
        if obj:
            members = self.admin_site.get_model_admin(GroupMember)
            adds = ("add_member",) if members.has_add_permission(request) else ()
            fieldsets += [
                (_("Members"), {"fields": ("members_shown", *adds)}),
                (_("Times"), {"fields": ("created_at", "changed_at")}),
            ]
        return fieldsets

    def get_readonly_fields(
        self, request: HttpRequest, obj: ExternalGroup | None = None
    ) -> tuple[str, ...]:
        return (*self.always_readonly, "connection", "graph_id") if obj else self.always_readonly

    # What it does ---------------------------------------------------------------------------------

    def remove(self, actor: Actor, group: ExternalGroup) -> None:
        groups.delete(group, actor)

    def describe(self, group: ExternalGroup) -> str:
        return f"{group.graph_id} ({group.connection.graph_id})"

    def what_goes_along(self, chosen: list[ExternalGroup]) -> list[str]:
        members = self.paginator(GroupMember.objects.filter(group__in=chosen), 1)
        return [
            f"{_('Members')}: {members.number_shown}",
            _("Access lists that name it stay as they are."),
            _("The history of changes stays."),
        ]

    def changes_of(self, group: ExternalGroup) -> QuerySet[Change]:
        return Change.objects.filter(
            connection_key=group.connection_id,
            subject=group.graph_id[:200],
            action__in=(
                Action.GROUP_CREATED,
                Action.GROUP_UPDATED,
                Action.GROUP_DELETED,
                Action.MEMBER_ADDED,
                Action.MEMBER_REMOVED,
            ),
        )

    def all_changes_of(self, group: ExternalGroup) -> str:
        return list_of("change", connection_key=group.connection_id)


# Members -----------------------------------------------------------------------------------------


class MemberForm(DomainForm):
    field_of_target = {"id": "graph_id", "type": "kind", "state": "group"}

    class Meta:
        help_texts = {
            "group": gettext_lazy("Its number, which the button beside it finds."),
            "graph_id": ID_RULE,
            "kind": gettext_lazy(
                "user and group: known to Entra ID. externalGroup: of the same connection, which "
                "may be made later, and may lead back to this one."
            ),
        }

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        document = {"id": cleaned.get("graph_id")}
        if (kind := cleaned.get("kind")) is not None:
            document["type"] = IdentityType.word_of(kind)
        self.add_faults(read_member(document)[1])
        return cleaned

    def apply(self) -> GroupMember:
        cleaned = self.cleaned_data
        kind = IdentityType(cleaned["kind"])
        return groups.add_member(
            cleaned["group"], self.actor, graph_id=cleaned["graph_id"], kind=kind
        )


@admin.register(GroupMember)
class MemberAdmin(ContentAdmin):
    """A member is added and taken out; there is nothing about it to change."""

    form = MemberForm
    list_display = ("member", "kind", "group_link", "connection_link")
    list_display_links = ("member",)
    list_filter = (GroupFilter,)
    list_select_related = ("group__connection",)
    indexed = frozenset({"group"})
    search_fields = ("graph_id",)
    search_help_text = gettext_lazy(
        "Id of a member, or what it begins with. Case counts. Without a group it is looked for in "
        "the newest 100,000."
    )
    ordering = ("-pk",)
    sortable_by = ()
    raw_id_fields = ("group",)  # a box that finds by id could not tell two connections apart
    fields = ("group", "graph_id", "kind")

    def is_leaving(self, obj: GroupMember | None) -> bool:
        return obj is not None and obj.group.connection.deleting_since is not None

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return super().get_queryset(request).select_related("group__connection")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet, search_term: str
    ) -> tuple[QuerySet, bool]:
        if not search_term:
            return queryset, False
        rows = queryset if GroupFilter.parameter_name in request.GET else newest(queryset)
        return by_id(rows, search_term), False

    @admin.display(description=gettext_lazy("member"))
    def member(self, member: GroupMember) -> SafeString:
        return format_html('<bdi dir="auto" class="mono">{}</bdi>', visible_id(member.graph_id))

    @admin.display(description=gettext_lazy("group"))
    def group_link(self, member: GroupMember) -> SafeString:
        address = reverse("admin:operations_externalgroup_change", args=[member.group_id])
        return link(address, member.group.graph_id)

    @admin.display(description=gettext_lazy("connection"))
    def connection_link(self, member: GroupMember) -> SafeString:
        connection = member.group.connection
        address = reverse("admin:operations_externalconnection_change", args=[connection.pk])
        return link(address, connection.graph_id)

    def remove(self, actor: Actor, member: GroupMember) -> None:
        groups.remove_member(member, actor)

    def describe(self, member: GroupMember) -> str:
        return f"{member.graph_id} ({member.group.graph_id}, {member.group.connection.graph_id})"

    def what_goes_along(self, members: list[GroupMember]) -> list[str]:
        return [_("The history of changes stays.")]
