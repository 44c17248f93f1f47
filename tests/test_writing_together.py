"""Web server, workers and the admin write together: nobody is told that the database is locked.

On SQLite they take turns; on PostgreSQL the same load goes through a pool of connections.
"""

from __future__ import annotations

import re
import threading
import time
import urllib.parse
import urllib.request
from http.cookiejar import CookieJar

import pytest
from django.conf import settings

from tests.afterwards import judge, settled
from tests.load import Load
from tests.processes import (
    Serving,
    own_database,
    query,
    serve,
    shell,
    start_worker,
    wait_for,
    written_by_another,
)

pytestmark = pytest.mark.faults

SECONDS = 6
HELD_UP = "SELECT COUNT(*) FROM pg_locks WHERE NOT granted"


class Person:
    """Somebody who signs in and edits in the admin, again and again."""

    def __init__(self, serving: Serving):
        self.serving = serving
        self.saved = 0
        self.trouble: list[str] = []
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self._work)

    def _work(self) -> None:
        while not self.stopping.is_set():
            try:
                self._edit()
            except Exception as error:
                self.trouble.append(repr(error))

    def _edit(self) -> None:
        jar = urllib.request.HTTPCookieProcessor(CookieJar())
        opener = urllib.request.build_opener(jar)
        sign_in = {
            "username": self.serving.printed("Operator"),
            "password": self.serving.printed("Password"),
        }
        self._post(opener, "/sign-in/", sign_in)
        rule = {"remaining": "0", "error": '{"code": "Rehearsed"}', "connection": ""}
        page = self._post(opener, "/admin/operations/outcomerule/add/", rule)
        assert "was added successfully" in page, page[:2000]
        self.saved += 1

    def _post(self, opener: urllib.request.OpenerDirector, path: str, form: dict) -> str:
        address = self.serving.address + path
        with opener.open(address, timeout=30) as response:
            page = response.read().decode()
        found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
        assert found, page[:500]
        data = urllib.parse.urlencode(form | {"csrfmiddlewaretoken": found.group(1)}).encode()
        with opener.open(address, data, timeout=30) as response:
            return response.read().decode()


def test_all_write_at_once(tmp_path, figures):
    with own_database(tmp_path) as environment:
        environment |= {"DATABASE_POOL": str(not settings.EMBEDDED_DATABASE).lower()}
        logs = [tmp_path / f"log{number}" for number in range(3)]
        with serve(environment, "--web-workers", "3", log=logs[0]) as serving:
            workers = [start_worker(environment, log) for log in logs[1:]]
            person = Person(serving)
            with Load(serving.address, serving.token, clients=6) as load:
                person.thread.start()
                wait_for(lambda: load.confirmed() > 20 and person.saved)
                begun, seen = time.monotonic(), load.confirmed()
                time.sleep(SECONDS)
                rate = (load.confirmed() - seen) / (time.monotonic() - begun)
                person.stopping.set()
                person.thread.join()
            kept = load.write(tmp_path / "acknowledged")
            seen = settled(environment, kept)
            for worker in workers:
                worker.terminate()
            assert [worker.wait(15) for worker in workers] == [0, 0]
            assert serving.stop() == 0

    figures(
        "web, workers and admin write together",
        seen,
        note=f"{rate:.0f} confirmed changes a second, {person.saved} edits",
    )
    assert not load.faults and not load.unsure and not person.trouble
    judge(seen)
    assert set(load.statuses) == {200, 201, 202}
    for log in logs:
        told = log.read_text()
        assert "locked" not in told and "Traceback" not in told, told[-3000:]


if settings.EMBEDDED_DATABASE:

    def test_every_transaction_takes_the_lock_when_it_begins(tmp_path):
        """Django's own as well: sessions, users, migrations."""
        with own_database(tmp_path) as environment:
            mode = "from django.db import connection as c; c.ensure_connection(); "
            assert shell(environment, f"{mode}print(c.transaction_mode)") == "IMMEDIATE"

else:

    def test_no_free_connection_in_the_pool_is_a_calm_503(tmp_path):
        from tests import calm

        with own_database(tmp_path) as environment:
            pool = {"DATABASE_POOL_MIN": "1", "DATABASE_POOL_MAX": "1"}
            environment |= pool | {"DATABASE_POOL": "true", "DATABASE_POOL_TIMEOUT": "0.5"}
            with serve(environment, "--no-worker") as serving:
                with written_by_another(environment, "operations_externalconnection"):
                    waiting = []
                    first = threading.Thread(
                        target=lambda: waiting.append(calm.create(serving, "first")[0])
                    )
                    first.start()
                    wait_for(lambda: query(environment, HELD_UP) == (1,))
                    assert calm.refused_calmly(calm.create(serving, "second"))
                first.join()
                assert waiting == [201]
                assert calm.create(serving, "third")[0] == 201
