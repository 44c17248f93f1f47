"""``/metrics``: behind a token, right over several processes, bounded in series and in cost."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
import yaml
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from operations import metrics
from operations.models import ConnectionOperation, ErrorGroup, ExternalConnection, WorkerHeartbeat
from operations.models.heartbeat import ALIVE_FOR
from operations.monitoring import stored as stored_metrics
from operations.monitoring.stored import QUERIES, stored
from tests import factories
from tests.graph import GraphClient
from tests.processes import database_away, own_database, serve, shell, start_worker, wait_for
from tests.test_probes import ask

HOME = Path(__file__).resolve().parent.parent
TOKEN = "a-token-of-more-than-16-characters"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
RULES = HOME / "deploy" / "prometheus-rules.yaml"
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def samples(text: str) -> Samples:
    """Every sample of a scrape by name and labels; each only once."""
    found: Samples = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            key = (sample.name, frozenset(sample.labels.items()))
            assert key not in found, key
            found[key] = sample.value
    return found


def value(found: Samples, name: str, **labels: str) -> float | None:
    return found.get((f"connectors_admin_{name}", frozenset(labels.items())))


def known(now=None) -> Samples:
    """What the database knows."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in stored(now or timezone.now())
        for sample in family.samples
    }


# The token ---------------------------------------------------------------------------------------


def test_without_a_token_of_the_installation_nothing_is_here(settings):
    settings.METRICS_TOKEN = ""
    response = Client().get("/metrics", headers={"authorization": "Bearer "})
    assert response.status_code == 404
    assert response.content == b"Metrics are off: METRICS_TOKEN is not set.\n"


@pytest.mark.parametrize(
    "sent",
    [None, "Bearer wrong", "Bearer", f"Basic {TOKEN}", TOKEN, f"Bearer {TOKEN}x", "Bearer \xfc"],
)
def test_another_token_is_refused(settings, sent):
    settings.METRICS_TOKEN = TOKEN
    response = Client().get("/metrics", headers={"authorization": sent} if sent else {})
    assert response.status_code == 401
    assert response["WWW-Authenticate"] == 'Bearer realm="metrics"'
    assert response.content == b"The metrics want METRICS_TOKEN as bearer token.\n"


@pytest.mark.django_db
def test_a_bearer_token_of_an_application_is_not_enough(settings, graph):
    settings.METRICS_TOKEN = TOKEN
    assert graph.get("/metrics").status_code == 401


# What this process counts ------------------------------------------------------------------------


def counted() -> Samples:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in metrics.counted()
        for sample in family.samples
    }


def difference(before: Samples) -> dict[tuple[str, frozenset], float]:
    now = counted()
    return {key: now[key] - before.get(key, 0) for key in now if now[key] != before.get(key, 0)}


@pytest.mark.django_db
def test_paths_and_methods_of_strangers_make_no_series_of_their_own(graph):
    Client().get("/nowhere/0")
    graph.get("/v1.0/connections/x0")
    Client().generic("BREW", "/sign-in/")
    before = counted()
    for number in range(1, 20):
        Client().get(f"/nowhere/{number}")
        graph.get(f"/v1.0/connections/x{number}")
        Client().generic(f"BREW{number}", "/sign-in/")
    assert set(counted()) == set(before)
    changed = difference(before)
    assert value(changed, "http_requests_total", method="GET", route="none", status="404") == 19
    route = "/v1.0/connections/{connection_id}"
    assert value(changed, "http_requests_total", method="GET", route=route, status="404") == 19
    labels = {"method": "other", "route": "/sign-in/"}
    assert value(changed, "http_request_duration_seconds_count", **labels) == 19


@pytest.mark.django_db
def test_refusals_are_counted_by_status_and_code_also_in_a_batch(graph, settings):
    settings.THROTTLE_LIMIT = 4
    before = counted()
    GraphClient(token="none").get("/v1.0/connections")
    graph.get("/v1.0/connections/nothere")
    parts = [
        {"id": str(number), "method": "GET", "url": "/connections/nothere"} for number in range(5)
    ]
    graph.post("/v1.0/$batch", {"requests": parts})
    changed = difference(before)
    assert value(changed, "api_refusals_total", status="404", code="ResourceNotFound") == 4
    assert value(changed, "api_refusals_total", status="429", code="429") == 2
    code = "InvalidAuthenticationToken"
    assert value(changed, "api_refusals_total", status="401", code=code) == 1


@pytest.mark.django_db
def test_failed_sign_ins_are_counted(application):
    before = counted()
    Client().post("/sign-in/", {"username": "nobody", "password": "wrong"})
    form = {"grant_type": "client_credentials", "scope": "x/.default"}
    form |= {"client_id": str(application.app_id), "client_secret": "wrong"}
    Client().post("/common/oauth2/v2.0/token", form)
    changed = difference(before)
    assert value(changed, "sign_in_failures_total", way="page") == 1
    assert value(changed, "sign_in_failures_total", way="client") == 1


