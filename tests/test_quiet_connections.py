"""A connection to PostgreSQL that has just answered is not asked with each request whether it still
works, and one that the server has ended is made anew all the same."""

from __future__ import annotations

import time
from contextlib import closing

import pytest
from django.conf import settings
from django.db import connections

from operations.models import prepared
from operations.models.prepared import ask

connection = connections["default"]  # a proxy would keep what is noted for itself
pytestmark = pytest.mark.django_db(transaction=True)

if not settings.EMBEDDED_DATABASE:
    PID = "SELECT pg_backend_pid()"

    @pytest.fixture
    def health_checks(monkeypatch):
        """What Django has sent to see whether the connection works."""
        sent = []
        check = connection.is_usable

        def checking():
            sent.append(check())
            return sent[-1]

        monkeypatch.setattr(connection, "is_usable", checking)
        return sent

    def in_a_new_request(sql: str = PID) -> int:
        """What ``close_if_unusable_or_obsolete`` prepares with each of them."""
        connection.health_check_enabled = True
        connection.health_check_done = False
        return ask(connection, sql, ()).fetchall()[0][0]

    def test_one_that_has_just_answered_is_not_checked(health_checks):
        pid = in_a_new_request()
        health_checks.clear()
        assert in_a_new_request() == in_a_new_request() == pid
        assert health_checks == []

    def test_one_that_was_idle_is_checked(health_checks, monkeypatch):
        pid = in_a_new_request()
        health_checks.clear()
        monkeypatch.setattr(prepared, "QUIET_SECONDS", 0)
        assert in_a_new_request() == pid
        assert health_checks == [True]

    def test_one_that_the_server_ended_is_made_anew(health_checks):
        pid = in_a_new_request()
        health_checks.clear()
        with closing(connections.create_connection("default")) as another:
            ask(another, "SELECT pg_terminate_backend(%s)", [pid]).fetchall()
            while ask(another, "SELECT 1 FROM pg_stat_activity WHERE pid = %s", [pid]).fetchall():
                time.sleep(0.01)
        assert in_a_new_request() != pid
        assert health_checks == [False]
