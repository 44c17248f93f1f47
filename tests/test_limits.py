"""Nothing that comes in is read without a bound, and each refusal says which bound it was.

What the web server bounds before us (the address, headers) is in ``test_web_server_refusals``.
"""

from __future__ import annotations

import json
from importlib import import_module

import pytest
from django.conf import settings as project
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from operations import metrics_folder, tokens
from operations.api.activities import MOST as MOST_ACTIVITIES
from operations.api.batch import MAX_PARTS
from operations.api.items import MOST_BYTES
from operations.dashboard.filters import LONGEST_TEXT, PAGE_SIZES
from operations.dashboard.forms import MESSAGE_LENGTH, NOTE_LENGTH
from operations.models import Change, ConnectionOperation
from operations.odata.filters import MAX_DEPTH
from operations.odata.source import MAX_LENGTH
from operations.public_error import MAX_CODE
from tests.factories import fail_registration, make_connection, report
from tests.graph import assert_refused

#: Bytes that the web server reads of a body, and so of a form.
LARGEST = project.DATA_UPLOAD_MAX_MEMORY_SIZE
CONNECTIONS = "/v1.0/external/connections"
HERE = f"{CONNECTIONS}/contosohr"


@pytest.fixture
def connection(application):
    return make_connection("contosohr", owner=application)


def text_of(response) -> str:
    return " ".join(response.content.decode().split())


# The API ------------------------------------------------------------------------------------------


def failed_with(**error) -> dict:
    return {"status": "failed", "error": error}


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code", "says"),
    [
        ("POST", CONNECTIONS, " " * 1_000_001, 413, "RequestEntityTooLarge", "1000000 bytes"),
        (
            "POST",
            f"{HERE}/operations",
            '{"a":' + "[" * 32 + "]" * 32 + "}",
            400,
            "BadRequest",
            "deeper than 32 levels",
        ),
        ("POST", f"{HERE}/operations", {"id": "x" * 129}, 400, "InvalidRequest", "1 to 128"),
        (
            "POST",
            f"{HERE}/operations",
            failed_with(code="x" * 256),
            400,
            "InvalidRequest",
            "at most 255 characters",
        ),
        ("POST", CONNECTIONS, {"id": "x" * 33, "name": "x"}, 400, "InvalidRequest", "32"),
        ("POST", CONNECTIONS, {"id": "abc", "name": "x" * 129}, 400, "InvalidRequest", "128"),
        (
            "POST",
            "/v1.0/$batch",
            {"requests": [{"id": str(n), "method": "GET", "url": "/"} for n in range(21)]},
            400,
            "InvalidRequest",
            "1 to 20 entries",
        ),
        (
            "GET",
            f"{HERE}/operations?$filter=id eq '{'x' * 4000}'",
            None,
            400,
            "BadRequest",
            "$filter is longer than 4000 characters",
        ),
        (
            "GET",
            f"{HERE}/operations?$filter={'(' * 21}id eq 'x'{')' * 21}",
            None,
            400,
            "BadRequest",
            "deeper than 20 levels",
        ),
        (
            "GET",
            f"{HERE}/operations?$skiptoken={'x' * 4001}",
            None,
            400,
            "BadRequest",
            "longer than 4000 characters",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) and value.startswith("$") else "",
)
def test_a_call_above_a_bound(graph, connection, method, path, body, status, code, says):
    response = graph.request(method, path, body)
    error = assert_refused(response, status, code)
    assert says in json.dumps(error), error
    assert not ConnectionOperation.objects.exists()


def test_a_page_is_cut_to_its_largest_size(graph, connection, settings):
    for number in range(3):
        report(connection, graph_id=f"op{number}")
    settings.MAX_PAGE_SIZE = 2
    answer = graph.get(f"{HERE}/operations?$top=100000").json()
    assert len(answer["value"]) == 2 and "@odata.nextLink" in answer
    preferred = graph.get(f"{HERE}/operations", Prefer="odata.maxpagesize=100000")
    assert len(preferred.json()["value"]) == 2
    assert preferred["Preference-Applied"] == "odata.maxpagesize=2"


