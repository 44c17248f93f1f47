"""The clock of the machine is moved by hours, forward and back, while operations wait and are held.

The processes run under libfaketime and read the time from a file. The time that has passed is left
alone, as it is when an administrator sets a clock.
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from django.conf import settings

from tests.afterwards import look
from tests.cluster import needed
from tests.processes import own_database, query, shell, start_worker, wait_for

pytestmark = pytest.mark.faults

HELD = "SELECT COUNT(*) FROM operations_connectionoperation WHERE worker <> ''"
UNFINISHED = "SELECT COUNT(*) FROM operations_connectionoperation WHERE status = 1"
REQUEST = """
from tests import factories
for number in range({}, {}):
    factories.request_registration(factories.make_connection(f"moved{{number}}"))
"""


class Clock:
    """What the processes take for the time."""

    def __init__(self, folder: Path):
        needed("faketime", "faketime")
        [self.library] = Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")
        self.file = folder / "clock"
        self.move("+0h")

    def move(self, offset: str) -> None:
        draft = self.file.with_name("draft")
        draft.write_text(f"{offset}\n")
        draft.rename(self.file)

    def environment(self) -> dict[str, str]:
        return {
            "LD_PRELOAD": str(self.library),
            "FAKETIME_TIMESTAMP_FILE": str(self.file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }


@pytest.mark.parametrize(("before", "after"), [("+5h", "+0h"), ("+0h", "+5h")])
def test_moved_while_operations_wait_and_are_held(tmp_path, figures, before, after):
    """A worker dies that holds some, others wait, one has the next in hand: all end soon."""
    with own_database(tmp_path) as environment:
        clock = Clock(tmp_path)
        # PostgreSQL's own clock stays; on SQLite nothing may depend on the lease of the dead
        environment |= {"OPERATION_LEASE": "60" if settings.EMBEDDED_DATABASE else "5"}
        environment |= clock.environment()
        clock.move(before)
        shell(environment, REQUEST.format(0, 3))
        victim = start_worker(environment | {"OPERATION_DURATION": "3600"})
        wait_for(lambda: query(environment, HELD) == (3,))
        victim.kill()
        victim.wait()
        shell(environment, REQUEST.format(3, 6))
        living = start_worker(environment | {"OPERATION_DURATION": "6"})
        its_own = f"{HELD} AND worker LIKE '%-{living.pid}-%'"
        wait_for(lambda: query(environment, its_own)[0] >= 3)

        clock.move(after)
        begun = time.monotonic()
        shell(environment, REQUEST.format(6, 8))
        wait_for(lambda: query(environment, UNFINISHED) == (0,))
        seconds = time.monotonic() - begun
        living.terminate()
        assert living.wait(10) == 0
        seen = look(environment)

    figures(
        f"clock moved from {before} to {after}",
        seen,
        killed=1,
        seconds=seconds,
    )
    assert (seen["wrong"], seen["operations"]) == ([], 8)
