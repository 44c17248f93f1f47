"""The OAuth 2.0 token endpoint, OpenID metadata and keys, as sign-in libraries read them."""

from __future__ import annotations

import base64
import json
from datetime import timedelta

import jwt
import pytest
from django.test import Client
from django.utils import timezone

from operations import tokens
from operations.models import Application
from tests.factories import COMMAND, make_application
from tests.graph import GUID, OWNED, GraphClient


@pytest.fixture
def path(db) -> str:
    return f"/{tokens.tenant_id()}/oauth2/v2.0/token"


def form(application, **changes) -> dict:
    """What msal sends; a change of None leaves the field out."""
    fields = {
        "client_id": str(application.app_id),
        "grant_type": "client_credentials",
        "client_info": "1",
        "client_secret": application.secret_text,
        "scope": "https://graph.microsoft.com/.default",
    } | changes
    return {name: value for name, value in fields.items() if value is not None}


def basic(name: str, secret: str) -> dict:
    credentials = base64.b64encode(f"{name}:{secret}".encode()).decode()
    return {"Authorization": f"Basic {credentials}"}


def assert_oauth_error(response, status: int, error: str, number: int, says: str = "") -> None:
    """The whole of a refusal in OAuth's form, as Entra writes it."""
    assert response.status_code == status, response.content
    assert response["Content-Type"].partition(";")[0] == "application/json"
    assert response["Cache-Control"] == "no-store"
    body = response.json()
    assert list(body) == [
        "error",
        "error_description",
        "error_codes",
        "timestamp",
        "trace_id",
        "correlation_id",
    ]
    assert (body["error"], body["error_codes"]) == (error, [number])
    assert body["error_description"].startswith(f"AADSTS{number}: ")
    assert says in body["error_description"]
    assert GUID.fullmatch(body["trace_id"])
    assert body["trace_id"] == response["request-id"]
    assert body["correlation_id"] == response["client-request-id"]
    assert ("WWW-Authenticate" in response) == (status == 401)


# A token -----------------------------------------------------------------------------------------


def test_a_good_secret_in_the_form(client, application, path):
    response = client.post(path, form(application))
    assert response.status_code == 200
    assert response["Content-Type"].partition(";")[0] == "application/json"
    assert (response["Cache-Control"], response["Pragma"]) == ("no-store", "no-cache")
    body = response.json()
    token = body.pop("access_token")
    assert body == {"token_type": "Bearer", "expires_in": 3599, "ext_expires_in": 3599}
    assert GraphClient(token=token).get("/v1.0/connections").status_code == 200


def test_a_good_secret_in_a_basic_header(client, application, path):
    fields = form(application, client_id=None, client_secret=None)
    headers = basic(str(application.app_id), application.secret_text)
    assert client.post(path, fields, headers=headers).status_code == 200


def test_an_urlencoded_body_as_libraries_send_it(client, application, path):
    body = (
        f"client_id={application.app_id}&grant_type=client_credentials&client_info=1"
        f"&client_secret={application.secret_text}"
        "&scope=https%3A%2F%2Fgraph.microsoft.com%2F.default"
        "&x-client-sku=msal.js.node&x-client-VER=2.0"
    )
    response = client.post(
        f"{path}?client-request-id=x", body, content_type="application/x-www-form-urlencoded"
    )
    assert response.status_code == 200


@pytest.mark.parametrize(
    "scope", ["api://connectors-admin/.default", "http://127.0.0.1/.default", "anything/.default"]
)
def test_the_default_scope_of_any_resource(client, application, path, scope):
    assert client.post(path, form(application, scope=scope)).status_code == 200


@pytest.mark.parametrize("tenant", ["common", "organizations", "connectors-admin", "Common"])
def test_the_tenant_by_name(client, application, tenant):
    assert client.post(f"/{tenant}/oauth2/v2.0/token", form(application)).status_code == 200


def test_the_tenant_in_upper_case(client, application):
    path = f"/{tokens.tenant_id().upper()}/oauth2/v2.0/token"
    assert client.post(path, form(application)).status_code == 200


def test_the_token_ends_with_the_secret_it_was_got_with(client, application, path):
    token = client.post(path, form(application)).json()["access_token"]
    application.secrets.get().revoke(COMMAND)
    assert GraphClient(token=token).get("/v1.0/connections").status_code == 401


def test_the_last_use_of_the_secret_is_noted(client, application, path):
    assert application.secrets.get().last_used_at is None
    client.post(path, form(application))
    assert timezone.now() - application.secrets.get().last_used_at < timedelta(minutes=1)


