"""Bearer tokens: what is in them, which are accepted, and what ends one that is already out."""

from __future__ import annotations

import base64
import json
import time
import uuid
from datetime import timedelta

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from django.utils import timezone

from operations import caller_cache, tokens
from operations.models import Application, Installation, SigningKey
from tests.factories import COMMAND, make_application, make_connection
from tests.graph import OWNED, READ_ALL, WRITE_ALL, GraphClient, assert_refused

HERE = "/v1.0/connections"
INVALID = "Access token validation failure."


@pytest.fixture(scope="module")
def foreign_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def our_key() -> tuple[str, rsa.RSAPrivateKey]:
    row = SigningKey.objects.get()
    key = serialization.load_pem_private_key(row.private_pem.encode(), password=None)
    assert isinstance(key, rsa.RSAPrivateKey)
    return row.kid, key


def public_pem(key: rsa.RSAPrivateKey) -> bytes:
    return key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def claims_of(token: str) -> dict:
    return jwt.decode(token, options={"verify_signature": False})


def forge(application: Application, *, without: str = "", headers=None, **claims) -> str:
    """A token that we signed, with other claims than we would write."""
    content = claims_of(tokens.issue_token(application)[0]) | claims
    content.pop(without, None)
    kid, key = our_key()
    return jwt.encode(content, key, "RS256", headers={"kid": kid} if headers is None else headers)


def refused(token: str, says: str, status: int = 401) -> None:
    code = "InvalidAuthenticationToken" if status == 401 else "Forbidden"
    response = GraphClient(token=token).get(HERE)
    error = assert_refused(response, status, code, says=says)
    assert ("WWW-Authenticate" in response) == (status == 401)
    assert len(token) < 20 or token not in json.dumps(error)


def accepted(token: str) -> bool:
    return GraphClient(token=token).get(HERE).status_code == 200


# What is in a token ------------------------------------------------------------------------------


def test_the_claims_of_an_application_token(application, settings):
    settings.TOKEN_ISSUER = "https://connectors.example"
    before = int(time.time())
    token, lifetime = tokens.issue_token(application)
    claims = claims_of(token)
    app_id, tenant = str(application.app_id), tokens.tenant_id()
    assert lifetime == settings.TOKEN_LIFETIME == 3600
    assert before <= claims["iat"] <= time.time()
    assert claims["nbf"] == claims["iat"]
    assert claims["exp"] == claims["iat"] + 3600
    assert len(claims.pop("uti")) == 32
    assert {name: claims[name] for name in claims if name not in ("iat", "nbf", "exp")} == {
        "aud": "api://connectors-admin",
        "iss": f"https://connectors.example/{tenant}/v2.0",
        "ver": "2.0",
        "tid": tenant,
        "azp": app_id,
        "appid": app_id,
        "app_displayname": application.name,
        "azpacr": "1",
        "idtyp": "app",
        "sub": app_id,
        "oid": app_id,
        "roles": [OWNED],
    }
    assert jwt.get_unverified_header(token) == {
        "alg": "RS256",
        "typ": "JWT",
        "kid": SigningKey.objects.get().kid,
    }


def test_a_token_got_with_a_secret_carries_its_id_and_not_the_secret(application):
    secret = application.secrets.get()
    claims = claims_of(tokens.issue_token(application, secret)[0])
    assert claims["secret_id"] == str(secret.key_id)
    assert application.secret_text not in json.dumps(claims)


def test_the_issuer_never_comes_from_the_host_header(application, settings):
    settings.ALLOWED_HOSTS = ["*"]
    client = GraphClient()
    form = {
        "grant_type": "client_credentials",
        "client_id": str(application.app_id),
        "client_secret": application.secret_text,
        "scope": "api://connectors-admin/.default",
    }
    response = client.http.post(
        f"/{tokens.tenant_id()}/oauth2/v2.0/token", form, headers={"Host": "evil.example"}
    )
    claims = claims_of(response.json()["access_token"])
    assert claims["iss"] == f"http://localhost:8000/{tokens.tenant_id()}/v2.0"
    assert "evil" not in json.dumps(claims)


def test_without_a_setting_the_issuer_is_where_serve_was_last_started(application, settings):
    settings.TOKEN_ISSUER = ""
    before = tokens.issue_token(application)[0]
    Installation.remember_address("https://127.0.0.1:8001")
    after = tokens.issue_token(application)[0]
    assert claims_of(after)["iss"] == f"https://127.0.0.1:8001/{tokens.tenant_id()}/v2.0"
    assert accepted(before) and accepted(after)  # the key and the tenant id say whose they are
    settings.TOKEN_ISSUER = "https://connectors.example"
    caller_cache.forget()  # who sets it starts anew
    refused(before, INVALID)  # here somebody has said what it must be
    assert accepted(tokens.issue_token(application)[0])


