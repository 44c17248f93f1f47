"""The log, for people and for programs: the same facts, one line each, nothing forged or secret."""

from __future__ import annotations

import json
import logging
import re
import sys
import urllib.parse
import urllib.request
from datetime import UTC, datetime

import pytest

from operations import logs
from operations.logs import JsonFormatter, LineFormatter
from tests.processes import own_database, serve, wait_for
from tests.test_probes import ask

MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
FORGED = "2026-01-01T00:00:00.000Z CRITICAL root [-] all is lost"
#: What ends a line somewhere, turns the terminal or the reading direction.
TRICKS = [f"x{end}{FORGED}" for end in "\n\r\u2028\x85"] + ["\x1b[2J", "\u202e", "\0"]


def record(message: str, *args: object, exception: Exception | None = None, **extra: object):
    exc_info = None
    if exception:
        try:
            raise exception
        except Exception:
            exc_info = sys.exc_info()
    made = logging.LogRecord("operations.test", logging.INFO, "", 1, message, args, exc_info)
    made.__dict__.update(extra)
    return made


# One line ----------------------------------------------------------------------------------------


def test_both_forms_tell_the_same():
    facts = {"status": 202, "duration_ms": 1.5, "application": "a-b", "route": "/x/{id}"}
    with logs.about(request_id="one", client_request_id=""):
        logs.note(operation="op 1")
        line = LineFormatter().format(record("PATCH %s", "/x/1", **facts))
        document = json.loads(JsonFormatter().format(record("PATCH %s", "/x/1", **facts)))

    assert document == {
        "time": document["time"],
        "level": "INFO",
        "logger": "operations.test",
        "message": "PATCH /x/1",
        "request_id": "one",
        "route": "/x/{id}",
        "status": 202,
        "duration_ms": 1.5,
        "application": "a-b",
        "operation": "op 1",
    }
    assert MOMENT.fullmatch(document["time"])
    age = datetime.now(UTC) - datetime.fromisoformat(document["time"])
    assert 0 <= age.total_seconds() < 60
    assert line[24:] == (
        " INFO operations.test [one] PATCH /x/1 route=/x/{id} status=202 duration_ms=1.5 "
        'application=a-b operation="op 1"'
    )


def test_what_is_known_ends_with_what_it_is_about():
    with logs.about(request_id="outer"):
        with logs.about(request_id="inner", operation="1"):
            logs.note(connection="c")
            inner = json.loads(JsonFormatter().format(record("x")))
        outer = json.loads(JsonFormatter().format(record("x")))
    logs.note(user="nobody listens")
    after = json.loads(JsonFormatter().format(record("x")))

    assert (inner["request_id"], inner["operation"], inner["connection"]) == ("inner", "1", "c")
    assert outer["request_id"] == "outer" and "operation" not in outer and "connection" not in outer
    assert "request_id" not in after and "user" not in after


@pytest.mark.parametrize("trick", TRICKS, ids=ascii)
def test_nobody_can_forge_a_line(trick):
    with logs.about(request_id=trick, connection=trick):
        made = record("GET %s", trick, exception=ValueError(trick), user=trick)
        line = LineFormatter().format(made)
        text = JsonFormatter().format(made)

    first, *stack = line.splitlines()
    assert MOMENT.match(first) and stack
    assert all(row.startswith("    ") for row in stack), "what follows is indented"
    assert line.isprintable() or line.replace("\n", "").isprintable()
    assert text.isascii() and text.isprintable()
    document = json.loads(text)
    assert document["message"] == f"GET {trick}"
    assert document["exception"].startswith("Traceback") and "ValueError" in document["exception"]


def test_a_value_with_spaces_or_quotes_cannot_pass_for_two():
    line = LineFormatter().format(record("x", user='maria" status=200', operation="a=b"))
    assert line.endswith(r'user="maria\" status=200" operation="a=b"')