def test_the_numbers_are_those_of_the_documents(settings, monkeypatch):
    assert (settings.MAX_BODY_BYTES, settings.MAX_BODY_DEPTH) == (1_000_000, 32)
    assert (settings.MAX_ITEM_BYTES, MOST_BYTES, MOST_ACTIVITIES) == (4_194_304, 4_000_000, 20)
    assert (settings.ITEMS_PER_CONNECTION, settings.ITEMS_IN_ALL) == (5_000_000, 50_000_000)
    assert (settings.PAGE_SIZE, settings.MAX_PAGE_SIZE, MAX_PARTS) == (100, 999, 20)
    assert (MAX_LENGTH, MAX_DEPTH, MAX_CODE) == (4000, 20, 255)
    monkeypatch.setattr(metrics_folder, "make_folder", lambda: None)  # it is for a web server
    gunicorn_conf = import_module("connectors_admin.gunicorn_conf")
    assert gunicorn_conf.limit_request_line == 8190
    assert gunicorn_conf.limit_request_field_size == 16380
    assert max(PAGE_SIZES) == 100


def test_a_callers_id_of_a_request(graph, connection):
    response = graph.get(HERE, client_request_id="x" * 65)
    assert response["client-request-id"] == response["request-id"]


# The token endpoint -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "form",
    [
        {f"field{number}": "x" for number in range(1001)},
        {"client_secret": "x" * 4_194_305},
        {"file": SimpleUploadedFile("x.txt", b"x" * 100)},
    ],
    ids=["1,001 fields", "too long", "a file"],
)
def test_a_form_for_a_token_above_a_bound(db, form):
    kind = {} if "file" in form else {"content_type": "application/x-www-form-urlencoded"}
    if kind:
        form = "&".join(f"{name}={value}" for name, value in form.items())
    client = Client(raise_request_exception=False)
    response = client.post(f"/{tokens.tenant_id()}/oauth2/v2.0/token", form, **kind)
    assert response.status_code in (400, 413)
    body = response.json()
    assert body["error"] == "invalid_request"
    assert "The request could not be read as a form." in body["error_description"]


# Pages --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "form",
    [
        {f"field{number}": "x" for number in range(1001)},
        {"note": "x" * 4_194_305},
        {"note": SimpleUploadedFile("x.txt", b"x" * 100)},
    ],
    ids=["1,001 fields", "too long", "a file"],
)
@pytest.mark.parametrize("address", ["/theme/", "/sign-in/", "/admin/operations/application/add/"])
def test_a_form_above_a_bound(administrator, address, form):
    if "note" in form and not isinstance(form["note"], str):
        form["note"].seek(0)
        kind = {}
    else:
        kind = {"content_type": "application/x-www-form-urlencoded"}
        form = "&".join(f"{name}={value}" for name, value in form.items())
    administrator.raise_request_exception = False
    response = administrator.post(address, form, **kind)
    assert response.status_code in (400, 413)
    assert "The request was not understood" in text_of(response)
    assert "a form that is too large" in text_of(response)


def test_a_search(viewer):
    text = text_of(viewer.get("/search/", {"q": "x" * (LONGEST_TEXT + 1)}))
    assert "That is too long to look for" in text and "At most 200 characters" in text


def test_a_note(operator):
    failed = fail_registration(make_connection("contosohr"))
    address = f"/connections/contosohr/operations/{failed.graph_id}"
    page = operator.post(f"{address}/acknowledge/", {"note": "x" * (NOTE_LENGTH + 1)}, follow=True)
    assert f"{NOTE_LENGTH}" in text_of(page)
    failed.refresh_from_db()
    assert (failed.triage, failed.triage_note) == ("open", "")


@pytest.mark.parametrize(
    ("form", "says"),
    [
        ({"reason": "x" * (NOTE_LENGTH + 1), "message": "m"}, "A reason has at most 2000 chara"),
        ({"reason": "r", "message": "x" * (MESSAGE_LENGTH + 1)}, "A message has at most 4000 char"),
        ({"reason": "r", "message": "m", "code": "x" * 256}, "A code has at most 255 characters."),
    ],
)
def test_an_outcome_by_hand(administrator, form, says):
    running = report(make_connection("contosohr"))
    changes = Change.objects.count()
    address = f"/connections/contosohr/operations/{running.graph_id}/fail/"
    assert says in text_of(administrator.post(address, form))
    assert Change.objects.count() == changes


def test_a_name_at_the_sign_in_page(db, client):
    form = {"username": "x" * 151, "password": "y"}
    page = client.post("/sign-in/", form)
    assert page.status_code == 200
    assert 'role="alert"' in text_of(page)
