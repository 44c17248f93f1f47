"""A client secret is shown once, by whichever way it is made, and is nowhere to be found again."""

from __future__ import annotations

import io
import json
import logging
import re

import pytest
from django.apps import apps
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.urls import reverse

from operations import tokens
from operations.models import Application, ApplicationSecret
from operations.models.application import secret_digest
from tests.admin_pages import act, submit, url
from tests.factories import COMMAND, make_application
from tests.graph import OWNED, READ_ALL, GraphClient
from tests.logged import printed

pytestmark = pytest.mark.django_db
SHOWN = re.compile(r"[\w-]{3}8Q~[\w-]{34}")


def shown_in(response) -> str:
    """The secret that a page shows, and that neither a cache nor the browser's history keeps."""
    assert response.status_code == 200
    assert "no-store" in response["Cache-Control"]
    texts = set(SHOWN.findall(response.content.decode()))
    assert len(texts) == 1
    return texts.pop()


def by_new_application(administrator) -> str:
    form = {"name": "Made", "roles": [OWNED]}
    return shown_in(administrator.post("/applications/new/", form))


def by_new_secret(administrator) -> str:
    made = make_application(OWNED)
    address = reverse("new-secret", args=[made.app_id])
    return shown_in(administrator.post(address, {"lifetime": "90"}))


def by_the_admin(administrator) -> str:
    return shown_in(submit(administrator, url("application", "add"), name="Made"))


def by_an_action_of_the_admin(administrator) -> str:
    return shown_in(act(administrator, "application", "create_secret", [make_application(OWNED)]))


def by_command(administrator) -> str:
    out = io.StringIO()
    call_command("create_application", "Made", role=[OWNED], json=True, stdout=out)
    return json.loads(out.getvalue())["clientSecret"]


@pytest.mark.parametrize(
    "make",
    [by_new_application, by_new_secret, by_the_admin, by_an_action_of_the_admin, by_command],
)
def test_it_is_nowhere_after_it_was_shown(make, administrator, caplog, settings):
    with caplog.at_level(logging.DEBUG):
        text = make(administrator)
        application = ApplicationSecret.objects.get(digest=secret_digest(text)).application
        form = {
            "grant_type": "client_credentials",
            "client_id": str(application.app_id),
            "client_secret": text,
            "scope": "x/.default",
        }
        administrator.post(f"/{tokens.tenant_id()}/oauth2/v2.0/token", form)
        administrator.post(f"/{tokens.tenant_id()}/oauth2/v2.0/token", {**form, "client_id": text})
        GraphClient(token=text).get(f"/v1.0/connections/{text}")
        pages = [
            administrator.get(address)
            for address in (
                "/applications/",
                f"/applications/{application.app_id}/",
                f"/applications/{application.app_id}/edit/",
                "/activity/",
                "/activity/export.csv",
                "/settings/",
                url("application"),
                url("application", "change", application.pk),
                url("application", "history", application.pk),
                url("applicationsecret"),
                url("applicationsecret", "change", application.secrets.first().pk),
                url("change"),
                url("refusal"),
            )
        ]
    assert all(page.status_code == 200 for page in pages)
    for page in pages:
        content = b"".join(page) if page.streaming else page.content
        assert text not in content.decode(), page.request["PATH_INFO"]
    for model in apps.get_models():
        assert text not in str(list(model.objects.values())), model
    for session in Session.objects.all():
        assert text not in json.dumps(session.get_decoded())
    log = printed(caplog.records)
    assert f"{text[:6]}***" in log and text not in log


def test_what_is_kept_of_it(application):
    row = application.secrets.get()
    assert row.prefix == application.secret_text[:6]
    assert re.fullmatch("[0-9a-f]{64}", row.digest)
    assert row.digest == secret_digest(application.secret_text)
    assert len(set(Application.new_secret() for _ in range(100))) == 100


def test_the_api_has_no_way_to_it(graph, application):
    for path in ("applications", f"applications/{application.app_id}", "servicePrincipals"):
        response = graph.get(f"/v1.0/{path}")
        assert response.status_code == 404
        assert application.secret_text not in response.content.decode()
    graph = GraphClient(make_application(READ_ALL))
    assert application.secret_text not in graph.get("/v1.0/connections").content.decode()


def test_a_second_secret_says_only_how_it_begins(application, administrator):
    text = application.create_secret(COMMAND)
    page = administrator.get(f"/applications/{application.app_id}/").content.decode()
    assert f"{text[:6]}…" in page and text[:7] not in page
