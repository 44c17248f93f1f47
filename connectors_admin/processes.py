"""Processes of ``serve``: a supervisor that keeps its children running and ends with all of them.

Each child runs in a session of its own, so that Ctrl-C reaches the supervisor alone, and inherits
the reading end of a pipe. When the supervisor is gone, for whatever reason, the pipe ends and the
child stops itself.

SIGHUP replaces the children one by one by new processes, which load code, files and secrets anew:
an earlier one ends, with what it has in hand, only when its successor has said that it is ready.
"""

from __future__ import annotations

import logging
import os
import select
import signal
import subprocess  # nosec B404
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

PIPE_VARIABLE = "CONNECTORS_ADMIN_PARENT_PIPE"
READY_VARIABLE = "CONNECTORS_ADMIN_READY_PIPE"
STOP_TIMEOUT = 10.0  # seconds that a child may take to end cleanly
TOO_SOON = 3.0  # a child that lives shorter than this did not start at all
READY_TIMEOUT = 60.0  # seconds that a successor may take until it is ready


def end_with_parent(stop: Callable[[], Any]) -> None:
    """Call ``stop`` when the supervisor that started this process is gone; else do nothing."""
    descriptor = os.environ.get(PIPE_VARIABLE)
    if not descriptor:
        return

    def wait() -> None:
        os.read(int(descriptor), 1)
        stop()

    threading.Thread(target=wait, name="parent-watch", daemon=True).start()


def tell_ready() -> None:
    """Tell the supervisor, if there is one that waits, that this process does its work now."""
    descriptor = os.environ.pop(READY_VARIABLE, None)
    if descriptor:
        with suppress(OSError):  # nobody waits any more
            os.write(int(descriptor), b"1")
            os.close(int(descriptor))


@dataclass
class Child:
    name: str
    command: Sequence[str]
    inherits: Sequence[int] = ()  # file descriptors
    process: subprocess.Popen | None = None
    started: float = 0.0
    has_run: bool = False


@dataclass
class Supervisor:
    """Starts the children, restarts one that dies, stops all when told to.

    ``prepare`` is the command that must succeed before the children are replaced. ``look_after``
    is called every ``look_every`` seconds; what it raises is logged. ``on_stop`` is called before
    the children are told to end.
    """

    children: list[Child]
    log: logging.Logger
    prepare: Sequence[str] = ()
    look_after: Callable[[], Any] = lambda: None
    look_every: float = 86_400
    on_stop: Callable[[], Any] = lambda: None
    stopping: threading.Event = field(default_factory=threading.Event)
    asked_to_reload: threading.Event = field(default_factory=threading.Event)
    ending: list[tuple[subprocess.Popen, float]] = field(default_factory=list)

    def run(self) -> int:
        """Until SIGTERM or SIGINT: 0. When a child cannot even start: 1."""
        reader, self._writer = os.pipe()
        os.set_inheritable(reader, True)
        self._reader = reader
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.stopping.set())
        signal.signal(signal.SIGHUP, lambda *_: self.asked_to_reload.set())
        try:
            for child in self.children:
                os.close(self._start(child))
            return self._watch()
        finally:
            self._stop_all()

    def _watch(self) -> int:
        look_at = time.monotonic() + self.look_every
        while not self.stopping.wait(0.2):
            for child in self.children:
                assert child.process
                code = child.process.poll()
                soon = time.monotonic() - child.started < TOO_SOON
                if code is None:
                    child.has_run = child.has_run or not soon
                    continue
                if soon and not child.has_run:
                    self.log.warning(f"{child.name} could not start (exit code {code}).")
                    return 1
                if soon:
                    self.stopping.wait(1)
                self.log.warning(f"{child.name} ended with code {code}; starting it again.")
                os.close(self._start(child))
            if self.asked_to_reload.is_set():
                self.asked_to_reload.clear()
                self._reload()
            self._reap()
            if time.monotonic() >= look_at:
                look_at = time.monotonic() + self.look_every
                try:
                    self.look_after()
                except Exception as error:
                    self.log.warning(f"{type(error).__name__}: {error}")
        return 0

    def _start(self, child: Child) -> int:
        """A new process; the descriptor can be read once that is ready."""
        ready, writer = os.pipe()
        child.started = time.monotonic()
        child.process = subprocess.Popen(  # our own programs, without a shell  # nosec B603
            child.command,
            env=os.environ | {PIPE_VARIABLE: str(self._reader), READY_VARIABLE: str(writer)},
            pass_fds=[self._reader, writer, *child.inherits],
            start_new_session=True,
        )
        os.close(writer)
        return ready

    def _reload(self) -> None:
        if not self._is_prepared():
            self.log.warning("Not reloaded: the processes that run go on.")
            return
        for child in self.children:
            earlier, started = child.process, child.started
            assert earlier
            ready = self._start(child)
            if self._is_ready(child, ready):
                self._end(earlier)
            else:
                self.log.warning(f"{child.name} was not reloaded: the earlier one goes on.")
                assert child.process
                self._end(child.process)
                child.process, child.started = earlier, started
            os.close(ready)
        self.log.info("Reloaded.")

    def _is_prepared(self) -> bool:
        process = subprocess.Popen(self.prepare, stdout=subprocess.DEVNULL)  # nosec B603 - ours
        while process.poll() is None:
            if self.stopping.wait(0.1):
                process.terminate()
        return process.returncode == 0

    def _is_ready(self, child: Child, ready: int) -> bool:
        assert child.process
        deadline = time.monotonic() + READY_TIMEOUT
        while child.process.poll() is None and time.monotonic() < deadline:
            if select.select([ready], [], [], 0.1)[0]:
                return os.read(ready, 1) != b""
            if self.stopping.is_set():
                break
        return False

    def _end(self, process: subprocess.Popen) -> None:
        process.terminate()
        self.ending.append((process, time.monotonic() + STOP_TIMEOUT))

    def _reap(self) -> None:
        for process, deadline in list(self.ending):
            if process.poll() is not None:
                self.ending.remove((process, deadline))
            elif time.monotonic() > deadline:
                process.kill()

    def _stop_all(self) -> None:
        self.on_stop()
        for child in self.children:
            if child.process:
                self._end(child.process)
        while self.ending:
            self._reap()
            time.sleep(0.05)
