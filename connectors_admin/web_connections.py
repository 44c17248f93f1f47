"""A connection to a client, while it waits for that client: no thread does.

The event loop (``web_worker``) calls ``ready`` whenever the socket can be read or written. A
request is gathered here, head and body, before a thread takes it; what the client does not take of
the answer at once waits here, too. Everything that waits has a deadline, and a size at which it is
refused or goes to a temporary file. Heads are read by gunicorn's own parser.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from functools import partial
from io import BytesIO
from tempfile import SpooledTemporaryFile
from typing import IO, Any

from gunicorn.http.body import Body, ChunkedReader, LengthReader
from gunicorn.http.errors import (
    InvalidHeader,
    LimitRequestHeaders,
    LimitRequestLine,
    NoMoreData,
    ParseException,
)
from gunicorn.http.message import Request
from gunicorn.http.unreader import Unreader

from connectors_admin.web_chunks import Chunks
from connectors_admin.web_refusals import refusal
from operations.errors import GraphError, RequestTimeout, RequestTooLarge, TooManyConnections

#: What is read at once.
READ = 65_536
#: What is sent at once: a TLS record. One that was not taken must be tried again with at least the
#: same bytes (SSL_write(3)), which is so as long as all are cut at this length.
PIECE = 16_384
#: Of a body, or of an answer that waits, in memory; the rest goes to a temporary file.
IN_MEMORY = 16_384
#: A client that reads an answer slowly must take this much in every ``Limits.seconds``.
PACE = 65_536
#: After the last answer: what is still on its way is read and thrown away before the connection is
#: closed, or the system would reset it and take the answer along (RFC 9112, 9.6).
DRAIN_SECONDS = 2.0


@dataclass(frozen=True)
class Limits:
    """``head`` and ``body`` in bytes; ``seconds`` for a whole request, ``idle`` between two."""

    head: int
    body: int
    seconds: float
    idle: float


class Next(Enum):
    """What a connection waits for."""

    READ = "until it can be read"
    WRITE = "until it can be written"
    WORK = "for a thread to answer its request"
    CLOSE = "for nothing more"


class Gathered(Unreader):
    """What gunicorn's parser reads from instead of a socket: a head, then a whole body."""

    def __init__(self, head: bytes):
        super().__init__()
        self.buf.write(head)
        self.body: IO[bytes] = BytesIO()

    def expect_body(self) -> None:
        """One comes that may be larger than what is kept in memory."""
        self.body = SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115 closed with the request

    def chunk(self, size_hint: int | None = None) -> bytes:
        return self.body.read(max(size_hint or 0, 8192))


class PlainRequest(Request):
    """gunicorn's, which looks whether this client may speak for others. Here nobody may: Django
    reads what a proxy says, if a setting says so."""

    def _peer_trusted_for_forwarded(self) -> tuple[dict[str, str], list[str]]:
        return {}, []


