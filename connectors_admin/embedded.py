"""The embedded database's files: who uses them, and how a restore puts others in their place.

Whoever serves or works holds the lock file beside the database shared, and a restore holds it
alone. A restore first lays the new files ready, then writes down which file comes where, then moves
them. If it is killed before it has written that down, all is as it was; if it is killed after, the
next process that reads the settings ends the moving. Copying the files of a running database is not
safe, for what was written last is in its write-ahead log.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings

#: Folders beside where it belongs: what is laid ready, and (with the time) what it replaces.
READY = "restoring"
REPLACED = "replaced"

_held: list[int] = []


class Mounted(Exception):
    """Something is mounted where a file would have to be moved away."""


class InUse(Exception):
    """Somebody else has the database, and who it is cannot share it."""


def database_file() -> Path:
    """Where the embedded database is."""
    return Path(settings.DATABASES["default"]["NAME"])


def use() -> None:
    """Hold the database for as long as this process lives. Raises InUse while it is restored."""
    if not settings.EMBEDDED_DATABASE:
        return
    descriptor = _open_lock(database_file())
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise InUse("A restore is under way. Start again when it has ended.") from None
    _held.append(descriptor)


@contextmanager
def alone() -> Iterator[None]:
    """Nobody serves or works meanwhile, or begins to. Raises InUse while somebody does."""
    descriptor = _open_lock(database_file())
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InUse("The service runs. Stop serve and all workers first.") from None
        yield
    finally:
        os.close(descriptor)


def put_in_place(targets: list[Path], replaced: str) -> None:
    """Move what lies ready for these places there, and what is there into the folder ``replaced``
    beside it. All of it or nothing. Call it ``alone``. Raises Mounted."""
    if mounted := _mount_points().intersection(map(str, targets)):
        raise Mounted(f"{min(mounted)} is mounted and cannot be replaced. Unmount it first.")
    database = database_file()
    home = database.parent
    plan = {"replaced": replaced, "targets": [os.path.relpath(each, home) for each in targets]}
    draft = _plan(database).with_suffix(".draft")
    with open(draft, "w") as handle:
        json.dump(plan, handle)
        handle.flush()
        os.fsync(handle.fileno())
    draft.rename(_plan(database))
    sync_folder(home)
    _carry_out(database)


def _mount_points() -> set[str]:
    """Files may be mounted too, as in containers. Empty where the system does not tell."""
    try:
        lines = Path("/proc/self/mountinfo").read_text().splitlines()
    except OSError:
        return set()
    return {line.split()[4].replace("\\040", " ") for line in lines}


def is_decided() -> bool:
    """Whether what lies ready will come into its place, now or at the next start."""
    return _plan(database_file()).exists()


def finish_restore(database: Path) -> None:
    """End the moving that a restore had begun and was killed in. Waits for one that lives."""
    if not _plan(database).exists():
        return
    descriptor = _open_lock(database)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if _plan(database).exists():
            _carry_out(database)
    finally:
        os.close(descriptor)


def _carry_out(database: Path) -> None:
    """Each move can be broken off and done again."""
    home = database.parent
    plan = json.loads(_plan(database).read_text())
    for name in plan["targets"]:
        target = home / name
        ready, aside = target.parent / READY / target.name, target.parent / plan["replaced"]
        if not ready.exists():  # moved before the kill
            continue
        if target.exists() and not (aside / target.name).exists():
            aside.mkdir(mode=0o700, exist_ok=True)
            target.rename(aside / target.name)
        # the log of the old database would be taken for that of the new one
        for log in (target.with_name(f"{target.name}{end}") for end in ("-wal", "-shm")):
            if log.exists():
                aside.mkdir(mode=0o700, exist_ok=True)
                log.rename(aside / log.name)
        ready.replace(target)
        sync_folder(target.parent)
    _plan(database).unlink()
    sync_folder(home)


def sync_folder(folder: Path) -> None:
    """Have the names in a folder written to the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _plan(database: Path) -> Path:
    return database.with_name(f"{database.name}.restore")


def _open_lock(database: Path) -> int:
    return os.open(database.with_name(f"{database.name}.use"), os.O_RDWR | os.O_CREAT, 0o600)
