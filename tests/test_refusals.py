"""What is kept of a call that was not let in: enough to say why, and never the token."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import jwt
import pytest
from django.core.management import call_command
from django.db import connection as database
from django.test import Client
from django.utils import timezone

from operations import tokens
from operations.api import refusals
from operations.errors import Lack
from operations.models import Application, Refusal, SigningKey
from operations.models import refusal as kept
from tests.factories import COMMAND, make_application, make_connection
from tests.graph import OWNED, READ_ALL, WRITE_ALL, GraphClient

HERE = "/v1.0/connections"


@pytest.fixture(autouse=True)
def _fresh_allowance(monkeypatch):
    monkeypatch.setattr(refusals, "_allowance", refusals.Allowance())


def forge(application, *, key=None, kid=None, **claims) -> str:
    """A token with these claims, signed by us or by somebody else."""
    content = jwt.decode(tokens.issue_token(application)[0], options={"verify_signature": False})
    ours = SigningKey.objects.get()
    headers = {"kid": ours.kid if kid is None else kid}
    return jwt.encode(content | claims, key or ours.private_pem, "RS256", headers=headers)


def no_token(application):
    return None


def no_jwt(application):
    return "abc"


def of_an_unknown_key(application):
    return forge(application, kid="another", iss="https://sts.example/")


def tampered(application):
    head, body, signature = tokens.issue_token(application)[0].split(".")
    return f"{head}.{body}.{'A' * len(signature)}"


def expired(application):
    return forge(application, exp=int(time.time()) - 180)


def early(application):
    return forge(application, nbf=int(time.time()) + 180)


def for_another(application):
    return forge(application, aud="api://other")


def for_graph(application):
    return forge(application, aud="https://graph.microsoft.com")


def of_another_installation(application):
    return forge(application, iss="https://other.example/v2.0")


def without_a_claim(application):
    return forge(application, azp=None)


def of_a_person(application):
    return forge(application, scp="ExternalConnection.Read.All")


def of_nobody(application):
    Application.objects.all().delete()
    return forge(application)


def of_a_disabled_one(application):
    Application.objects.update(enabled=False)
    return forge(application)


def of_a_revoked_secret(application):
    secret = application.secrets.get()
    token = tokens.issue_token(application, secret)[0]
    secret.revoke(COMMAND)
    return token


def of_no_role(application):
    Application.objects.update(roles=[])
    return forge(application)


@pytest.mark.parametrize(
    ("make", "lack", "status"),
    [
        (no_token, Lack.TOKEN, 401),
        (no_jwt, Lack.FORM, 401),
        (of_an_unknown_key, Lack.KEY, 401),
        (tampered, Lack.SIGNATURE, 401),
        (expired, Lack.LIFETIME, 401),
        (early, Lack.START, 401),
        (for_another, Lack.AUDIENCE, 401),
        (for_graph, Lack.OTHER_AUDIENCE, 401),
        (of_another_installation, Lack.ISSUER, 401),
        (without_a_claim, Lack.CLAIMS, 401),
        (of_nobody, Lack.APPLICATION, 401),
        (of_a_disabled_one, Lack.ENABLED, 401),
        (of_a_revoked_secret, Lack.SECRET, 401),
        (of_a_person, Lack.APP_ROLES, 403),
        (of_no_role, Lack.ROLE, 403),
    ],
)
def test_what_it_lacked(application, make, lack, status):
    response = GraphClient(token=make(application)).get(f"{HERE}?$top=5", client_request_id="mine")

    assert response.status_code == status
    refusal = Refusal.objects.get()
    error = response.json()["error"]
    assert (refusal.lack, refusal.status) == (lack, status)
    assert (refusal.code, refusal.message) == (error["code"], error["message"])
    assert refusal.request_id == response["request-id"]
    assert refusal.client_request_id == "mine"
    assert (refusal.method, refusal.path) == ("GET", HERE)
    told = make not in (no_token, no_jwt)
    assert refusal.app_id == (application.app_id if told else None)


def test_roles_that_are_needed_and_held_and_told(application):
    make_application()
    token = tokens.issue_token(application)[0]
    Application.objects.filter(pk=application.pk).update(roles=[READ_ALL])

    GraphClient(token=token).get(HERE)

    refusal = Refusal.objects.get()
    assert refusal.needed == [OWNED, READ_ALL, WRITE_ALL]
    assert refusal.held == []
    assert refusal.facts["roles"] == [OWNED]


def test_what_a_token_says_of_itself_is_kept_short(application):
    GraphClient(
        token=forge(application, exp=1_700_000_000, iss="x" * 5000, roles=["r" * 500] * 500)
    ).get(HERE)

    facts = Refusal.objects.get().facts
    assert facts["expires"] == datetime.fromtimestamp(1_700_000_000, UTC).isoformat()
    assert len(facts["issuer"]) == 200
    assert [len(role) for role in facts["roles"]] == [200] * 20


def test_who_sees_but_does_not_own(application):
    make_connection("contosohr", owner=make_application(OWNED))
    Application.objects.filter(pk=application.pk).update(roles=[OWNED, READ_ALL])
    application.refresh_from_db()

    response = GraphClient(application).patch(f"{HERE}/contosohr", {"name": "n"})

    assert response.status_code == 403
    refusal = Refusal.objects.get()
    assert (refusal.lack, refusal.method, refusal.path) == (
        Lack.OWNERSHIP,
        "PATCH",
        f"{HERE}/contosohr",
    )


def test_a_part_of_a_batch_has_its_own_id(db):
    graph = GraphClient(make_application(READ_ALL))
    parts = [
        {"id": "1", "method": "GET", "url": "/connections"},
        {"id": "2", "method": "POST", "url": "/connections", "body": {"id": "hr1", "name": "n"}},
    ]

    answers = graph.post("/v1.0/$batch", {"requests": parts}).json()["responses"]

    assert [answer["status"] for answer in answers] == [200, 403]
    refusal = Refusal.objects.get()
    assert refusal.request_id == answers[1]["body"]["error"]["innerError"]["request-id"]
    assert (refusal.method, refusal.path) == ("POST", "/v1.0/connections")


def test_only_401_and_403_are_kept(graph):
    make_connection("contosohr")
    assert graph.get(f"{HERE}/contosohr").status_code == 404
    assert graph.post(HERE, {}).status_code == 400
    assert graph.request("PUT", HERE).status_code == 405
    assert not Refusal.objects.exists()


def test_neither_token_nor_secret_is_kept(application):
    token = expired(application)
    GraphClient(token=token).get(HERE)
    ask_token(application, client_secret=f"{application.secret_text}x")
    application.secrets.get().revoke(COMMAND)
    ask_token(application)

    text = str(list(Refusal.objects.values()))
    assert Refusal.objects.count() == 3
    assert application.secret_text not in text
    assert not any(part in text for part in token.split("."))


@pytest.mark.parametrize(
    ("path", "claims"),
    [
        ("/v1.0/connections/a%00b", {}),
        ("/v1.0/connections/%ED%A0%80", {}),
        (f"/v1.0/{'x' * 2000}", {}),
        (HERE, {"iss": "a\0b", "aud": ["\0", {"a": "\ud800"}], "roles": "\0", "exp": 1e400}),
        (HERE, {"azp": ["no", "text"], "scp": {"a": 1}, "exp": "soon"}),
    ],
)
def test_what_no_database_can_hold_is_kept_as_far_as_it_can(application, path, claims):
    response = GraphClient(token=forge(application, kid="another", **claims)).get(path)

    assert response.status_code == 401
    refusal = Refusal.objects.get()
    assert len(refusal.path) <= 300
    assert "\0" not in str(refusal.facts)


def test_a_process_keeps_so_many_a_second(db, monkeypatch):
    second = [1000.0]
    monkeypatch.setattr(refusals.time, "monotonic", lambda: second[0])
    client = GraphClient()

    assert {client.get(HERE).status_code for _ in range(25)} == {401}
    assert Refusal.objects.count() == 20
    second[0] += 1
    client.get(HERE)
    assert Refusal.objects.count() == 21


def test_a_refusal_that_cannot_be_kept_is_still_an_answer(graph, caplog):
    with database.cursor() as cursor:
        cursor.execute("ALTER TABLE operations_refusal RENAME TO elsewhere")

    response = GraphClient().get(HERE)

    assert response.status_code == 401
    assert response.json()["error"]["code"] == "InvalidAuthenticationToken"
    assert "A refusal was not kept." in caplog.text


# The token endpoint ------------------------------------------------------------------------------


def ask_token(application, **changes):
    form = {
        "grant_type": "client_credentials",
        "client_id": str(application.app_id),
        "client_secret": application.secret_text,
        "scope": "api://connectors-admin/.default",
    } | changes
    return Client().post("/common/oauth2/v2.0/token", form)


def with_a_wrong_secret(application):
    return ask_token(application, client_secret="wrong")


def with_a_revoked_secret(application):
    application.secrets.get().revoke(COMMAND)
    return ask_token(application)


def with_an_expired_secret(application):
    application.secrets.update(expires_at=timezone.now() - timedelta(seconds=1))
    return ask_token(application)


def while_it_is_disabled(application):
    Application.objects.update(enabled=False)
    return ask_token(application)


def under_an_unknown_id(application):
    return ask_token(application, client_id="d310d35d-72ec-47dd-92f2-fb9c40936555")


def with_a_wrong_scope(application):
    return ask_token(application, scope="openid")


@pytest.mark.parametrize(
    ("ask", "lack", "code"),
    [
        (with_a_wrong_secret, Lack.RIGHT_SECRET, "invalid_client"),
        (with_a_revoked_secret, Lack.KEPT_SECRET, "invalid_client"),
        (with_an_expired_secret, Lack.CURRENT_SECRET, "invalid_client"),
        (while_it_is_disabled, Lack.ENABLED, "unauthorized_client"),
        (under_an_unknown_id, Lack.APPLICATION, "unauthorized_client"),
        (with_a_wrong_scope, Lack.REQUEST, "invalid_scope"),
    ],
)
def test_who_gets_no_token(application, ask, lack, code):
    response = ask(application)

    refusal = Refusal.objects.get()
    body = response.json()
    assert (refusal.lack, refusal.code, body["error"]) == (lack, code, code)
    assert refusal.status == response.status_code
    assert refusal.request_id == body["trace_id"]
    assert (refusal.method, refusal.path) == ("POST", "/common/oauth2/v2.0/token")
    assert refusal.message == body["error_description"].partition(" Trace ID")[0]
    known = ask is not under_an_unknown_id
    assert (refusal.app_id == application.app_id) is known


def test_a_get_of_the_token_endpoint_is_no_refusal(client, db):
    assert client.get("/common/oauth2/v2.0/token").status_code == 405
    assert not Refusal.objects.exists()


# How long they are kept --------------------------------------------------------------------------


def refuse(number: int, ago: timedelta = timedelta()) -> None:
    Refusal.objects.bulk_create(
        Refusal(
            request_id=f"{index}",
            at=timezone.now() - ago,
            method="GET",
            path=HERE,
            status=401,
            code="InvalidAuthenticationToken",
            message="Access token is empty.",
        )
        for index in range(number)
    )


def test_the_worker_forgets_what_is_old(db):
    refuse(600, timedelta(days=8))
    refuse(3, timedelta(days=6))

    call_command("run_operations", "--once")

    assert Refusal.objects.count() == 3


def test_the_worker_keeps_the_newest_of_too_many(db, monkeypatch):
    monkeypatch.setattr(kept, "MOST_KEPT", 10)
    refuse(15)

    call_command("run_operations", "--once")

    assert list(Refusal.objects.values_list("request_id", flat=True)) == [
        str(number) for number in range(14, 4, -1)
    ]


def test_a_secret_in_the_place_of_the_client_id_is_not_kept(client, application):
    """Whoever mixes the two up is told what Entra tells them; what is kept does not hold it."""
    secret = application.secret_text

    answer = client.post(
        f"/{tokens.tenant_id()}/oauth2/v2.0/token",
        {
            "grant_type": "client_credentials",
            "client_id": secret,
            "client_secret": str(application.app_id),
            "scope": "https://graph.microsoft.com/.default",
        },
    )

    assert secret in answer.json()["error_description"]
    kept = Refusal.objects.get()
    assert secret not in f"{kept.message}{kept.path}{kept.facts}"
    assert "Application with identifier '…' was not found" in kept.message
