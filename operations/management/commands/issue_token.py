"""Print a bearer token for an application, and nothing else."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser

from operations import tokens
from operations.checks import AT_START
from operations.models import Application


class Command(BaseCommand):
    help = "Print a bearer token for the application with this client id."
    requires_system_checks = AT_START

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("client_id")
        parser.add_argument("--lifetime", type=int, metavar="S", help="seconds, 60 to 86400")

    def handle(self, *args: Any, client_id: str, lifetime: int | None, **options: Any) -> None:
        if lifetime is not None and not 60 <= lifetime <= 86400:
            raise CommandError("--lifetime must be 60 to 86400 seconds.")
        try:
            application = Application.objects.get(app_id=UUID(client_id))
        except (ValueError, Application.DoesNotExist):
            raise CommandError(f"No application has the client id {client_id}.") from None
        if not application.enabled:
            raise CommandError(f"Application {application} is disabled.")
        self.stdout.write(tokens.issue_token(application, lifetime=lifetime)[0])
