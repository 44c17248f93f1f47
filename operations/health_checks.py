"""Is this installation well: what can be looked at, how it stands, and what to do if it does not.

Each check asks the database at most once, and none of them writes.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import IntEnum
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography import x509
from django.conf import settings
from django.core.checks import ERROR, Tags, run_checks
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.db.models import Count, Min
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from operations import causes
from operations.checks import LOOPBACK
from operations.models import (
    ConnectionOperation,
    ExternalConnection,
    FailedSignIn,
    Retention,
    SigningKey,
    WorkerHeartbeat,
)

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

log = logging.getLogger(__name__)

#: What is due waits no longer than this while a worker lives.
LONGEST_WAIT = timedelta(minutes=1)
#: A deletion in batches takes no longer than this.
LONGEST_DELETION = timedelta(minutes=10)
#: A worker that was killed is worth a warning for so long, if others go on.
SILENCE_NOTED = timedelta(hours=1)
#: More than this between two clocks, and leases and the times of tokens go wrong.
CLOCK_TOLERANCE = timedelta(seconds=2)
#: So long before its end a certificate is worth a warning.
CERTIFICATE_NOTED = timedelta(days=14)
#: A signing key of this age is worth a warning; with ROTATE_SIGNING_KEY_DAYS, one that is so much
#: older than that.
KEY_AGE_NOTED = timedelta(days=365)
ROTATION_NOTED = timedelta(days=2)
#: Stuck operations are counted no further.
COUNTED = 1000
#: Names that one check lists.
NAMED = 10


class State(IntEnum):
    """The worst is the highest."""

    OK = 1
    WARNING = 2
    FAILING = 3


@dataclass(frozen=True)
class Detail:
    """One thing of several that a check is about."""

    name: str
    state: State
    sentence: str = ""
    since: datetime | None = None


@dataclass(frozen=True)
class Check:
    """How one thing stands, since when if that is known, and what to do."""

    state: State
    sentence: str
    advice: str = ""
    since: datetime | None = None
    #: when it is done next
    due: datetime | None = None
    details: list[Detail] = field(default_factory=list)
    #: it could not be looked at
    is_broken: bool = False
    name: str = ""
    title: str = ""


def report(now: datetime) -> list[Check]:
    """Every check. One that breaks is failing and says so; the others are not concerned."""
    return [check for name in CHECKS for check in look(name, now)]


def look(name: str, now: datetime) -> list[Check]:
    """One check, which may find several things."""
    title, check = CHECKS[name]
    try:
        found = list(check(now))
    except Exception:
        log.exception("The check of %s broke.", name)
        advice = _("The service log has the reason under the request id of this answer.")
        sentence = _("This could not be looked at.")
        found = [Check(State.FAILING, sentence, advice, is_broken=True)]
    return [replace(each, name=name, title=str(title)) for each in found]


# The database -------------------------------------------------------------------------------------


def database(now: datetime) -> Iterator[Check]:
    """Which one, how large; for a server also whether its clock is ours."""
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT sqlite_version(), journal_mode, page_count * page_size "
                "FROM pragma_journal_mode, pragma_page_count, pragma_page_size"
            )
            version, journal, size = cursor.fetchone()
        if journal == "wal":
            yield Check(State.OK, f"SQLite {version} (WAL), {_megabytes(size)}.")
        else:
            yield Check(
                State.WARNING,
                _("SQLite without a write-ahead log: readers and writers wait for each other."),
                _("Keep the database file on a local disk."),
            )
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT current_setting('server_version'), pg_database_size(current_database()), "
            "clock_timestamp()"
        )
        version, size, clock = cursor.fetchone()
    yield Check(State.OK, f"PostgreSQL {version}, {_megabytes(size)}.")
    yield clocks(abs(clock - timezone.now()))


def clocks(difference: timedelta) -> Check:
    """Of the database and of this machine, which are so far apart."""
    seconds = {"seconds": f"{difference.total_seconds():.1f}"}
    sentence = _("The database's clock and this machine's are %(seconds)s s apart.") % seconds
    if difference <= CLOCK_TOLERANCE:
        return Check(State.OK, sentence)
    advice = _("Let both follow the same time server: ages and the times of tokens need it.")
    return Check(State.WARNING, sentence, advice)


def _megabytes(size: int) -> str:
    return f"{size / 1_000_000:,.1f} MB"


def migrations(now: datetime) -> Iterator[Check]:
    """Whether the database has the tables that this version needs."""
    applied = set(MigrationRecorder(connection).migration_qs.values_list("app", "name"))
    missing = sorted(_migrations() - applied)
    unknown = unknown_migrations(applied)
    if missing:
        yield Check(
            State.FAILING,
            ngettext(
                "%(n)s migration is not applied.", "%(n)s migrations are not applied.", len(missing)
            )
            % {"n": len(missing)},
            _("Run python manage.py migrate; serve does it when it starts."),
            details=[Detail(f"{app}.{name}", State.FAILING) for app, name in missing[:NAMED]],
        )
    elif unknown:
        yield Check(
            State.WARNING,
            _("The database was made by a newer version than this one."),
            _("Run the newer version, or restore a backup of this one's time."),
            details=[Detail(f"{app}.{name}", State.WARNING) for app, name in unknown[:NAMED]],
        )
    else:
        yield Check(State.OK, _("All are applied."))


def unknown_migrations(applied: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Those of ours that this version does not have: a newer one made the tables."""
    return sorted(row for row in applied if row[0] == "operations" and row not in _migrations())


