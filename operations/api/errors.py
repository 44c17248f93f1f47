"""The one place that turns an exception into Graph's error envelope (graph-contract 4.1)."""

from __future__ import annotations

import logging
from typing import Any

from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.http import Http404, HttpRequest, HttpResponse
from rest_framework import exceptions, status

from operations import metrics
from operations.api.answers import answer, envelope
from operations.api.refusals import keep_refusal
from operations.errors import (
    DatabaseUnavailable,
    GraphError,
    InvalidRequest,
    ItemNotFound,
    MethodNotAllowed,
    UnexpectedError,
    UnreadableBody,
)
from operations.outage import is_outage

log = logging.getLogger(__name__)


def refusal(error: GraphError, request: HttpRequest) -> HttpResponse:
    """The whole answer for an error; the log gets a line under the same request id, and what was
    not let in is kept."""
    # no colon before the text: what follows the name of a secret and a colon is masked
    log.info("%s %a: %s %s, %a", request.method, request.path, error.status, error.code, str(error))
    metrics.count_refusal(error.status, error.inner_code or error.code)
    if error.status in (status.HTTP_401_UNAUTHORIZED, status.HTTP_403_FORBIDDEN):
        keep_refusal(error, request)
    return answer(envelope(error, request), error.status, headers=error.headers)


def broken(exc: BaseException | None) -> GraphError:
    """What a caller is told about an error that is no refusal."""
    if is_outage(exc):
        log.error("The database does not answer: %s", str(exc).strip())
        return DatabaseUnavailable()
    return UnexpectedError()


def exception_handler(exc: Exception, context: dict[str, Any]) -> HttpResponse | None:
    """DRF's hook. None leaves an unknown exception to Django: it logs it and calls handler500."""
    error = _as_graph_error(exc, context["view"])
    return refusal(error, context["request"]._request) if error else None


def _as_graph_error(exc: Exception, view: Any) -> GraphError | None:
    if isinstance(exc, GraphError):
        if isinstance(exc, MethodNotAllowed):
            exc.headers["Allow"] = ", ".join(view.allowed_methods)
        return exc
    if is_outage(exc):
        return broken(exc)
    if isinstance(exc, exceptions.MethodNotAllowed):
        return _as_graph_error(MethodNotAllowed(), view)
    if isinstance(exc, Http404 | exceptions.NotFound):
        return ItemNotFound("Resource")
    if isinstance(exc, SuspiciousOperation):  # such as more query fields than Django reads
        return InvalidRequest.of("BadRequest", str(exc), "request")
    if isinstance(exc, exceptions.ParseError):
        return UnreadableBody()
    if isinstance(exc, PermissionDenied | exceptions.APIException):
        error = GraphError(str(exc))
        error.status = getattr(exc, "status_code", status.HTTP_403_FORBIDDEN)
        error.code = "Forbidden" if error.status == status.HTTP_403_FORBIDDEN else "BadRequest"
        error.message = str(exc)
        return error
    return None
