"""The database goes away under load and comes back: a calm 503 meanwhile, then all goes on.

On PostgreSQL a server of the test's own is restarted and stopped. A SQLite file cannot go away;
what can happen to it is that another process holds the lock, checkpoints the log or copies it.
"""

from __future__ import annotations

import shutil
import sqlite3
import time
from contextlib import closing

import pytest
from django.conf import settings

from tests import calm
from tests.afterwards import judge, settled
from tests.cluster import own_cluster
from tests.load import Load
from tests.processes import own_database, serve, shell, wait_for

pytestmark = pytest.mark.faults

WHOLE = "from tests.afterwards import the_file_is_whole; print(list(the_file_is_whole()))"


def goes_on(load: Load) -> float:
    """Seconds until every client of the load has been answered again."""
    begun, seen = time.monotonic(), load.confirmed()
    wait_for(lambda: load.confirmed() > seen + 10)
    return time.monotonic() - begun


if settings.EMBEDDED_DATABASE:

    def test_another_process_holds_the_lock_checkpoints_and_copies(tmp_path, figures):
        with own_database(tmp_path) as environment:
            environment |= {"SQLITE_BUSY_TIMEOUT": "3", "OPERATION_LEASE": "3"}
            log = tmp_path / "log"
            with serve(environment, "--web-workers", "2", log=log) as serving:
                file = tmp_path / "connectors.sqlite3"
                with (
                    Load(serving.address, serving.token) as load,
                    closing(sqlite3.connect(file, isolation_level=None, timeout=20)) as other,
                ):
                    goes_on(load)
                    other.execute("BEGIN IMMEDIATE")
                    time.sleep(0.5)  # shorter than the others wait
                    other.execute("ROLLBACK")
                    goes_on(load)
                    assert load.statuses[503] == 0
                    other.execute("BEGIN IMMEDIATE")
                    calm.check_writes(serving)
                    assert calm.ask(serving, "/v1.0/external/connections")[0] == 200
                    assert calm.token_is_given(serving)
                    other.execute("ROLLBACK")
                    seconds = goes_on(load)
                    for _ in range(20):
                        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                        shutil.copy(file, tmp_path / "copy")
                    with closing(sqlite3.connect(tmp_path / "backup")) as copy:
                        other.backup(copy)
                    backup = environment | {"DATABASE_URL": f"sqlite:///{tmp_path}/backup"}
                    assert shell(backup, WHOLE) == "[]"
                    goes_on(load)
                seen = settled(environment, load.write(tmp_path / "acknowledged"))
                assert serving.stop() == 0

        figures(
            "another process holds SQLite's lock",
            seen,
            seconds=seconds,
            note=f"answers {dict(load.statuses)}",
        )
        assert not load.faults and not load.unsure
        judge(seen)
        assert load.statuses[503] > 0

else:

    @pytest.mark.parametrize("pooled", [False, True], ids=["plain", "pooled"])
    def test_restarted_and_stopped_under_load(tmp_path, figures, pooled):
        with own_cluster() as cluster:
            environment = cluster.environment(tmp_path) | {
                "OPERATION_LEASE": "3",
                "DATABASE_POOL": str(pooled).lower(),
                "DATABASE_POOL_TIMEOUT": "1",
            }
            with serve(environment, "--web-workers", "2") as serving:
                with Load(serving.address, serving.token) as load:
                    goes_on(load)
                    seconds = 0.0
                    for mode in ("fast", "immediate"):
                        cluster.restart(mode)
                        seconds = max(seconds, goes_on(load))
                    cluster.stop("fast")
                    calm.check_reads(serving)
                    cluster.start()
                    seconds = max(seconds, goes_on(load))
                    assert calm.token_is_given(serving)
                seen = settled(environment, load.write(tmp_path / "acknowledged"))
                assert serving.stop() == 0
            assert shell(environment, "print(1)") == "1"

        figures(
            "database restarted under load" + (", pooled" if pooled else ""),
            seen,
            killed=3,
            seconds=seconds,
            note=f"answers {dict(load.statuses)}",
        )
        assert not load.faults and not load.unsure
        judge(seen)
        assert load.statuses[503] > 0
