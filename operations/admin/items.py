"""Items: found by their id, mended by hand, each edit recorded. Their rules are the API's."""

from __future__ import annotations

from collections import Counter
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.defaultfilters import filesizeformat
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from operations import ingestion
from operations.admin.cells import ago, cell, link, list_of, pretty
from operations.admin.fields import ExactJsonField, JsonListField, LinesField
from operations.admin.filters import ConnectionChoice, ConnectionFilter
from operations.admin.guard import ContentAdmin, DomainForm, container_of, sentence
from operations.admin.lists import by_id
from operations.errors import GraphError, LimitExceeded, PreconditionFailed
from operations.item_rules import read_item, visible_id
from operations.models import (
    Action,
    Actor,
    Change,
    ContentType,
    ExternalActivity,
    ExternalConnection,
    ExternalItem,
)
from operations.models.item import LABEL, has_short
from operations.preconditions import Precondition

ACTIVITIES_SHOWN = 20
#: A text with more characters than this is looked at, and not sent to a browser and back.
EDITABLE = 500_000
SHOWN_OF_A_LONG_TEXT = 2000
#: An access list with more bytes than this is not summed up in a list.
SUMMED_UP = 20_000
#: Form fields that hold a member of an item as it is.
MEMBERS = {"acl": "acl", "properties": "properties", "label": LABEL}
CONTENT = ("content_type", "content_value")
#: What stands in the place of a field that is only looked at.
SHOWN = {
    "acl": "acl_shown",
    "properties": "properties_shown",
    "content_value": "content_shown",
    "label": "label_shown",
}
BLOCK = '<pre class="json" dir="auto" tabindex="0">{}</pre>'


class ItemForm(DomainForm):
    """An item is edited as it was shown: one that was written meanwhile is shown again first. So
    nothing that was shown has to be sent back beside what was edited, which may be megabytes."""

    field_of_target = {
        "id": "graph_id",
        "state": "connection",
        "acl": "acl",
        "properties": "properties",
        "content": "content_type",
        "content/value": "content_value",
        LABEL: "label",
    }

    acl = JsonListField(
        label=gettext_lazy("Access control list"),
        required=True,
        help_text=gettext_lazy(
            '[{"accessType": "grant", "type": "everyone", "value": "everyone"}]: accessType is '
            "grant or deny, and a deny wins; type is user, group, everyone, everyoneExceptGuests "
            "or externalGroup; value is the id of whom it means. With [] nobody sees the item."
        ),
    )
    properties = ExactJsonField(
        required=True,
        help_text=gettext_lazy(
            '{"title": "…", "tags@odata.type": "Collection(String)", "tags": ["…"]}: one '
            "property of the schema at least, each of its type there, and the type of a "
            "collection beside it."
        ),
    )
    content_value = LinesField(
        label=gettext_lazy("Content"),
        help_text=gettext_lazy(
            "The text that is searched, as text or as HTML. Without a type and a text the item "
            "has no content."
        ),
    )
    label = ExactJsonField(
        label=gettext_lazy("Information protection label"),
        help_text=gettext_lazy('{"sensitivityLabelId": "…"}. Optional.'),
    )
    seen = forms.CharField(required=False, widget=forms.HiddenInput)

    class Meta:
        help_texts = {
            "graph_id": gettext_lazy(
                "1 to 128 characters, any but NUL, and not . or .., once per connection, fixed "
                "once it is saved. Case counts."
            ),
        }

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.show_hidden_initial = False
        if self.instance.pk:
            self.initial["seen"] = self.instance.etag

    def clean(self) -> dict[str, Any]:
        """What was edited has to obey the schema in force; what is stored already is nobody's
        fault here."""
        cleaned = super().clean() or self.cleaned_data
        editing = self.instance.pk is not None
        connection = self.instance.connection if editing else cleaned.get("connection")
        if connection is None:
            return cleaned
        try:
            found = container_of(connection)
            ingestion.require_changeable(found)
            shape = ingestion.shape_of(found)
        except GraphError as refusal:
            field = "connection" if "connection" in self.fields else None
            self.add_error(field, sentence(refusal))
            return cleaned
        values, faults = read_item(
            self._document(cleaned),
            shape,
            graph_id=self.instance.graph_id if editing else None,
            beta=True,
            partial=editing,
        )
        self.container, self.values = found, values
        self.add_faults(faults)
        return cleaned

    def _document(self, cleaned: dict[str, Any]) -> dict[str, Any]:
        """The item as a body of the API, or what of it was edited."""
        asked = self.changed_data if self.instance.pk else list(self.fields)
        document = {
            member: cleaned[name]
            for name, member in MEMBERS.items()
            if name in asked and name in cleaned
        }
        if "graph_id" in cleaned:
            document["id"] = cleaned["graph_id"]
        if any(name in asked for name in CONTENT):
            document["content"] = self._content(cleaned)
        return document

    def _content(self, cleaned: dict[str, Any]) -> dict[str, Any] | None:
        kind, value = cleaned.get("content_type"), cleaned.get("content_value")
        if "content_value" not in self.changed_data:
            value = self.instance.content_value  # null as well, and its own line ends
        if kind is None and not value:
            return None
        return {"type": None if kind is None else ContentType.word_of(kind), "value": value}

    def hold(self) -> None:
        if self.instance.pk:  # in the order in which a deletion locks
            ExternalConnection.objects.hold(self.instance.connection_id)
        super().hold()

    def apply(self) -> ExternalItem:
        if not self.instance.pk:
            values = {name: value for name, value in self.values.items() if name != "id"}
            return ingestion.create_by_hand(
                self.container, self.cleaned_data["graph_id"], values, self.actor
            )
        try:
            return ingestion.update_by_hand(
                self.container,
                self.instance.graph_id,
                self.values,
                self.actor,
                only_if=Precondition.of(self.cleaned_data["seen"], None),
            )
        except PreconditionFailed:
            raise ValidationError(
                _("The item was written meanwhile. Open it again to edit what it is now.")
            ) from None

    def when_refused(self, refusal: Exception) -> None:
        if isinstance(refusal, LimitExceeded):
            ingestion.settle(self.container, self.actor)


