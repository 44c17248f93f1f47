"""Rotating the signing key: nobody's token breaks, unless the key may be known to somebody else."""

from __future__ import annotations

import time
from datetime import timedelta
from io import StringIO

import httpx
import jwt
import pytest
from django.core.management import call_command
from django.db import connection as database
from django.utils import timezone

from operations import health_checks, tokens
from operations.health_checks import State
from operations.management.commands.run_operations import Worker
from operations.models import Change, SigningKey
from tests.factories import make_application
from tests.graph import OWNED, GraphClient, assert_refused
from tests.processes import manage, own_database, serve, shell, wait_for

HERE = "/v1.0/connections"
_make_pem = tokens.new_private_pem


@pytest.fixture(scope="module")
def pems() -> list[str]:
    return [_make_pem() for _ in range(3)]


@pytest.fixture(autouse=True)
def _a_new_key_each_time(pems, monkeypatch):
    left = iter(pems)
    monkeypatch.setattr(tokens, "new_private_pem", lambda: next(left))


@pytest.fixture
def later(monkeypatch):
    """Let time pass, in the database's eyes and in the cache's."""
    now, monotonic = timezone.now, time.monotonic
    passed = [0.0]
    monkeypatch.setattr(timezone, "now", lambda: now() + timedelta(seconds=passed[0]))
    monkeypatch.setattr(tokens.time, "monotonic", lambda: monotonic() + passed[0])

    def pass_by(seconds: float) -> None:
        passed[0] += seconds

    return pass_by


def rotate(*arguments: str) -> str:
    out = StringIO()
    call_command("rotate_signing_key", *arguments, stdout=out)
    return out.getvalue()


def signed_by(token: str) -> str:
    return jwt.get_unverified_header(token)["kid"]


def status(token: str) -> int:
    return GraphClient(token=token).get(HERE).status_code


def published() -> list[str]:
    return [key["kid"] for key in tokens.jwks()["keys"]]


def test_a_token_of_the_earlier_key_is_good_until_it_has_run_out(application, later, settings):
    before = tokens.issue_token(application)[0]
    old = signed_by(before)
    later(60)
    said = rotate()
    new = published()[0]
    assert published() == [new, old]
    assert said.startswith(f"new key        {new}\nearlier keys   good until 2")
    # until every process has read the new one, the earlier signs
    assert signed_by(tokens.issue_token(application)[0]) == old
    later(tokens.KEY_CACHE_SECONDS + 0.1)
    last_of_old = tokens.issue_token(application)[0]
    later(tokens.KEY_CACHE_SECONDS + 0.1)
    assert signed_by(tokens.issue_token(application)[0]) == new
    assert status(before) == 200
    later(settings.TOKEN_LIFETIME)
    assert published() == [new, old] and last_of_old
    later(60)
    assert published() == [new]
    refused = GraphClient(token=before).get(HERE)
    assert_refused(refused, 401, "InvalidAuthenticationToken")


def test_now_the_earlier_keys_are_refused_those_of_an_overlap_too(application, later):
    tokens_out = [tokens.issue_token(application)[0]]
    rotate()
    later(20)
    tokens_out.append(tokens.issue_token(application)[0])
    assert len({signed_by(token) for token in tokens_out}) == 2
    said = rotate("--now")
    assert "refused within 5 seconds" in said
    assert len(published()) == 1
    for token in tokens_out:
        response = GraphClient(token=token).get(HERE)
        assert_refused(response, 401, "InvalidAuthenticationToken", says="validation failure.")
    new = tokens.issue_token(application)[0]
    assert signed_by(new) == published()[0] and status(new) == 200


def test_the_first_key_of_all(application):
    rotate()
    token = tokens.issue_token(application)[0]
    assert published() == [signed_by(token)] and status(token) == 200


def test_a_key_of_another_process_is_looked_for_when_its_token_comes(application, later):
    """Before the cache of five seconds is over; but not for every bad token anew."""
    tokens.issue_token(application)
    remembered = tokens._keys
    rotate("--now")
    new = tokens.issue_token(application)[0]
    tokens._keys = remembered  # as a process that has not heard of it
    later(tokens.UNKNOWN_KEY_SECONDS + 0.1)
    assert status(new) == 200


def test_bad_tokens_do_not_read_the_table_each_time(application, django_assert_num_queries):
    tokens.issue_token(application)
    with django_assert_num_queries(0):
        for _ in range(3):
            assert not tokens._is_ours("nobody")


def test_the_history_says_who_did_it_and_not_the_key(application, pems):
    tokens.issue_token(application)
    rotate()
    change = Change.objects.get(action="signingKey.rotated")
    newest, oldest = published()
    assert (change.actor_name, change.channel) == ("rotate_signing_key", "command")
    assert change.subject == f"Signing key {newest}"
    assert change.before == {"keys": [oldest]}
    assert change.after.keys() == {"key", "earlierKeysUntil"}
    assert change.after["key"] == newest


def test_what_was_retired_long_ago_is_deleted(application, later):
    tokens.issue_token(application)
    rotate("--now")
    assert SigningKey.objects.forget_old() == 0
    later(8 * 24 * 3600)
    assert SigningKey.objects.forget_old() == 1
    assert SigningKey.objects.count() == 1


# By age -------------------------------------------------------------------------------------------


