"""A database that is away, busy or full: everybody is told to come again, in their own form."""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager

import pytest
from django.conf import settings
from django.db import DatabaseError, OperationalError, connection
from django.test import Client
from django.urls import path

from connectors_admin import error_views
from connectors_admin.urls import urlpatterns as ours
from operations.outage import is_full, is_outage
from tests import factories
from tests.graph import assert_refused

pytestmark = pytest.mark.django_db(transaction=True)


def away(request, **_):
    raise OperationalError("the connection is closed")


urlpatterns = [
    path("away/", away),
    path("<str:tenant>/oauth2/v2.0/away", away),
    path("v1.0/away", away),
    *ours,
]
handler500 = error_views.server_error


@contextmanager
def busy():
    """Somebody else holds what a new connection needs, for longer than anybody waits."""
    database = connection.settings_dict
    with connection.cursor() as cursor:
        if settings.EMBEDDED_DATABASE:
            cursor.execute("PRAGMA busy_timeout = 50")
            with closing(sqlite3.connect(database["NAME"], isolation_level=None)) as other:
                other.execute("BEGIN IMMEDIATE")
                yield
            return
        import psycopg

        cursor.execute("SET statement_timeout = 100")
        with psycopg.connect(
            dbname=database["NAME"],
            host=database["HOST"],
            port=database["PORT"],
            user=database["USER"],
            password=database["PASSWORD"],
        ) as other:
            other.execute("LOCK TABLE operations_externalconnection")
            yield
            other.rollback()


@pytest.fixture(autouse=True)
def _a_new_connection_afterwards():
    yield
    connection.close()


def error_of(sql: str) -> DatabaseError:
    with pytest.raises(DatabaseError) as caught, connection.cursor() as cursor:
        cursor.execute(sql)
    return caught.value


def test_a_busy_database_is_told_in_the_envelope_and_a_write_goes_well_later(graph):
    body = {"id": "contosohr", "name": "x"}
    with busy():
        refused = graph.post("/v1.0/connections", body, client_request_id="one")
        part = {"id": "1", "method": "POST", "url": "/connections", "body": body}
        batch = graph.post("/v1.0/$batch", {"requests": [part]}).json()["responses"][0]

    assert_refused(refused, 503, "serviceNotAvailable", inner="DatabaseUnavailable")
    assert refused["Retry-After"] == "5"
    assert (batch["status"], batch["headers"]["Retry-After"]) == (503, "5")
    assert batch["body"]["error"]["innerError"]["code"] == "DatabaseUnavailable"
    assert graph.post("/v1.0/connections", body, client_request_id="one").status_code == 201


@pytest.mark.urls(__name__)
def test_outside_of_a_view_set_each_caller_is_told_in_its_form():
    client = Client(raise_request_exception=False)

    page, token, api = map(client.get, ("/away/", "/common/oauth2/v2.0/away", "/v1.0/away"))

    assert [page.status_code, token.status_code, api.status_code] == [503, 503, 503]
    assert {page["Retry-After"], token["Retry-After"], api["Retry-After"]} == {"5"}
    assert "One moment, please" in page.content.decode()
    assert page["request-id"] in page.content.decode()
    assert token.json()["error"] == "temporarily_unavailable"
    assert "AADSTS90033: The service cannot reach its database" in token.json()["error_description"]
    assert api.json()["error"]["innerError"]["code"] == "DatabaseUnavailable"


def test_a_token_is_given_though_its_use_cannot_be_noted():
    application = factories.make_application()
    form = {
        "grant_type": "client_credentials",
        "client_id": str(application.app_id),
        "client_secret": application.secret_text,
        "scope": "api://connectors-admin/.default",
    }
    client = Client()
    assert client.post("/common/oauth2/v2.0/token", form).status_code == 200
    if settings.EMBEDDED_DATABASE:
        with busy():
            response = client.post("/common/oauth2/v2.0/token", form)
    else:
        with connection.cursor() as cursor:
            cursor.execute("SET default_transaction_read_only = on")
        response = client.post("/common/oauth2/v2.0/token", form)
    assert response.status_code == 200 and response.json()["access_token"]


def test_what_no_waiting_mends_is_no_outage():
    unknown = error_of("SELECT * FROM nowhere")

    assert not is_outage(unknown) and not is_full(unknown)
    assert not is_outage(ValueError()) and not is_outage(None) and not is_full(None)


if settings.EMBEDDED_DATABASE:

    def test_a_full_disk_is_told_from_other_outages():
        with connection.cursor() as cursor:
            pages = cursor.execute("PRAGMA page_count").fetchone()[0]
            cursor.execute(f"PRAGMA max_page_count = {pages}")
        full = error_of("CREATE TABLE more AS SELECT zeroblob(50000000)")
        assert is_full(full) and is_outage(full)

else:

    @pytest.mark.parametrize(
        "sql",
        [
            "SELECT pg_terminate_backend(pg_backend_pid())",
            "SET statement_timeout = 50; SELECT pg_sleep(5)",
            "SET transaction_read_only = on; CREATE TABLE more (id int)",
        ],
        ids=["shut down", "timed out", "a standby"],
    )
    def test_what_the_server_says_of_itself_is_an_outage(sql):
        error = error_of(sql)
        assert is_outage(error) and not is_full(error)
