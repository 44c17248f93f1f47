"""Workers say that they live; one that was killed is seen to be silent."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.utils import timezone

from operations.models import WorkerHeartbeat
from operations.models.heartbeat import ALIVE_FOR, KEPT
from tests.processes import own_database, shell, start_worker, wait_for

LOOK = """
import json
from django.utils import timezone
from operations.models import WorkerHeartbeat
now = timezone.now()
print(json.dumps([
    {"name": row.name, "seen": (now - row.seen_at).total_seconds(), "held": row.held,
     "alive": row.is_alive(now), "version": row.version}
    for row in WorkerHeartbeat.objects.order_by("started_at")
]))
"""


def look(environment):
    return json.loads(shell(environment, LOOK))


@pytest.mark.django_db
def test_a_beat_makes_a_row_and_renews_it():
    WorkerHeartbeat.objects.beat("one", 0)
    first = WorkerHeartbeat.objects.get()
    WorkerHeartbeat.objects.beat("one", 3)

    row = WorkerHeartbeat.objects.get()
    assert (row.name, row.held) == ("one", 3)
    assert row.started_at == first.started_at
    assert row.seen_at >= first.seen_at
    assert abs(timezone.now() - row.seen_at) < timedelta(seconds=10)


@pytest.mark.django_db
def test_who_was_seen_lately_is_alive():
    WorkerHeartbeat.objects.beat("one", 0)
    WorkerHeartbeat.objects.beat("two", 0)
    now = timezone.now()
    WorkerHeartbeat.objects.filter(name="two").update(seen_at=now - ALIVE_FOR * 2)

    assert [row.name for row in WorkerHeartbeat.objects.alive(now)] == ["one"]


@pytest.mark.django_db
def test_what_is_left_of_a_killed_worker_goes_when_another_starts_a_day_later():
    WorkerHeartbeat.objects.beat("old", 0)
    WorkerHeartbeat.objects.beat("recent", 0)
    WorkerHeartbeat.objects.filter(name="old").update(seen_at=timezone.now() - KEPT * 1.1)

    WorkerHeartbeat.objects.beat("new", 0)

    assert {row.name for row in WorkerHeartbeat.objects.all()} == {"recent", "new"}


@pytest.mark.django_db
def test_a_worker_that_ended_as_it_should_leaves_nothing():
    call_command("run_operations", once=True)

    assert not WorkerHeartbeat.objects.exists()


def test_a_real_worker_lives_falls_silent_when_killed_and_leaves_when_stopped(tmp_path):
    with own_database(tmp_path) as environment:
        victim = start_worker(environment)
        [row] = wait_for(lambda: look(environment))
        assert row["alive"] and row["held"] == 0 and row["version"]
        assert f"-{victim.pid}-" in row["name"]
        victim.kill()
        victim.wait()

        other = start_worker(environment)
        left, lives = wait_for(lambda: (rows := look(environment)) and len(rows) == 2 and rows)
        assert left["name"] == row["name"] and left["seen"] > lives["seen"]
        other.terminate()
        assert other.wait(15) == 0
        assert [each["name"] for each in look(environment)] == [row["name"]]
