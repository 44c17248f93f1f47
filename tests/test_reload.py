"""``serve`` on SIGHUP: new processes take over, and no request is refused or lost meanwhile.

And a certificate that is near its end is renewed without any of that.
"""

from __future__ import annotations

import fcntl
import http.client
import json
import shlex
import signal
import socket
import ssl
import threading
import time
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from cryptography import x509
from django.conf import settings

from connectors_admin import tls
from operations.management.commands.serve import START_LOCK
from tests.processes import MANAGE, Serving, free_port, own_database, serve, start, wait_for


@pytest.fixture(scope="module")
def installation(tmp_path_factory):
    with own_database(tmp_path_factory.mktemp("reload")) as environment:
        yield environment


@pytest.fixture(scope="module")
def serving(installation):
    with serve(installation) as running:
        yield running


def children(serving: Serving) -> list[int]:
    with open(f"/proc/{serving.process.pid}/task/{serving.process.pid}/children") as handle:
        return [int(pid) for pid in handle.read().split()]


class Load(threading.Thread):
    """Creates connections, one after the other, and remembers every answer and every failure."""

    def __init__(self, serving: Serving, name: str, *, keep_alive: bool):
        super().__init__()
        self.address = urlsplit(serving.address)
        self.token = shlex.split(serving.curl)[2].partition("Bearer ")[2]
        self.name = name
        self.keep_alive = keep_alive
        self.ended = threading.Event()
        self.created: list[str] = []
        self.failures: list[str] = []

    def run(self) -> None:
        connection = None
        while not self.ended.wait(0.01):
            graph_id = f"{self.name}{len(self.created) + len(self.failures)}"
            try:
                connection = connection or http.client.HTTPConnection(
                    self.address.hostname, self.address.port, timeout=20
                )
                connection.request(
                    "POST",
                    "/v1.0/connections",
                    json.dumps({"id": graph_id, "name": "x"}),
                    {"Authorization": f"Bearer {self.token}"},
                )
                with connection.getresponse() as answer:
                    answer.read()
                if answer.status == 201:
                    self.created.append(graph_id)
                else:
                    self.failures.append(f"{graph_id}: {answer.status}")
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(f"{graph_id}: {error!r}")
            if connection and (not self.keep_alive or connection.sock is None):
                connection.close()
                connection = None
        if connection:
            connection.close()


def test_no_request_fails_while_the_processes_are_replaced(serving):
    before = children(serving)
    load = [Load(serving, f"load{number}x", keep_alive=number % 2 == 0) for number in range(4)]
    for thread in load:
        thread.start()
    try:
        wait_for(lambda: all(len(thread.created) >= 5 for thread in load))
        serving.process.send_signal(signal.SIGHUP)
        wait_for(lambda: not set(before) & set(children(serving)), 90)
        done = [len(thread.created) for thread in load]
        wait_for(
            lambda: all(
                len(thread.created) > count for thread, count in zip(load, done, strict=True)
            )
        )
    finally:
        for thread in load:
            thread.ended.set()
        for thread in load:
            thread.join(30)
    assert [failure for thread in load for failure in thread.failures] == []
    after = children(serving)
    assert len(before) == len(after) == 2 and not set(before) & set(after)
    created = {graph_id for thread in load for graph_id in thread.created}
    assert created <= set(listed(serving, load[0].token))
    print(f"{len(created)} requests during a reload, none failed")


def listed(serving: Serving, token: str) -> list[str]:
    address = urlsplit(serving.address)
    found, path = [], "/v1.0/connections?$top=999"
    with closing(http.client.HTTPConnection(address.hostname, address.port, timeout=20)) as client:
        while path:
            client.request("GET", path, headers={"Authorization": f"Bearer {token}"})
            page = json.loads(client.getresponse().read())
            found += [row["id"] for row in page["value"]]
            path = page.get("@odata.nextLink", "").removeprefix(serving.address)
    return found


def test_what_cannot_start_replaces_nothing(tmp_path):
    """A secret's file that is gone is a typical one: the processes that run have read it."""
    secret = tmp_path / "secret"
    secret.write_text("s" * 50)
    with own_database(tmp_path / "data") as environment:
        environment.pop("SECRET_KEY", None)
        with serve(environment | {"SECRET_KEY_FILE": str(secret)}, "--no-worker") as running:
            before = children(running)
            secret.unlink()
            running.process.send_signal(signal.SIGHUP)
            time.sleep(0.3)
            wait_for(lambda: len(children(running)) == 1)
            assert children(running) == before
            address = urlsplit(running.address)
            with closing(http.client.HTTPConnection(address.hostname, address.port)) as client:
                client.request("GET", "/sign-in/")
                assert client.getresponse().status == 200
            assert running.stop() == 0


def test_one_that_comes_while_it_starts_ends_nothing(tmp_path):
    """systemd lets one reload as soon as the process is there; a migration may take minutes."""
    with own_database(tmp_path) as environment, held_start(environment):
        port = free_port()
        starting = start(environment, MANAGE, "serve", "--no-worker", "--port", str(port))
        wait_for(lambda: _listens(port))
        time.sleep(0.5)
        starting.send_signal(signal.SIGHUP)
        time.sleep(0.5)
        assert starting.poll() is None


@contextmanager
def held_start(environment):
    """Whoever starts meanwhile waits with its migrations."""
    if settings.EMBEDDED_DATABASE:
        file = Path(environment["DATA_DIR"], "connectors.sqlite3.start")
        with open(file, "w") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        return
    import psycopg

    with psycopg.connect(environment["DATABASE_URL"]) as database:
        database.execute("SELECT pg_advisory_xact_lock(%s)", [START_LOCK])
        yield


def _listens(port: int) -> bool:
    with closing(socket.socket()) as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_a_certificate_near_its_end_is_renewed_while_it_is_served(installation, monkeypatch):
    monkeypatch.setattr(tls, "CERTIFICATE_LIFETIME", timedelta(days=10))
    folder = Path(installation["DATA_DIR"]) / "tls"
    with serve(installation | {"CERTIFICATE_LOOK": "1"}, "--tls", "--no-worker") as running:
        before = children(running)
        assert lasts(running) > timedelta(days=300)
        authority = tls._read(folder / tls.AUTHORITY, folder / "ca-key.pem")
        assert authority
        old = tls._make_certificate(authority, sorted(tls.LOOPBACK))
        tls._write(folder / "server.pem", old.key_pem + old.pem, 0o600)
        wait_for(lambda: lasts(running) > timedelta(days=300))
        assert children(running) == before
        served = x509.load_pem_x509_certificate((folder / "server.pem").read_bytes())
        assert served.serial_number != old.certificate.serial_number
        assert shown(running) == served


def shown(serving: Serving) -> x509.Certificate:
    address = urlsplit(serving.address)
    context = ssl._create_unverified_context()
    with (
        socket.create_connection((address.hostname, address.port), timeout=20) as plain,
        context.wrap_socket(plain) as client,
    ):
        return x509.load_der_x509_certificate(client.getpeercert(binary_form=True))


def lasts(serving: Serving) -> timedelta:
    return shown(serving).not_valid_after_utc - datetime.now(UTC)
