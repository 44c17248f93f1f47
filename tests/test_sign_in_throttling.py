"""Guessing a password or a client secret is slowed down, and nobody is kept out for ever by it."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections import Counter
from datetime import timedelta

import httpx
import pytest
from django.test import Client
from django.utils import timezone

from operations import health_checks, tokens
from operations.health_checks import State
from operations.models import FailedSignIn, Refusal
from operations.models.failed_sign_in import KNOWN_FOR, LIMITS, WINDOW, Kind
from operations.roles import Role
from tests.factories import PASSWORD, make_application, make_person
from tests.processes import own_database, serve, shell

FREE = LIMITS[Kind.PAIR].free


@pytest.fixture(autouse=True)
def later(monkeypatch):
    """The clock stands, and is moved on by this."""
    now = [timezone.now()]
    monkeypatch.setattr(timezone, "now", lambda: now[0])

    def pass_by(**time: float) -> None:
        now[0] += timedelta(**time)

    return pass_by


@pytest.fixture
def vera(db):
    return make_person(Role.VIEWER, "vera")


def sign_in(name: str, password: str, address: str = "192.0.2.1", **headers: str):
    form = {"username": name, "password": password}
    return Client().post("/sign-in/", form, REMOTE_ADDR=address, headers=headers)


def fail(times: int, name: str = "vera", address: str = "192.0.2.1") -> list[int]:
    return [sign_in(name, "wrong", address).status_code for _ in range(times)]


def held_off(response) -> int:
    """The seconds that a refusal says, in its text and in its header."""
    assert response.status_code == 429
    text = " ".join(response.content.decode().split())
    said = re.search(r"Too many attempts to sign in. Try again in (\d+) seconds?\.", text)
    assert said, text
    assert response["Retry-After"] == said[1]
    assert "no-store" in response["Cache-Control"]
    assert PASSWORD not in text
    return int(said[1])


# At the sign-in page ------------------------------------------------------------------------------


def test_after_some_failures_each_waits_longer(vera, later):
    assert fail(FREE) == [200] * FREE
    waits = []
    for _ in range(9):
        wait = held_off(sign_in("vera", PASSWORD))
        waits.append(wait)
        later(seconds=wait)
        assert fail(1) == [200]
    assert waits == [5, 10, 20, 40, 80, 160, 320, 640, 900]


def test_the_right_password_is_not_looked_at_while_one_waits_and_works_after_it(vera, later):
    fail(FREE)
    page = sign_in("vera", PASSWORD)
    wait = held_off(page)
    assert "sessionid" not in page.cookies
    assert 'value="vera"' in page.content.decode()
    later(seconds=wait)
    assert sign_in("vera", PASSWORD).status_code == 302


def test_attempts_while_one_waits_do_not_make_it_longer(vera, later):
    fail(FREE)
    assert fail(50) == [429] * 50
    later(seconds=5)
    assert sign_in("vera", PASSWORD).status_code == 302


def test_a_success_begins_anew(vera):
    fail(FREE - 1)
    assert sign_in("vera", PASSWORD).status_code == 302
    assert fail(FREE) == [200] * FREE


def test_after_an_hour_without_a_failure_it_begins_anew(vera, later):
    fail(FREE)
    later(seconds=WINDOW.total_seconds() + 1)
    assert fail(FREE) == [200] * FREE


@pytest.mark.parametrize("name", ["nobody", "VERA", "vera ", "ｖｅｒａ"])
def test_an_account_that_is_not_there_is_answered_like_one_that_is(vera, name):
    """Also under another writing of its name, which is not counted apart."""
    there, not_there = sign_in("vera", "x"), sign_in(name, "x")
    plain = re.compile(r'value="[^"]*"|\d\d:\d\d:\d\d|[0-9a-f]{8}-[0-9a-f-]{27}')
    texts = [plain.sub("", page.content.decode()) for page in (there, not_there)]
    assert texts[0] == texts[1]
    counted = fail(FREE, name)
    again = sign_in(name, "x")
    assert again.status_code == 429
    assert counted.count(200) == (FREE - 1 if name == "nobody" else FREE - 2)
    held_off(again)


def test_the_time_is_the_same_whether_the_account_is_there(vera, django_assert_num_queries):
    """A password is hashed for nobody as well (Django's), and the database is asked as often."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    counts = []
    for name in ("vera", "nobody"):
        with CaptureQueriesContext(connection) as queries:
            sign_in(name, "wrong", f"192.0.2.{len(counts) + 10}")
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_another_address_is_not_concerned(vera):
    fail(FREE)
    assert sign_in("vera", PASSWORD, "192.0.2.1").status_code == 429
    assert sign_in("vera", PASSWORD, "192.0.2.2").status_code == 302


def test_one_address_that_tries_many_accounts(vera, later):
    free = LIMITS[Kind.ADDRESS].free
    assert [fail(1, f"person{number}")[0] for number in range(free)] == [200] * free
    held_off(sign_in("vera", PASSWORD))
    assert sign_in("vera", PASSWORD, "192.0.2.2").status_code == 302
    later(seconds=5)
    assert sign_in("vera", PASSWORD).status_code == 302
    assert fail(1, "person99") == [200]
    held_off(sign_in("person98", "x"))  # a success of one's own does not pay for the others


def test_many_addresses_that_try_one_account_do_not_lock_its_owner_out(vera, later):
    """A new address waits half a minute at most; one that the owner came from not at all."""
    limit = LIMITS[Kind.ACCOUNT]
    assert sign_in("vera", PASSWORD, "198.51.100.1").status_code == 302
    waits = []
    for number in range(limit.free + 6):
        response = sign_in("vera", "guess", f"203.0.113.{number}")
        if response.status_code == 429:
            waits.append(held_off(response))
            later(seconds=waits[-1])
            assert sign_in("vera", "guess", f"203.0.113.{number}").status_code == 200
    assert waits == [5, 10, 20, 30, 30, 30]
    assert held_off(sign_in("vera", PASSWORD, "203.0.113.250")) == 30
    assert sign_in("vera", PASSWORD, "198.51.100.1").status_code == 302


def test_an_address_is_known_for_a_month(vera, later):
    sign_in("vera", PASSWORD, "198.51.100.1")
    later(days=KNOWN_FOR.days + 1)
    for number in range(LIMITS[Kind.ACCOUNT].free):
        sign_in("vera", "guess", f"203.0.113.{number}")
    held_off(sign_in("vera", PASSWORD, "198.51.100.1"))


def test_the_address_is_a_proxys_word_only_where_proxies_are_trusted(vera, settings):
    for number in range(FREE):
        sign_in("vera", "wrong", X_Forwarded_For=f"203.0.113.{number}")
    assert sign_in("vera", "wrong").status_code == 429
    settings.TRUST_FORWARDED_HEADERS = True
    assert sign_in("vera", "wrong", X_Forwarded_For="203.0.113.77").status_code == 200
    for number in range(FREE):  # what the caller writes before the proxy's word is nothing
        sign_in("vera", "wrong", X_Forwarded_For=f"203.0.113.{number}, 198.51.100.7")
    assert sign_in("vera", "x", X_Forwarded_For="1.2.3.4, 198.51.100.7").status_code == 429


def test_an_ipv6_address_is_one_of_a_network_that_one_caller_has(vera):
    for number in range(FREE):
        assert sign_in("vera", "wrong", f"2001:db8:1:3::{number}").status_code == 200
    held_off(sign_in("vera", PASSWORD, "2001:db8:1:3:ffff::1"))
    assert sign_in("vera", PASSWORD, "2001:db8:1:4::1").status_code == 302


@pytest.mark.parametrize(
    ("told", "address"),
    [
        ("203.0.113.7:4711", "203.0.113.7"),
        ("[2001:db8::7]:4711", "2001:db8::7"),
        ("[2001:db8::7]", "2001:db8::7"),
        ("2001:db8::7", "2001:db8::7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("fe80::7%eth0", "fe80::7%eth0"),
        ("unknown", "192.0.2.1"),
    ],
)
def test_an_address_is_read_as_proxies_write_it(vera, settings, told, address):
    settings.TRUST_FORWARDED_HEADERS = True
    assert sign_in("vera", "wrong", X_Forwarded_For=told).status_code == 200
    assert {row.address for row in FailedSignIn.objects.exclude(kind=Kind.ACCOUNT)} == {address}


def test_a_name_that_the_database_could_not_hold(vera):
    page = sign_in("ve\0ra", "wrong")
    assert page.status_code == 200
    assert 'role="alert"' in page.content.decode()


def test_an_empty_form_counts_for_nothing(vera):
    for form in ({}, {"username": "vera"}, {"password": "x"}):
        assert Client().post("/sign-in/", form).status_code == 200
    assert not FailedSignIn.objects.exists()


# At the token endpoint ----------------------------------------------------------------------------


def ask(application, secret: str, address: str = "192.0.2.1", client_id: str | None = None):
    form = {
        "grant_type": "client_credentials",
        "client_id": client_id or str(application.app_id),
        "client_secret": secret,
        "scope": "x/.default",
    }
    return Client().post(f"/{tokens.tenant_id()}/oauth2/v2.0/token", form, REMOTE_ADDR=address)


@pytest.mark.parametrize("client_id", [None, "6f1c9a2e-3b0d-4d3e-9a51-2f6f3c1f9e77", "no-guid"])
def test_a_program_that_guesses_waits(application, later, client_id):
    first = [ask(application, f"x{n}", client_id=client_id).status_code for n in range(FREE)]
    assert set(first) == ({401} if client_id is None else {400})
    response = ask(application, "x", client_id=client_id)
    assert (response.status_code, response["Retry-After"]) == (429, "5")
    body = response.json()
    assert body["error"] == "temporarily_unavailable"
    assert body["error_codes"] == [90055]
    assert body["error_description"].startswith(
        "AADSTS90055: Too many requests with a wrong client id or secret. Try again in 5 seconds."
    )
    assert "no-store" in response["Cache-Control"]
    assert Refusal.objects.count() == FREE, "nothing is kept of what nobody looked at"
    later(seconds=5)
    assert ask(application, "x", client_id=client_id).status_code == first[0]


def test_the_right_secret_gets_its_token_whoever_guesses_beside_it(application):
    """Client ids are no secret: else anybody behind the same proxy could keep a connector out."""
    for number in range(FREE + 3):
        ask(application, f"x{number}")
    assert ask(application, "x").status_code == 429
    assert ask(application, application.secret_text).status_code == 200
    assert ask(application, "x").status_code == 401, "and the count begins anew"


def test_a_right_secret_ends_no_wait_of_those_who_guess_passwords(application):
    for number in range(LIMITS[Kind.ADDRESS].free):
        assert sign_in(f"guessed{number}", "x").status_code == 200
    assert ask(application, application.secret_text).status_code == 200
    held_off(sign_in("another", "x"))


@pytest.mark.parametrize(
    "spelling", ["-" * 300 + "{}", "urn:uuid:{}", "{{{}}}", "{0.hex}", "{0.hex:-^300}"]
)
def test_a_client_id_is_counted_in_whatever_spelling(application, spelling):
    client_id = spelling.format(application.app_id)
    first = [ask(application, f"x{n}", client_id=client_id).status_code for n in range(FREE)]
    assert first == [401] * FREE
    assert ask(application, "x").status_code == 429
    assert ask(application, application.secret_text, client_id=client_id).status_code == 200


def test_what_is_no_guess_is_not_counted(application):
    tenant = tokens.tenant_id()
    for form in ({}, {"grant_type": "password"}, {"grant_type": "client_credentials"}):
        for _ in range(FREE + 1):
            assert Client().post(f"/{tenant}/oauth2/v2.0/token", form).status_code == 400
    assert not FailedSignIn.objects.exists()


def test_people_and_programs_do_not_share_a_count(vera, application):
    fail(FREE)
    assert ask(application, "x").status_code == 401


# What is kept and who sees it ---------------------------------------------------------------------


def test_what_was_typed_is_not_kept_and_names_only_of_accounts_that_are_there(vera):
    fail(1)
    fail(1, "myPassw0rd!")
    rows = FailedSignIn.objects.order_by("failed_at")
    assert {row.account for row in rows} == {"", "vera"}
    assert "myPassw0rd" not in str(list(rows.values()))
    assert all(re.fullmatch("[0-9a-f]{64}", row.key) for row in rows)


def test_each_wait_is_in_the_log(vera, caplog):
    with caplog.at_level(logging.WARNING, logger="operations.sign_in"):
        fail(FREE)
        fail(FREE, "nobody", "192.0.2.9")
    assert caplog.messages == [
        f"Held off for 5 s: vera from 192.0.2.1, {FREE} failures.",
        f"Held off for 5 s: an unknown account from 192.0.2.9, {FREE} failures.",
    ]


def test_the_settings_page_shows_who_must_wait(vera, administrator, application):
    def found():
        (check,) = [
            each for each in health_checks.report(timezone.now()) if each.name == "sign_ins"
        ]
        return check

    assert (found().state, found().sentence) == (State.OK, "Nobody is held off.")
    fail(FREE)
    for number in range(FREE):
        ask(application, f"x{number}", "192.0.2.8")
    assert found().state == State.WARNING
    text = administrator.get("/settings/").content.decode()
    assert "Held off for failing too often:" in text
    assert "vera from 192.0.2.1" in text and f"{application.app_id} from 192.0.2.8" in text
    assert "5 failures, the last" in text


def test_what_counts_no_more_is_deleted(vera, later):
    sign_in("vera", PASSWORD, "198.51.100.1")
    fail(1)
    assert FailedSignIn.objects.forget_old() == 0
    later(seconds=WINDOW.total_seconds() + 1)
    FailedSignIn.objects.forget_old()
    assert [row.kind for row in FailedSignIn.objects.all()] == [Kind.PAIR], "the known address"
    later(days=KNOWN_FOR.days)
    assert FailedSignIn.objects.forget_old() == 1


# Several processes --------------------------------------------------------------------------------


def test_many_guesses_at_once_in_several_processes_are_no_more_than_in_turn(tmp_path):
    with (
        own_database(tmp_path) as environment,
        serve(environment, "--web-workers", "2", "--no-worker") as serving,
    ):
        statuses: Counter[int] = Counter()
        page = httpx.get(f"{serving.address}/sign-in/", timeout=60)
        cookies = dict(page.cookies)
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)[1]

        def guess(number: int) -> None:
            form = {
                "username": serving.printed("Operator"),
                "password": f"guess {number}",
                "csrfmiddlewaretoken": token,
            }
            answer = httpx.post(
                f"{serving.address}/sign-in/", data=form, cookies=cookies, timeout=60
            )
            statuses[answer.status_code] += 1

        begun = time.monotonic()
        threads = [threading.Thread(target=guess, args=[number]) for number in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        took = time.monotonic() - begun
        # a guess more for each wait that has ended on a slow machine
        extra = sum(took > ends for ends in (5, 15, 35, 75))
        assert FREE <= statuses[200] <= FREE + extra, (statuses, took)
        assert statuses[429] == 20 - statuses[200]
        count = "from operations.models import FailedSignIn as F; print(F.objects.get(kind='pair')."
        assert int(shell(environment, f"{count}failures)")) == statuses[200]


def test_a_secret_of_another_application_is_counted_too(db):
    one, other = make_application(), make_application()
    for _ in range(FREE):
        assert ask(one, other.secret_text).status_code == 401
    assert ask(one, other.secret_text).status_code == 429