@pytest.mark.parametrize(
    ("proxies", "forwarded", "noted"),
    [
        (0, "203.0.113.7", "192.0.2.1"),
        (1, "203.0.113.7", "203.0.113.7"),
        (1, "198.51.100.9, 203.0.113.7", "203.0.113.7"),  # what the caller wrote comes first
        (2, "198.51.100.9, 203.0.113.7, 10.0.0.1", "203.0.113.7"),
        (2, "203.0.113.7", "192.0.2.1"),
        (1, "2001:DB8::7", "2001:db8::7"),
        (1, "unknown", "192.0.2.1"),
        (1, "", "192.0.2.1"),
    ],
)
def test_where_a_secret_was_used_from(
    client, application, path, settings, proxies, forwarded, noted
):
    settings.TRUST_FORWARDED_HEADERS = bool(proxies)
    settings.TRUSTED_PROXIES = proxies
    headers = {"X-Forwarded-For": forwarded}
    client.post(path, form(application), headers=headers, REMOTE_ADDR="192.0.2.1")
    assert application.secrets.get().last_used_address == noted


def test_the_lifetime_is_the_settings(client, application, path, settings):
    settings.TOKEN_LIFETIME = 120
    body = client.post(path, form(application)).json()
    claims = jwt.decode(body["access_token"], options={"verify_signature": False})
    assert (body["expires_in"], claims["exp"] - claims["iat"]) == (119, 120)


def test_an_application_without_roles_gets_a_token_that_permits_nothing(client, path):
    token = client.post(path, form(make_application())).json()["access_token"]
    assert GraphClient(token=token).get("/v1.0/connections").status_code == 403


def test_no_csrf_token_is_needed(application, path):
    strict = Client(enforce_csrf_checks=True)
    assert strict.post(path, form(application)).status_code == 200


# Refusals ----------------------------------------------------------------------------------------


def test_a_wrong_secret(client, application, path):
    for secret in ("wrong", application.secret_text + "x", application.secret_text.lower(), "\0"):
        response = client.post(path, form(application, client_secret=secret))
        assert_oauth_error(response, 401, "invalid_client", 7000215, "Invalid client secret")


def test_another_applications_secret(client, application, path):
    other = make_application(OWNED)
    response = client.post(path, form(application, client_secret=other.secret_text))
    assert_oauth_error(response, 401, "invalid_client", 7000215)


def test_a_wrong_secret_in_a_basic_header(client, application, path):
    fields = form(application, client_id=None, client_secret=None)
    headers = basic(str(application.app_id), "wrong")
    response = client.post(path, fields, headers=headers)
    assert_oauth_error(response, 401, "invalid_client", 7000215)


@pytest.mark.parametrize("header", ["Basic", "Basic ???", "Basic /w==", "Basic YWJj"])
def test_a_basic_header_that_cannot_be_read(client, application, path, header):
    fields = form(application, client_id=None, client_secret=None)
    response = client.post(path, fields, headers={"Authorization": header})
    assert response.status_code in (400, 401)
    assert response.json()["error"] in ("invalid_request", "invalid_client")


def test_an_expired_secret(client, application, path):
    application.secrets.update(expires_at=timezone.now() - timedelta(seconds=1))
    response = client.post(path, form(application))
    assert_oauth_error(response, 401, "invalid_client", 7000222, "expired")


def test_a_revoked_secret(client, application, path):
    application.secrets.get().revoke(COMMAND)
    response = client.post(path, form(application))
    assert_oauth_error(response, 401, "invalid_client", 7000215)


def test_a_revoked_secret_beside_a_good_one(client, application, path):
    fresh = application.create_secret(COMMAND)
    application.secrets.first().revoke(COMMAND)
    assert client.post(path, form(application)).status_code == 401
    assert client.post(path, form(application, client_secret=fresh)).status_code == 200


def test_a_disabled_application(client, application, path):
    Application.objects.update(enabled=False)
    response = client.post(path, form(application))
    assert_oauth_error(response, 400, "unauthorized_client", 7000112, "is disabled")


def test_a_disabled_application_is_not_told_so_without_its_secret(client, application, path):
    Application.objects.update(enabled=False)
    response = client.post(path, form(application, client_secret="wrong"))
    assert_oauth_error(response, 401, "invalid_client", 7000215)


@pytest.mark.parametrize("client_id", ["d310d35d-72ec-47dd-92f2-fb9c40936555", "nobody", "\0"])
def test_an_unknown_client(client, application, path, client_id):
    response = client.post(path, form(application, client_id=client_id))
    assert_oauth_error(response, 400, "unauthorized_client", 700016, "was not found")


