"""The frame of the admin: where one is, the way back, the colours, nothing inline."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.contrib.staticfiles import finders
from django.urls import reverse

from tests.admin_pages import inline_code, url
from tests.factories import make_connection, report
from tests.test_admin_records import rows_of_everything

pytestmark = pytest.mark.django_db


def test_the_way_back_and_out(administrator):
    text = administrator.get("/admin/").content.decode()
    assert f'<a href="{reverse("overview")}">Dashboard</a>' in text
    assert f'action="{reverse("sign-out")}"' in text
    assert reverse("admin:password_change") in text
    assert "Signed in as administrator, administrator" in text


def test_the_environment_stands_on_top(administrator, settings):
    assert 'class="environment"' not in administrator.get("/admin/").content.decode()
    settings.ENVIRONMENT_LABEL = "Test <b>"
    for address in ("/admin/", url("change")):
        text = administrator.get(address).content.decode()
        assert '<span class="environment">Test &lt;b&gt;</span>' in text


@pytest.mark.parametrize("theme", ["light", "dark", "auto"])
def test_the_colours_are_those_of_the_pages(administrator, theme):
    administrator.post(reverse("theme"), {"theme": theme})
    make_connection()
    for address in ("/admin/", url("externalconnection"), url("externalconnection", "add")):
        text = administrator.get(address).content.decode()
        assert f'<body class="theme-{theme}' in text
        assert "admin/js/theme.js" not in text, "the stock admin's own choice of colours"


def test_choosing_colours_comes_back_to_the_page(administrator):
    address = url("change") + "?channel__exact=api"
    text = administrator.get(address).content.decode()
    assert f'<input type="hidden" name="next" value="{address}">' in text
    response = administrator.post(reverse("theme"), {"theme": "dark", "next": address})
    assert response["Location"] == address


def test_badges_have_their_shapes_on_every_page(administrator):
    operation = report(make_connection(), status="failed")
    for address in (
        url("connectionoperation"),
        url("connectionoperation", "change", operation.pk),
        url("connectionoperation", "change", operation.pk) + "?_popup=1",
    ):
        text = administrator.get(address).content.decode()
        assert text.count('<symbol id="icon-octagon"') == 1, address
        assert '<use href="#icon-octagon"/>' in text


def test_every_page_works_under_a_strict_content_policy(administrator):
    for model, key in rows_of_everything().items():
        for address in (url(model), url(model, "change", key), url(model, "history", key)):
            page = administrator.get(address)
            assert page.status_code == 200
            assert inline_code(page) == [], address


def test_a_moment_is_shown_to_the_second_and_with_its_zone(administrator):
    connection = make_connection()
    text = administrator.get(url("externalconnection", "change", connection.pk)).content.decode()
    assert f"{connection.created_at:%-d %b %Y, %H:%M:%S} UTC" in text


def test_its_stylesheets_and_scripts_stay_small():
    names = ("admin.css", "badges.css", "tokens.css", "admin.js", "pages.js")
    sizes = [Path(finders.find(f"operations/{name}")).stat().st_size for name in names]
    assert sum(sizes) < 60_000
