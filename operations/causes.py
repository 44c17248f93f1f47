"""Why operations fail, and what to do: the catalogue that an administrator can read and extend.

Ours is ``causes.toml`` beside this file, whose head says what an entry is; theirs is the file that
the setting CAUSES_FILE names. Nothing in it is code or a regular expression.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from django.conf import settings

from operations.errors import did_you_mean

OURS = Path(__file__).with_suffix(".toml")
#: Bytes of a catalogue, and characters of an error that are compared with its phrases.
MAX_FILE = 1_000_000
MAX_TEXT = 10_000

_ID = re.compile(r"[a-z0-9-]{1,64}")
_MEMBERS = ("id", "title", "cause", "fix", "codes", "phrases")


@dataclass(frozen=True)
class Cause:
    """One entry: what is probably wrong, and the steps that mend it."""

    id: str
    title: str
    cause: str
    fix: tuple[str, ...]
    #: casefolded
    codes: frozenset[str]
    #: the casefolded words of each
    phrases: tuple[tuple[str, ...], ...]

    def matches(self, codes: set[str], text: str) -> bool:
        """Whether one of the codes is here, or all words of a phrase stand in the text."""
        return not self.codes.isdisjoint(codes) or any(
            all(word in text for word in phrase) for phrase in self.phrases
        )


class Catalogue:
    """Causes in the order in which they are tried."""

    def __init__(self, causes: Iterable[Cause]):
        self._causes = {cause.id: cause for cause in causes}

    def __iter__(self) -> Iterator[Cause]:
        return iter(self._causes.values())

    def by_id(self, cause_id: str) -> Cause | None:
        return self._causes.get(cause_id)

    def probable(
        self,
        code: str | None,
        message: str | None,
        details: Sequence[Mapping[str, Any]] | None = None,
        inner: Mapping[str, Any] | None = None,
    ) -> Cause | None:
        """The first cause that matches a publicError: its own members, ``details`` and
        ``innerError``, which may hold another inner error."""
        errors: list[Mapping[str, Any]] = [{"code": code, "message": message}, *(details or ())]
        while isinstance(inner, Mapping):
            errors.append(inner)
            listed = inner.get("details")
            errors += [each for each in listed or () if isinstance(each, Mapping)]
            inner = inner.get("innerError")
        codes = {str(error["code"]).casefold() for error in errors if error.get("code")}
        messages = [str(error["message"]) for error in errors if error.get("message")]
        text = "\n".join(messages)[:MAX_TEXT].casefold()
        return next((cause for cause in self if cause.matches(codes, text)), None)


def read_catalogue(text: str) -> tuple[list[Cause], list[str]]:
    """The entries of a file, and a sentence for each thing that is wrong with it.

    Never raises: the text is an administrator's.
    """
    try:
        document = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # TOML's own faults are ValueErrors
        return [], [f"The file is not TOML: {error}"]
    faults = [
        f"'{name}' is not known: a file holds entries that begin with [[causes]]."
        for name in document
        if name != "causes"
    ]
    entries = document.get("causes", [])
    if not isinstance(entries, list):
        return [], [*faults, "An entry begins with [[causes]], in two pairs of brackets."]
    causes: dict[str, Cause] = {}
    for number, entry in enumerate(entries, 1):
        if not isinstance(entry, dict):
            faults.append(f"Entry {number}: it must be a table.")
            continue
        cause, wrong = _read_entry(entry)
        name = f"'{cause.id[:64]}'" if cause.id else str(number)
        if cause.id in causes:
            wrong.append("its id is that of an entry before it.")
        faults += [f"Entry {name}: {rule}" for rule in wrong]
        if not wrong:
            causes[cause.id] = cause
    return list(causes.values()), faults


def _read_entry(entry: dict[str, Any]) -> tuple[Cause, list[str]]:
    """An entry as far as it can be read, and the rules that it breaks."""
    faults: list[str] = []
    for member in entry:
        if member not in _MEMBERS:
            near = did_you_mean(member, _MEMBERS)
            faults.append(f"'{member}' is not known. {near}".rstrip())

    def one(member: str) -> str:
        value = entry.get(member)
        if isinstance(value, str) and value.strip():
            return value.strip()
        faults.append(f"'{member}' must be a text, and not empty.")
        return ""

    def several(member: str) -> list[str]:
        values = entry.get(member, [])
        if isinstance(values, list) and all(
            isinstance(each, str) and each.strip() for each in values
        ):
            return [each.strip() for each in values]
        faults.append(f"'{member}' must be a list of texts, none of them empty.")
        return []

    cause_id = one("id")
    if cause_id and not _ID.fullmatch(cause_id):
        faults.append("'id' must be 1 to 64 lower-case letters, digits and hyphens.")
    title, why = one("title"), one("cause")
    fix = several("fix") if isinstance(entry.get("fix"), list) else [one("fix")]
    if entry.get("fix") == []:
        faults.append("'fix' must have a step.")
    codes, phrases = several("codes"), several("phrases")
    if not entry.get("codes") and not entry.get("phrases"):
        faults.append("it needs 'codes' or 'phrases' to match by.")
    cause = Cause(
        cause_id,
        title,
        why,
        tuple(fix),
        frozenset(code.casefold() for code in codes),
        tuple(tuple(phrase.casefold().split()) for phrase in phrases),
    )
    return cause, faults


# The current catalogue ----------------------------------------------------------------------------


@dataclass(frozen=True)
class _File:
    """What was read from the administrator's file, and which state of the file that was."""

    path: Path
    stamp: tuple[int, ...] | None  # None: there is none, or nobody may look
    catalogue: Catalogue
    faults: tuple[str, ...] = ()


_last: _File | None = None


def catalogue() -> Catalogue:
    """The administrator's causes and then ours, as the files are now.

    A file that cannot be used changes nothing: the last good state stays.
    """
    return _current().catalogue


def faults() -> list[str]:
    """Why the administrator's file is not used; empty when all is well with it."""
    return list(_current().faults)


@cache
def _ours() -> list[Cause]:
    causes, wrong = read_catalogue(OURS.read_text(encoding="utf-8"))
    if wrong:
        raise ValueError(wrong)
    return causes


def _current() -> _File:
    global _last
    path = Path(settings.CAUSES_FILE)
    stamp: tuple[int, ...] | None
    try:
        found = path.stat()
        # the last for rights: a file that may be read now has not been written to
        stamp = (found.st_mtime_ns, found.st_size, found.st_ctime_ns)
    except OSError:
        stamp = None
    last = _last
    if last is None or (last.path, last.stamp) != (path, stamp):
        before = last.catalogue if last and last.path == path else Catalogue(_ours())
        last = _last = _read_file(path, stamp, before)
    return last


def _read_file(path: Path, stamp: tuple[int, ...] | None, before: Catalogue) -> _File:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE + 1)
        if len(content) > MAX_FILE:
            return _File(path, stamp, before, (f"The file is larger than {MAX_FILE:,} bytes.",))
        theirs, wrong = read_catalogue(content.decode("utf-8-sig"))
    except FileNotFoundError:
        theirs, wrong = [], []
    except (OSError, UnicodeError) as error:
        theirs, wrong = [], [f"The file cannot be read: {error}"]
    if wrong:
        return _File(path, stamp, before, tuple(wrong))
    replaced = {cause.id for cause in theirs}
    ours = [cause for cause in _ours() if cause.id not in replaced]
    return _File(path, stamp, Catalogue([*theirs, *ours]))
