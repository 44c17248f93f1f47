"""Tokens of a real issuer: which are accepted, whose they are, and what happens when it is away."""

from __future__ import annotations

import base64
import json
import threading
import time
import uuid

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from operations import caller_cache, foreign_tokens, tokens
from operations.errors import IssuerUnreachable
from operations.models import Application
from tests.factories import COMMAND, make_connection
from tests.graph import OWNED, READ_ALL, WRITE_ALL, GraphClient, assert_refused
from tests.issuer import Issuer, running

HERE = "/v1.0/connections"
INVALID = "Access token validation failure."
AUDIENCE = "api://connectors"
APP_ID = uuid.UUID("5c0d1f0e-6f5c-4d0c-9b1e-3f2a7b8c9d0e")


@pytest.fixture(autouse=True)
def _patience(monkeypatch):
    """An issuer that answers, answers at once; a machine that is busy shall not look like one that
    does not. Tests of one that hangs set their own."""
    monkeypatch.setattr(foreign_tokens, "TIMEOUT", 30.0)


@pytest.fixture
def issuer(settings):
    with running() as found:
        settings.FOREIGN_ISSUER = found.issuer
        settings.FOREIGN_AUDIENCE = [AUDIENCE]
        settings.FOREIGN_JWKS_URL = f"{found.url}/keys"
        yield found


@pytest.fixture
def known(db) -> Application:
    """An application that the issuer signs in, registered here."""
    return Application.objects.register_foreign(COMMAND, "Crawler", [OWNED], APP_ID)


@pytest.fixture
def clock(monkeypatch):
    """The clock that the caches go by: it stands still until it is moved."""
    now = [time.monotonic()]
    monkeypatch.setattr(foreign_tokens.time, "monotonic", lambda: now[0])

    def move(seconds: float) -> None:
        now[0] += seconds

    return move


def get(token: str):
    return GraphClient(token=token).get(HERE)


def accepted(token: str) -> bool:
    return get(token).status_code == 200


def refused(token: str, says: str, status: int = 401) -> None:
    code = {401: "InvalidAuthenticationToken", 403: "Forbidden"}[status]
    response = get(token)
    assert_refused(response, status, code, says=says)
    assert ("WWW-Authenticate" in response) == (status == 401)


def unavailable(token: str) -> int:
    """A 503; returns the seconds after which to come again."""
    response = get(token)
    assert_refused(
        response,
        503,
        "serviceNotAvailable",
        inner="IssuerUnreachable",
        says="The keys of the token's issuer cannot be had",
    )
    return int(response["Retry-After"])


# Which are accepted ------------------------------------------------------------------------------


def test_a_good_token_of_version_2(issuer, known):
    assert accepted(issuer.token(APP_ID, [OWNED]))


def test_a_good_token_of_version_1(issuer, known, settings):
    settings.FOREIGN_ISSUER = "https://sts.windows.net/8d2f7a9c-1111-4222-8333-944444444444/"
    token = issuer.token(
        APP_ID, [OWNED], azp=None, appid=str(APP_ID), iss=settings.FOREIGN_ISSUER, ver="1.0"
    )
    assert accepted(token)


def test_one_of_several_audiences(issuer, known, settings):
    settings.FOREIGN_AUDIENCE = ["1b1b1b1b-aaaa-4bbb-8ccc-dddddddddddd", AUDIENCE]
    assert accepted(issuer.token(APP_ID, [OWNED]))
    assert accepted(issuer.token(APP_ID, [OWNED], aud=settings.FOREIGN_AUDIENCE[0]))


def test_our_own_tokens_are_good_beside_them(issuer, known, graph):
    assert graph.get(HERE).status_code == 200
    assert issuer.asked == 0


def test_what_such_an_application_creates_is_its_own(issuer, known):
    client = GraphClient(token=issuer.token(APP_ID, [OWNED]))
    make_connection("foreign")
    assert client.post(HERE, {"id": "mine", "name": "Mine"}).status_code == 201
    assert [row["id"] for row in client.get(HERE).json()["value"]] == ["mine"]


def test_a_clock_that_is_a_little_ahead(issuer, known):
    ahead = int(time.time()) + foreign_tokens.CLOCK_SKEW - 5
    assert accepted(issuer.token(APP_ID, [OWNED], iat=ahead, nbf=ahead))