@pytest.mark.django_db(transaction=True)
def test_what_ended_is_counted_once_and_not_if_it_was_rolled_back():
    place = factories.make_connection()
    before = counted()
    factories.report(place, status="completed")
    failed = factories.report(place, status="failed")
    failed.move(factories.COMMAND, error={"code": "Late", "message": "the error came later"})
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        factories.report(place, status="completed")
        raise ZeroDivisionError
    changed = difference(before)
    assert value(changed, "operations_ended_total", kind="reported", status="completed") == 1
    assert value(changed, "operations_ended_total", kind="reported", status="failed") == 1


# What the database knows -------------------------------------------------------------------------


@pytest.mark.django_db
def test_operations_by_kind_and_status_queue_and_workers():
    now = timezone.now()
    place = factories.make_connection()
    factories.report(place, status="unspecified")
    factories.report(place)
    factories.make_stuck(factories.report(place))
    factories.report(place, status="failed", error={"code": "Quota", "message": "Full."})
    factories.report(place, status="failed")
    factories.report(place, status="completed")
    factories.report(place, status="failed")
    factories.request_registration(factories.make_connection())
    factories.claim("one")
    waiting = factories.request_registration(factories.make_connection())
    since = now - timedelta(minutes=3)
    ConnectionOperation.objects.filter(pk=waiting.pk).update(run_after=since)
    WorkerHeartbeat.objects.beat("one", 1)
    WorkerHeartbeat.objects.beat("killed", 0)
    WorkerHeartbeat.objects.filter(name="killed").update(seen_at=now - 2 * ALIVE_FOR)
    gone = factories.make_connection()
    ExternalConnection.objects.filter(pk=gone.pk).update(deleting_since=now - timedelta(hours=1))

    found = known(now)

    def unfinished(kind: str, status: str) -> float | None:
        return value(found, "operations_unfinished", kind=kind, status=status)

    assert unfinished("reported", "unspecified") == 1
    assert unfinished("reported", "inprogress") == 2
    assert unfinished("schemaRegistration", "inprogress") == 2
    assert value(found, "operations_held") == 1
    assert value(found, "operations_stuck") == 1
    assert value(found, "open_failures") == 1, "those before a success are superseded"
    assert value(found, "operations_ended_today", status="completed") == 1
    assert value(found, "operations_ended_today", status="failed") == 3
    assert value(found, "queue_length") == 1
    assert value(found, "queue_oldest_age_seconds") == pytest.approx(180)
    assert value(found, "workers") == 1
    assert value(found, "worker_last_heartbeat_timestamp_seconds") == pytest.approx(
        now.timestamp(), abs=60
    )
    assert value(found, "deletions") == 1
    assert value(found, "deletions_oldest_age_seconds") == pytest.approx(3600)
    assert value(found, "failures_total") == 3
    assert value(found, "failures_by_code_total", code="Quota") == 1


@pytest.mark.django_db
def test_an_installation_with_nothing_in_it():
    found = known()
    assert value(found, "queue_oldest_age_seconds") == 0
    assert value(found, "workers") == 0
    assert value(found, "failures_total") == 0
    assert not [key for key in found if key[0].endswith("by_code_total")]


@pytest.mark.django_db
def test_codes_of_callers_are_bounded_and_no_counter_falls(monkeypatch):
    monkeypatch.setattr(stored_metrics, "CODES", 2)
    place = factories.make_connection()
    late = factories.report(place, status="failed")
    for number, code in ((3, "A" * 150), (2, 'B"\n'), (1, "C")):
        for _ in range(number):
            factories.report(place, status="failed", error={"code": code, "message": "x"})
    before = known()
    coded = {key: found for key, found in before.items() if key[0].endswith("by_code_total")}
    assert sorted(coded.values()) == [2, 3]
    assert value(before, "failures_by_code_total", code="A" * 100) == 3
    assert value(before, "failures_total") == 7

    late.move(factories.COMMAND, error={"code": "C", "message": "x"})

    assert value(known(), "failures_total") == 7
    assert ErrorGroup.objects.get(code="C").count == 2


@pytest.mark.django_db
def test_counts_stop(monkeypatch):
    monkeypatch.setattr(stored_metrics, "COUNTED", 2)
    place = factories.make_connection()
    for _ in range(4):
        factories.report(place)
    found = known()
    labels = {"kind": "reported", "status": "inprogress"}
    assert value(found, "operations_unfinished", **labels) == 2


@pytest.mark.django_db
def test_the_number_of_queries_is_fixed_and_none_reads_the_operations():
    for _ in range(3):
        place = factories.make_connection()
        factories.report(place)
        factories.report(place, status="failed", error={"code": "A", "message": "x"})
        factories.request_registration(place)
    with CaptureQueriesContext(connection) as queries:
        known()
    assert len(queries) == QUERIES
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            # in a table of few rows it would rather read them all
            cursor.execute("SET LOCAL enable_seqscan = off")
        for query in queries:
            sql = query["sql"]
            prefix = "EXPLAIN " if connection.vendor == "postgresql" else "EXPLAIN QUERY PLAN "
            cursor.execute(prefix + sql)
            plan = "\n".join(str(row[-1]) for row in cursor.fetchall())
            assert not re.search(
                r"SCAN operations_connectionoperation(?! USING (COVERING )?INDEX)"
                r"|Seq Scan on operations_(connectionoperation|outcomecount|externalconnection)",
                plan,
            ), f"{sql}\n{plan}"


