"""``/openapi.json``: it is valid, has every call and no other, and what is answered is in it."""

from __future__ import annotations

import re

import jsonschema_rs
import pytest
import schemathesis
from django.contrib.staticfiles import finders
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, transaction
from django.urls import URLPattern, URLResolver
from hypothesis import HealthCheck, settings
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from operations.api import rendering, urls
from operations.api.openapi import content_calls, document
from tests.factories import make_application, make_connection, register_schema, report
from tests.graph import ITEMS_OWNED, OWNED, GraphClient

DOCUMENT = document("http://testserver")
DIALECT = "https://json-schema.org/draft/2020-12/schema"
AN_OPERATION = "3ed1595a-4bae-43c2-acda-ef973e581323"
#: Where the keys of the examples lead.
HERE = "/v1.0/connections/contosohr"
CONTENT = [
    ("PUT", f"{HERE}/items/TSP228082938", content_calls.AN_ITEM),
    ("POST", f"{HERE}/groups", content_calls.A_GROUP),
    ("POST", f"{HERE}/groups/{content_calls.A_GROUP['id']}/members", content_calls.A_MEMBER),
]


def served(client: GraphClient) -> dict:
    response = client.get("/openapi.json")
    assert response.status_code == 200
    return response.json()


# The document -------------------------------------------------------------------------------------


def test_it_is_valid_openapi_3_1_and_needs_no_token(db):
    body = served(GraphClient())
    assert body["openapi"] == "3.1.0"
    schemathesis.openapi.from_dict(body).validate()
    for schema in body["components"]["schemas"].values():
        jsonschema_rs.meta.validate({"$schema": DIALECT, **schema})
    names = [
        call["operationId"]
        for path in body["paths"].values()
        for method, call in path.items()
        if method != "parameters"
    ]
    assert len(names) == len(set(names)) > 60


def test_addresses_are_those_that_the_caller_used(db, settings):
    settings.PUBLIC_URL = "https://connectors.example/graph"
    body = served(GraphClient())
    assert body["servers"] == [{"url": "https://connectors.example/graph"}]
    flow = body["components"]["securitySchemes"]["clientCredentials"]["flows"]["clientCredentials"]
    assert flow["tokenUrl"] == "https://connectors.example/graph/common/oauth2/v2.0/token"
    assert list(flow["scopes"]) == ["api://connectors-admin/.default"]


def routes(patterns: list, prefix: str = ""):
    """Every path of the URL table with its view; what only refuses is left out."""
    for pattern in patterns:
        here = prefix + re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", str(pattern.pattern))
        if isinstance(pattern, URLResolver):
            yield from routes(pattern.url_patterns, here)
        elif isinstance(pattern, URLPattern) and pattern.callback is not urls.unknown:
            yield "/" + here, pattern.callback


def test_it_has_every_path_and_method_of_the_url_table_and_no_other():
    table = dict(routes(urls.urlpatterns))
    told_of_beta = [path for path in table if path.startswith("/v1.0") and path.endswith("/quota")]
    assert len(told_of_beta) == 2
    for path in told_of_beta:  # where it is: no call of this version
        del table[path]
    assert set(DOCUMENT["paths"]) == set(table)
    for path, view in table.items():
        described = {method for method in DOCUMENT["paths"][path] if method != "parameters"}
        if hasattr(view, "actions"):
            assert described == set(view.actions) - {"head"}, path


def test_every_reference_leads_somewhere_and_nothing_lies_unused():
    used: set[str] = set()

    def walk(value: object) -> None:
        if isinstance(value, dict):
            if isinstance(value.get("$ref"), str):
                used.add(value["$ref"])
            for member in value.values():
                walk(member)
        elif isinstance(value, list):
            for member in value:
                walk(member)

    walk(DOCUMENT)
    present = {
        f"#/components/{part}/{name}"
        for part, names in DOCUMENT["components"].items()
        if part != "securitySchemes"
        for name in names
    }
    assert used == present


def test_every_property_of_the_model_has_a_sentence():
    for name, schema in DOCUMENT["components"]["schemas"].items():
        if "microsoft.graph" in name:
            assert schema["description"], name
            for member, described in schema.get("properties", {}).items():
                assert described["description"], f"{name}/{member}"


def test_beta_members_are_described_for_beta_only():
    schemas = DOCUMENT["components"]["schemas"]
    connection = "microsoft.graph.externalConnectors.externalConnection"
    assert "ingestedItemsCount" in schemas[f"beta.{connection}"]["properties"]
    assert "ingestedItemsCount" not in schemas[connection]["properties"]


