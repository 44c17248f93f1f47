"""What every request gets, page or API: an id that is logged and returned, headers for browsers."""

from __future__ import annotations

import logging
import re
import uuid
from collections.abc import Callable
from contextvars import ContextVar
from ipaddress import ip_address

from django.conf import settings
from django.http import HttpRequest, HttpResponse

GetResponse = Callable[[HttpRequest], HttpResponse]

CLIENT_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_current: ContextVar[str] = ContextVar("request_id", default="-")


def assign_request_ids(request: HttpRequest, client_request_id: str) -> None:
    """Give a request its own id, and the caller's if that is a plain identifier.

    ``own_client_request_id`` stays empty when the caller sent none; ``client_request_id``, which
    answers and log show, is the request's own id then.
    """
    if not CLIENT_REQUEST_ID.fullmatch(client_request_id):
        client_request_id = ""
    request_id = str(uuid.uuid4())
    request.request_id = request_id  # type: ignore[attr-defined]
    request.own_client_request_id = client_request_id  # type: ignore[attr-defined]
    request.client_request_id = client_request_id or request_id  # type: ignore[attr-defined]


def set_request_ids(request: HttpRequest, response: HttpResponse) -> None:
    """Tell the caller both ids."""
    response["request-id"] = request.request_id  # type: ignore[attr-defined]
    response["client-request-id"] = request.client_request_id  # type: ignore[attr-defined]


def client_address(request: HttpRequest) -> str:
    """Where the request came from, empty when nobody knows.

    Proxies add to X-Forwarded-For what they see: of what our own have added the first is the
    client. What stands before it anybody may have written, and without TRUST_FORWARDED_HEADERS all
    of it.
    """
    forwarded = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
    addresses = [request.META.get("REMOTE_ADDR", "")]
    if settings.TRUST_FORWARDED_HEADERS and len(forwarded) >= settings.TRUSTED_PROXIES:
        addresses.insert(0, forwarded[-settings.TRUSTED_PROXIES].strip())
    for text in addresses:
        try:
            return str(ip_address(text))[:45]
        except ValueError:
            continue
    return ""


class RequestIdMiddleware:
    """Gives each request a ``request-id`` and echoes the caller's ``client-request-id``.

    A caller that sends none, or one that is no plain identifier, gets the request id in its place
    (graph-contract 4.3).
    """

    def __init__(self, get_response: GetResponse):
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        assign_request_ids(request, request.headers.get("client-request-id", ""))
        token = _current.set(request.request_id)  # type: ignore[attr-defined]
        try:
            response = self.get_response(request)
        finally:
            _current.reset(token)
        set_request_ids(request, response)
        return response


class RequestIdFilter(logging.Filter):
    """Puts the current request id into each log record."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.request_id = _current.get()
        return True


#: For a browser, on every answer that does not say otherwise itself.
HEADERS = {
    # pages load nothing from elsewhere, run no inline script or style, and stand in no frame
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; object-src 'none'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": ", ".join(
        f"{feature}=()"
        for feature in "camera display-capture geolocation microphone payment usb".split()
    ),
    # neither a proxy nor the browser keeps what was shown; static files say how long they are good
    "Cache-Control": "private, no-store",
}


class BrowserHeadersMiddleware:
    """Gives every answer HEADERS. The first of all, so that the other middlewares' own answers have
    them too."""

    def __init__(self, get_response: GetResponse):
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        for name, value in HEADERS.items():
            response.setdefault(name, value)
        return response
