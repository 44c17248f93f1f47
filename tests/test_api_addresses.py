"""Absolute addresses in answers: the one that the client used, or the one that is configured."""

from __future__ import annotations

import pytest

from tests.factories import a_schema, make_connection, report
from tests.graph import GraphClient, assert_refused

CONNECTIONS = "/v1.0/external/connections"
HERE = "/v1.0/connections/contosohr"


@pytest.fixture
def connection(application):
    return make_connection("contosohr", owner=application)


def addresses(graph, **headers) -> list[str]:
    """Every kind of absolute address that answers carry."""
    created = graph.post(f"{HERE}/operations", {}, **headers)
    graph.post(f"{HERE}/operations", {}, **headers)
    page = graph.get(f"{HERE}/operations?$top=1", **headers).json()
    schema = graph.patch(f"{HERE}/schema", a_schema(), **headers)
    return [
        created["Location"],
        created.json()["@odata.context"],
        page["@odata.nextLink"],
        page["@odata.context"],
        schema["Location"],
    ]


def test_public_url_is_in_every_address(graph, connection, settings):
    settings.PUBLIC_URL = "https://connectors.example:8443/graph"
    for address in addresses(graph):
        assert address.startswith("https://connectors.example:8443/graph/v1.0/"), address
    response = GraphClient().get(CONNECTIONS)
    assert (
        'authorization_uri="https://connectors.example:8443/graph/' in response["WWW-Authenticate"]
    )


FORWARDED = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "proxy.example"}


def test_forwarded_headers_are_ignored_unless_trusted(graph, connection, settings):
    settings.ALLOWED_HOSTS = ["testserver", "proxy.example"]
    for address in addresses(graph, **FORWARDED):
        assert address.startswith("http://testserver/v1.0/"), address


def test_forwarded_headers_are_in_every_address_when_trusted(graph, connection, settings):
    settings.ALLOWED_HOSTS = ["testserver", "proxy.example"]
    settings.USE_X_FORWARDED_HOST = True  # what TRUST_FORWARDED_HEADERS turns on
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    for address in addresses(graph, **FORWARDED):
        assert address.startswith("https://proxy.example/v1.0/"), address


def test_a_forwarded_host_that_is_not_ours_is_refused(graph, connection, settings):
    settings.USE_X_FORWARDED_HOST = True
    assert_refused(graph.get(HERE, X_Forwarded_Host="evil.example"), 400, "InvalidRequest")


def test_below_a_sub_path_of_the_web_server(application, connection):
    client = GraphClient(application)
    client.http.defaults["SCRIPT_NAME"] = "/graph"
    for _ in range(2):
        report(connection)
    link = client.get(f"{HERE}/operations?$top=1").json()["@odata.nextLink"]
    assert link.startswith(f"http://testserver/graph{HERE}/operations?")
