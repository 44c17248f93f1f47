"""What the address of a list asks for. Good parameters are kept, all others named, none breaks.

The address is the only place where a filter lives, so every link that changes one (a chip that is
removed, the next page) is made here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from django.http import QueryDict

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

KEY = re.compile(r"[0-9]{1,18}")


@dataclass(frozen=True)
class Chip:
    """An active filter, and the address without it."""

    label: str
    value: str
    without: str


@dataclass(frozen=True)
class Option:
    """One choice of a filter in the form."""

    value: str
    label: str
    chosen: bool


@dataclass(frozen=True)
class Shortcut:
    """A link to a filter, with the number of rows behind it."""

    label: str
    address: str
    count: object
    is_current: bool


class Parameters:
    """Reads one list's parameters in the order in which the page asks for them."""

    def __init__(self, data: QueryDict, *, keep: tuple[str, ...] = ()):
        """``keep`` names parameters that belong to the page, not to the filter (its tab)."""
        self._data = data
        self._page = [(name, data[name]) for name in keep if name in data]
        self._kept: list[tuple[str, str]] = []
        self._shown: list[tuple[str, str, str, str]] = []
        self._known = {"fragment", *keep}
        self.options: dict[str, list[Option]] = {}
        self.ignored: list[str] = []

    def several(self, name: str, title: str, labels: Mapping[str, StrOrPromise]) -> list[str]:
        """The chosen values of ``labels``; letters may be in any case, as in Graph."""
        self._known.add(name)
        words = {value.casefold(): value for value in labels}
        chosen: list[str] = []
        for given in self._data.getlist(name):
            value = words.get(given.casefold())
            if value is None:
                self._ignore(name, given)
            elif value not in chosen:
                chosen.append(value)
                self._keep(name, value, title, str(labels[value]))
        self.options[name] = [
            Option(value, str(labels[value]), value in chosen) for value in labels
        ]
        return chosen

    def text(self, name: str, title: str, pattern: re.Pattern[str]) -> str:
        """One value of that form; an empty one counts as not given."""
        self._known.add(name)
        given = self._data.get(name, "").strip()
        if not given:
            return ""
        if not pattern.fullmatch(given):
            self._ignore(name, given)
            return ""
        self._keep(name, given, title, given)
        return given

    def flag(self, name: str, title: str, label: str) -> bool:
        """Whether ``name=1`` was given."""
        self._known.add(name)
        given = self._data.get(name, "")
        if given == "1":
            self._keep(name, "1", title, label)
        elif given:
            self._ignore(name, given)
        return given == "1"

    def position(self, name: str, pattern: re.Pattern[str] = KEY) -> str:
        """Where the page begins. No filter: it has no chip, and it goes when a filter changes."""
        self._known.add(name)
        given = self._data.get(name, "")
        if given and not pattern.fullmatch(given):
            self._ignore(name, given)
            return ""
        return given

    def finish(self) -> Parameters:
        """Name what no reader asked for."""
        for name in self._data:
            if name not in self._known:
                self._ignore(name, self._data.get(name, ""))
        return self

    @property
    def chips(self) -> list[Chip]:
        return [
            Chip(title, label, self._address(without=(name, value)))
            for name, value, title, label in self._shown
        ]

    @property
    def none(self) -> str:
        """The address with no filter."""
        return "?" + urlencode(self._page)

    @property
    def first_page(self) -> str:
        return self._address()

    def shortcuts(self, *links: tuple[str, str, object]) -> list[Shortcut]:
        """Links (label, address, count) to filters that are often wanted."""
        here = self.first_page
        return [Shortcut(*link, is_current=link[1] == here) for link in links]

    def at(self, name: str, position: object) -> str:
        """The address of the page that begins there."""
        return self._address(more=[(name, str(position))])

    def _address(
        self, without: tuple[str, str] | None = None, more: list[tuple[str, str]] | None = None
    ) -> str:
        pairs = [pair for pair in self._kept if pair != without]
        return "?" + urlencode([*self._page, *pairs, *(more or [])])

    def _keep(self, name: str, value: str, title: str, label: str) -> None:
        self._kept.append((name, value))
        self._shown.append((name, value, title, label))

    def _ignore(self, name: str, value: str) -> None:
        text = f"{name}={value}"
        self.ignored.append(text if len(text) <= 80 else text[:79] + "…")
