"""What PostgreSQL is told on each connection; SQLite is told nothing."""

from __future__ import annotations

from contextlib import closing

import pytest
from django.db import connection, connections

pytestmark = pytest.mark.django_db(transaction=True)


def jit(asks: str = "setting", **settings: object) -> str:
    """What a new connection says that has these settings; ``reset_val``: what the server begins
    with."""
    fresh = connections.create_connection("default")
    fresh.settings_dict = fresh.settings_dict | settings
    with closing(fresh), fresh.cursor() as cursor:
        cursor.execute(f"SELECT {asks} FROM pg_settings WHERE name = 'jit'")
        return cursor.fetchone()[0]


if connection.vendor == "postgresql":

    def test_no_query_is_compiled():
        assert jit(CONN_MAX_AGE=60) == jit(CONN_MAX_AGE=None) == "off"

    def test_a_connection_that_may_be_of_a_pooler_is_left_as_it_is():
        assert jit(CONN_MAX_AGE=0) == jit("reset_val")
