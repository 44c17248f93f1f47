"""The Django admin as a person sees it: open a form, send it back, read what it says."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

from django.contrib.auth import get_user_model
from django.forms.forms import BaseForm
from django.test import Client
from django.urls import reverse


def administrator(name: str = "anna") -> Client:
    """A browser in which a superuser is signed in."""
    user = get_user_model().objects.create_superuser(name, password="secret")
    client = Client()
    client.force_login(user)
    return client


def url(model: str, page: str = "changelist", key: Any = None) -> str:
    return reverse(f"admin:operations_{model}_{page}", args=[] if key is None else [key])


def filled(form: BaseForm) -> dict[str, Any]:
    """What a browser would send for a form that nobody touched."""
    data = {}
    for bound in form:
        value = bound.value()
        if isinstance(value, str):
            value = re.sub("\r\n|\r|\n", "\r\n", value)  # how a browser ends lines
        if value is None or value is False:
            continue
        data[bound.html_name] = value
        if bound.field.show_hidden_initial:
            data[bound.html_initial_name] = value
    return data


def submit(client: Client, address: str, **edits: Any):
    """Open a form, edit some fields, send it, and follow to the page that answers.

    None empties a field, as unchecking a box does.
    """
    return send(client, address, client.get(address), **edits)


def send(client: Client, address: str, page, **edits: Any):
    """Send a form that was opened before."""
    assert page.status_code == 200
    data = filled(page.context["adminform"].form) | edits
    for formset in page.context["inline_admin_formsets"]:
        prefix = formset.formset.prefix
        data |= {f"{prefix}-TOTAL_FORMS": 0, f"{prefix}-INITIAL_FORMS": 0}
    data = {name: value for name, value in data.items() if value is not None}
    return client.post(address, {**data, "_save": "Save"}, follow=True)


def act(client: Client, model: str, action: str, rows: list, **answers: Any):
    """Choose rows and an action, answer the page that asks, and follow to the list."""
    data = {"action": action, "_selected_action": [row.pk for row in rows]}
    question = client.post(url(model), data)
    assert question.status_code == 200
    assert 'name="post" value="yes"' in question.content.decode()
    return client.post(url(model), {**data, "post": "yes", **answers}, follow=True)


def told(response) -> list[str]:
    """The messages on the page."""
    assert response.status_code == 200
    return [str(message) for message in response.context["messages"]]


def refusals(response) -> list[str]:
    """The errors of the form on the page; none when it was saved."""
    assert response.status_code == 200
    if "adminform" not in (response.context or {}):
        return []
    errors = response.context["adminform"].form.errors
    return [str(message) for messages in errors.values() for message in messages]


class _Inline(HTMLParser):
    """Finds what a strict content policy would not run."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        data_block = given.get("type") == "application/json"
        if tag == "style" or (tag == "script" and not given.get("src") and not data_block):
            self.found.append(tag)
        self.found += [f"{tag} {name}" for name in given if re.match(r"on|style$", name)]


def inline_code(response) -> list[str]:
    """Inline scripts, styles and handlers on a page."""
    parser = _Inline()
    parser.feed(response.content.decode())
    return parser.found
