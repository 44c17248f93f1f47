"""Health checks as badges with sentences, and the limits that are in force."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import django
from django.conf import settings
from django.db import connection
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from operations import retention
from operations.dashboard.activity_filter import SEARCHED
from operations.dashboard.filters import PAGE_SIZE
from operations.dashboard.presentation.numbers import COUNT_LIMIT, exact_duration
from operations.health_checks import Check, Detail, State
from operations.marks import Mark
from operations.models import heartbeat, pace, refusal, replay
from operations.odata.source import MAX_LENGTH

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

MARKS = {
    State.OK: Mark("fine", gettext_lazy("OK"), "tick"),
    State.WARNING: Mark("warning", gettext_lazy("Warning"), "triangle"),
    State.FAILING: Mark("failing", gettext_lazy("Failing"), "octagon"),
}


@dataclass(frozen=True)
class CheckShown:
    """A check with its badge and the list behind it."""

    key: str
    check: Check
    mark: Mark
    address: str
    details: list[tuple[Detail, Mark]]


def in_order(checks: list[Check]) -> list[CheckShown]:
    """What needs somebody comes first."""
    behind = {
        "queue": f"{reverse('operations')}?status=inprogress&range=all",
        "stuck": f"{reverse('operations')}?stuck=1&range=all",
        "catalogue": reverse("causes"),
    }
    return [
        CheckShown(
            f"{check.name}-{number}",
            check,
            MARKS[check.state],
            behind.get(check.name, ""),
            [(detail, MARKS[detail.state]) for detail in check.details],
        )
        for number, check in sorted(enumerate(checks), key=lambda pair: -pair[1].state)
    ]


def health_summary(checks: list[Check]) -> tuple[Mark, str]:
    """The worst of all, in a sentence."""
    worst = max((check.state for check in checks), default=State.OK)
    number = sum(check.state is not State.OK for check in checks)
    if not number:
        return MARKS[worst], _("All is well.")
    return MARKS[worst], ngettext(
        "%(n)s thing needs somebody.", "%(n)s things need somebody.", number
    ) % {"n": number}


@dataclass(frozen=True)
class Limit:
    """A limit or duration in force, and the variable that sets it; empty: it is fixed."""

    what: StrOrPromise
    value: str
    variable: str = ""


def _throttle(limit: int) -> str:
    if not limit:
        return _("off")
    length = _seconds(settings.THROTTLE_WINDOW)
    return _("%(n)s in %(time)s") % {"n": f"{limit:,}", "time": length}


def limits() -> list[tuple[StrOrPromise, list[Limit]]]:
    """By area. No secret is among them."""
    throttle = _throttle(settings.THROTTLE_LIMIT)
    others = len(settings.THROTTLE_LIMITS)
    some = [Limit(_("Applications with a limit of their own"), f"{others:,}", "THROTTLE_LIMITS")]
    duration = _("none") if not settings.OPERATION_DURATION else ""
    return [
        (
            _("API"),
            [
                Limit(_("Body"), f"{settings.MAX_BODY_BYTES:,} bytes", "MAX_BODY_BYTES"),
                Limit(_("Depth of a body"), str(settings.MAX_BODY_DEPTH)),
                Limit(_("Page, unless $top says another"), f"{settings.PAGE_SIZE:,}"),
                Limit(_("Largest page"), f"{settings.MAX_PAGE_SIZE:,}"),
                Limit(_("Length of a query option"), f"{MAX_LENGTH:,}"),
                Limit(_("Requests of an application"), throttle, "THROTTLE_LIMIT"),
                *(some if others else []),
                Limit(_("A repeated POST gets the first answer for"), _span(replay.WINDOW)),
                Limit(_("Refusals are kept for"), _span(refusal.KEPT_FOR)),
                Limit(
                    _("Bearer tokens hold for"), _seconds(settings.TOKEN_LIFETIME), "TOKEN_LIFETIME"
                ),
                Limit(
                    _("The key that signs them is replaced after"),
                    _span(timedelta(days=settings.ROTATE_SIGNING_KEY_DAYS))
                    if settings.ROTATE_SIGNING_KEY_DAYS
                    else _("no time, by command only"),
                    "ROTATE_SIGNING_KEY_DAYS",
                ),
            ],
        ),
        (
            _("Operations"),
            [
                Limit(
                    _("A registration takes, besides its work"),
                    duration or _seconds(settings.OPERATION_DURATION),
                    "OPERATION_DURATION",
                ),
                Limit(
                    _("A silent worker loses its work after"),
                    _seconds(settings.OPERATION_LEASE),
                    "OPERATION_LEASE",
                ),
                Limit(_("Attempts"), str(settings.OPERATION_ATTEMPTS), "OPERATION_ATTEMPTS"),
                Limit(
                    _("Clients are asked to look again after"),
                    _seconds(settings.OPERATION_RETRY_AFTER),
                    "OPERATION_RETRY_AFTER",
                ),
                Limit(
                    _("A worker looks for work every"),
                    _seconds(settings.WORKER_POLL),
                    "WORKER_POLL",
                ),
                Limit(_("A worker says that it lives every"), _span(heartbeat.BEAT_EVERY)),
                Limit(_("Stuck is what has not ended after"), _span(pace.STUCK_AFTER)),
                Limit(_("… and after this many times its usual duration"), str(pace.STUCK_FACTOR)),
                Limit(
                    _("Operations that a deletion purges at once"),
                    f"{settings.PURGE_IN_REQUEST:,}",
                    "PURGE_IN_REQUEST",
                ),
            ],
        ),
        (_("Retention"), [*_retention()]),
        (
            _("Monitoring"),
            [
                Limit(_("Probes"), f"{reverse('healthz')}, {reverse('readyz')}"),
                Limit(
                    _("Metrics for Prometheus"),
                    reverse("metrics") if settings.METRICS_TOKEN else _("off"),
                    "METRICS_TOKEN",
                ),
                Limit(_("Lines of the log"), settings.LOG_FORMAT, "LOG_FORMAT"),
            ],
        ),
        (
            _("Pages"),
            [
                Limit(_("Rows, unless you choose another number"), str(PAGE_SIZE)),
                Limit(_("Counts stop at"), f"{COUNT_LIMIT:,}"),
                Limit(
                    _("A session ends without doing anything after"),
                    _seconds(settings.SESSION_IDLE),
                    "SESSION_IDLE",
                ),
                Limit(
                    _("A session ends in any case after"),
                    _seconds(settings.SESSION_LIFETIME),
                    "SESSION_LIFETIME",
                ),
                Limit(_("Newest changes that a text is looked for in"), f"{SEARCHED:,}"),
                Limit(_("Time zone, unless you choose another"), settings.TIME_ZONE, "TIME_ZONE"),
            ],
        ),
    ]


def _retention() -> Iterator[Limit]:
    """How long what is old is kept."""
    for kind in retention.KINDS.values():
        if kind.setting:
            days = _("for ever") if kind.days is None else _span(timedelta(days=kind.days))
            yield Limit(kind.label, days, kind.setting)
    yield Limit(_("Open failures, and what has not ended"), _("for ever"))
    yield Limit(_("History of what is still there"), _("for ever"))
    yield Limit(_("A worker applies this every"), _span(retention.EVERY))


def _seconds(number: float) -> str:
    return f"{number:g} s" if number < 1 else _span(timedelta(seconds=number))


def _span(span: timedelta) -> str:
    return exact_duration(span)


def versions() -> list[tuple[str, str]]:
    database = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}
    return [
        ("Python", platform.python_version()),
        ("Django", django.get_version()),
        (_("Database"), database.get(connection.vendor, connection.vendor)),
    ]
