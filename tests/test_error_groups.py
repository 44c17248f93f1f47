"""Groups of errors: which status they are in, and what a person decides about them."""

from datetime import timedelta

import pytest
from django.utils import timezone

from operations.models import Action, Actor, ActorKind, Change, Channel, ErrorGroup
from operations.models.error_group import ErrorStatus
from tests import factories

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)
MARIA = Actor(ActorKind.OPERATOR, "maria", Channel.DASHBOARD, request_id="r1")
NO_ANSWER = {"code": "SourceUnreachable", "message": "No answer from 10.0.0.7 within 30 s."}


def fail(connection=None, error=NO_ANSWER):
    return factories.report(connection or factories.make_connection(), status="failed", error=error)


def a_group(**values) -> ErrorGroup:
    fail()
    ErrorGroup.objects.update(**values)
    return ErrorGroup.objects.get()


def status() -> str:
    return ErrorGroup.objects.with_status(timezone.now()).get().status


def first_seen_long_ago():
    return a_group(first_seen=timezone.now() - 25 * timedelta(hours=1))


def resolved():
    group = a_group()
    group.resolve(MARIA)
    return group


def seen_after_it_was_resolved():
    group = resolved()
    fail()
    return group


def ignored():
    group = a_group()
    group.ignore(MARIA, timezone.now() + DAY)
    return group


def ignored_until_now():
    return a_group(ignored_until=timezone.now() - timedelta(seconds=1))


def ignored_and_seen_after_it_was_resolved():
    group = seen_after_it_was_resolved()
    group.ignore(MARIA, timezone.now() + DAY)
    return group


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (a_group, ErrorStatus.NEW),
        (first_seen_long_ago, ErrorStatus.ONGOING),
        (resolved, ErrorStatus.RESOLVED),
        (seen_after_it_was_resolved, ErrorStatus.RETURNED),
        (ignored, ErrorStatus.IGNORED),
        (ignored_until_now, ErrorStatus.NEW),
        (ignored_and_seen_after_it_was_resolved, ErrorStatus.IGNORED),
    ],
)
def test_the_status(make, expected):
    make()

    assert status() == expected
    for candidate in ErrorStatus:
        found = ErrorGroup.objects.in_status(timezone.now(), candidate)
        assert found.exists() == (candidate == expected)


def test_resolving_is_recorded_and_outlives_the_group():
    group = resolved()

    change = Change.objects.get(action=Action.ERROR_RESOLVED)
    assert change.subject == "SourceUnreachable: No answer from {ip} within {number} s."
    assert (change.actor_name, change.channel, change.request_id) == ("maria", "dashboard", "r1")
    group.refresh_from_db()
    assert change.before == {"fingerprint": group.fingerprint, "resolved": None}
    assert change.after == {
        "fingerprint": group.fingerprint,
        "resolved": group.resolved_at.isoformat(),
    }
    assert group.resolved_by == "maria"
    group.delete()
    assert list(group.changes) == [change]


def test_who_comes_second_changes_nothing():
    group = a_group()
    theirs = ErrorGroup.objects.get()
    assert group.resolve(MARIA)

    assert not theirs.resolve(factories.COMMAND)
    assert not theirs.ignore(factories.COMMAND, timezone.now() + DAY)

    assert Change.objects.filter(action__startswith="error.").count() == 1
    theirs.refresh_from_db()
    assert theirs.resolved_by == "maria"


def test_opening_again():
    group = resolved()

    assert group.reopen(MARIA)

    assert status() == ErrorStatus.NEW
    assert not group.reopen(MARIA)
    assert Change.objects.filter(action=Action.ERROR_REOPENED).count() == 1


def test_opening_what_is_ignored():
    group = ignored()

    assert group.reopen(MARIA)

    assert status() == ErrorStatus.NEW


def test_an_ignored_one_can_be_ignored_for_longer_and_resolved():
    group = ignored()
    until = timezone.now() + 7 * DAY

    assert group.ignore(MARIA, until)
    assert not group.ignore(MARIA, until)
    assert group.resolve(MARIA, "New disk")

    group.refresh_from_db()
    assert group.ignored_until is None
    assert status() == ErrorStatus.RESOLVED
    assert [change.action for change in group.changes] == [
        Action.ERROR_RESOLVED,
        Action.ERROR_IGNORED,
        Action.ERROR_IGNORED,
    ]
    assert group.changes.first().note == "New disk"


def test_what_returned_can_be_resolved_again():
    group = seen_after_it_was_resolved()

    assert group.resolve(MARIA)

    assert status() == ErrorStatus.RESOLVED


def test_the_cause_is_chosen_and_given_back():
    group = a_group()

    assert group.choose_cause(MARIA, "throttled")
    assert not group.choose_cause(MARIA, "throttled")
    assert group.choose_cause(MARIA, "")

    chosen = [change.after["cause"] for change in group.changes]
    assert chosen == ["", "throttled"]


def test_the_changes_of_one_group_are_its_own():
    group = resolved()
    fail(error={"message": "Something else"})
    other = ErrorGroup.objects.exclude(pk=group.pk).get()
    other.resolve(MARIA)

    assert group.changes.count() == other.changes.count() == 1


def test_a_group_whose_failures_got_another_error_is_not_seen():
    operation = factories.report(factories.make_connection(), status="failed")
    operation.move(MARIA, error=NO_ANSWER)

    assert ErrorGroup.objects.count() == 2
    assert ErrorGroup.objects.seen().get().code == "SourceUnreachable"
