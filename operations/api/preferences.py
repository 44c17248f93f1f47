"""``Prefer`` (RFC 7240, OData 4.01 part 1, 8.2.8): what a caller would rather have.

A preference that is unknown or makes no sense is ignored, as the RFC wants; one that was followed
is told in ``Preference-Applied``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property

_TOKEN = r"[A-Za-z0-9!#$%&'*+.^_`|~-]++"
_QUOTED = r'"(?P<quoted>(?:[^"\\]|\\.)*+)"'
# possessive throughout: an attacker's header is read once, never again from another end
_PREFERENCE = re.compile(
    rf"\s*+(?P<name>{_TOKEN})\s*+(?:=\s*+(?:{_QUOTED}|(?P<bare>{_TOKEN})))?+"
    rf'(?:\s*+;\s*+{_TOKEN}\s*+(?:=\s*+(?:"(?:[^"\\]|\\.)*+"|{_TOKEN}))?+)*+\s*+(?:,|$)'
)
_LONGEST = 2000
_WHOLE_NUMBER = re.compile(r"[0-9]{1,9}")
UNKNOWN_ENUM_MEMBERS = "include-unknown-enum-members"


@dataclass
class Preferences:
    """The preferences of one request; ``applied`` collects those that were followed."""

    values: dict[str, str] = field(default_factory=dict)
    applied: list[str] = field(default_factory=list)

    @classmethod
    def read(cls, header: str) -> Preferences:
        """OData 4.0 writes ``odata.`` before its own preferences, 4.01 need not; the first of two
        with the same name counts."""
        values: dict[str, str] = {}
        position = 0
        while position < min(len(header), _LONGEST):
            match = _PREFERENCE.match(header, position, _LONGEST)
            if match is None:  # on to what follows the next comma
                position = header.find(",", position) + 1 or len(header)
                continue
            position = match.end()
            value = match["bare"] or re.sub(r"\\(.)", r"\1", match["quoted"] or "")
            values.setdefault(match["name"].lower().removeprefix("odata."), value)
        return cls(values)

    @property
    def max_page_size(self) -> int | None:
        """``odata.maxpagesize``: the caller's bound on a page, at least 1."""
        text = self.values.get("maxpagesize", "")
        return (int(text) or None) if _WHOLE_NUMBER.fullmatch(text) else None

    @property
    def unknown_enum_members(self) -> bool:
        """Show members of an enumeration above its sentinel (graph-contract 2.7)."""
        return UNKNOWN_ENUM_MEMBERS in self.values

    @property
    def respond_async(self) -> bool:
        return "respond-async" in self.values

    @property
    def answer_size(self) -> str:
        """``return``: ``minimal``, ``representation``, or empty when the caller does not mind."""
        value = self.values.get("return", "").lower()
        return value if value in ("minimal", "representation") else ""

    @cached_property
    def annotations(self) -> frozenset[str]:
        """``odata.include-annotations``: patterns of annotation names."""
        patterns = self.values.get("include-annotations", "").split(",")
        return frozenset(pattern.strip() for pattern in patterns) - {""}

    def apply(self, preference: str) -> None:
        if preference not in self.applied:
            self.applied.append(preference)
