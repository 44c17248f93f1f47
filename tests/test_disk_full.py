"""The disk of the database is full: writes are refused calmly, reading goes on, and everything
goes on by itself when there is space again.

The small disk is a tmpfs. SQLite's file lies on it, and of PostgreSQL the database's own tables.
"""

from __future__ import annotations

import itertools
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from django.conf import settings

from tests import calm
from tests.afterwards import judge, settled
from tests.cluster import for_the_server, needed, own_cluster
from tests.load import Load
from tests.processes import own_database, serve, wait_for

pytestmark = pytest.mark.faults


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Path]:
    needed("mount", "mount")
    if os.geteuid() != 0:
        pytest.fail("Mounting a small disk needs root: run make test-faults as root.")
    folder.mkdir()
    options = f"size={megabytes}m,mode=0755"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def fill(disk: Path) -> Path:
    """Take all the space that there is."""
    filler = disk / "filler"
    with suppress(OSError), open(filler, "wb", buffering=0) as file:
        while True:
            file.write(b"x" * 4096)
    return filler


@contextmanager
def installation(tmp_path: Path, disk: Path) -> Iterator[dict[str, str]]:
    if settings.EMBEDDED_DATABASE:
        with own_database(disk) as environment:
            yield environment
        return
    with own_cluster() as cluster:
        import psycopg

        tables = disk / "tables"
        tables.mkdir()
        for_the_server(tables)
        server = f"postgres://postgres@127.0.0.1:{cluster.port}/postgres"
        with psycopg.connect(server, autocommit=True) as admin:
            admin.execute(f"CREATE TABLESPACE small LOCATION '{tables}'")
        yield cluster.environment(tmp_path, "TABLESPACE small")


def test_full_and_emptied_under_load(tmp_path_factory, tmp_path, figures):
    # where the server may enter, unlike pytest's own folder
    place = Path("/tmp") / f"small-disk-{os.getpid()}"
    with small_disk(place, 48) as disk, installation(tmp_path, disk) as environment:
        environment |= {"OPERATION_LEASE": "3", "TMPDIR": str(disk)}
        with serve(environment) as serving:
            with Load(serving.address, serving.token) as load:
                wait_for(lambda: load.confirmed() > 20)
                filler = fill(disk)
                more = itertools.count()
                # what is free inside of the files is used up first
                wait_for(lambda: load.statuses[503] > 20 and fill(disk), seconds=60)
                wait_for(lambda: calm.refused_calmly(calm.create(serving, f"more{next(more)}")))
                status, _, listed = calm.ask(serving, "/v1.0/external/connections?$top=1")
                assert status == 200 and listed["value"]
                assert calm.token_is_given(serving)
                calm.check_page(calm.ask(serving, "/sign-in/", bearer=False), "/sign-in/")

                filler.unlink()
                begun, seen = time.monotonic(), load.confirmed()
                wait_for(lambda: load.confirmed() > seen + 10)
                seconds = time.monotonic() - begun
            kept = load.write(tmp_path / "acknowledged")
            seen = settled(environment, kept)
            assert serving.stop() == 0

    figures(
        "disk full under load",
        seen,
        seconds=seconds,
        note=f"answers {dict(load.statuses)}",
    )
    assert not load.faults and not load.unsure
    judge(seen)
    place.rmdir()