def test_the_quota_is_a_call_of_beta_only():
    quotas = [path for path in DOCUMENT["paths"] if path.endswith("/quota")]
    assert quotas == [
        f"/beta{way}/connections/{{connection_id}}/quota" for way in ("/external", "")
    ]


def test_what_is_in_an_item_is_described():
    schemas = DOCUMENT["components"]["schemas"]
    item = schemas["microsoft.graph.externalConnectors.externalItem"]["properties"]
    assert item["properties"]["anyOf"][0]["$ref"].endswith("externalConnectors.properties")
    bag = schemas["microsoft.graph.externalConnectors.properties"]["additionalProperties"]
    assert bag["anyOf"][1]["$ref"].endswith("externalConnectors.principal")
    entries = [schemas[f"{name}microsoft.graph.externalConnectors.acl"] for name in ("beta.", "")]
    assert ["identitySource" in each["properties"] for each in entries] == [True, False]
    put = DOCUMENT["paths"]["/v1.0/connections/{connection_id}/items/{item_id}"]["put"]
    sent = put["requestBody"]["content"]["application/json"]["schema"]
    assert sent["required"] == ["acl", "properties"]  # the address has the id


def test_a_result_has_an_activity_with_who_did_it_and_may_miss_what_could_not_be_read():
    schemas = DOCUMENT["components"]["schemas"]
    result = schemas["microsoft.graph.externalConnectors.externalActivityResult"]["properties"]
    assert {"startDateTime", "type", "performedBy", "error"} <= set(result)
    for name in ("type", "performedBy", "error"):
        assert {"type": "null"} in result[name]["anyOf"], name
    sent = DOCUMENT["paths"]["/v1.0/connections/{connection_id}/items/{item_id}/addActivities"]
    shape = sent["post"]["requestBody"]["content"]["application/json"]["schema"]
    activities = shape["properties"]["activities"]
    assert (activities["minItems"], activities["maxItems"]) == (1, 20)
    assert activities["items"]["required"] == ["startDateTime", "type", "performedBy"]


def test_the_example_of_the_seed_is_the_example():
    get = DOCUMENT["paths"]["/v1.0/connections/{connection_id}/operations/{operation_id}"]["get"]
    assert get["responses"]["200"]["content"]["application/json"]["example"] == {
        "id": AN_OPERATION,
        "status": "failed",
        "error": {"message": "Server error, something went wrong"},
    }


def test_there_is_a_page_that_shows_it(client, db):
    response = client.get("/docs")
    assert response.status_code == 200
    text = response.content.decode()
    assert "<title>API · Connectors Admin</title>" in text
    assert 'data-openapi="/openapi.json"' in text
    assert not re.search(r"<script(?![^>]*\ssrc=)|<style|\sstyle=|https?://", text)
    for name in re.findall(r'(?:src|href)="/static/([^"]+)"', text):
        assert finders.find(name), name


def test_the_pages_link_to_it(operator):
    assert 'href="/docs"' in operator.get("/").content.decode()


# What is answered ---------------------------------------------------------------------------------

