"""Applications: their roles, whether they are let in, and their secrets, each shown once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import admin
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from operations.admin.cells import ago, cell, link
from operations.admin.guard import DomainAdmin, DomainForm, ReadOnlyAdmin
from operations.errors import ItemNotFound
from operations.models import ROLES, Actor, Application, ApplicationSecret, Change

SECRETS_SHOWN = 20


class ApplicationForm(DomainForm):
    roles = forms.MultipleChoiceField(
        label=gettext_lazy("Roles"),
        choices=[(role, role) for role in ROLES],
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=gettext_lazy(
            "What its tokens may carry. A role that is taken away works no longer within "
            "seconds, also in tokens that are out already."
        ),
    )
    foreign_app_id = forms.UUIDField(
        label=gettext_lazy("App id at another issuer"),
        required=False,
        help_text=gettext_lazy(
            "For an application whose tokens another issuer makes (FOREIGN_ISSUER). It gets no "
            "secret here."
        ),
    )
    secret: str | None = None

    class Meta:
        help_texts = {
            "enabled": gettext_lazy("Off: it gets no token, and the tokens it has work no longer."),
        }

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            del self.fields["foreign_app_id"]

    def apply(self) -> Application:
        if not self.instance.pk:
            if app_id := self.cleaned_data["foreign_app_id"]:
                return Application.objects.register_foreign(
                    self.actor, self.cleaned_data["name"], self.cleaned_data["roles"], app_id
                )
            application, self.secret = Application.objects.register(
                self.actor, self.cleaned_data["name"], self.cleaned_data["roles"]
            )
            return application
        current = Application.objects.filter(pk=self.instance.pk).first()
        if current is None:
            raise ItemNotFound("Application")
        current.revise(self.actor, **self.given())
        return current


def state_of(secret: ApplicationSecret) -> str:
    if secret.revoked_at:
        return _("revoked")
    return _("expired") if secret.is_expired else _("usable")


class SecretForm(forms.Form):
    days = forms.IntegerField(
        label=gettext_lazy("Days until it expires"),
        required=False,
        min_value=1,
        max_value=3650,
        help_text=gettext_lazy("Empty: it does not expire."),
    )


class NothingToAsk(forms.Form):
    """Only the question itself."""


@admin.register(Application)
class ApplicationAdmin(DomainAdmin):
    form = ApplicationForm
    list_display = ("name_shown", "app_id", "enabled", "usable_secrets", "created")
    list_filter = ("enabled",)
    search_fields = ("name", "app_id")
    search_help_text = gettext_lazy("Name or client id")
    sortable_by = ("name_shown",)
    actions = ("create_secret",)

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        usable = Q(secrets__revoked_at=None) & (
            Q(secrets__expires_at=None) | Q(secrets__expires_at__gt=timezone.now())
        )
        return (
            super()
            .get_queryset(request)
            .annotate(secret_count=Count("secrets", filter=usable & Q(secrets__isnull=False)))
        )

    @admin.display(description=gettext_lazy("name"), ordering="name")
    def name_shown(self, application: Application) -> SafeString:
        return format_html('<bdi dir="auto">{}</bdi>', application.name)

    @admin.display(description=gettext_lazy("usable secrets"))
    def usable_secrets(self, application: Application) -> int:
        return application.secret_count  # type: ignore[attr-defined]

    @admin.display(description=gettext_lazy("created"))
    def created(self, application: Application) -> SafeString:
        return ago(application.created_at)

    def get_fieldsets(self, request: HttpRequest, obj: Application | None = None) -> Any:
        if obj is None:
            return [(None, {"fields": ("name", "roles", "foreign_app_id")})]
        shown = ("name", "app_id", "enabled", "roles", "owned", "secrets_shown", "created_at")
        return [(None, {"fields": shown})]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return ("app_id", "owned", "secrets_shown", "created_at")

    @admin.display(description=gettext_lazy("connections"))
    def owned(self, application: Application) -> SafeString:
        address = reverse("admin:operations_externalconnection_changelist")
        query = urlencode({"owner": application.app_id})
        return link(f"{address}?{query}", _("Those that it owns"))

    @admin.display(description=gettext_lazy("secrets"))
    def secrets_shown(self, application: Application) -> SafeString:
        newest = application.secrets.order_by("-pk")[:SECRETS_SHOWN]
        return cell(
            "_secrets",
            secrets=[(secret, state_of(secret)) for secret in newest],
            application=application,
        )

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        obj.new_secret = form.secret if not change else None

    def response_add(self, request: HttpRequest, obj: Any, *args: Any) -> HttpResponse:
        if obj.new_secret:
            return self.show_secrets(request, [(obj, obj.new_secret)])
        return super().response_add(request, obj, *args)

    def show_secrets(
        self, request: HttpRequest, secrets: list[tuple[Application, str]]
    ) -> TemplateResponse:
        """The only answer that ever holds them. A message would lie in the session until read."""
        context = {
            **self.admin_site.each_context(request),
            "title": _("New secret") if len(secrets) == 1 else _("New secrets"),
            "subtitle": None,
            "opts": self.opts,
            "secrets": secrets,
        }
        headers = {"Cache-Control": "no-store"}
        return TemplateResponse(request, "admin/operations/secrets.html", context, headers=headers)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Its id owns connections and stands in the history: it is disabled, not deleted."""
        return False

    def changes_of(self, application: Application) -> QuerySet[Change]:
        return Change.objects.of_application(application.app_id)

    def view_on_site(self, application: Application) -> str:
        return reverse("application", args=[application.app_id])

    @admin.action(
        permissions=["change"], description=gettext_lazy("Create a further secret for selected…")
    )
    def create_secret(self, request: HttpRequest, queryset: QuerySet) -> HttpResponse | None:
        made: list[tuple[Application, str]] = []

        def do(application: Application, actor: Actor, form: forms.Form) -> None:
            days = form.cleaned_data["days"]
            expires_at = timezone.now() + timedelta(days=days) if days else None
            made.append((application, application.create_secret(actor, expires_at)))

        asking = self.ask_and_do(
            request,
            queryset,
            SecretForm,
            do,
            action="create_secret",
            question=_("Create a further secret for these applications?"),
            button=_("Create"),
            done=_("given a secret"),
        )
        return self.show_secrets(request, made) if made else asking


