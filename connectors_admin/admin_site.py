"""The Django admin, entered by the pages' own sign-in and by the role administrator.

Addresses that make no sense are a 400 instead of a 500.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.admin import AdminSite
from django.contrib.admin.apps import AdminConfig
from django.core.exceptions import SuspiciousOperation
from django.db import DataError
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseNotAllowed,
    HttpResponseRedirect,
)
from django.template.response import SimpleTemplateResponse
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme

from operations.roles import Role

#: A page is read and its forms are sent. The stock admin takes any other method for a GET.
METHODS = ("GET", "HEAD", "POST")


class StrictAdminSite(AdminSite):
    """The stock admin passes filters from the address straight to the database. What that cannot
    look for (a NUL, the year -1, a key of twenty digits) is the address's fault."""

    def has_permission(self, request: HttpRequest) -> bool:
        """Administrators come in by their role; others as Django has it, if they are staff."""
        user = request.user
        return user.is_active and (user.is_staff or Role.ADMINISTRATOR.is_held_by(user))

    def login(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """There is one page to sign in on, and it is not this one."""
        if request.method not in METHODS:
            return HttpResponseNotAllowed(METHODS)
        wanted = request.GET.get("next", "")
        if not url_has_allowed_host_and_scheme(wanted, {request.get_host()}, request.is_secure()):
            wanted = reverse("admin:index")
        return self._turned_away(request, wanted) or HttpResponseRedirect(wanted)

    def _turned_away(self, request: HttpRequest, wanted: str) -> HttpResponse | None:
        """To the sign-in page who is not signed in. Raises PermissionDenied for somebody who is
        and may not come in; None for who may."""
        if self.has_permission(request):
            return None
        if not request.user.is_authenticated:
            # not above: this file is read before there are models
            from django.contrib.auth.views import redirect_to_login

            return redirect_to_login(wanted, reverse("sign-in"))
        Role.ADMINISTRATOR.require(request.user)
        return None

    def admin_view(self, view: Callable[..., Any], cacheable: bool = False) -> Any:
        guarded = super().admin_view(view, cacheable)

        @wraps(guarded)
        def strict(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if request.method not in METHODS:
                return HttpResponseNotAllowed(METHODS)
            if turned_away := self._turned_away(request, request.get_full_path()):
                return turned_away
            try:
                response = guarded(request, *args, **kwargs)
                if isinstance(response, SimpleTemplateResponse):
                    response.render()  # now, so that what its forms look for fails in here too
                return response
            except (ValueError, OverflowError, DataError) as error:
                if request.method not in ("GET", "HEAD"):
                    raise
                raise SuspiciousOperation(
                    f"The address asks for what cannot be: {error}"
                ) from error

        return strict

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        """Our own data first, in the order in which it was registered; accounts after it."""
        order = {model: number for number, model in enumerate(self._registry)}
        apps = super().get_app_list(request, app_label)
        for app in apps:
            app["models"].sort(key=lambda entry: order[entry["model"]])
        return sorted(apps, key=lambda app: app["app_label"] != "operations")


class StrictAdminConfig(AdminConfig):
    default_site = "connectors_admin.admin_site.StrictAdminSite"
