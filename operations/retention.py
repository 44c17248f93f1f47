"""What is old goes: operations that have ended, the history of what is gone, runs, sessions.

How long is said by the ``RETENTION_*`` settings, in days; what they do not name stays for ever. The
worker begins a run once a day; ``step`` does a little of it in one short transaction, in whichever
process holds the lock of the ``Retention`` row. A run that is broken off goes on where it stopped.

Never removed: what has not ended, open failures, the newest operation of a connection, the one
that its schema in force came from, one that was retried by another that is still there, and the
history of connections and operations that are still there, of applications, errors and rules.

How old something is, is told by the database's clock at the start of the run. A clock that jumped
must not empty the house: a run that is more than a day late is put off for a day, by hand it is
not.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import models, transaction
from django.db.models import Count, Exists, Max, Min, OuterRef, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from operations.models import (
    Action,
    Actor,
    BulkRun,
    Change,
    ConnectionOperation,
    ExternalConnection,
    OperationStatus,
    Retention,
    Schema,
    Triage,
)
from operations.models.change import ChangeQuerySet

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

log = logging.getLogger(__name__)

#: Rows that one step looks at, and deletes at the most.
WINDOW = 200
EVERY = timedelta(days=1)
#: A run that is so late is put off: the service was away, or the clock has jumped.
TOO_LATE = timedelta(days=1)
CHANGES = "RETENTION_CHANGES"
#: What is recorded about no connection and no thing that a person makes.
OF_RUNS = (Action.RUN_STARTED, Action.RUN_FINISHED, Action.RETENTION_APPLIED)


@dataclass(frozen=True)
class Kind:
    """A kind of record that goes: how old it is by ``age``, in which order it is walked through.

    ``order`` has an index and is never later than ``age``. ``setting`` names the days that it is
    kept; empty for what is useless as soon as its time is over.
    """

    name: str
    label: StrOrPromise
    model: type[models.Model]
    order: str
    age: str
    old: Callable[[datetime], models.QuerySet]
    setting: str = ""

    @property
    def days(self) -> float | None:
        """How long it is kept; None for ever."""
        return getattr(settings, self.setting) or None if self.setting else 0

    def before(self, now: datetime) -> datetime | None:
        """What is older than this goes; None: nothing does."""
        return None if self.days is None else now - timedelta(days=self.days)


def _ended(status: OperationStatus, before: datetime) -> models.QuerySet:
    below = ConnectionOperation.objects.filter(connection=OuterRef("connection"))
    retries = ConnectionOperation.objects.filter(retry_of=OuterRef("pk"))
    in_force = Schema.all_in_force().filter(operation=OuterRef("pk"))
    return ConnectionOperation.objects.filter(
        Exists(below.filter(pk__gt=OuterRef("pk"))),
        ~Exists(retries),
        ~Exists(in_force),
        status=status,
        finished_at__lt=before,
    ).exclude(triage=Triage.OPEN)


def _changes(before: datetime) -> models.QuerySet:
    operations = ConnectionOperation.objects.filter(pk=OuterRef("operation_key"))
    connections = ExternalConnection.objects.filter(pk=OuterRef("connection_key"))
    of_lost_operation = Q(operation_key__isnull=False) & ~Exists(operations)
    of_lost_connection = Q(operation_key=None, connection_key__isnull=False) & ~Exists(connections)
    of_a_run = Q(connection_key=None, action__in=OF_RUNS)
    return Change.objects.filter(of_lost_operation | of_lost_connection | of_a_run, at__lt=before)


def _runs(before: datetime) -> models.QuerySet:
    return BulkRun.objects.filter(finished_at__lt=before)


def _sessions(before: datetime) -> models.QuerySet:
    return Session.objects.filter(expire_date__lt=before)


KINDS = {
    kind.name: kind
    for kind in (
        Kind(
            "completedOperations",
            _("Completed operations"),
            ConnectionOperation,
            "created_at",
            "finished_at",
            partial(_ended, OperationStatus.COMPLETED),
            "RETENTION_COMPLETED",
        ),
        Kind(
            "failedOperations",
            _("Failed operations that are not open"),
            ConnectionOperation,
            "created_at",
            "finished_at",
            partial(_ended, OperationStatus.FAILED),
            "RETENTION_FAILED",
        ),
        Kind("changes", _("History of what is gone"), Change, "at", "at", _changes, CHANGES),
        Kind("runs", _("Actions on many"), BulkRun, "created_at", "finished_at", _runs, CHANGES),
        Kind("sessions", _("Expired sessions"), Session, "expire_date", "expire_date", _sessions),
    )
}


# What would go ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Found:
    """How many of a kind would go now, and from when the oldest and newest of them are."""

    kind: Kind
    number: int = 0
    oldest: datetime | None = None
    newest: datetime | None = None


def look(now: datetime) -> Iterator[Found]:
    """What a run that began now would remove, by kind. Reads only."""
    for kind in KINDS.values():
        before = kind.before(now)
        if before is None:
            yield Found(kind)
            continue
        found = kind.old(before).aggregate(
            number=Count("pk"), oldest=Min(kind.age), newest=Max(kind.age)
        )
        yield Found(kind, **found)


# Removing it --------------------------------------------------------------------------------------


def state() -> Retention:
    return Retention.objects.get_or_create(id=1)[0]


def begin() -> Retention:
    """Begin a run now, unless one goes on. Returns it."""
    state()
    with transaction.atomic():
        found = Retention.objects.select_for_update().annotate(now=Now()).get(id=1)
        if not found.is_running:
            _begin(found)
    return found


def step(actor: Actor) -> bool:
    """Do a little of the run that goes on, or begin one that is due.

    False when there is nothing to do, or another process is at it.
    """
    state()
    with transaction.atomic():
        found = _locked(Retention.objects.annotate(now=Now()).filter(id=1)).first()
        if found is None:
            return False
        if found.is_running:
            _go_on(found, actor)
        elif _is_due(found):
            _begin(found)
        else:
            return False
        return True


def _begin(found: Retention) -> None:
    found.started_at, found.ended_at = found.now, None  # type: ignore[attr-defined]
    found.kind, found.position, found.removed = next(iter(KINDS)), None, {}
    found.save()
    log.info("Retention begins.")


def _is_due(found: Retention) -> bool:
    """Whether the day's run is to begin. Plans it where no sensible time is planned."""
    now: datetime = found.now  # type: ignore[attr-defined]
    due = found.due_at
    if due is not None and due <= now <= due + TOO_LATE:
        return True
    if due is None or due > now + EVERY:
        found.due_at = now + EVERY
        found.save(update_fields=["due_at"])
    elif due < now:
        log.warning("Retention was due at %s. It waits another day: look at the clock.", due)
        found.due_at, found.put_off_from = now + EVERY, due
        found.save(update_fields=["due_at", "put_off_from"])
    return False


