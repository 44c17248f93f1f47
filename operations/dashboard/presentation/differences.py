"""What a change did, member by member: two JSON objects become a list of differences. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

#: A value longer than this, or of more lines, is folded.
LONG = 160
LONG_LINES = 6
#: So deep do differences go into nested objects; below that whole objects are compared.
DEPTH = 4


@dataclass(frozen=True)
class Value:
    """One JSON value as text. ``is_json`` tells the word null from a text that reads "null"."""

    text: str
    is_json: bool
    #: characters of the whole; ``text`` may be the beginning of it
    length: int

    @classmethod
    def of(cls, value: Any, longest: int | None = None) -> Value:
        is_json = not isinstance(value, str) or value == ""
        text = _json(value) if is_json else value
        return cls(text if longest is None else text[:longest], is_json, len(text))

    @property
    def is_cut(self) -> bool:
        return self.length > len(self.text)

    @property
    def is_long(self) -> bool:
        return self.length > LONG or self.text.count("\n") >= LONG_LINES

    @property
    def length_shown(self) -> str:
        return f"{self.length:,}"

    @property
    def beginning(self) -> str:
        """What stands for a long value while it is folded: one line of it."""
        return " ".join(self.text[:LONG].split())


@dataclass(frozen=True)
class Difference:
    """One member that is not what it was. None as a side: the member was not there, which is
    something else than a null."""

    member: str
    before: Value | None
    after: Value | None

    @property
    def kind(self) -> Literal["added", "removed", "changed"]:
        if self.before is None:
            return "added"
        return "removed" if self.after is None else "changed"


def differences(
    before: Mapping[str, Any] | None,
    after: Mapping[str, Any] | None,
    longest: int | None = None,
) -> list[Difference]:
    """The members in which two objects differ; None is no object: it came into being, or went.

    Objects within objects are compared member by member (``error.code``), also one that takes the
    place of a null. Of lists of texts only the entries are told that came and went. Of a new or
    gone object the nulls are left out, for they say nothing. No value gets longer than
    ``longest`` characters.
    """
    found = _compare("", before or {}, after or {}, DEPTH)
    if before is None or after is None:
        found = (row for row in found if not (_says_nothing(row[1]) and _says_nothing(row[2])))
    return [
        Difference(
            member,
            None if old is _ABSENT else Value.of(old, longest),
            None if new is _ABSENT else Value.of(new, longest),
        )
        for member, old, new in found
    ]


_ABSENT: Any = object()


def _compare(
    path: str, before: Mapping[str, Any], after: Mapping[str, Any], depth: int
) -> Iterator[tuple[str, Any, Any]]:
    for member in dict.fromkeys([*before, *after]):
        name = path + member
        old, new = before.get(member, _ABSENT), after.get(member, _ABSENT)
        if old is not _ABSENT and new is not _ABSENT and _json(old) == _json(new):
            continue
        if depth > 1 and _is_object_or_null(old) and _is_object_or_null(new):
            yield from _compare(f"{name}.", old or {}, new or {}, depth - 1)
        elif _is_list_of_texts(old) and _is_list_of_texts(new) and {*old} != {*new}:
            gone = [each for each in old if each not in new]
            come = [each for each in new if each not in old]
            yield name, gone or _ABSENT, come or _ABSENT
        else:
            yield name, old, new


def _says_nothing(value: Any) -> bool:
    return value is None or value is _ABSENT


def _is_object_or_null(value: Any) -> bool:
    return value is None or (isinstance(value, dict) and bool(value))


def _is_list_of_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def _json(value: Any) -> str:
    """Small values in a line, nested ones indented; members in one order on every database."""
    nested = isinstance(value, dict | list) and any(
        isinstance(each, dict | list) and each
        for each in (value.values() if isinstance(value, dict) else value)
    )
    line = json.dumps(value, ensure_ascii=False, sort_keys=True)
    if not nested and len(line) <= LONG // 2:
        return line
    return json.dumps(value, ensure_ascii=False, sort_keys=True, indent=2)
