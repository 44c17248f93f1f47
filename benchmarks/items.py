"""Items: how many are written in a second, what a million of them cost, and how they are deleted.

``ITEMS=10000`` makes a small run of it.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from itertools import count
from pathlib import Path

from benchmarks.baselines.upsert import CREATE
from benchmarks.measuring import (
    CONNECTIONS,
    SECONDS,
    Figures,
    Spread,
    Target,
    at_most,
    in_turns,
    judged,
    requests_per_second,
    table,
)
from benchmarks.rows import NUMBERS, copies
from benchmarks.servers import execute, wsgi
from operations.models import ExternalItem
from operations.odata.ordering import Mark, write_skip_token
from tests.processes import own_database, query, serve, shell

MANY = int(os.environ.get("ITEMS", "1000000"))
FEW = 1000
CLIENTS = (1, 8)
LEAST, MOST, LONGEST = 0.5, 1.3, 250
WORDS = "Guidance for travel, expenses and the use of shared rooms in every office of the company. "
MAKE = """
import json
from operations import tokens
from tests import factories
from tests.graph import ITEMS_OWNED, OWNED
owner = factories.make_application(OWNED, ITEMS_OWNED)
made = []
for name in ("measured", "grown"):
    connection = factories.make_connection(name, owner=owner)
    factories.register_schema(connection, factories.a_schema(*json.loads({properties!r})))
    made.append(connection.pk)
item = factories.put_item(connection, "template", **json.loads({item!r}))
made.append(item.pk)
print(json.dumps([tokens.issue_token(owner)[0], *made]))
"""
PROPERTIES = [
    {"name": "title", "type": "string", "isSearchable": True, "isRetrievable": True},
    {"name": "url", "type": "string", "isRetrievable": True},
    {"name": "author", "type": "string", "isQueryable": True},
    {"name": "size", "type": "int64", "isQueryable": True},
    {"name": "score", "type": "double"},
    {"name": "final", "type": "boolean"},
    {"name": "changed", "type": "dateTime", "isQueryable": True},
    {"name": "tags", "type": "stringCollection", "isQueryable": True},
]
ITEM = {
    "acl": [
        {"accessType": "grant", "type": "group", "value": "7f43a1d4-9c5e-4a1b-8a3d-5a1f4b0f4e11"},
        {"accessType": "deny", "type": "user", "value": "0f1cda0f-35a5-4c63-b7ea-34a9bf2e4a05"},
    ],
    "properties": {
        "title": "Handbook of the house",
        "url": "https://intranet.example/handbook/4711",
        "author": "Megan Bowen",
        "size": 48213,
        "score": 0.75,
        "final": True,
        "changed": "2026-11-05T09:28:31.000Z",
        "tags@odata.type": "Collection(String)",
        "tags": ["travel", "expenses", "rooms"],
    },
    "content": {"type": "text", "value": WORDS * 12},
}
PUT = """
wrk.method = "PUT"
wrk.body = [[BODY]]
wrk.headers["Content-Type"] = "application/json"
local n = 0
function request()
    n = n + 1
    return wrk.format(nil, wrk.path .. "/NAME-" .. n)
end
"""
GET = """
local n = 0
function request()
    n = n % FEW + 1
    return wrk.format(nil, wrk.path .. "/n" .. n * STEP)
end
"""
#: As the worker does it, each step timed, and of it how long the commit waited for the disk, which
#: nobody else waits for on PostgreSQL.
PURGE = """
import json, time
from django.db import connections
from operations import provisioning
from operations.models import ExternalConnection
database = connections["default"]
commits = [0]
commit = database._commit
def timed():
    began = time.perf_counter()
    commit()
    commits.append(time.perf_counter() - began)
database._commit = timed
key = ExternalConnection.objects.deleting().get().pk
seconds, work = [], []
while True:
    began, so_far = time.perf_counter(), len(commits)
    more = provisioning.purge_step("measured", key)
    seconds.append(time.perf_counter() - began)
    work.append(seconds[-1] - sum(commits[so_far:]))
    if not more:
        break
