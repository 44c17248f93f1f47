"""The table of the fault tests: what each has measured, printed at the end of the run."""

from __future__ import annotations

from typing import Any

import pytest
from django.conf import settings

COUNTED = ("operations", "wrong", "lost", "twice")
COLUMNS = ("fault", "database", "killed", "seconds", *COUNTED, "note")


@pytest.fixture
def figures(request):
    """Write down what a fault test has measured, before it is judged: ``seen`` is from
    ``afterwards.look``, ``killed`` counts processes, restarts or steps, ``seconds`` are those until
    all went on."""

    def write(fault: str, seen: dict[str, Any], **measured: Any) -> None:
        database = "SQLite" if settings.EMBEDDED_DATABASE else "PostgreSQL"
        counted = {
            name: len(found) if isinstance(found, list) else found
            for name, found in seen.items()
            if name in COUNTED
        }
        row = {"fault": fault, "database": database, **counted, **measured}
        request.node.user_properties.append(("fault", row))

    return write


def pytest_terminal_summary(terminalreporter: Any) -> None:
    rows = [
        [_text(row.get(column)) for column in COLUMNS]
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
    if value is None:
        return "-"  # not measured
    return f"{value:.1f}" if isinstance(value, float) else str(value)
