"""Processes of ``serve``: a supervisor that keeps its children running and ends with all of them.

Each child runs in a session of its own, so that Ctrl-C reaches the supervisor alone, and inherits
the reading end of a pipe. When the supervisor is gone, for whatever reason, the pipe ends and the
child stops itself.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

PIPE_VARIABLE = "CONNECTORS_ADMIN_PARENT_PIPE"
STOP_TIMEOUT = 10.0  # seconds that a child may take to end cleanly
TOO_SOON = 3.0  # a child that lives shorter than this did not start at all


def end_with_parent(stop: Callable[[], Any]) -> None:
    """Call ``stop`` when the supervisor that started this process is gone; else do nothing."""
    descriptor = os.environ.get(PIPE_VARIABLE)
    if not descriptor:
        return

    def wait() -> None:
        os.read(int(descriptor), 1)
        stop()

    threading.Thread(target=wait, name="parent-watch", daemon=True).start()


@dataclass
class Child:
    name: str
    command: Sequence[str]
    process: subprocess.Popen | None = None
    started: float = 0.0
    has_run: bool = False


@dataclass
class Supervisor:
    """Starts the children, restarts one that dies, stops all when told to."""

    children: list[Child]
    log: Callable[[str], Any]
    stopping: threading.Event = field(default_factory=threading.Event)

    def run(self) -> int:
        """Until SIGTERM or SIGINT: 0. When a child cannot even start: 1."""
        reader, self._writer = os.pipe()
        os.set_inheritable(reader, True)
        self._reader = reader
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.stopping.set())
        try:
            for child in self.children:
                self._start(child)
            return self._watch()
        finally:
            self._stop_all()

    def _watch(self) -> int:
        while not self.stopping.wait(0.2):
            for child in self.children:
                assert child.process
                code = child.process.poll()
                soon = time.monotonic() - child.started < TOO_SOON
                if code is None:
                    child.has_run = child.has_run or not soon
                    continue
                if soon and not child.has_run:
                    self.log(f"{child.name} could not start (exit code {code}).")
                    return 1
                if soon:
                    self.stopping.wait(1)
                self.log(f"{child.name} ended with code {code}; starting it again.")
                self._start(child)
        return 0

    def _start(self, child: Child) -> None:
        child.started = time.monotonic()
        child.process = subprocess.Popen(
            child.command,
            env=os.environ | {PIPE_VARIABLE: str(self._reader)},
            pass_fds=[self._reader],
            start_new_session=True,
        )

    def _stop_all(self) -> None:
        running = [child.process for child in self.children if child.process]
        for process in running:
            process.terminate()
        deadline = time.monotonic() + STOP_TIMEOUT
        for process in running:
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
