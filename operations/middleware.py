"""What every request gets, page or API: an id that is logged and returned, a line in the log, and
its place in the metrics."""

from __future__ import annotations

import logging
import re
import time
import uuid
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import cache
from ipaddress import ip_address

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from operations import logs, metrics

GetResponse = Callable[[HttpRequest], HttpResponse]

CLIENT_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
#: In the place of a route: files of the pages, and addresses that lead nowhere.
STATIC, NOWHERE = "static", "none"
#: Some proxies write ``192.0.2.1:4711`` or ``[2001:db8::1]:4711``.
WITHOUT_PORT = re.compile(r"^(?:\[([^\]]*)\]|([0-9.]+))(?::\d+)?$")
#: Their answers have no length either (RFC 9110, 8.6).
WITHOUT_BODY = (204, 304)
ROUTE_PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>")

access_log = logging.getLogger("operations.access")


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
            address = ip_address(WITHOUT_PORT.sub(r"\1\2", text))
        except ValueError:
            continue
        return str(getattr(address, "ipv4_mapped", None) or address)[:45]
    return ""


def logs_about(request: HttpRequest, **more: str) -> AbstractContextManager[None]:
    """What is logged inside carries the ids of this request."""
    client_request_id = request.own_client_request_id  # type: ignore[attr-defined]
    ids = {"request_id": request.request_id}  # type: ignore[attr-defined]
    return logs.about(**ids, client_request_id=client_request_id, **more)


class RequestIdMiddleware:
    """Gives each request a ``request-id`` and echoes the caller's ``client-request-id``.

    A caller that sends none, or one that is no plain identifier, gets the request id in its place
    (graph-contract 4.3).
    """

    def __init__(self, get_response: GetResponse):
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        assign_request_ids(request, request.META.get("HTTP_CLIENT_REQUEST_ID", ""))
        with logs_about(request):
            response = self.get_response(request)
        set_request_ids(request, response)
        return response


class AccessMiddleware:
    """One line in the log for each request, and its count and duration in the metrics."""

    def __init__(self, get_response: GetResponse):
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        began = time.perf_counter()
        response = self.get_response(request)
        seconds = time.perf_counter() - began
        metrics.count_request(request.method, route_of(request), response.status_code, seconds)
        log_access(request, response, seconds)
        return response


def log_access(request: HttpRequest, response: HttpResponse, seconds: float) -> None:
    """The line of a request, or of a part of a batch. The path is logged without its query."""
    route = route_of(request)
    level = logging.DEBUG if route == STATIC else logging.INFO
    if not access_log.isEnabledFor(level):
        return
    match = request.resolver_match
    kwargs = match.kwargs if match else {}
    # only who is known by now: to ask would cost a query
    user = getattr(request, "_cached_user", None)
    path = request.path_info[: logs.LONGEST]
    facts = {
        "method": request.method,
        "route": route,
        "status": response.status_code,
        "duration_ms": round(seconds * 1000, 1),
        "user": user.get_username() if user else None,
    }
    for name in ("connection", "operation"):
        if identifier := kwargs.get(f"{name}_id"):
            facts[name] = identifier
    access_log.log(level, "%s %s %s", request.method, path, response.status_code, extra=facts)


def route_of(request: HttpRequest) -> str:
    """The pattern that the path matched, as ``connections/{connection_id}/``: never the path."""
    if request.resolver_match:
        return _template(request.resolver_match.route)
    is_static = request.path.startswith(str(settings.STATIC_URL))
    return STATIC if is_static else NOWHERE


@cache
def _template(route: str) -> str:
    return "/" + ROUTE_PARAMETER.sub(r"{\1}", route)


class LengthMiddleware:
    """Every answer says how long it is; the one to HEAD has no body, but the length of the one that
    GET would get."""

    def __init__(self, get_response: GetResponse):
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        has_body = response.status_code not in WITHOUT_BODY and not response.streaming
        if has_body and not response.has_header("Content-Length"):
            response["Content-Length"] = str(len(response.content))
        if request.method == "HEAD":
            if response.streaming:
                response.streaming_content = ()  # type: ignore[attr-defined]
            else:
                response.content = b""
        return response
