"""SIGKILL of web processes under load: ``serve`` brings them back, nothing confirmed is lost."""

from __future__ import annotations

import os
import signal
import time

import pytest

from connectors_admin.processes import TOO_SOON
from tests.afterwards import judge, settled
from tests.load import Load
from tests.processes import children, own_database, serve, wait_for

pytestmark = pytest.mark.faults


def test_killed_under_load(tmp_path, figures):
    """One of the web server's processes, the web server, and it together with the worker."""
    with own_database(tmp_path) as environment:
        environment |= {"OPERATION_LEASE": "3"}
        with serve(environment, "--web-workers", "2") as serving:

            def child(word: str) -> int:
                def found() -> list[int]:
                    of_serve = children(serving.process.pid)
                    return [pid for pid, line in of_serve.items() if word in line]

                return wait_for(found)[0]

            def one_of_its_processes() -> list[int]:
                return [wait_for(lambda: list(children(child("gunicorn"))))[0]]

            time.sleep(TOO_SOON)  # a child that ends sooner is not started again
            longest = 0.0
            with Load(serving.address, serving.token) as load:
                for victims in (
                    one_of_its_processes,
                    lambda: [child("gunicorn")],
                    one_of_its_processes,
                    lambda: [child("gunicorn"), child("run_operations")],
                ):
                    seen = load.confirmed()
                    wait_for(lambda seen=seen: load.confirmed() > seen + 10)
                    for pid in victims():
                        os.kill(pid, signal.SIGKILL)
                    killed_at, seen = time.monotonic(), load.confirmed()
                    wait_for(lambda seen=seen: load.confirmed() > seen + 10)
                    longest = max(longest, time.monotonic() - killed_at)
            kept = load.write(tmp_path / "acknowledged")
            seen = settled(environment, kept)
            assert serving.stop() == 0

    figures(
        "web processes and worker killed under load",
        seen,
        killed=5,
        seconds=longest,
        note=f"answers {dict(load.statuses)}",
    )
    assert not load.faults and not load.unsure
    judge(seen)
