"""Who may open a page or press a button: first signed in, then the role.

A page is read and its forms are sent; it has no other methods.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.views.decorators.http import require_http_methods

from operations.roles import Role

View = Callable[..., HttpResponseBase]


def page(role: Role) -> Callable[[View], View]:
    """Let a signed-in user with the role in; a 403 names the role that is needed."""

    def guard(view: View) -> View:
        @require_http_methods(["GET", "HEAD", "POST"])
        @login_required
        @wraps(view)
        def guarded(request: HttpRequest, *args: object, **kwargs: object) -> HttpResponseBase:
            role.require(request.user)
            return view(request, *args, **kwargs)

        return guarded

    return guard