print(json.dumps([max(seconds), max(work), max(commits), sum(seconds), len(seconds)]))
"""
OURS = "connectors-admin"
#: The same statement in a plain Django view, and without any framework.
BARE, BAREST = "bare SQL upsert in Django", "bare SQL upsert in WSGI"


def run(seconds: float = SECONDS) -> Iterator[str]:
    with ExitStack() as stack:
        few = stack.enter_context(Installation(FEW))
        yield from few.against_the_bare_upsert(seconds)
        many = stack.enter_context(Installation(MANY))
        yield _growth(few, many, seconds)
        yield many.deletion()


class Installation:
    """A service of its own whose connection *grown* has so many items."""

    def __init__(self, items: int) -> None:
        self.items = items
        self.names = count()

    def __enter__(self) -> Installation:
        with ExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            self.environment = stack.enter_context(own_database(Path(folder)))
            made = MAKE.format(properties=json.dumps(PROPERTIES), item=json.dumps(ITEM))
            token, _, grown, item = json.loads(shell(self.environment, made))
            self.headers = {"Authorization": f"Bearer {token}"}
            numbers = NUMBERS.format(rows=self.items - 1)
            execute(
                self.environment,
                copies(ExternalItem, item, numbers, graph_id="'n' || s.n"),
                "UPDATE operations_itemtally SET created = created + "
                f"{self.items - 1} WHERE bucket = 0",
                f"UPDATE operations_externalitem SET graph_id = 'n{self.items}' WHERE id = {item}",
                "ANALYZE operations_externalitem",
                CREATE,
            )
            served = stack.enter_context(serve(self.environment, "--no-worker")).address
            self.root = f"{served}/v1.0/external/connections"
            self.stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self.stack.close()

    def put(self, url: str, seconds: float, clients: int, headers: dict[str, str]) -> float:
        """Items written in a second, all of them new."""
        script = PUT.replace("BODY", json.dumps(ITEM)).replace("NAME", f"round{next(self.names)}")
        return requests_per_second(Target(url, headers, script=script), seconds, clients)

    def get(self, seconds: float) -> float:
        step = str(self.items // FEW)
        script = GET.replace("FEW", str(FEW)).replace("STEP", step)
        url = f"{self.root}/grown/items"
        return requests_per_second(Target(url, self.headers, script=script), seconds)

    def against_the_bare_upsert(self, seconds: float) -> Iterator[str]:
        with (
            wsgi(self.environment, "upserting") as plain,
            wsgi(self.environment, "upsert") as barest,
        ):
            for clients in CLIENTS:
                measured: dict[str, Callable[[], float]] = {
                    OURS: partial(
                        self.put, f"{self.root}/measured/items", seconds, clients, self.headers
                    ),
                    BARE: partial(self.put, f"{plain}/items", seconds, clients, {}),
                    BAREST: partial(self.put, f"{barest}/items", seconds, clients, {}),
                }
                title = f"PUT new items, {clients} client{'s' if clients > 1 else ''}"
                yield judged(title, "items/s", in_turns(measured), BARE, LEAST)

    def page(self, rows: int, seconds: float) -> float:
        """Pages of a hundred items in a second, each the one after so many rows."""
        [first] = query(self.environment, FIRST)
        after = write_skip_token((), Mark((), int(first) + rows - 1))
        url = f"{self.root}/grown/items?$top={PAGE}" + (f"&$skiptoken={after}" if rows else "")
        return requests_per_second(Target(url, self.headers), seconds)

    def deletion(self) -> str:
        """The connection with all these items, deleted: the answer, and then the worker's steps
        while others write."""
        began = time.perf_counter()
        request = urllib.request.Request(
            f"{self.root}/grown", method="DELETE", headers=self.headers
        )
        with urllib.request.urlopen(request) as response:  # noqa: S310 - our own address
            assert response.status == 202
        answered = (time.perf_counter() - began) * 1000
        with ThreadPoolExecutor() as pool:
            purged = pool.submit(shell, self.environment, PURGE)
            waits = []
            for number in count():
                if purged.done():
                    break
                began = time.perf_counter()
                self._put_one(f"meanwhile{number}")
                waits.append((time.perf_counter() - began) * 1000)
                time.sleep(0.02)
        longest, work, commit, working, steps = json.loads(purged.result())
        held = Spread(work * 1000, working / steps * 1000, work * 1000)
        waited = Spread(max(waits), min(waits), max(waits))
        return table(
            (f"a connection with {self.items:,} items deleted", "ms", "target", "met"),
            [
                ("DELETE answered", f"{answered:.0f}", "", ""),
                (f"longest of {steps:,} transactions", f"{longest * 1000:.0f}", "", ""),
                ("longest without its commit", f"{held.middle:.0f}", *at_most(held, LONGEST)),
                ("longest commit", f"{commit * 1000:.0f}", "", ""),
                ("one on the average", f"{held.least:.0f}", "", ""),
                ("all of them", f"{working * 1000:,.0f}", "", ""),
                (f"longest of {len(waits):,} PUTs meanwhile", f"{waited.middle:.0f}", "", ""),
            ],
        )

    def _put_one(self, name: str) -> None:
        request = urllib.request.Request(
            f"{self.root}/measured/items/{name}",
            method="PUT",
            data=json.dumps(ITEM).encode(),
            headers=self.headers,
        )
        urllib.request.urlopen(request).close()  # noqa: S310 - our own address


PAGE = 100
FIRST = f"SELECT min(id) FROM {ExternalItem._meta.db_table}"


def _growth(few: Installation, many: Installation, seconds: float) -> str:
    """What the same costs with many items and with few, by how often it is done in a second."""
    measured: dict[str, Callable[[], float]] = {}
    for house in (few, many):
        grown = f"{house.root}/grown/items"
        measured |= {
            f"PUT {house.items}": partial(house.put, grown, seconds, CONNECTIONS, house.headers),
            f"GET {house.items}": partial(house.get, seconds),
            f"first page {house.items}": partial(house.page, 0, seconds),
        }
    later = {
        "middle page": many.items // 2,
        "last page": many.items - PAGE,
    }
    measured |= {
        f"{name} {many.items}": partial(many.page, rows, seconds) for name, rows in later.items()
    }
    figures = in_turns(measured)
    rows = []
    for name in ("PUT", "GET", "first page"):
        rows.append(_cost(figures, f"{name} {few.items}", f"{name} {many.items}", name))
    for name in later:
        rows.append(_cost(figures, f"first page {many.items}", f"{name} {many.items}", name))
    head = (f"cost with {many.items:,} items", "1/s", "baseline, 1/s", "cost", "target", "met")
    return table(head, rows)


def _cost(figures: Figures, baseline: str, name: str, title: str) -> tuple[str, ...]:
    """A cost is the other way round than a rate."""
    cost = figures.ratio(baseline, name)
    shown = (str(figures.of(name)), str(figures.of(baseline)), str(cost))
    return (title, *shown, *at_most(cost, MOST))