def newer_than_this() -> str:
    """Why this version must not start on its database; empty when it may."""
    unknown = unknown_migrations(MigrationRecorder(connection).applied_migrations())
    if not unknown:
        return ""
    return (
        f"The database was made by a newer version than this one ({settings.VERSION}), which does "
        f"not know {', '.join(name for _, name in unknown[:NAMED])}. Run the newer version, or "
        "restore a backup of this one's time."
    )


@cache
def not_migrated() -> str:
    """Empty when all of our migrations are applied, else a sentence for whoever starts a worker."""
    applied = MigrationRecorder(connection).applied_migrations()
    if not _migrations() - set(applied):
        return ""
    return "The database is not migrated: start serve once, or run manage.py migrate, first."


def _migrations() -> set[tuple[str, str]]:
    """What lies on the disk; it does not change while the process lives."""
    return set(MigrationLoader(None, ignore_no_migrations=True).disk_migrations)


# The worker and its work --------------------------------------------------------------------------


def workers(now: datetime) -> Iterator[Check]:
    """Which live, and which fell silent without taking their leave."""
    rows = list(WorkerHeartbeat.objects.order_by("-seen_at")[: 2 * NAMED])
    alive = [row for row in rows if row.is_alive(now)]
    silent = [row for row in rows if not row.is_alive(now)]
    details = [Detail(row.name, State.OK, _holds(row.held), row.started_at) for row in alive] + [
        Detail(row.name, State.WARNING, _("silent"), row.seen_at) for row in silent
    ]
    noted = [row for row in silent if row.seen_at > now - SILENCE_NOTED]
    lives = ngettext("%(n)s worker lives.", "%(n)s workers live.", len(alive)) % {"n": len(alive)}
    fell_silent = ngettext(
        "%(n)s fell silent: it was killed, or its machine is gone.",
        "%(n)s fell silent: they were killed, or their machines are gone.",
        len(noted),
    ) % {"n": len(noted)}
    if not alive:
        yield Check(
            State.FAILING,
            _("No worker lives: schemas are not registered and large deletions wait."),
            _("Start one: python manage.py run_operations, or serve without --no-worker."),
            silent[0].seen_at if silent else None,
            details=details,
        )
    elif noted:
        yield Check(
            State.WARNING,
            f"{lives} {fell_silent}",
            _("Others take its work over. See why it ended, for example for lack of memory."),
            noted[0].seen_at,
            details=details,
        )
    else:
        since = min(row.started_at for row in alive)
        yield Check(State.OK, lives, since=since, details=details)


def _holds(held: int) -> str:
    if not held:
        return _("holds nothing")
    return ngettext("holds %(n)s operation", "holds %(n)s operations", held) % {"n": held}


def waiting_for_worker(now: datetime) -> tuple[int, datetime | None]:
    """How many registrations wait for a worker, and since when the first of them does."""
    # what its worker lost has waited since the lease ended
    found = ConnectionOperation.objects.claimable(now).aggregate(
        waiting=Count("pk"), oldest=Min(Coalesce("lease_until", "run_after"))
    )
    return found["waiting"], found["oldest"]


