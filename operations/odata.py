"""OData query options: text -> values. Imports no model; nothing here reaches the ORM by name."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from operations.errors import InvalidQueryOption

WHOLE_NUMBER = re.compile(r"[0-9]{1,10}")
MAX_SKIP = 2**31 - 1
MAX_KEY = 2**63 - 1

#: What Graph's collections have, and we do not serve yet: named, so that a caller knows.
NOT_YET = ("$filter", "$orderby", "$expand", "$search", "$format", "$apply", "$compute")


@dataclass(frozen=True)
class QueryOptions:
    """The options of one request, checked: ``top`` is the page size, ``after`` the last key."""

    select: tuple[str, ...] = ()
    top: int | None = None
    skip: int = 0
    count: bool = False
    after: int | None = None


def read_options(
    pairs: Iterable[tuple[str, str]],
    *,
    allowed: Sequence[str],
    members: Sequence[str],
    type_name: str,
    max_page_size: int,
) -> QueryOptions:
    """The options of a request.

    Args:
        pairs: name and value of each, decoded, in the order sent.
        allowed: the options that this request may have.
        members: what ``$select`` may name.
        type_name: the entity's type, for the text of a refusal.
        max_page_size: what ``$top`` is cut to.

    Raises InvalidQueryOption for an option that is unknown, stands twice, may not be used here, or
    has a value that cannot be used. Nothing is ignored.
    """
    values: dict[str, str] = {}
    for name, value in pairs:
        if name not in allowed:
            raise InvalidQueryOption(_why_not(name, allowed), name)
        if name in values:
            raise InvalidQueryOption(f"Query option '{name}' was specified more than once.", name)
        values[name] = value
    top = values.get("$top")
    return QueryOptions(
        select=_read_select(values.get("$select"), members, type_name),
        top=None if top is None else min(_number("$top", top, minimum=1), max_page_size),
        skip=_number("$skip", values.get("$skip", "0"), minimum=0),
        count=_read_count(values.get("$count", "false")),
        after=_read_skip_token(values.get("$skiptoken")),
    )


def skip_token(key: int) -> str:
    """The opaque token that continues after a key."""
    return base64.urlsafe_b64encode(json.dumps([key]).encode()).rstrip(b"=").decode()


def _why_not(name: str, allowed: Sequence[str]) -> str:
    if name in NOT_YET:
        return f"Query option '{name}' is not supported here yet."
    if name.startswith("$") and allowed:
        return f"Query option '{name}' is not allowed here. Allowed: {', '.join(allowed)}."
    if allowed:
        return f"Query option '{name}' was not recognized. Allowed: {', '.join(allowed)}."
    return f"Query option '{name}' is not allowed here: this call takes none."


def _number(option: str, text: str, *, minimum: int) -> int:
    number = int(text) if WHOLE_NUMBER.fullmatch(text) else -1
    if not minimum <= number <= MAX_SKIP:
        raise InvalidQueryOption(
            f"Invalid value '{text[:40]}' for {option} query option found. The {option} query "
            f"option requires an integer from {minimum} to {MAX_SKIP}.",
            option,
        )
    return number


def _read_count(text: str) -> bool:
    if text not in ("true", "false"):
        raise InvalidQueryOption(
            f"Invalid value '{text[:40]}' for $count query option found. Valid values are 'true' "
            "and 'false'.",
            "$count",
        )
    return text == "true"


def _read_select(text: str | None, members: Sequence[str], type_name: str) -> tuple[str, ...]:
    if text is None:
        return ()
    names = [name.strip() for name in text.split(",")]
    prefix = "Parsing OData Select and Expand failed: "
    for name in names:
        if not name or not re.fullmatch(r"[A-Za-z@_][A-Za-z0-9_.@]*|\*", name):
            raise InvalidQueryOption(
                f"{prefix}Term '{name[:60]}' is not valid in a $select or $expand expression.",
                "$select",
            )
        if name != "*" and name not in members:
            raise InvalidQueryOption(
                f"{prefix}Could not find a property named '{name[:60]}' on type '{type_name}'.",
                "$select",
            )
    return () if "*" in names else tuple(dict.fromkeys(names))


def _read_skip_token(text: str | None) -> int | None:
    if text is None:
        return None
    try:
        padded = text + "=" * (-len(text) % 4)
        document = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (ValueError, binascii.Error, RecursionError):
        document = None
    if (
        isinstance(document, list)
        and len(document) == 1
        and type(document[0]) is int
        and 0 <= document[0] <= MAX_KEY
    ):
        return document[0]
    raise InvalidQueryOption(
        "The value of $skiptoken is not one that this service gave. Follow @odata.nextLink as it "
        "is.",
        "$skiptoken",
    )
