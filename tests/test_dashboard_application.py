"""One application: what it may do, its secrets, and what an administrator does with it."""

import re
from datetime import timedelta
from uuid import uuid4

import pytest
from django.contrib.sessions.models import Session
from django.db import connection as database
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from operations import tokens
from operations.models import ROLES, Action, Application, Change, Refusal
from operations.roles import Role
from tests import factories
from tests.conftest import signed_in
from tests.graph import GraphClient

pytestmark = pytest.mark.django_db
SECRET = re.compile(r'id="secret-text" class="secret-text">([^<]+)<')


def address(application, name="application"):
    return reverse(name, args=[application.app_id])


def page(client, application):
    response = client.get(address(application))
    assert response.status_code == 200
    return response.content.decode()


def send(client, where, **values):
    """The answer, its text, and the sentences that came back."""
    response = client.post(where, values, follow=True)
    said = [str(message) for message in response.context["messages"]]
    return response, response.content.decode(), said


def test_what_it_is_and_may_do(viewer):
    application = factories.make_application(*ROLES, name="HR ingestion")
    factories.make_connection("contosohr", owner=application, name="Contoso HR")
    factories.make_connection("wiki", name="Wiki", authorized_app_ids=[application.app_id])

    text = page(viewer, application)

    assert "HR ingestion" in text
    assert f'data-copy="{application.app_id}"' in text
    for role in ROLES:
        assert role in text
    assert "Read every connection, its schema and its operations." in text
    owned = text.split('aria-labelledby="owned"')[1].split("</section>")[0]
    assert "Contoso HR" in owned and "Wiki" not in owned
    authorized = text.split('aria-labelledby="authorized"')[1].split("</section>")[0]
    assert "Wiki" in authorized and "Contoso HR" not in authorized


def test_found_in_any_case_of_letters(viewer):
    application = factories.make_application()

    assert viewer.get(f"/applications/{str(application.app_id).upper()}/").status_code == 200


@pytest.mark.parametrize("app_id", ["5c0d1f0e-6f5c-4d0c-9b1e-3f2a7b8c9d0e", "x", "%00", "0" * 32])
def test_one_that_there_is_not(administrator, app_id):
    for rest in ("", "edit/", "secrets/", f"secrets/{uuid4()}/revoke/"):
        response = administrator.get(f"/applications/{app_id}/{rest}")
        assert response.status_code == 404
        assert "There is no application with the client id" in response.content.decode()


def test_its_secrets(viewer):
    application = factories.make_application()
    now = timezone.now()
    application.secrets.update(last_used_at=now, last_used_address="2001:db8::7")
    application.create_secret(factories.COMMAND, now - timedelta(days=3))
    application.create_secret(factories.COMMAND)
    application.secrets.last().revoke(factories.COMMAND)

    text = page(viewer, application)

    for secret in application.secrets.all():
        assert f"{secret.prefix}…" in text
    assert application.secret_text not in text
    for state in ("usable", "expired", "revoked"):
        assert text.count(f'class="badge badge-{state}"') == 1
    assert "2001:db8::7" in text
    assert "<bdi>tests</bdi>" in text


def test_what_was_refused_of_late(viewer):
    application = factories.make_application(ROLES[1])
    response = GraphClient(application).post("/v1.0/connections", {"id": "hr1"})
    GraphClient(factories.make_application()).get("/v1.0/connections")

    text = page(viewer, application)

    refused = text.split('aria-labelledby="refused"')[1].split("</section>")[0]
    assert refused.count("<tr data-key") == 1
    assert "The token carries ExternalConnection.Read.All." in refused
    assert "POST /v1.0/connections" in refused
    assert f"?why={response['request-id']}" in refused


def test_its_changes(viewer):
    application = factories.make_application(name="HR ingestion")
    application.revise(factories.COMMAND, name="HR crawler", roles=[ROLES[1]])
    factories.make_application(name="Other")

    changes = page(viewer, application).split('aria-labelledby="changes"')[1]

    assert changes.count("<li data-key") == 3
    assert "name, roles" in changes
    assert f"{application.secrets.get().prefix}…" in changes


def test_markup_is_text(administrator):
    application = factories.make_application(name="<script>alert(1)</script>")
    key = application.secrets.get().key_id

    for where in (
        address(application),
        address(application, "edit-application"),
        reverse("revoke-secret", args=[application.app_id, key]),
    ):
        text = administrator.get(where).content.decode()
        assert "<script>alert" not in text
        assert "&lt;script&gt;" in text


# Creating and editing ----------------------------------------------------------------------------


