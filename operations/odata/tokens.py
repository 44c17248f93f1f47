"""The words of a filter: one regular expression, and a position for each."""

from __future__ import annotations

import re
from dataclasses import dataclass

from operations.odata import hints
from operations.odata.source import Source

#: A text with its quotes doubled inside (possessive: it is never tried twice), a mark, or all that
#: stands between those and blanks: whole words, so that ``nullable`` is not ``null`` and a rest.
TOKEN = re.compile(r"\s*(?:(?P<text>'(?:[^']|'')*+')|(?P<mark>[(),])|(?P<word>[^\s(),']+)|$)")


@dataclass(frozen=True)
class Token:
    """``kind`` is text, mark, word or, behind the last one, end."""

    kind: str
    text: str
    start: int

    @property
    def word(self) -> str:
        """The keyword that it may be."""
        return self.text.lower() if self.kind == "word" else self.text


def tokens(source: Source) -> list[Token]:
    """All tokens and an end. Raises InvalidQueryOption for a text that does not end."""
    text = source.text
    found: list[Token] = []
    position = 0
    while position < len(text):
        match = TOKEN.match(text, position)
        if match is None:
            start = text.index("'", position)
            raise source.syntax_error(start, "There is an unterminated string literal", hints.QUOTE)
        position = match.end()
        if kind := match.lastgroup:
            found.append(Token(kind, match[kind], match.start(kind)))
    return [*found, Token("end", "", len(text))]
