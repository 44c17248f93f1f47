"""Applications in the admin: a secret is shown once, roles and access can be taken away."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.contrib.sessions.models import Session
from django.utils import timezone

from operations.models import (
    ROLES,
    Action,
    Application,
    ApplicationSecret,
    Change,
)
from tests.admin_pages import act, administrator, inline_code, refusals, send, submit, told, url
from tests.factories import COMMAND, make_application, make_connection, register_schema

MODEL = "application"


@pytest.fixture
def anna(db):
    return administrator("anna")


def edit(client, application, **values):
    return submit(client, url(MODEL, "change", application.pk), **values)


def shown_secrets(page) -> list[str]:
    """Those on the page that answered the POST; no cache and no session keeps them."""
    assert page.redirect_chain == []
    assert "no-store" in page["Cache-Control"]
    found = re.findall(r"</code></td>\s*<td><code>([^<]+)</code>", page.content.decode())
    kept = str([session.get_decoded() for session in Session.objects.all()])
    assert not [secret for secret in found if secret in kept]
    return found


def by_anna(action: Action) -> Change:
    """The one record of this action, which anna left through the admin."""
    return Change.objects.get(action=action, channel="admin", actor_name="anna")


def test_registering_shows_the_secret_once(anna):
    page = submit(anna, url(MODEL, "add"), name="HR connector", roles=[ROLES[0], ROLES[1]])
    assert refusals(page) == []
    application = Application.objects.get()
    assert (application.name, application.roles) == ("HR connector", [ROLES[0], ROLES[1]])
    [shown] = shown_secrets(page)
    assert str(application.app_id) in page.content.decode()
    assert inline_code(page) == []
    assert application.find_secret(shown).is_usable
    assert application.secrets.count() == 1
    again = anna.get(url(MODEL, "change", application.pk)).content.decode()
    assert shown not in again
    assert shown[:6] in again
    assert by_anna(Action.APPLICATION_CREATED).after == {
        "name": "HR connector",
        "roles": [ROLES[0], ROLES[1]],
        "enabled": True,
    }
    assert shown not in str(list(Change.objects.values()))


APP_ID = "5c0d1f0e-6f5c-4d0c-9b1e-3f2a7b8c9d0e"


def test_registering_what_another_issuer_signs_in(anna):
    page = submit(anna, url(MODEL, "add"), name="Crawler", foreign_app_id=APP_ID)
    assert refusals(page) == []
    application = Application.objects.get()
    assert str(application.app_id) == APP_ID
    assert not application.secrets.exists()
    assert "secret" not in told(page)[0]
    again = submit(anna, url(MODEL, "add"), name="Again", foreign_app_id=APP_ID)
    assert "already exists" in refusals(again)[0]


def test_the_id_of_an_application_stays(anna):
    application = make_application(name="HR connector")
    edit(anna, application, name="HR crawler", foreign_app_id=APP_ID)
    changed = Application.objects.get()
    assert (changed.name, changed.app_id) == ("HR crawler", application.app_id)


@pytest.mark.parametrize(
    "values, field, sentence",
    [
        ({"name": ""}, "name", "This field is required."),
        ({"name": "App", "foreign_app_id": "x"}, "foreign_app_id", "Enter a valid UUID."),
        ({"name": "x" * 121}, "name", "at most 120 characters"),
        ({"name": "App", "roles": ["Mail.Send"]}, "roles", "Mail.Send is not one of the available"),
    ],
)
def test_refused_registrations(anna, values, field, sentence):
    page = submit(anna, url(MODEL, "add"), **values)
    assert list(page.context["adminform"].form.errors) == [field]
    assert sentence in refusals(page)[0]
    assert not Application.objects.exists()


def test_taking_a_role_away(anna):
    application = make_application(ROLES[0], ROLES[2])
    assert refusals(edit(anna, application, roles=[ROLES[0]])) == []
    application.refresh_from_db()
    assert application.roles == [ROLES[0]]
    change = by_anna(Action.APPLICATION_UPDATED)
    assert change.before == {"roles": [ROLES[0], ROLES[2]]}
    assert change.after == {"roles": [ROLES[0]]}
    assert change.subject == str(application)


def test_disabling(anna):
    application = make_application(ROLES[0])
    assert refusals(edit(anna, application, enabled=None)) == []
    application.refresh_from_db()
    assert application.enabled is False
    change = by_anna(Action.APPLICATION_UPDATED)
    assert (change.before, change.after) == ({"enabled": True}, {"enabled": False})
    assert refusals(edit(anna, application, enabled="on")) == []
    application.refresh_from_db()
    assert application.enabled is True


def test_saving_what_was_not_edited_changes_nothing(anna):
    application = make_application(ROLES[2], ROLES[0])
    before = Change.objects.count()
    assert refusals(edit(anna, application)) == []
    application.refresh_from_db()
    assert application.roles == [ROLES[2], ROLES[0]]
    assert Change.objects.count() == before


def test_an_editor_does_not_put_back_what_changed_meanwhile(anna):
    application = make_application(ROLES[0])
    address = url(MODEL, "change", application.pk)
    shown = anna.get(address)
    Application.objects.filter(pk=application.pk).update(enabled=False)
    assert refusals(send(anna, address, shown, name="Renamed")) == []
    application.refresh_from_db()
    assert (application.name, application.enabled) == ("Renamed", False)


def test_the_client_id_is_fixed(anna):
    application = make_application()
    client_id = application.app_id
    edit(anna, application, app_id="00000000-0000-0000-0000-000000000001", name="Renamed")
    application.refresh_from_db()
    assert application.app_id == client_id


def test_an_application_is_disabled_not_deleted(anna):
    application = make_application()
    assert anna.post(url(MODEL, "delete", application.pk), {"post": "yes"}).status_code == 403
    assert Application.objects.exists()
    data = {"action": "delete_selected", "_selected_action": [application.pk], "post": "yes"}
    anna.post(url(MODEL), data)
    assert Application.objects.exists()


# Secrets -----------------------------------------------------------------------------------------


def test_a_further_secret(anna):
    application = make_application()
    page = act(anna, MODEL, "create_secret", [application], days=30)
    [shown] = shown_secrets(page)
    assert told(page) == ["1 given a secret."]
    secret = application.find_secret(shown)
    assert secret.is_usable
    assert timedelta(days=29) < secret.expires_at - timezone.now() <= timedelta(days=30)
    assert application.secrets.count() == 2
    assert by_anna(Action.SECRET_CREATED).after["prefix"] == shown[:6]


def test_secrets_for_several_stand_by_their_applications(anna):
    rows = [make_application(name="<b>HR</b>"), make_application(name="CRM")]
    page = act(anna, MODEL, "create_secret", rows, days="")
    shown = shown_secrets(page)
    by_name = {app.name: sum(bool(app.find_secret(text)) for text in shown) for app in rows}
    assert by_name == {"<b>HR</b>": 1, "CRM": 1}
    assert "&lt;b&gt;HR&lt;/b&gt;" in page.content.decode()
    assert not [text for text in shown if text in anna.get(url(MODEL)).content.decode()]


@pytest.mark.parametrize("days", ["0", "-1", "4000", "soon"])
def test_refused_expiry(anna, days):
    application = make_application()
    data = {"action": "create_secret", "_selected_action": [application.pk], "post": "yes"}
    page = anna.post(url(MODEL), data | {"days": days})
    assert page.status_code == 200
    assert 'class="errorlist"' in page.content.decode()
    assert application.secrets.count() == 1


def test_a_secret_without_expiry(anna):
    application = make_application()
    act(anna, MODEL, "create_secret", [application], days="")
    assert application.secrets.last().expires_at is None


def test_revoking(anna):
    application = make_application()
    revoked = application.secrets.get()
    kept_text = application.create_secret(COMMAND)
    revoked_twice = ApplicationSecret.objects.get(pk=revoked.pk)
    page = act(anna, "applicationsecret", "revoke", [revoked])
    assert told(page) == ["1 revoked."]
    revoked.refresh_from_db()
    assert not revoked.is_usable
    assert application.find_secret(kept_text).is_usable
    assert by_anna(Action.SECRET_REVOKED).before == {"prefix": revoked.prefix}
    page = act(anna, "applicationsecret", "revoke", [revoked_twice])
    assert told(page) == [f"1 skipped. {revoked.prefix}…: it is revoked already."]


def test_secrets_are_only_looked_at(anna):
    secret = make_application().secrets.get()
    address = url("applicationsecret", "change", secret.pk)
    assert anna.get(address).status_code == 200
    assert anna.post(address, {"prefix": "x"}).status_code == 403
    assert anna.get(url("applicationsecret", "add")).status_code == 403
    assert anna.get(url("applicationsecret", "delete", secret.pk)).status_code == 403


def test_digests_are_never_shown(anna):
    application = make_application()
    secret = application.secrets.get()
    for address in (
        url(MODEL),
        url(MODEL, "change", application.pk),
        url("applicationsecret"),
        url("applicationsecret", "change", secret.pk),
    ):
        text = anna.get(address).content.decode()
        assert secret.digest not in text
        assert application.secret_text not in text


def test_secrets_stand_on_the_application_with_their_state(anna):
    application = make_application()
    application.create_secret(COMMAND, timezone.now() - timedelta(days=1))
    application.secrets.first().revoke(COMMAND)
    application.create_secret(COMMAND)
    text = anna.get(url(MODEL, "change", application.pk)).content.decode()
    for state in ("revoked", "expired", "usable"):
        assert f"<td>{state}" in text
    assert "by tests" in text
    page = anna.get(url(MODEL))
    assert page.context["cl"].result_list[0].secret_count == 1


def test_history_of_an_application(anna):
    application = make_application(ROLES[0])
    other = make_application(name="Another one")
    edit(anna, application, name="Renamed")
    text = anna.get(url(MODEL, "history", application.pk)).content.decode()
    assert "Application created" in text
    assert "Application changed" in text
    assert "name: Renamed" in text
    assert other.name not in text


def test_a_secret_says_when_it_was_last_used_and_from_where(anna):
    application = make_application()
    used = {"last_used_at": timezone.now(), "last_used_address": "192.0.2.7"}
    ApplicationSecret.objects.filter(application=application).update(**used)
    text = anna.get(url(MODEL, "change", application.pk)).content.decode()
    assert "192.0.2.7" in text
    assert "just now" in text


def test_links_to_what_it_owns(anna):
    application = make_application(name="<b>HR</b>")
    make_connection("contosohr", owner=application)
    make_connection("wiki")
    text = anna.get(url(MODEL, "change", application.pk)).content.decode()
    address = f"{url('externalconnection')}?owner={application.app_id}"
    assert f'href="{address}"' in text
    assert f'href="/applications/{application.app_id}/"' in text
    rows = anna.get(address).context["cl"].result_list
    assert [row.graph_id for row in rows] == ["contosohr"]
    assert "&lt;b&gt;HR&lt;/b&gt;" in anna.get(url(MODEL)).content.decode()


# Pages -------------------------------------------------------------------------------------------


def test_pages_work_under_a_strict_content_policy(anna):
    application = make_application()
    connection = make_connection()
    register_schema(connection)
    pages = [
        anna.get(address)
        for address in (
            "/admin/",
            url(MODEL),
            url(MODEL, "add"),
            url(MODEL, "change", application.pk),
            url(MODEL, "history", application.pk),
            url("applicationsecret"),
            url("change"),
            url("change", "change", Change.objects.first().pk),
            url("schema", "change", connection.schema_in_force.pk),
            url("outcomerule", "add"),
        )
    ]
    data = {"action": "create_secret", "_selected_action": [application.pk]}
    pages.append(anna.post(url(MODEL), data))
    for page in pages:
        assert page.status_code == 200
        assert inline_code(page) == []