def queue(now: datetime) -> Iterator[Check]:
    """What waits for a worker, and for how long."""
    waiting, oldest = waiting_for_worker(now)
    is_slow = oldest is not None and oldest < now - LONGEST_WAIT
    sentence = _("Nothing waits for a worker.")
    if waiting:
        sentence = ngettext(
            "%(n)s registration waits for a worker.",
            "%(n)s registrations wait for a worker.",
            waiting,
        ) % {"n": f"{waiting:,}"}
    advice = _("See whether a worker lives and its log; start more workers if all are busy.")
    if is_slow:
        yield Check(State.WARNING, sentence, advice, oldest)
    else:
        yield Check(State.OK, sentence, since=oldest)


def stuck(now: datetime) -> Iterator[Check]:
    """Operations that have not ended for longer than is usual."""
    rows = ConnectionOperation.objects.stuck(now).order_by("overdue_at")
    overdue = list(rows.values_list("overdue_at", flat=True)[: COUNTED + 1])
    if not overdue:
        yield Check(State.OK, _("None."))
        return
    number = f"{COUNTED:,}+" if len(overdue) > COUNTED else f"{len(overdue):,}"
    yield Check(
        State.WARNING,
        ngettext(
            "%(n)s operation has not ended for longer than is usual.",
            "%(n)s operations have not ended for longer than is usual.",
            len(overdue),
        )
        % {"n": number},
        _("Ask the service that reports it, or an administrator marks it as failed."),
        overdue[0],
    )


def deletions(now: datetime) -> Iterator[Check]:
    """Connections that are being deleted: their ids are not free again yet."""
    rows = ExternalConnection.objects.deleting()
    found = list(rows.order_by("deleting_since").values_list("graph_id", "deleting_since")[:NAMED])
    details = [Detail(name, State.OK, since=since) for name, since in found]
    since = found[0][1] if found else None
    is_slow = since is not None and since < now - LONGEST_DELETION
    sentence = _("Being deleted:") if found else _("No connection is being deleted.")
    if is_slow:
        advice = _("See whether a worker lives: it deletes what is large.")
        yield Check(State.WARNING, sentence, advice, since, details=details)
    else:
        yield Check(State.OK, sentence, since=since, details=details)


def retained(now: datetime) -> Iterator[Check]:
    """The removal of what is old: the last run, and whether the next one was put off."""
    found = Retention.objects.first() or Retention()
    sentence = _("No run has ended yet.")
    if found.ended_at:
        number = sum(found.removed.values())
        sentence = ngettext(
            "The last run removed %(n)s record.", "The last run removed %(n)s records.", number
        ) % {"n": f"{number:,}"}
    if found.is_running:
        yield Check(State.OK, _("A run goes on."), since=found.started_at)
    elif found.put_off_from:
        yield Check(
            State.WARNING,
            _("A run was a day late, so it waits for another day."),
            _("If the service was not away, look at the clock: what is old is removed by it."),
            found.put_off_from,
            found.due_at,
        )
    else:
        yield Check(State.OK, sentence, since=found.ended_at, due=found.due_at)


# Files, keys and settings -------------------------------------------------------------------------


def catalogue(now: datetime) -> Iterator[Check]:
    """The administrator's file of causes."""
    faults = causes.faults()
    if not faults:
        yield Check(State.OK, _("Every entry can be used."))
        return
    yield Check(
        State.WARNING,
        _("%(file)s is not used, the causes are those from before.")
        % {"file": settings.CAUSES_FILE},
        _("Correct the file; operations/causes.toml says how."),
        details=[Detail(fault, State.WARNING) for fault in faults[:NAMED]],
    )


def keys(now: datetime) -> Iterator[Check]:
    """The key that signs bearer tokens, how old it is, and earlier ones that still count."""
    rows = list(SigningKey.objects.verifying(now)[:NAMED])
    good = [row for row in rows if row.private_pem]
    if len(good) < len(rows):
        yield Check(
            State.FAILING,
            _("A key cannot be opened: it was sealed by another SECRET_KEY."),
            _(
                "Name the earlier one in SECRET_KEY_FALLBACKS. If it is lost, run python manage.py "
                "rotate_signing_key --now: clients get new tokens."
            ),
            details=[Detail(row.kid, State.FAILING) for row in rows if not row.private_pem],
        )
    if not good:
        yield Check(State.OK, _("None yet: it is made with the first bearer token."))
        return
    newest, *earlier = good
    days = (now - newest.created_at).days
    details = [
        Detail(row.kid, State.OK, _("an earlier one, its tokens are still good"), row.created_at)
        for row in earlier
    ]
    longest = timedelta(days=settings.ROTATE_SIGNING_KEY_DAYS) + ROTATION_NOTED
    if not settings.ROTATE_SIGNING_KEY_DAYS:
        longest = KEY_AGE_NOTED
    if now - newest.created_at > longest:
        sentence = ngettext(
            "The one that signs the bearer tokens is %(n)s day old.",
            "The one that signs the bearer tokens is %(n)s days old.",
            days,
        ) % {"n": days}
        advice = _(
            "Run python manage.py rotate_signing_key: tokens that are out stay good until they "
            "run out. With ROTATE_SIGNING_KEY_DAYS a worker does it."
        )
        yield Check(State.WARNING, sentence, advice, newest.created_at, details=details)
    else:
        sentence = _("The newest signs the bearer tokens.")
        yield Check(State.OK, sentence, since=newest.created_at, details=details)


