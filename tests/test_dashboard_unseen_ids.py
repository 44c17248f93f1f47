"""Ids of characters that leave no mark can be seen, told apart and clicked on all the same."""

from __future__ import annotations

import re

import pytest
from django.template.loader import render_to_string
from django.urls import reverse

from operations.item_rules import visible_id
from operations.models.group import IdentityType
from operations.templatetags import dashboard
from tests.factories import make_group, put_item
from tests.ready import make_ready


@pytest.mark.parametrize(
    "graph_id, shown",
    [
        ("TSP 2/8", "TSP 2/8"),
        ("größe 東京", "größe 東京"),
        ("\U0001f6b2", "\U0001f6b2"),
        (" ", "[U+0020]"),
        (" a  b ", "[U+0020]a[U+0020][U+0020]b[U+0020]"),
        ("\u202eabc", "[U+202E]abc"),
        ("\ufeff", "[U+FEFF]"),
        ("\u200d\u00a0", "[U+200D][U+00A0]"),
        ("x\r\nFAKE", "x[U+000D][U+000A]FAKE"),
        ("\x00\x7f\x85", "[U+0000][U+007F][U+0085]"),
    ],
)
def test_what_is_shown(graph_id, shown):
    assert visible_id(graph_id) == shown


def test_on_the_pages(db, viewer):
    connection = make_ready()
    item = put_item(connection, "\u202e", properties={"size": 1})
    group = make_group(connection, "\u200b", ("\u200e", IdentityType.USER))
    pages = [
        viewer.get(reverse("connection", args=["contosohr"]), {"tab": "items"}),
        viewer.get(reverse("item", args=["contosohr", item.pk])),
        viewer.get(reverse("connection", args=["contosohr"]), {"tab": "groups"}),
        viewer.get(reverse("group", args=["contosohr", group.pk])),
    ]
    for page, shown in zip(pages, ["[U+202E]", "[U+202E]", "[U+200B]", "[U+200B]"], strict=True):
        assert page.status_code == 200
        assert re.search(rf">(<bdi>)?{re.escape(shown)}<", page.content.decode())
    assert "[U+202E] · Connectors" in pages[1].content.decode()
    assert "[U+200B] · Connectors" in pages[3].content.decode()
    assert ">[U+200E]<" in pages[3].content.decode()


def test_a_button_that_copies_is_rendered_once(db, viewer, monkeypatch):
    """Rows have it by the hundred."""
    connection = make_ready()
    for number in range(20):
        put_item(connection, f"item{number}")
    rendered = []
    monkeypatch.setattr(
        dashboard,
        "render_to_string",
        lambda name, *args: rendered.append(name) or render_to_string(name, *args),
    )
    dashboard._button.cache_clear()
    page = viewer.get(reverse("connection", args=["contosohr"]), {"tab": "items"})
    assert page.content.decode().count(">item1") >= 10
    assert rendered.count("dashboard/_copy.html") == 2  # an item's id, and the connection's
