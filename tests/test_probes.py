"""``/healthz`` and ``/readyz``: by any address, without sign-in or session, in bounded time."""

from __future__ import annotations

import json
import threading
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.test import Client

from operations.monitoring import bounded
from operations.monitoring.bounded import within
from tests.processes import (
    database_away,
    own_database,
    serve,
    shell,
    wait_for,
    written_by_another,
)

READY = {"database": "ok", "migrations": "ok", "workers": "ok"}


def ask(address: str, path: str, method: str = "GET", **headers: str):
    """Status, headers and text, whatever the status."""
    request = urllib.request.Request(address + path, headers=headers, method=method)
    try:
        response = urllib.request.urlopen(request, timeout=20)
    except urllib.error.HTTPError as refusal:
        response = refusal
    with response:
        return response.status, response.headers, response.read().decode()


# Without a process of its own --------------------------------------------------------------------


@pytest.mark.parametrize("method", ["get", "head"])
def test_alive_without_database_session_or_known_host(method):
    """The test may not ask the database: whoever did would be refused."""
    response = getattr(Client(), method)("/healthz", headers={"host": "10.1.2.3:8000"})

    assert response.status_code == 200
    assert response.content == (b"ok\n" if method == "get" else b"")
    assert response["Content-Type"] == "text/plain; charset=utf-8"
    assert response["Cache-Control"] == "no-store"
    assert response["Content-Length"] == "3"
    assert not response.cookies and "request-id" not in response


def test_alive_in_plain_http_behind_a_proxy_that_ends_tls(settings):
    settings.SECURE_SSL_REDIRECT = True
    assert Client().get("/healthz").status_code == 200
    assert Client().get("/sign-in/").status_code == 301, "the others are sent to https"


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
@pytest.mark.parametrize("method", ["post", "put", "patch", "delete", "options"])
def test_nothing_can_be_done_to_them(path, method):
    response = getattr(Client(), method)(path)

    assert response.status_code == 405
    assert response["Allow"] == "GET, HEAD"
    assert response.content == b"Only GET and HEAD.\n"


@pytest.mark.parametrize(
    "query", ["worker=requird", "worker=", "wroker=required", "x&worker=required"]
)
def test_an_option_that_is_none_is_refused(query):
    response = Client().get(f"/readyz?{query}")
    assert (response.status_code, response.content) == (
        400,
        b"The only option is worker=required.\n",
    )


@pytest.mark.django_db
def test_a_look_that_hangs_is_given_up(monkeypatch):
    monkeypatch.setattr(bounded, "_free", threading.BoundedSemaphore(2))
    end = threading.Event()
    began = time.monotonic()
    for _ in range(2):
        with pytest.raises(TimeoutError):
            within(0.2, end.wait)
    assert time.monotonic() - began < 5
    with pytest.raises(TimeoutError, match="still hang"):
        within(0.2, lambda: "not begun while two hang")
    end.set()
    wait_for(lambda: bounded._free._value == 2)
    assert within(5, lambda: "again") == "again"


@pytest.mark.django_db
def test_a_look_that_breaks_says_so():
    with pytest.raises(ZeroDivisionError):
        within(5, lambda: 1 / 0)


# A whole installation ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def installation(tmp_path_factory):
    with own_database(tmp_path_factory.mktemp("probes")) as environment:
        yield environment


@pytest.fixture(scope="module")
def log(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("log") / "log"


@pytest.fixture(scope="module")
def serving(installation, log):
    with serve(installation, log=log) as running:
        yield running


def checks(answer) -> dict[str, str]:
    status, headers, text = answer
    body = json.loads(text)
    assert list(body) == ["status", "checks"]
    assert body["status"] == ("ready" if status == 200 else "not ready")
    assert headers["Cache-Control"] == "no-store"
    assert headers["Content-Type"] == "application/json"
    return body["checks"]


def test_ready_with_a_line_for_each_check(serving):
    wait_for(lambda: ask(serving.address, "/readyz?worker=required")[0] == 200)

    status, headers, text = ask(serving.address, "/readyz", Host="10.1.2.3:8000")

    assert (status, checks((status, headers, text))) == (200, READY)
    assert '    "migrations": "ok",\n' in text
    assert "Set-Cookie" not in headers
    assert ask(serving.address, "/readyz", "HEAD")[::2] == (200, "")


def test_many_probes_at_once_are_all_answered(serving):
    """More than look at the database at the same time: a stranger's must not fail the others'."""
    with ThreadPoolExecutor(4 * bounded.MOST_AT_ONCE) as pool:
        asked = pool.map(lambda _: ask(serving.address, "/readyz"), range(8 * bounded.MOST_AT_ONCE))
        assert {answer[0] for answer in asked} == {200}


def test_probes_are_no_noise(serving, log):
    ask(serving.address, "/readyz")
    ask(serving.address, "/healthz", "HEAD")
    ask(serving.address, "/sign-in/")  # its line comes after what there is of the others

    text = wait_for(lambda: "GET /sign-in/ 200" in log.read_text() and log.read_text())
    assert "readyz" not in text and "healthz" not in text and "body bytes" not in text


def test_a_migration_that_is_missing(installation, serving):
    recorder = (
        "from django.db import connection\n"
        "from django.db.migrations.recorder import MigrationRecorder\n"
        "MigrationRecorder(connection).record_{}('operations', '0007_roles')"
    )
    shell(installation, recorder.format("unapplied"))
    try:
        answer = ask(serving.address, "/readyz")
    finally:
        shell(installation, recorder.format("applied"))
    assert answer[0] == 503
    assert checks(answer) == READY | {"migrations": "failing"}


def test_the_database_is_gone_and_comes_back(installation, serving, log):
    with database_away(installation):
        began = time.monotonic()
        for _ in range(3):
            answer = ask(serving.address, "/readyz")
            assert answer[0] == 503
            assert checks(answer)["database"] == "failing"
        assert time.monotonic() - began < 10
        assert ask(serving.address, "/healthz")[0] == 200
    assert wait_for(lambda: ask(serving.address, "/readyz")[0] == 200)
    assert log.read_text().count("Not ready: ") == log.read_text().count("Ready again.") == 1


if not django_settings.EMBEDDED_DATABASE:  # SQLite's readers wait for nobody

    def test_a_database_that_does_not_answer_is_not_waited_for(installation, serving):
        with written_by_another(installation, "django_migrations"):
            began = time.monotonic()
            answer = ask(serving.address, "/readyz")
            assert time.monotonic() - began < 5
            assert answer[0] == 503
        assert ask(serving.address, "/readyz")[0] == 200


def test_without_a_worker_the_api_stays_and_the_strict_probe_says_no(tmp_path):
    with own_database(tmp_path) as environment, serve(environment, "--no-worker") as serving:
        answer = ask(serving.address, "/readyz")
        strict = ask(serving.address, "/readyz?worker=required")

    assert answer[0] == 200 and strict[0] == 503
    assert checks(answer) == checks(strict) == READY | {"workers": "failing"}


def test_a_stranger_learns_no_names_or_versions(serving):
    import platform
    import socket

    for path in ("/healthz", "/readyz", "/metrics"):
        text = ask(serving.address, path)[2]
        for told in (socket.gethostname(), platform.python_version(), "SQLite", "PostgreSQL"):
            assert told not in text, path
