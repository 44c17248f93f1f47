"""Register an application and show its secret, once."""

from __future__ import annotations

import json
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from operations import tokens
from operations.models import ROLES, Actor, Application


class Command(BaseCommand):
    help = "Register an application; prints its client id, secret (only now) and tenant id."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name")
        parser.add_argument(
            "--role",
            action="append",
            default=[],
            choices=ROLES,
            metavar="ROLE",
            help=f"grant a role; may be repeated. One of: {', '.join(ROLES)}",
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, name: str, role: list[str], **options: Any) -> None:
        actor = Actor.command("create_application")
        try:
            application, secret = Application.objects.register(
                actor, name, list(dict.fromkeys(role))
            )
        except ValidationError as refusal:
            raise CommandError(" ".join(refusal.messages)) from None
        facts = {
            "clientId": str(application.app_id),
            "clientSecret": secret,
            "tenantId": tokens.tenant_id(),
        }
        if options["json"]:
            self.stdout.write(json.dumps({**facts, "name": name, "roles": application.roles}))
            return
        self.stdout.write(f"client id      {facts['clientId']}")
        self.stdout.write(f"client secret  {secret}   (shown only now)")
        self.stdout.write(f"tenant id      {facts['tenantId']}")
        self.stdout.write(f"roles          {', '.join(application.roles) or 'none'}")
