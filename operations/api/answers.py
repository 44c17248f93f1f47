"""JSON answers with Graph's content type."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from django.http import HttpResponse


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
