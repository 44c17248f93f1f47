"""A connection goes from the event loop to a thread and back, whatever its client does meanwhile:
the web process stays the same one, and no request is answered twice."""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
import uuid
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest

from tests.processes import children, own_database, serve, shell

SECONDS = 3.0
CLIENTS = 30
LARGE = "/static/drf_spectacular_sidecar/swagger-ui-dist/swagger-ui-bundle.js"
TOKEN = """
from operations import tokens
from tests.factories import make_application, make_connection
from tests.graph import OWNED
owner = make_application(OWNED)
make_connection("contosohr", owner=owner)
print(tokens.issue_token(owner)[0])
"""
OPERATIONS = "/v1.0/connections/contosohr/operations"


def get(path: str = "/healthz") -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()


def post(token: str) -> bytes:
    body = json.dumps({"id": uuid.uuid4().hex}).encode()
    head = f"Host: 127.0.0.1\r\nAuthorization: Bearer {token}\r\nContent-Length: {len(body)}"
    return f"POST {OPERATIONS} HTTP/1.1\r\n{head}\r\n\r\n".encode() + body


def goes_after_its_answer(client: socket.socket, token: str) -> None:
    client.sendall(get())
    client.recv(65_536)


def resets_in_the_middle_of_a_large_answer(client: socket.socket, token: str) -> None:
    client.sendall(get(LARGE))
    client.recv(1000)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def sends_two_requests_at_once(client: socket.socket, token: str) -> None:
    for _ in range(20):
        client.sendall(post(token) + post(token))
        client.recv(65_536)


@pytest.mark.parametrize(
    "client",
    [
        goes_after_its_answer,
        resets_in_the_middle_of_a_large_answer,
        sends_two_requests_at_once,
    ],
    ids=lambda client: client.__name__,
)
def test_the_process_lives_and_answers_each_request_once(
    tmp_path, client: Callable[[socket.socket, str], None]
):
    with own_database(tmp_path / "data") as environment:
        token = shell(environment, TOKEN)
        environment |= {"WEB_THREADS": "4", "WEB_CONNECTIONS": "20", "LOG_LEVEL": "INFO"}
        log = tmp_path / "log"
        with serve(environment, "--no-worker", log=log) as served:
            before = _workers(served.process.pid)
            _press(served.address, client, token)
            assert _workers(served.process.pid) == before
        assert "Traceback" not in log.read_text(), log.read_text()[-3000:]
        # one that was answered twice created what was there already
        assert " status=409 " not in log.read_text()


def _workers(pid: int) -> set[int]:
    return {grandchild for child in children(pid) for grandchild in children(child)}


def _press(address: str, client: Callable[[socket.socket, str], None], token: str) -> None:
    host, port = urlsplit(address).hostname, urlsplit(address).port
    end = time.monotonic() + SECONDS

    def run() -> None:
        while time.monotonic() < end:
            try:
                with socket.create_connection((host, port), timeout=5) as connected:
                    client(connected, token)
            except OSError:
                pass  # there are too many, and this one gave way

    threads = [threading.Thread(target=run) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
