"""A token that was verified a moment ago is believed: for how long, and what ends that sooner."""

from __future__ import annotations

import time
from datetime import timedelta

import jwt
import pytest
from django.utils import timezone

from operations import caller_cache, tokens
from operations.errors import InvalidAuthenticationToken
from operations.models import Application
from tests.factories import COMMAND

_make_pem = tokens.new_private_pem  # each test has another in its place


@pytest.fixture
def clock(monkeypatch):
    """Seconds that both clocks are ahead."""
    ahead = [0.0]
    real = time.monotonic, time.time
    monkeypatch.setattr(caller_cache.time, "monotonic", lambda: real[0]() + ahead[0])
    monkeypatch.setattr(caller_cache.time, "time", lambda: real[1]() + ahead[0])
    return ahead


@pytest.fixture
def token(application) -> str:
    token = tokens.issue_token(application, application.secrets.get())[0]
    tokens.verify_token(token)
    return token


def test_a_token_is_looked_up_once_in_a_while(token, clock, django_assert_num_queries):
    with django_assert_num_queries(0):
        caller = tokens.verify_token(token)
    clock[0] += caller_cache.SECONDS
    tokens.verify_token(token)  # the signing keys are looked up again as well
    clock[0] += caller_cache.SECONDS - 1
    with django_assert_num_queries(0):
        assert tokens.verify_token(token) == caller


def test_what_changed_in_another_process_counts_when_it_is_looked_up_again(token, clock):
    Application.objects.update(roles=[])  # as another process does it: nothing is told here
    assert tokens.verify_token(token).roles
    clock[0] += caller_cache.SECONDS
    assert not tokens.verify_token(token).roles


@pytest.mark.parametrize(
    "change",
    [
        lambda application: application.revise(COMMAND, enabled=False),
        lambda application: application.secrets.get().revoke(COMMAND),
        lambda application: tokens.rotate_signing_key(COMMAND, at_once=True),
    ],
    ids=["disabled", "revoked", "rotated"],
)
def test_what_changed_in_this_process_counts_at_once(application, token, change, monkeypatch):
    other = _make_pem()
    monkeypatch.setattr(tokens, "new_private_pem", lambda: other)
    change(application)
    with pytest.raises(InvalidAuthenticationToken):
        tokens.verify_token(token)


def test_it_is_not_believed_beyond_its_own_end(application, clock):
    token, seconds = tokens.issue_token(application, lifetime=60)
    tokens.verify_token(token)
    clock[0] += seconds - 2
    assert tokens.verify_token(token)
    assert caller_cache.find(token)
    clock[0] += 2
    assert caller_cache.find(token) is None


def test_it_is_not_believed_beyond_the_end_of_its_secret(application, clock):
    application.secrets.update(expires_at=timezone.now() + timedelta(seconds=2))
    token = tokens.issue_token(application, application.secrets.get())[0]
    tokens.verify_token(token)
    assert caller_cache.find(token)
    clock[0] += 2
    assert caller_cache.find(token) is None


def test_a_clock_that_was_set_back_does_not_make_it_last(token, clock):
    clock[0] -= 3600
    assert caller_cache.find(token) is None


def test_it_is_no_longer_believed_than_the_keys_that_proved_it(application, token, clock):
    """Else a key that somebody else may have would count for both times together."""
    other = tokens.issue_token(application)[0]
    clock[0] += caller_cache.SECONDS - 1  # the keys were read then
    tokens.verify_token(other)
    assert caller_cache.find(other)
    clock[0] += 1
    assert caller_cache.find(other) is None


def test_what_changes_while_a_token_is_looked_up_counts(application, monkeypatch):
    """The look came before the change, and its result after it."""
    token = tokens.issue_token(application, application.secrets.get())[0]
    look = tokens._application_of

    def slow(claims):
        found = look(claims)
        application.secrets.get().revoke(COMMAND)
        return found

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(tokens, "_application_of", slow)
        tokens.verify_token(token)
    with pytest.raises(InvalidAuthenticationToken):
        tokens.verify_token(token)


def test_a_token_with_an_unknown_key_ends_nobodys_time(token, clock):
    clock[0] += tokens.UNKNOWN_KEY_SECONDS + 1
    forged = jwt.encode({"iss": "x"}, "s" * 32, algorithm="HS256", headers={"kid": "unknown"})
    with pytest.raises(InvalidAuthenticationToken):
        tokens.verify_token(forged)
    assert caller_cache.find(token)


def test_no_more_than_so_many_are_kept_and_the_oldest_go(monkeypatch):
    monkeypatch.setattr(caller_cache, "LARGEST", 100)
    for number in range(150):
        caller_cache.keep(
            f"token {number}",
            number,
            expires=time.time() + 60,
            at=time.monotonic(),
            since=caller_cache.generation(),
        )
    assert len(caller_cache._verified) <= 100
    assert caller_cache.find("token 149") == 149
    assert caller_cache.find("token 0") is None


def test_no_token_can_be_found_in_it(token):
    assert not any(token in str(entry) for entry in caller_cache._verified.items())