@admin.register(ApplicationSecret)
class SecretAdmin(ReadOnlyAdmin):
    list_display = ("prefix", "application", "state", "created", "expires_at", "last_used")
    fields = (
        "application",
        "prefix",
        "key_id",
        "created_by",
        "created_at",
        "expires_at",
        "revoked_at",
        "last_used_at",
        "last_used_address",
    )
    list_select_related = ("application",)
    search_fields = ("prefix", "application__name")
    search_help_text = gettext_lazy("Beginning of a secret, or name of an application")
    actions = ("revoke",)

    @admin.display(description=gettext_lazy("state"))
    def state(self, secret: ApplicationSecret) -> str:
        return state_of(secret)

    @admin.display(description=gettext_lazy("created"))
    def created(self, secret: ApplicationSecret) -> SafeString:
        return ago(secret.created_at)

    @admin.display(description=gettext_lazy("last used"))
    def last_used(self, secret: ApplicationSecret) -> str:
        return ago(secret.last_used_at) if secret.last_used_at else _("never")

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("operations.change_applicationsecret")

    @admin.action(permissions=["revoke"], description=gettext_lazy("Revoke selected secrets…"))
    def revoke(self, request: HttpRequest, queryset: QuerySet) -> HttpResponse | None:
        def do(secret: ApplicationSecret, actor: Actor, form: forms.Form) -> str | None:
            return None if secret.revoke(actor) else _("it is revoked already.")

        return self.ask_and_do(
            request,
            queryset,
            NothingToAsk,
            do,
            action="revoke",
            question=_("Revoke these secrets? Tokens that were got with them work no longer."),
            button=_("Revoke"),
            done=_("revoked"),
        )
