"""What it takes: memory and its growth, the time of a second start, the weight of a page."""

from __future__ import annotations

import gzip
import http.client
import json
import re
import subprocess
import sys
import tempfile
import time
import urllib.parse
from contextlib import ExitStack, closing
from html.parser import HTMLParser
from http.cookies import SimpleCookie
from pathlib import Path

from benchmarks.measuring import (
    ROUNDS,
    Spread,
    Target,
    at_most,
    in_turns,
    requests_per_second,
    table,
)
from benchmarks.rows import waiting
from benchmarks.servers import execute
from tests.factories import PASSWORD
from tests.processes import MANAGE, children, free_port, own_database, query, serve, shell, wait_for

MAKE = """
from tests import factories
from tests.graph import OWNED
from operations import tokens
from operations.roles import Role
owner = factories.make_application(OWNED)
connection = factories.make_connection("template", owner=owner)
operation = factories.register_schema(connection)
for number in range(100):
    factories.report(connection, status="completed")
factories.make_person(Role.ADMINISTRATOR, "measured")
import json; print(json.dumps([tokens.issue_token(owner)[0], connection.pk, operation.pk]))
"""
#: Requests and registrations before the first look at the memory and before the last.
WARM, MANY, REGISTRATIONS = 1000, 100_000, 10_000
MOST_GROWTH, MOST_MEMORY, MOST_START, MOST_WEIGHT = 1.2, 200, 3.0, 60


def run(requests: int = MANY, registrations: int = REGISTRATIONS, rounds: int = ROUNDS) -> str:
    return "\n\n".join([memory(requests, registrations), starts(rounds), weight()])


# Memory -------------------------------------------------------------------------------------------