@pytest.mark.parametrize(
    ("changes", "status", "error", "number", "says"),
    [
        ({"grant_type": None}, 400, "invalid_request", 900144, "'grant_type'"),
        ({"grant_type": ""}, 400, "invalid_request", 900144, "'grant_type'"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type", 70003, "client_credentials"),
        ({"grant_type": "authorization_code"}, 400, "unsupported_grant_type", 70003, ""),
        ({"client_id": None}, 400, "invalid_request", 900144, "'client_id'"),
        ({"client_secret": None}, 401, "invalid_client", 7000218, "'client_secret'"),
        ({"client_secret": ""}, 401, "invalid_client", 7000218, "'client_secret'"),
        ({"scope": None}, 400, "invalid_scope", 1002012, "/.default"),
        ({"scope": ""}, 400, "invalid_scope", 1002012, "/.default"),
        ({"scope": OWNED}, 400, "invalid_scope", 1002012, "/.default"),
        ({"scope": "api://x/.default openid"}, 400, "invalid_scope", 1002012, "/.default"),
        (
            {"client_secret": None, "client_assertion": "e.y.J"},
            401,
            "invalid_client",
            700027,
            "not supported",
        ),
    ],
)
def test_fields_that_are_missing_or_wrong(
    client, application, path, changes, status, error, number, says
):
    response = client.post(path, form(application, **changes))
    assert_oauth_error(response, status, error, number, says)


def test_json_is_no_form(client, application, path):
    response = client.post(path, json.dumps(form(application)), content_type="application/json")
    assert_oauth_error(response, 400, "invalid_request", 900144)


@pytest.mark.parametrize("tenant", ["d310d35d-72ec-47dd-92f2-fb9c40936555", "contoso.example"])
def test_another_tenant(client, application, tenant):
    response = client.post(f"/{tenant}/oauth2/v2.0/token", form(application))
    assert_oauth_error(response, 400, "invalid_request", 90002, f"Tenant '{tenant}' not found")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"])
def test_the_endpoint_only_accepts_post(client, path, method):
    response = client.generic(method, path)
    assert response["Allow"] == "POST"
    if method == "HEAD":
        assert response.status_code == 405
    else:
        assert_oauth_error(response, 405, "invalid_request", 900561, "only accepts POST")


def test_no_refusal_repeats_a_secret(client, application, path):
    for changes in ({"client_id": "nobody"}, {"scope": "x"}, {"grant_type": "x"}):
        response = client.post(path, form(application, **changes))
        assert response.status_code == 400
        assert application.secret_text not in response.content.decode()


# Metadata and keys -------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["/v2.0", ""])
def test_metadata(client, settings, db, version):
    settings.TOKEN_ISSUER = "https://connectors.example"
    tenant = tokens.tenant_id()
    response = client.get(f"/{tenant}{version}/.well-known/openid-configuration")
    assert response.status_code == 200
    body = response.json()
    assert body["issuer"] == f"https://connectors.example/{tenant}/v2.0"
    assert body["authorization_endpoint"] == f"http://testserver/{tenant}/oauth2/v2.0/authorize"
    assert body["token_endpoint"] == f"http://testserver/{tenant}/oauth2/v2.0/token"
    assert body["jwks_uri"] == f"http://testserver/{tenant}/discovery/v2.0/keys"
    assert body["grant_types_supported"] == ["client_credentials"]
    assert "client_secret_post" in body["token_endpoint_auth_methods_supported"]


def test_metadata_carries_the_public_url(client, settings, db):
    settings.PUBLIC_URL = "https://connectors.example/graph"
    body = client.get("/common/v2.0/.well-known/openid-configuration").json()
    assert body["token_endpoint"] == "https://connectors.example/graph/common/oauth2/v2.0/token"


def test_a_library_that_knows_the_metadata_alone_verifies_a_token(client, application):
    tenant = tokens.tenant_id()
    metadata = client.get(f"/{tenant}/v2.0/.well-known/openid-configuration").json()
    local = {name: str(url).removeprefix("http://testserver") for name, url in metadata.items()}
    token = client.post(local["token_endpoint"], form(application)).json()["access_token"]
    keys = jwt.PyJWKSet.from_dict(client.get(local["jwks_uri"]).json())
    claims = jwt.decode(
        token,
        keys[jwt.get_unverified_header(token)["kid"]],
        algorithms=["RS256"],
        audience="api://connectors-admin",
        issuer=metadata["issuer"],
    )
    assert claims["azp"] == str(application.app_id)
    tampered = token[:-8] + ("A" * 8 if not token.endswith("A" * 8) else "B" * 8)
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(tampered, keys.keys[0], algorithms=["RS256"], audience=claims["aud"])


@pytest.mark.parametrize("where", ["v2.0/.well-known/openid-configuration", "discovery/v2.0/keys"])
def test_metadata_and_keys_can_only_be_read_and_only_of_our_tenant(client, db, where):
    response = client.post(f"/common/{where}")
    assert_oauth_error(response, 405, "invalid_request", 900561)
    assert response["Allow"] == "GET"
    assert_oauth_error(client.get(f"/contoso/{where}"), 400, "invalid_request", 90002)
    assert client.head(f"/common/{where}").status_code == 200


@pytest.mark.parametrize(
    ("content_type", "data", "headers"),
    [
        ("application/x-www-form-urlencoded", b"a=" + b"x" * 5_000_000, {}),
        ("multipart/form-data", b"abc", {}),
        ("application/x-www-form-urlencoded;charset=utf-16", b"a=b", {}),
        ("application/x-www-form-urlencoded", b"a=b", {"Host": "evil.example"}),
    ],
)
def test_what_is_no_form_of_ours_is_refused_in_oauths_form(path, content_type, data, headers):
    response = Client().post(path, data, content_type=content_type, headers=headers)
    assert_oauth_error(response, 400, "invalid_request", 900144)
