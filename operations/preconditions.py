"""``If-Match`` and ``If-None-Match`` (RFC 9110, 13.1) as values that the domain can check.

A tag says what was seen; the change is made only if that is still what there is. The check runs
under the lock of the change, so nobody can slip in between. Tags are weak (OData 4.0 part 1,
8.3.1) and compared without regard to the ``W/`` before them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from operations.errors import PreconditionFailed

ANY = "*"
_TAG = re.compile(r'(?:W/)?"([^"]*)"')
_LONGEST = 4000


def weak_tag(key: int, state: int, changed_at: datetime) -> str:
    """The tag of a row: which one, in which state, and when it was last changed."""
    return f'W/"{key:x}-{state}-{int(changed_at.timestamp() * 1_000_000):x}"'


@lru_cache(maxsize=1024)
def read_tags(header: str) -> frozenset[str]:
    """The tags of a header, bare, or ANY; what is no tag is left out.

    Kept, for who polls sends the same again and again.
    """
    if header.strip() == ANY:
        return frozenset((ANY,))
    return frozenset(f'"{tag}"' for tag in _TAG.findall(header[:_LONGEST]))


@dataclass(frozen=True)
class Precondition:
    """What the caller has seen. None: nothing was asked. A header without a tag matches nothing."""

    match: frozenset[str] | None = None
    none_match: frozenset[str] | None = None

    @classmethod
    def of(cls, if_match: str | None, if_none_match: str | None) -> Precondition:
        """The precondition of a request; ALWAYS when it has none."""
        if if_match is None and if_none_match is None:
            return ALWAYS
        return cls(
            None if if_match is None else read_tags(if_match),
            None if if_none_match is None else read_tags(if_none_match),
        )

    def check(self, tag: str, *, reading: bool = False) -> None:
        """Raise PreconditionFailed when ``tag`` is not what was asked for. Empty: there is nothing.

        ``If-None-Match`` refuses a change only; for one who reads it is answered with a 304.
        """
        if self.match is not None and not self._names(self.match, tag):
            raise PreconditionFailed("If-Match", tag)
        if not reading and self.has_seen(tag):
            raise PreconditionFailed("If-None-Match", tag)

    def has_seen(self, tag: str) -> bool:
        """Whether one who reads has this already: the answer is a 304."""
        return self.none_match is not None and self._names(self.none_match, tag)

    @staticmethod
    def _names(tags: frozenset[str], tag: str) -> bool:
        return bool(tag) and (ANY in tags or not tags.isdisjoint(read_tags(tag)))


#: Change it whatever it is.
ALWAYS = Precondition()
