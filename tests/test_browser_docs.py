"""The API page in a real browser: nothing from elsewhere, no complaint of the content policy."""

from __future__ import annotations

import pytest

from tests.browser import browser_page
from tests.factories import make_application, make_connection
from tests.graph import OWNED

pytestmark = pytest.mark.browser
SEE_THROUGH = ("rgba(0, 0, 0, 0)", "rgb(51, 51, 51)")


@pytest.fixture
def address(transactional_db, live_server, monkeypatch) -> str:
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")  # playwright runs a loop in this thread
    return live_server.url


@pytest.mark.parametrize("width", [360, 1280])
def test_a_call_can_be_read(address, width):
    with browser_page(address, viewport={"width": width, "height": 800}) as page:
        page.goto("/docs")
        assert page.title() == "API · Connectors Admin"
        call = page.locator(".opblock-get").filter(has_text="Get an operation").first
        call.locator(".opblock-summary-control").click()
        call.get_by_text("Server error, something went wrong").first.wait_for()
        call.get_by_text("No such thing, or not for this application to see.").first.wait_for()
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= width


def test_a_call_can_be_tried(address):
    with browser_page(address) as page:
        page.goto("/docs")
        call = page.locator(".opblock-get").filter(has_text="List what can follow").first
        call.locator(".opblock-summary-control").click()
        call.get_by_role("button", name="Try it out").click()
        call.get_by_role("button", name="Execute").click()
        call.locator(".live-responses-table").get_by_text("EntitySet").first.wait_for()


def test_a_program_signs_in_and_reads_what_is_its(address):
    application = make_application(OWNED)
    make_connection("contosohr", owner=application)
    # Swagger UI's own form, which has no <form>
    with browser_page(address, known="Password field is not contained in a form") as page:
        page.goto("/docs")
        page.locator(".btn.authorize").first.click()
        form = page.locator(".auth-container").filter(has_text="clientCredentials")
        form.locator("[data-name=clientId]").fill(str(application.app_id))
        form.locator("[data-name=clientSecret]").fill(application.secret_text)
        form.get_by_role("button", name="Apply given OAuth2 credentials").click()
        form.get_by_role("button", name="Remove authorization").wait_for()
        page.locator(".close-modal").click()
        call = page.locator(".opblock-get").filter(has_text="List the connections").first
        call.locator(".opblock-summary-control").click()
        call.get_by_role("button", name="Try it out").click()
        call.get_by_role("button", name="Execute").click()
        answer = call.locator(".live-responses-table code").first
        answer.get_by_text("contosohr").first.wait_for()
        # light letters on a dark ground: no strip of the page's own behind them
        assert answer.evaluate("it => getComputedStyle(it).backgroundColor") in SEE_THROUGH
