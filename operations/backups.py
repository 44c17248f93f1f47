"""Backups of the embedded database: an archive that is made while all goes on, and read back.

A backup is a tar archive: ``manifest.json`` first, then the database as it was when the backup
began, the generated secret key, the certificates of ``serve --tls`` and the catalogue of causes, as
far as they lie in DATA_DIR. The manifest has the version, the migrations, the counts, and of each
file its SHA-256.
"""

from __future__ import annotations

import fcntl
import hashlib
import io
import json
import os
import shutil
import tarfile
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, DatabaseError, connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.recorder import MigrationRecorder
from django.db.utils import ConnectionHandler
from django.utils import timezone

from operations.health_checks import unknown_migrations
from operations.models import Change, ConnectionOperation, ExternalConnection, ExternalItem

FORMAT = 1
MANIFEST = "manifest.json"
DATABASE = "connectors.sqlite3"
#: What else of DATA_DIR belongs to it: files and folders.
OTHERS = ("secret_key", "causes.toml", "tls")
#: Beside the backup while it is made. One just made may not be locked yet.
SCRATCH = ".backup-"
JUST_MADE = 60  # seconds
COUNTED = {
    "connections": ExternalConnection,
    "operations": ConnectionOperation,
    "items": ExternalItem,
    "changes": Change,
}


class BackupError(Exception):
    """What went wrong, for a person; nothing was left behind and nothing was changed."""


# Making one ---------------------------------------------------------------------------------------