def test_two_tokens_are_never_the_same(application):
    assert tokens.issue_token(application) != tokens.issue_token(application)


def test_one_key_signs_all(application):
    for _ in range(3):
        tokens.issue_token(application)
        tokens.forget_keys()
    assert SigningKey.objects.count() == 1


# Which are accepted ------------------------------------------------------------------------------


def test_a_good_token(application):
    assert accepted(tokens.issue_token(application)[0])
    assert accepted(tokens.issue_token(application, application.secrets.get())[0])


def test_a_forged_token_of_ours_is_good_when_nothing_is_changed(application):
    """So that each refusal below is for the one thing that it changes."""
    assert accepted(forge(application))


@pytest.mark.parametrize(
    "token",
    ["abc", "a.b", "a.b.c", "....", "{}", "é", "eyJhbGciOiJSUzI1NiJ9", "a" * 5000],
)
def test_garbage(db, token):
    refused(token, "CompactToken parsing failed with error code: 80049217")


def test_no_token(db):
    refused("", "Access token is empty.")


def test_expired(application):
    now = int(time.time())
    refused(
        forge(application, iat=now - 7200, nbf=now - 7200, exp=now - 1),
        "Lifetime validation failed, the token is expired.",
    )


def test_not_yet_valid(application):
    refused(forge(application, nbf=int(time.time()) + 300), INVALID)


@pytest.mark.parametrize(
    "audience",
    [
        "https://graph.microsoft.com",
        "00000003-0000-0000-c000-000000000000",
        "api://other",
        ["https://graph.microsoft.com"],
    ],
)
def test_another_audience(application, audience):
    refused(forge(application, aud=audience), f"{INVALID} Invalid audience.")


@pytest.mark.parametrize(
    "issuer",
    [
        "https://login.microsoftonline.com/common/v2.0",
        "",
        "http://localhost:8000",
        f"http://localhost:8000/{uuid.UUID(int=5)}/v2.0",
    ],
)
@pytest.mark.parametrize("setting", ["", "https://connectors.example"])
def test_another_issuer(application, issuer, setting, settings):
    settings.TOKEN_ISSUER = setting
    refused(forge(application, iss=issuer), INVALID)


@pytest.mark.parametrize("claim", ["exp", "aud", "iss", "azp"])
def test_a_claim_that_is_missing_or_null(application, claim):
    refused(forge(application, without=claim), INVALID)
    if claim != "iss":  # PyJWT writes no issuer that is null
        refused(forge(application, **{claim: None}), INVALID)


def test_unsigned(application):
    claims = claims_of(tokens.issue_token(application)[0])
    kid = SigningKey.objects.get().kid
    refused(jwt.encode(claims, None, "none", headers={"kid": kid}), INVALID)


def test_signed_with_our_public_key_as_if_it_were_a_shared_secret(application):
    claims = claims_of(tokens.issue_token(application)[0])
    kid, key = our_key()

    def part(document: dict) -> bytes:
        return base64.urlsafe_b64encode(json.dumps(document).encode()).rstrip(b"=")

    # PyJWT refuses to make such a token, so it is made by hand
    signed = part({"alg": "HS256", "typ": "JWT", "kid": kid}) + b"." + part(claims)
    algorithm = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)
    signature = base64.urlsafe_b64encode(algorithm.sign(signed, public_pem(key))).rstrip(b"=")
    refused((signed + b"." + signature).decode(), INVALID)


def test_signed_with_another_key_under_the_name_of_ours(application, foreign_key):
    claims = claims_of(tokens.issue_token(application)[0])
    kid = SigningKey.objects.get().kid
    refused(jwt.encode(claims, foreign_key, "RS256", headers={"kid": kid}), INVALID)


@pytest.mark.parametrize("headers", [{"kid": "nobody"}, {"kid": ""}, {}])
def test_an_unknown_key(application, foreign_key, headers):
    claims = claims_of(tokens.issue_token(application)[0])
    refused(jwt.encode(claims, foreign_key, "RS256", headers=headers), INVALID)
    refused(forge(application, headers=headers), INVALID)


def test_a_changed_payload(application):
    head, payload, signature = tokens.issue_token(application)[0].split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    claims["roles"] = [WRITE_ALL]
    changed = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    refused(f"{head}.{changed}.{signature}", INVALID)


@pytest.mark.parametrize("claim", ["azp", "secret_id"])
@pytest.mark.parametrize("value", ["", "nobody", 5, None, ["x"]])
def test_ids_that_are_none_are_refused_and_break_nothing(application, claim, value):
    refused(forge(application, **{claim: value}), INVALID)


def test_an_unknown_application(application):
    refused(forge(application, azp=str(uuid.uuid4())), "Unknown application.")


# Roles -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("roles", [[], None, ["Nothing.We.Know"], "", {}])
def test_a_token_without_a_role_that_counts_gets_403(application, roles):
    refused(forge(application, roles=roles), "Missing role permissions on the request.", 403)


