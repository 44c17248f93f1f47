"""Reading a request body: one JSON object, whatever the Content-Type says, within limits."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

from django.conf import settings
from django.http import HttpRequest
from django.http.request import RawPostDataException

from operations.errors import RequestTooLarge, UnreadableBody

BYTES_SENT_CHUNKED = "chunked"


def read_object(request: HttpRequest) -> dict[str, Any]:
    """The body as a JSON object.

    Raises RequestTooLarge above MAX_BODY_BYTES; UnreadableBody for what is no JSON object, for a
    member that stands twice, for numbers that JSON does not have, for text that a database cannot
    hold (NUL, half a surrogate pair) and for nesting deeper than MAX_BODY_DEPTH.
    """
    try:
        document = json.loads(
            _read_bytes(request).decode("utf-8-sig"),
            parse_constant=_refuse_constant,
            object_pairs_hook=_members_once,
        )
    except (ValueError, RecursionError):
        raise UnreadableBody("The body is not valid JSON.", inner_code="InvalidJson") from None
    if not isinstance(document, dict):
        raise UnreadableBody("The body must be a JSON object.", inner_code="InvalidJson")
    _check_values(document)
    return document


def _read_bytes(request: HttpRequest) -> bytes:
    limit = settings.MAX_BODY_BYTES
    if request.META.get("HTTP_TRANSFER_ENCODING", "").lower() == BYTES_SENT_CHUNKED:
        # Django reads as many bytes as Content-Length says, which is none here; the web server
        # has marked where its stream ends.
        data = request.META["wsgi.input"].read(limit + 1)
    elif int(request.META.get("CONTENT_LENGTH") or 0) > limit:
        raise RequestTooLarge(limit)
    else:
        try:
            data = request.body
        except RawPostDataException:
            data = b""
    if len(data) > limit:
        raise RequestTooLarge(limit)
    return data


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _members_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """OData allows no member twice; the last one would win, and nobody would know."""
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member stands twice")
    return members


def _check_values(document: Any) -> None:
    """Walk the document without recursion; its depth is the caller's to choose."""
    pending = [(document, 1)]
    while pending:
        value, depth = pending.pop()
        if isinstance(value, dict | list):
            if depth > settings.MAX_BODY_DEPTH:
                raise UnreadableBody(
                    f"The body is nested deeper than {settings.MAX_BODY_DEPTH} levels.",
                    inner_code="InvalidJson",
                )
            if isinstance(value, dict):
                pending += [(key, depth) for key in value]
            members = value.values() if isinstance(value, dict) else value
            pending += [(member, depth + 1) for member in members]
        elif isinstance(value, str):
            if not _can_be_stored(value):
                raise UnreadableBody(
                    "The body has a text with a NUL character or half a surrogate pair.",
                    inner_code="InvalidJson",
                )
        elif isinstance(value, float) and not math.isfinite(value):
            raise UnreadableBody("The body has a number out of range.", inner_code="InvalidJson")


def _can_be_stored(text: str) -> bool:
    if "\x00" in text:
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
