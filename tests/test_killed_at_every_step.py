"""SIGKILL of the worker before every statement and behind every COMMIT of all that it does."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import pytest

from tests.afterwards import look
from tests.processes import HOME, manage, own_database

pytestmark = pytest.mark.faults


def test_a_worker_killed_at_any_step_leaves_nothing_undone_and_nothing_done_twice(
    tmp_path, figures
):
    with own_database(tmp_path) as environment:
        manage(environment, "migrate", "--verbosity", "0")
        begun = time.monotonic()
        killer = subprocess.run(
            [sys.executable, "-m", "tests.killed"],
            cwd=HOME,
            env=environment
            | {"DJANGO_SETTINGS_MODULE": "connectors_admin.settings", "LOG_LEVEL": "CRITICAL"},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert killer.returncode == 0, killer.stderr[-3000:]
        steps = json.loads(killer.stdout)
        seconds = time.monotonic() - begun
        seen = look(environment)

    assert not seen["wrong"]
    assert all(number >= 8 for number in steps.values()), steps
    figures(
        "worker killed at every step",
        killed=sum(steps.values()),
        operations=seen["operations"],
        note=f"in {seconds:.0f} s; steps: "
        + ", ".join(f"{name} {number}" for name, number in steps.items()),
    )