def readers(acl: list[dict[str, Any]]) -> str:
    """Who may read, in short: ``everyone, not 2 users``."""
    granted = _named(entry["type"] for entry in acl if entry["accessType"] == "grant")
    if not granted:
        return _("nobody")
    denied = _named(entry["type"] for entry in acl if entry["accessType"] == "deny")
    return f"{granted}, {_('not %(whom)s') % {'whom': denied}}" if denied else granted


def _named(types: Any) -> str:
    number = Counter(types)
    named = []
    if number["everyone"]:
        named.append(_("everyone"))
    elif number["everyoneExceptGuests"]:
        named.append(_("everyone except guests"))
    for word, text in (
        ("user", ngettext("%(n)s user", "%(n)s users", number["user"])),
        ("group", ngettext("%(n)s group", "%(n)s groups", number["group"])),
        (
            "externalGroup",
            ngettext("%(n)s external group", "%(n)s external groups", number["externalGroup"]),
        ),
    ):
        if number[word]:
            named.append(text % {"n": number[word]})
    return ", ".join(named)


@admin.register(ExternalItem)
class ItemAdmin(ContentAdmin):
    form = ItemForm
    list_display = ("item", "connection_link", "who_may_read", "size_shown", "changed")
    list_filter = (ConnectionFilter, "changed_at")
    list_select_related = ("connection",)
    not_listed = ("acl", "properties", "content_value", "label")
    ordering = ("-pk",)
    indexed = frozenset({"connection"})
    search_fields = ("graph_id",)
    search_help_text = gettext_lazy("Id of an item, or what it begins with. Case counts.")
    sortable_by = ()
    autocomplete_fields = ("connection",)
    always_readonly = (
        *SHOWN.values(),
        "size_shown",
        "version",
        "created_at",
        "changed_at",
        "changed_by",
        "changed_by_app_id",
        "request_id",
        "latest_activities",
    )

    def view_on_site(self, item: ExternalItem) -> str:
        return reverse("item", args=[item.connection.graph_id, item.pk])

    @property
    def media(self) -> forms.Media:
        return super().media + ConnectionChoice().media

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        """Without what may be megabytes: 500 of them are asked about at once."""
        rows = super().get_queryset(request)
        return rows.select_related("connection").defer(*self.not_listed)

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> ExternalItem | None:
        item: ExternalItem | None = super().get_object(request, object_id, from_field)
        try:
            if item:
                item.refresh_from_db(fields=[*self.not_listed, "content_type", "version"])
        except ExternalItem.DoesNotExist:
            return None
        return item

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet, search_term: str
    ) -> tuple[QuerySet, bool]:
        if not search_term:
            return queryset, False
        everywhere = ExternalConnection.objects.order_by().values("pk")
        return by_id(queryset.filter(connection__in=everywhere), search_term), False

    def complete_rows(self, rows: list[ExternalItem]) -> None:
        """Who may read the items of the page, but for access lists that are very long."""
        short = ExternalItem.objects.filter(
            has_short("acl", SUMMED_UP), pk__in=[row.pk for row in rows]
        )
        found: dict[int, Any] = dict(short.order_by().values_list("pk", "acl"))
        for row in rows:
            acl = found.get(row.pk)
            row.readers = (  # type: ignore[attr-defined]
                _("a long list") if acl is None else readers(acl)
            )

    # What it shows --------------------------------------------------------------------------------

    @admin.display(description=gettext_lazy("item"))
    def item(self, item: ExternalItem) -> SafeString:
        return format_html('<bdi dir="auto" class="mono">{}</bdi>', visible_id(item.graph_id))

    @admin.display(description=gettext_lazy("connection"))
    def connection_link(self, item: ExternalItem) -> SafeString:
        address = reverse("admin:operations_externalconnection_change", args=[item.connection_id])
        return link(address, item.connection.graph_id)

    @admin.display(description=gettext_lazy("who may read"))
    def who_may_read(self, item: ExternalItem) -> str:
        return item.readers  # type: ignore[attr-defined]

    @admin.display(description=gettext_lazy("size"))
    def size_shown(self, item: ExternalItem) -> str:
        return filesizeformat(item.size)

    @admin.display(description=gettext_lazy("last change"))
    def changed(self, item: ExternalItem) -> SafeString:
        return ago(item.changed_at)

    @admin.display(description=gettext_lazy("access control list"))
    def acl_shown(self, item: ExternalItem) -> SafeString:
        return beginning(pretty(item.acl))

    @admin.display(description=gettext_lazy("properties"))
    def properties_shown(self, item: ExternalItem) -> SafeString:
        return beginning(pretty(item.properties))

    @admin.display(description=gettext_lazy("content"), empty_value="")
    def content_shown(self, item: ExternalItem) -> str:
        return beginning(item.content_value) if item.content_value else ""

    @admin.display(description=gettext_lazy("information protection label"), empty_value="")
    def label_shown(self, item: ExternalItem) -> str:
        return "" if item.label is None else beginning(pretty(item.label))

    @admin.display(description=gettext_lazy("latest %(number)s") % {"number": ACTIVITIES_SHOWN})
    def latest_activities(self, item: ExternalItem) -> SafeString:
        return cell("_activities", activities=item.activities.all()[:ACTIVITIES_SHOWN])

    def get_fieldsets(self, request: HttpRequest, obj: ExternalItem | None = None) -> Any:
        only_shown = self.only_shown(request, obj)
        names = {name: SHOWN[name] if name in only_shown else name for name in SHOWN}
        seen = ("seen",) if obj and "seen" not in only_shown else ()
        content = (names["properties"], "content_type", names["content_value"])
        fieldsets: list[tuple[str, dict[str, Any]]] = [
            (_("Identity"), {"fields": ("connection", "graph_id", *seen)}),
            (_("Access"), {"fields": (names["acl"],)}),
            (_("Content"), {"fields": content}),
            (_("Label"), {"fields": (names["label"],)}),
        ]
        if obj:
            written = ("changed_at", "changed_by", "changed_by_app_id", "request_id")
            fieldsets += [
                (_("Activities"), {"fields": ("latest_activities",)}),
                (_("Last written"), {"fields": written}),
                (_("Times and size"), {"fields": ("created_at", "version", "size_shown")}),
            ]
        return fieldsets

    def get_readonly_fields(
        self, request: HttpRequest, obj: ExternalItem | None = None
    ) -> tuple[str, ...]:
        if obj is None:
            return self.always_readonly
        # what the form declares is left out of it only where it is read-only
        only_shown = self.only_shown(request, obj)
        return (*self.always_readonly, "connection", "graph_id", *only_shown)

    def only_shown(self, request: HttpRequest, item: ExternalItem | None) -> set[str]:
        """The form fields that are no fields on this page."""
        if item is None:
            return set()
        if not self.has_change_permission(request, item):
            return {*SHOWN, "seen"}
        texts = {
            "acl": pretty(item.acl),
            "properties": pretty(item.properties),
            "content_value": item.content_value or "",
            "label": pretty(item.label),
        }
        return {name for name, text in texts.items() if len(text) > EDITABLE}

    # What it does ---------------------------------------------------------------------------------

    def remove(self, actor: Actor, item: ExternalItem) -> None:
        ingestion.delete_by_hand(container_of(item.connection), item, actor)

    def describe(self, item: ExternalItem) -> str:
        return f"{item.graph_id} ({item.connection.graph_id})"

    def what_goes_along(self, items: list[ExternalItem]) -> list[str]:
        activities = ExternalActivity.objects.filter(item__in=items)
        counted = self.paginator(activities, 1).number_shown
        return [f"{_('Activities')}: {counted}", _("The history of changes stays.")]

    def changes_of(self, item: ExternalItem) -> QuerySet[Change]:
        return Change.objects.filter(
            connection_key=item.connection_id,
            subject=item.graph_id[:200],
            action__in=(Action.ITEM_WRITTEN, Action.ITEM_DELETED),
        )

    def all_changes_of(self, item: ExternalItem) -> str:
        return list_of("change", connection_key=item.connection_id)


def beginning(text: str) -> SafeString:
    """A text that is only looked at, or what it begins with."""
    if len(text) <= EDITABLE:
        return format_html(BLOCK, text)
    cut = format_html(BLOCK, f"{text[:SHOWN_OF_A_LONG_TEXT]}…")
    why = _("%(number)s characters: too many to be edited here.") % {"number": f"{len(text):,}"}
    return format_html("{}<p>{}</p>", cut, why)
