"""Kills workers and requests at every step of what they do: ``python -m tests.killed``.

A step is every SQL statement, the moment behind each COMMIT, and the end. Each scene is made anew
for each step that its work has, and a child does the work that kills itself with SIGKILL at that
step. Another worker ends what is left, when the leases have run out. The children are forks of one
process, for starting Django takes longer than all they do.
"""

from __future__ import annotations

import gc
import itertools
import json
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import django

django.setup()

from django.conf import settings  # noqa: E402
from django.db import DataError, connection, connections  # noqa: E402
from django.utils import timezone  # noqa: E402

from operations import provisioning, registering, runs  # noqa: E402
from operations.management.commands.run_operations import Worker  # noqa: E402
from operations.models import (  # noqa: E402
    Actor,
    ActorKind,
    BulkAction,
    Channel,
    ConnectionOperation,
    ExternalConnection,
    OperationStatus,
    OutcomeRule,
    contents,
)
from operations.selection import OperationSelection  # noqa: E402
from tests import factories  # noqa: E402
from tests.graph import ITEMS_WRITE_ALL, OWNED, WRITE_ALL, GraphClient  # noqa: E402

ERROR = {"code": "Rehearsed", "message": "Rehearsed failure."}


class Steps:
    """Counts the steps; kills the process at one of them."""

    def __init__(self, fatal: int):
        self.fatal = fatal
        self.count = 0

    def step(self) -> None:
        self.count += 1
        if self.count == self.fatal:
            os.kill(os.getpid(), signal.SIGKILL)

    def __call__(self, execute: Callable, sql: str, *args: Any) -> Any:
        self.step()  # before the statement; what is behind it is before the next one
        return execute(sql, *args)

    @contextmanager
    def watching(self) -> Iterator[None]:
        commit = connection._commit

        def watched() -> None:
            self.step()
            commit()
            self.step()

        connection._commit = watched  # type: ignore[method-assign]
        with connection.execute_wrapper(self):
            yield
        self.step()  # behind a last statement that was a transaction of its own


# Scenes: each makes one piece of work ------------------------------------------------------------


def failed(connection: Any) -> None:
    """A failure of before: somebody failed it by hand."""
    person = Actor(ActorKind.OPERATOR, "ada", Channel.DASHBOARD)
    operation = factories.request_registration(connection)
    operation.move(person, status=OperationStatus.FAILED, error=ERROR)


def registration(number: int, name: str = "plain") -> None:
    """Heartbeat, claim, lease, end; and the failure before it is superseded."""
    connection = factories.make_connection(f"{name}{number}")
    failed(connection)
    factories.request_registration(connection)


def rehearsed(number: int, name: str = "rule") -> None:
    """An outcome rule says how it ends."""
    connection = factories.make_connection(f"{name}{number}")
    OutcomeRule.objects.create(connection=connection, error=ERROR)
    factories.request_registration(connection)


def together(number: int) -> None:
    """Several in one batch, each with another end."""
    registration(number, "first")
    rehearsed(number, "second")
    factories.request_registration(factories.make_connection(f"third{number}"))


def broken(number: int) -> None:
    """The attempts break, together and then each alone, and go back into the queue."""
    for name in ("broken", "cracked"):
        factories.request_registration(factories.make_connection(f"{name}{number}"))


def used_up(number: int) -> None:
    """A worker that is silent by now held it for the last time."""
    operation = factories.request_registration(factories.make_connection(f"used{number}"))
    ConnectionOperation.objects.filter(pk=operation.pk).update(
        attempt=settings.OPERATION_ATTEMPTS,
        worker="dead",
        started_at=operation.created_at,
        lease_until=operation.created_at,
    )


def handed_back(number: int) -> None:
    """The worker is told to stop while it waits for the ends."""
    for name in ("back", "also"):
        factories.request_registration(factories.make_connection(f"{name}{number}"))


def deletion(number: int) -> None:
    """What is below is purged in batches, each a transaction, then the connection."""
    connection = factories.make_connection(f"doomed{number}")
    failed(connection)
    factories.report(connection)
    factories.register_schema(connection)
    for name in ("one", "two", "three"):
        item = factories.put_item(connection, name)
    for _ in range(2):
        factories.make_activity(item)
    factories.make_group(connection, "team", "a", "b")
    factories.make_group(connection, "staff", "team")
    provisioning.request_deletion(connection, factories.COMMAND)


def run(number: int) -> None:
    """An action on many operations."""
    connection = factories.make_connection(f"many{number}")
    for _ in range(2):
        factories.report(connection, status="failed", error=ERROR)
    keys = connection.operations.values_list("pk", flat=True)
    selection = OperationSelection(keys=tuple(keys))
    runs.start(BulkAction.ACKNOWLEDGE, selection, Actor.command("test"))


SCENES = (registration, rehearsed, together, broken, used_up, handed_back, deletion, run)


