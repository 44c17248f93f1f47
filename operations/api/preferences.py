"""``Prefer`` (RFC 7240, OData 4.01 part 1, 8.2.8): what a caller would rather have.

A preference that is unknown or makes no sense is ignored, as the RFC wants; one that was followed
is told in ``Preference-Applied``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_TOKEN = r"[A-Za-z0-9!#$%&'*+.^_`|~-]+"
_PREFERENCE = re.compile(
    rf'(?P<name>{_TOKEN})(?:\s*=\s*(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<bare>{_TOKEN})))?'
    rf'(?:\s*;\s*{_TOKEN}(?:\s*=\s*(?:"(?:[^"\\]|\\.)*"|{_TOKEN}))?)*\s*(?:,|$)'
)
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
        for match in _PREFERENCE.finditer(header[:2000]):
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

    @property
    def annotations(self) -> str:
        """``odata.include-annotations``: a list of patterns of annotation names."""
        return self.values.get("include-annotations", "")

    def apply(self, preference: str) -> None:
        if preference not in self.applied:
            self.applied.append(preference)
