"""What a process counts for Prometheus. What the database knows is read when somebody asks
(``operations.monitoring``).

Labels never hold what a caller wrote, so there is a bounded number of them.
"""

from __future__ import annotations

import fcntl
from functools import lru_cache

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector

from operations.metrics_folder import folder, locked

PREFIX = "connectors_admin"
METHODS = frozenset("GET HEAD POST PUT PATCH DELETE OPTIONS".split())
#: Seconds: from a read that an index serves to where a proxy gives up.
BUCKETS = (0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)

disable_created_metrics()
REGISTRY = CollectorRegistry(auto_describe=True)

REQUESTS = Counter(
    f"{PREFIX}_http_requests",
    "Requests that were answered, by the pattern of their path. Not the probes and this page.",
    ["method", "route", "status"],
    registry=REGISTRY,
)
SECONDS = Histogram(
    f"{PREFIX}_http_request_duration_seconds",
    "Time until an answer was made; of a file, until its first row was.",
    ["method", "route"],
    buckets=BUCKETS,
    registry=REGISTRY,
)
REFUSALS = Counter(
    f"{PREFIX}_api_refusals",
    "Errors that the API answered with, those of the parts of batches among them.",
    ["status", "code"],
    registry=REGISTRY,
)
SIGN_IN_FAILURES = Counter(
    f"{PREFIX}_sign_in_failures",
    "Attempts to sign in that failed: of people on the page, of clients that ask for a token.",
    ["way"],
    registry=REGISTRY,
)
ENDED = Counter(
    f"{PREFIX}_operations_ended",
    "Operations that this web server's processes ended: reported, or set by hand.",
    ["kind", "status"],
    registry=REGISTRY,
)

#: What workers count. It reaches whoever serves metrics through the database.
WORKERS = CollectorRegistry(auto_describe=True)
CLAIMS = Counter(
    f"{PREFIX}_worker_claims",
    "Registrations that a worker took in hand: from the queue, or from a worker that fell silent.",
    ["source"],
    registry=WORKERS,
)
LET_GO = Counter(
    f"{PREFIX}_worker_claims_let_go",
    "Claims that did not end their operation: the attempt broke, another had it meanwhile, or the "
    "worker was stopped.",
    ["reason"],
    registry=WORKERS,
)
ENDED_BY_WORKERS = Counter(
    f"{PREFIX}_worker_operations_ended",
    "Operations that workers ended: registrations, and others in actions on many.",
    ["kind", "status"],
    registry=WORKERS,
)
REGISTRATION = Histogram(
    f"{PREFIX}_worker_registration_duration_seconds",
    "Time from a worker's claim of a registration to its end.",
    buckets=(0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600),
    registry=WORKERS,
)
STEPS_BROKEN = Counter(
    f"{PREFIX}_worker_steps_broken",
    "Times that a step of a worker's other work broke; the log has the reason.",
    ["step"],
    registry=WORKERS,
)
_ended = ENDED


def work() -> None:
    """This process is a worker: what it ends counts as ended by one."""
    global _ended
    _ended = ENDED_BY_WORKERS


def count_request(method: str | None, route: str, status: int, seconds: float) -> None:
    number, duration = _of_requests(method if method in METHODS else "other", route, status)
    number.inc()
    duration.observe(seconds)


@lru_cache(maxsize=1024)
def _of_requests(method: str, route: str, status: int) -> tuple[Counter, Histogram]:
    return REQUESTS.labels(method, route, status), SECONDS.labels(method, route)


def count_refusal(status: int, code: str) -> None:
    REFUSALS.labels(status, code).inc()


def count_sign_in_failure(way: str) -> None:
    """``page`` or ``client``."""
    SIGN_IN_FAILURES.labels(way).inc()


def count_ended(kind: str, status: str, number: int) -> None:
    """In the transaction's ``on_commit``: what is rolled back has not ended."""
    _ended.labels(kind, status).inc(number)


def counted_by_worker() -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """What this worker has counted so far, by sample and labels."""
    return {
        (sample.name, tuple(sample.labels.items())): sample.value
        for family in WORKERS.collect()
        for sample in family.samples
    }


def counted() -> list[Metric]:
    """What all processes of this web server have counted."""
    if folder() is None:
        return list(REGISTRY.collect())
    ours = {family.name for family in REGISTRY.collect()}
    with locked(fcntl.LOCK_SH):
        return [family for family in MultiProcessCollector(None).collect() if family.name in ours]
