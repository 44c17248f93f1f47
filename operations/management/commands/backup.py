"""``manage.py backup``: the embedded database and what belongs to it, as one file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from connectors_admin.embedded import InUse, use
from operations import backups
from operations.backups import BackupError
from operations.checks import AT_START

#: Of a backup that is written into a folder; in order of their names they are in order of time.
NAME = "connectors-{moment:%Y%m%dT%H%M%SZ}.tar"
NAMES = "connectors-????????T??????Z.tar"


class Command(BaseCommand):
    help = (
        "Write the embedded database, as it is at this moment, with keys and certificates into one "
        "archive. The service goes on meanwhile. Keep it safe: it holds every secret."
    )
    requires_system_checks = AT_START

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "target", metavar="FILE", help="a file, a folder (named by the time), or - for stdout"
        )
        parser.add_argument(
            "--keep", type=int, metavar="N", help="of those in the folder keep the newest N"
        )

    def handle(self, *args: Any, target: str, keep: int | None, **options: Any) -> None:
        if not settings.EMBEDDED_DATABASE:
            raise CommandError(
                "The database is PostgreSQL, which has its own way: "
                'pg_dump --format=custom --file=FILE "${DATABASE_URL%%\\?*}". Keep SECRET_KEY too.'
            )
        folder = Path(target) if Path(target).is_dir() else None
        if keep is not None and (folder is None or keep < 1):
            raise CommandError("--keep N needs a folder, and N is at least 1.")
        try:
            use()
            if target == "-":
                backups.write(None, sys.stdout.buffer)
                return
            path = folder / NAME.format(moment=timezone.now()) if folder else Path(target)
            manifest = backups.write(path)
        except (BackupError, InUse) as refusal:
            raise CommandError(str(refusal)) from None
        counted = ", ".join(f"{number:,} {name}" for name, number in manifest["counts"].items())
        self.stdout.write(f"{path}: {path.stat().st_size / 1_000_000:,.1f} MB, {counted}.")
        if folder and keep:
            # also with names that a wrong clock has made, this one stays
            others = sorted(set(folder.glob(NAMES)) - {path})
            for old in others[: len(others) - keep + 1]:
                old.unlink()
                self.stdout.write(f"Removed {old}.")