def work(scene: Callable) -> None:
    """What a worker does on it: the real one, once round, and without what is idle then."""
    worker = Worker()
    worker.tidy_at = float("inf")
    if scene is deletion:
        contents.ROWS, contents.TIME = 1, 0  # so that each row is a batch, and each batch a step
        while worker._purge():
            pass
        return
    if scene is run:
        worker._act()
        return
    if scene is broken:

        def refused(*_: Any) -> None:
            raise DataError("value too long")

        registering._bring_into_force = refused
    if scene is handed_back:
        settings.OPERATION_DURATION = 3600
        claim = registering.claim

        def last_claim(name: str) -> Any:
            worker.stop()
            return claim(name)

        registering.claim = last_claim
    if scene is not registration:
        worker.beat_at = float("inf")
    worker._try(worker._beat)
    worker._claim()
    if scene in (registration, handed_back):
        worker._leave()


# Requests: each makes one thing, and is sent again by a client that got no answer -----------------

BELOW = "/v1.0/external/connections"
ITEM = {"acl": [factories.EVERYONE], "properties": {"title": "A title"}}
REQUESTS = {
    "create": ("POST", "", None),
    "register": ("PATCH", "/{}/schema", factories.a_schema()),
    "report": ("POST", "/{}/operations", {}),
    "put": ("PUT", "/{}/items/one", ITEM),
    "fill": ("PUT", "/{}/items/one", ITEM),  # the limit with it
    "remove": ("DELETE", "/{}/items/one", None),  # and the limit holds the connection no more
}
OF_ITEMS = ("put", "fill", "remove")


def make_place(name: str, graph_id: str) -> None:
    """What must be there before the request."""
    if name == "create":
        return
    connection = factories.make_connection(graph_id)
    if name in OF_ITEMS:
        factories.register_schema(connection)
    if name == "remove":
        factories.put_item(connection)


def send(graph: GraphClient, name: str, graph_id: str) -> int:
    """Send the request under the same client-request-id each time. Returns the status."""
    method, path, body = REQUESTS[name]
    body = {"id": graph_id, "name": "x"} if name == "create" else body
    path = BELOW + path.format(graph_id)
    return graph.request(method, path, body, client_request_id=f"of-{graph_id}").status_code


def check_made_once(name: str, graph_id: str) -> None:
    connection = ExternalConnection.objects.get(graph_id=graph_id)
    operations = connection.operations.count()
    assert operations == (0 if name == "create" else 1), (name, graph_id, operations)
    items = connection.items.count()
    assert items == (1 if name in ("put", "fill") else 0), (name, graph_id, items)
    assert (connection.limited_by != "") == (name == "fill"), (name, graph_id, connection.state)


def kill_requests() -> Iterator[tuple[str, int]]:
    graph = GraphClient(factories.make_application(OWNED, WRITE_ALL, ITEMS_WRITE_ALL))
    plenty = settings.ITEMS_PER_CONNECTION
    for name in REQUESTS:
        settings.ITEMS_PER_CONNECTION = 1 if name in ("fill", "remove") else plenty
        for fatal in itertools.count(1):
            graph_id = f"{name}{fatal}"
            make_place(name, graph_id)
            survived = not child(lambda: send(graph, name, graph_id), fatal)  # noqa: B023
            status = send(graph, name, graph_id)
            # what was deleted by then is not there any more
            expected = (204, 404) if name == "remove" else (200, 201, 202)
            assert status in expected, (name, fatal, status)
            check_made_once(name, graph_id)
            if survived:
                break
        yield f"request to {name}", fatal - 1
    settings.ITEMS_PER_CONNECTION = plenty


def child(work: Callable[[], Any], fatal: int) -> bool:
    """Do the work in a fork, which dies at that step. False if there are not so many."""
    connections.close_all()
    gc.freeze()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            with Steps(fatal).watching():
                work()
            code = 0
        except BaseException:
            traceback.print_exc()
        os._exit(code)
    _, status = os.waitpid(pid, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return True
    assert status == 0, f"it broke before step {fatal}"
    return False


def end_what_is_left(heir: Worker) -> None:
    """What another worker does when the lease of the dead one is over."""
    past = timezone.now() - timedelta(seconds=1)
    unfinished = ConnectionOperation.objects.worker_unfinished()
    unfinished.update(run_after=past)
    unfinished.exclude(worker="").update(lease_until=past)
    while heir.round():
        pass


def kill_workers() -> Iterator[tuple[str, int]]:
    heir = Worker()
    heir.tidy_at = float("inf")
    for scene in SCENES:
        for fatal in itertools.count(1):
            scene(fatal)
            survived = not child(lambda: work(scene), fatal)  # noqa: B023
            end_what_is_left(heir)
            if survived:
                break
        yield scene.__name__, fatal - 1
    assert heir.trouble is None


def main() -> None:
    settings.PURGE_IN_REQUEST = 0
    told = dict(kill_requests()) | dict(kill_workers())
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main()
