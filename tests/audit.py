"""Known vulnerabilities of the locked packages: ``python -m tests.audit``, or ``make audit``.

Ends with 0 when every package was looked up and none has one, with 1 when one has, and with 3 when
the advisory service did not answer or does not know a package: nobody knows then.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

LOCK = Path(__file__).resolve().parent.parent / "constraints.txt"
FINE, VULNERABLE, NOT_AUDITED = 0, 1, 3
NAMED = 5


def main() -> int:
    with tempfile.NamedTemporaryFile() as report:
        command = [sys.executable, "-m", "pip_audit", "--no-deps", "--disable-pip"]
        command += ["--requirement", str(LOCK), "--progress-spinner", "off"]
        command += ["--format", "json", "--output", report.name]
        done = subprocess.run(command, capture_output=True, text=True)
        text = Path(report.name).read_text()
    code, lines = verdict(text, done.stderr)
    print("\n".join(lines))
    return code


def verdict(report: str, said: str) -> tuple[int, Sequence[str]]:
    """How to end and what to print: of pip-audit's report in JSON, and of what it said besides."""
    try:
        packages: list[dict[str, Any]] = json.loads(report)["dependencies"]
    except (ValueError, KeyError, TypeError):
        reason = (said.strip().splitlines() or ["no reason given"])[-1]
        return NOT_AUDITED, [f"NOT AUDITED: pip-audit gave no report ({reason[:200]})."]
    found = [
        f"{package['name']} {package['version']}: {flaw['id']}, mended in "
        f"{', '.join(flaw['fix_versions']) or 'no version yet'}"
        for package in packages
        for flaw in package.get("vulns", [])
    ]
    skipped = [package["name"] for package in packages if "skip_reason" in package]
    lines = [*found]
    if skipped or not packages:
        names = ", ".join(skipped[:NAMED]) + (", …" if len(skipped) > NAMED else "")
        lines.append(
            f"NOT AUDITED: {len(skipped)} of {len(packages)} packages, for the advisory service "
            f"was not reached or does not know them ({names})."
        )
    if found:
        return VULNERABLE, lines
    if lines:
        return NOT_AUDITED, lines
    return FINE, [f"Audited {len(packages)} packages: no known vulnerability."]


if __name__ == "__main__":
    sys.exit(main())
