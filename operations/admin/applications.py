"""Applications: their roles, whether they are let in, and their secrets, each shown once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html

from operations.admin.guard import DomainAdmin, DomainForm, ReadOnlyAdmin, admin_actor, answer
from operations.errors import ItemNotFound
from operations.models import ROLES, Application, ApplicationSecret, Change


class ApplicationForm(DomainForm):
    roles = forms.MultipleChoiceField(
        choices=[(role, role) for role in ROLES],
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="What its tokens may carry. A role that is taken away works no longer within "
        "seconds, also in tokens that are out already.",
    )
    foreign_app_id = forms.UUIDField(
        label="App id at another issuer",
        required=False,
        help_text="For an application whose tokens another issuer makes (FOREIGN_ISSUER). It gets "
        "no secret here.",
    )
    secret: str | None = None

    class Meta:
        help_texts = {
            "enabled": "Off: it gets no token, and the tokens it has work no longer.",
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


class SecretInline(admin.TabularInline):
    model = ApplicationSecret
    fields = readonly_fields = (
        "prefix",
        "key_id",
        "state",
        "created_at",
        "expires_at",
        "revoked_at",
        "last_used_at",
    )
    extra = 0
    can_delete = False
    show_change_link = True

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @admin.display(description="state")
    def state(self, secret: ApplicationSecret) -> str:
        return state_of(secret)


def state_of(secret: ApplicationSecret) -> str:
    if secret.revoked_at:
        return "revoked"
    return "expired" if secret.is_expired else "usable"


class SecretForm(forms.Form):
    days = forms.IntegerField(
        label="Days until it expires",
        required=False,
        min_value=1,
        max_value=3650,
        help_text="Empty: it does not expire.",
    )


class NothingToAsk(forms.Form):
    """Only the question itself."""


@admin.register(Application)
class ApplicationAdmin(DomainAdmin):
    form = ApplicationForm
    list_display = ("name", "app_id", "enabled", "usable_secrets", "created_at")
    list_filter = ("enabled",)
    search_fields = ("name", "app_id")
    sortable_by = ("name",)
    inlines = (SecretInline,)
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

    @admin.display(description="usable secrets")
    def usable_secrets(self, application: Application) -> int:
        return application.secret_count  # type: ignore[attr-defined]

    def get_fieldsets(self, request: HttpRequest, obj: Application | None = None) -> Any:
        if obj is None:
            return [(None, {"fields": ("name", "roles", "foreign_app_id")})]
        shown = ("name", "app_id", "enabled", "roles", "secrets_link", "created_at")
        return [(None, {"fields": shown})]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return ("app_id", "secrets_link", "created_at")

    def get_inlines(self, request: HttpRequest, obj: Application | None) -> Any:
        return self.inlines if obj else ()

    @admin.display(description="secrets")
    def secrets_link(self, application: Application) -> str:
        url = reverse("admin:operations_applicationsecret_changelist")
        return format_html(
            '<a href="{}?application__id__exact={}">Revoke a secret</a>. A further one is made by '
            "the action on the list of applications.",
            url,
            application.pk,
        )

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if form.secret and not change:
            self.show_secret(request, obj, form.secret)

    def show_secret(self, request: HttpRequest, application: Application, secret: str) -> None:
        self.message_user(
            request,
            f"Client id {application.app_id}, secret {secret} (shown only now: keep it).",
            messages.WARNING,
        )

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Its id owns connections and stands in the history: it is disabled, not deleted."""
        return False

    def changes_of(self, application: Application) -> QuerySet[Change]:
        """By value: the subject of a change holds the name of that time and the client id."""
        of_no_connection = Change.objects.filter(connection_key=None)
        return of_no_connection.filter(subject__endswith=f"({application.app_id})")

    @admin.action(permissions=["change"], description="Create a further secret for selected…")
    def create_secret(self, request: HttpRequest, queryset: QuerySet) -> HttpResponse | None:
        form = answer(request, SecretForm)
        if not form.is_valid():
            return self.ask(
                request,
                queryset,
                form,
                action="create_secret",
                question="Create a further secret for these applications?",
                button="Create",
            )
        actor, days = admin_actor(request), form.cleaned_data["days"]
        expires_at = timezone.now() + timedelta(days=days) if days else None

        def do(application: Application) -> None:
            secret = application.create_secret(actor, expires_at)
            self.show_secret(request, application, secret)

        self.for_each(request, queryset, do, done="given a secret")
        return None


@admin.register(ApplicationSecret)
class SecretAdmin(ReadOnlyAdmin):
    list_display = (
        "prefix",
        "application",
        "state",
        "created_at",
        "expires_at",
        "revoked_at",
        "last_used_at",
    )
    fields = ("application", "prefix", "key_id", "created_at", "expires_at", "revoked_at")
    list_select_related = ("application",)
    list_filter = (("application", admin.RelatedOnlyFieldListFilter),)
    search_fields = ("prefix", "application__name")
    actions = ("revoke",)

    @admin.display(description="state")
    def state(self, secret: ApplicationSecret) -> str:
        return state_of(secret)

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("operations.change_applicationsecret")

    @admin.action(permissions=["revoke"], description="Revoke selected secrets…")
    def revoke(self, request: HttpRequest, queryset: QuerySet) -> HttpResponse | None:
        if not answer(request, NothingToAsk).is_valid():
            return self.ask(
                request,
                queryset,
                NothingToAsk(),
                action="revoke",
                question="Revoke these secrets? Tokens that were got with them work no longer.",
                button="Revoke",
            )
        actor = admin_actor(request)

        def do(secret: ApplicationSecret) -> str | None:
            return None if secret.revoke(actor) else "it is revoked already."

        self.for_each(request, queryset, do, done="revoked")
        return None
