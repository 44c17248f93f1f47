"""What people of the demo have decided: an action on many, errors resolved and ignored."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from operations.demo.company import DETAILS_ERROR, LONG_ERROR, QUOTA_ERROR, SEED_ERROR
from operations.fingerprints import fingerprint
from operations.models import (
    Action,
    Actor,
    ActorKind,
    BulkAction,
    BulkRun,
    Change,
    Channel,
    ConnectionOperation,
    ErrorGroup,
    Triage,
)

PERSON = Actor(ActorKind.OPERATOR, "demo-operator", Channel.DASHBOARD)


def make_decisions(now: datetime) -> Iterator[Change]:
    """One error of each status, and one run that ended; the records of both."""
    yield from _decide(QUOTA_ERROR, Action.ERROR_RESOLVED, now - timedelta(days=2), resolved=True)
    # seen once more since: it has returned
    yield from _decide(SEED_ERROR, Action.ERROR_RESOLVED, now - timedelta(days=1), resolved=True)
    yield from _decide(LONG_ERROR, Action.ERROR_IGNORED, now - timedelta(days=2), days=30)
    yield from _run(now - timedelta(days=3))


def _decide(
    error: dict, action: Action, at: datetime, *, resolved: bool = False, days: int = 0
) -> Iterator[Change]:
    found = fingerprint(error.get("code"), error.get("target"), error.get("message"))
    group = ErrorGroup.objects.filter(fingerprint=found).first()
    if group is None:
        return
    before = group.snapshot()
    if resolved:
        group.resolved_at, group.resolved_by = at, PERSON.name
    else:
        group.ignored_until = at + timedelta(days=days)
    group.save(update_fields=["resolved_at", "resolved_by", "ignored_until"])
    named = {"fingerprint": found}
    yield _change(at, action, str(group), before=named | before, after=named | group.snapshot())


def _run(at: datetime) -> Iterator[Change]:
    """The acknowledgement of all failures of one error that were open then."""
    code = DETAILS_ERROR["code"]
    meant = ConnectionOperation.objects.filter(error_code=code, triage=Triage.ACKNOWLEDGED)
    last = meant.order_by("-pk").first()
    if last is None:
        return
    run = BulkRun.objects.create(
        action=BulkAction.ACKNOWLEDGE,
        selection={"code": code, "triages": [Triage.OPEN.value]},
        reason="The owner sends a new schema.",
        actor_name=PERSON.name,
        last_key=last.pk,
        position=last.pk,
        expected=meant.count(),
        done=meant.count(),
        created_at=at,
        finished_at=at + timedelta(seconds=1),
    )
    named = {"run": str(run.run_id)}
    asked = {"action": run.action, "filter": run.selection, "expected": run.expected}
    ended = {"done": run.done, "skipped": 0, "refused": 0}
    yield _change(at, Action.RUN_STARTED, str(run), after=named | asked, note=run.reason)
    yield _change(at, Action.RUN_FINISHED, str(run), after=named | ended)


def _change(at: datetime, action: Action, subject: str, **values: object) -> Change:
    return Change(
        at=at,
        action=action,
        channel=PERSON.channel,
        actor_kind=PERSON.kind,
        actor_name=PERSON.name,
        subject=subject[:200],
        **values,
    )