def _go_on(found: Retention, actor: Actor) -> None:
    """Remove what is old in the next window of rows; behind the last of all kinds, end the run."""
    assert found.started_at is not None
    kind = KINDS[found.kind]
    before = kind.before(found.started_at)
    window = _window(kind, before, found.position) if before else []
    if window and before:
        removed = _remove(kind, before, [key for _, key in window])
        if removed:
            found.removed[kind.name] = found.removed.get(kind.name, 0) + removed
        order, key = window[-1]
        found.position = [order.isoformat(), key]
    if len(window) < WINDOW:
        names = list(KINDS)
        later = names[names.index(kind.name) + 1 :]
        found.kind, found.position = later[0] if later else "", None
        if not later:
            _end(found, actor)
    found.save()


def _end(found: Retention, actor: Actor) -> None:
    assert found.started_at is not None
    now = Retention.objects.annotate(now=Now()).values_list("now", flat=True).get()
    found.ended_at, found.due_at, found.put_off_from = now, now + EVERY, None
    log.info("Retention ended: %s.", found.removed or "nothing was old enough")
    if found.removed:
        days = {kind.setting: kind.days for kind in KINDS.values() if kind.setting and kind.days}
        after = {"removed": found.removed, "kept": days, "begun": found.started_at.isoformat()}
        Change.record(actor, Action.RETENTION_APPLIED, subject=str(found), after=after)


def _window(kind: Kind, before: datetime, position: Any) -> list[tuple[datetime, Any]]:
    """Order value and key of the next rows that may be old enough, by the index."""
    rows = kind.model._default_manager.filter(**{f"{kind.order}__lt": before})
    if position:
        at, key = datetime.fromisoformat(position[0]), position[1]
        rows = rows.filter(
            Q(**{f"{kind.order}__gt": at}) | Q(pk__gt=key), **{f"{kind.order}__gte": at}
        )
    return list(rows.order_by(kind.order, "pk").values_list(kind.order, "pk")[:WINDOW])


def _remove(kind: Kind, before: datetime, keys: list[Any]) -> int:
    rows = kind.old(before).filter(pk__in=keys)
    if kind.model is ConnectionOperation:
        rows = rows.filter(connection__in=_hold_connections(rows))
    if isinstance(rows, ChangeQuerySet):
        return rows.forget()
    old = kind.model._default_manager.filter(
        pk__in=list(_locked(rows).values_list("pk", flat=True))
    )
    if kind.model is ConnectionOperation:
        Schema.objects.filter(operation__in=old).update(operation=None)
    # not delete(), which reads every row first; what refers to one is let go of above
    return old._raw_delete(old.db)


def _hold_connections(rows: models.QuerySet) -> list[int]:
    """Lock the connections of these operations, as whoever retries or deletes one does.

    Those that somebody else has in hand are left out, and for the next run: nothing waits here.
    One that is being deleted takes its operations with it.
    """
    wanted = ExternalConnection.objects.alive().filter(
        pk__in=set(rows.values_list("connection", flat=True))
    )
    return list(_locked(wanted.order_by("pk"), no_key=True).values_list("pk", flat=True))


def _locked(rows: models.QuerySet, *, no_key: bool = False) -> models.QuerySet:
    """Lock what is read and pass over what others hold. SQLite's transactions take turns."""
    if transaction.get_connection().features.has_select_for_update_skip_locked:
        return rows.select_for_update(skip_locked=True, of=("self",), no_key=no_key)
    return rows
