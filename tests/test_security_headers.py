"""Headers and cookies that protect a browser: on every kind of answer, and which there are."""

from __future__ import annotations

import pytest
from django.test import Client

from operations import tokens
from operations.roles import Role
from tests.factories import PASSWORD, fail_registration, make_connection, make_person, report
from tests.graph import GraphClient

CSP = {
    "default-src": "'self'",
    "img-src": "'self' data:",
    "object-src": "'none'",
    "base-uri": "'none'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
}


@pytest.fixture
def answers(application, administrator, viewer, settings, monkeypatch):
    """Answers of every kind, by what was asked, with the status that each is to have."""
    connection = make_connection("contosohr", owner=application)
    failed = fail_registration(connection)
    report(connection, graph_id="one")
    graph, stranger = GraphClient(application), GraphClient()
    browser = Client(raise_request_exception=False)
    tenant = tokens.tenant_id()
    form = {
        "grant_type": "client_credentials",
        "client_id": str(application.app_id),
        "client_secret": application.secret_text,
        "scope": "x/.default",
    }
    strict = Client(enforce_csrf_checks=True)
    operation = f"/v1.0/connections/contosohr/operations/{failed.graph_id}"

    def broken(*args, **kwargs):
        raise RuntimeError("a fault of ours")

    found = {
        "the sign-in page": (browser.get("/sign-in/"), 200),
        "a sign-in that fails": (
            browser.post("/sign-in/", {"username": "a", "password": "b"}),
            200,
        ),
        "a page of a stranger": (browser.get("/"), 302),
        "a page": (viewer.get("/"), 200),
        "a fragment": (viewer.get("/?fragment=1"), 200),
        "a page that is not": (viewer.get("/nothing/"), 404),
        "a page of another role": (viewer.get("/applications/new/"), 403),
        "a wrong method": (viewer.get("/theme/"), 405),
        "a form without its token": (strict.post("/theme/", {"theme": "dark"}), 403),
        "a host that is not ours": (viewer.get("/", headers={"Host": "evil.example"}), 400),
        "an export": (viewer.get("/connections/export.csv"), None),
        "the admin": (administrator.get("/admin/"), 200),
        "the admin for a stranger": (browser.get("/admin/"), 302),
        "a row of the admin": (
            administrator.get(f"/admin/operations/connectionoperation/{failed.pk}/change/"),
            200,
        ),
        "a page of the admin that is not": (administrator.get("/admin/nothing/"), 404),
        "a new secret": (
            administrator.post(f"/applications/{application.app_id}/secrets/", {"lifetime": "90"}),
            None,
        ),
        "the documentation": (browser.get("/docs"), 200),
        "the description of the API": (browser.get("/openapi.json"), 200),
        "a list": (graph.get("/v1.0/connections"), 200),
        "an operation": (graph.get(operation), 200),
        "the metadata": (stranger.get("/v1.0/$metadata"), 200),
        "a call without a token": (stranger.get("/v1.0/connections"), 401),
        "a path that is not": (graph.get("/v1.0/nothing"), 404),
        "a method that is not": (graph.request("PUT", "/v1.0/connections"), 405),
        "a body that is none": (graph.post("/v1.0/connections", "{"), 400),
        "a body too large": (graph.post("/v1.0/connections", " " * 1_000_001), 413),
        "a batch": (graph.post("/v1.0/$batch", {"requests": []}), None),
        "a call to another host": (
            graph.get("/v1.0/connections", Host="evil.example"),
            400,
        ),
        "a token": (browser.post(f"/{tenant}/oauth2/v2.0/token", form), 200),
        "no token": (
            browser.post(f"/{tenant}/oauth2/v2.0/token", {**form, "client_secret": "x"}),
            401,
        ),
        "the keys": (browser.get(f"/{tenant}/discovery/v2.0/keys"), 200),
        "who issues": (browser.get(f"/{tenant}/v2.0/.well-known/openid-configuration"), 200),
        "a file": (browser.get("/static/operations/pages.js"), 200),
        "a file that is not": (browser.get("/static/operations/nothing.js"), 404),
    }
    monkeypatch.setattr("operations.dashboard.pages.overview.live_page", broken)
    viewer.raise_request_exception = False
    found["a page that breaks"] = (viewer.get("/"), 500)
    monkeypatch.setattr("operations.tokens.verify_token", broken)
    found["a call that breaks"] = (graph.get("/v1.0/connections"), 500)
    monkeypatch.setattr("operations.tokens.issue_token", broken)
    found["a token that breaks"] = (browser.post(f"/{tenant}/oauth2/v2.0/token", form), 500)
    found["a file"][0].close()
    settings.SECURE_SSL_REDIRECT = True
    found["a way to https"] = (Client().get("/"), 301)
    found["a way to https of no host"] = (
        Client().get("/", headers={"Host": "evil.example"}),
        400,
    )
    return found


