"""The pages for what went wrong: what happened, the request id, one useful link."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string

from operations.dashboard.lookups import ConnectionNotFound


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    # What is wrong may be the host name or the session, so nothing of the request is read.
    return HttpResponse(render_to_string("400.html", _plain(request)), status=400)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    return render(request, "403.html", {"reason": str(exception)}, status=403)


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    # Our own lookups raise with a sentence; the resolver raises with a list of patterns.
    said = exception.args[0] if exception.args else ""
    context = {
        "reason": said if isinstance(said, str) else "",
        "near": exception.near if isinstance(exception, ConnectionNotFound) else [],
    }
    return render(request, "404.html", context, status=404)


def server_error(request: HttpRequest) -> HttpResponse:
    # The database may be what broke: no context processor, no user, only the request id.
    return HttpResponse(render_to_string("500.html", _plain(request)), status=500)


def _plain(request: HttpRequest) -> dict[str, str]:
    return {"request_id": getattr(request, "request_id", "")}
