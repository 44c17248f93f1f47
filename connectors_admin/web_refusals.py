"""What the web server refuses before Django sees it: it has Graph's envelope as well."""

from __future__ import annotations

import logging
import uuid
from types import SimpleNamespace
from typing import Any

from gunicorn.http.errors import LimitRequestHeaders, LimitRequestLine, ParseException

from operations.api.answers import answer, envelope
from operations.browser_headers import set_browser_headers
from operations.errors import GraphError, UnreadableRequest

log = logging.getLogger("gunicorn.error")


def refusal(why: GraphError | ParseException, cfg: Any, client: Any) -> bytes:
    """The whole answer, head and body; the connection is closed after it."""
    request_id = str(uuid.uuid4())
    whose = {"request_id": request_id}
    log.warning("Refused a request of %s: %s", client[0] if client else "?", why, extra=whose)
    error = why if isinstance(why, GraphError) else _unreadable(why, cfg)
    request = SimpleNamespace(request_id=request_id, client_request_id=request_id)
    response = answer(envelope(error, request), error.status, headers=error.headers)  # type: ignore[arg-type]
    response["Connection"] = "close"
    response["Content-Length"] = str(len(response.content))
    response["request-id"] = response["client-request-id"] = request_id
    set_browser_headers(response)
    status = f"HTTP/1.1 {error.status} {response.reason_phrase}\r\n".encode()
    return status + response.serialize_headers() + b"\r\n\r\n" + response.content


def _unreadable(why: ParseException, cfg: Any) -> GraphError:
    error = UnreadableRequest(_reason(why, cfg))
    if isinstance(why, LimitRequestHeaders):
        error.status = 431
    return error


def _reason(why: ParseException, cfg: Any) -> str:
    if isinstance(why, LimitRequestLine):
        limit = cfg.limit_request_line
        return f"The address with its query options is longer than {limit} bytes."
    if isinstance(why, LimitRequestHeaders):
        limit = cfg.limit_request_field_size
        return f"A header is longer than {limit} bytes, or there are too many of them."
    return "The request is not one that HTTP has."