def test_without_the_settings_nobody_is_asked(issuer, known, settings):
    token = issuer.token(APP_ID, [OWNED])
    settings.FOREIGN_ISSUER = ""
    refused(token, INVALID)
    refused(issuer.token(APP_ID, [OWNED], iss=""), INVALID)
    assert issuer.asked == 0


@pytest.mark.parametrize(
    ("claims", "says"),
    [
        ({"iss": "https://login.microsoftonline.com/common/v2.0"}, INVALID),
        ({"iss": None}, INVALID),
        ({"aud": "api://other"}, f"{INVALID} Invalid audience."),
        ({"aud": None}, INVALID),
        ({"exp": 1_000_000_000}, "Lifetime validation failed, the token is expired."),
        ({"exp": None}, INVALID),
        ({"nbf": 4_000_000_000}, INVALID),
        ({"azp": None}, "It names no application"),
        ({"azp": ""}, "It names no application"),
    ],
    ids=str,
)
def test_a_claim_that_is_wrong_or_missing(issuer, known, claims, says):
    refused(issuer.token(APP_ID, [OWNED], **claims), says)


@pytest.mark.parametrize(
    "audience",
    [
        "https://graph.microsoft.com",
        "https://graph.microsoft.com/",
        "00000003-0000-0000-c000-000000000000",
        ["https://graph.microsoft.com", AUDIENCE],
    ],
)
@pytest.mark.parametrize("configured", [False, True])
def test_tokens_for_graph_itself_are_refused_even_if_somebody_configures_that(
    issuer, known, settings, audience, configured
):
    if configured:
        settings.FOREIGN_AUDIENCE = audience if isinstance(audience, list) else [audience]
    says = "was issued for Microsoft Graph itself and must not be used elsewhere."
    refused(issuer.token(APP_ID, [OWNED], aud=audience), says)
    assert issuer.asked == 0


def test_a_real_token_of_graph_is_told_why(db, settings):
    """Also where no foreign issuer is configured: it is the mistake that is made first."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    claims = {"aud": "https://graph.microsoft.com", "iss": "https://sts.windows.net/x/"}
    token = jwt.encode(claims, key, "RS256", headers={"kid": "msft"})
    refused(token, "Ask for a token for: api://connectors-admin.")


def test_unsigned(issuer, known):
    claims = jwt.decode(issuer.token(APP_ID, [OWNED]), options={"verify_signature": False})
    kid = next(iter(issuer.keys))
    refused(jwt.encode(claims, None, "none", headers={"kid": kid}), INVALID)


def test_signed_with_the_public_key_as_if_it_were_a_shared_secret(issuer, known):
    claims = jwt.decode(issuer.token(APP_ID, [OWNED]), options={"verify_signature": False})
    kid, key = next(iter(issuer.keys.items()))
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )

    def part(content: bytes) -> bytes:
        return base64.urlsafe_b64encode(content).rstrip(b"=")

    head = {"alg": "HS256", "typ": "JWT", "kid": kid}
    signed = part(json.dumps(head).encode()) + b"." + part(json.dumps(claims).encode())
    hmac = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)
    refused((signed + b"." + part(hmac.sign(signed, public))).decode(), INVALID)


def test_signed_by_somebody_else_under_the_name_of_its_key(issuer, known):
    stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    refused(issuer.token(APP_ID, [OWNED], key=stranger), INVALID)


def test_a_token_that_says_itself_where_its_key_is(issuer, known):
    with running() as evil:
        token = evil.token(
            APP_ID, [OWNED], iss=issuer.issuer, headers={"jku": f"{evil.url}/keys", "x5u": evil.url}
        )
        refused(token, f"{INVALID} The issuer has no such key.")
        assert evil.asked == 0


def test_our_key_does_not_sign_for_the_issuer(issuer, known, application):
    kid = tokens._signing_key()
    claims = jwt.decode(issuer.token(APP_ID, [OWNED]), options={"verify_signature": False})
    refused(jwt.encode(claims, kid[1], "RS256", headers={"kid": kid[0]}), INVALID)


# Whose they are ----------------------------------------------------------------------------------


def test_an_application_that_nobody_registered(issuer, db):
    token = issuer.token(APP_ID, [OWNED])
    refused(token, f"The application '{APP_ID}' is not registered here.", 403)
    Application.objects.register_foreign(COMMAND, "Crawler", [OWNED], APP_ID)
    assert accepted(token)


@pytest.mark.parametrize("name", ["crawler", "0", ["x"], {"a": 1}, 5])
def test_an_application_whose_id_is_no_guid(issuer, db, name):
    refused(issuer.token("", [OWNED], azp=name), "is not registered here.", 403)


def test_a_disabled_application(issuer, known):
    Application.objects.update(enabled=False)
    refused(issuer.token(APP_ID, [OWNED]), "Application disabled.")


def test_roles_are_those_of_the_token_that_the_application_still_has(issuer, known):
    refused(issuer.token(APP_ID, [READ_ALL, WRITE_ALL]), "Roles on the request ''.", 403)
    Application.objects.update(roles=[READ_ALL])
    refused(issuer.token(APP_ID, [OWNED]), "Missing role", 403)
    assert accepted(issuer.token(APP_ID, [OWNED, READ_ALL]))


@pytest.mark.parametrize("roles", [None, [], [{"id": 1}], [[OWNED]], 5, OWNED, {OWNED: 1}])
def test_roles_that_are_none(issuer, known, roles):
    refused(issuer.token(APP_ID, roles), "Missing role permissions", 403)


def test_a_person_behind_the_application_is_not_the_application(issuer, known, settings):
    """In a delegated token ``roles`` are the person's."""
    token = issuer.token(APP_ID, [OWNED], scp="openid")
    refused(token, "Delegated permissions (scp)", 403)
    settings.TOKEN_DELEGATED_USE = True
    refused(token, "Missing role permissions", 403)
    assert accepted(issuer.token(APP_ID, [], scp=f"openid {OWNED}"))


