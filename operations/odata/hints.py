"""What a refusal adds for whoever has to mend the request: a sentence behind the position."""

from __future__ import annotations

import re
from collections.abc import Iterable

from operations.errors import did_you_mean

TEXT = "A text stands in single quotes: 'abc'."
QUOTE = "A text ends with a single quote; one inside of it is doubled: 'it''s'."
DIRECTION = "Only asc or desc can follow a property."
SEPARATOR = "Options in parentheses are separated by ';'."
EMPTY_NAME = (
    "Its name is empty: between double quotes a shell takes $filter for a variable of its own. "
    "Write \\$filter, or filter."
)
COMPARISONS = "Comparisons: eq, ne, gt, ge, lt, le, in."

#: What other languages write, and its name in OData.
OPERATORS = {
    "=": "eq", "==": "eq", "!=": "ne", "<>": "ne", ">": "gt", ">=": "ge", "<": "lt", "<=": "le",
    "&&": "and", "||": "or",
}  # fmt: skip
SIGNS = re.compile(r"[=!<>&|]+")
#: An option behind a comma, as another one's value never has it outside of quotes.
OPTION_AFTER_COMMA = re.compile(r",\s*\$?[a-z]+\s*=", re.IGNORECASE)


def one_of(name: str, known: Iterable[str], which: str) -> str:
    """The name that was probably meant, and all there are; ``which`` says what they are."""
    known = tuple(known)
    if not known:
        return ""
    return f"{did_you_mean(name, known)} {which}: {', '.join(known)}.".lstrip()


def for_sign(word: str) -> str:
    """For a word with a sign that OData has a word for."""
    signs = SIGNS.search(word)
    if signs is None or signs[0] not in OPERATORS:
        return ""
    return f"'{signs[0]}' is written '{OPERATORS[signs[0]]}', with a blank on either side."


def for_word(word: str, properties: Iterable[str]) -> str:
    """For a word of a filter that is neither name nor literal."""
    if '"' in word:
        return TEXT
    if hint := for_sign(word):
        return hint
    path = word.replace(".", "/")
    if path != word and path in properties:
        return f"A path is written with a slash: {path}."
    return TEXT if word[:1].isalnum() and "$" not in word else ""


def for_option(name: str, allowed: Iterable[str]) -> str:
    """For an option that may not be used where it stands."""
    return did_you_mean(name, allowed) if name else EMPTY_NAME
