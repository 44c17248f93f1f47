"""The API page in a real browser: nothing from elsewhere, no complaint of the content policy."""

from __future__ import annotations

import pytest

from tests.browser import browser_page

pytestmark = pytest.mark.browser
GET_OPERATION = "/v1.0/external/connections/{connection_id}/operations/{operation_id}"


@pytest.fixture
def address(transactional_db, live_server, monkeypatch) -> str:
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")  # playwright runs a loop in this thread
    return live_server.url


@pytest.mark.parametrize("width", [360, 1280])
def test_a_call_can_be_read(address, width):
    with browser_page(address, viewport={"width": width, "height": 800}) as page:
        page.goto("/docs")
        assert page.title() == "API · Connectors Admin"
        page.locator("[data-tag='v1.0']").click()
        call = page.locator(".opblock-get").filter(has_text="Get an operation").first
        call.locator(".opblock-summary-control").click()
        call.get_by_text("Server error, something went wrong").first.wait_for()
        call.get_by_text("No such thing, or not for this application to see.").first.wait_for()
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= width


def test_a_call_can_be_tried(address):
    with browser_page(address) as page:
        page.goto("/docs")
        page.locator("[data-tag='v1.0']").click()
        call = page.locator(".opblock-get").filter(has_text="List what can follow").first
        call.locator(".opblock-summary-control").click()
        call.get_by_role("button", name="Try it out").click()
        call.get_by_role("button", name="Execute").click()
        call.locator(".live-responses-table").get_by_text("EntitySet").first.wait_for()
