"""Pictures of the main pages, in light and dark: ``make screenshots`` writes them to docs/images.

Serves the demo data on an installation of its own, so that the pictures show what a newcomer sees.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import django

PAGES = {
    "overview": "/",
    "connections": "/connections/",
    "connection": "/connections/contosohr/",
    "items": "/connections/contosohr/?tab=items",
    "item": "/connections/contosohr/items/1/",
    "group": "/connections/servicedesk/groups/1/",
    "operations": "/operations/?range=all",
    "operation": "/connections/contosohr/operations/3ed1595a-4bae-43c2-acda-ef973e581323/",
    "errors": "/errors/",
    "applications": "/applications/",
    "activity": "/activity/",
    "settings": "/settings/",
}
SIZE = {"width": 1280, "height": 860}


def main(folder: Path) -> None:
    from tests.browser import browser_page, sign_in
    from tests.processes import own_database, serve

    folder.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as data,
        own_database(Path(data)) as environment,
        serve(environment, "--demo", "--no-worker") as serving,
    ):
        for scheme in ("light", "dark"):
            with browser_page(serving.address, color_scheme=scheme, viewport=SIZE) as page:
                sign_in(page, serving.printed("Operator"), serving.printed("Password"))
                for name, address in PAGES.items():
                    page.goto(address)
                    page.screenshot(path=folder / f"{name}-{scheme}.png")


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "connectors_admin.settings")
    django.setup()
    main(Path(sys.argv[1]))
