"""Every page in a real browser, with the demo's data: found by its links, looked at by axe in light
and dark, and no wider than the window, down to 320 pixels."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest
from django.urls import Resolver404, resolve

from operations.dashboard import urls
from tests.browser import browser_page, sign_in
from tests.processes import own_database, serve

pytestmark = pytest.mark.browser

WINDOW = {"width": 1280, "height": 860}
#: So many addresses of one kind are looked at: the first ones that a reader comes to.
OF_A_KIND = 2
#: Addresses that only change something, or hand out a file: no pages.
NO_PAGES = set(
    "theme sign-out preferences load-demo retry acknowledge schema-json operation-json item-json "
    "export-connections export-operations export-errors export-activity selected-connections "
    "continue-run stop-run resolve-error reopen-error ignore-error change-cause "
    "new-secret".split()
)
#: Where no link leads, only the button of a form.
BEHIND_BUTTONS = [
    "/runs/new/?action=acknowledge&triage=open&range=all&all=1",
    "/runs/new/?action=fail&status=inprogress&range=all&all=1",
    "/search/?q=contoso",
    "/connections/delete-selected/?connection=contosohr&connection=crmaccounts",
]
PAGES = {pattern.name for pattern in urls.urlpatterns if pattern.name} - NO_PAGES
MEASURE = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.fixture(scope="module")
def serving(tmp_path_factory) -> Iterator:
    folder = tmp_path_factory.mktemp("pages")
    with own_database(folder) as environment, serve(environment, "--demo", "--no-worker") as found:
        yield found


def kind_of(address: str) -> tuple[str, str] | None:
    """What an address is an example of: the name of its page and the tab. None: none of ours."""
    parts = urlsplit(address)
    try:
        match = resolve(parts.path)
    except Resolver404:
        return None
    if match.namespaces or match.url_name not in PAGES:
        return None
    return match.url_name, parse_qs(parts.query).get("tab", [""])[0]


def links(page) -> list[str]:
    found = page.evaluate(
        "[...document.querySelectorAll('a[href]:not([download])')]"
        ".map((link) => new URL(link.getAttribute('href'), location.href).href)"
    )
    here = urlsplit(page.url)
    return [
        urlsplit(link)._replace(scheme="", netloc="", fragment="").geturl()
        for link in found
        if urlsplit(link).netloc == here.netloc
    ]


def walk(page) -> Iterator[str]:
    """Every kind of page that can be reached from the overview, each a few times."""
    waiting, seen, count = ["/", *BEHIND_BUTTONS], {"/"}, {}
    while waiting:
        address = waiting.pop(0)
        kind = kind_of(address)
        if kind is None or count.get(kind, 0) >= OF_A_KIND:
            continue
        count[kind] = count.get(kind, 0) + 1
        response = page.goto(address)
        assert response.status == 200, address
        yield address
        for link in links(page):
            if link not in seen and "export" not in link and "download" not in link:
                seen.add(link)
                waiting.append(link)


def test_axe_finds_nothing_on_any_page(serving):
    from axe_playwright_python.sync_playwright import Axe

    axe, found = Axe(), []
    # axe puts a style of its own into the page, which the policy would refuse
    with browser_page(serving.address, viewport=WINDOW, bypass_csp=True) as page:
        page.goto("/sign-in/")
        found += [f"sign-in: {rule['id']}" for rule in axe.run(page).response["violations"]]
        sign_in(page, serving.printed("Operator"), serving.printed("Password"))
        for address in walk(page):
            for scheme in ("light", "dark"):
                page.emulate_media(color_scheme=scheme)
                for rule in axe.run(page).response["violations"]:
                    places = [node["html"][:160] for node in rule["nodes"][:3]]
                    found.append(f"{address} ({scheme}): {rule['id']} {places}")

    assert found == []


def test_every_page_is_reached_and_fits_its_window(serving):
    """The browser complains about nothing on the way (tests.browser)."""
    wide, reached = [], set()
    with browser_page(serving.address, viewport=WINDOW) as page:
        sign_in(page, serving.printed("Operator"), serving.printed("Password"))
        for address in walk(page):
            reached.add(kind_of(address)[0])
            for width in (1024, 320):
                page.set_viewport_size({"width": width, "height": 700})
                if (over := page.evaluate(MEASURE)) > 0:
                    wide.append(f"{address}: {over} pixels too wide at {width}")
            page.set_viewport_size(WINDOW)

    assert wide == []
    assert PAGES - reached - {"sign-in"} == set()


def test_from_sign_in_to_a_retried_operation_with_the_keyboard_alone(serving):
    with browser_page(serving.address, viewport=WINDOW) as page:
        page.goto("/")
        page.locator("input[name=username]:focus").wait_for()  # by itself
        page.keyboard.type(serving.printed("Operator"))
        page.keyboard.press("Tab")
        page.keyboard.type(serving.printed("Password"))
        page.keyboard.press("Enter")
        page.locator("nav.side").wait_for()

        press_until(page, 'a[href="/connections/contosohr/"]')
        page.keyboard.press("Enter")
        page.wait_for_url("**/connections/contosohr/")
        press_until(page, 'button[formaction$="/retry/"]')
        page.keyboard.press("Enter")
        page.get_by_text("Retry requested.").wait_for()
        press_until(page, ".messages a")
        page.keyboard.press("Enter")
        page.get_by_text("Waiting for a worker").first.wait_for()


def press_until(page, selector: str, most: int = 120) -> None:
    """Tab until something has the focus; on the way the focus is always in sight."""
    for _ in range(most):
        page.keyboard.press("Tab")
        assert page.evaluate(IN_SIGHT), page.evaluate("document.activeElement.outerHTML")
        if page.evaluate("(wanted) => document.activeElement.matches(wanted)", selector):
            return
    raise AssertionError(f"{selector} is not reached by {most} tabs")


#: The focused element, or its label, is in the window and under nothing that lies above it.
IN_SIGHT = """
(() => {
  const focused = document.activeElement;
  if (focused === document.body) return true;
  const seen = focused.matches("input[type=checkbox], input[type=radio]")
    ? focused.labels[0] || focused : focused;
  const box = seen.getClientRects()[0];
  const x = box.left + Math.min(box.width / 2, 40), y = box.top + box.height / 2;
  const above = document.elementFromPoint(x, y);
  return Boolean(above && (seen.contains(above) || above.contains(seen)));
})()
"""


def test_the_keys_find_a_row_and_ask_before_they_act(serving):
    with browser_page(serving.address, viewport=WINDOW) as page:
        sign_in(page, serving.printed("Operator"), serving.printed("Password"))
        page.keyboard.press("g")
        page.keyboard.press("p")
        page.wait_for_url("**/operations/**")
        page.goto("/operations/?triage=open&range=all")
        page.keyboard.press("j")
        page.keyboard.press("j")
        page.keyboard.press("k")
        row = page.locator("tbody tr[data-key]").first
        assert row.evaluate("(row) => row.contains(document.activeElement)")
        page.keyboard.press("a")
        page.get_by_role("dialog").get_by_text("Acknowledge this failure?").wait_for()
        page.keyboard.press("Escape")
        assert page.url.endswith("range=all")
        page.keyboard.press("?")
        page.get_by_role("dialog").get_by_text("next row, previous row").wait_for()
        page.keyboard.press("Escape")
        page.keyboard.press("/")
        page.keyboard.type("jag?")
        assert page.evaluate("document.activeElement.id + document.activeElement.value") == (
            "searchjag?"
        )