def test_a_claim_of_theirs_that_is_called_as_one_of_ours(issuer, known):
    assert accepted(issuer.token(APP_ID, [OWNED], secret_id="theirs"))


def test_a_registered_application_gets_no_token_from_us(issuer, known, client):
    form = {
        "grant_type": "client_credentials",
        "client_id": str(APP_ID),
        "client_secret": "guess",
        "scope": f"{AUDIENCE}/.default",
    }
    answer = client.post(f"/{tokens.tenant_id()}/oauth2/v2.0/token", form)
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


# Its keys ----------------------------------------------------------------------------------------


def test_keys_are_fetched_once(issuer, known):
    for _ in range(5):
        assert accepted(issuer.token(APP_ID, [OWNED]))
    assert issuer.asked == 1


def test_a_rotated_key_is_noticed_after_the_cooldown(issuer, known, clock):
    old = issuer.token(APP_ID, [OWNED])
    assert accepted(old)
    issuer.rotate()
    new = issuer.token(APP_ID, [OWNED])
    refused(new, "The issuer has no such key.")  # fetched a moment ago: not asked again yet
    assert issuer.asked == 1
    clock(foreign_tokens.COOLDOWN)
    assert accepted(new)
    assert issuer.asked == 2
    refused(old, "The issuer has no such key.")


def test_a_key_that_is_withdrawn_is_noticed_when_the_keys_are_old(issuer, known, clock):
    old = issuer.token(APP_ID, [OWNED])
    assert accepted(old)
    issuer.rotate()
    clock(foreign_tokens.LIFESPAN)

    def is_refused() -> bool:
        caller_cache.forget()  # as after ``caller_cache.SECONDS``
        return not accepted(old)

    assert not is_refused()  # the old keys are used while the new ones are fetched
    _wait_until(is_refused)
    assert issuer.asked == 2


@pytest.mark.parametrize(
    "mood", ["breaks", "babbles", "is empty", "redirects", "stops halfway", "hangs"]
)
def test_an_issuer_that_is_away_is_a_503(issuer, known, monkeypatch, clock, mood):
    if mood == "hangs":
        monkeypatch.setattr(foreign_tokens, "TIMEOUT", 1.0)
    issuer.mood = mood
    token = issuer.token(APP_ID, [OWNED])
    assert 1 <= unavailable(token) <= foreign_tokens.COOLDOWN_AFTER_FAILURE
    # whoever asks while the failed fetch has not quite ended would share its end
    keys = foreign_tokens._keys_at(f"{issuer.url}/keys")
    _wait_until(lambda: keys._flight is None)
    monkeypatch.setattr(foreign_tokens, "TIMEOUT", 30.0)
    clock(foreign_tokens.COOLDOWN_AFTER_FAILURE)
    issuer.mood = "answers"
    issuer.go_on.set()
    assert accepted(token)


