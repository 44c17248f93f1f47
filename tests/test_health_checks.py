"""How this installation stands: each check, well and not well, and what to do."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone

from connectors_admin.tls import credentials
from operations import health_checks, retention, tokens
from operations.health_checks import State, report
from operations.models import ConnectionOperation, ExternalConnection, Retention, WorkerHeartbeat
from operations.models.heartbeat import ALIVE_FOR
from tests import factories

pytestmark = pytest.mark.django_db


def check(name, now=None):
    [found] = [each for each in report(now or timezone.now()) if each.name == name]
    return found


@pytest.fixture
def worker():
    WorkerHeartbeat.objects.beat("worker-one", 2)
    return "worker-one"


def test_a_fresh_installation_with_a_worker_is_well(worker):
    checks = report(timezone.now())

    assert {each.name: each.state for each in checks if each.state != State.OK} == {}
    assert {each.name for each in checks} >= {
        "database",
        "migrations",
        "workers",
        "queue",
        "stuck",
        "deletions",
        "settings",
        "catalogue",
        "keys",
    }
    assert not any(each.advice for each in checks)


def test_the_database_is_named():
    found = next(each for each in report(timezone.now()) if each.name == "database")

    assert found.sentence.startswith(
        {"sqlite": "SQLite 3", "postgresql": "PostgreSQL "}[connection.vendor]
    )
    assert found.sentence.endswith(" MB.")


@pytest.mark.parametrize(
    ("seconds", "state"),
    [(0, State.OK), (1.9, State.OK), (2.1, State.WARNING), (900, State.WARNING)],
)
def test_clocks_that_differ(seconds, state):
    found = health_checks.clocks(timedelta(seconds=seconds))

    assert found.state == state
    assert f"{seconds:.1f} s apart" in found.sentence
    assert bool(found.advice) is (state == State.WARNING)


def test_a_migration_that_is_missing():
    MigrationRecorder(connection).record_unapplied("operations", "0001_connections_and_operations")

    found = check("migrations")

    assert found.state == State.FAILING
    assert found.sentence == "1 migration is not applied."
    assert "manage.py migrate" in found.advice
    assert [row.name for row in found.details] == ["operations.0001_connections_and_operations"]


def test_a_migration_of_a_newer_version():
    MigrationRecorder(connection).record_applied("operations", "9999_later")

    found = check("migrations")

    assert found.state == State.WARNING
    assert "newer version" in found.sentence


def test_no_worker_lives():
    found = check("workers")

    assert found.state == State.FAILING
    assert "No worker lives" in found.sentence
    assert "run_operations" in found.advice


def test_a_worker_lives_and_holds_something(worker):
    found = check("workers")

    assert (found.state, found.sentence) == (State.OK, "1 worker lives.")
    [row] = found.details
    assert (row.name, row.sentence) == ("worker-one", "holds 2 operations")
    assert found.since == row.since


def test_a_worker_that_fell_silent_beside_one_that_lives(worker):
    now = timezone.now()
    WorkerHeartbeat.objects.beat("killed", 1)
    WorkerHeartbeat.objects.filter(name="killed").update(seen_at=now - ALIVE_FOR * 2)

    found = check("workers", now)

    assert found.state == State.WARNING
    assert found.sentence.startswith("1 worker lives. 1 fell silent")
    silent = found.details[-1]
    assert (silent.name, silent.sentence, silent.since) == (
        "killed",
        "silent",
        now - ALIVE_FOR * 2,
    )
    WorkerHeartbeat.objects.filter(name="killed").update(seen_at=now - timedelta(hours=2))
    later = check("workers", now)
    assert later.state == State.OK and later.details[-1].name == "killed"


def test_all_workers_fell_silent(worker):
    now = timezone.now() + timedelta(minutes=5)

    found = check("workers", now)

    assert found.state == State.FAILING
    assert found.since == WorkerHeartbeat.objects.get().seen_at


def test_what_waits_too_long(worker):
    operation = factories.request_registration(factories.make_connection())
    assert check("queue", operation.run_after + timedelta(seconds=5)).state == State.OK

    found = check("queue", operation.run_after + timedelta(minutes=2))

    assert found.state == State.WARNING
    assert found.sentence == "1 registration waits for a worker."
    assert found.since == operation.run_after


def test_what_a_worker_lost_waits_on_both_pages(operator):
    operation = factories.request_registration(factories.make_connection())
    factories.claim("killed")
    assert check("queue").sentence == "Nothing waits for a worker."
    assert operator.get("/").context["waiting"].number == 0
    ended = timezone.now() - timedelta(seconds=1)
    ConnectionOperation.objects.filter(pk=operation.pk).update(lease_until=ended)

    found = check("queue")

    assert (found.state, found.since) == (State.OK, ended)
    assert found.sentence == "1 registration waits for a worker."
    assert operator.get("/").context["waiting"].number == 1


def test_what_is_to_be_tried_later_does_not_wait():
    operation = factories.request_registration(factories.make_connection())
    later = timezone.now() + timedelta(seconds=5)
    ConnectionOperation.objects.filter(pk=operation.pk).update(run_after=later)

    assert check("queue").sentence == "Nothing waits for a worker."


def test_stuck_operations(monkeypatch):
    monkeypatch.setattr(health_checks, "COUNTED", 2)
    connections = [factories.make_connection() for _ in range(3)]
    factories.make_stuck(factories.report(connections[0]), timedelta(hours=5))
    assert check("stuck").sentence.startswith("1 operation has not ended")
    for each in connections[1:]:
        factories.make_stuck(factories.report(each))

    found = check("stuck")

    assert found.state == State.WARNING
    assert found.sentence.startswith("2+ operations have not ended")
    assert timezone.now() - found.since > timedelta(hours=4)


def test_deletions_that_go_on(settings):
    settings.PURGE_IN_REQUEST = 0
    doomed = factories.make_connection("doomed")
    factories.report(doomed, status="completed")
    health_checks_before = check("deletions")
    assert health_checks_before.sentence == "No connection is being deleted."
    since = timezone.now()
    ExternalConnection.objects.filter(pk=doomed.pk).update(deleting_since=since)

    assert check("deletions", since).state == State.OK
    found = check("deletions", since + timedelta(minutes=11))

    assert found.state == State.WARNING
    assert [(row.name, row.since) for row in found.details] == [("doomed", since)]


def test_retention():
    assert check("retention").sentence == "No run has ended yet."
    now = timezone.now()
    row = retention.state()
    Retention.objects.update(started_at=now, ended_at=now, removed={"changes": 1200, "runs": 34})
    assert check("retention").sentence == "The last run removed 1,234 records."
    Retention.objects.update(ended_at=None)
    assert (check("retention").sentence, check("retention").since) == ("A run goes on.", now)
    Retention.objects.update(ended_at=now, put_off_from=now - timedelta(days=400))

    found = check("retention")

    assert (found.state, found.since) == (State.WARNING, now - timedelta(days=400))
    assert "look at the clock" in found.advice
    assert str(row) == "Retention"


def test_the_administrators_causes_that_cannot_be_used(settings, tmp_path):
    settings.CAUSES_FILE = tmp_path / "causes.toml"
    settings.CAUSES_FILE.write_text("[[causes]]\nid = 'x'\n")

    found = check("catalogue")

    assert found.state == State.WARNING
    assert str(settings.CAUSES_FILE) in found.sentence
    assert found.details


def test_the_signing_key(application):
    assert check("keys").since is None

    tokens.issue_token(application)

    assert timezone.now() - check("keys").since < timedelta(minutes=1)


def test_unsafe_settings_are_those_that_the_start_names(settings):
    settings.ALLOWED_HOSTS = ["connectors.example"]
    settings.DEBUG = True

    found = {each.sentence: each for each in report(timezone.now()) if each.name == "settings"}

    debug = next(each for text, each in found.items() if "lets others in" in text)
    assert debug.state == State.FAILING and "Unset DEBUG" in debug.advice
    assert found["DEBUG is on."].state == State.WARNING
    assert any(text.startswith("PUBLIC_URL is not set") for text in found)


def test_the_certificate_of_serve(settings, tmp_path):
    settings.SERVED_CERTIFICATE = str(credentials(tmp_path / "tls").server)
    now = timezone.now()

    assert check("certificate", now).sentence == "It ends in 396 days."
    near = check("certificate", now + timedelta(days=390))
    assert (near.state, near.sentence) == (State.WARNING, "It ends in 6 days.")
    assert "serve" in near.advice
    assert check("certificate", now + timedelta(days=500)).state == State.FAILING


def test_a_check_that_breaks_says_so_and_the_others_go_on(settings, tmp_path, worker):
    settings.SERVED_CERTIFICATE = str(tmp_path / "gone.pem")

    found = check("certificate")

    assert found.state == State.FAILING and found.is_broken
    assert found.title == "Certificate"
    assert "could not be looked at" in found.sentence
    assert check("workers").state == State.OK
