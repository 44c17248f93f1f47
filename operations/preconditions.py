"""``If-Match`` and ``If-None-Match`` (RFC 9110, 13.1) as values that the domain can check.

A tag says what was seen; the change is made only if that is still what there is. The check runs
under the lock of the change, so nobody can slip in between. Tags are weak (OData 4.0 part 1,
8.3.1) and compared without regard to the ``W/`` before them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from operations.errors import PreconditionFailed

ANY = "*"
_TAG = re.compile(r'(?:W/)?"([^"]*)"|([^\s,"]+)')


def weak_tag(key: int, state: int, changed_at: datetime) -> str:
    """The tag of a row: which one, in which state, and when it was last changed."""
    return f'W/"{key:x}-{state}-{int(changed_at.timestamp() * 1_000_000):x}"'


def read_tags(header: str) -> frozenset[str]:
    """The tags of a header, bare; a text that is no tag is kept and will match nothing."""
    return frozenset(quoted or bare for quoted, bare in _TAG.findall(header[:4000]))


@dataclass(frozen=True)
class Precondition:
    """What the caller has seen. Empty sets mean that nothing was asked."""

    match: frozenset[str] = frozenset()
    none_match: frozenset[str] = frozenset()

    @classmethod
    def of(cls, if_match: str | None, if_none_match: str | None) -> Precondition:
        return cls(read_tags(if_match or ""), read_tags(if_none_match or ""))

    def check(self, tag: str, *, reading: bool = False) -> None:
        """Raise PreconditionFailed when ``tag`` is not what was asked for. Empty: there is nothing.

        ``If-None-Match`` refuses a change only; for one who reads it is answered with a 304.
        """
        if self.match and not self._named(self.match, tag):
            raise PreconditionFailed("If-Match", tag)
        if not reading and self._named(self.none_match, tag):
            raise PreconditionFailed("If-None-Match", tag)

    def has_seen(self, tag: str) -> bool:
        """Whether one who reads has this already: the answer is a 304."""
        return self._named(self.none_match, tag)

    @staticmethod
    def _named(tags: frozenset[str], tag: str) -> bool:
        return bool(tags and tag) and (ANY in tags or not tags.isdisjoint(read_tags(tag)))


#: Change it whatever it is.
ALWAYS = Precondition()
