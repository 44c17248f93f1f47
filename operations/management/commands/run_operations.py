"""The worker: claims what waits, holds it while it takes its time, finishes it."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.sessions.backends.db import SessionStore
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import Error, InterfaceError, OperationalError, close_old_connections, connection

from connectors_admin.embedded import InUse, use
from connectors_admin.processes import end_with_parent, tell_ready
from operations import logs, metrics, provisioning, retention, runs, tokens
from operations.health_checks import newer_than_this
from operations.models import (
    Actor,
    FailedSignIn,
    Refusal,
    Replay,
    RequestCount,
    SigningKey,
    WorkerHeartbeat,
    WorkerTotal,
)
from operations.models.claim import Claim
from operations.models.heartbeat import BEAT_EVERY
from operations.models.worker_total import series

log = logging.getLogger("operations.worker")

#: Seconds between two looks for answers and refusals that are no longer kept.
TIDY_EVERY = 60
#: Seconds for which a deletion or a run that broke is left alone.
REST = 5
#: Seconds between two looks whether retention is due, and between two of its steps: other writers
#: of an embedded database get their turn.
RETENTION_LOOK = 60
RETENTION_PAUSE = 0.05


class Worker:
    """The loop around ``provisioning``'s steps. One thread, many operations in hand.

    A registration that takes minutes is waited for without holding anything but its lease, so it
    does not hold up the others. ``stop`` ends the loop: what is due is finished, the rest is
    handed back for the next worker.
    """

    def __init__(self) -> None:
        self.name = f"{socket.gethostname()[:40]}-{os.getpid()}-{uuid.uuid4().hex[:6]}"
        self.stopping = threading.Event()
        self.held: dict[Claim, float] = {}  # claim -> monotonic time when it is due
        self.renew_at = 0.0
        self.tidy_at = 0.0
        self.beat_at = 0.0
        self.rotate_at = 0.0
        self.purge_at = 0.0
        self.retain_at = 0.0
        self.last_run = 0  # key of the run that was worked on last
        self.resting: dict[int, float] = {}  # key of a run that broke -> monotonic time
        self.once = False
        self.told = metrics.counted_by_worker()

    def stop(self, *_: Any) -> None:
        self.stopping.set()

    def run(self, *, once: bool = False) -> None:
        """Work until stopped; with ``once`` until nothing is waiting or in hand."""
        self.once = once
        while not self.stopping.is_set():
            try:
                busy = self.round()
            except Error:
                if once:
                    raise
                log.exception("The database did not answer; trying again.")
                connection.close()
                busy = False
                self.stopping.wait(1)
            if once and not busy and not self.held:
                break
            if not busy:
                close_old_connections()
                self.stopping.wait(self._pause())
        self.hand_back()
        self._tell_counts()
        WorkerHeartbeat.objects.leave(self.name)

    def round(self) -> bool:
        """One look at everything. True when something was done."""
        self._try(self._beat)
        self._renew()
        busy = self._finish_due()
        while not self.stopping.is_set() and (claim := provisioning.claim(self.name)):
            busy = True
            self.held[claim] = time.monotonic() + claim.wait
            metrics.CLAIMS.labels("silent_worker" if claim.taken_over else "queue").inc()
            with self._about(claim):
                log.info("Claimed, attempt %s.", claim.attempt)
            self._finish_due()
            self._try(self._beat)
            self._renew()
        steps = (self._rotate_key, self._tidy, self._purge, self._act, self._retain)
        return any(self._try(step) for step in steps) or busy

    def _try(self, step: Callable[[], bool]) -> bool:
        """Do what the rest of the work does not depend on: it goes on when this breaks."""
        try:
            return step()
        except Exception:
            if self.once:
                raise
            log.exception("The worker's step %s broke; the others go on.", step.__name__)
            metrics.STEPS_BROKEN.labels(step.__name__.lstrip("_")).inc()
            close_old_connections()
            return False

    def hand_back(self) -> None:
        for claim in self.held:
            provisioning.hand_back(claim)
            metrics.LET_GO.labels("stopped").inc()
            with self._about(claim):
                log.info("Handed back.")
        self.held.clear()

    def _finish_due(self) -> bool:
        now = time.monotonic()
        due = [claim for claim, when in self.held.items() if when <= now]
        for claim in due:
            began = self.held.pop(claim) - claim.wait
            with self._about(claim):
                self._finish(claim, began)
            self._renew()
        return bool(due)

    def _about(self, claim: Claim) -> AbstractContextManager[None]:
        """What is logged inside names the operation and the request that asked for it."""
        return logs.about(
            request_id=claim.request_id,
            connection=claim.connection_id,
            operation=claim.operation_id,
            worker=self.name,
        )

    def _finish(self, claim: Claim, began: float) -> None:
        try:
            ours = provisioning.finish(claim)
        except (OperationalError, InterfaceError):
            self.held[claim] = time.monotonic() + 1  # once more, if the lease is still ours then
            raise
        except Exception as error:
            log.exception("Attempt %s broke.", claim.attempt)
            metrics.LET_GO.labels("broken").inc()
            provisioning.fail_attempt(claim, f"{type(error).__name__}: {error}")
        else:
            log.info("Ended." if ours else "Lost: it is in other hands, or gone.")
            if ours:
                metrics.REGISTRATION.observe(time.monotonic() - began)
            else:
                metrics.LET_GO.labels("lost").inc()

    def _renew(self) -> None:
        if self.held and time.monotonic() >= self.renew_at:
            provisioning.renew(self.name, self.held)
            self.renew_at = time.monotonic() + settings.OPERATION_LEASE / 3

    def _beat(self) -> bool:
        if time.monotonic() < self.beat_at:
            return False
        self.beat_at = time.monotonic() + BEAT_EVERY.total_seconds()  # also if it breaks
        WorkerHeartbeat.objects.beat(self.name, len(self.held))
        self._tell_counts()
        return True

    def _tell_counts(self) -> None:
        """Add what was counted since the last time to the totals of all workers."""
        counted = metrics.counted_by_worker()
        WorkerTotal.objects.add(
            {
                series(sample, dict(labels)): number - self.told.get((sample, labels), 0)
                for (sample, labels), number in counted.items()
                if number != self.told.get((sample, labels), 0)
            }
        )
        self.told = counted

    def _tidy(self) -> bool:
        """Forget a batch of old answers, refusals and counters; at once again while there are
        more."""
        if time.monotonic() < self.tidy_at:
            return False
        self.tidy_at = time.monotonic() + TIDY_EVERY  # also if it breaks
        SessionStore.clear_expired()
        forgotten = sum(
            rows.forget_old()
            for rows in (
                Replay.objects,
                Refusal.objects,
                RequestCount.objects,
                FailedSignIn.objects,
                SigningKey.objects,
            )
        )
        if forgotten:
            self.tidy_at = 0.0
        return bool(forgotten)

    def _rotate_key(self) -> bool:
        """A new signing key, where a setting says how old one may become."""
        if not settings.ROTATE_SIGNING_KEY_DAYS or time.monotonic() < self.rotate_at:
            return False
        self.rotate_at = time.monotonic() + TIDY_EVERY  # also if it breaks
        age = timedelta(days=settings.ROTATE_SIGNING_KEY_DAYS)
        made = tokens.rotate_signing_key(Actor.worker(self.name), if_older_than=age)
        if made:
            log.info("Made the signing key %s; earlier ones are good until %s.", *made)
        return bool(made)

    def _purge(self) -> bool:
        """A step of what is being deleted."""
        if time.monotonic() < self.purge_at:
            return False
        try:
            return provisioning.purge_step(self.name)
        except Exception:
            self.purge_at = time.monotonic() + REST
            raise

    def _act(self) -> bool:
        """A step of an action on many operations. Runs take turns; one that broke rests."""
        now = time.monotonic()
        self.resting = {key: until for key, until in self.resting.items() if until > now}
        run = runs.next_run(self.last_run, self.resting)
        if run is None:
            return False
        self.last_run = run.pk
        try:
            runs.step(run)
        except Exception:
            self.resting[run.pk] = time.monotonic() + REST
            raise
        return True

    def _retain(self) -> bool:
        """A step of the day's retention."""
        if time.monotonic() < self.retain_at:
            return False
        self.retain_at = time.monotonic() + RETENTION_LOOK  # also if it breaks
        if not retention.step(Actor.worker(self.name)):
            return False
        self.retain_at = 0.0
        self.stopping.wait(RETENTION_PAUSE)
        return True

    def _pause(self) -> float:
        due = min([*self.held.values(), self.beat_at]) - time.monotonic()
        return max(0.0, min(settings.WORKER_POLL, due))


class Command(BaseCommand):
    help = "Run the worker: it registers schemas, purges connections, acts on many operations."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--once", action="store_true", help="work off what is waiting, then end"
        )

    def handle(self, *args: Any, once: bool, **options: Any) -> None:
        try:
            use()
        except InUse as refusal:
            raise CommandError(str(refusal)) from None
        if reason := newer_than_this():
            raise CommandError(reason)
        metrics.work()
        worker = Worker()
        end_with_parent(worker.stop)
        signal.signal(signal.SIGTERM, worker.stop)
        signal.signal(signal.SIGINT, worker.stop)
        tell_ready()
        log.info("Started.", extra={"worker": worker.name})
        worker.run(once=once)
        log.info("Stopped.", extra={"worker": worker.name})
