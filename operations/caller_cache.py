"""Callers whose tokens were verified a moment ago: one who polls is not looked up each time.

For so long a revoked secret, a disabled application or a role that was taken away may still count
in a process that did not see the change itself, and no token counts beyond its own end.
"""

from __future__ import annotations

import hashlib
import time
from itertools import islice
from typing import Any, NamedTuple

#: How long a token is believed without another look, in seconds.
SECONDS = 5.0
#: More tokens than this are not kept: then the oldest ones are looked up again.
LARGEST = 10_000


class _Verified(NamedTuple):
    caller: Any
    at: float  # when it was proved, by the monotonic clock
    expires: float


# by digest: whoever could read this process's memory would find no token here
_verified: dict[bytes, _Verified] = {}
_generation = 0


def find(token: str) -> Any:
    """The caller that this token was verified to show, None if that is not to be believed now."""
    found = _verified.get(_digest(token))
    if found is None or time.time() >= found.expires:
        return None
    return found.caller if 0 <= time.monotonic() - found.at < SECONDS else None


def generation() -> int:
    """Changes whenever something does that tokens depend on."""
    return _generation


def keep(token: str, caller: Any, *, expires: float, at: float, since: int) -> None:
    """Believe this token for a while.

    ``expires`` is its own end, in seconds since 1970; ``at`` when the oldest thing was read that
    proves it, by the monotonic clock; ``since`` the generation in which that began.
    """
    if since != _generation:  # what was read may have changed meanwhile
        return
    if len(_verified) >= LARGEST:
        for digest in list(islice(_verified, LARGEST // 10)):
            _verified.pop(digest, None)
    digest = _digest(token)
    _verified.pop(digest, None)  # the newest comes last
    _verified[digest] = _Verified(caller, at, expires)


def forget() -> None:
    """Look at every token again: something that they depend on has changed."""
    global _generation
    _generation += 1
    _verified.clear()


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "backslashreplace")).digest()
