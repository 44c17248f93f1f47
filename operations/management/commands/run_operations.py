"""The worker: claims what waits, holds it while it takes its time, finishes it."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
import time
import uuid
from collections.abc import Callable, Hashable, Iterable, Sequence
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.sessions.backends.db import SessionStore
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import Error, close_old_connections, connection

from connectors_admin.embedded import InUse, use
from connectors_admin.processes import PIPE_VARIABLE, STOP_TIMEOUT, end_with_parent, tell_ready
from operations import logs, metrics, provisioning, quota, registering, retention, runs, tokens
from operations.checks import AT_START
from operations.health_checks import newer_than_this, not_migrated
from operations.models import (
    Actor,
    ExternalConnection,
    FailedSignIn,
    ItemTally,
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
from operations.outage import is_full, is_outage

log = logging.getLogger("operations.worker")

#: Seconds between two looks for answers and refusals that are no longer kept.
TIDY_EVERY = 60
#: Seconds for which what broke is left alone: the first time and at the most. A step that all work
#: needs, one operation in hand, and a deletion or run, which others can go before.
STEP_RESTS = (1, 2)
CLAIM_RESTS = (1, 16)
WORK_RESTS = (5, 300)
#: So often in a row the database may be away for one operation or run that it is not away for
#: otherwise. Then it is not the database.
PATIENCE = 6
#: Seconds that the end may take; then what is still held is left to its lease.
GRACE = STOP_TIMEOUT - 2
#: Seconds between two looks whether retention is due, and between two of its steps: other writers
#: of an embedded database get their turn.
RETENTION_LOOK = 60
RETENTION_PAUSE = 0.05
#: And between two steps of a deletion; seconds between two looks at limits.
PURGE_PAUSE = 0.02
SETTLE_EVERY = 5
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Rests:
    """What broke is left alone for a while, for twice as long each time it breaks again."""

    def __init__(self) -> None:
        self._until: dict[Hashable, float] = {}
        self._times: dict[Hashable, int] = {}

    def broke(self, what: Hashable, first: float, most: float) -> int:
        """It broke. Returns how many times in a row."""
        times = self._times[what] = self._times.get(what, 0) + 1
        self._until[what] = time.monotonic() + min(first * 2.0 ** min(times - 1, 20), most)
        return times

    def went_well(self, what: Hashable) -> None:
        self._until.pop(what, None)
        self._times.pop(what, None)

    def until(self, what: Hashable) -> float:
        """The monotonic time at which it may be tried again."""
        return self._until.get(what, 0.0)

    def resting(self, kind: str) -> list[int]:
        """The keys of the things of this kind that are left alone now."""
        now = time.monotonic()
        return [
            what[1]
            for what, until in self._until.items()
            if isinstance(what, tuple) and what[0] == kind and until > now
        ]


class Worker:
    """The loop around ``registering``'s steps. One thread, many operations in hand.

    A registration that takes minutes is waited for without holding anything but its lease, so it
    does not hold up the others; nor does one that breaks, or a step that does. ``stop`` ends the
    loop: what is in hand is handed back for the next worker.
    """

    def __init__(self) -> None:
        self.name = f"{socket.gethostname()[:40]}-{os.getpid()}-{uuid.uuid4().hex[:6]}"
        self.stopping = threading.Event()
        self.held: dict[Claim, float] = {}  # claim -> monotonic time when it is due
        self.renew_at = 0.0
        self.tidy_at = 0.0
        self.beat_at = 0.0
        self.rotate_at = 0.0
        self.retain_at = 0.0
        self.settle_at = 0.0
        self.last_deletion = 0  # key of the connection that was worked on last
        self.last_run = 0  # key of the run that was worked on last
        self.rests = Rests()
        self.once = False
        self.trouble: Exception | None = None  # the first thing that broke
        self.told = metrics.counted_by_worker()

    def stop(self, *_: Any) -> None:
        self.stopping.set()

    def run(self, *, once: bool = False) -> None:
        """Work until stopped; with ``once`` until nothing is waiting or in hand, and raise then
        what broke first."""
        self.once = once
        while not self.stopping.is_set():
            busy = self.round()
            if once and not busy and not self.held:
                break
            if not busy:
                close_old_connections()
                self.stopping.wait(self._pause())
        self._leave()
        if once and self.trouble:
            raise self.trouble

    def round(self) -> bool:
        """One look at everything. True when something was done."""
        self._try(self._beat)
        self._try(self._renew)
        busy = self._finish_due()
        busy = self._try(self._claim) or busy
        steps = (self._rotate_key, self._tidy, self._settle, self._purge, self._act, self._retain)
        return any(self._try(step) for step in steps) or busy

    def _try(
        self,
        step: Callable[[], bool],
        what: tuple[str, int] | None = None,
        rests: tuple[float, float] = STEP_RESTS,
    ) -> bool:
        """Do what the rest of the work does not depend on: it goes on when this breaks."""
        thing = what or step.__name__
        if self.stopping.is_set() or self.rests.until(thing) > time.monotonic():
            return False
        try:
            done = step()
        except Exception as error:
            self._note(error, f"The worker's step {step.__name__} broke; the others go on.")
            metrics.STEPS_BROKEN.labels(step.__name__.lstrip("_")).inc()
            self.rests.broke(thing, *rests)
            return False
        self.rests.went_well(thing)
        return done

    def _note(self, error: Exception, sentence: str) -> None:
        """Something broke: tell, and get another connection if it was that."""
        self.trouble = self.trouble or error
        if is_outage(error):
            log.error("%s The database does not answer: %s", sentence, str(error).strip())
            close_old_connections()
        else:
            log.exception(sentence)

    def _leave(self) -> None:
        """Give back what is in hand. What cannot be given back is free when its lease ends."""
        try:
            registering.hand_back(self.name, self.held)
            for claim in self.held:
                metrics.LET_GO.labels("stopped").inc()
                with self._about(claim):
                    log.info("Handed back.")
            self._tell_counts()
            WorkerHeartbeat.objects.leave(self.name)
        except Error as error:
            self._note(error, f"{len(self.held)} operations are left to their leases.")
        self.held.clear()

    def _claim(self) -> bool:
        """Take all that waits, and go on meanwhile with what is in hand."""
        busy = False
        while not self.stopping.is_set() and (claims := registering.claim(self.name)):
            busy = True
            now = time.monotonic()
            for claim in claims:
                self.held[claim] = now + claim.wait
                metrics.CLAIMS.labels("silent_worker" if claim.taken_over else "queue").inc()
                with self._about(claim):
                    log.info("Claimed, attempt %s.", claim.attempt)
            self._finish_due()
            self._try(self._beat)
            self._try(self._renew)
        return busy

    def _finish_due(self) -> bool:
        now = time.monotonic()
        due = [claim for claim, when in self.held.items() if when <= now]
        # what has broken before would break the others' transaction as well
        broken = [claim for claim in due if self.rests.until(claim)]
        whole = [claim for claim in due if not self.rests.until(claim)]
        batches = [
            whole[start : start + registering.TOGETHER]
            for start in range(0, len(whole), registering.TOGETHER)
        ]
        return self._finish_each([*batches, *([claim] for claim in broken)]) and bool(due)

    def _finish_each(self, batches: Iterable[Sequence[Claim]]) -> bool:
        """False when it came to no end: told to stop, or the database does not answer at all."""
        for batch in batches:
            if self.stopping.is_set() or not self._finish(batch):
                return False
            self._try(self._renew)
        return True

    def _about(self, claim: Claim) -> AbstractContextManager[None]:
        """What is logged inside names the operation and the request that asked for it."""
        return logs.about(
            request_id=claim.request_id,
            connection=claim.connection_id,
            operation=claim.operation_id,
            worker=self.name,
        )

    def _finish(self, claims: Sequence[Claim]) -> bool:
        """End these together; what that does not end, alone. As ``_finish_each``."""
        alone = len(claims) == 1
        ended: Sequence[Claim] = ()
        try:
            ended = registering.finish(claims)
        except Exception as error:
            if alone:
                with self._about(claims[0]):
                    return self._broke(claims[0], error)
            if is_outage(error):
                close_old_connections()
            why = f"{type(error).__name__}: {str(error).strip()}"
            log.warning("%s could not be ended together; now each alone. %s", len(claims), why)
        for claim in ended:
            self._let_go(claim, ours=True)
        if alone and not ended:
            self._let_go(claims[0], ours=False)
        return alone or self._finish_each([claim] for claim in claims if claim not in ended)

    def _let_go(self, claim: Claim, *, ours: bool) -> None:
        """It has ended, or it is not ours."""
        if ours:
            began = self.held[claim] - claim.wait
            metrics.REGISTRATION.observe(time.monotonic() - began)
        else:
            metrics.LET_GO.labels("lost").inc()
        with self._about(claim):
            log.info("Ended." if ours else "Lost: it is in other hands, or gone.")
        self._forget(claim)

    def _forget(self, claim: Claim) -> None:
        del self.held[claim]
        self.rests.went_well(claim)

    def _broke(self, claim: Claim, error: Exception) -> bool:
        """The end of this one alone broke. False when the database does not answer at all."""
        attempt = f"Attempt {claim.attempt}"
        self._note(error, f"{attempt} broke.")
        times = self.rests.broke(claim, *CLAIM_RESTS)
        # once more, if the lease is still ours then
        self.held[claim] = self.rests.until(claim)
        patient = is_full(error) and not self.once
        if is_outage(error) and (patient or times < PATIENCE):
            return _database_answers()
        if is_outage(error) and not self.once and not _database_answers():
            return False
        metrics.LET_GO.labels("broken").inc()
        try:
            registering.fail_attempt(claim, f"{type(error).__name__}: {error}")
        except Error as refusal:
            self._note(refusal, f"{attempt} could not be ended.")
            if not self.once:
                return _database_answers()
        self._forget(claim)
        return True

    def _renew(self) -> bool:
        if not self.held or time.monotonic() < self.renew_at:
            return False
        registering.renew(self.name, self.held)
        self.renew_at = time.monotonic() + settings.OPERATION_LEASE / 3
        return True

    def _beat(self) -> bool:
        if time.monotonic() < self.beat_at:
            return False
        WorkerHeartbeat.objects.beat(self.name, len(self.held))
        self._tell_counts()
        self.beat_at = time.monotonic() + BEAT_EVERY.total_seconds()
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
                ItemTally.objects,
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
        """A step of what is being deleted. Deletions take turns; one that broke rests."""
        resting = self.rests.resting("deletion")
        key = ExternalConnection.objects.next_deleting(self.last_deletion, resting)
        if key is None:
            return False
        self.last_deletion = key

        def purge() -> bool:
            return provisioning.purge_step(self.name, key)

        done = self._try(purge, ("deletion", key), WORK_RESTS)
        if done:
            self.stopping.wait(PURGE_PAUSE)
        return done

    def _settle(self) -> bool:
        """Let connections go that a limit of items holds no more."""
        if time.monotonic() < self.settle_at:
            return False
        self.settle_at = time.monotonic() + SETTLE_EVERY  # also if it breaks
        return quota.settle_limited(Actor.worker(self.name))

    def _act(self) -> bool:
        """A step of an action on many operations. Runs take turns; one that broke rests."""
        run = runs.next_run(self.last_run, self.rests.resting("run"))
        if run is None:
            return False
        self.last_run = run.pk
        try:
            runs.step(run, self.stopping.is_set)
        except Exception as error:
            self._note(error, f"Run {run.run_id} broke; the others go on.")
            metrics.STEPS_BROKEN.labels("act").inc()
            times = self.rests.broke(("run", run.pk), *WORK_RESTS)
            if times >= PATIENCE and not is_full(error) and _database_answers():
                runs.give_up(run, error)
            return False
        self.rests.went_well(("run", run.pk))
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
        beat_at = max(self.beat_at, self.rests.until(self._beat.__name__))
        due = min([*self.held.values(), beat_at]) - time.monotonic()
        return max(0.0, min(settings.WORKER_POLL, due))


def _database_answers() -> bool:
    try:
        connection.ensure_connection()
        return connection.is_usable()
    except Error:
        return False


class Command(BaseCommand):
    help = "Run the worker: it registers schemas, purges connections, acts on many operations."
    requires_system_checks: list[str] = []  # handle() checks, where no supervisor has done so

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--once", action="store_true", help="work off what is waiting, then end"
        )

    def handle(self, *args: Any, once: bool, **options: Any) -> None:
        if not once:
            # before there are other threads, such as those of a connection pool: a signal would
            # end the process in one that does not hold it back
            signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        if PIPE_VARIABLE not in os.environ:
            self.check(tags=AT_START)
        try:
            use()
        except InUse as refusal:
            raise CommandError(str(refusal)) from None
        if reason := newer_than_this() or not_migrated():
            raise CommandError(reason)
        metrics.work()
        worker = Worker()
        end_with_parent(worker.stop)
        if once:
            for number in SIGNALS:
                signal.signal(number, worker.stop)
        else:
            _stop_on_signal(worker)
        tell_ready()
        log.info("Started.", extra={"worker": worker.name})
        worker.run(once=once)
        log.info("Stopped.", extra={"worker": worker.name})


def _stop_on_signal(worker: Worker) -> None:
    """Let a thread wait for SIGTERM and SIGINT, for the first one may itself be waiting for the
    database, and no signal reaches it there. It ends the process in time, come what may."""

    def wait() -> None:
        signal.sigwait(SIGNALS)
        worker.stop()
        time.sleep(GRACE)
        log.error("Ends without an answer of the database.", extra={"worker": worker.name})
        os._exit(0)

    threading.Thread(target=wait, name="signals", daemon=True).start()
