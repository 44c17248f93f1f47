"""``/healthz``: this process answers. ``/readyz``: what it needs is there.

Nobody has to sign in, so neither says more than a word for each check; *Settings* has the rest.
"""

from __future__ import annotations

import json
import logging

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from operations import health_checks
from operations.health_checks import State
from operations.monitoring.answers import answer, reads
from operations.monitoring.bounded import within

#: Seconds. A probe should wait for a little longer.
READY_WITHIN = 2.0
#: Without these the API and the pages cannot answer.
NEEDED = ("database", "migrations")
#: Without it they can: to take them away because nobody registers schemas would make it worse.
WORKER = "workers"
UNKNOWN = "unknown"
GOOD = {State.OK.name.lower(), State.WARNING.name.lower()}

log = logging.getLogger(__name__)


@reads
def healthz(request: HttpRequest) -> HttpResponse:
    """Asks nothing and nobody."""
    return answer("ok\n")


@reads
def readyz(request: HttpRequest) -> HttpResponse:
    """200 or 503, with a word for each check; ``?worker=required`` wants a worker as well."""
    options = list(request.GET.lists())
    if options not in ([], [("worker", ["required"])]):
        return answer("The only option is worker=required.\n", 400)
    try:
        words = within(READY_WITHIN, states)
    except Exception as error:  # no connection at all, or none in time
        words = {name: UNKNOWN for name in (*NEEDED, WORKER)} | {"database": "failing"}
        _tell(False, f"the database does not answer: {type(error).__name__}")
    else:
        _tell(all(words[name] in GOOD for name in NEEDED), str(words))
    needed = (*NEEDED, WORKER) if options else NEEDED
    is_ready = all(words[name] in GOOD for name in needed)
    document = {"status": "ready" if is_ready else "not ready", "checks": words}
    return answer(
        json.dumps(document, indent=2) + "\n",
        200 if is_ready else 503,
        content_type="application/json",
    )


def states() -> dict[str, str]:
    """How each check stands, in a word. After one that broke the others are not asked."""
    now = timezone.now()
    words = dict.fromkeys((*NEEDED, WORKER), UNKNOWN)
    for name in words:
        found = health_checks.look(name, now)
        words[name] = max(check.state for check in found).name.lower()
        if any(check.is_broken for check in found):
            break
    return words


class _Told:
    ready = True


def _tell(is_ready: bool, why: str) -> None:
    """One line when it changes, not one for each probe."""
    if is_ready != _Told.ready:
        _Told.ready = is_ready
        if is_ready:
            log.warning("Ready again.")
        else:
            log.error("Not ready: %s.", why)
