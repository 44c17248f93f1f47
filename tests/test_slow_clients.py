"""Slow clients hold no thread of the web server, and not for ever: real ones, 200 of each kind.

The server has two threads, so that a kind of slow client that holds one would hold all at once.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from urllib.parse import urlsplit

import pytest
from django.conf import settings

from tests.processes import (
    Serving,
    children,
    own_database,
    serve,
    wait_for,
    written_by_another,
)

MANY = 200
FEW = 60
#: Bytes of a body.
LARGEST = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
#: What a creation writes to.
WRITTEN = "operations_externalconnection"
HEAD = "Host: localhost\r\nAuthorization: Bearer x\r\n"
POST = f"POST /v1.0/connections HTTP/1.1\r\n{HEAD}"
#: Larger than what the systems of both sides keep on the way.
LARGE = "/static/drf_spectacular_sidecar/swagger-ui-dist/swagger-ui-bundle.js"
FETCH = f"GET {LARGE} HTTP/1.1\r\n{HEAD}\r\n".encode()
ASK = f"GET /v1.0/connections HTTP/1.1\r\n{HEAD}".encode()
#: What each kind of client has sent when it stops.
SENT = {
    "nothing": b"",
    "half a request line": b"GET /v1.0/conn",
    "half of the headers": ASK,
    "half a body": POST.encode() + b"Content-Length: 100\r\n\r\n{",
    "half a chunk": POST.encode() + b"Transfer-Encoding: chunked\r\n\r\n64\r\n{",
    "a request, answer not read": FETCH * 8,
    "a request, kept alive": ASK + b"\r\n",
}
HALF_A_HANDSHAKE = b"\x16\x03\x01\x02\x00\x01\x00"


@pytest.fixture(scope="module", autouse=True)
def _many_files():
    """Two hundred clients of every kind in this process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 4096)), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@contextmanager
def server(folder, *arguments: str, **settings: str) -> Iterator[Serving]:
    settings = {"WEB_THREADS": "2", "SQLITE_BUSY_TIMEOUT": "30"} | settings
    with (
        own_database(folder) as environment,
        serve(environment | settings, "--no-worker", *arguments) as running,
    ):
        yield running


@pytest.fixture(scope="module", params=["http", "https"])
def patient(request, tmp_path_factory):
    """With the time for a request that is the default: nobody is cut off while a test runs."""
    tls = ["--tls"] if request.param == "https" else []
    with server(tmp_path_factory.mktemp("patient"), *tls) as running:
        yield running


@pytest.fixture(scope="module")
def hasty(tmp_path_factory):
    """A second for a request, and few connections."""
    settings = {"WEB_REQUEST_SECONDS": "1", "WEB_CONNECTIONS": str(FEW)}
    with server(tmp_path_factory.mktemp("hasty"), "--tls", **settings) as running:
        yield running


def connect(serving: Serving, sent: bytes = b"", *, bare: bool = False) -> socket.socket:
    """A client that has sent this; over TLS where that is what is served, unless ``bare``."""
    address = urlsplit(serving.address)
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.settimeout(20)
    try:
        connection.connect((address.hostname, address.port))
        if address.scheme == "https" and not bare:
            connection = ssl._create_unverified_context().wrap_socket(connection)
        connection.sendall(sent)
    except OSError:
        connection.close()
        raise
    return connection


def read(connection: socket.socket) -> bytes:
    """All that comes until the other side has ended it."""
    answer = b""
    try:
        while data := connection.recv(65_536):
            answer += data
    except ConnectionError:
        pass
    return answer


def answers(raw: bytes) -> tuple[int, bytes]:
    head, _, body = raw.partition(b"\r\n\r\n")
    return int(head.split()[1]), body


def ask(serving: Serving, request: bytes) -> tuple[int, bytes]:
    with connect(serving, request) as connection:
        return answers(read(connection))


def is_answered(serving: Serving) -> bool:
    """Whether an ordinary client is: the application, in a thread, refuses its token."""
    return ask(serving, ASK + b"Connection: close\r\n\r\n")[0] == 401


def is_held(connection: socket.socket) -> bool:
    """Whether the server has neither answered nor closed."""
    connection.setblocking(False)
    try:
        connection.recv(1)
    except (BlockingIOError, ssl.SSLWantReadError):
        return True
    return False


KINDS = [*SENT, "half a handshake"]


def slow_client(serving: Serving, kind: str) -> socket.socket:
    if kind == "half a handshake":
        return connect(serving, HALF_A_HANDSHAKE, bare=True)
    return connect(serving, SENT[kind])


@pytest.mark.parametrize("kind", KINDS)
def test_an_ordinary_client_is_answered_while_200_slow_ones_wait(patient, kind):
    with ExitStack() as stack:
        slow = [stack.enter_context(slow_client(patient, kind)) for _ in range(MANY)]
        assert all(is_answered(patient) for _ in range(5))
        if not kind.startswith("a request"):
            assert all(is_held(connection) for connection in slow)


