"""The admin in a real browser: nothing cut, nothing unreadable, nothing in the console."""

from __future__ import annotations

import pytest

from operations import groups, ingestion
from operations.models import (
    Application,
    ConnectionOperation,
    ErrorGroup,
    ExternalActivity,
    ExternalItem,
    IdentityType,
)
from operations.models.container import Container
from operations.roles import Role
from tests.admin_pages import url
from tests.browser import browser_page, sign_in
from tests.factories import (
    COMMAND,
    PASSWORD,
    fail_registration,
    make_application,
    make_connection,
    make_person,
    make_stuck,
    register_schema,
    report,
)
from tests.item_bodies import EVERYONE

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
LONG_ERROR = {"code": "C" * 200, "message": "x" * 900 + " end. " * 200}
OPERATIONS = "/admin/operations/connectionoperation/"


@pytest.fixture
def addresses() -> list[str]:
    """The pages of the admin, with long, right-to-left and hostile data on them."""
    connection = make_connection(
        "c" + "0123456789" * 3, name="شركة كونتوسو <b>" + "Very long name " * 7
    )
    make_application(name="HR connector")
    register_schema(connection)
    failed = fail_registration(
        connection, {"code": "C" * 200, "message": "x" * 900 + " end. " * 200}
    )
    make_stuck(report(connection, graph_id="o" * 128))
    make_person(Role.ADMINISTRATOR, "ada")
    values = {
        "acl": [EVERYONE, {**EVERYONE, "type": "user", "value": "u" * 300}],
        "properties": {"title": "شركة " + "long" * 90},
        "content": {"type": "html", "value": "<script>" + "x" * 900},
    }
    ingestion.put(Container.of(connection), "i" * 128, values, COMMAND)
    group = groups.create(connection.pk, COMMAND, graph_id="g" * 128, display_name="<b>" * 90)
    member = groups.add_member(group, COMMAND, graph_id="m" * 128, kind=IdentityType.USER)
    item = ExternalItem.objects.get()
    ExternalActivity.objects.create(
        item=item, kind=1, started_at=item.created_at, performed_by="p" * 128, performed_by_kind=1
    )
    return [
        "/admin/",
        url("externalconnection"),
        url("externalconnection", "add"),
        url("externalconnection", "change", connection.pk),
        url("externalconnection", "history", connection.pk),
        url("externalconnection", "delete", connection.pk),
        url("connectionoperation"),
        url("connectionoperation", "add"),
        url("connectionoperation", "change", failed.pk),
        url("application", "change", Application.objects.get().pk),
        url("applicationsecret"),
        url("errorgroup", "change", ErrorGroup.objects.get().pk),
        url("change"),
        url("externalitem"),
        url("externalitem", "add"),
        url("externalitem", "change", item.pk),
        url("externalitem", "delete", item.pk),
        url("externalgroup"),
        url("externalgroup", "change", group.pk),
        url("groupmember"),
        url("groupmember", "add"),
        url("groupmember", "change", member.pk),
    ]


def test_axe_finds_nothing(live_server, addresses):
    """All rules in the light; in the dark those about colours, for nothing else is different."""
    from axe_playwright_python.sync_playwright import Axe

    in_dark = """axe.run({preload: false, runOnly: ["color-contrast", "link-in-text-block"]})"""
    found = []
    # axe puts a style of its own into the page; a colour that still changes has no contrast yet
    with browser_page(live_server.url, bypass_csp=True, reduced_motion="reduce") as page:
        sign_in(page, "ada", PASSWORD)
        for address in addresses:
            page.emulate_media(color_scheme="light")
            page.goto(address)
            light = Axe().run(page, options={"preload": False}).response
            page.emulate_media(color_scheme="dark")
            for theme, result in (("light", light), ("dark", page.evaluate(in_dark))):
                found += [
                    (address, theme, fault["id"], node["html"][:120])
                    for fault in result["violations"]
                    for node in fault["nodes"]
                ]
    assert found == []


def test_nothing_is_cut_and_the_console_stays_empty(live_server, addresses):
    too_wide = (
        "[document.documentElement, ...document.querySelectorAll('.results, .recent, .history')]"
        ".some((part) => part.scrollWidth > part.clientWidth + 1)"
    )
    with browser_page(live_server.url) as page:
        sign_in(page, "ada", PASSWORD)
        for address in addresses:
            page.goto(address)
            for width in (1280, 1024, 360):
                page.set_viewport_size({"width": width, "height": 800})
                assert not page.evaluate(too_wide), f"{address} at {width}"


def test_from_the_list_to_a_retried_operation(live_server, addresses):
    with browser_page(live_server.url) as page:
        sign_in(page, "ada", PASSWORD)
        page.goto(OPERATIONS)
        page.get_by_text("Triage: All").click()
        page.get_by_role("link", name="Open", exact=True).click()
        page.wait_for_url("**/?triage=open")
        page.locator(".filter-form .select2-selection").click()
        page.locator(".select2-search__field").fill("c0123")
        page.get_by_role("option", name="c012345").click()
        page.wait_for_url("**/?triage=open&connection=*")
        page.get_by_role("checkbox").nth(1).check()
        page.get_by_role("combobox", name="Action:").select_option("retry")
        page.get_by_role("button", name="Go").click()
        page.get_by_label("Note").fill("after the fix")
        page.get_by_role("button", name="Retry").click()
        page.get_by_text("1 retried, each as a new operation.").wait_for()
        page.get_by_role("button", name="Dark").click()
        assert page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "dark"
        page.reload()
        assert page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "dark"
        page.get_by_role("link", name="Dashboard").click()
        page.wait_for_url(live_server.url + "/")
    assert ConnectionOperation.objects.filter(retry_of__isnull=False).count() == 1