def test_a_worker_rotates_by_age_where_a_setting_says_so(application, settings, later):
    tokens.issue_token(application)
    worker = Worker()
    assert not worker._rotate_key()
    settings.ROTATE_SIGNING_KEY_DAYS = 30
    assert not worker._rotate_key()
    later(31 * 24 * 3600)
    worker.rotate_at = 0.0
    assert worker._rotate_key()
    assert not worker._rotate_key(), "not again in this minute"
    worker.rotate_at = 0.0
    assert not worker._rotate_key(), "nor while it is young"
    assert Change.objects.get(action="signingKey.rotated").actor_name == worker.name


def found() -> list[health_checks.Check]:
    return [each for each in health_checks.report(timezone.now()) if each.name == "keys"]


def test_the_check_tells_the_age_and_what_to_do(application, settings, later):
    tokens.issue_token(application)
    assert [check.state for check in found()] == [State.OK]
    later(366 * 24 * 3600)
    (check,) = found()
    assert check.state == State.WARNING
    assert check.sentence == "The one that signs the bearer tokens is 366 days old."
    assert "manage.py rotate_signing_key" in check.advice
    rotate()
    (check,) = found()
    assert check.state == State.OK
    assert [detail.sentence for detail in check.details] == [
        "an earlier one, its tokens are still good"
    ]
    settings.ROTATE_SIGNING_KEY_DAYS = 7
    later(8 * 24 * 3600)
    assert found()[0].state == State.OK, "the worker has two days for it"
    later(2 * 24 * 3600)
    assert found()[0].state == State.WARNING


# At rest ------------------------------------------------------------------------------------------


def stored() -> str:
    with database.cursor() as cursor:
        cursor.execute("SELECT private_pem FROM operations_signingkey")
        return cursor.fetchone()[0]


def test_the_database_does_not_tell_the_key(application, pems):
    tokens.issue_token(application)
    assert SigningKey.objects.get().private_pem == pems[0]
    assert stored().startswith("gAAAA") and "PRIVATE" not in stored()


def test_another_secret_key_opens_it_while_the_earlier_one_is_named(application, settings):
    token = tokens.issue_token(application)[0]
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "another", [settings.SECRET_KEY]
    tokens.forget_keys(), tokens._parsed.clear()
    assert status(token) == 200
    assert [check.state for check in found()] == [State.OK]


def test_without_it_a_new_key_is_made_and_the_check_says_what_to_do(application, settings):
    token = tokens.issue_token(application)[0]
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "another", []
    tokens.forget_keys(), tokens._parsed.clear()
    assert status(token) == 401
    assert status(tokens.issue_token(application)[0]) == 200
    failing, fine = found()
    assert (failing.state, fine.state) == (State.FAILING, State.OK)
    assert failing.sentence == "A key cannot be opened: it was sealed by another SECRET_KEY."
    assert "SECRET_KEY_FALLBACKS" in failing.advice and "--now" in failing.advice
    rotate("--now")
    assert [check.state for check in found()] == [State.OK]


# With real processes ------------------------------------------------------------------------------


def test_while_serve_runs_with_two_web_processes(tmp_path):
    """Every call through connections of its own, so that both processes get some."""
    with (
        own_database(tmp_path) as environment,
        serve(environment, "--web-workers", "2", "--no-worker") as serving,
    ):
        client_id, secret = serving.printed("Client id"), serving.printed("Client secret")

        def token() -> str:
            form = {
                "grant_type": "client_credentials",
                "client_id": client_id,
                "client_secret": secret,
                "scope": "api://connectors-admin/.default",
            }
            answer = httpx.post(serving.printed("Token address"), data=form, timeout=30)
            return answer.json()["access_token"]

        def answers(bearer: str) -> set[int]:
            headers = {"Authorization": f"Bearer {bearer}", "Connection": "close"}
            address = f"{serving.address}{HERE}"
            calls = (httpx.get(address, headers=headers, timeout=30) for _ in range(12))
            return {call.status_code for call in calls}

        before = token()
        assert answers(before) == {200}
        manage(environment, "rotate_signing_key")
        rotated = time.monotonic()
        old = signed_by(before)
        while time.monotonic() - rotated < 12:  # nothing fails, whoever signed it
            fresh = token()
            assert answers(fresh) == {200}
            if signed_by(fresh) != old:
                break
            time.sleep(0.5)
        assert signed_by(fresh) != old
        assert answers(before) == {200}
        manage(environment, "rotate_signing_key", "--now")
        ended = last_good = asked = time.monotonic()
        while asked < ended + 7:
            asked = time.monotonic()
            if answers(before) | answers(fresh) != {401}:
                last_good = asked
        assert last_good < ended + 6, "asked later than that, nobody gets an answer"
        wait_for(lambda: answers(token()) == {200}, 6)
        count = "from operations.models import Change; print(Change.objects.filter("
        assert shell(environment, count + "action='signingKey.rotated').count())") == "2"


@pytest.mark.django_db
def test_a_role_of_a_token_is_as_before(pems):
    """A new key changes nothing but the signature."""
    application = make_application(OWNED)
    first = tokens.issue_token(application)[0]
    rotate("--now")
    second = tokens.issue_token(application)[0]
    one, other = (jwt.decode(t, options={"verify_signature": False}) for t in (first, second))
    assert one.keys() == other.keys() and one["roles"] == other["roles"]
