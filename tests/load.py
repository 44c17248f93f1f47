"""Load on a running service: clients that create, register, report and move on, and write down what
they were told. They behave as the SDKs do: what was not answered, or with a 503, is sent again."""

from __future__ import annotations

import http.client
import json
import threading
import time
import uuid
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.factories import a_schema

#: Seconds between two tries of one request.
AGAIN = 0.2
#: Seconds between two requests of a client: what is tested needs its share of the machine.
PAUSE = 0.03
#: What a client may be answered while the database or the server is away.
CALM = (429, 503)


class Unanswered(Exception):
    """The load was ended before this request was answered."""


class Client:
    """One connection to the service, made anew when it breaks."""

    def __init__(self, load: Load):
        self.load = load
        self.connection: http.client.HTTPConnection | None = None

    def send(self, method: str, path: str, body: Any = None) -> tuple[int, Any, Any]:
        """Until it is answered with something other than 503, under one client-request-id."""
        headers = {
            "Authorization": f"Bearer {self.load.token}",
            "Content-Type": "application/json",
            "client-request-id": str(uuid.uuid4()),
        }
        data = None if body is None else json.dumps(body)
        time.sleep(PAUSE)
        while not self.load.is_over():
            try:
                status, told, answer = self._once(method, path, data, headers)
            except (OSError, http.client.HTTPException):
                self.close()
                self.load.statuses["no answer"] += 1
                time.sleep(AGAIN)
                continue
            self.load.note(method, path, status, told, answer)
            if status not in CALM:
                return status, told, answer
            time.sleep(AGAIN)
        raise Unanswered

    def _once(self, method: str, path: str, data: str | None, headers: dict[str, str]) -> Any:
        if self.connection is None:
            parts = urlsplit(self.load.address)
            self.connection = http.client.HTTPConnection(
                parts.hostname or "", parts.port or 80, timeout=30
            )
        self.connection.request(method, path, data, headers)
        response = self.connection.getresponse()
        text = response.read()
        is_json = (response.headers["Content-Type"] or "").startswith("application/json")
        return response.status, response.headers, json.loads(text) if text and is_json else text

    def close(self) -> None:
        if self.connection:
            with suppress(OSError):
                self.connection.close()
        self.connection = None


class Load:
    """So many clients at once, each going through the life of one connection after another."""

    def __init__(self, address: str, token: str, *, clients: int = 4, prefix: str = "load"):
        self.address = address
        self.token = token
        self.prefix = prefix
        self.statuses: Counter[Any] = Counter()
        self.faults: list[str] = []
        self.connections: dict[str, dict[str, str]] = {}
        self.unsure: list[str] = []
        self.answered_at = time.monotonic()  # when a change was confirmed last
        self._stopping = threading.Event()
        self._hurry = float("inf")
        self._threads = [threading.Thread(target=self._work, args=(n,)) for n in range(clients)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self.stop()

    def stop(self, seconds: float = 30) -> None:
        """Let each client end what it is at; what is not answered in time is unsure."""
        self._stopping.set()
        self._hurry = time.monotonic() + seconds
        for thread in self._threads:
            thread.join()

    def is_over(self) -> bool:
        return time.monotonic() > self._hurry

    def confirmed(self) -> int:
        """Changes that were answered 2xx so far."""
        return sum(
            number for status, number in list(self.statuses.items()) if status in (201, 202, 200)
        )

    def note(self, method: str, path: str, status: int, headers: Any, answer: Any) -> None:
        self.statuses[status] += 1
        if status < 300:
            self.answered_at = time.monotonic()
        elif status == 503:
            error = answer.get("error", {}) if isinstance(answer, dict) else {}
            calm = error.get("code") == "serviceNotAvailable" and headers["Retry-After"].isdigit()
            if not (calm and error["innerError"]["code"] == "DatabaseUnavailable"):
                self.faults.append(f"503 without its envelope: {answer!r}")
        else:
            self.faults.append(f"{method} {path}: {status} {answer!r}")

    def write(self, path: Path) -> Path:
        """What was acknowledged, for ``afterwards.compared``."""
        told = {"connections": self.connections, "unsure": self.unsure, "prefix": self.prefix}
        path.write_text(json.dumps(told))
        return path

    def _work(self, number: int) -> None:
        client = Client(self)
        count = 0
        while not self._stopping.is_set():
            count += 1
            name = f"{self.prefix}{number}x{count}"
            try:
                self._live(client, name)
            except Unanswered:
                self.unsure.append(name)
            except Exception as error:
                self.faults.append(f"{name}: {error!r}")
        client.close()

    def _live(self, client: Client, name: str) -> None:
        below = f"/v1.0/external/connections/{name}"
        status, _, _ = client.send("POST", below.rpartition("/")[0], {"id": name, "name": name})
        if status != 201:
            return
        told = self.connections[name] = {}
        status, headers, _ = client.send("PATCH", f"{below}/schema", a_schema())
        if status == 202:
            told[headers["Location"].rpartition("/")[2]] = "inprogress"
        status, _, operation = client.send("POST", f"{below}/operations", {"status": "inprogress"})
        if status != 201:
            return
        told[operation["id"]] = "inprogress"
        address = f"{below}/operations/{operation['id']}"
        status, _, operation = client.send("PATCH", address, {"status": "completed"})
        if status == 200:
            told[operation["id"]] = operation["status"]
        client.send("GET", f"{below}/operations")
