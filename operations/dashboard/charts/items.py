"""Items written, ten minutes by ten minutes: created, replaced and deleted on each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from math import ceil

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext, ngettext

from operations.dashboard.charts.drawing import (
    PLOT_HEIGHT,
    Gridline,
    Tick,
    day_label,
    grouped,
    nice_step,
    percent,
    short,
    svg_number,
    visible,
)

#: Hours between labels in a wide card, a middle and a narrow one.
HOURS = ((8, 1), (4, 2), (2, 3))
#: What stands on what, from the ground up.
KINDS = ("created", "replaced", "deleted")


@dataclass(frozen=True)
class Interval:
    """What happened to items in a span that begins then."""

    begin: datetime
    created: int = 0
    replaced: int = 0
    deleted: int = 0

    @property
    def total(self) -> int:
        return self.created + self.replaced + self.deleted

    @property
    def local(self) -> datetime:
        return timezone.localtime(self.begin)

    @property
    def label(self) -> str:
        return f"{day_label(self.local)}, {date_format(self.local, 'H:i', use_l10n=False)}"

    @property
    def numbers(self) -> list[str]:
        return [grouped(getattr(self, kind)) for kind in KINDS]

    @property
    def sentence(self) -> str:
        return f"{self.label}: {_words(self.created, self.replaced, self.deleted)}"


@dataclass(frozen=True)
class Part:
    """One colour of a bar."""

    kind: str
    y: str
    height: str


@dataclass(frozen=True)
class Bar:
    """One interval in which something happened."""

    interval: Interval
    slot_x: str
    x: str
    parts: list[Part]


@dataclass(frozen=True)
class ItemBars:
    """The intervals of a day, the oldest first, without gaps. ``key`` is unique within the page."""

    key: str
    title: str
    intervals: Sequence[Interval]

    height = PLOT_HEIGHT

    @cached_property
    def totals(self) -> dict[str, int]:
        return {kind: sum(getattr(each, kind) for each in self.intervals) for kind in KINDS}

    @property
    def legend(self) -> list[tuple[str, str, str]]:
        """Kind, label and number of each colour."""
        labels = (gettext("Created"), gettext("Replaced"), gettext("Deleted"))
        return [
            (kind, label, grouped(self.totals[kind]))
            for kind, label in zip(KINDS, labels, strict=True)
        ]

    @property
    def is_text_only(self) -> bool:
        """With fewer than two intervals to compare, numbers say more than axes."""
        return sum(1 for each in self.intervals if each.total) < 2

    @property
    def sentence(self) -> str:
        """The whole chart in words."""
        said = gettext("In the last 24 hours: %(words)s") % {"words": _words(**self.totals)}
        if self._highest < 2 or self.is_text_only:
            return said
        most = gettext("at most %(number)s in ten minutes") % {"number": grouped(self._highest)}
        return f"{said}; {most}"

    @cached_property
    def newest_first(self) -> list[Interval]:
        """For the table: those in which something happened."""
        return [each for each in reversed(self.intervals) if each.total]

    @cached_property
    def _highest(self) -> int:
        return max((each.total for each in self.intervals), default=0)

    @cached_property
    def _step(self) -> int:
        return max(1, round(nice_step(self._highest or 1)))

    @cached_property
    def _top(self) -> int:
        return ceil((self._highest or 1) / self._step) * self._step

    @property
    def gridlines(self) -> list[Gridline]:
        return [
            Gridline(svg_number(self.height * (1 - value / self._top)), short(value), not value)
            for value in range(0, self._top + 1, self._step)
        ]

    @property
    def slot_width(self) -> str:
        return percent(1 / len(self.intervals))

    @property
    def bar_width(self) -> str:
        return percent(0.8 / len(self.intervals))

    @property
    def bars(self) -> list[Bar]:
        slot = 1 / len(self.intervals)
        return [
            Bar(each, percent(number * slot), percent((number + 0.1) * slot), self._parts(each))
            for number, each in enumerate(self.intervals)
            if each.total
        ]

    def _parts(self, interval: Interval) -> list[Part]:
        top = float(self.height)
        parts = []
        for kind in KINDS:
            number = getattr(interval, kind)
            height = visible(number * self.height / self._top, number)
            top -= height
            if number:
                parts.append(Part(kind, svg_number(top), svg_number(height)))
        return parts

    @property
    def ticks(self) -> list[Tick]:
        """At full hours of the reader's zone; the day stands below the first one and midnight."""
        hours = [
            (number, each.local)
            for number, each in enumerate(self.intervals)
            if each.local.minute < 10 and each.local.hour % HOURS[-1][0] == 0
        ]
        ticks = []
        for number, local in hours:
            rank = next(rank for every, rank in HOURS if local.hour % every == 0)
            x = percent(number / len(self.intervals))
            day = day_label(local) if local.hour == 0 else ""
            ticks.append(Tick(x, (date_format(local, "H:i", use_l10n=False), day), rank))
        return ticks


def _words(created: int, replaced: int, deleted: int) -> str:
    if not created + replaced + deleted:
        return gettext("no item was written or deleted")
    items = ngettext("%(number)s item created", "%(number)s items created", created)
    others = gettext("%(replaced)s replaced, %(deleted)s deleted")
    return ", ".join(
        (
            items % {"number": grouped(created)},
            others % {"replaced": grouped(replaced), "deleted": grouped(deleted)},
        )
    )
