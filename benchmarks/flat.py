"""What a long history costs: every list and every page, beside the same in a short one.

``FLAT_SIZES="1000 10000"`` makes a small run of it: so many operations, one connection for each
hundred of them.
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median, quantiles
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from benchmarks.measuring import Figures, in_turns, table
from tests.processes import HOME, own_database, serve, shell

SIZES = [int(size) for size in os.environ.get("FLAT_SIZES", "1000 10000 100000 1000000").split()]
LARGEST = max(SIZES)
#: What filters and orders are compared with, and what pages are.
SHORT = 10_000 if 10_000 in SIZES else min(SIZES)
SHORTEST = min(SIZES)
OPERATIONS_OF_ONE = 100
#: Requests of a figure in each round.
REQUESTS = 3
LONGEST = 300  # milliseconds
#: Seconds for which the connection to a server is kept without a request.
IDLE = 30
#: The least that a reader can choose: more rows cost more, and a short history fills no long page.
ROWS_OF_A_PAGE = 25

ORDERS = [
    f"$orderby={key} {way}"
    for key in ("id", "status", "error/code", "error/message", "error/target")
    for way in ("asc", "desc")
]
FAILED = "$filter=status eq 'failed'"

MAKE = """
import json
from operations import tokens
from operations.roles import Role
from tests import factories
from tests.graph import OWNED
from tests.people import signed_in
owner = factories.make_application(OWNED, name="Owner")
administrator = factories.make_person(Role.ADMINISTRATOR)
administrator.is_staff = True
administrator.save()
session = signed_in("administrator", administrator).session
print(json.dumps({"token": tokens.issue_token(owner)[0], "session": session,
    "app": str(owner.app_id)}))
"""
MEET = """
import json
from operations.models import BulkRun, Change, ConnectionOperation as Operation, ErrorGroup
open_one = Operation.objects.open_failures().select_related("connection").order_by("-pk").first()
running = Operation.objects.in_progress().select_related("connection").order_by("-pk").first()
change = Change.objects.filter(operation_key=open_one.pk).first()
run = BulkRun.objects.create(action="acknowledge", actor_name="Owner", expected=1,
    last_key=open_one.pk, selection={"fingerprint": open_one.fingerprint})
