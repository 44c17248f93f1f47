"""How long runs took: a dot each, and the median. Times are shown in the current time zone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from math import ceil, log
from statistics import median

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext

from operations.dashboard.charts.drawing import (
    MAX_GRIDLINES,
    PLOT_HEIGHT,
    Gridline,
    Tick,
    day_label,
    grouped,
    nice_step,
    percent,
    ranked,
    role_of,
    svg_number,
)
from operations.dashboard.presentation.numbers import exact_duration

MAX_DOTS = 60
#: A scale is logarithmic when the longest run took more than so many times the middle one.
OUTLIER = 20
#: Pixels from one label of the scale to the next.
LABEL_HEIGHT = 14

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
#: Seconds between lines that read well; above them whole days, 1, 2 or 5 times a power of ten.
_STEPS = (
    *(0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30),
    *(step * _MINUTE for step in (1, 2, 5, 10, 15, 30)),
    *(step * _HOUR for step in (1, 2, 3, 6, 12)),
)
#: Lines of a logarithmic scale, in seconds.
_DECADES = (
    *(0.01, 0.1, 1, 10, _MINUTE, 10 * _MINUTE, _HOUR, 6 * _HOUR),
    *(_DAY, 7 * _DAY, 30 * _DAY, 365 * _DAY, 36_500 * _DAY),
)


@dataclass(frozen=True)
class Run:
    """One finished operation, by when it started. ``label`` names it, ``href`` leads to it."""

    at: datetime
    seconds: float
    failed: bool
    label: str = ""
    href: str = ""

    @property
    def duration(self) -> str:
        return _words(self.seconds)

    @property
    def sentence(self) -> str:
        words = (
            gettext("failed after %(duration)s")
            if self.failed
            else gettext("completed in %(duration)s")
        ) % {"duration": self.duration}
        when = date_format(timezone.localtime(self.at), "j M Y, H:i T", use_l10n=False)
        return " · ".join(part for part in (self.label, words, when) if part)


@dataclass(frozen=True)
class Dot:
    run: Run
    x: str
    y: str


@dataclass(frozen=True)
class DurationDots:
    """How long the newest runs took, one dot each, the oldest first and evenly spaced.

    ``key`` is unique within the page. The median is that of the completed ones.
    """

    key: str
    title: str
    runs: Sequence[Run]

    height = PLOT_HEIGHT

    @cached_property
    def shown(self) -> list[Run]:
        return sorted(self.runs, key=lambda run: run.at)[-MAX_DOTS:]

    @property
    def is_text_only(self) -> bool:
        return len(self.shown) < 2

    @property
    def role(self) -> str:
        return role_of(run.href for run in self.shown)

    @property
    def newest_first(self) -> list[Run]:
        return list(reversed(self.shown))

    @property
    def sentence(self) -> str:
        """The whole chart in words."""
        if not self.shown:
            return gettext("No operation has ended so far")
        if len(self.shown) == 1:
            return self.shown[0].sentence
        failed = sum(1 for run in self.shown if run.failed)
        counts = gettext("%(number)s operations, %(failed)s failed") % {
            "number": grouped(len(self.shown)),
            "failed": grouped(failed),
        }
        if self._median is None:
            return counts
        return f"{counts}, {gettext('median %(duration)s') % {'duration': self.median_label}}"

    @cached_property
    def _median(self) -> float | None:
        completed = [run.seconds for run in self.shown if not run.failed]
        return median(completed) if completed else None

    @property
    def median_label(self) -> str:
        return "" if self._median is None else _words(self._median)

    @property
    def median_y(self) -> str:
        return "" if self._median is None else svg_number(self._y(self._median))

    @property
    def median_label_y(self) -> str:
        return "" if self._median is None else svg_number(self._y(self._median) + 4)

    @cached_property
    def _longest(self) -> float:
        return max((run.seconds for run in self.shown), default=0)

    @cached_property
    def is_logarithmic(self) -> bool:
        """Whether one run was so long that the others would lie on the ground."""
        outlier = self._longest > OUTLIER * median(run.seconds for run in self.shown) > 0
        return outlier and len(self._decades) > 1

    @cached_property
    def _decades(self) -> list[float]:
        """The lines of a logarithmic scale that the runs lie between."""
        shortest = min(run.seconds for run in self.shown)
        low = max((line for line in _DECADES if line <= shortest), default=_DECADES[0])
        high = min((line for line in _DECADES if line >= self._longest), default=_DECADES[-1])
        return [line for line in _DECADES if low <= line <= high]

    @cached_property
    def _lines(self) -> list[float]:
        """All lines that the scale could have, in seconds: the first is its ground."""
        if self.is_logarithmic:
            return self._decades
        longest = max(self._longest, _STEPS[0])
        step = next((step for step in _STEPS if step * (MAX_GRIDLINES - 1) >= longest), None)
        if step is None:
            step = max(1, nice_step(longest / _DAY)) * _DAY
        return [step * line for line in range(ceil(longest / step) + 1)]

    def _y(self, seconds: float) -> float:
        low, high = self._lines[0], self._lines[-1]
        if self.is_logarithmic:
            share = log(min(max(seconds, low), high) / low) / log(high / low)
        else:
            share = seconds / high
        return self.height * (1 - share)

    @property
    def gridlines(self) -> list[Gridline]:
        """The lines; one that is so near the median that their labels would meet has none."""
        every = ceil(len(self._lines) / MAX_GRIDLINES)
        lines = []
        for line in self._lines[::every]:
            y = self._y(line)
            is_free = self._median is None or abs(y - self._y(self._median)) >= LABEL_HEIGHT
            label = (_words(line) if line else "0") if is_free else ""
            lines.append(Gridline(svg_number(y), label, line == self._lines[0]))
        return lines

    @property
    def dots(self) -> list[Dot]:
        slots = len(self.shown)
        return [
            Dot(run, percent((slot + 0.5) / slots), svg_number(self._y(run.seconds)))
            for slot, run in enumerate(self.shown)
        ]

    @property
    def ticks(self) -> list[Tick]:
        slots = len(self.shown)
        return [
            Tick(percent((slot + 0.5) / slots), _moment_label(self.shown[slot].at), rank)
            for slot, rank in ranked(slots).items()
        ]


def _moment_label(moment: datetime) -> tuple[str, str]:
    local = timezone.localtime(moment)
    return day_label(local), date_format(local, "H:i", use_l10n=False)


def _words(seconds: float) -> str:
    """``5 min 12 s``, and milliseconds for what takes less than a second."""
    if seconds < 1:
        return gettext("%(number)s ms") % {"number": grouped(round(seconds * 1000))}
    return exact_duration(timedelta(seconds=seconds))
