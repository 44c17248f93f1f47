"""Register an application and show its secret, once."""

from __future__ import annotations

import json
from argparse import ArgumentTypeError
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from operations import tokens
from operations.checks import AT_START
from operations.models import ROLES, Actor, Application


class Command(BaseCommand):
    help = "Register an application; prints its client id, secret (only now) and tenant id."
    requires_system_checks = AT_START

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
        parser.add_argument(
            "--app-id",
            type=_guid,
            metavar="GUID",
            help="of an application that another issuer signs in: its id there; makes no secret",
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(
        self, *args: Any, name: str, role: list[str], app_id: UUID | None, **options: Any
    ) -> None:
        actor = Actor.command("create_application")
        roles = list(dict.fromkeys(role))
        secret = None
        try:
            if app_id:
                application = Application.objects.register_foreign(actor, name, roles, app_id)
            else:
                application, secret = Application.objects.register(actor, name, roles)
        except ValidationError as refusal:
            raise CommandError(" ".join(refusal.messages)) from None
        facts = {
            "clientId": str(application.app_id),
            **({"clientSecret": secret} if secret else {}),
            "tenantId": tokens.tenant_id(),
        }
        if options["json"]:
            self.stdout.write(json.dumps({**facts, "name": name, "roles": application.roles}))
            return
        self.stdout.write(f"client id      {facts['clientId']}")
        if secret:
            self.stdout.write(f"client secret  {secret}   (shown only now)")
        self.stdout.write(f"tenant id      {facts['tenantId']}")
        self.stdout.write(f"roles          {', '.join(application.roles) or 'none'}")


def _guid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is not a GUID.") from None
