"""``create_application``, ``issue_token`` and ``run_operations --once``, as a person types them."""

from __future__ import annotations

import io
import json
import signal

import jwt
import pytest
from django.core.management import CommandError, call_command

from operations import provisioning, registering, tokens
from operations.models import Application, Change, ExternalConnection
from tests.factories import make_application, make_connection, report, request_registration
from tests.graph import OWNED, READ_ALL, GraphClient


def run(*arguments: str, **options) -> str:
    out = io.StringIO()
    call_command(*arguments, stdout=out, **options)
    return out.getvalue()


@pytest.fixture(autouse=True)
def handlers():
    """``run_operations`` takes Ctrl-C for itself; give it back to the test runner."""
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)


# create_application ------------------------------------------------------------------------------


def test_create_application_prints_all_that_a_client_needs(client, db):
    out = run("create_application", "Crawler", "--role", OWNED, "--role", READ_ALL)
    lines = dict(line.split("  ", 1) for line in out.splitlines())
    application = Application.objects.get()
    assert lines["client id"].strip() == str(application.app_id)
    assert lines["tenant id"].strip() == tokens.tenant_id()
    assert lines["roles"].strip() == f"{OWNED}, {READ_ALL}"
    secret, note = lines["client secret"].split(maxsplit=1)
    assert note == "(shown only now)"
    assert application.find_secret(secret) is not None
    assert application.roles == [OWNED, READ_ALL]


def test_create_application_as_json_is_one_object_that_signs_in(client, db):
    facts = json.loads(run("create_application", "Crawler", "--role", OWNED, "--json"))
    assert set(facts) == {"clientId", "clientSecret", "tenantId", "name", "roles"}
    assert (facts["name"], facts["roles"]) == ("Crawler", [OWNED])
    answer = client.post(
        f"/{facts['tenantId']}/oauth2/v2.0/token",
        {
            "grant_type": "client_credentials",
            "client_id": facts["clientId"],
            "client_secret": facts["clientSecret"],
            "scope": "api://connectors-admin/.default",
        },
    )
    token = answer.json()["access_token"]
    assert GraphClient(token=token).get("/v1.0/connections").status_code == 200


def test_an_application_of_another_issuer_has_its_id_and_no_secret(db):
    app_id = "5c0d1f0e-6f5c-4d0c-9b1e-3f2a7b8c9d0e"
    facts = json.loads(
        run("create_application", "Crawler", "--app-id", app_id.upper(), "--role", OWNED, "--json")
    )
    application = Application.objects.get()
    assert (str(application.app_id), application.roles) == (app_id, [OWNED])
    assert not application.secrets.exists()
    assert set(facts) == {"clientId", "tenantId", "name", "roles"}
    with pytest.raises(CommandError, match="Client id already exists"):
        run("create_application", "Again", "--app-id", app_id)
    assert "secret" not in run("create_application", "Other", "--app-id", app_id.replace("5", "6"))


def test_create_application_is_recorded_without_the_secret(db):
    facts = json.loads(run("create_application", "Crawler", "--json"))
    created = Change.objects.get(action="application.created")
    assert (created.channel, created.actor_name) == ("command", "create_application")
    everything = json.dumps(list(Change.objects.values("before", "after", "note", "subject")))
    assert facts["clientSecret"] not in everything


def test_create_application_without_roles_says_so(db):
    assert "roles          none" in run("create_application", "Nothing yet")


def test_a_role_that_is_named_twice_is_granted_once(db):
    run("create_application", "Crawler", "--role", OWNED, "--role", OWNED)
    assert Application.objects.get().roles == [OWNED]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["Crawler", "--role", "Everything.All"], "invalid choice: 'Everything.All'"),
        ([""], "blank"),
        (["Crawler", "--app-id", "crawler"], "--app-id: 'crawler' is not a GUID."),
        (["n" * 121], "at most 120 characters"),
        ([], "required: name"),
    ],
)
def test_create_application_refuses(db, arguments, says):
    with pytest.raises(CommandError, match=says):
        run("create_application", *arguments)
    assert not Application.objects.exists()


# issue_token -------------------------------------------------------------------------------------


def test_issue_token_prints_a_token_and_nothing_else(application):
    out = run("issue_token", str(application.app_id))
    token = out.removesuffix("\n")
    assert token.count(".") == 2 and not set(token) & set(" \n")
    assert GraphClient(token=token).get("/v1.0/connections").status_code == 200


@pytest.mark.parametrize("seconds", [60, 86400])
def test_issue_token_with_a_lifetime(application, seconds):
    token = run("issue_token", str(application.app_id), "--lifetime", str(seconds)).strip()
    claims = jwt.decode(token, options={"verify_signature": False})
    assert claims["exp"] - claims["iat"] == seconds


@pytest.mark.parametrize("seconds", ["0", "59", "86401", "-5"])
def test_issue_token_refuses_a_lifetime(application, seconds):
    with pytest.raises(CommandError, match="must be 60 to 86400 seconds"):
        run("issue_token", str(application.app_id), f"--lifetime={seconds}")


@pytest.mark.parametrize("client_id", ["nobody", "d310d35d-72ec-47dd-92f2-fb9c40936555", ""])
def test_issue_token_for_nobody(db, client_id):
    with pytest.raises(CommandError, match="No application has the client id"):
        run("issue_token", client_id)


def test_issue_token_for_a_disabled_application(db):
    application = make_application(OWNED)
    Application.objects.update(enabled=False)
    with pytest.raises(CommandError, match="is disabled"):
        run("issue_token", str(application.app_id))


# run_operations ----------------------------------------------------------------------------------


def test_run_operations_once_works_off_what_waits(db, settings):
    settings.PURGE_IN_REQUEST = 0
    waiting = [request_registration(make_connection()) for _ in range(3)]
    reported = report(make_connection())
    leaving = make_connection("leaving")
    report(leaving)
    provisioning.request_deletion(leaving, provisioning.Actor.command("test"))
    run("run_operations", "--once")
    for operation in waiting:
        operation.refresh_from_db()
        assert operation.graph()["status"] == "completed"
        assert operation.connection.schema_in_force is not None
    reported.refresh_from_db()
    assert reported.graph()["status"] == "inprogress"
    assert not ExternalConnection.objects.filter(graph_id="leaving").exists()


def test_run_operations_once_with_nothing_to_do_ends(db):
    assert run("run_operations", "--once") == ""


def test_run_operations_once_waits_for_what_it_has_begun(transactional_db, settings):
    """With real transactions: between two rounds the worker lets go of stale connections."""
    settings.OPERATION_DURATION = 0.05
    settings.WORKER_POLL = 0.01
    operation = request_registration(make_connection())
    run("run_operations", "--once")
    operation.refresh_from_db()
    assert operation.graph()["status"] == "completed"
    assert (operation.finished_at - operation.started_at).total_seconds() >= 0.04


def test_run_operations_goes_on_after_one_that_breaks(db, monkeypatch, settings):
    settings.OPERATION_ATTEMPTS = 1
    first, second = (request_registration(make_connection()) for _ in range(2))
    finish = registering.finish

    def break_first(held):
        if any(claim.operation_key == first.pk for claim in held):
            raise RuntimeError("bad payload")
        return finish(held)

    monkeypatch.setattr(registering, "finish", break_first)
    with pytest.raises(RuntimeError, match="bad payload"):  # when the rest is done
        run("run_operations", "--once")
    first.refresh_from_db()
    second.refresh_from_db()
    assert first.graph()["status"] == "failed"
    assert first.error["code"] == "AttemptsExhausted"
    assert second.graph()["status"] == "completed"
