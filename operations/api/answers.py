"""JSON answers with Graph's content type."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from django.http import HttpResponse

CONTENT_TYPE = (
    "application/json;odata.metadata=minimal;odata.streaming=true;"
    "IEEE754Compatible=false;charset=utf-8"
)


def answer(
    data: Any,
    status: int = 200,
    *,
    content_type: str = CONTENT_TYPE,
    headers: Mapping[str, str] = {},
) -> HttpResponse:
    """``data`` as JSON. A text that UTF-8 cannot hold is escaped, so no answer fails on it."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return HttpResponse(
        text.encode("utf-8", "backslashreplace"),
        status=status,
        content_type=content_type,
        headers=dict(headers),
    )


def empty(status: int, *, headers: Mapping[str, str] = {}) -> HttpResponse:
    """No body, and no Content-Type: clients try to parse an empty body that claims to be JSON."""
    response = HttpResponse(status=status, headers=dict(headers))
    del response["Content-Type"]
    return response
