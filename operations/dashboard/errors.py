"""The pages for what went wrong: what happened, the request id, one useful link."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from operations.dashboard.lookups import ConnectionNotFound, OperationNotFound
from operations.errors import DatabaseUnavailable

#: Where somebody goes on who looked for something below that address.
WAYS_ON = {
    "connections": _("Go to the connections"),
    "operations": _("Go to the operations"),
    "errors": _("Go to the errors"),
    "applications": _("Go to the applications"),
    "activity": _("Go to the activity"),
    "settings": _("Go to the settings"),
}


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    # What is wrong may be the host name or the session, so nothing of the request is read.
    return HttpResponse(render_to_string("400.html", _plain(request)), status=400)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    return render(request, "403.html", {"reason": str(exception)}, status=403)


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    # Our own lookups raise with a sentence; the resolver raises with a list of patterns.
    said = exception.args[0] if exception.args else ""
    context: dict[str, Any] = {
        "title": _("Not found"),
        "reason": said if isinstance(said, str) else "",
    }
    place = request.path_info.strip("/").partition("/")[0]
    if place in WAYS_ON:
        context |= {"way_on": reverse(place), "way_on_label": WAYS_ON[place]}
    if isinstance(exception, ConnectionNotFound):
        context["near"] = exception.near
    if isinstance(exception, OperationNotFound) and exception.connection:
        context |= {
            "connection": exception.connection,
            "near_operations": exception.near,
            "way_on": reverse("connection", args=[exception.connection]) + "?tab=operations",
            "way_on_label": _("Go to its operations"),
        }
    return render(request, "404.html", context, status=404)


def server_error(request: HttpRequest) -> HttpResponse:
    # The database may be what broke: no context processor, no user, only the request id.
    return HttpResponse(render_to_string("500.html", _plain(request)), status=500)


def unavailable(request: HttpRequest) -> HttpResponse:
    """The database does not answer, and this page does not ask it anything."""
    response = HttpResponse(render_to_string("503.html", _plain(request)), status=503)
    response["Retry-After"] = str(DatabaseUnavailable.retry_after)
    return response


def _plain(request: HttpRequest) -> dict[str, str]:
    return {"request_id": getattr(request, "request_id", "")}


class MethodNotAllowedMiddleware:
    """Gives the bare 405 of a page a page of its own. The API's has its envelope already."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]):
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        is_bare = isinstance(response, HttpResponseNotAllowed) and not response.content
        if not is_bare or not request.accepts("text/html"):
            return response
        context = {"method": request.method, "allowed": response["Allow"]}
        shown = render(request, "405.html", context, status=405)
        shown["Allow"] = response["Allow"]
        return shown