# A whole installation ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def installation(tmp_path_factory):
    with own_database(tmp_path_factory.mktemp("metrics")) as environment:
        yield environment | {"METRICS_TOKEN": TOKEN}


@pytest.fixture(scope="module")
def serving(installation):
    with serve(installation, "--no-worker", "--web-workers", "2") as running:
        yield running


def scrape(serving) -> Samples:
    status, headers, text = ask(serving.address, "/metrics", **BEARER)
    assert status == 200
    assert headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert headers["Cache-Control"] == "no-store"
    return samples(text)


def test_two_web_processes_count_together_also_when_one_is_killed(serving):
    def pages(found: Samples) -> float | None:
        labels = {"method": "GET", "route": "/sign-in/", "status": "200"}
        return value(found, "http_requests_total", **labels)

    for _ in range(30):  # each by a connection of its own, so that both get some
        assert ask(serving.address, "/sign-in/")[0] == 200
    first = scrape(serving)
    assert pages(first) == 30
    labels = {"method": "GET", "route": "/sign-in/"}
    assert value(first, "http_request_duration_seconds_count", **labels) == 30
    assert value(first, "web_processes") == 2
    assert (value(first, "web_resident_memory_bytes") or 0) > 50_000_000
    assert value(first, "database_up") == 1
    for _ in range(6):  # whichever process answers
        assert pages(scrape(serving)) == 30

    master = _children(serving.process.pid)[0]
    before = _children(master)
    os.kill(before[0], signal.SIGKILL)
    wait_for(lambda: len(set(_children(master)) - set(before)) == 1)
    wait_for(lambda: ask(serving.address, "/sign-in/")[0] == 200)
    for _ in range(4):
        assert pages(scrape(serving)) == 31


def test_what_is_told_is_in_order(serving):
    ask(serving.address, "/v1.0/connections")
    _, _, text = ask(serving.address, "/metrics", Host="10.1.2.3:8000", **BEARER)
    for family in text_string_to_metric_families(text):
        assert family.name.startswith("connectors_admin_")
        assert family.documentation and family.type != "unknown", family.name
        if family.type == "counter":
            assert all(sample.name.endswith("_total") for sample in family.samples)
    if promtool := shutil.which("promtool"):
        done = subprocess.run(
            [promtool, "check", "metrics"], input=text, capture_output=True, text=True, timeout=60
        )
        assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_without_the_database_what_was_counted_is_told(installation, serving):
    with database_away(installation):
        found = scrape(serving)
    assert value(found, "database_up") == 0
    assert value(found, "workers") is None
    assert [key for key in found if key[0] == "connectors_admin_http_requests_total"]


def test_what_a_worker_elsewhere_does_is_told(installation, serving):
    shell(
        installation,
        "from tests.factories import *\n"
        "OutcomeRule.objects.create(connection=make_connection('bad'), error={'code': 'X'})\n"
        "request_registration(ExternalConnection.objects.get())\n"
        "request_registration(make_connection('good'))",
    )
    worker = start_worker(installation)
    left = (
        "from operations.models import ConnectionOperation\n"
        "print(ConnectionOperation.objects.in_progress().count())"
    )
    wait_for(lambda: shell(installation, left) == "0")
    assert value(scrape(serving), "workers") == 1
    worker.terminate()
    assert worker.wait(20) == 0
    found = scrape(serving)
    assert value(found, "worker_claims_total", source="queue") == 2
    ended = {"kind": "schemaRegistration"}
    assert value(found, "worker_operations_ended_total", **ended, status="completed") == 1
    assert value(found, "worker_operations_ended_total", **ended, status="failed") == 1
    assert value(found, "worker_registration_duration_seconds_count") == 2
    assert value(found, "worker_registration_duration_seconds_bucket", le="+Inf") == 2
    assert value(found, "workers") == 0


# The alerts --------------------------------------------------------------------------------------


def declared() -> set[str]:
    """The names of all samples that there may be."""
    families = [*metrics.REGISTRY.collect(), *metrics.WORKERS.collect()]
    names = set()
    for family in families:
        kinds = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"]}
        names |= {family.name + suffix for suffix in kinds.get(family.type, [""])}
    return names


@pytest.mark.django_db
def test_the_alerts_name_metrics_that_there_are():
    names = declared() | {"connectors_admin_database_up"}
    names |= {
        family.name + ("_total" if family.type == "counter" else "")
        for family in stored(timezone.now())
    }
    [group] = yaml.safe_load(RULES.read_text())["groups"]
    assert len(group["rules"]) >= 8
    for rule in group["rules"]:
        named = re.findall(r"connectors_admin_\w+", json.dumps(rule))
        assert named or rule["alert"] == "ConnectorsAdminDown"
        assert set(named) - {"connectors_admin_web_processes"} <= names, rule["alert"]
        assert rule["labels"]["severity"] in ("page", "ticket")
        assert set(rule["annotations"]) == {"summary", "action"}


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
