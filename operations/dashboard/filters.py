"""What the address of a list asks for. Good parameters are kept, all others named, none breaks.

The address is the only place where a filter lives, so every link that changes one (a chip that is
removed, the next page) is made here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from django.http import QueryDict
from django.utils import timezone
from django.utils.translation import gettext as translate
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

KEY = re.compile(r"[0-9]{1,18}")
#: Rows of a page that a reader may choose; the choice is remembered in the cookie ``rows``.
PAGE_SIZES = (25, 50, 100)
PAGE_SIZE = 50
LONGEST_TEXT = 200
ANY_TIME = "all"
RANGES: dict[str, tuple[StrOrPromise, timedelta]] = {
    "1h": (_("last hour"), timedelta(hours=1)),
    "24h": (_("last 24 hours"), timedelta(hours=24)),
    "7d": (_("last 7 days"), timedelta(days=7)),
    "30d": (_("last 30 days"), timedelta(days=30)),
}


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
    address: str = ""


@dataclass(frozen=True)
class Shortcut:
    """A link to a filter, with the number of rows behind it."""

    label: str
    address: str
    count: object
    is_current: bool


@dataclass(frozen=True)
class Head:
    """The head of a column that can be sorted by: where its link goes, how it is sorted now."""

    label: str
    address: str
    order: str  # for aria-sort: ascending, descending, none


@dataclass(frozen=True)
class Span:
    """A span of time; None is open at that end."""

    since: datetime | None = None
    until: datetime | None = None


class Parameters:
    """Reads one list's parameters in the order in which the page asks for them."""

    def __init__(self, data: QueryDict, *, keep: tuple[str, ...] = ()):
        """``keep`` names parameters that belong to the page, not to the filter (its tab)."""
        self._data = data
        #: tab, sort and page size: no filters, so they stay when the filters are cleared
        self.page_fields = [(name, data[name]) for name in keep if name in data]
        self._kept: list[tuple[str, str]] = []
        self._shown: list[tuple[str, str, str, str]] = []
        self._without: dict[str, str] = {}
        self._size = 0
        self.heads: dict[str, Head] = {}
        self._sort_columns: tuple[Mapping[str, StrOrPromise], str, bool, str] | None = None
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

    def choice(self, name: str, title: str, labels: Mapping[str, StrOrPromise]) -> str:
        """The one chosen value of ``labels``, or empty."""
        self._known.add(name)
        given = self._data.get(name, "")
        chosen = next((value for value in labels if value.casefold() == given.casefold()), "")
        if chosen:
            self._keep(name, chosen, title, str(labels[chosen]))
        elif given:
            self._ignore(name, given)
        self.options[name] = [
            Option(value, str(label), value == chosen) for value, label in labels.items()
        ]
        return chosen

    def words(self, name: str, title: str, longest: int = LONGEST_TEXT) -> str:
        """Free text to search for. No database can look for a NUL."""
        self._known.add(name)
        given = self._data.get(name, "").strip()
        if not given:
            return ""
        if len(given) > longest or "\0" in given:
            self._ignore(name, given)
            return ""
        self._keep(name, given, title, given)
        return given

    def span(self, title: str, default: str = ANY_TIME) -> Span:
        """``range`` (1h, 24h, 7d, 30d, all), or ``since`` and ``until`` in the reader's zone.

        The chip of a default names it too; without it, all time is meant.
        """
        self._known |= {"range", "since", "until"}
        since, until = self._moment("since"), self._moment("until")
        given = self._data.get("range", "")
        if given and given not in (*RANGES, ANY_TIME):
            self._ignore("range", given)
            given = ""
        custom = since or until
        chosen = "" if custom else given or default
        self.options["range"] = [
            *(Option(key, str(label), key == chosen) for key, (label, _span) in RANGES.items()),
            Option(ANY_TIME, translate("any time"), chosen == ANY_TIME),
        ]
        if default != ANY_TIME:
            self._without = {name: ANY_TIME for name in ("range", "since", "until")}
        if custom:
            for name, moment, label in (
                ("since", since, translate("from")),
                ("until", until, translate("until")),
            ):
                if moment:
                    shown = f"{label} {timezone.localtime(moment):%Y-%m-%d %H:%M}"
                    self._keep(name, self._data.get(name, ""), title, shown)
            return Span(since, until)
        if chosen == ANY_TIME:
            if default != ANY_TIME:
                self._kept.append(("range", ANY_TIME))
            return Span()
        words, length = RANGES[chosen]
        if chosen == given:
            self._keep("range", chosen, title, str(words))
        else:
            self._shown.append(("range", chosen, title, str(words)))
        return Span(timezone.now() - length)

    def columns(self, name: str, labels: Mapping[str, StrOrPromise]) -> list[str]:
        """The chosen values of ``labels``: what the page shows of its rows, not which rows."""
        self._known.add(name)
        given = self._data.getlist(name)
        for value in given:
            if value not in labels:
                self._ignore(name, value)
        chosen = [value for value in labels if value in given]
        self.page_fields += [(name, value) for value in chosen]
        self.options[name] = [
            Option(value, str(label), value in chosen) for value, label in labels.items()
        ]
        return chosen

    def sort(self, columns: Mapping[str, StrOrPromise], default: str) -> tuple[str, bool]:
        """The column to sort by, and whether it is descending (``sort=-name``)."""
        self._known.add("sort")
        given = self._data.get("sort", "")
        if given.removeprefix("-") not in columns:
            if given:
                self._ignore("sort", given)
            given = default
        if given != default:
            self.page_fields.append(("sort", given))
        column, descending = given.removeprefix("-"), given.startswith("-")
        self._sort_columns = (columns, column, descending, default)
        return column, descending

    def page_size(self, remembered: str) -> int:
        """``rows``, or what the cookie remembers, or PAGE_SIZE."""
        self._known.add("rows")
        given = self._data.get("rows", "")
        sizes = {str(size): size for size in PAGE_SIZES}
        if given in sizes:
            self.page_fields.append(("rows", given))
        elif given:
            self._ignore("rows", given)
        self._size = sizes.get(given) or sizes.get(remembered) or PAGE_SIZE
        return self._size

    def text(
        self,
        name: str,
        title: str,
        pattern: re.Pattern[str],
        shown: Callable[[str], str] = str,
    ) -> str:
        """One value of that form; an empty one counts as not given. ``shown`` is for its chip."""
        self._known.add(name)
        given = self._data.get(name, "").strip()
        if not given:
            return ""
        if not pattern.fullmatch(given):
            self._ignore(name, given)
            return ""
        self._keep(name, given, title, shown(given))
        return given

    def texts(self, name: str, title: str, pattern: re.Pattern[str]) -> list[str]:
        """Any number of values of that form; a field holds several with spaces between."""
        self._known.add(name)
        chosen: list[str] = []
        for given in re.split(r"[\s,]+", " ".join(self._data.getlist(name))):
            if given and not pattern.fullmatch(given):
                self._ignore(name, given)
            elif given and given not in chosen:
                chosen.append(given)
                self._keep(name, given, title, given)
        return chosen

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

    def given(self, name: str) -> str:
        """What the address says, unread."""
        return self._data.get(name, "")

    def leave_out(self, name: str) -> None:
        """Name a parameter whose value turned out to mean nothing."""
        self._ignore(name, self._data.get(name, ""))

    def finish(self) -> Parameters:
        """Name what no reader asked for."""
        for name in self._data:
            if name not in self._known:
                self._ignore(name, self._data.get(name, ""))
        if self._size:
            fields = [field for field in self.page_fields if field[0] != "rows"]
            self.options["rows"] = [
                Option(
                    str(size),
                    str(size),
                    size == self._size,
                    "?" + urlencode([*fields, *self._kept, ("rows", size)]),
                )
                for size in PAGE_SIZES
            ]
        if self._sort_columns:
            columns, sorted_by, descending, default = self._sort_columns
            others = [field for field in self.page_fields if field[0] != "sort"]
            for column, label in columns.items():
                wanted = f"-{column}" if column == sorted_by and not descending else column
                fields = others if wanted == default else [*others, ("sort", wanted)]
                order = "descending" if descending else "ascending"
                self.heads[column] = Head(
                    str(label),
                    "?" + urlencode([*fields, *self._kept]),
                    order if column == sorted_by else "none",
                )
        return self

    @property
    def chips(self) -> list[Chip]:
        return [
            Chip(title, label, self._address(without=(name, value)))
            for name, value, title, label in self._shown
        ]

    @property
    def none(self) -> str:
        """The address with no filter, not even the span that is the default."""
        every = [("range", ANY_TIME)] if self._without else []
        return "?" + urlencode([*self.page_fields, *every])

    @property
    def fields(self) -> list[tuple[str, str]]:
        """The filters and nothing else, to hand on to an export or an action."""
        return list(self._kept)

    @property
    def query(self) -> str:
        return urlencode(self._kept)

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
        if without and without[0] in self._without:
            pairs.append(("range", self._without[without[0]]))
        return "?" + urlencode([*self.page_fields, *pairs, *(more or [])])

    def _moment(self, name: str) -> datetime | None:
        """A moment as a browser's date field sends it; without a zone it is the reader's."""
        given = self._data.get(name, "").strip()
        if not given:
            return None
        try:
            moment = datetime.fromisoformat(given)
            if moment.tzinfo is None:
                moment = timezone.make_aware(moment)
            # beyond these a database or a time zone has no such moment
            if not 1970 <= moment.astimezone(UTC).year <= 9998:
                raise ValueError
        except (ValueError, OverflowError):
            self._ignore(name, given)
            return None
        return moment

    def _keep(self, name: str, value: str, title: str, label: str) -> None:
        self._kept.append((name, value))
        self._shown.append((name, value, title, label))

    def _ignore(self, name: str, value: str) -> None:
        text = f"{name}={value}"
        self.ignored.append(text if len(text) <= 80 else text[:79] + "…")