def test_no_fact_is_longer_than_a_line_can_bear():
    document = json.loads(JsonFormatter().format(record("x", connection="c" * 10_000)))
    assert document["connection"] == "c" * logs.LONGEST


# A whole installation ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def installation(tmp_path_factory):
    with own_database(tmp_path_factory.mktemp("installation")) as environment:
        yield environment


@pytest.fixture(scope="module", params=["json", "line"])
def told(request, installation, tmp_path_factory):
    """What was sent to an installation of each form, and what its processes logged meanwhile."""
    log = tmp_path_factory.mktemp("log") / "log"
    environment = installation | {"LOG_FORMAT": request.param, "LOG_LEVEL": "debug"}
    secrets = {
        "bearer": "eyJhbGciOiJSUzI1NiJ9.c2VjcmV0LWNsYWltcw.c2VjcmV0LXNpZ25hdHVyZQ",
        "client secret": "the~client~secret~of~nobody",
        "password": "the password of nobody",
        "cookie": "the-session-of-nobody",
        "query": "a-token-in-the-query",
    }
    with serve(environment, log=log) as running:
        address = running.address
        ask(address, "/v1.0/connections", Authorization=f"Bearer {secrets['bearer']}")
        ask(address, f"/?access_token={secrets['query']}", Cookie=f"sessionid={secrets['cookie']}")
        for path, form in (
            ("/common/oauth2/v2.0/token", {"client_secret": secrets["client secret"]}),
            ("/sign-in/", {"username": "operator", "password": secrets["password"]}),
        ):
            data = urllib.parse.urlencode({"grant_type": "client_credentials", **form}).encode()
            wrong = urllib.request.Request(address + path, data)
            with pytest.raises(urllib.error.HTTPError) as refused:
                urllib.request.urlopen(wrong, timeout=20)
            refused.value.close()
        ask(address, "/static/operations/app.css")
        ask(address, "/nowhere/" + urllib.parse.quote(f"\n{FORGED}\x1b[31m"))
        ask(address, "/v1.0/connections/x%0d%0aforged/operations/%1b%5b31m")
        for last in ("v1.0/connections/x", "operations.worker"):
            wait_for(lambda last=last: last in log.read_text())
    yield request.param, log.read_text(), secrets


def test_every_line_of_every_process_has_the_form(told):
    form, text, _ = told
    lines = text.splitlines()
    assert len(lines) > 8
    if form == "json":
        documents = [json.loads(line) for line in lines]
        assert all(list(row)[:4] == ["time", "level", "logger", "message"] for row in documents)
        loggers = {row["logger"] for row in documents}
        assert loggers >= {"operations.access", "operations.worker", "gunicorn.error"}
    else:
        rest = [line for line in lines if not line.startswith("    ")]
        assert all(re.match(MOMENT.pattern + r" [A-Z]+ [\w.]+ \[[\w-]+\] ", line) for line in rest)


def test_a_request_has_one_line_and_a_file_none_but_for_debugging(told):
    form, text, _ = told
    if form != "json":
        return
    access = [
        row for row in map(json.loads, text.splitlines()) if row["logger"] == "operations.access"
    ]
    assert len({row["request_id"] for row in access}) == len(access)
    [file] = [row for row in access if row["route"] == "static"]
    assert file["level"] == "DEBUG"
    assert {row["level"] for row in access if row is not file} == {"INFO"}
    assert [row["status"] for row in access if row["route"] == "/sign-in/"] == [200, 403]


def test_what_strangers_wrote_stays_inside_its_line(told):
    _, text, _ = told
    assert "all is lost" in text
    assert not [line for line in text.splitlines() if line.startswith(FORGED[:20])]
    assert "\x1b" not in text and "\r" not in text


def test_no_secret_is_in_it(told):
    _, text, secrets = told
    for what, secret in secrets.items():
        assert secret not in text, what
    assert "Authorization" not in text
