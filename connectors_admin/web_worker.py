"""The web server's worker: what it refuses before Django sees it has Graph's envelope as well."""

from __future__ import annotations

import socket
import time
import uuid
from types import SimpleNamespace
from typing import Any

from gunicorn.http.errors import LimitRequestHeaders, LimitRequestLine, ParseException
from gunicorn.workers.gthread import ThreadWorker

from operations.api.answers import answer, envelope
from operations.errors import UnreadableRequest

#: What is still on its way is read and thrown away before the connection is closed, or the system
#: would reset it and take the answer along; but not for longer and not more than this.
DRAIN_SECONDS = 1.0
DRAIN_BYTES = 1_000_000


class GraphThreadWorker(ThreadWorker):
    """Threads, as gunicorn has them, and clients that find JSON where they expect it."""

    def handle_error(self, req: Any, client: socket.socket, addr: Any, exc: BaseException) -> None:
        if not isinstance(exc, ParseException):
            super().handle_error(req, client, addr, exc)
            return
        request_id = str(uuid.uuid4())
        whose = {"request_id": request_id}
        self.log.warning("Refused a request of %s: %s", (addr or ("?",))[0], exc, extra=whose)
        try:
            client.settimeout(DRAIN_SECONDS)
            client.sendall(self._refusal(exc, request_id))
            client.shutdown(socket.SHUT_WR)
            _drain(client)
        except OSError:
            self.log.debug("The client did not wait for its refusal.")

    def _refusal(self, exc: ParseException, request_id: str) -> bytes:
        error = UnreadableRequest(self._reason(exc))
        if isinstance(exc, LimitRequestHeaders):
            error.status = 431
        request = SimpleNamespace(request_id=request_id, client_request_id=request_id)
        response = answer(envelope(error, request), error.status)  # type: ignore[arg-type]
        lines = [
            f"HTTP/1.1 {error.status} {response.reason_phrase}",
            "Connection: close",
            f"Content-Type: {response['Content-Type']}",
            f"Content-Length: {len(response.content)}",
            f"request-id: {request_id}",
            f"client-request-id: {request_id}",
        ]
        return "\r\n".join([*lines, "", ""]).encode() + response.content

    def _reason(self, exc: ParseException) -> str:
        if isinstance(exc, LimitRequestLine):
            limit = self.cfg.limit_request_line
            return f"The address with its query options is longer than {limit} bytes."
        if isinstance(exc, LimitRequestHeaders):
            limit = self.cfg.limit_request_field_size
            return f"A header is longer than {limit} bytes, or there are too many of them."
        return "The request is not one that HTTP has."


def _drain(client: socket.socket) -> None:
    end = time.monotonic() + DRAIN_SECONDS
    left = DRAIN_BYTES
    while left > 0 and time.monotonic() < end and (data := client.recv(65_536)):
        left -= len(data)