def memory(requests: int = MANY, registrations: int = REGISTRATIONS) -> str:
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        environment = stack.enter_context(own_database(Path(folder)))
        token, connection, operation = json.loads(shell(environment, MAKE))
        serving = stack.enter_context(serve(environment))
        listed = f"{serving.address}/v1.0/external/connections/template/operations"
        one = Target(f"{listed}?$top=10", {"Authorization": f"Bearer {token}"})

        def work(requests: int, registrations: int, name: str) -> None:
            execute(environment, *waiting(environment, connection, operation, name, registrations))
            _ask(one, requests)
            left = "SELECT count(*) FROM operations_connectionoperation WHERE status = 1"
            wait_for(lambda: query(environment, left)[0] == 0, 1200)

        work(min(WARM, requests), max(1, registrations // 100), "warm")
        before = _resident(serving.process.pid)
        work(requests, registrations, "many")
        after = _resident(serving.process.pid)
    rows = []
    for name in before:
        growth = Spread.of([after[name] / before[name]])
        rows.append(
            (name, f"{before[name]:.1f}", f"{after[name]:.1f}", str(growth))
            + (at_most(growth, MOST_GROWTH) if name in ("web", "worker") else ("", ""))
        )
    for parts in (("web master", "web", "worker"), tuple(before)):
        total = Spread.of([sum(after[part] for part in parts)])
        first = f"{sum(before[part] for part in parts):.1f}"
        target = at_most(total, MOST_MEMORY) if "supervisor" not in parts else ("", "")
        rows.append((" + ".join(parts), first, f"{total.middle:.1f}", "", *target))
    head = (
        "Resident, MiB",
        "at first",
        f"after {requests:,} requests, {registrations:,} operations",
    )
    return table((*head, "growth", "target", "met"), rows)


def _ask(target: Target, requests: int) -> None:
    """About so many: wrk counts seconds."""
    rate = requests_per_second(target, 2)
    if (left := requests - 2 * rate) > 0:
        requests_per_second(target, max(1, round(left / rate)))


def _resident(supervisor: int) -> dict[str, float]:
    """MiB of each process of an installation. What processes share counts for each of them."""
    found = {"supervisor": _rss(supervisor)}
    for pid, command in children(supervisor).items():
        if "gunicorn" in command:
            found["web master"] = _rss(pid)
            [web] = children(pid)
            found["web"] = _rss(web)
        else:
            found["worker"] = _rss(pid)
    return found


def _rss(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    line = re.search(r"^VmRSS:\s+(\d+) kB", status, re.MULTILINE)
    assert line, status
    return int(line[1]) / 1024


# A second start -----------------------------------------------------------------------------------


def starts(rounds: int = ROUNDS) -> str:
    """From the command to the first answer of /healthz, beside a bare ``import django``."""
    with tempfile.TemporaryDirectory() as folder, own_database(Path(folder)) as environment:
        with serve(environment):
            pass
        figures = in_turns(
            {
                "serve, second start": lambda: _start(environment),
                "django.setup() alone": lambda: _setup(environment),
            },
            rounds,
        )
    rows = []
    for name in figures.rounds:
        seconds = figures.of(name)
        ratio = figures.ratio(name, "django.setup() alone")
        target = ("", "") if rows else at_most(seconds, MOST_START)
        rows.append((name, str(seconds), str(ratio), *target))
    return table(("Start", "s", "of django.setup()", "target", "met"), rows)


def _start(environment: dict[str, str]) -> float:
    port = free_port()
    began = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, MANAGE, "serve", "--port", str(port)],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while not _is_well(port):
            assert process.poll() is None
            time.sleep(0.01)
        return time.monotonic() - began
    finally:
        process.terminate()
        process.wait(20)


def _is_well(port: int) -> bool:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().status == 200
        except OSError:
            return False


def _setup(environment: dict[str, str]) -> float:
    began = time.monotonic()
    code = "import django; django.setup()"
    variables = environment | {"DJANGO_SETTINGS_MODULE": "connectors_admin.settings"}
    home = Path(MANAGE).parent
    subprocess.run([sys.executable, "-c", code], env=variables, cwd=home, check=True)
    return time.monotonic() - began


# A page -------------------------------------------------------------------------------------------


class Assets(HTMLParser):
    """The files that a page has the browser load."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        source = given.get("src") if tag in ("script", "img") else None
        if tag == "link" and given.get("rel") in ("stylesheet", "icon", "preload"):
            source = given.get("href")
        if source and not source.startswith("data:"):
            self.found.append(source)


def weight() -> str:
    """What a browser transfers for the list of operations when it comes the first time."""
    with tempfile.TemporaryDirectory() as folder, own_database(Path(folder)) as environment:
        shell(environment, MAKE)
        with serve(environment, "--no-worker") as serving:
            place = urllib.parse.urlsplit(serving.address)
            browser = Browser(http.client.HTTPConnection(place.netloc))
            browser.sign_in("measured", PASSWORD)
            page, sizes = browser.load("/operations/?range=all")
            assert "completed" in page.lower()
    rows = [(path, f"{size / 1000:.1f}", "", "") for path, size in sizes.items()]
    total = Spread.of([sum(sizes.values()) / 1000])
    rows.append(
        ("the page of operations, all of it", f"{total.middle:.1f}", *at_most(total, MOST_WEIGHT))
    )
    return table(("Loaded", "kB, compressed", "target", "met"), rows)


class Browser:
    def __init__(self, connection: http.client.HTTPConnection) -> None:
        self.connection = connection
        self.cookies: dict[str, str] = {}

    def ask(self, method: str, path: str, body: str = "") -> http.client.HTTPResponse:
        headers = {
            "Accept": "text/html",
            "Accept-Encoding": "gzip, br",
            "Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items()),
            "Content-Type": "application/x-www-form-urlencoded",
        }
        self.connection.request(method, path, body, headers)
        response = self.connection.getresponse()
        for line in response.headers.get_all("Set-Cookie") or []:
            self.cookies |= {name: each.value for name, each in SimpleCookie(line).items()}
        return response

    def sign_in(self, name: str, password: str) -> None:
        self.ask("GET", "/sign-in/").read()
        form = {
            "username": name,
            "password": password,
            "csrfmiddlewaretoken": self.cookies["csrftoken"],
        }
        response = self.ask("POST", "/sign-in/", urllib.parse.urlencode(form))
        assert response.status == 302, response.read()
        response.read()

    def load(self, path: str) -> tuple[str, dict[str, int]]:
        """A page as text, and the bytes of it and of each file that it loads."""
        response = self.ask("GET", path)
        sent = response.read()
        assert response.status == 200, sent
        page = _plain(response, sent)
        assets = Assets()
        assets.feed(page)
        sizes = {path: len(sent)}
        for source in dict.fromkeys(assets.found):
            answer = self.ask("GET", source)
            sizes[source.partition("?")[0]] = len(answer.read())
            assert answer.status == 200, source
        return page, sizes


def _plain(response: http.client.HTTPResponse, sent: bytes) -> str:
    return (
        gzip.decompress(sent) if response.headers["Content-Encoding"] == "gzip" else sent
    ).decode()
