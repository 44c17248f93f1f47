"""What must be true when a fault is over, each rule in words. Reads the database and nothing else.

Called in a process of its own on an installation's database (``look``), or by a test that has one.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.processes import shell


def look(environment: dict[str, str], acknowledged: Path | None = None) -> dict[str, Any]:
    """What is wrong, lost and twice, in sentences, and how many operations there are.

    ``acknowledged`` is a file that ``load.Load.write`` has written. Without it nobody knows what
    was acknowledged: ``lost`` and ``twice`` are None, and what is made twice is among the wrong.
    """
    name = str(acknowledged) if acknowledged else ""
    return json.loads(
        shell(environment, f"from tests.afterwards import report; print(report({name!r}))")
    )


def settled(
    environment: dict[str, str], acknowledged: Path | None = None, seconds: float = 60
) -> dict[str, Any]:
    """What ``look`` says when nothing is left to do, or after that many seconds."""
    end = time.monotonic() + seconds
    while True:
        seen = look(environment, acknowledged)
        if not seen["wrong"] or time.monotonic() > end:
            return seen


def judge(seen: dict[str, Any]) -> None:
    """Fail with the sentences, if anything is wrong, lost or there twice."""
    for name in ("wrong", "lost", "twice"):
        assert not seen[name], (name, seen[name][:20])


def report(acknowledged: str = "") -> str:
    from operations.models import ConnectionOperation

    wrong = [sentence for rule in RULES for sentence in rule()]
    lost, twice = compared(Path(acknowledged)) if acknowledged else (None, None)
    return json.dumps(
        {
            "wrong": wrong,
            "lost": lost,
            "twice": twice,
            "operations": ConnectionOperation.objects.count(),
        }
    )


def _registrations() -> Any:
    from operations.models import ConnectionOperation, Kind

    return ConnectionOperation.objects.filter(kind=Kind.SCHEMA_REGISTRATION)


def _told(*actions: str) -> Counter[int]:
    """How many changes of these kinds tell of each operation, by its key."""
    from operations.models import Change

    keys = Change.objects.filter(action__in=actions).values_list("operation_key", flat=True)
    return Counter(keys)


def every_registration_has_ended() -> Iterator[str]:
    for operation in _registrations().exclude(status__in=(2, 3)):
        yield f"{operation} has not ended."


def every_end_is_told_once() -> Iterator[str]:
    """One Change for the end of each operation, and it says what the operation is now."""
    from operations.models import ConnectionOperation

    completed, failed = _told("operation.completed"), _told("operation.failed")
    reported = _told("operation.reported")
    for operation in ConnectionOperation.objects.all():
        told = (completed[operation.pk], failed[operation.pk])
        expected = (int(operation.status == 2), int(operation.status == 3))
        born_ended = reported[operation.pk] and told == (0, 0)
        if told != expected and not born_ended:
            yield f"{operation} is {operation.get_status_display()} and ended {told} times."


def a_completion_brings_one_version_into_force_and_a_failure_none() -> Iterator[str]:
    from operations.models import Schema

    versions = Counter(Schema.objects.values_list("operation_id", flat=True))
    told = _told("schema.inForce")
    for operation in _registrations():
        expected = int(operation.status == 2)
        found = (versions[operation.pk], told[operation.pk])
        if found != (expected, expected):
            yield f"{operation} has {found[0]} versions, of which {found[1]} are told."


def versions_count_from_one_without_a_gap() -> Iterator[str]:
    from operations.models import ExternalConnection

    for connection in ExternalConnection.objects.alive():
        versions = sorted(connection.schemas.values_list("version", flat=True))
        if versions != list(range(1, len(versions) + 1)):
            yield f"{connection} has the versions {versions}."
        if (connection.state == 1) == bool(versions):
            yield f"{connection} is {connection.get_state_display()} with {len(versions)} versions."


def outcomes_are_counted_once() -> Iterator[str]:
    """OutcomeCount says of each connection what its operations say."""
    from django.db.models import Count, Sum

    from operations.models import ConnectionOperation
    from operations.models.outcome_count import OutcomeCount

    ended = ConnectionOperation.objects.filter(status__in=(2, 3)).order_by()
    rows = ended.values("connection_id", "fingerprint").annotate(n=Count("pk"))
    expected = {(row["connection_id"], row["fingerprint"]): row["n"] for row in rows}
    rows = OutcomeCount.objects.order_by().values("connection_id", "fingerprint")
    rows = rows.annotate(n=Sum("count"))
    found = {(row["connection_id"], row["fingerprint"]): row["n"] for row in rows}
    for key in expected | found:
        if expected.get(key, 0) != found.get(key, 0):
            yield f"Outcome {key} is counted {found.get(key, 0)}, not {expected.get(key, 0)} times."


def errors_are_counted_once() -> Iterator[str]:
    """ErrorGroup counts every failure ever told, those of deleted connections too."""
    from operations.fingerprints import fingerprint
    from operations.models import Change, ErrorGroup

    expected: Counter[str] = Counter()
    for change in Change.objects.filter(action__in=("operation.failed", "operation.reported")):
        after = change.after or {}
        if after.get("status") != "failed":
            continue
        error = after.get("error") or {}
        expected[fingerprint(error.get("code"), error.get("target"), error.get("message"))] += 1
    found = dict(ErrorGroup.objects.values_list("fingerprint", "count"))
    for group in {*expected, *found} - {""}:
        if expected[group] != found.get(group, 0):
            yield f"Error {group} is counted {found.get(group, 0)}, not {expected[group]} times."


def every_deletion_has_ended_once() -> Iterator[str]:
    from operations.models import Change, ExternalConnection

    for connection in ExternalConnection.objects.deleting():
        yield f"{connection} is still being deleted."
    purged = Counter(
        Change.objects.filter(action="connection.purged").values_list("connection_key", flat=True)
    )
    asked = Change.objects.filter(action="connection.deletionRequested")
    for change in asked:
        if purged[change.connection_key] != 1:
            yield f"{change.connection_graph_id} was purged {purged[change.connection_key]} times."


def items_are_counted_once() -> Iterator[str]:
    """ItemTally says of each connection how many items it has, of all how many there are, and
    nothing of a connection that is gone."""
    from operations.models import ExternalConnection, ExternalItem, ItemTally
    from operations.models.item_tally import EVERYTHING

    there = ExternalConnection.objects.values_list("pk", flat=True)
    expected = Counter(ExternalItem.objects.order_by().values_list("connection_id", flat=True))
    expected[EVERYTHING] = expected.total()
    keys = {EVERYTHING, *there, *ItemTally.objects.values_list("connection_key", flat=True)}
    for key, found in ItemTally.objects.items_of(keys).items():
        if found != expected[key]:
            yield f"Of connection {key} (0: all) {found} items are counted, not {expected[key]}."
    for key in keys - {EVERYTHING, *there}:
        yield f"The counts of connection {key}, which is gone, are there."


def every_run_has_ended_and_did_each_row_once() -> Iterator[str]:
    from operations.models import BulkRun

    for run in BulkRun.objects.all():
        if not run.finished_at:
            yield f"{run} has not ended."
        if not run.stopped_by and run.done + run.skipped + run.refused != run.expected:
            yield f"{run}: {run.done} done, {run.skipped} skipped, {run.refused} refused."
    for key, number in _told("operation.acknowledged").items():
        if number != 1:
            yield f"Operation {key} was acknowledged {number} times."


def a_superseded_failure_is_told_once() -> Iterator[str]:
    from operations.models import ConnectionOperation, Triage

    told = _told("operation.superseded")
    for operation in ConnectionOperation.objects.all():
        if told[operation.pk] != int(operation.triage == Triage.SUPERSEDED):
            yield f"{operation} is told {told[operation.pk]} times to be superseded."


def no_request_was_carried_out_twice() -> Iterator[str]:
    """A request id stands under one thing that was made at the most."""
    from operations.models import Change

    made = ("connection.created", "operation.requested", "operation.reported")
    rows = Change.objects.filter(action__in=made).exclude(request_id="")
    for request_id, number in Counter(rows.values_list("request_id", flat=True)).items():
        if number != 1:
            yield f"Request {request_id} made {number} things."


def the_file_is_whole() -> Iterator[str]:
    """SQLite's own check; PostgreSQL has checked what it needed when it started."""
    from django.db import connection

    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            found = cursor.execute("PRAGMA integrity_check").fetchall()
            found += cursor.execute("PRAGMA foreign_key_check").fetchall()
        if found != [("ok",)]:
            yield f"The file is broken: {found[:3]}"