# Not for ever ------------------------------------------------------------------------------------


def test_slow_ones_are_cut_off_and_told_why(hasty):
    with ExitStack() as stack:
        slow = {kind: stack.enter_context(slow_client(hasty, kind)) for kind in KINDS}
        assert is_answered(hasty)
        kept = slow.pop("a request, kept alive")
        unread = slow.pop("a request, answer not read")
        said = {kind: read(connection) for kind, connection in slow.items()}
        assert said.pop("nothing") == said.pop("half a handshake") == b""
        for kind, answer in said.items():
            status, body = answers(answer)
            error = json.loads(body)["error"]
            assert (status, error["code"]) == (408, "RequestTimeout"), kind
            assert error["message"] == "The request was not complete within 1 seconds."
        whole = 8 * len(ask(hasty, FETCH.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))[1])
        assert len(read(unread)) < whole, "the server waited for a client that read nothing"
        # between two requests there is more time than for one
        assert answers(kept.recv(65_536))[0] == 401
        kept.sendall(ASK + b"Connection: close\r\n\r\n")
        assert answers(read(kept))[0] == 401


def test_a_byte_now_and_then_does_not_help(hasty):
    with connect(hasty, b"GET /v1.0/connections HTTP/1.1\r\nX-Slow: ") as connection:
        connection.settimeout(0.1)
        began = time.monotonic()
        answer = b""
        while not answer:
            assert time.monotonic() - began < 10
            try:
                connection.sendall(b"a")
                answer = connection.recv(65_536)
            except TimeoutError:
                pass
        assert answers(answer)[0] == 408