class Connection:
    """One client. Belongs to the event loop, and to a thread while that answers its request."""

    def __init__(self, client_socket: socket.socket, client: Any, cfg: Any, limits: Limits):
        self.socket = client_socket
        self.client = client
        self.server = client_socket.getsockname()
        self.cfg = cfg
        self.limits = limits
        self.received = bytearray()
        self.source: Gathered | None = None
        self.request: Request | None = None
        self.requests = 0
        self.at_work = False  # a thread answers its request
        self.written = bytearray()  # by the thread, not tried to send yet
        self.waiting: SpooledTemporaryFile | None = None  # what the client did not take at once
        self.step: Callable[[], Next] = self._receive
        if isinstance(client_socket, ssl.SSLSocket):
            self.step = self._shake_hands
        self._within(limits.seconds)

    @property
    def is_idle(self) -> bool:
        """Whether no request has begun, and none is being answered."""
        return self.step == self._receive and not self.received and self.request is None

    @property
    def is_spare(self) -> bool:
        """Whether it has had its answer, so that nothing is lost with it."""
        return self.step == self._drain or (self.is_idle and self.requests > 0)

    def ready(self) -> Next:
        """Go on as far as that is possible without waiting."""
        return self._without_waiting(self.step)

    def expire(self) -> Next:
        """Its deadline has passed."""
        return self._end(RequestTimeout(self.limits.seconds))

    def give_way(self) -> Next:
        """There are too many, and this one is the least of them."""
        return self._end(TooManyConnections())

    def answered(self, keep: bool) -> Next:
        """The answer is written. With ``keep`` the next request may follow, once it is sent."""
        if self.source:
            self.source.body.close()
        self.request = None
        self.keep = keep
        return self._without_waiting(self._begin_to_send)

    def close(self) -> None:
        for file in (self.waiting, self.source and self.source.body):
            if file:
                file.close()
        self.socket.close()

    def _end(self, why: GraphError) -> Next:
        """Tell a client that is in the middle of its request; else there is nothing to answer."""
        if self.step == self._receive and not self.is_idle:
            return self._without_waiting(partial(self._refuse, why))
        return Next.CLOSE

    def _without_waiting(self, step: Callable[[], Next]) -> Next:
        try:
            return step()
        except (BlockingIOError, ssl.SSLWantReadError):
            return Next.WRITE if self.step == self._send else Next.READ
        except ssl.SSLWantWriteError:
            return Next.WRITE
        except OSError:  # the client is gone, or does not speak TLS
            return Next.CLOSE

    def _within(self, seconds: float) -> None:
        self.since = time.monotonic()
        self.deadline = self.since + seconds

    # The request ---------------------------------------------------------------------------------

    def _shake_hands(self) -> Next:
        self.socket.do_handshake()  # type: ignore[attr-defined]
        self.step = self._receive
        return Next.READ

    def _receive(self) -> Next:
        data = self.socket.recv(READ)
        if not data:
            return Next.CLOSE
        if self.is_idle:
            self._within(self.limits.seconds)
        self.received += data
        return self._gather()

    def _gather(self) -> Next:
        try:
            if self.request is None and not self._take_head():
                return Next.READ
            return Next.WORK if self._take_body() else Next.READ
        except NoMoreData:
            return self._refuse(InvalidHeader("the head ends too early"))
        except (GraphError, ParseException) as refused:
            return self._refuse(refused)

    def _take_head(self) -> bool:
        end = self.received.find(b"\r\n\r\n") + 4
        if end < 4 or end > self.limits.head:
            self._refuse_early()
            return False
        self.source = Gathered(bytes(self.received[:end]))
        del self.received[:end]
        self.requests += 1
        self.size = 0
        self.chunks = None
        self.request = request = PlainRequest(self.cfg, self.source, self.client, self.requests)
        if isinstance(request.body.reader, ChunkedReader):
            self.source.expect_body()
            self.chunks = Chunks(self.source.body, self.cfg.limit_request_field_size)
        elif request.body.reader.length > self.limits.body:
            raise RequestTooLarge(self.limits.body)
        elif request.body.reader.length:
            self.source.expect_body()
        if request._expected_100_continue:
            request._expected_100_continue = False  # gunicorn would say it when all is there
            self.socket.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        return True

    def _refuse_early(self) -> None:
        """Raise if a head that is not whole can no longer become a good one."""
        line = self.received.find(b"\r\n")
        if (line if line >= 0 else len(self.received)) > self.cfg.limit_request_line + 2:
            raise LimitRequestLine(len(self.received), self.cfg.limit_request_line)
        if len(self.received) > self.limits.head:
            raise LimitRequestHeaders("the head is too long")
        if self.received.count(b"\n") != self.received.count(b"\r\n"):
            raise InvalidHeader("bare LF as line terminator")

    def _take_body(self) -> bool:
        """Move what has come of the body to where it is gathered; True when it is whole."""
        assert self.request and self.source
        if self.chunks:
            end = self.chunks.take(self.received)
            taken = len(self.received) if end is None else end
            is_whole = end is not None
        else:
            length = self.request.body.reader.length
            taken = min(length - self.size, len(self.received))
            is_whole = self.size + taken == length
            if taken:
                self.source.body.write(self.received[:taken])
        del self.received[:taken]
        self.size += taken
        content = self.source.body.tell()
        if max(content, self.size - content) > self.limits.body:  # chunks have frames
            raise RequestTooLarge(self.limits.body)
        if is_whole:
            if self.chunks:
                self._give_length()
            self.source.body.seek(0)
        return is_whole

    def _give_length(self) -> None:
        """Make a request whose body came in chunks one whose body came as a whole."""
        assert self.request and self.source
        length = self.source.body.tell()
        self.request.body = Body(LengthReader(self.source, length))
        self.request.headers = [
            (name, value) for name, value in self.request.headers if name != "TRANSFER-ENCODING"
        ] + [("CONTENT-LENGTH", str(length))]

    def _refuse(self, why: GraphError | ParseException) -> Next:
        self.written += refusal(why, self.cfg, self.client)
        return self.answered(False)

    # The answer ----------------------------------------------------------------------------------

    @property
    def sock(self) -> Connection:
        """What gunicorn writes the answer to, in a thread: ``sendall`` does not wait."""
        return self

    def sendall(self, data: bytes) -> None:
        self.written += data
        if len(self.written) >= PIECE:
            self._push()

    def shutdown(self, how: int) -> None:
        """gunicorn cuts an answer that broke off, and would wait until the client sees it."""
        raise OSError("The event loop does it, when what was written is sent.")

    def _push(self) -> None:
        """Send what the client takes at once. From what it does not on, all goes to ``waiting``."""
        data, self.written = memoryview(self.written), bytearray()
        try:
            while data and self.waiting is None:
                data = data[self.socket.send(data[:PIECE]) :]
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            self.waiting = SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115
        if self.waiting is not None:
            self.waiting.write(data)

    def _begin_to_send(self) -> Next:
        self._push()
        if self.waiting is None:
            return self._sent()
        self.waiting.seek(0)
        self.piece = b""
        self.taken = 0
        self.step = self._send
        self._within(self.limits.seconds)
        return Next.WRITE

    def _send(self) -> Next:
        assert self.waiting
        while piece := self.piece or self.waiting.read(PIECE):
            self.piece = piece
            sent = self.socket.send(piece)
            self.piece = piece[sent:]
            self.taken += sent
            if self.taken >= PACE:
                self.taken = 0
                self._within(self.limits.seconds)
                return Next.WRITE  # the others have their turn
        self.waiting.close()
        self.waiting = None
        return self._sent()

    def _sent(self) -> Next:
        if self.keep:
            self.step = self._receive
            self._within(self.limits.seconds if self.received else self.limits.idle)
            return self._gather() if self.received else Next.READ
        self.step = self._drain
        self._within(DRAIN_SECONDS)
        self.socket.shutdown(socket.SHUT_WR)
        return Next.READ

    def _drain(self) -> Next:
        return Next.READ if self.socket.recv(READ) else Next.CLOSE
