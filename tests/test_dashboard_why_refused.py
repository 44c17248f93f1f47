"""Why a call was refused: what was asked, what it lacked in words, and what to do."""

import time
from datetime import timedelta

import jwt
import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from operations import tokens
from operations.api import refusals
from operations.errors import Lack
from operations.models import ROLES, Application, Refusal, SigningKey
from tests import factories
from tests.graph import OWNED, READ_ALL, GraphClient

pytestmark = pytest.mark.django_db
HERE = "/v1.0/connections"


@pytest.fixture(autouse=True)
def _fresh_allowance(monkeypatch):
    monkeypatch.setattr(refusals, "_allowance", refusals.Allowance())


def why(client, request_id):
    """The card."""
    response = client.get(reverse("applications"), {"why": request_id})
    assert response.status_code == 200
    text = response.content.decode()
    return text.split('data-key="why"')[1].split("</section>")[0]


def test_a_role_that_is_missing(viewer):
    application = factories.make_application(READ_ALL, name="Old portal")
    response = GraphClient(application).post(HERE, {"id": "hr1"})

    card = why(viewer, response["request-id"])

    assert (
        "The token carries ExternalConnection.Read.All. This call needs one of: "
        "ExternalConnection.ReadWrite.OwnedBy, ExternalConnection.ReadWrite.All." in card
    )
    assert "POST /v1.0/connections" in card
    assert "403 Forbidden" in card and "Missing role permissions" in card
    assert reverse("application", args=[application.app_id]) in card and "Old portal" in card
    assert "An administrator grants one of the roles" in card


def test_a_role_that_was_granted_since(viewer):
    application = factories.make_application(READ_ALL)
    response = GraphClient(application).post(HERE, {"id": "hr1"})
    application.revise(factories.COMMAND, roles=[READ_ALL, OWNED])

    assert (
        "The application has ExternalConnection.ReadWrite.OwnedBy now. A token that it gets from "
        "now on carries it." in why(viewer, response["request-id"])
    )


def test_a_role_that_was_taken_away(viewer):
    application = factories.make_application(OWNED)
    token = tokens.issue_token(application)[0]
    application.revise(factories.COMMAND, roles=[])
    response = GraphClient(token=token).get(HERE)

    assert (
        "The token carries ExternalConnection.ReadWrite.OwnedBy, but the application has this role "
        "no longer." in why(viewer, response["request-id"])
    )


def test_a_token_without_any_role(viewer):
    response = GraphClient(factories.make_application()).get(HERE)

    assert "The token carries no role that the application has." in why(
        viewer, response["request-id"]
    )


def test_a_token_that_had_expired(viewer):
    application = factories.make_application(OWNED)
    token = tokens.issue_token(application)[0]
    claims = jwt.decode(token, options={"verify_signature": False})
    key = SigningKey.objects.get()
    claims["exp"] = int(time.time()) - 180
    old = jwt.encode(claims, key.private_pem, "RS256", headers={"kid": key.kid})
    response = GraphClient(token=old).get(HERE)

    card = why(viewer, response["request-id"])

    assert "The token expired 3 min" in card and "before the call." in card
    assert "nothing proves it" not in card


def test_a_token_of_somebody_else(viewer, private_pem):
    application = factories.make_application(name="HR ingestion")
    token = jwt.encode(
        {"iss": "https://sts.example/<b>", "azp": str(application.app_id)},
        private_pem,
        "RS256",
        headers={"kid": "another"},
    )
    response = GraphClient(token=token).get(HERE)

    card = why(viewer, response["request-id"])

    assert "The signature matches none of our keys." in card
    assert "https://sts.example/&lt;b&gt;" in card
    assert "HR ingestion" in card and "nothing proves it" in card
    assert "FOREIGN_ISSUER" in card


def test_a_call_without_a_token(viewer):
    response = GraphClient().get(HERE)

    card = why(viewer, response["request-id"])

    assert "The call carried no bearer token." in card
    assert "a caller that named no application" in card


def test_an_application_that_is_disabled_and_enabled_again(viewer):
    application = factories.make_application(OWNED)
    token = tokens.issue_token(application)[0]
    application.revise(factories.COMMAND, enabled=False)
    response = GraphClient(token=token).get(HERE)

    assert "The application is disabled." in why(viewer, response["request-id"])
    application.revise(factories.COMMAND, enabled=True)
    assert "It is enabled by now" in why(viewer, response["request-id"])


def test_a_client_that_got_no_token(viewer):
    application = factories.make_application(name="HR ingestion")
    form = {
        "grant_type": "client_credentials",
        "client_id": str(application.app_id),
        "client_secret": "wrong",
        "scope": "api://connectors-admin/.default",
    }
    trace_id = Client().post("/common/oauth2/v2.0/token", form).json()["trace_id"]

    card = why(viewer, trace_id)

    assert "The secret is none of this application." in card
    assert "401 invalid_client" in card and "AADSTS7000215" in card
    assert "Send the secret itself, not its id" in card


@pytest.mark.parametrize("lack", list(Lack))
def test_each_lack_has_its_words_and_steps(viewer, lack):
    Refusal.objects.create(
        request_id="r1",
        method="GET",
        path=HERE,
        status=401,
        code="Some",
        message="What was answered",
        lack=lack,
        needed=[OWNED],
        facts={"audience": "api://other", "issuer": "https://sts.example", "roles": ["User.Read"]},
    )

    card = why(viewer, "r1")

    lacked = card.split('class="why-lacked" dir="auto">')[1].split("</p>")[0]
    assert lacked and "%(" not in lacked
    assert (lacked == "What was answered") == (lack == Lack.REQUEST)
    assert "<li>" in card


def test_what_a_newer_version_wrote(viewer):
    Refusal.objects.create(
        request_id="r1", method="GET", path=HERE, status=403, message="No.", lack="somethingNew"
    )

    assert '<p class="why-lacked" dir="auto">No.</p>' in why(viewer, "r1")


def test_the_callers_own_id_may_be_that_of_several(viewer):
    for _ in range(7):
        GraphClient().get(HERE, client_request_id="nightly-7")

    card = why(viewer, "nightly-7")

    assert card.count('class="why-lacked"') == 5
    newest = Refusal.objects.first()
    assert newest.request_id in card


def test_an_id_of_a_call_that_was_let_in(viewer):
    response = GraphClient(factories.make_application(*ROLES)).post(
        HERE, {"id": "contosohr", "name": "Contoso HR"}
    )
    assert response.status_code == 201

    card = why(viewer, response["request-id"])

    assert "This call was let in, and it changed something." in card
    assert f"?request={response['request-id']}" in card


def test_an_id_that_nobody_knows(viewer):
    card = why(viewer, "0d0d7ac4-4c4b-4a3c-8a5b-c1f0c7f0f9b1")

    assert "No refusal is kept under this id." in card
    assert "older than seven days" in card


@pytest.mark.parametrize("text", ["<script>", "a b", "\0", "x" * 500])
def test_what_is_no_id(viewer, text):
    card = why(viewer, text)

    assert "This is no request-id." in card
    assert "<script>" not in card


def test_an_old_one_says_when(viewer):
    GraphClient().get(HERE)
    Refusal.objects.update(request_id="r1", at=timezone.now() - timedelta(days=6))

    assert "6 days ago" in why(viewer, "r1")


def test_the_page_stays_the_same_list(viewer):
    Application.objects.all().delete()
    factories.make_application(name="HR ingestion")
    response = viewer.get(reverse("applications"), {"why": "r1"})

    assert "HR ingestion" in response.content.decode()
    assert "was left out" not in response.content.decode()