def sign_ins(now: datetime) -> Iterator[Check]:
    """Who failed to sign in so often that it must wait."""
    rows = list(FailedSignIn.objects.held_off(now)[: NAMED + 1])
    if not rows:
        yield Check(State.OK, _("Nobody is held off."))
        return
    details = [
        Detail(_held_off(row), State.WARNING, _failures(row.failures), row.failed_at)
        for row in rows[:NAMED]
    ]
    yield Check(
        State.WARNING,
        _("Held off for failing too often:"),
        _("See whether a program has an old secret, or whether somebody guesses."),
        details=details,
    )


def _held_off(row: FailedSignIn) -> str:
    words = {
        "account": row.account or _("an account that does not exist"),
        "address": row.address or _("an unknown address"),
    }
    if row.kind == "address":
        return words["address"]
    if row.kind == "account":
        return words["account"]
    return _("%(account)s from %(address)s") % words


def _failures(number: int) -> str:
    return ngettext("%(n)s failure, the last", "%(n)s failures, the last", number) % {"n": number}


def certificate(now: datetime) -> Iterator[Check]:
    """What ``serve --tls`` shows to clients; elsewhere a proxy takes care of it."""
    if not settings.SERVED_CERTIFICATE:
        return
    content = Path(settings.SERVED_CERTIFICATE).read_bytes()
    end = x509.load_pem_x509_certificate(content).not_valid_after_utc
    if end < now:
        sentence, state = _("It has ended."), State.FAILING
    else:
        days = (end - now).days
        sentence = ngettext("It ends in %(n)s day.", "It ends in %(n)s days.", days) % {"n": days}
        state = State.WARNING if end < now + CERTIFICATE_NOTED else State.OK
    advice = _("Start serve again: it renews the certificate.") if state > State.OK else ""
    yield Check(state, sentence, advice)


def configuration(now: datetime) -> Iterator[Check]:
    """What the system checks say, which also stand at the start of ``serve``."""
    problems = [
        Check(
            State.FAILING if message.level >= ERROR else State.WARNING,
            str(message.msg),
            str(message.hint or ""),
        )
        for message in run_checks(tags=[Tags.security])
    ]
    if settings.DEBUG:
        advice = _("Unset DEBUG where others can reach this: error pages show settings and source.")
        problems.append(Check(State.WARNING, _("DEBUG is on."), advice))
    if not settings.PUBLIC_URL and set(settings.ALLOWED_HOSTS) - LOOPBACK:
        advice = _("Set it to the address that clients use.")
        sentence = _("PUBLIC_URL is not set: answers carry the address that each request came by.")
        problems.append(Check(State.WARNING, sentence, advice))
    yield from problems or [Check(State.OK, _("Nothing unsafe was found."))]


CHECKS: dict[str, tuple[StrOrPromise, Callable[[datetime], Iterator[Check]]]] = {
    "database": (gettext_lazy("Database"), database),
    "migrations": (gettext_lazy("Migrations"), migrations),
    "workers": (gettext_lazy("Workers"), workers),
    "queue": (gettext_lazy("Queue"), queue),
    "stuck": (gettext_lazy("Stuck operations"), stuck),
    "deletions": (gettext_lazy("Deletions"), deletions),
    "retention": (gettext_lazy("Retention"), retained),
    "settings": (gettext_lazy("Settings"), configuration),
    "catalogue": (gettext_lazy("Catalogue of causes"), catalogue),
    "keys": (gettext_lazy("Signing keys"), keys),
    "sign_ins": (gettext_lazy("Signing in"), sign_ins),
    "certificate": (gettext_lazy("Certificate"), certificate),
}
