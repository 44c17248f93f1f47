"""Errors that Django answers itself: Graph's envelope below a version root and for
programs that miss it, a page elsewhere."""

from __future__ import annotations

import sys

from django.core.exceptions import DisallowedHost, PermissionDenied
from django.http import HttpRequest, HttpResponse

from operations.api import token_endpoint
from operations.api.errors import broken, refusal
from operations.api.paths import is_api_path, is_token_path
from operations.dashboard import errors as pages
from operations.errors import InvalidRequest, ItemNotFound, UnknownSegment
from operations.outage import is_outage


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    if is_api_path(request.path_info):
        text = str(exception)
        if isinstance(exception, DisallowedHost):  # its text is advice for whoever runs this
            text = "The Host header does not name this service."
        return refusal(InvalidRequest.of("BadRequest", text, "request"), request)
    if is_token_path(request.path_info):
        return token_endpoint.refuse_bad_request(request)
    return pages.bad_request(request, exception)


def permission_denied(request: HttpRequest, exception: PermissionDenied) -> HttpResponse:
    return pages.permission_denied(request, exception)


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    if is_api_path(request.path_info):
        return refusal(ItemNotFound("Resource"), request)
    if _is_program(request):
        segment = request.path_info.strip("/").partition("/")[0]
        return refusal(UnknownSegment(segment, "The API is below /v1.0 and /beta."), request)
    return pages.page_not_found(request, exception)


def _is_program(request: HttpRequest) -> bool:
    """Whether the caller has lost the way to the API: a browser sends no bearer token, and takes
    a page."""
    bearer = request.headers.get("Authorization", "").lower().startswith("bearer ")
    return bearer or not request.accepts("text/html")


def server_error(request: HttpRequest) -> HttpResponse:
    """Called while the error that nobody took is being handled, wherever it came from."""
    error = sys.exc_info()[1]
    if is_api_path(request.path_info):
        return refusal(broken(error), request)
    if is_token_path(request.path_info):
        if is_outage(error):
            return token_endpoint.refuse_unavailable(request)
        return token_endpoint.refuse_server_error(request)
    return pages.unavailable(request) if is_outage(error) else pages.server_error(request)