def test_a_new_application_shows_its_secret_once(administrator, caplog):
    response, text, _said = send(
        administrator, reverse("new-application"), name="HR ingestion", roles=[ROLES[0], ROLES[1]]
    )

    assert response.status_code == 200 and response.redirect_chain == []
    assert response["Cache-Control"] == "no-store"
    application = Application.objects.get()
    assert (application.name, application.roles) == ("HR ingestion", [ROLES[0], ROLES[1]])
    secret = SECRET.search(text).group(1)
    assert application.find_secret(secret).is_usable
    assert f"http://testserver/{tokens.tenant_id()}/oauth2/v2.0/token" in text
    change = Change.objects.get(action=Action.APPLICATION_CREATED)
    assert (change.actor_name, change.channel) == ("administrator", "dashboard")
    # nowhere else
    assert secret not in page(administrator, application)
    assert secret not in caplog.text
    assert secret not in str(administrator.cookies)
    assert secret not in str([session.get_decoded() for session in Session.objects.all()])
    assert secret not in str(list(Change.objects.values()))


def test_what_the_secret_page_says_works(administrator, client):
    _response, text, _said = send(
        administrator, reverse("new-application"), name="HR", roles=[ROLES[0]]
    )
    command = text.split('id="get-token"')[1].split("</pre>")[0]
    form = dict(
        part.split("=", 1) for part in re.findall(r"-d (\S+)", command.replace("&#x27;", "'"))
    )

    answer = client.post("/common/oauth2/v2.0/token", form).json()

    assert GraphClient(token=answer["access_token"]).get("/v1.0/connections").status_code == 200


def test_one_of_another_issuer_gets_no_secret(administrator):
    app_id = uuid4()

    response, text, said = send(
        administrator, reverse("new-application"), name="Crawler", foreign_app_id=str(app_id)
    )

    application = Application.objects.get(app_id=app_id)
    assert response.redirect_chain == [(address(application), 302)]
    assert said == ["Registered: Crawler."]
    assert not application.secrets.exists()
    assert "None: another issuer signs it in" in text


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"name": " "}, "An application needs a name."),
        ({"name": "x" * 121}, "at most 120 characters"),
        ({"name": "a", "foreign_app_id": "x"}, "The id at the other issuer must be a GUID."),
        ({"name": "a", "roles": ["Nonsense"]}, "Nonsense is not one of the available choices"),
        ({"name": "a\0"}, "Null characters are not allowed."),
    ],
)
def test_what_will_not_do_is_said_and_kept(administrator, values, expected):
    response, text, _said = send(administrator, reverse("new-application"), **values)

    assert response.status_code == 200
    assert 'role="alert"' in text and expected in text
    assert f'value="{values["name"]}"' in text or not values["name"].strip("\0 a")
    assert not Application.objects.exists()


def test_an_app_id_that_is_taken(administrator):
    taken = factories.make_application().app_id

    _response, text, _said = send(
        administrator, reverse("new-application"), name="Crawler", foreign_app_id=str(taken)
    )

    assert "already exists" in text
    assert str(taken) in text
    assert Application.objects.count() == 1


def test_editing(administrator):
    application = factories.make_application(ROLES[0], name="HR ingestion")
    where = address(application, "edit-application")
    form = administrator.get(where).content.decode()
    assert 'value="HR ingestion"' in form
    assert f'value="{ROLES[0]}" checked' in form
    assert f'value="{ROLES[1]}">' in form

    _response, _text, said = send(administrator, where, name="HR crawler", roles=[ROLES[1]])

    assert said == ["Changed. It counts within seconds."]
    application.refresh_from_db()
    assert (application.name, application.roles, application.enabled) == (
        "HR crawler",
        [ROLES[1]],
        False,
    )
    change = Change.objects.get(action=Action.APPLICATION_UPDATED)
    assert change.after == {"name": "HR crawler", "roles": [ROLES[1]], "enabled": False}
    assert (change.actor_name, change.channel) == ("administrator", "dashboard")


def test_saving_what_is_there(administrator):
    application = factories.make_application(ROLES[0], name="HR")

    _response, _text, said = send(
        administrator,
        address(application, "edit-application"),
        name="HR",
        roles=[ROLES[0]],
        enabled="on",
    )

    assert said == ["Nothing changed."]
    assert not Change.objects.filter(action=Action.APPLICATION_UPDATED).exists()


def test_an_edit_that_will_not_do(administrator):
    application = factories.make_application(name="HR")

    _response, text, _said = send(
        administrator, address(application, "edit-application"), name="", enabled="on"
    )

    assert "An application needs a name." in text
    application.refresh_from_db()
    assert application.name == "HR"


