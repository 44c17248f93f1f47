"""An operator finds a failed registration on the dashboard, presses Retry and sees it completed."""

from __future__ import annotations

import json
import subprocess

import pytest

from tests.browser import browser_page, sign_in
from tests.factories import a_schema
from tests.processes import own_database, serve, shell, wait_for

pytestmark = pytest.mark.browser

SENTENCE = "Property assignee has a label but cannot be retrieved."
REHEARSE = f"""
from operations.models import OutcomeRule
OutcomeRule.objects.create(error={{"code": "LabelNotRetrievable", "message": "{SENTENCE}"}})
"""
STATUSES = """
import json
from operations.models import ConnectionOperation
print(json.dumps([op.get_status_display() for op in ConnectionOperation.objects.order_by("id")]))
"""


@pytest.fixture
def installation(tmp_path):
    with own_database(tmp_path) as environment:
        yield environment


def call(serving, token: str, method: str, path: str, body: dict) -> None:
    subprocess.run(
        ["curl", "--silent", "--fail", "-X", method, serving.address + path]
        + ["-H", f"Authorization: Bearer {token}", "-d", json.dumps(body)],
        check=True,
        capture_output=True,
        timeout=30,
    )


def statuses(environment) -> list[str]:
    return json.loads(shell(environment, STATUSES))


def test_from_failure_to_success(installation):
    with serve(installation) as serving:
        token = serving.curl.split("Bearer ")[1].split("'")[0]
        shell(installation, REHEARSE)
        call(serving, token, "POST", "/v1.0/connections", {"id": "tickets", "name": "Tickets"})
        call(serving, token, "PATCH", "/v1.0/connections/tickets/schema", a_schema())
        wait_for(lambda: statuses(installation) == ["failed"])

        with browser_page(serving.address) as page:
            sign_in(page, serving.printed("Operator"), serving.printed("Password"))
            assert page.title().startswith("(1) ")
            row = page.get_by_role("row").filter(has_text=SENTENCE)
            row.get_by_role("button", name="Retry").click()
            wait_for(lambda: statuses(installation) == ["failed", "completed"])

            page.goto("/operations/?connection=tickets")
            page.get_by_role("row").filter(has_text="Completed").first.wait_for()
            page.goto("/")
            page.wait_for_load_state()
            assert not page.get_by_text(SENTENCE).is_visible()
            assert not page.title().startswith("(")
            page.get_by_role("link", name="Connections", exact=True).first.click()
            page.get_by_role("link", name="Tickets").first.click()
            assert page.get_by_text("Ready").first.is_visible()


def test_an_open_page_shows_the_failure_without_being_reloaded(installation):
    with serve(installation) as serving:
        token = serving.curl.split("Bearer ")[1].split("'")[0]
        shell(installation, REHEARSE)
        call(serving, token, "POST", "/v1.0/connections", {"id": "tickets", "name": "Tickets"})
        with browser_page(serving.address) as page:
            sign_in(page, serving.printed("Operator"), serving.printed("Password"))
            page.goto("/operations/")
            page.evaluate("window.notReloaded = true")
            call(serving, token, "PATCH", "/v1.0/connections/tickets/schema", a_schema())
            page.get_by_text(SENTENCE).first.wait_for(timeout=20_000)
            assert page.evaluate("window.notReloaded")
