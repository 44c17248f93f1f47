"""The table of the fault tests: what each has measured, printed at the end of the run."""

from __future__ import annotations

from typing import Any

import pytest
from django.conf import settings

COLUMNS = ("fault", "database", "killed", "operations", "seconds", "lost", "twice", "note")


@pytest.fixture
def figures(request):
    """Write down what a fault test has measured. ``killed`` counts processes, restarts or steps,
    ``seconds`` are those until all went on; ``lost`` and ``twice`` are from ``afterwards``."""

    def write(fault: str, **measured: Any) -> None:
        database = "SQLite" if settings.EMBEDDED_DATABASE else "PostgreSQL"
        row = {"fault": fault, "database": database, "lost": 0, "twice": 0, **measured}
        request.node.user_properties.append(("fault", row))

    return write


def pytest_terminal_summary(terminalreporter: Any) -> None:
    rows = [
        [_text(row.get(column, "")) for column in COLUMNS]
        for reports in terminalreporter.stats.values()
        for report in reports
        if getattr(report, "when", "") == "call"
        for name, row in report.user_properties
        if name == "fault"
    ]
    if not rows:
        return
    terminalreporter.section("faults")
    table = [list(COLUMNS), *sorted(rows)]
    widths = [max(len(row[column]) for row in table) for column in range(len(COLUMNS) - 1)]
    for row in table:
        cells = [cell.ljust(width) for cell, width in zip(row, [*widths, 0], strict=True)]
        terminalreporter.write_line("  ".join(cells).rstrip())


def _text(value: Any) -> str:
    return f"{value:.1f}" if isinstance(value, float) else str(value)
