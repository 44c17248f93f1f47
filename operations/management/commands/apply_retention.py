"""``manage.py apply_retention``: what is older than the RETENTION_* settings say."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from operations import retention
from operations.checks import AT_START
from operations.models import Actor
from operations.retention import Found

#: Seconds between two steps: other writers of an embedded database get their turn.
PAUSE = 0.02
#: Seconds after which one that another process has in hand is looked at again.
WAIT = 0.5


class Command(BaseCommand):
    help = (
        "Say what is older than the RETENTION_* settings say and would be removed; with --delete "
        "remove it. The worker does so once a day by itself."
    )
    requires_system_checks = AT_START

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--delete", action="store_true", help="remove it")

    def handle(self, *args: Any, delete: bool, **options: Any) -> None:
        found = list(retention.look(timezone.now()))
        self.stdout.write(_table(found))
        if not delete:
            self.stdout.write(
                "Nothing was removed. With --delete it will be, and with the operations what is "
                "too old of their history."
            )
            return
        began = time.monotonic()
        actor = Actor.command("apply_retention")
        run = retention.begin()
        while run.is_running:
            time.sleep(PAUSE if retention.step(actor) else WAIT)
            run.refresh_from_db()
        removed = sum(run.removed.values())
        parts = ", ".join(f"{name} {number:,}" for name, number in run.removed.items() if number)
        self.stdout.write(
            f"Removed {removed:,} in {time.monotonic() - began:.1f} s. {parts}".rstrip()
        )


def _table(found: list[Found]) -> str:
    heads = ("", "kept", "would go", "oldest", "newest")
    rows = [heads, *(_row(each) for each in found)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(heads))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if column == 2 else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def _row(found: Found) -> tuple[str, ...]:
    kept = f"{found.kind.days:g} days" if found.kind.days else "for ever"
    if not found.kind.setting:
        kept = "until they expire"
    return (
        str(found.kind.label),
        kept,
        f"{found.number:,}" if found.kind.days is not None else "-",
        _moment(found.oldest),
        _moment(found.newest),
    )


def _moment(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M}" if moment else "-"
