"""Reading a request body: one JSON object, whatever the Content-Type says, within limits."""

from __future__ import annotations

import json
import math
from collections import Counter
from typing import Any, NoReturn

from django.conf import settings
from django.http import HttpRequest
from django.http.request import RawPostDataException

from operations.errors import RequestTooLarge, UnreadableBody

BYTES_SENT_CHUNKED = "chunked"
OUT_OF_RANGE = "The body has a number out of range."


def read_object(request: HttpRequest, limit: int) -> dict[str, Any]:
    """The body as a JSON object.

    Raises RequestTooLarge above so many bytes; UnreadableBody for what is no JSON object, for a
    member that stands twice, for numbers that JSON does not have, for text that a database cannot
    hold (NUL, half a surrogate pair) and for nesting deeper than MAX_BODY_DEPTH.
    """
    data = _read_bytes(request, limit)
    document = _read_json(data)
    if not isinstance(document, dict):
        raise UnreadableBody("The body must be a JSON object.")
    if not _is_plain(data):
        _check_values(document)
    return document


def _is_plain(data: bytes) -> bool:
    """Whether what ``_check_values`` looks for cannot be in it: without an escape no character that
    UTF-8 does not have, and with so few brackets no depth. No number is too large, for they were
    looked at as they were read."""
    return b"\\u" not in data and data.count(b"{") + data.count(b"[") <= settings.MAX_BODY_DEPTH


def _read_json(data: bytes) -> Any:
    if not data.strip():
        raise UnreadableBody("The body is empty.")
    try:
        return json.loads(
            data.decode("utf-8-sig"),
            parse_constant=_refuse_constant,
            parse_float=_finite,
            object_pairs_hook=_members_once,
        )
    except UnicodeDecodeError:
        raise UnreadableBody("The body is not UTF-8.") from None
    except json.JSONDecodeError as error:
        cause = error.msg.removesuffix(" at")
        raise UnreadableBody(
            f"The body is not valid JSON: {cause} at line {error.lineno}, column {error.colno}."
        ) from None
    except RecursionError:
        raise _too_deep() from None
    except ValueError:  # more digits than Python reads
        raise UnreadableBody(OUT_OF_RANGE) from None


def _read_bytes(request: HttpRequest, limit: int) -> bytes:
    if request.META.get("HTTP_TRANSFER_ENCODING", "").lower() == BYTES_SENT_CHUNKED:
        # Django reads as many bytes as Content-Length says, which is none here; the web server
        # has marked where its stream ends. It can be read once, as Django's body can.
        kept = request.__dict__
        if "chunked_body" not in kept:
            kept["chunked_body"] = request.META["wsgi.input"].read(limit + 1)
        data = kept["chunked_body"]
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
    raise UnreadableBody(f"The body is not valid JSON: {name} is no number of JSON.")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise UnreadableBody(OUT_OF_RANGE)
    return number


def _too_deep() -> UnreadableBody:
    return UnreadableBody(f"The body is nested deeper than {settings.MAX_BODY_DEPTH} levels.")


def _members_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """OData allows no member twice; the last one would win, and nobody would know."""
    members = dict(pairs)
    if len(members) != len(pairs):
        twice = Counter(name for name, _ in pairs).most_common(1)[0][0]
        shown = twice[:60].encode(errors="backslashreplace").decode()
        raise UnreadableBody(f"Member '{shown}' stands twice.")
    return members


def _check_values(document: Any) -> None:
    """Walk the document without recursion; its depth is the caller's to choose."""
    pending = [(document, 1)]
    while pending:
        value, depth = pending.pop()
        if isinstance(value, dict | list):
            if depth > settings.MAX_BODY_DEPTH:
                raise _too_deep()
            if isinstance(value, dict):
                pending += [(key, depth) for key in value]
            members = value.values() if isinstance(value, dict) else value
            pending += [(member, depth + 1) for member in members]
        elif isinstance(value, str) and not _can_be_stored(value):
            raise UnreadableBody(
                "The body has a text with a NUL character or half a surrogate pair."
            )


def _can_be_stored(text: str) -> bool:
    if "\x00" in text:
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
