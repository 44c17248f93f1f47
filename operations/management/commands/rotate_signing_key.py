"""Let a new key sign the bearer tokens."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from operations import tokens
from operations.checks import AT_START
from operations.models import Actor


class Command(BaseCommand):
    help = (
        "Make a new key that signs bearer tokens. Those that are out stay good until they run out "
        "(with a lifetime of TOKEN_LIFETIME); then the earlier keys count no more."
    )
    requires_system_checks = AT_START

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--now",
            action="store_true",
            help="a key may be known to somebody else: refuse all tokens that are out",
        )

    def handle(self, *args: Any, now: bool, **options: Any) -> None:
        made = tokens.rotate_signing_key(Actor.command("rotate_signing_key"), at_once=now)
        assert made
        kid, until = made
        self.stdout.write(f"new key        {kid}")
        if now:
            self.stdout.write("earlier keys   refused within 5 seconds, and all their tokens")
        else:
            self.stdout.write(f"earlier keys   good until {until:%Y-%m-%d %H:%M:%S} UTC")
