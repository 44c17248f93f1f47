"""JSON answers with Graph's content type, and the envelope of errors.

Without the models: the web server refuses requests before Django is set up.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from operations.errors import GraphError


def content_type(level: str = "minimal", *, int64_as_text: bool = False) -> str:
    """Graph's media type, with its parameters (graph-contract 4.3)."""
    return (
        f"application/json;odata.metadata={level};odata.streaming=true;"
        f"IEEE754Compatible={str(int64_as_text).lower()};charset=utf-8"
    )


CONTENT_TYPE = content_type()


def answer(
    data: Any,
    status: int = 200,
    *,
    media_type: str = CONTENT_TYPE,
    headers: Mapping[str, str] = {},
) -> HttpResponse:
    """``data`` as JSON. A text that UTF-8 cannot hold is escaped, so no answer fails on it."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return HttpResponse(
        text.encode("utf-8", "backslashreplace"),
        status=status,
        content_type=media_type,
        headers=dict(headers),
    )


def empty(status: int, *, headers: Mapping[str, str] = {}) -> HttpResponse:
    """No body, and no Content-Type: clients try to parse an empty body that claims to be JSON."""
    response = HttpResponse(status=status, headers=dict(headers))
    del response["Content-Type"]
    return response


def envelope(error: GraphError, request: HttpRequest) -> dict[str, Any]:
    """The body: generic text outside, the useful code inside, both request ids."""
    body: dict[str, Any] = {"code": error.code, "message": error.message}
    if error.target is not None:
        body["target"] = error.target
    if error.details:
        body["details"] = [
            {"code": fault.code, "message": fault.message, "target": fault.target}
            for fault in error.details
        ]
    inner: dict[str, Any] = {}
    if error.inner_code:
        inner["code"] = error.inner_code
        inner["message"] = error.inner_message or error.message
    body["innerError"] = {
        **inner,
        **error.inner,
        "date": timezone.now().strftime("%Y-%m-%dT%H:%M:%S"),
        "request-id": getattr(request, "request_id", ""),
        "client-request-id": getattr(request, "client_request_id", ""),
    }
    return {"error": body}
