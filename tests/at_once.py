"""Many requests in the same instant, each over a connection that is open already."""

from __future__ import annotations

import http.client
import json
import threading
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urlsplit

from django.db import connection as database

TIMEOUT = 60


@dataclass(frozen=True)
class Call:
    """A request. ``form`` is sent as a browser does, ``body`` as JSON."""

    method: str
    path: str
    body: Any = None
    form: dict[str, Any] | None = None
    headers: dict[str, str] = field(default_factory=dict)

    def send(self, connection: http.client.HTTPConnection) -> Reply:
        data, headers = None, dict(self.headers)
        if self.form is not None:
            data = urlencode(self.form, doseq=True)
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        elif self.body is not None:
            data = json.dumps(self.body)
            headers["Content-Type"] = "application/json"
        connection.request(self.method, self.path, data, headers)
        response = connection.getresponse()
        return Reply(self, response.status, response.headers, response.read().decode())


@dataclass(frozen=True)
class Reply:
    call: Call
    status: int
    headers: Any
    text: str

    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def code(self) -> str:
        """Of a refusal in Graph's envelope: the inner code if there is one."""
        error = self.json()["error"]
        return error["innerError"].get("code") or error["code"]


def ask(address: str, call: Call) -> Reply:
    """One request alone."""
    return at_once(address, [call])[0]


def at_once(address: str, calls: Sequence[Call]) -> list[Reply]:
    """All of these requests at the same time; their answers in the order of the calls."""
    place = urlsplit(address)
    start = threading.Barrier(len(calls))

    def one(call: Call) -> Reply:
        connection = http.client.HTTPConnection(place.hostname, place.port, timeout=TIMEOUT)
        try:
            connection.connect()
            start.wait(TIMEOUT)
            return call.send(connection)
        finally:
            connection.close()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(one, calls))


def statuses(replies: Iterable[Reply]) -> Counter[int]:
    return Counter(reply.status for reply in replies)


def in_a_thread(call):
    """The call in a transaction of its own, and where its answer or error will be."""
    answers = []

    def run():
        try:
            answers.append(call())
        except Exception as error:
            answers.append(error)
        finally:
            database.close()

    thread = threading.Thread(target=run)
    thread.start()
    return thread, answers