def test_a_token_with_no_roles_claim_gets_403(application):
    refused(forge(application, without="roles"), "Roles on the request ''.", 403)


def test_a_delegated_token_gets_403(application):
    refused(forge(application, without="roles", scp=OWNED), "Delegated permissions (scp)", 403)


def test_a_delegated_token_counts_where_a_setting_says_so(application, settings):
    settings.TOKEN_DELEGATED_USE = True
    assert accepted(forge(application, without="roles", scp=f"openid {OWNED}"))
    refused(forge(application, without="roles", scp=WRITE_ALL), "Missing role", 403)


def test_roles_are_those_of_the_token_that_the_application_still_has(db):
    application = make_application(OWNED, READ_ALL)
    make_connection("foreign")
    token = tokens.issue_token(application)[0]
    client = GraphClient(token=token)
    assert len(client.get(HERE).json()["value"]) == 1
    application.revise(COMMAND, roles=[OWNED, WRITE_ALL])  # one is taken, one is given
    assert client.get(HERE).json()["value"] == []
    assert len(GraphClient(application).get(HERE).json()["value"]) == 1


# What ends a token that is already out -----------------------------------------------------------


def test_removing_the_role_ends_it(application):
    token = tokens.issue_token(application)[0]
    assert accepted(token)
    application.revise(COMMAND, roles=[])
    refused(token, "Missing role", 403)


def test_disabling_the_application_ends_it(application):
    token = tokens.issue_token(application)[0]
    assert accepted(token)
    application.revise(COMMAND, enabled=False)
    refused(token, "Application disabled.")
    application.revise(COMMAND, enabled=True)
    assert accepted(token)


def test_revoking_its_secret_ends_it_and_no_other(application):
    first = application.secrets.get()
    second = application.find_secret(application.create_secret(COMMAND))
    ended, good = (tokens.issue_token(application, secret)[0] for secret in (first, second))
    assert accepted(ended)
    first.revoke(COMMAND)
    refused(ended, "Secret revoked.")
    assert accepted(good)


def test_its_secret_running_out_ends_it(application):
    secret = application.secrets.get()
    token = tokens.issue_token(application, secret)[0]
    application.secrets.update(expires_at=timezone.now() + timedelta(seconds=1))
    assert accepted(token)
    time.sleep(1)  # the token was accepted a moment ago, and that is not for longer than this
    refused(token, "Secret")


def test_another_applications_secret_is_none(application):
    other = make_application(OWNED)
    refused(tokens.issue_token(application, other.secrets.get())[0], "Secret")


def test_deleting_the_application_ends_it(application):
    token = tokens.issue_token(application)[0]
    Application.objects.all().delete()
    refused(token, "Unknown application.")


# Keys --------------------------------------------------------------------------------------------


def pem_of(key: rsa.RSAPrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


def add_key(key: rsa.RSAPrivateKey, **values) -> SigningKey:
    return SigningKey.objects.create(kid=uuid.uuid4().hex, private_pem=pem_of(key), **values)


def test_the_newest_key_signs_and_the_older_ones_still_verify(application, foreign_key):
    old = tokens.issue_token(application)[0]
    newer = add_key(foreign_key, created_at=timezone.now() + timedelta(seconds=1))
    tokens.forget_keys()
    new = tokens.issue_token(application)[0]
    assert jwt.get_unverified_header(new)["kid"] == newer.kid
    assert accepted(old) and accepted(new)
    assert len(tokens.jwks()["keys"]) == 2


def test_a_retired_key_verifies_nothing(application, foreign_key, monkeypatch):
    token = tokens.issue_token(application)[0]
    SigningKey.objects.update(retired_at=timezone.now())
    tokens.forget_keys()
    refused(token, INVALID)
    assert tokens.jwks() == {"keys": []}
    next_pem = pem_of(foreign_key)
    monkeypatch.setattr(tokens, "new_private_pem", lambda: next_pem)
    assert accepted(tokens.issue_token(application)[0])  # with a new key


def test_a_key_that_another_process_made_or_retired_is_noticed_in_seconds(
    application, foreign_key, monkeypatch
):
    old = tokens.issue_token(application)[0]
    SigningKey.objects.update(retired_at=timezone.now())
    add_key(foreign_key)
    now = time.monotonic()
    monkeypatch.setattr(tokens.time, "monotonic", lambda: now + tokens.KEY_CACHE_SECONDS + 0.1)
    assert tokens.KEY_CACHE_SECONDS <= 5
    refused(old, INVALID)
    assert accepted(tokens.issue_token(application)[0])


def test_the_public_half_alone_is_published(application):
    tokens.issue_token(application)
    (key,) = tokens.jwks()["keys"]
    assert set(key) == {"kty", "use", "alg", "kid", "n", "e"}
