"""One application: its roles, connections and secrets, and what an administrator does with it."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

from django import forms
from django.conf import settings
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _

from operations import tokens
from operations.access import person
from operations.dashboard.application_forms import (
    DEFAULT_LIFETIME,
    LIFETIMES,
    EditApplicationForm,
    NewApplicationForm,
    RevokeForm,
    SecretForm,
)
from operations.dashboard.guard import page
from operations.dashboard.listing import base_url
from operations.dashboard.live import live_page
from operations.dashboard.lookups import guid
from operations.dashboard.pages.applications import with_connections
from operations.dashboard.presentation.applications import (
    ApplicationChange,
    ApplicationRow,
    SecretRow,
)
from operations.dashboard.presentation.refusals import RefusalShown
from operations.models import (
    Application,
    ApplicationSecret,
    Change,
    Channel,
    ExternalConnection,
    Refusal,
)
from operations.roles import Role

CONNECTIONS = 20
REFUSALS = 20
CHANGES = 20


def find_application(app_id: str) -> Application:
    """The application with its troubles and secrets. Raises Http404."""
    found = None
    if parsed := guid(app_id):
        rows = with_connections(Application.objects.with_troubles(timezone.now()))
        found = rows.prefetch_related("secrets").filter(app_id=parsed).first()
    if found is None:
        raise Http404(
            _("There is no application with the client id '%(id)s'.") % {"id": app_id[:100]}
        )
    return found


@page(Role.VIEWER)
def application(request: HttpRequest, app_id: str) -> HttpResponse:
    found = find_application(app_id)
    alive = ExternalConnection.objects.alive().order_by("lookup_id")
    owned = alive.filter(owner_app_id=found.app_id)
    authorized = alive.filter(authorized_apps__app_id=found.app_id)
    refusals = Refusal.objects.filter(app_id=found.app_id).order_by("-id")[:REFUSALS]
    changes = Change.objects.of_application(found.app_id).order_by("-id")
    secrets = sorted(found.secrets.all(), key=lambda secret: -secret.pk)
    return live_page(
        request,
        "application_page",
        {
            "title": found.name,
            "newest": _newest_secret(found),
            "application": found,
            "row": ApplicationRow(found),
            "secrets": [SecretRow(secret) for secret in secrets],
            "owned": list(owned[:CONNECTIONS]),
            "authorized": list(authorized[:CONNECTIONS]),
            "limit": CONNECTIONS,
            "refusals": [RefusalShown(refusal, found) for refusal in refusals],
            "changes": [ApplicationChange(change) for change in changes[:CHANGES]],
            "lifetimes": LIFETIMES.items(),
            "default_lifetime": DEFAULT_LIFETIME,
        },
    )


# What an administrator does -----------------------------------------------------------------------


@page(Role.ADMINISTRATOR)
def new_application(request: HttpRequest) -> HttpResponse:
    form = NewApplicationForm(request.POST if request.method == "POST" else None)
    if form.is_valid() and _sent_before(request, _newest_application()):
        messages.warning(
            request,
            _(
                "An application was made since this form was opened, perhaps by it. "
                "Nothing changed."
            ),
        )
        return redirect("applications")
    if form.is_valid():
        actor = person(request, Channel.DASHBOARD)
        name, roles = form.cleaned_data["name"], form.cleaned_data["roles"]
        try:
            if app_id := form.cleaned_data["foreign_app_id"]:
                made = Application.objects.register_foreign(actor, name, roles, app_id)
                messages.success(request, _("Registered: %(name)s.") % {"name": made.name})
                return redirect("application", made.app_id)
            made, secret = Application.objects.register(actor, name, roles)
        except ValidationError as refusal:
            _add_faults(form, refusal)
        else:
            return _show_secret(request, made, secret)
    return _form_page(request, "new", form, None, _("New application"))


Act = Callable[[HttpRequest, Application], HttpResponse]


def administers(act: Act) -> Callable[..., HttpResponseBase]:
    """A page of one application for administrators."""

    @page(Role.ADMINISTRATOR)
    @wraps(act)
    def view(request: HttpRequest, app_id: str) -> HttpResponse:
        return act(request, find_application(app_id))

    return view


@administers
def edit_application(request: HttpRequest, found: Application) -> HttpResponse:
    if request.method != "POST":
        form = EditApplicationForm(initial=found.snapshot())
        return _form_page(request, "edit", form, found, _("Edit application"))
    form = EditApplicationForm(request.POST)
    if form.is_valid():
        try:
            changed = found.revise(person(request, Channel.DASHBOARD), **form.cleaned_data)
        except ValidationError as refusal:
            _add_faults(form, refusal)
        else:
            said = _("Changed. It counts within seconds.") if changed else _("Nothing changed.")
            messages.success(request, said)
            return redirect("application", found.app_id)
    return _form_page(request, "edit", form, found, _("Edit application"))


@administers
def new_secret(request: HttpRequest, found: Application) -> HttpResponse:
    """A GET (somebody signed in on the way here, or came back) makes none."""
    if request.method != "POST":
        return redirect("application", found.app_id)
    form = SecretForm(request.POST)
    if not form.is_valid():
        messages.warning(request, _("Choose how long the secret is good. Nothing changed."))
        return redirect("application", found.app_id)
    if _sent_before(request, _newest_secret(found)):
        messages.warning(
            request,
            _("A secret was made since this page was loaded, perhaps by it. Nothing changed."),
        )
        return redirect("application", found.app_id)
    expires_at = form.expires_at()
    secret = found.create_secret(person(request, Channel.DASHBOARD), expires_at)
    return _show_secret(request, found, secret)


@page(Role.ADMINISTRATOR)
def revoke_secret(request: HttpRequest, app_id: str, key_id: str) -> HttpResponse:
    found = find_application(app_id)
    secret = _find_secret(found, key_id)
    form = RevokeForm(found, request.POST if request.method == "POST" else None)
    if secret.revoked_at:
        messages.info(request, _("This secret is revoked already. Nothing changed."))
        return redirect("application", found.app_id)
    if form.is_valid():
        if secret.revoke(person(request, Channel.DASHBOARD)):
            said = _("Revoked: %(secret)s. Its tokens end within seconds.")
            messages.success(request, said % {"secret": f"{secret.prefix}…"})
        else:
            messages.info(request, _("This secret is revoked already. Nothing changed."))
        return redirect("application", found.app_id)
    others = [other for other in ApplicationRow(found).usable if other.pk != secret.pk]
    context = {
        "title": _("Revoke a secret"),
        "application": found,
        "secret": secret,
        "others": len(others),
        "form": form,
    }
    return render(request, "dashboard/secret_revoke.html", context)


def _find_secret(found: Application, key_id: str) -> ApplicationSecret:
    wanted = guid(key_id)
    for secret in found.secrets.all():
        if secret.key_id == wanted:
            secret.application = found
            return secret
    raise Http404(_("The application has no such secret."))


def _sent_before(request: HttpRequest, newest: int) -> bool:
    """Whether something was made since the form was shown: a page that is loaded anew sends its
    form again, and must not make the same thing twice."""
    return request.POST.get("newest", str(newest)) != str(newest)


def _newest_application() -> int:
    return Application.objects.order_by("-pk").values_list("pk", flat=True).first() or 0


def _newest_secret(found: Application) -> int:
    return max((secret.pk for secret in found.secrets.all()), default=0)


def _show_secret(request: HttpRequest, found: Application, text: str) -> HttpResponse:
    """The only answer that ever holds a secret. Nobody keeps it: no cache, message or log."""
    base = base_url(request)
    secret = found.secrets.order_by("-pk").first()
    response = render(
        request,
        "dashboard/secret.html",
        {
            "title": _("New secret"),
            "application": found,
            "secret": secret,
            "text": text,
            "token_address": f"{base}/{tokens.tenant_id()}/oauth2/v2.0/token",
            "scope": f"{settings.TOKEN_AUDIENCE}/.default",
            "base_url": base,
        },
    )
    response["Cache-Control"] = "no-store"
    return response


def _form_page(
    request: HttpRequest, kind: str, form: forms.Form, found: Application | None, title: str
) -> HttpResponse:
    context = {"title": title, "form": form, "application": found, "is_new": kind == "new"}
    if kind == "new":
        context["newest"] = _newest_application()
    return render(request, "dashboard/application_form.html", context)


def _add_faults(form: forms.Form, refusal: ValidationError) -> None:
    """What the domain refused, at the field that it is about where the form has that one."""
    names = {"app_id": "foreign_app_id"}
    if not hasattr(refusal, "error_dict"):
        form.add_error(None, refusal)
        return
    for name, faults in refusal.error_dict.items():
        field = names.get(name, name)
        form.add_error(field if field in form.fields else None, faults)
