"""``/metrics``: what the web server has counted and what the database knows, for Prometheus."""

from __future__ import annotations

import logging
import os
import platform
import secrets
from collections.abc import Iterable, Iterator
from pathlib import Path

import django
from django.conf import settings
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from operations.metrics import PREFIX, counted
from operations.metrics_folder import folder
from operations.monitoring.answers import answer, reads
from operations.monitoring.bounded import within
from operations.monitoring.stored import stored

#: Seconds that the database has. Prometheus itself waits 10, unless it is told otherwise.
STORED_WITHIN = 5.0

log = logging.getLogger(__name__)


@reads
def metrics(request: HttpRequest) -> HttpResponse:
    """Only for who has METRICS_TOKEN; where there is none, nothing is here."""
    if not settings.METRICS_TOKEN:
        return answer("Metrics are off: METRICS_TOKEN is not set.\n", 404)
    scheme, _, token = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    given, wanted = token.strip().encode("latin-1", "replace"), settings.METRICS_TOKEN.encode()
    if scheme.lower() != "bearer" or not secrets.compare_digest(given, wanted):
        return answer(
            "The metrics want METRICS_TOKEN as bearer token.\n",
            401,
            headers={"WWW-Authenticate": 'Bearer realm="metrics"'},
        )
    registry = CollectorRegistry()
    registry.register(_All())
    return answer(generate_latest(registry), content_type=CONTENT_TYPE_PLAIN_0_0_4)


class _All(Collector):
    """Without the database there is still what was counted."""

    def describe(self) -> Iterable[Metric]:
        return []

    def collect(self) -> Iterator[Metric]:
        yield from counted()
        yield from _processes()
        yield _build()
        known: list[Metric] = []
        try:
            known = within(STORED_WITHIN, lambda: list(stored(timezone.now())))
        except Exception:
            log.exception("The database could not be asked for its metrics.")
        yield from known
        yield GaugeMetricFamily(
            f"{PREFIX}_database_up", "Whether the database told its metrics.", value=bool(known)
        )


def _build() -> Metric:
    facts = {
        "version": settings.VERSION,
        "python": platform.python_version(),
        "django": django.get_version(),
        "database": connection.vendor,
    }
    family = GaugeMetricFamily(f"{PREFIX}_build_info", "Versions; always 1.", labels=list(facts))
    family.add_metric(list(facts.values()), 1)
    return family


def _processes() -> Iterator[Metric]:
    """This web server's; where the system does not tell, nothing."""
    pids = [os.getpid()]
    parent = os.getppid()
    try:
        if folder():
            children = Path(f"/proc/{parent}/task/{parent}/children").read_text()
            pids = [int(pid) for pid in children.split()]
        pages = [int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in pids]
    except (OSError, ValueError):
        return
    yield GaugeMetricFamily(
        f"{PREFIX}_web_processes", "Processes that answer requests.", value=len(pids)
    )
    yield GaugeMetricFamily(
        f"{PREFIX}_web_resident_memory_bytes",
        "Memory that they take together.",
        value=sum(pages) * os.sysconf("SC_PAGE_SIZE"),
    )
