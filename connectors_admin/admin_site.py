"""The Django admin, with 400 for addresses that make no sense instead of 500."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.admin import AdminSite
from django.contrib.admin.apps import AdminConfig
from django.core.exceptions import SuspiciousOperation
from django.db import DataError
from django.http import HttpRequest, HttpResponse
from django.template.response import SimpleTemplateResponse

from operations.roles import Role


class StrictAdminSite(AdminSite):
    """The stock admin passes filters from the address straight to the database. What that cannot
    look for (a NUL, the year -1, a key of twenty digits) is the address's fault."""

    def has_permission(self, request: HttpRequest) -> bool:
        """Administrators come in by their role; others as Django has it, if they are staff."""
        user = request.user
        return user.is_active and (user.is_staff or Role.ADMINISTRATOR.is_held_by(user))

    def admin_view(self, view: Callable[..., Any], cacheable: bool = False) -> Any:
        guarded = super().admin_view(view, cacheable)

        @wraps(guarded)
        def strict(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
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


class StrictAdminConfig(AdminConfig):
    default_site = "connectors_admin.admin_site.StrictAdminSite"
