"""What all charts have in common: numbers for SVG, lines and labels.

Nothing is localized but labels. Across, positions are percentages, so that a chart is as wide as
its card and its text keeps its size; down, they are pixels.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from math import ceil, floor, log10

from django.utils.formats import date_format, number_format

#: Pixels from the top line of a plot to its bottom line.
PLOT_HEIGHT = 120
MAX_GRIDLINES = 5
#: Labels below a chart: so many fit in a narrow card, in a middle one and in a wide one.
TICKS = (4, 7, 14)


def svg_number(value: float) -> str:
    """For an attribute of SVG: at most two decimals, after a point in any language."""
    rounded = round(value, 2) + 0.0  # no minus before a nought
    return f"{rounded:.2f}".rstrip("0").rstrip(".")


def percent(part: float) -> str:
    """A share of the plot's width."""
    return f"{svg_number(part * 100)}%"


def grouped(number: int) -> str:
    """A number to be read, with the language's separators."""
    return number_format(number, force_grouping=True)


def visible(height: float, count: int) -> float:
    """One among a thousand must not vanish."""
    return max(height, 2) if count else 0


def short(number: int) -> str:
    """``12k`` and ``3.5M`` for a scale; what is below ten thousand stays as it is."""
    for unit, name in ((1_000_000, "M"), (1_000, "k")):
        if number >= max(unit, 10_000):
            return f"{number_format(number / unit, 1 if number % unit else 0)}{name}"
    return grouped(number)


def day_label(day: date) -> str:
    return date_format(day, "j M", use_l10n=False)


@dataclass(frozen=True)
class Gridline:
    y: str
    label: str
    is_base: bool = False

    @property
    def label_y(self) -> str:
        """The baseline of a label that stands in the middle of the line."""
        return svg_number(float(self.y) + 4)


@dataclass(frozen=True)
class Tick:
    """A label of two lines below a slot. One of rank 1 shows in any width, of 2 from the middle
    one on, of 3 in the wide one only, so that labels never meet."""

    x: str
    lines: tuple[str, str]
    rank: int


def role_of(hrefs: Iterable[str]) -> str:
    """An image has no parts for assistive technology; one with links in it is a group."""
    return "group" if any(hrefs) else "img"


def ranked(count: int) -> dict[int, int]:
    """Which of the slots get a label, with its rank. The last one always does."""
    every = 1
    strides = []
    for most in reversed(TICKS):
        every *= ceil(ceil(count / every) / most)
        strides.append(every)
    wide, middle, narrow = strides
    return {
        slot: 1 if from_end % narrow == 0 else 2 if from_end % middle == 0 else 3
        for slot in range(count)
        if (from_end := count - 1 - slot) % wide == 0
    }


def nice_step(highest: float) -> float:
    """1, 2 or 5 times a power of ten, so that five lines reach from nought to ``highest``."""
    least = highest / (MAX_GRIDLINES - 1)
    magnitude = 10 ** floor(log10(least))
    return next(step for nice in (1, 2, 5, 10) if (step := nice * magnitude) >= least * (1 - 1e-9))
