"""SIGKILL before every statement and behind every COMMIT of all that a worker does, and of requests
that make something: whoever got no answer sends them again."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import pytest

from tests.afterwards import judge, look
from tests.processes import HOME, own_database

pytestmark = pytest.mark.faults


def test_nothing_is_left_undone_and_nothing_is_done_twice(tmp_path, figures):
    with own_database(tmp_path) as environment:
        begun = time.monotonic()
        killer = subprocess.run(
            [sys.executable, "-m", "tests.killed"],
            cwd=HOME,
            env=environment
            | {
                "DJANGO_SETTINGS_MODULE": "connectors_admin.settings",
                "LOG_LEVEL": "CRITICAL",
                "ALLOWED_HOSTS": "testserver",
            },
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert killer.returncode == 0, killer.stderr[-3000:]
        steps = json.loads(killer.stdout)
        seconds = time.monotonic() - begun
        seen = look(environment)

    figures(
        "worker and requests killed at every step",
        seen,
        killed=sum(steps.values()),
        note=f"in {seconds:.0f} s; steps: "
        + ", ".join(f"{name} {number}" for name, number in steps.items()),
    )
    judge(seen)
    fewest = {"request to put": 4}  # one statement writes an item and counts it
    assert all(number >= fewest.get(name, 8) for name, number in steps.items()), steps
