"""The web server's worker: threads answer whole requests, an event loop does all that may wait.

gunicorn's own threads read a request and send its answer themselves, so that as many slow clients
as there are threads hold the server. Here ``web_connections`` gathers and sends without a thread.
"""

from __future__ import annotations

import errno
import os
import selectors
import ssl
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Lock
from typing import Any

from django.conf import settings
from gunicorn import sock
from gunicorn.workers.gthread import ThreadWorker

from connectors_admin.web_connections import Connection, Limits, Next

#: Seconds between two looks at the deadlines.
LOOK = 0.5
#: Answered by threads of their own: a process whose others all wait for the database still lives.
PROBES = ("/healthz", "/readyz")
#: A stopping worker keeps connections without a request for a moment: one may be on its way.
LINGER = 2.0


class Settled:
    """gunicorn's settings, each looked up once: they stay as they are while a worker lives, and a
    request asks for some thirty of them."""

    def __init__(self, settings: Any):
        self._settings = settings

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._settings, name)
        setattr(self, name, value)
        return value


class GraphThreadWorker(ThreadWorker):
    """gunicorn's threads, without the clients that would hold them."""

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.cfg: Any = Settled(self.cfg)
        self.limits = Limits(
            head=4 * self.cfg.limit_request_field_size,
            body=settings.DATA_UPLOAD_MAX_MEMORY_SIZE,
            seconds=settings.WEB_REQUEST_SECONDS,
            idle=self.cfg.keepalive,
        )
        self.alive: bool
        self.connections: set[Connection] = set()
        self.watched: dict[Connection, int] = {}  # by the poller, for these events
        self.handing_over = Lock()
        self.looked = 0.0
        self.probes = ThreadPoolExecutor(2, "probes")
        self.tls: tuple[int, ssl.SSLContext] | None = None

    def run(self) -> None:
        self.poller.register(
            self.method_queue.fileno(), selectors.EVENT_READ, self.method_queue.run_callbacks
        )
        self.set_accept_enabled(True)
        while self.alive:
            self._turn()
        self.alive = False
        self._stop_listening()
        self._finish()
        for connection in list(self.connections):
            self._close(connection)
        self.tpool.shutdown(wait=False)
        self.probes.shutdown(wait=False)
        self.poller.close()
        self.method_queue.close()

    def _turn(self) -> None:
        self.wait_for_and_dispatch_events(timeout=LOOK)
        now = time.monotonic()
        if now - self.looked >= LOOK:
            self.looked = now
            self.notify()
            self.alive = self.alive and self.is_parent_alive()
            self.set_accept_enabled(self.alive)
            for connection in [each for each in self._waiting() if each.deadline <= now]:
                self._go_on(connection, connection.expire)

    def _waiting(self) -> Iterator[Connection]:
        """Those that wait for their client, and not for a thread of ours."""
        return (each for each in self.watched if not each.at_work)

    def _stop_listening(self) -> None:
        """Who has connected already is served; who comes now is refused, or goes to the others."""
        self.set_accept_enabled(False)
        for listener in self.sockets:
            while self.accept(listener):
                pass
            listener.close()

    def _finish(self) -> None:
        """Requests that have begun are answered, as far as that is possible in time."""
        stopped = time.monotonic()
        end = stopped + self.cfg.graceful_timeout - 1
        while self.connections and time.monotonic() < end:
            for connection in self._waiting():
                if connection.is_idle:
                    last = max(stopped, connection.since) + LINGER
                    connection.deadline = min(connection.deadline, last)
            self._turn()

    # Connections, in the event loop --------------------------------------------------------------

    def accept(self, listener: Any) -> bool:
        """Whether there was a connection to accept."""
        if len(self.connections) >= self.worker_connections and not self._make_room():
            return False
        try:
            client_socket, client = listener.accept()
        except OSError as error:  # another worker has it, or it is gone already
            if error.errno in (errno.EMFILE, errno.ENFILE):
                self._make_room()
            return False
        try:
            client_socket.setblocking(False)
            if self.cfg.is_ssl:
                client_socket = self._tls_context().wrap_socket(
                    client_socket, server_side=True, do_handshake_on_connect=False
                )
            connection = Connection(client_socket, client, self.cfg, self.limits)
        except OSError:  # gone already
            client_socket.close()
        else:
            self.connections.add(connection)
            self._watch(connection, selectors.EVENT_READ)
        return True

    def _tls_context(self) -> ssl.SSLContext:
        """Made anew when the certificate was: a renewed one is shown without a restart."""
        changed = os.stat(self.cfg.certfile).st_mtime_ns
        if self.tls is None or self.tls[0] != changed:
            self.tls = changed, sock.ssl_context(self.cfg)
        return self.tls[1]

    def _make_room(self) -> bool:
        """End the connection that can best be spared, or else the one that takes the longest.

        False when all wait for a thread with a whole request or came just now, perhaps with one:
        then nobody is accepted for a moment, and who comes waits in the listener's queue.
        """
        now = time.monotonic()
        old = [each for each in self._waiting() if now - each.since >= LOOK]
        if not old:
            self.set_accept_enabled(False)
            return False
        oldest = min(old, key=lambda each: (not each.is_spare, each.since))
        self._go_on(oldest, oldest.give_way)
        return True

    def _watch(self, connection: Connection, events: int) -> None:
        handler = partial(self._ready, connection)
        if connection not in self.watched:
            self.poller.register(connection.socket, events, handler)
        elif self.watched[connection] != events:
            self.poller.modify(connection.socket, events, handler)
        self.watched[connection] = events

    def _ready(self, connection: Connection, _: Any) -> None:
        with self.handing_over:
            if connection.at_work:  # what comes before the answer waits for it
                self._unwatch(connection)
                return
        self._go_on(connection, connection.ready)

    def _go_on(self, connection: Connection, step: Callable[[], Next]) -> None:
        self._follow(connection, self._after(step))

    def _after(self, step: Callable[[], Next]) -> Next:
        """What a connection waits for after this step."""
        try:
            return step()
        except Exception:
            self.log.exception("A connection is closed")
            return Next.CLOSE

    def _follow(self, connection: Connection, then: Next) -> None:
        if then is Next.READ:
            self._watch(connection, selectors.EVENT_READ)
        elif then is Next.WRITE:
            self._watch(connection, selectors.EVENT_WRITE)
        elif then is Next.WORK:
            connection.at_work = True
            if connection in self.watched:
                self._watch(connection, selectors.EVENT_READ)
            self.enqueue_req(connection)
        else:
            self._close(connection)

    def _unwatch(self, connection: Connection) -> None:
        if connection in self.watched:
            del self.watched[connection]
            self.poller.unregister(connection.socket)

    def _close(self, connection: Connection) -> None:
        self._unwatch(connection)
        self.connections.discard(connection)
        connection.close()

    def enqueue_req(self, connection: Connection) -> None:
        """Have a thread answer its request."""
        assert connection.request
        threads = self.probes if connection.request.path.endswith(PROBES) else self.tpool
        threads.submit(self.handle, connection)

    # Requests, in a thread -----------------------------------------------------------------------

    def handle(self, connection: Connection) -> None:
        """Answer its request, and send of the answer what the client takes at once.

        The poller has gone on watching the connection: mostly nothing comes before the answer is
        there, and then the event loop need not be woken for that. Otherwise the connection stays at
        work until the loop has it: nobody else takes a step with it before.
        """
        keep = self._answer(connection)
        then = self._after(partial(connection.answered, keep))
        with self.handing_over:
            if then is Next.READ and connection in self.watched and self._accepting:
                connection.at_work = False
                return
        self.method_queue.defer(self._answered, connection, then)

    def _answered(self, connection: Connection, then: Next) -> None:
        """Called in the event loop when a thread has answered."""
        if self.alive:
            self.set_accept_enabled(True)
        connection.at_work = False
        self._follow(connection, then)

    def _answer(self, connection: Connection) -> bool:
        """Whether another request may follow on the connection."""
        try:
            return self.handle_request(connection.request, connection)
        except StopIteration:  # the answer broke off; gunicorn has logged why
            return False
        except OSError as error:
            self.log.debug("The client did not wait for its answer: %s", error)
            return False
        except BaseException as error:  # nobody looks at what this thread raises
            self.handle_error(connection.request, connection, connection.client, error)
            return False
