"""How long somebody stays signed in, and what ends it."""

from __future__ import annotations

import io
import time

import pytest
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.test import Client

from operations.management.commands.run_operations import Worker
from operations.roles import Role
from tests.factories import PASSWORD, make_person


@pytest.fixture
def later(monkeypatch):
    now = time.time
    passed = [0.0]
    monkeypatch.setattr(time, "time", lambda: now() + passed[0])

    def pass_by(seconds: float) -> None:
        passed[0] += seconds

    return pass_by


def signed_in(name: str = "olga") -> Client:
    client = Client()
    form = {"username": name, "password": PASSWORD}
    assert client.post("/sign-in/", form).status_code == 302
    return client


def is_in(client: Client, address: str = "/") -> bool:
    status = client.get(address).status_code
    assert status in (200, 302)
    return status == 200


@pytest.fixture
def olga(db):
    return make_person(Role.OPERATOR, "olga")


def test_without_doing_anything_it_ends(olga, later, settings):
    client = signed_in()
    later(settings.SESSION_IDLE - 10)
    assert is_in(client)
    later(settings.SESSION_IDLE - 10)
    assert is_in(client)
    later(settings.SESSION_IDLE + 10)
    assert not is_in(client)
    assert not Session.objects.exists(), "it is gone, not only unread"
    assert not is_in(client)


def test_a_page_that_refreshes_itself_is_nobody(olga, later, settings):
    client = signed_in()
    for _ in range(4):
        later(settings.SESSION_IDLE / 4 - 10)
        assert is_in(client, "/?fragment=1")
    later(60)
    assert not is_in(client, "/?fragment=1")


def test_after_its_time_it_ends_however_busy(olga, later, settings):
    settings.SESSION_IDLE, settings.SESSION_LIFETIME = 3600, 4 * 3600
    client = signed_in()
    for _ in range(4):
        later(3590)
        assert is_in(client)
    later(60)
    assert not is_in(client)


def test_a_new_session_has_a_new_key(olga):
    client = Client()
    client.get("/sign-in/")
    client.cookies["sessionid"] = "x" * 32  # somebody else's choice
    client.post("/sign-in/", {"username": "olga", "password": PASSWORD})
    assert client.cookies["sessionid"].value != "x" * 32
    assert is_in(client)


def test_a_new_password_ends_every_other_session(olga):
    mine, another = signed_in(), signed_in()
    olga.groups.add(make_person(Role.ADMINISTRATOR, "ada").groups.get())
    form = {
        "old_password": PASSWORD,
        "new_password1": "another horse entirely",
        "new_password2": "another horse entirely",
    }
    assert mine.post("/admin/password_change/", form).status_code == 302
    assert is_in(mine)
    assert not is_in(another)


def test_changepassword_of_an_administrator_ends_all(olga, monkeypatch):
    client = signed_in()
    monkeypatch.setattr("getpass.getpass", lambda *_, **__: "another horse entirely")
    call_command("changepassword", "olga", stdout=io.StringIO())
    assert not is_in(client)


def test_switching_an_account_off_ends_its_sessions(olga):
    client = signed_in()
    type(olga).objects.update(is_active=False)
    assert not is_in(client)


def test_signing_out_leaves_nothing_to_come_back_to(olga):
    client = signed_in()
    cookie = client.cookies["sessionid"].value
    client.post("/sign-out/")
    client.cookies["sessionid"] = cookie
    assert not is_in(client)


def test_a_secret_key_that_is_followed_by_another_signs_nobody_out(olga, settings):
    client = signed_in()
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "another", [settings.SECRET_KEY]
    assert is_in(client)
    settings.SECRET_KEY_FALLBACKS = []
    settings.SECRET_KEY = "a third"
    assert not is_in(client)


def test_the_worker_deletes_sessions_that_have_ended(olga, settings):
    signed_in()
    worker = Worker()
    worker._tidy()
    assert Session.objects.count() == 1
    Session.objects.update(expire_date="2020-01-01T00:00:00Z")
    worker.tidy_at = 0.0
    worker._tidy()
    assert Session.objects.count() == 0