CHECKS = [
    schemathesis.checks.not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


def described(*, coverage: bool):
    """The document as schemathesis reads it, called through Django's own WSGI handler."""
    schema = schemathesis.openapi.from_dict(DOCUMENT)
    schema.app = WSGIHandler()
    schema.config.base_url = "http://testserver"
    phases = schema.config.phases
    phases.coverage.enabled = coverage
    # what one call answered must not decide what the next one is asked: each test stands alone
    phases.fuzzing.error_feedback.is_enabled = False
    phases.fuzzing.extra_data_sources.responses = False
    phases.examples.extra_data_sources.responses = False
    return schema


@pytest.fixture
def caller(db):
    """An application with something to find behind the keys that the cases ask for."""
    application = make_application(OWNED, ITEMS_OWNED)
    connection = make_connection("contosohr", owner=application)
    report(connection, graph_id=AN_OPERATION)
    register_schema(connection)
    for method, path, body in CONTENT:
        answer = GraphClient(application).request(method, path, body)
        assert answer.status_code in (200, 201), answer.content
    # as Django's own test client does: the cases run inside the transaction of the test
    request_started.disconnect(close_old_connections)
    request_finished.disconnect(close_old_connections)
    yield GraphClient(application)
    request_started.connect(close_old_connections)
    request_finished.connect(close_old_connections)


def examples(number: int):
    return settings(
        max_examples=number,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


def call_and_check(case, caller: GraphClient) -> None:
    with transaction.atomic():  # each case finds the same things
        case.call_and_validate(headers={"Authorization": f"Bearer {caller.token}"}, checks=CHECKS)
        transaction.set_rollback(True)


everything = described(coverage=False)
resources = (
    described(coverage=True)
    .include(path_regex="^/beta/external/connections")
    .exclude(path_regex="/schema$", method="POST")  # does what PATCH does
)


@everything.parametrize()
@examples(4)
def test_what_every_call_answers_is_described(case, caller):
    call_and_check(case, caller)


@resources.parametrize()
@examples(10)
def test_what_the_edges_of_every_value_answer_is_described(case, caller):
    """Systematically, every member and option at its limits; beta has all that v1.0 has."""
    call_and_check(case, caller)


def test_a_token_is_answered_as_described(caller):
    call = everything["/{tenant}/oauth2/v2.0/token"]["POST"]
    form = {
        "grant_type": "client_credentials",
        "client_id": str(caller.application.app_id),
        "client_secret": caller.application.secret_text,
        "scope": "https://graph.microsoft.com/.default",
    }
    for secret, status in ((form["client_secret"], 200), ("wrong", 401)):
        case = call.Case(
            path_parameters={"tenant": "common"},
            body=form | {"client_secret": secret},
            media_type="application/x-www-form-urlencoded",
        )
        assert case.call_and_validate(checks=CHECKS).status_code == status


ITEM = "/items/{item_id}"
GROUP = "/groups/{group_id}"
NONSENSE = {"startDateTime": "yesterday", "type": 7, "performedBy": {"id": 7}}


@pytest.mark.parametrize(
    ("path", "method", "body", "status"),
    [
        (ITEM, "PUT", content_calls.AN_ITEM, 200),
        (ITEM, "GET", None, 200),
        (ITEM, "PATCH", {"properties": {"title": "Größe", "title@odata.type": "String"}}, 200),
        (ITEM, "DELETE", None, 204),
        ("/items", "POST", {"id": "a/b", **content_calls.AN_ITEM}, 201),
        ("/items", "POST", {"id": "TSP228082938", **content_calls.AN_ITEM}, 409),
        ("/items", "GET", None, 200),
        ("/items/$count", "GET", None, 200),
        (f"{ITEM}/activities", "GET", None, 200),
        (f"{ITEM}/addActivities", "POST", {"activities": [content_calls.AN_ACTIVITY]}, 200),
        (
            f"{ITEM}/microsoft.graph.externalConnectors.addActivities",
            "POST",
            {"activities": [NONSENSE, content_calls.AN_ACTIVITY]},
            207,
        ),
        ("/groups", "POST", {"id": "new", "displayName": None}, 201),
        (GROUP, "GET", None, 200),
        (GROUP, "PATCH", {"description": "Everybody"}, 204),
        (GROUP, "DELETE", None, 204),
        (f"{GROUP}/members", "GET", None, 200),
        (f"{GROUP}/members", "POST", {"id": "g", "type": "externalGroup"}, 201),
        (f"{GROUP}/members/{{member_id}}", "GET", None, 200),
        (f"{GROUP}/members/{{member_id}}", "DELETE", None, 204),
        ("/quota", "GET", None, 200),
    ],
)
def test_what_goes_well_is_answered_as_described(caller, path, method, body, status):
    """The calls below a connection, with bodies that were not made up by a machine."""
    call = everything[f"/beta/connections/{{connection_id}}{path}"][method]
    keys = {
        "connection_id": "contosohr",
        "item_id": "TSP228082938",
        "group_id": content_calls.A_GROUP["id"],
        "member_id": content_calls.A_MEMBER["id"],
    }
    parameters = {name: value for name, value in keys.items() if f"{{{name}}}" in call.path}
    sent = {} if body is None else {"body": body, "media_type": "application/json"}
    case = call.Case(path_parameters=parameters, **sent)
    headers = {"Authorization": f"Bearer {caller.token}"}
    assert case.call_and_validate(headers=headers, checks=CHECKS).status_code == status


def test_an_answer_outside_of_the_description_is_found(caller, monkeypatch):
    """The checks above can fail."""
    monkeypatch.setattr(rendering, "operation_json", lambda operation: {"kind": "reported"})
    call = everything["/v1.0/connections/{connection_id}/operations/{operation_id}"]["GET"]
    case = call.Case(path_parameters={"connection_id": "contosohr", "operation_id": AN_OPERATION})
    with pytest.raises(FailureGroup):
        call_and_check(case, caller)
