"""A headless Chromium for tests: fails on any console message and on any request that leaves."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
#: Said when a test types before the page's first frame, which nobody can.
TOO_QUICK = (
    "info: Autofocus processing was blocked because a document already has a focused element."
)


def chromium_path() -> str:
    """The browser: Debian's, Chrome, or what CHROMIUM names. Its lack is a failure, not a skip."""
    names = [os.environ.get("CHROMIUM", ""), "chromium", "chromium-browser", "google-chrome"]
    found = next((path for name in names if name and (path := shutil.which(name))), None)
    assert found, "No Chromium found. Install it (apt install chromium) or set CHROMIUM."
    return found


@contextmanager
def browser_page(address: str, *, known: str = "", **context: Any) -> Iterator[Any]:
    """A page of a fresh browser whose relative addresses are below ``address``.

    The test fails on any complaint of the browser but ``known``.
    """
    from playwright.sync_api import sync_playwright

    complaints: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=ARGUMENTS)
        page = browser.new_context(base_url=address, **context).new_page()
        page.on("console", lambda message: complaints.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "request",
            lambda request: (
                None
                if request.url.startswith((address, "data:"))
                else complaints.append(f"request left: {request.url}")
            ),
        )
        try:
            yield page
        finally:
            browser.close()
    complaints = [
        complaint
        for complaint in complaints
        if complaint != TOO_QUICK and (not known or known not in complaint)
    ]
    assert not complaints, complaints


def sign_in(page: Any, name: str, password: str) -> None:
    page.goto("/")
    page.get_by_label("User name").or_(page.get_by_label("Username")).fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/")
