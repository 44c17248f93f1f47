"""Who comes into the admin, by which door, and what an administrator can do there."""

from __future__ import annotations

import json

import pytest
from django.urls import reverse

from operations.models import Application, ConnectionOperation, ExternalConnection, OutcomeRule
from operations.roles import Role
from tests.admin_pages import act, refusals, submit, told, url
from tests.factories import COMMAND, fail_registration, make_connection, make_person, report
from tests.test_admin_records import rows_of_everything

pytestmark = pytest.mark.django_db
ADDRESSES = ["/admin/", "/admin/operations/externalconnection/?state=ready", "/admin/nowhere/"]


@pytest.mark.parametrize("address", ADDRESSES)
def test_who_is_not_signed_in_is_sent_to_the_one_sign_in_page(client, address):
    response = client.get(address, follow=True)
    destination, status = response.redirect_chain[-1]
    assert status == 302
    assert destination.startswith(f"{reverse('sign-in')}?next=/admin/")
    assert response.status_code == 200
    assert "Sign in to see that page." in response.content.decode()


def test_signing_in_leads_to_the_page_that_was_wanted(client):
    make_person(Role.ADMINISTRATOR, "ada")
    sign_in = client.get(url("change")).headers["Location"]
    answers = {"username": "ada", "password": "correct horse battery", "next": url("change")}
    response = client.post(sign_in, answers, follow=True)
    assert response.redirect_chain[-1][0] == url("change")
    assert response.status_code == 200


@pytest.mark.parametrize(
    "query, destination",
    [
        ("", "/admin/"),
        ("?next=/admin/operations/change/", "/admin/operations/change/"),
        ("?next=https://elsewhere.example/", "/admin/"),
    ],
)
def test_the_stock_sign_in_page_is_not_shown(client, administrator, query, destination):
    address = reverse("admin:login") + query
    response = client.get(address)
    assert response.status_code == 302
    assert response["Location"] == f"{reverse('sign-in')}?next={destination}"
    assert administrator.get(address)["Location"] == destination


def test_a_password_is_not_taken_by_the_stock_sign_in_page(client):
    make_person(Role.ADMINISTRATOR, "ada")
    answers = {"username": "ada", "password": "correct horse battery"}
    client.post(reverse("admin:login"), answers)
    assert "_auth_user_id" not in client.session


@pytest.mark.parametrize("role", ["viewer", "operator"])
@pytest.mark.parametrize("address", [*ADDRESSES, "/admin/login/"])
def test_who_may_not_come_in_is_told_which_role_is_needed(request, role, address):
    response = request.getfixturevalue(role).get(address)
    assert response.status_code == 403
    text = response.content.decode()
    assert f"This needs the role administrator. Your account has the role {role}." in text
    assert response["request-id"] in text


def test_signing_out_ends_at_the_sign_in_page(administrator):
    response = administrator.post(reverse("admin:logout"))
    assert response["Location"] == reverse("sign-in")
    assert administrator.get("/admin/").status_code == 302


def test_staff_without_the_role_see_what_their_permissions_say(client, django_user_model):
    client.force_login(django_user_model.objects.create_user("guest", is_staff=True))
    assert client.get("/admin/").status_code == 200
    response = client.get(url("externalconnection"))
    assert response.status_code == 403
    assert "This account may not open this page or do this." in response.content.decode()


# An administrator is neither staff nor superuser --------------------------------------------------


def test_an_administrator_opens_every_page(administrator):
    rows = rows_of_everything()
    connection = ExternalConnection.objects.get()
    operation = ConnectionOperation.objects.first()
    rule = OutcomeRule.objects.create(error={"message": "m"})
    application = Application.objects.register_foreign(
        COMMAND, "App", [], "5c0d1f0e-6f5c-4d0c-9b1e-3f2a7b8c9d0e"
    )
    edited = {
        "externalconnection": connection.pk,
        "connectionoperation": operation.pk,
        "outcomerule": rule.pk,
        "application": application.pk,
    }
    index = administrator.get("/admin/").content.decode()
    for model, key in {**rows, **edited}.items():
        assert f'href="{url(model)}"' in index
        for page in (url(model), url(model, "change", key), url(model, "history", key)):
            assert administrator.get(page).status_code == 200, page
    for model in edited:
        assert administrator.get(url(model, "add")).status_code == 200
        deletes = model != "application"  # that one is disabled, for anybody
        status = administrator.get(url(model, "delete", edited[model])).status_code
        assert status == (200 if deletes else 403)
    assert administrator.get("/admin/password_change/").status_code == 200
    assert administrator.get("/admin/jsi18n/").status_code == 200


def test_an_administrator_works(administrator):
    page = submit(administrator, url("externalconnection", "add"), graph_id="hr", name="HR")
    assert refusals(page) != [], "too short an id"
    page = submit(administrator, url("externalconnection", "add"), graph_id="contosohr", name="HR")
    assert refusals(page) == []
    connection = ExternalConnection.objects.get()
    page = submit(
        administrator,
        url("connectionoperation", "add"),
        connection=connection.pk,
        status=3,
        error=json.dumps({"message": "m"}),
    )
    assert refusals(page) == []
    reported = ConnectionOperation.objects.get()
    failed = fail_registration(connection)
    waiting, other = report(make_connection()), report(make_connection())
    operations = "connectionoperation"
    reason = {"note": "because"}
    assert told(act(administrator, operations, "acknowledge", [reported])) == ["1 acknowledged."]
    done = told(act(administrator, operations, "retry", [failed]))
    assert done == ["1 retried, each as a new operation."]
    done = told(act(administrator, operations, "complete", [waiting], **reason))
    assert done == ["1 marked as completed."]
    done = told(act(administrator, operations, "fail", [other], message="m", **reason))
    assert done == ["1 failed."]
    data = {"action": "export", "_selected_action": [failed.pk], "post": "yes", "kind": "csv"}
    assert administrator.post(url(operations), data).status_code == 200
    assert told(act(administrator, operations, "delete_selected", [other])) == ["1 deleted."]
    page = submit(administrator, url("application", "add"), name="HR connector")
    assert "Shown only now" in page.content.decode()
    application = Application.objects.get()
    page = act(administrator, "application", "create_secret", [application])
    assert "Shown only now" in page.content.decode()
    secret = application.secrets.first()
    assert told(act(administrator, "applicationsecret", "revoke", [secret])) == ["1 revoked."]
    found = administrator.get(
        reverse("admin:autocomplete"),
        {
            "term": "contoso",
            "app_label": "operations",
            "model_name": operations,
            "field_name": "connection",
        },
    )
    assert [row["text"] for row in found.json()["results"]] == ["contosohr"]


def test_an_administrator_does_not_make_accounts(administrator):
    """Who may do that could make itself a superuser."""
    for model in ("user", "group"):
        assert administrator.get(reverse(f"admin:auth_{model}_changelist")).status_code == 403
    assert "auth/user" not in administrator.get("/admin/").content.decode()
