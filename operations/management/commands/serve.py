"""Everything with one command: migrate, first credentials, web server and worker."""

from __future__ import annotations

import fcntl
import ipaddress
import logging
import os
import secrets
import shlex
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection, connections

from connectors_admin.embedded import InUse, use
from connectors_admin.processes import Child, Supervisor
from connectors_admin.tls import Credentials, TlsError, credentials, is_host
from operations import tokens
from operations.checks import AT_START
from operations.health_checks import newer_than_this
from operations.models import Actor, Application, Installation

log = logging.getLogger("operations.serve")

OPERATOR = "operator"
FIRST_APPLICATION = "First application"
FIRST_ROLES = ("ExternalConnection.ReadWrite.OwnedBy", "ExternalItem.ReadWrite.OwnedBy")
#: Checks that ask for TLS, or for the word of the proxy that ends it.
WITHOUT_TLS = ("operations.W001", "operations.W002")
BACKLOG = 2048  # connections that wait to be accepted
START_LOCK = 0x636F6E6E  # any number, as long as every process uses the same


class Command(BaseCommand):
    help = "Migrate, make the first credentials, then run the web server and the worker."
    requires_system_checks: list[str] = []  # handle() checks, once it is known whether there is TLS

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=int, default=8000)
        parser.add_argument(
            "--tls", action="store_true", help="https, with a certificate authority of our own"
        )
        parser.add_argument("--demo", action="store_true", help="load the demo data (seed_demo)")
        parser.add_argument("--web-workers", type=int, default=1, metavar="N")
        parser.add_argument("--no-worker", action="store_true", help="run the web server alone")
        parser.add_argument(
            "--prepare",
            action="store_true",
            help="migrate, make what a first start makes, renew the certificate; then end",
        )

    def handle(
        self,
        *args: Any,
        host: str,
        port: int,
        tls: bool,
        demo: bool,
        web_workers: int,
        no_worker: bool,
        prepare: bool,
        **options: Any,
    ) -> None:
        # until the supervisor listens to it: a reload that comes too early would end the service
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        if tls:
            # The children read their settings anew, and cannot see from them that this is https.
            os.environ.setdefault("SECURE_COOKIES", "true")
            settings.SILENCED_SYSTEM_CHECKS = [*settings.SILENCED_SYSTEM_CHECKS, *WITHOUT_TLS]
        self.check(tags=AT_START)
        self._check_host(host)
        listener = None if prepare else self._listen(host, port)
        try:
            use()
        except InUse as refusal:
            raise CommandError(str(refusal)) from None
        with start_lock():
            if reason := newer_than_this():
                raise CommandError(reason)
            call_command("migrate", verbosity=0, interactive=False)
            certified = self._certify(host) if tls else None
            address = f"{'https' if tls else 'http'}://{_shown(host)}:{port}"
            Installation.remember_address(address)
            self._introduce(settings.PUBLIC_URL or address, certified)
            if demo:
                call_command("seed_demo", stdout=self.stdout)
        connections.close_all()
        if listener is None:
            return
        self.stdout.write("Ctrl-C ends it.")
        self.stdout.flush()
        python, manage = sys.executable, str(settings.BASE_DIR / "manage.py")
        web = [python, "-m", "gunicorn", "-c", "python:connectors_admin.gunicorn_conf"]
        web += ["--bind", f"fd://{listener.fileno()}", "--workers", str(max(1, web_workers))]
        if certified:
            os.environ["SERVED_CERTIFICATE"] = str(certified.server)
            web += ["--certfile", str(certified.server), "--keyfile", str(certified.server)]
        children = [Child("The web server", web, inherits=[listener.fileno()])]
        if not no_worker:
            children.append(Child("The worker", [python, manage, "run_operations"]))
        again = [python, manage, "serve", "--prepare", "--host", host, "--port", str(port)]
        supervisor = Supervisor(
            children,
            log,
            prepare=[*again, "--tls"] if tls else again,
            on_stop=listener.close,
        )
        if tls:
            supervisor.look_after = partial(self._renew, host)
            supervisor.look_every = settings.CERTIFICATE_LOOK
        code = supervisor.run()
        if code:
            raise SystemExit(code)
        self.stdout.write("Ended.")

    def _check_host(self, host: str) -> None:
        if not _is_loopback(host) and "ALLOWED_HOSTS" not in os.environ:
            raise CommandError(
                f"--host {host} is reached from other machines, but ALLOWED_HOSTS is not set, so "
                "only this one's own names are answered. Set ALLOWED_HOSTS to the names that "
                "clients use, and PUBLIC_URL to the address they see."
            )

    def _listen(self, host: str, port: int) -> socket.socket:
        """The supervisor holds the address: who comes while a child is replaced waits for it."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.socket(family)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host.strip("[]"), port))
            listener.listen(BACKLOG)
        except (OSError, OverflowError) as error:
            listener.close()
            raise CommandError(
                f"Cannot listen on {host}:{port} ({error}). Another port: serve --port N, or "
                "make run PORT=N."
            ) from None
        return listener

    def _renew(self, host: str) -> None:
        """Renew the certificate if it is time; the web server shows it to who connects next."""
        with start_lock():
            if self._certify(host).authority_is_new:
                log.warning("A new certificate authority: clients must be told to trust it.")
        connections.close_all()

    def _certify(self, host: str) -> Credentials:
        """Certificates for every name that clients may use. Refuses a PUBLIC_URL without TLS."""
        public = urlsplit(settings.PUBLIC_URL)
        if public.scheme == "http":
            raise CommandError(
                f"--tls serves https, but PUBLIC_URL is {settings.PUBLIC_URL}. Give it https:// or "
                "unset it."
            )
        named = [public.hostname or "", host, *settings.ALLOWED_HOSTS]
        try:
            return credentials(settings.DATA_DIR / "tls", filter(is_host, named))
        except TlsError as refusal:
            raise CommandError(str(refusal)) from None

    def _introduce(self, address: str, certified: Credentials | None) -> None:
        """Print where things are; the first time also the credentials, which are made here."""
        users = get_user_model().objects
        actor = Actor.command("serve")
        lines = [f"connectors-admin {settings.VERSION}", f"  Dashboard      {address}/"]
        first_operator = not users.exists()
        if first_operator:
            password = secrets.token_urlsafe(12)
            users.create_superuser(OPERATOR, password=password)
            lines += [f"  Operator       {OPERATOR}", f"  Password       {password}"]
        lines += [
            f"  Graph API      {address}/v1.0",
            f"  Token address  {address}/{tokens.tenant_id()}/oauth2/v2.0/token",
            f"  Tenant id      {tokens.tenant_id()}",
        ]
        trust = ""
        if certified:
            lines.append(f"  CA file        {certified.authority}")
            if certified.authority_is_new:
                lines.append("                 (new: clients must be told to trust it, see README)")
            trust = f"--cacert {shlex.quote(str(certified.authority))} "
        if not Application.objects.exists():
            application, secret = Application.objects.register(
                actor, FIRST_APPLICATION, FIRST_ROLES
            )
            token = tokens.issue_token(application, application.find_secret(secret))[0]
            lines += [
                f"  Client id      {application.app_id}",
                f"  Client secret  {secret}",
                f"  Its roles      {', '.join(FIRST_ROLES)}",
                "",
                "Passwords and secrets are shown only now. Try this, within the hour:",
                "",
                f"  curl {trust}-H 'Authorization: Bearer {token}' {address}/v1.0/connections",
                "",
            ]
        else:
            if first_operator:
                lines.append("The password is shown only now.")
            lines.append(
                f"More credentials: manage.py create_application NAME --role {FIRST_ROLES[0]}"
            )
        self.stdout.write("\n".join(lines))


@contextmanager
def start_lock() -> Iterator[None]:
    """Held while migrating and making the first credentials: several may start at once."""
    if settings.EMBEDDED_DATABASE:
        database = Path(settings.DATABASES["default"]["NAME"])
        with open(database.with_name(f"{database.name}.start"), "w") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        return
    # in a transaction of a connection of its own: a pooler may give every other statement to
    # another connection of the server, and a pool of ours may have no second one
    holder = connection.copy()
    holder.settings_dict["OPTIONS"].pop("pool", None)
    try:
        holder.set_autocommit(False)
        with holder.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [START_LOCK])
        yield
    finally:
        holder.close()


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _shown(host: str) -> str:
    try:
        everywhere = not host or ipaddress.ip_address(host.strip("[]")).is_unspecified
    except ValueError:
        everywhere = False
    return "localhost" if everywhere else _bracketed(host)


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host and not host.startswith("[") else host