# Secrets -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("days", "expected"), [("30", 30), ("730", 730), ("", None)])
def test_a_further_secret(administrator, days, expected):
    application = factories.make_application(name="HR")

    response, text, _said = send(administrator, address(application, "new-secret"), days=days)

    assert response["Cache-Control"] == "no-store" and response.redirect_chain == []
    secret = application.find_secret(SECRET.search(text).group(1))
    assert secret.is_usable
    assert secret.created_by == "administrator"
    if expected is None:
        assert secret.expires_at is None
    else:
        left = secret.expires_at - timezone.now()
        assert timedelta(days=expected - 1) < left <= timedelta(days=expected)
    assert application.secrets.count() == 2
    change = Change.objects.filter(action=Action.SECRET_CREATED).first()
    assert (change.actor_name, change.channel) == ("administrator", "dashboard")


def test_a_lifetime_that_there_is_not(administrator):
    application = factories.make_application()

    _response, _text, said = send(administrator, address(application, "new-secret"), days="31")

    assert said == ["Choose how long the secret is good. Nothing changed."]
    assert application.secrets.count() == 1


def test_coming_back_to_the_address_of_a_new_secret_makes_none(administrator):
    application = factories.make_application()

    response = administrator.get(address(application, "new-secret"))

    assert response["Location"] == address(application)
    assert application.secrets.count() == 1


def revoke_address(application):
    return reverse("revoke-secret", args=[application.app_id, application.secrets.get().key_id])


def test_revoking_asks_for_the_name(administrator):
    application = factories.make_application(ROLES[0], name="HR ingestion")
    token = tokens.issue_token(application, application.secrets.get())[0]
    where = revoke_address(application)
    asked = administrator.get(where).content.decode()
    assert "end within seconds" in asked
    assert "The application has no other usable secret" in asked

    _response, text, _said = send(administrator, where, name="HR")
    assert "This is not the name of the application. Nothing changed." in text
    assert application.secrets.get().is_usable

    _response, _text, said = send(administrator, where, name="HR ingestion")
    assert said == [f"Revoked: {application.secrets.get().prefix}…. Its tokens end within seconds."]
    assert not application.secrets.get().is_usable
    assert GraphClient(token=token).get("/v1.0/connections").status_code == 401
    change = Change.objects.get(action=Action.SECRET_REVOKED)
    assert (change.actor_name, change.channel) == ("administrator", "dashboard")


def test_somebody_was_faster_to_revoke(administrator):
    application = factories.make_application(name="HR")
    application.secrets.get().revoke(factories.COMMAND)

    _response, _text, said = send(administrator, revoke_address(application), name="HR")

    assert said == ["This secret is revoked already. Nothing changed."]
    assert Change.objects.filter(action=Action.SECRET_REVOKED).count() == 1


def test_a_secret_of_another_application(administrator):
    application, other = factories.make_application(), factories.make_application()
    key = other.secrets.get().key_id

    response = administrator.post(
        reverse("revoke-secret", args=[application.app_id, key]), {"name": application.name}
    )

    assert response.status_code == 404
    assert "The application has no such secret." in response.content.decode()
    assert other.secrets.get().is_usable


# Who may -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR])
@pytest.mark.parametrize("method", ["get", "post"])
def test_who_is_no_administrator_sees_no_button_and_is_refused(db, role, method):
    client = signed_in(role)
    application = factories.make_application(name="HR")
    addresses = [
        reverse("new-application"),
        address(application, "edit-application"),
        address(application, "new-secret"),
        revoke_address(application),
    ]

    shown = page(client, application) + client.get(reverse("applications")).content.decode()
    before = Change.objects.count()
    for where in addresses:
        assert where not in shown
        response = getattr(client, method)(where, {"name": "HR", "days": "30"})
        assert response.status_code == 403
        assert "This needs the role administrator." in response.content.decode()
    assert Change.objects.count() == before


@pytest.mark.parametrize("rows", [1, 30])
def test_the_number_of_queries_does_not_grow(administrator, rows):
    application = factories.make_application(ROLES[0])
    for number in range(rows):
        factories.make_connection(owner=application)
        factories.make_connection(authorized_app_ids=[application.app_id])
        application.create_secret(factories.COMMAND)
        Refusal.objects.create(
            request_id=str(number), method="GET", path="/", status=403, app_id=application.app_id
        )

    with CaptureQueriesContext(database) as queries:
        page(administrator, application)

    assert len(queries) == 11
