"""Where in the text of which option something stands, so that a refusal can say it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from operations.errors import InvalidQueryOption
from operations.odata import hints

#: Longer ones are refused before anything is read.
MAX_LENGTH = 4000
#: How much of the text a refusal repeats, on either side of the position.
SHOWN = 40


@dataclass(frozen=True)
class Source:
    """A piece of the value of one option.

    ``option`` is what the request names (``$expand``), ``name`` the option that the piece belongs
    to, which inside the parentheses of ``$expand`` is another one.
    """

    option: str
    name: str
    whole: str
    start: int = 0
    end: int = -1

    @classmethod
    def of(cls, option: str, value: str) -> Source:
        """Raises InvalidQueryOption for a value that is too long to be read."""
        if len(value) > MAX_LENGTH:
            raise InvalidQueryOption(
                f"The value of {option} is longer than {MAX_LENGTH} characters.", option
            )
        return cls(option, option, value, 0, len(value))

    @property
    def text(self) -> str:
        return self.whole[self.start : self.end]

    def piece(self, start: int, end: int, name: str | None = None) -> Source:
        """A piece of this piece, without the blanks around it."""
        text = self.text[start:end]
        start += self.start + len(text) - len(text.lstrip())
        return replace(self, name=name or self.name, start=start, end=start + len(text.strip()))

    def pieces(self, separator: str) -> Iterator[Source]:
        """The pieces between separators that stand in no parentheses and no quotes."""
        depth, quoted, begin = 0, False, 0
        text = self.text
        for position, character in enumerate(text):
            if character == "'":
                quoted = not quoted
            elif quoted:
                continue
            elif character == "(":
                depth += 1
            elif character == ")":
                depth -= 1
                if depth < 0:
                    raise self.syntax_error(position)
            elif character == separator and not depth:
                yield self.piece(begin, position)
                begin = position + 1
        if depth or quoted:
            hint = hints.QUOTE if quoted else "')' expected."
            raise self.syntax_error(len(text), hint=hint)
        yield self.piece(begin, len(text))

    def syntax_error(
        self, position: int, what: str = "Syntax error", hint: str = ""
    ) -> InvalidQueryOption:
        """The refusal in the words of Microsoft's own parser, which has the position in them."""
        return InvalidQueryOption(f"{what} {self._at(position)}. {hint}".rstrip(), self.option)

    def refuse(self, message: str, position: int = 0, hint: str = "") -> InvalidQueryOption:
        """The refusal with this sentence, which goes on with the position, and then the hint."""
        return InvalidQueryOption(
            f"{message} Found {self._at(position)}. {hint}".rstrip(), self.option
        )

    def _at(self, position: int) -> str:
        position += self.start
        first, last = max(0, position - SHOWN), position + SHOWN
        before, after = "…" if first else "", "…" if last < len(self.whole) else ""
        return f"at position {position} in '{before}{self.whole[first:last]}{after}'"