def test_every_answer_protects_the_browser(answers):
    for what, (response, status) in answers.items():
        assert status is None or response.status_code == status, (what, response.status_code)
        policy = dict(
            part.split(" ", 1) for part in response["Content-Security-Policy"].split("; ")
        )
        assert policy == CSP, what
        assert response["X-Frame-Options"] == "DENY", what
        assert response["X-Content-Type-Options"] == "nosniff", what
        assert response["Referrer-Policy"] == "same-origin", what
        assert response["Cross-Origin-Opener-Policy"] == "same-origin", what
        assert response["Cross-Origin-Resource-Policy"] == "same-origin", what
        assert "camera=()" in response["Permissions-Policy"], what
        assert "Server" not in response and "X-Powered-By" not in response, what


def test_an_answer_without_a_body_tells_no_more_than_how_it_may_be_kept(application):
    """RFC 9110, 15.4.5 and 8.6: the rest was told with the body that the caller has."""
    report(make_connection("contosohr", owner=application), graph_id="one")
    graph, path = GraphClient(application), "/v1.0/connections/contosohr/operations/one"
    whole = graph.get(path)
    same = graph.get(path, If_None_Match=whole["ETag"])
    assert same.status_code == 304 and same.content == b""
    assert same["ETag"] == whole["ETag"]
    assert same["Cache-Control"] == whole["Cache-Control"] == "private, no-store"
    assert same["Vary"] == whole["Vary"]
    for name in ("Content-Security-Policy", "Permissions-Policy", "Content-Type", "Content-Length"):
        assert name not in same, name
    deleted = graph.delete(path)
    assert deleted.status_code == 204 and "Content-Length" not in deleted
    assert "Content-Security-Policy" in deleted


def test_nothing_but_the_files_of_the_pages_is_kept(answers):
    for what, (response, _) in answers.items():
        if what == "a file":
            assert response["Cache-Control"].startswith("max-age=")
        else:
            assert "no-store" in response["Cache-Control"], (what, response["Cache-Control"])


def test_hsts_only_over_https_and_where_it_is_set(settings, db):
    settings.SECURE_HSTS_SECONDS = 31_536_000
    settings.SECURE_HSTS_INCLUDE_SUBDOMAINS = settings.SECURE_HSTS_PRELOAD = True
    over_https = Client().get("/sign-in/", secure=True)
    assert over_https["Strict-Transport-Security"] == (
        "max-age=31536000; includeSubDomains; preload"
    )
    assert "Strict-Transport-Security" not in Client().get("/sign-in/")


# Cookies ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("secure", [False, True])
def test_what_the_cookies_of_a_session_allow(settings, db, secure):
    settings.SESSION_COOKIE_SECURE = settings.CSRF_COOKIE_SECURE = secure
    make_person(Role.VIEWER, "vera")
    client = Client()
    response = client.post("/sign-in/", {"username": "vera", "password": PASSWORD})
    assert response.status_code == 302
    for name in (settings.SESSION_COOKIE_NAME, settings.CSRF_COOKIE_NAME):
        cookie = response.cookies[name]
        assert cookie["httponly"] is True, name
        assert cookie["samesite"] == "Lax", name
        assert bool(cookie["secure"]) == secure, name
        assert (cookie["path"], cookie["domain"]) == ("/", ""), name
    assert response.cookies[settings.SESSION_COOKIE_NAME]["max-age"] == settings.SESSION_LIFETIME


def test_the_api_sets_no_cookie(graph):
    assert not graph.get("/v1.0/connections").cookies
    assert not GraphClient().get("/v1.0/connections").cookies