def test_an_issuer_that_is_gone(issuer, known, settings):
    settings.FOREIGN_JWKS_URL = "http://127.0.0.1:9/keys"
    assert unavailable(issuer.token(APP_ID, [OWNED])) >= 1


def test_known_keys_go_on_working_while_it_is_away(issuer, known, clock):
    token = issuer.token(APP_ID, [OWNED])
    assert accepted(token)
    issuer.mood = "breaks"
    clock(foreign_tokens.LIFESPAN + 1)
    for _ in range(3):
        assert accepted(token)
    unknown = issuer.token(APP_ID, [OWNED], headers={"kid": "new"})
    clock(foreign_tokens.COOLDOWN_AFTER_FAILURE)
    unavailable(unknown)  # it may be a rotated key: nobody can know now
    assert accepted(token)
    clock(foreign_tokens.LONGEST_LIFESPAN)
    unavailable(token)


def test_a_flood_of_made_up_keys_does_not_reach_the_issuer(issuer, known, clock):
    good = issuer.token(APP_ID, [OWNED])
    assert accepted(good)
    clock(foreign_tokens.COOLDOWN)
    for number in range(40):
        refused(issuer.token(APP_ID, [OWNED], headers={"kid": f"made-up-{number}"}), INVALID)
    assert issuer.asked == 2
    assert accepted(good)


def test_a_flood_while_it_is_away_does_not_reach_it_either(issuer, known, clock):
    issuer.mood = "breaks"
    token = issuer.token(APP_ID, [OWNED])
    for _ in range(40):
        unavailable(token)
    assert issuer.asked == 1


def test_a_stampede_holds_a_few_threads_only_and_asks_once(issuer, monkeypatch):
    """A slow issuer, and more callers than the web server has threads."""
    monkeypatch.setattr(foreign_tokens, "TIMEOUT", 2.0)
    issuer.mood = "hangs"
    keys = foreign_tokens.IssuerKeys(f"{issuer.url}/keys")
    took: list[float] = []

    def ask() -> None:
        began = time.monotonic()
        with pytest.raises(IssuerUnreachable):
            keys.find("any")
        took.append(time.monotonic() - began)

    threads = [threading.Thread(target=ask) for _ in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(took) == 30 and issuer.asked == 1
    # all but a few were told at once; those waited about as long as the issuer may take
    waited = [seconds for seconds in took if seconds > foreign_tokens.TIMEOUT / 2]
    assert len(waited) == foreign_tokens.MOST_WAITING


def test_those_who_wait_get_the_key(issuer):
    issuer.mood = "hangs"
    keys = foreign_tokens.IssuerKeys(f"{issuer.url}/keys")
    kid = next(iter(issuer.keys))
    found: list[object] = []
    threads = [
        threading.Thread(target=lambda: found.append(keys.find(kid)))
        for _ in range(foreign_tokens.MOST_WAITING)
    ]
    for thread in threads:
        thread.start()
    _wait_until(lambda: issuer.asked == 1)
    issuer.go_on.set()
    for thread in threads:
        thread.join(10)
    assert len(found) == foreign_tokens.MOST_WAITING and all(found)
    assert issuer.asked == 1


def test_keys_that_may_not_sign_are_left_out():
    issuer = Issuer()
    issuer.server.server_close()
    (good,) = issuer.document()["keys"]
    small = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    issuer.keys = {"small": small}
    (weak,) = issuer.document()["keys"]
    document = {
        "keys": [
            good,
            weak,
            good | {"kid": "encrypts", "use": "enc"},
            {key: value for key, value in good.items() if key != "kid"},
            {"kty": "oct", "kid": "shared", "k": "c2VjcmV0"},
            {"kty": "from the future", "kid": "odd"},
        ]
    }
    assert list(foreign_tokens._signing_keys(document)) == [good["kid"]]


def _wait_until(what) -> None:
    end = time.time() + 10
    while not what():
        assert time.time() < end, "waited in vain"
        time.sleep(0.02)
