"""Selecting rows in a real browser: nothing moves meanwhile, and it works without scripts too."""

from __future__ import annotations

import pytest

from tests.browser import browser_page, sign_in
from tests.processes import own_database, serve, shell

pytestmark = pytest.mark.browser

FAIL = """
from operations.models import Actor, ConnectionOperation, ExternalConnection, OperationStatus
actor = Actor.command("test")
connection = ExternalConnection.objects.filter(graph_id="files1").first()
if connection is None:
    connection = ExternalConnection.objects.register(actor, graph_id="files1", name="Files")
for number in range({count}):
    ConnectionOperation.objects.report(connection, actor, status=OperationStatus.FAILED,
        error={{"message": f"Item {{number}} was refused. It is too large."}})
"""
OPEN = "/operations/?triage=open&range=all"


@pytest.fixture
def serving(tmp_path):
    with own_database(tmp_path) as environment, serve(environment, "--no-worker") as serving:
        serving.environment = environment
        shell(environment, FAIL.format(count=60))
        yield serving


def test_rows_are_selected_in_peace_and_acted_on(serving):
    with browser_page(serving.address) as page:
        sign_in(page, serving.printed("Operator"), serving.printed("Password"))
        page.goto(OPEN)
        bar = page.locator("[data-run-bar]")
        assert not bar.is_visible()

        boxes = page.locator('input[name="key"]')
        boxes.nth(3).check()
        boxes.nth(5).click(modifiers=["Shift"])
        bar.get_by_text("3 selected").wait_for()
        page.get_by_text("Details", exact=False).nth(1).click()
        page.get_by_text("Waits while rows are selected").wait_for()
        shell(serving.environment, FAIL.format(count=1))
        page.get_by_label("Error says").fill("half a word")

        for number in (3, 4, 5):
            boxes.nth(number).uncheck()
        assert not bar.is_visible()
        page.get_by_role("button", name="1 new").wait_for(timeout=20_000)
        assert page.locator("details.more[open]").count() == 1
        assert page.get_by_label("Error says").input_value() == "half a word"

        page.goto(OPEN)
        page.get_by_label("Select all on this page").check()
        bar.get_by_text("50 selected").wait_for()
        bar.get_by_label("All 61 that match").check()
        bar.get_by_role("button", name="Acknowledge").click()
        page.get_by_role("heading", name="Acknowledge 61 failures").wait_for()
        page.get_by_label("Reason").fill("The files were moved.")
        page.get_by_role("button", name="Acknowledge 61 failures").click()
        page.get_by_text("61 of 61 handled").wait_for()
        assert page.title().startswith("Acknowledge 61 failures")


def test_without_scripts_it_is_a_form(serving):
    with browser_page(serving.address, java_script_enabled=False) as page:
        sign_in(page, serving.printed("Operator"), serving.printed("Password"))
        page.goto(OPEN)
        page.locator("details.more summary").first.click()
        page.get_by_text("It is too large.").first.wait_for()
        page.locator('input[name="key"]').nth(0).check()
        page.locator('input[name="key"]').nth(1).check()
        page.locator("[data-run-bar]").get_by_role("button", name="Acknowledge").click()
        page.get_by_role("button", name="Acknowledge 2 failures").click()
        page.get_by_text("2 of 2 handled").wait_for()
        page.goto(OPEN)
        assert page.get_by_text("50 of 58 shown").is_visible()
