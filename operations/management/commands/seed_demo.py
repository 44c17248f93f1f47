"""``manage.py seed_demo``: connections and operations to look at."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError

from operations.checks import AT_START
from operations.demo.making import make_demo
from operations.models import Application


class Command(BaseCommand):
    help = (
        "Make the demo connections: every state, status, error and triage once, and items and "
        "groups in some. Running it again "
        "adds what is missing and touches nothing else."
    )
    requires_system_checks = AT_START

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--owner",
            metavar="CLIENT_ID",
            help="client id of the application that shall own them (the first enabled one)",
        )

    def handle(self, *, owner: str | None, **options: Any) -> None:
        application = find_owner(owner)
        made = make_demo(application.app_id if application else None)
        line = f"Demo: {made.connections} connections and {made.operations} operations made"
        if made.items:
            line += f", with {made.items} items and {made.groups} groups in them"
        line += f", owned by {application.name}" if application else ", owned by nobody"
        if made.present:
            line += f"; {made.present} connections were there"
        if made.adopted:
            line += f", {made.adopted} of them got their owner"
        if made.taken:
            line += f"; left alone, because the id is in other use: {', '.join(made.taken)}"
        self.stdout.write(f"{line}.")


def find_owner(client_id: str | None) -> Application | None:
    """The application named, or else the first enabled one, if there is one.

    Raises CommandError for a client id that is none or that nobody has.
    """
    if client_id is None:
        return Application.objects.filter(enabled=True).order_by("id").first()
    try:
        application = Application.objects.filter(app_id=UUID(client_id)).first()
    except ValueError:
        raise CommandError(f"--owner must be a client id, a GUID, not '{client_id}'.") from None
    if application is None:
        raise CommandError(f"No application has the client id {client_id}.")
    return application
