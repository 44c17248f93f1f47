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
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser
from django.db import Error, InterfaceError, OperationalError, close_old_connections, connection

from connectors_admin.processes import end_with_parent
from operations import provisioning, runs
from operations.models import Refusal, Replay, RequestCount, WorkerHeartbeat
from operations.models.heartbeat import BEAT_EVERY
from operations.provisioning import Claim

log = logging.getLogger("operations.worker")

#: Seconds between two looks for answers and refusals that are no longer kept.
TIDY_EVERY = 60
#: Seconds for which a deletion or a run that broke is left alone.
REST = 5


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
        self.purge_at = 0.0
        self.last_run = 0  # key of the run that was worked on last
        self.resting: dict[int, float] = {}  # key of a run that broke -> monotonic time
        self.once = False

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
        WorkerHeartbeat.objects.leave(self.name)

    def round(self) -> bool:
        """One look at everything. True when something was done."""
        self._try(self._beat)
        self._renew()
        busy = self._finish_due()
        while not self.stopping.is_set() and (claim := provisioning.claim(self.name)):
            busy = True
            self.held[claim] = time.monotonic() + claim.wait
            log.info("Claimed %s, attempt %s.", claim.operation_key, claim.attempt)
            self._finish_due()
            self._try(self._beat)
            self._renew()
        return self._try(self._tidy) or self._try(self._purge) or self._try(self._act) or busy

    def _try(self, step: Callable[[], bool]) -> bool:
        """Do what the rest of the work does not depend on: it goes on when this breaks."""
        try:
            return step()
        except Exception:
            if self.once:
                raise
            log.exception("The worker's step %s broke; the others go on.", step.__name__)
            close_old_connections()
            return False

    def hand_back(self) -> None:
        for claim in self.held:
            provisioning.hand_back(claim)
        self.held.clear()

    def _finish_due(self) -> bool:
        now = time.monotonic()
        due = [claim for claim, when in self.held.items() if when <= now]
        for claim in due:
            del self.held[claim]
            self._finish(claim)
            self._renew()
        return bool(due)

    def _finish(self, claim: Claim) -> None:
        try:
            ours = provisioning.finish(claim)
        except (OperationalError, InterfaceError):
            self.held[claim] = time.monotonic() + 1  # once more, if the lease is still ours then
            raise
        except Exception as error:
            log.exception("Attempt %s of operation %s broke.", claim.attempt, claim.operation_key)
            provisioning.fail_attempt(claim, f"{type(error).__name__}: {error}")
        else:
            log.info("%s operation %s.", "Ended" if ours else "Lost", claim.operation_key)

    def _renew(self) -> None:
        if self.held and time.monotonic() >= self.renew_at:
            provisioning.renew(self.name, self.held)
            self.renew_at = time.monotonic() + settings.OPERATION_LEASE / 3

    def _beat(self) -> bool:
        if time.monotonic() < self.beat_at:
            return False
        self.beat_at = time.monotonic() + BEAT_EVERY.total_seconds()  # also if it breaks
        WorkerHeartbeat.objects.beat(self.name, len(self.held))
        return True

    def _tidy(self) -> bool:
        """Forget a batch of old answers, refusals and counters; at once again while there are
        more."""
        if time.monotonic() < self.tidy_at:
            return False
        self.tidy_at = time.monotonic() + TIDY_EVERY  # also if it breaks
        several = (Replay.objects, Refusal.objects, RequestCount.objects)
        forgotten = sum(rows.forget_old() for rows in several)
        if forgotten:
            self.tidy_at = 0.0
        return bool(forgotten)

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
        worker = Worker()
        end_with_parent(worker.stop)
        signal.signal(signal.SIGTERM, worker.stop)
        signal.signal(signal.SIGINT, worker.stop)
        log.info("Worker %s started.", worker.name)
        worker.run(once=once)
        log.info("Worker %s stopped.", worker.name)
