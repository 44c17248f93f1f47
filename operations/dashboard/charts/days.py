"""Outcomes by day: the bars of a card, and the strip that stands in a row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property, lru_cache
from math import ceil

from django.utils.formats import date_format
from django.utils.translation import get_language, gettext, ngettext

from operations.dashboard.charts.drawing import (
    PLOT_HEIGHT,
    Gridline,
    Tick,
    day_label,
    grouped,
    nice_step,
    percent,
    ranked,
    role_of,
    short,
    svg_number,
    visible,
)

#: Pixels that a plot has at least in a narrow card, a middle and a wide one (charts.css), and those
#: of a digit on a bar.
WIDTHS = (180, 380, 740)
DIGIT = 8


@dataclass(frozen=True)
class Day:
    """How many operations ended on a day. ``href`` leads to the list of them."""

    date: date
    completed: int
    failed: int
    href: str = ""

    @property
    def label(self) -> str:
        return day_label(self.date)

    @property
    def total(self) -> int:
        return self.completed + self.failed

    @property
    def completed_label(self) -> str:
        return grouped(self.completed)

    @property
    def failed_label(self) -> str:
        return grouped(self.failed)

    @property
    def sentence(self) -> str:
        return gettext("%(day)s: %(completed)s completed, %(failed)s failed") % {
            "day": date_format(self.date, "D j M", use_l10n=False),
            "completed": self.completed_label,
            "failed": self.failed_label,
        }


@dataclass(frozen=True)
class Bar:
    """One day: the completed stand on the ground, the failed on them."""

    day: Day
    slot_x: str
    slot_width: str
    x: str
    width: str
    middle: str
    completed_y: str
    completed_height: str
    failed_y: str
    failed_height: str
    label_y: str

    @property
    def failed_label(self) -> str:
        return short(self.day.failed)


@dataclass(frozen=True)
class DailyBars:
    """Stacked bars of the last days, the oldest first. ``key`` is unique within the page."""

    key: str
    title: str
    days: Sequence[Day]

    height = PLOT_HEIGHT

    @cached_property
    def completed(self) -> int:
        return sum(day.completed for day in self.days)

    @cached_property
    def failed(self) -> int:
        return sum(day.failed for day in self.days)

    @property
    def completed_label(self) -> str:
        return grouped(self.completed)

    @property
    def failed_label(self) -> str:
        return grouped(self.failed)

    @property
    def is_text_only(self) -> bool:
        """With fewer than two days to compare, numbers say more than axes."""
        return sum(1 for day in self.days if day.total) < 2

    @property
    def sentence(self) -> str:
        """The whole chart in words."""
        return _days_sentence(self.days)

    @property
    def role(self) -> str:
        return role_of(day.href for day in self.days)

    @property
    def newest_first(self) -> list[Day]:
        return list(reversed(self.days))

    @cached_property
    def _highest(self) -> int:
        return max((day.total for day in self.days), default=0) or 1

    @cached_property
    def _step(self) -> int:
        return max(1, round(nice_step(self._highest)))

    @cached_property
    def _top(self) -> int:
        return ceil(self._highest / self._step) * self._step

    @property
    def gridlines(self) -> list[Gridline]:
        values = range(0, self._top + 1, self._step)
        return [
            Gridline(svg_number(self.height * (1 - value / self._top)), short(value), not value)
            for value in values
        ]

    @property
    def bars(self) -> list[Bar]:
        slot = 1 / len(self.days)
        scale = self.height / self._top
        bars = []
        for index, day in enumerate(self.days):
            completed = visible(day.completed * scale, day.completed)
            failed = visible(day.failed * scale, day.failed)
            top = self.height - completed - failed
            bars.append(
                Bar(
                    day=day,
                    slot_x=percent(index * slot),
                    slot_width=percent(slot),
                    x=percent((index + 0.18) * slot),
                    width=percent(0.64 * slot),
                    middle=percent((index + 0.5) * slot),
                    completed_y=svg_number(self.height - completed),
                    completed_height=svg_number(completed),
                    failed_y=svg_number(top),
                    failed_height=svg_number(failed),
                    label_y=svg_number(top - 4),
                )
            )
        return bars

    @property
    def label_rank(self) -> int:
        """From which width on there is room for the numbers of failed; 4 is never."""
        needed = DIGIT * max(len(short(day.failed)) for day in self.days) * len(self.days)
        return next((rank for rank, width in enumerate(WIDTHS, 1) if needed <= width), 4)

    @property
    def ticks(self) -> list[Tick]:
        return [
            Tick(
                percent((slot + 0.5) / len(self.days)),
                (date_format(self.days[slot].date, "D", use_l10n=False), self.days[slot].label),
                rank,
            )
            for slot, rank in ranked(len(self.days)).items()
        ]


def _days_sentence(days: Sequence[Day]) -> str:
    completed, failed = sum(day.completed for day in days), sum(day.failed for day in days)
    return _sums_sentence(len(days), completed, failed, get_language())


@lru_cache(maxsize=4096)
def _sums_sentence(days: int, completed: int, failed: int, _language: str | None) -> str:
    """Kept, for the rows of a list say few things: often the same few numbers."""
    span = ngettext("%(number)s day", "%(number)s days", days) % {"number": days}
    if not completed and not failed:
        return gettext("%(span)s: no operation ended") % {"span": span}
    return gettext("%(span)s: %(completed)s completed, %(failed)s failed") % {
        "span": span,
        "completed": grouped(completed),
        "failed": grouped(failed),
    }


@dataclass(frozen=True)
class Strip:
    """The days of one connection, the oldest first, as bars so small that a row of a list holds
    them: full height for a day with a failure, half for one without, a low tick for none."""

    days: Sequence[Day]

    slot = 6
    height = 16

    @property
    def width(self) -> int:
        return len(self.days) * self.slot

    @property
    def sentence(self) -> str:
        return _days_sentence(self.days)

    @property
    def failed_path(self) -> str:
        return self._path([day.failed > 0 for day in self.days], self.height)

    @property
    def completed_path(self) -> str:
        return self._path(
            [day.completed > 0 and not day.failed for day in self.days], self.height // 2
        )

    @property
    def none_path(self) -> str:
        return self._path([not day.total for day in self.days], 2)

    def _path(self, slots: list[bool], height: int) -> str:
        """A stroke for each of these days, from the ground up."""
        return "".join(
            f"M{slot * self.slot + self.slot // 2} {self.height}v-{height}"
            for slot, is_one in enumerate(slots)
            if is_one
        )
