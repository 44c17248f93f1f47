"""Where several web processes count together: one file for each process and kind of metric.

The web server makes the folder before it starts its processes, and takes it away at its end; so
counts begin at nought with the server, as Prometheus expects. A process that is gone leaves its
counts to a common file: they go on counting, and restarts do not fill the folder.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

#: Tells prometheus_client where to count. It looks once, when it is imported.
FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
MEMORY = Path("/dev/shm")  # nosec B108 - what is made in it is private
#: In the place of a process id: those that are gone.
GONE = 0


def in_memory() -> str | None:
    """Where files are that no full disk can take the ground from, None where there is no such."""
    return str(MEMORY) if os.access(MEMORY, os.W_OK | os.X_OK) else None


def make_folder() -> None:
    """A folder of one's own for this process and its children. Call it before anything counts.

    The files are mapped into memory, where a disk without space is a SIGBUS. Where no folder can be
    made each process counts for itself.
    """
    os.environ.pop(FOLDER_VARIABLE, None)
    with suppress(OSError):
        made = tempfile.mkdtemp(prefix="connectors-admin-metrics-", dir=in_memory())
        os.environ[FOLDER_VARIABLE] = made


def remove_folder() -> None:
    if place := folder():
        shutil.rmtree(place, ignore_errors=True)


def folder() -> Path | None:
    """None where a process counts for itself alone: in tests, in a command, in the worker."""
    path = os.environ.get(FOLDER_VARIABLE)
    return Path(path) if path else None


@contextmanager
def locked(how: int) -> Iterator[None]:
    """Held shared (``fcntl.LOCK_SH``) by who reads, exclusively by who moves counts."""
    with open(Path(os.environ[FOLDER_VARIABLE], "lock"), "w") as handle:
        fcntl.flock(handle, how)
        yield


def absorb(pid: int) -> None:
    """Keep what a process has counted that is gone now."""
    from prometheus_client.mmap_dict import MmapedDict

    place = folder()
    if place is None:
        return
    with locked(fcntl.LOCK_EX):
        for left in place.glob(f"*_{pid}.db"):
            kept = MmapedDict(str(left.with_name(left.name.replace(f"_{pid}.", f"_{GONE}."))))
            for key, value, _time, _position in MmapedDict.read_all_values_from_file(str(left)):
                kept.write_value(key, kept.read_value(key)[0] + value, 0)
            kept.close()
            left.unlink()
