"""Rounds, ratios and tables. All that is compared takes turns, so that a busy moment of the machine
hits both; a ratio is made within each round."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median

CONNECTIONS = 4
ROUNDS = 5
SECONDS = 3


@dataclass(frozen=True)
class Target:
    """An address to ask again and again, with its headers."""

    url: str
    headers: Mapping[str, str] | None = None
    status: int = 200
    script: str = ""  # Lua, for what is not the same GET again and again


def requests_per_second(
    target: Target, seconds: float = SECONDS, connections: int = CONNECTIONS
) -> float:
    """As wrk counts them; fails when anything but the expected was answered."""
    wrk = shutil.which("wrk")
    assert wrk, "wrk is missing. On Debian and Ubuntu: apt install wrk"
    headers = [f"-H{name}: {value}" for name, value in (target.headers or {}).items()]
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(target.script)
        script.flush()
        done = subprocess.run(
            [wrk, "-t1", f"-c{connections}", f"-d{seconds}s", "-s", script.name]
            + [*headers, target.url],
            capture_output=True,
            text=True,
            check=True,
        )
    assert "Non-2xx" not in done.stdout and "Socket errors" not in done.stdout, done.stdout
    found = re.search(r"Requests/sec: +([\d.]+)", done.stdout)
    assert found, done.stdout
    return float(found[1])


def in_turns(measures: Mapping[str, Callable[[], float]], rounds: int = ROUNDS) -> Figures:
    """Each measured once a round, after one round that does not count."""
    for measure in measures.values():
        measure()
    found: dict[str, list[float]] = {name: [] for name in measures}
    for _ in range(rounds):
        for name, measure in measures.items():
            found[name].append(measure())
    return Figures(found)


@dataclass(frozen=True)
class Spread:
    """The middle, the least and the most of several rounds."""

    middle: float
    least: float
    most: float

    @classmethod
    def of(cls, values: list[float]) -> Spread:
        return cls(median(values), min(values), max(values))

    def __str__(self) -> str:
        return f"{_short(self.middle)} ({_short(self.least)}-{_short(self.most)})"


@dataclass(frozen=True)
class Figures:
    rounds: dict[str, list[float]]

    def of(self, name: str) -> Spread:
        return Spread.of(self.rounds[name])

    def ratio(self, name: str, baseline: str) -> Spread:
        pairs = zip(self.rounds[name], self.rounds[baseline], strict=True)
        return Spread.of([one / other for one, other in pairs])


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """As Markdown, with the columns below each other."""
    widths = [max(len(row[n]) for row in [head, *rows]) for n in range(len(head))]

    def line(cells: tuple[str, ...]) -> str:
        padded = [cell.ljust(width) for cell, width in zip(cells, widths, strict=True)]
        return f"| {' | '.join(padded)} |"

    rule = f"| {' | '.join('-' * width for width in widths)} |"
    return "\n".join([line(head), rule, *map(line, rows)])


def judged(title: str, unit: str, figures: Figures, baseline: str, least: float) -> str:
    """Each beside the baseline, which the first one is to reach the ``least`` part of."""
    rows = []
    for name in figures.rounds:
        ratio = figures.ratio(name, baseline)
        target = ("", "") if rows else at_least(ratio, least)
        rows.append((name, str(figures.of(name)), str(ratio), *target))
    return table((title, unit, f"of the {baseline}", "target", "met"), rows)


def at_least(figure: Spread, least: float) -> tuple[str, str]:
    """The cells of a target, and of whether it is met."""
    return f">= {_short(least)}", "yes" if figure.middle >= least else "NO"


def at_most(figure: Spread, most: float) -> tuple[str, str]:
    return f"<= {_short(most)}", "yes" if figure.middle <= most else "NO"


def _short(number: float) -> str:
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"