def test_with_as_many_connections_as_there_may_be_the_oldest_one_gives_way(hasty):
    """A new client does not wait for them, and those that have begun are told."""
    with ExitStack() as stack:
        slow = [
            stack.enter_context(slow_client(hasty, "half a body")) for _ in range(FEW + FEW // 2)
        ]
        assert is_answered(hasty)
        status, body = answers(read(slow[0]))
        assert (status, json.loads(body)["error"]["code"]) == (503, "serviceNotAvailable")
        assert answers(read(slow[-1]))[0] == 408


def test_who_waits_for_a_thread_is_not_ended_and_nobody_more_is_let_in(tmp_path):
    """All threads wait for the database, and every client has sent the whole of its request."""
    with server(tmp_path, WEB_CONNECTIONS="20") as serving:
        [web] = [pid for pid, line in children(serving.process.pid).items() if "gunicorn" in line]
        [worker] = children(web)
        before = len(os.listdir(f"/proc/{worker}/fd"))
        requests = [creation(serving, f"queued{number}") for number in range(FEW)]
        with ExitStack() as stack:
            with written_by_another(serving.environment, WRITTEN):
                clients = [stack.enter_context(connect(serving, sent)) for sent in requests]
                time.sleep(1)
                used = cpu_seconds(worker)
                time.sleep(1)
                assert cpu_seconds(worker) - used < 0.5, "it runs in circles"
                assert len(os.listdir(f"/proc/{worker}/fd")) - before < FEW - 20
            assert [answers(read(client))[0] for client in clients] == [201] * FEW


def test_probes_are_answered_while_all_threads_wait(tmp_path):
    """Else whoever looks after the process would take it for dead, and end it for nothing."""
    with server(tmp_path) as serving, ExitStack() as stack:
        sent = [creation(serving, f"queued{number}") for number in range(4)]
        with written_by_another(serving.environment, WRITTEN):
            clients = [stack.enter_context(connect(serving, each)) for each in sent]
            for path in ("/healthz", "/readyz"):
                began = time.monotonic()
                request = f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
                assert ask(serving, request.encode())[0] == 200
                assert time.monotonic() - began < 3
        assert [answers(read(client))[0] for client in clients] == [201] * 4


def creation(serving: Serving, name: str) -> bytes:
    """The whole of a request that writes to the database."""
    body = json.dumps({"id": name, "name": "x"})
    head = "POST /v1.0/connections HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    head += f"Authorization: Bearer {serving.token}\r\nContent-Length: {len(body)}\r\n\r\n"
    return f"{head}{body}".encode()


def cpu_seconds(pid: int) -> float:
    with open(f"/proc/{pid}/stat") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


# Not without end ---------------------------------------------------------------------------------


def test_a_body_that_is_too_large_is_refused_before_it_is_sent(patient):
    for expect in ("", "Expect: 100-continue\r\n"):
        request = f"{POST}{expect}Content-Length: 10000000\r\n\r\n"
        status, body = ask(patient, request.encode())
        error = json.loads(body)["error"]
        assert (status, error["code"]) == (413, "RequestEntityTooLarge")
        assert (
            error["message"] == f"The request body is larger than the maximum of {LARGEST} bytes."
        )


def test_a_body_that_grows_too_large_is_cut(patient):
    chunk = b"10000\r\n" + b" " * 65_536 + b"\r\n"
    with connect(patient, POST.encode() + b"Transfer-Encoding: chunked\r\n\r\n") as connection:
        for _ in range(LARGEST // 65_536 + 1):
            connection.sendall(chunk)
        assert answers(read(connection))[0] == 413


def test_chunks_with_more_around_them_than_in_them_are_cut(patient):
    chunk = b"1;" + b"a" * 1000 + b"\r\n \r\n"
    with connect(patient, POST.encode() + b"Transfer-Encoding: chunked\r\n\r\n") as connection:
        for _ in range(LARGEST // 1000 + 1):
            connection.sendall(chunk)
        assert answers(read(connection))[0] == 413


@pytest.mark.parametrize(
    ("request_start", "status"),
    [
        (b"GET /" + b"a" * 10_000, 400),
        (ASK + b"X-Long: " + b"a" * 100_000, 431),
        (ASK + b"X: y\r\n" * 20_000, 431),
        (b"GET / HTTP/1.1\nHost: localhost\n\n", 400),
        (POST.encode() + b"Transfer-Encoding: chunked\r\n\r\n" + b"0" * 20_000, 400),
        (POST.encode() + b"Transfer-Encoding: chunked\r\n\r\nfive\r\n", 400),
        (POST.encode() + b"Transfer-Encoding: chunked\r\n\r\n-5\r\n", 400),
        (POST.encode() + b"Transfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n", 400),
        (POST.encode() + b"Transfer-Encoding: chunked\r\n\r\n1\na\n0\n\n", 400),
    ],
    ids=["address", "header", "headers", "line ends", "size", "word", "sign", "chunk", "LF"],
)
def test_what_can_no_longer_become_a_request_is_not_waited_for(patient, request_start, status):
    refused, body = ask(patient, request_start)
    assert refused == status
    assert json.loads(body)["error"]["innerError"]["code"] == "UnreadableRequest"


# And nothing is lost by it -----------------------------------------------------------------------


def test_a_body_in_pieces_arrives_whole(patient):
    """The token endpoint reads a form and says what is wrong with it."""
    path = urlsplit(patient.printed("Token address")).path
    form = b"grant_type=client_credentials&client_secret=x&scope=a/.default&padding="
    form += b"a" * 90_000 + b"&client_id=nobody"
    head = f"POST {path} HTTP/1.1\r\n{HEAD}Connection: close\r\n"
    head += "Content-Type: application/x-www-form-urlencoded\r\n"
    chunks = b"".join(
        b"%x;name=value\r\n%s\r\n" % (len(piece), piece)
        for piece in (form[at : at + 7_000] for at in range(0, len(form), 7_000))
    )
    sent = {
        f"{head}Content-Length: {len(form)}\r\n\r\n": form,
        f"{head}Transfer-Encoding: chunked\r\n\r\n": chunks + b"0\r\nX-Trailer: a\r\n\r\n",
    }
    for head, body in sent.items():
        with connect(patient, head.encode()) as connection:
            for at in range(0, len(body), 9_999):
                connection.sendall(body[at : at + 9_999])
            status, answer = answers(read(connection))
        assert (status, json.loads(answer)["error"]) == (400, "unauthorized_client")
        assert b"identifier 'nobody' was not found" in answer


def test_a_client_that_waits_to_be_told_to_go_on_is_told(patient):
    request = f"{POST}Connection: close\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"
    with connect(patient, request.encode()) as connection:
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"{}")
        assert answers(read(connection))[0] == 401


def test_requests_sent_in_one_go_are_answered_in_their_order(patient):
    chunked = POST.encode() + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
    missing = b"GET /v1.0/nothing HTTP/1.1\r\nHost: localhost\r\n\r\n"
    last = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    with connect(patient, chunked + missing + last) as connection:
        lines = [line for line in read(connection).split(b"\r\n") if b"HTTP/1.1 " in line]
    assert [line.rpartition(b"HTTP/1.1 ")[2][:3] for line in lines] == [b"401", b"401", b"302"]


def test_a_request_that_has_begun_is_answered_when_the_server_ends(patient):
    """The last one of this server. Connections without a request do not keep it from ending."""
    with (
        connect(patient, POST.encode() + b"Content-Length: 2\r\n\r\n{") as connection,
        connect(patient, ASK + b"\r\n") as idle,
        connect(patient),
    ):
        assert answers(idle.recv(65_536))[0] == 401
        patient.process.send_signal(signal.SIGTERM)
        wait_for(lambda: _refuses(patient))
        connection.sendall(b"}")
        answer = read(connection)
        assert answers(answer)[0] == 401
        assert b"\r\nConnection: close\r\n" in answer
        assert patient.process.wait(20) == 0


def _refuses(serving: Serving) -> bool:
    """Whether nobody listens any more; who was taken in when it closed is reset."""
    try:
        connect(serving, bare=True).close()
    except (ConnectionRefusedError, ConnectionResetError):
        return True
    return False