def write(target: Path | None, out: IO[bytes] | None = None) -> dict[str, Any]:
    """Make a backup as the file ``target``, or into ``out``. Returns its manifest.

    The file appears whole or not at all, and only its owner can read it. The copy is of one moment,
    and readers and writers go on meanwhile. Raises BackupError.
    """
    folder = target.parent if target else settings.DATA_DIR
    try:
        with _scratch(folder) as scratch:
            copy = scratch / DATABASE
            _copy_database(copy)
            files = {DATABASE: copy, **_copy_others(scratch)}
            manifest = _manifest(copy, files)
            if target is None:
                assert out is not None
                _archive(out, "w|", manifest, files)
            else:
                draft = scratch / "archive"
                with open(os.open(draft, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as handle:
                    _archive(handle, "w", manifest, files)
                    handle.flush()
                    os.fsync(handle.fileno())
                draft.replace(target)
    except (OSError, DatabaseError, tarfile.TarError) as error:
        raise BackupError(f"The backup could not be written to {folder}: {error}.") from error
    return manifest


@contextmanager
def _scratch(folder: Path) -> Iterator[Path]:
    """A folder to work in, locked; removed with those that killed backups have left."""
    for left in folder.glob(f"{SCRATCH}*"):
        with suppress(FileNotFoundError):  # it has ended meanwhile
            if time.time() - left.stat().st_mtime > JUST_MADE and (held := _lock(left)):
                shutil.rmtree(left)
                os.close(held)
    with tempfile.TemporaryDirectory(prefix=SCRATCH, dir=folder) as scratch:
        held = _lock(Path(scratch))
        try:
            yield Path(scratch)
        finally:
            if held:
                os.close(held)


def _lock(folder: Path) -> int | None:
    """The open folder, or None when another process holds it. Closing ends the lock."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    return handle


def _copy_database(copy: Path) -> None:
    """One read transaction: it sees one moment, and in WAL mode nobody waits for it."""
    os.close(os.open(copy, os.O_WRONLY | os.O_CREAT, 0o600))
    with connection.cursor() as cursor:
        cursor.execute("VACUUM INTO %s", [str(copy)])


def _copy_others(scratch: Path) -> dict[str, Path]:
    """The other files by the name that they have in the archive."""
    found: dict[str, Path] = {}
    for name in OTHERS:
        if name == "secret_key" and not settings.SECRET_KEY_GENERATED:
            continue
        place = settings.DATA_DIR / name
        each = sorted(place.iterdir()) if place.is_dir() else [place]
        for source in filter(Path.is_file, each):
            inside = str(source.relative_to(settings.DATA_DIR))
            found[inside] = scratch / inside
            found[inside].parent.mkdir(mode=0o700, exist_ok=True)
            shutil.copy2(source, found[inside])
    return found


def _manifest(copy: Path, files: dict[str, Path]) -> dict[str, Any]:
    with opened(copy) as database:
        check(database)
        applied = sorted(MigrationRecorder(database).applied_migrations())
        counts = {}
        tables = {name for [name] in rows(database, "SELECT name FROM sqlite_master")}
        for name, model in COUNTED.items():
            if model._meta.db_table not in tables:  # of an earlier version
                continue
            query = f"SELECT count(*) FROM {model._meta.db_table}"  # nosec B608 - our own name
            [[counts[name]]] = rows(database, query)
    return {
        "format": FORMAT,
        "version": settings.VERSION,
        "made": timezone.now().isoformat(timespec="seconds"),
        "migrations": [list(each) for each in applied],
        "counts": counts,
        "files": {
            name: {"bytes": path.stat().st_size, "sha256": digest(path)}
            for name, path in files.items()
        },
    }


def _archive(out: IO[bytes], mode: Any, manifest: dict[str, Any], files: dict[str, Path]) -> None:
    text = json.dumps(manifest, indent=2).encode()
    with tarfile.open(fileobj=out, mode=mode, format=tarfile.PAX_FORMAT) as archive:
        head = tarfile.TarInfo(MANIFEST)
        head.size, head.mode, head.mtime = len(text), 0o600, int(time.time())
        archive.addfile(head, io.BytesIO(text))
        for name, path in files.items():
            entry = archive.gettarinfo(path, name)
            entry.uid = entry.gid = 0
            entry.uname = entry.gname = ""
            with open(path, "rb") as handle:
                archive.addfile(entry, handle)


# Reading one back ---------------------------------------------------------------------------------


def unpack(source: Path, ready: Callable[[str], Path]) -> dict[str, Any]:
    """Lay every file of a backup where ``ready`` says for its name. Returns the manifest.

    Raises BackupError for what is no whole backup, or one of a newer version than this.
    """
    try:
        with tarfile.open(source) as archive:
            manifest = _read_manifest(archive)
            for name, facts in manifest["files"].items():
                _unpack(archive, name, facts, ready(name))
    except FileNotFoundError:
        raise BackupError(f"There is no file {source}.") from None
    except (tarfile.TarError, EOFError, KeyError, ValueError, zlib.error) as error:
        raise BackupError(f"{source} is not a whole backup: {error}.") from None
    except OSError as error:
        raise BackupError(f"The backup could not be unpacked: {error}.") from None
    return manifest


def _read_manifest(archive: tarfile.TarFile) -> dict[str, Any]:
    head = archive.next()
    handle = archive.extractfile(head) if head and head.name == MANIFEST else None
    if handle is None:
        raise BackupError(f"{archive.name!s} is no backup of this service: it has no manifest.")
    manifest = json.load(handle)
    if manifest["format"] > FORMAT or unknown_migrations(map(tuple, manifest["migrations"])):
        raise BackupError(
            f"This backup was made by version {manifest['version']}, which is newer than this one "
            f"({settings.VERSION}). Install that version, then restore."
        )
    if DATABASE not in manifest["files"]:
        raise BackupError("The backup holds no database.")
    strange = [name for name in manifest["files"] if not _is_ours(name)]
    if strange:
        raise BackupError(f"The backup holds a file that none of ours has: {strange[0]}.")
    return manifest


def _is_ours(name: str) -> bool:
    top, _, below = name.partition("/")
    return name == DATABASE or (top in OTHERS and "/" not in below and below not in (".", ".."))


def _unpack(archive: tarfile.TarFile, name: str, facts: dict[str, Any], place: Path) -> None:
    entry = archive.getmember(name)
    handle = archive.extractfile(entry)
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    mode = entry.mode & 0o644 | 0o600
    with open(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as out:
        if handle is not None:
            shutil.copyfileobj(handle, out)
        out.flush()
        os.fsync(out.fileno())
    if digest(place) != facts["sha256"]:
        raise BackupError(f"The backup is damaged: {name} is not what was put in.")


# A copy of the database ---------------------------------------------------------------------------


@contextmanager
def opened(copy: Path) -> Iterator[BaseDatabaseWrapper]:
    """A connection to a copy, with the functions that our constraints call."""
    engine = {"ENGINE": "django.db.backends.sqlite3", "NAME": str(copy)}
    database = ConnectionHandler({DEFAULT_DB_ALIAS: engine})[DEFAULT_DB_ALIAS]
    try:
        yield database
    finally:
        database.close()


def check(database: BaseDatabaseWrapper) -> None:
    """Raise BackupError unless a copy is whole: its pages, indexes, constraints and references."""
    faults = [text for (text,) in rows(database, "PRAGMA integrity_check(5)") if text != "ok"]
    dangling = rows(database, "PRAGMA foreign_key_check")
    faults += [f"row {row} of {table} refers to nothing" for table, row, *_ in dangling]
    if faults:
        raise BackupError(f"The database is damaged: {'; '.join(faults[:5])}.")


def rows(database: BaseDatabaseWrapper, query: str) -> list[tuple[Any, ...]]:
    with database.cursor() as cursor:
        cursor.execute(query)
        return cursor.fetchall()


def digest(path: Path) -> str:
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