RULES = (
    every_registration_has_ended,
    every_end_is_told_once,
    a_completion_brings_one_version_into_force_and_a_failure_none,
    versions_count_from_one_without_a_gap,
    outcomes_are_counted_once,
    errors_are_counted_once,
    every_deletion_has_ended_once,
    items_are_counted_once,
    every_run_has_ended_and_did_each_row_once,
    a_superseded_failure_is_told_once,
    no_request_was_carried_out_twice,
    the_file_is_whole,
)


def compared(path: Path) -> tuple[list[str], list[str]]:
    """What was answered 2xx and is not there, and what is there more often than asked for."""
    from operations.models import ConnectionOperation

    told = json.loads(path.read_text())
    stored: dict[str, dict[str, str]] = {name: {} for name in _names_of_connections()}
    rows = ConnectionOperation.objects.select_related("connection")
    for operation in rows:
        word = operation.graph()["status"]
        stored[operation.connection.graph_id][operation.graph_id] = word
    lost, twice = [], []
    for name, operations in told["connections"].items():
        if name not in stored:
            lost.append(f"Connection {name}")
            continue
        for graph_id, status in operations.items():
            if stored[name].get(graph_id) not in (status, *AFTER.get(status, ())):
                lost.append(f"{name}/{graph_id}: {status}, not {stored[name].get(graph_id)}")
        for graph_id in stored[name].keys() - operations.keys():
            twice.append(f"{name}/{graph_id}")
    for name in stored.keys() - told["connections"].keys() - set(told["unsure"]):
        if name.startswith(told["prefix"]):
            twice.append(f"Connection {name}")
    unsure = set(told["unsure"])
    return lost, [name for name in twice if name.partition("/")[0] not in unsure]


#: What an acknowledged status may have become by itself.
AFTER = {"inprogress": ("completed", "failed")}


def _names_of_connections() -> list[str]:
    from operations.models import ExternalConnection

    return list(ExternalConnection.objects.values_list("graph_id", flat=True))