middle = Operation.objects.count() // 2
print(json.dumps({"connection": open_one.connection.graph_id, "operation": open_one.graph_id,
    "fingerprint": ErrorGroup.objects.order_by("-count").first().fingerprint,
    "change": change.pk, "request": change.request_id,
    "running": running.graph_id, "its_connection": running.connection.graph_id,
    "connection_key": open_one.connection_id, "run": str(run.run_id), "middle": middle,
    "middle_change": Change.objects.count() // 2}))
"""

#: Pages of the dashboard and the admin, with their usual filters.
PAGES = """
/
/?fragment=1
/connections/
/connections/?sort=-health
/connections/?sort=name
/connections/?sort=-name
/connections/?sort=state
/connections/?sort=-state
/connections/?sort=last
/connections/?sort=-last
/connections/?sort=failures
/connections/?sort=-failures
/connections/?sort=changed
/connections/?sort=-changed
/connections/?sort=owner
/connections/?sort=created
/connections/?sort=-created
/connections/?state=ready
/connections/?health=attention
/connections/?last=failed
/connections/?failing=1
/connections/?q=grown
/connections/?owner={app}
/connections/?changed=24h
/connections/?show=owner&show=labels&show=authorized&show=created
/connections/{connection}/
/connections/{connection}/?tab=operations
/connections/{connection}/?tab=operations&status=failed
/connections/{connection}/?tab=schema
/connections/{connection}/?tab=activity
/connections/{connection}/?tab=activity&outcome=failed
/connections/{connection}/?tab=api
/connections/{connection}/schema/1.json
/connections/{connection}/delete/
/connections/{connection}/operations/{operation}/
/connections/{connection}/operations/{operation}/graph.json
/connections/{its_connection}/operations/{running}/fail/
/connections/{its_connection}/operations/{running}/complete/
/connections/with-selected/?connection={connection}&action=show
/operations/
/operations/?range=24h
/operations/?range=all
/operations/?range=all&before={middle}
/operations/?range=all&status=failed
/operations/?range=all&status=completed
/operations/?range=all&status=inprogress
/operations/?range=all&status=inprogress&status=failed
/operations/?range=all&triage=open
/operations/?range=all&triage=superseded
/operations/?range=all&stuck=1
/operations/?over=3600
/operations/?range=all&over=60
/operations/?range=all&over=3600
/operations/?range=all&over=21600
/operations/?range=all&code=ItemRefused
/operations/?range=all&text=quota
/operations/?range=all&text=nowhere
/operations/?range=all&application={app}
/operations/?range=all&application=00000000-0000-4000-8000-000000000000
/operations/?range=all&fingerprint={fingerprint}
/operations/?range=all&connection={connection}
/operations/?until=2020-01-01
/runs/new/?action=acknowledge&all=1&triage=open&range=all
/runs/{run}/
/errors/
/errors/?sort=-count
/errors/?sort=first
/errors/?status=ongoing
/errors/?code=ItemRefused
/errors/?text=quota
/errors/?connection={connection}
/errors/?cause=none
/errors/causes/
/errors/{fingerprint}/
/applications/
/applications/?text=owner
/applications/?warning=unused
/applications/?why={request}
/applications/new/
/applications/{app}/
/applications/{app}/edit/
/activity/
/activity/?before={middle_change}
/activity/?range=24h
/activity/?action=operation.failed
/activity/?action=application.secretCreated
/activity/?connection={connection}
/activity/?operation={operation}
/activity/?application={app}
/activity/?request={request}
/activity/?who=owner
/activity/?who=nobody
/activity/?note=nothing
/activity/?channel=dashboard
/activity/?by=worker
/activity/?outcome=failed
/activity/{change}/
/search/?q=grown
/search/?q={operation}
/search/?q=nowhere
/search/?q=Item
/search/?q={request}
/settings/
/admin/
/admin/operations/externalconnection/
/admin/operations/externalconnection/?q=grown
/admin/operations/connectionoperation/
/admin/operations/connectionoperation/?status=failed
/admin/operations/connectionoperation/?q=nowhere
/admin/operations/change/
/admin/operations/change/?action__exact=operation.failed
/admin/operations/change/?q=nowhere
/admin/operations/errorgroup/
/admin/operations/application/
/admin/operations/schema/
/admin/operations/outcomecount/
""".split()


@dataclass
class House:
    """An installation with a history of so many operations, and who asks it."""

    size: int
    environment: dict[str, str]
    known: dict[str, Any]
    http: http.client.HTTPConnection
    asked_at: float = 0

    def ask(self, path: str) -> bytes:
        """The answer to a GET of an application or of a signed-in administrator."""
        headers = {"Cookie": f"sessionid={self.known['session']}; rows={ROWS_OF_A_PAGE}"}
        if path.startswith("/v1.0/"):
            headers = {"Authorization": f"Bearer {self.known['token']}"}
        if time.monotonic() - self.asked_at > IDLE:
            self.http.close()  # before the server does; it is opened again by itself
        self.asked_at = time.monotonic()
        self.http.request("GET", quote(path, safe="/?&=$:%"), headers=headers)
        response = self.http.getresponse()
        body = response.read()
        assert response.status in (200, 302), (path, response.status, body[:500])
        assert b"/sign-in/" not in (response.headers["Location"] or "").encode(), path
        return body


@dataclass
class Bench:
    """What is measured, by figure and size; all takes turns."""

    #: The other sizes only show how a figure grows.
    sizes_compared: tuple[int, ...]
    measures: dict[str, Callable[[], float]] = field(default_factory=dict)
    others: dict[str, Callable[[], float]] = field(default_factory=dict)
    #: Of each round the times of all requests.
    times: dict[str, list[list[float]]] = field(default_factory=dict)

    def add(self, name: str, house: House, act: Callable[[], object]) -> None:
        figure = f"{name} {house.size}"
        compared = self.measures if house.size in self.sizes_compared else self.others
        compared[figure] = partial(self._measure, figure, act)

    def figures(self) -> Figures:
        """What is compared with each other is measured one right after the other."""
        others = in_turns(self.others, rounds=1)
        places = {
            name: place for place, name in enumerate(dict.fromkeys(map(_name, self.measures)))
        }
        ordered = sorted(self.measures, key=lambda figure: places[_name(figure)])
        return Figures(
            in_turns({figure: self.measures[figure] for figure in ordered}).rounds | others.rounds
        )

    def _measure(self, figure: str, act: Callable[[], object]) -> float:
        times = []
        for _ in range(REQUESTS):
            begun = time.perf_counter()
            act()
            times.append((time.perf_counter() - begun) * 1000)
        self.times.setdefault(figure, []).append(times)
        return median(times)

    def p95(self, figure: str) -> float:
        """Of all requests; the first round does not count."""
        counted = [each for times in self.times[figure][1:] for each in times]
        return quantiles(counted, n=20)[-1]


def _name(figure: str) -> str:
    """Without the size."""
    return figure.rpartition(" ")[0]


def run() -> Iterator[str]:
    """Each table as soon as it is there: all of them take an hour."""
    yield from _of_one_connection()
    yield from _of_many_connections()


# One connection ----------------------------------------------------------------------------------

COUNTS = ("$count=true", "/$count")
BARE = "SELECT COUNT(*)"


def _of_one_connection() -> Iterator[str]:
    bench = Bench((SHORT, LARGEST))
    queries = {FAILED: f"?$top=10&{FAILED}", **{order: f"?{order}" for order in ORDERS}}
    queries |= dict(zip(COUNTS, ("?$count=true&$top=1", "/$count"), strict=True))
    with ExitStack() as stack:
        for house in (stack.enter_context(_house(size, 1)) for size in SIZES):
            operations = f"/v1.0/external/connections/{house.known['connection']}/operations"
            addresses = _pages(house, operations)
            addresses |= {name: f"{operations}{query}" for name, query in queries.items()}
            for name, address in addresses.items():
                bench.add(name, house, partial(house.ask, address))
            bench.add(BARE, house, stack.enter_context(_bare_count(house)))
        figures = bench.figures()
    one = f"{LARGEST:,} operations of one connection"
    yield _ratios(one, figures, [(page, LARGEST, "first page", LARGEST, 1.3) for page in LATER])
    yield _ratios(
        one, figures, [(name, LARGEST, name, SHORT, 2) for name in queries if name not in COUNTS]
    )
    yield _speeds(figures)
    yield _growth(one, figures, [*PAGES_OF_A_LIST, *queries, BARE])


PAGES_OF_A_LIST = ("first page", "middle page", "last page")
LATER = PAGES_OF_A_LIST[1:]


def _pages(house: House, address: str, top: int = 100) -> dict[str, str]:
    """The addresses of the first page, one in the middle and the last, each a next link that the
    service gave; the pages that gave the last two were reached by a key and not one by one."""
    first = f"{address}?$top={top}"
    found = json.loads(house.ask(first))
    link, total = found["@odata.nextLink"], int(house.ask(f"{address}/$count"))
    [key] = _token(link)
    [following] = _token(json.loads(house.ask(_path(link)))["@odata.nextLink"])
    step = (following - key) // top  # from the key of a row to that of the next
    pages = {"first page": first}
    for name, rows in (("middle page", total // 2), ("last page", total - top - top // 2)):
        skipped = _with_token(link, [key + step * (rows - top)])
        pages[name] = _path(json.loads(house.ask(skipped))["@odata.nextLink"])
    assert "@odata.nextLink" not in json.loads(house.ask(pages["last page"]))
    return pages


def _path(link: str) -> str:
    parts = urlsplit(link)
    return f"{parts.path}?{unquote(parts.query)}"


def _token(link: str) -> list[Any]:
    text = link.partition("$skiptoken=")[2]
    return json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))


def _with_token(link: str, values: list[Any]) -> str:
    text = base64.urlsafe_b64encode(json.dumps(values).encode()).rstrip(b"=").decode()
    return f"{_path(link).partition('$skiptoken=')[0]}$skiptoken={text}"


@contextmanager
def _bare_count(house: House) -> Iterator[Callable[[], object]]:
    """Counts the operations of the connection with no more than a connection to the database."""
    key = house.known["connection_key"]
    sql = f"SELECT COUNT(*) FROM operations_connectionoperation WHERE connection_id = {key}"
    if address := house.environment.get("DATABASE_URL"):
        import psycopg

        with psycopg.connect(address, autocommit=True) as database:
            yield lambda: database.execute(sql).fetchone()
        return
    file = Path(house.environment["DATA_DIR"], "connectors.sqlite3")
    with closing(sqlite3.connect(file)) as embedded:
        yield lambda: embedded.execute(sql).fetchone()


# Many connections --------------------------------------------------------------------------------


def _of_many_connections() -> Iterator[str]:
    bench = Bench((SHORTEST, LARGEST))
    with ExitStack() as stack:
        many = ((size, size // OPERATIONS_OF_ONE) for size in SIZES)
        for house in (stack.enter_context(_house(*sizes)) for sizes in many):
            for name, address in _lists_of_many(house).items():
                bench.add(name, house, partial(house.ask, address))
            for page in PAGES:
                bench.add(page, house, partial(house.ask, page.format_map(house.known)))
        figures = bench.figures()
    spread = f"{LARGEST:,} operations of {LARGEST // OPERATIONS_OF_ONE:,} connections"
    lists = [f"{list_}, {page}" for list_ in LISTS for page in PAGES_OF_A_LIST]
    yield _ratios(
        spread,
        figures,
        [
            (f"{list_}, {page}", LARGEST, f"{list_}, first page", LARGEST, 1.3)
            for list_ in LISTS
            for page in LATER
        ],
    )
    yield _ratios(
        spread, figures, [(page, LARGEST, page, SHORTEST, 2) for page in PAGES], p95=bench.p95
    )
    yield _growth(spread, figures, [*lists, *PAGES])


#: The lists of the API there, and how many rows a page of each has: of each there are several.
LISTS = {"connections": 25, "operations": 25}


def _lists_of_many(house: House) -> dict[str, str]:
    """Pages of the connections, where there are several, and of the operations of one."""
    connections = "/v1.0/external/connections"
    addresses = {
        "connections": connections,
        "operations": f"{connections}/{house.known['connection']}/operations",
    }
    if house.size < LARGEST:
        return {
            f"{name}, {page}": f"{addresses[name]}?$top={top}"
            for name, top in LISTS.items()
            for page in PAGES_OF_A_LIST[:1]
        }
    found = {}
    for name, top in LISTS.items():
        found |= {f"{name}, {page}": at for page, at in _pages(house, addresses[name], top).items()}
    return found


# What both do ------------------------------------------------------------------------------------


@contextmanager
def _house(size: int, connections: int) -> Iterator[House]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        environment = stack.enter_context(own_database(folder))
        made = json.loads(shell(environment, MAKE))
        numbers = [f"--operations={size}", f"--connections={connections}"]
        subprocess.run(
            [sys.executable, "-m", "benchmarks.history", *numbers],
            cwd=HOME,
            env=environment,
            check=True,
        )
        known = made | json.loads(shell(environment, MEET))
        address = stack.enter_context(serve(environment, "--no-worker")).address
        kept = stack.enter_context(
            closing(http.client.HTTPConnection(urlsplit(address).netloc, timeout=120))
        )
        yield House(size, environment, known, kept)


#: A figure, its size, the baseline, its size, how many times the baseline it may be.
Pair = tuple[str, int, str, int, float]


def _ratios(
    title: str,
    figures: Figures,
    pairs: Iterable[Pair],
    *,
    p95: Callable[[str], float] | None = None,
) -> str:
    rows = []
    for name, size, other, other_size, target in pairs:
        figure, baseline = f"{name} {size}", f"{other} {other_size}"
        ratio = figures.ratio(figure, baseline)
        row = (name, f"{figures.of(figure)}", f"{figures.of(baseline)}", f"{ratio}")
        longest = p95(figure) if p95 else 0
        if p95:
            row += (f"{longest:,.0f}",)
        is_met = ratio.middle <= target and longest <= LONGEST
        rows.append((*row, f"<= {target:g}", "yes" if is_met else "NO"))
    head = (title, "ms", "baseline, ms", "ratio", *(["p95, ms"] if p95 else []), "target", "met")
    return table(head, rows)


def _speeds(figures: Figures) -> str:
    bare = f"{BARE} {LARGEST}"
    rows = []
    for name in COUNTS:
        speed = figures.ratio(bare, f"{name} {LARGEST}")
        shown = (f"{figures.of(f'{name} {LARGEST}')}", f"{figures.of(bare)}", f"{speed}")
        rows.append((name, *shown, ">= 0.9", "yes" if speed.middle >= 0.9 else "NO"))
    title = f"exact count of {LARGEST:,} operations of one connection"
    return table((title, "ms", f"{BARE}, ms", "speed", "target", "met"), rows)


def _growth(title: str, figures: Figures, names: Iterable[str]) -> str:
    def middle(figure: str) -> str:
        return f"{figures.of(figure).middle:,.1f}" if figure in figures.rounds else "-"

    rows = [(name, *(middle(f"{name} {size}") for size in SIZES)) for name in names]
    return table((f"{title}, ms, with", *(f"{size:,}" for size in SIZES)), rows)
