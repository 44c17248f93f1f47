"""``manage.py restore``: a backup in the place of the embedded database."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from connectors_admin.embedded import (
    READY,
    REPLACED,
    InUse,
    Mounted,
    alone,
    database_file,
    is_decided,
    put_in_place,
)
from operations import backups
from operations.backups import BackupError
from operations.checks import AT_START
from operations.models import Action, Actor, Change, WorkerHeartbeat


class Command(BaseCommand):
    help = (
        "Put a backup in the place of the embedded database. Stop serve and all workers first. "
        "What is replaced is kept beside it."
    )
    requires_system_checks = AT_START

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("source", metavar="FILE", type=Path)

    def handle(self, *args: Any, source: Path, **options: Any) -> None:
        if not settings.EMBEDDED_DATABASE:
            raise CommandError(
                "The database is PostgreSQL, which has its own way: pg_restore "
                "--single-transaction --dbname=URL FILE into an empty database, while no process "
                "of ours runs. docs/operations.md has the steps."
            )
        try:
            with alone():
                manifest, replaced = _restore(source)
        except (BackupError, InUse, Mounted) as refusal:
            raise CommandError(f"{refusal} Nothing was changed.") from None
        counted = ", ".join(f"{number:,} {name}" for name, number in manifest["counts"].items())
        self.stdout.write(
            f"Restored what version {manifest['version']} backed up at {manifest['made']}: "
            f"{counted}.\nWhat was here is kept in {replaced}.\n"
            "Everybody signs in again. Tokens of then hold, and so does every secret that was "
            "revoked since, every application that was disabled and every role that was taken "
            "away: do it again."
        )
        if ("secret_key" in manifest["files"]) != settings.SECRET_KEY_GENERATED:
            self.stdout.write(
                "The backup's SECRET_KEY is not the one in use here: what it sealed and signed, "
                "such as the keys of tokens, is good only with that one. Set SECRET_KEY to it."
            )


def _restore(source: Path) -> tuple[dict[str, Any], Path]:
    """Its manifest, and the folder with what was replaced."""
    _clear()
    try:
        manifest = backups.unpack(source, _ready)
        _make_current(_ready(backups.DATABASE), manifest)
        targets = {_place(name.partition("/")[0]) for name in manifest["files"]}
        with _nobody_has_it_open():
            replaced = f"{REPLACED}-{timezone.now():%Y%m%dT%H%M%SZ}"
            put_in_place(sorted(targets), replaced)
    finally:
        if not is_decided():
            _clear()
    return manifest, database_file().parent / replaced


def _place(name: str) -> Path:
    """Where a file of a backup, or its folder, belongs."""
    return database_file() if name == backups.DATABASE else settings.DATA_DIR / name


def _ready(name: str) -> Path:
    """Where it is laid ready."""
    place = _place(name)
    home = place.parent if name == backups.DATABASE else settings.DATA_DIR
    return home / READY / place.relative_to(home)


def _clear() -> None:
    for home in {database_file().parent, settings.DATA_DIR}:
        shutil.rmtree(home / READY, ignore_errors=True)


def _make_current(copy: Path, manifest: dict[str, Any]) -> None:
    """Migrate a copy to this version, and take out what must not come back."""
    connection.close()
    own = connection.settings_dict["NAME"]
    connection.settings_dict["NAME"] = str(copy)
    if settings.SECRET_KEY_GENERATED and (key := _ready("secret_key")).exists():
        settings.SECRET_KEY = key.read_text()  # what is sealed anew is opened by it from now on
    try:
        backups.check(connection)
        call_command("migrate", verbosity=0, interactive=False)
        with transaction.atomic():
            Session.objects.all().delete()
            WorkerHeartbeat.objects.all().delete()
            made = {"made": manifest["made"], "version": manifest["version"]}
            Change.record(Actor.command("restore"), Action.DATA_RESTORED, after=made)
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA journal_mode=DELETE")  # one file again, without a log beside it
    except DatabaseError as error:
        raise BackupError(f"The backup could not be brought to this version: {error}.") from None
    finally:
        connection.close()
        connection.settings_dict["NAME"] = own


@contextmanager
def _nobody_has_it_open() -> Iterator[None]:
    """Also no shell and no other program. Whoever comes now waits, then finds the new one."""
    with closing(sqlite3.connect(database_file(), timeout=2, isolation_level=None)) as database:
        try:
            database.execute("PRAGMA journal_mode=DELETE")
            database.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            if "locked" in str(error):
                raise InUse("Another program has the database open, such as a shell.") from None
        except sqlite3.DatabaseError:
            pass  # it is broken, which may be why it is replaced
        yield
