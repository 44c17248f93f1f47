"""Accounts with every role and without, their sessions, and how their browsers ask."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from http.cookies import SimpleCookie
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.http import HttpResponse
from django.test import Client

from operations.roles import Role
from tests.bad_tokens import good_token
from tests.factories import make_application, make_person
from tests.graph import OWNED, WRITE_ALL
from tests.permissions import Answer, Row, next_of

PAGE_METHODS = ("GET", "HEAD", "POST")
#: What Django's forms carry, as it is in the cookie.
FORM_TOKEN = "f" * 32


@dataclass(frozen=True)
class Visitor:
    """Somebody at a browser, or at something else. ``sends_token``: with each form."""

    name: str
    session: str = ""
    authorization: str = ""
    sends_token: bool = True

    def without_form_token(self) -> Visitor:
        name = f"{self.name} without it"
        return Visitor(name, self.session, self.authorization, sends_token=False)

    def send(
        self, http: Client, method: str, path: str, form: dict[str, Any] | None = None
    ) -> HttpResponse:
        """One request; all that it streams is read."""
        http.cookies = SimpleCookie({"csrftoken": FORM_TOKEN})
        if self.session:
            http.cookies["sessionid"] = self.session
        # a page that says "no such method" is not what is tried, and takes its time
        headers = {"Accept": "text/html" if method in PAGE_METHODS else "application/json"}
        if self.sends_token:
            headers["X-CSRFToken"] = FORM_TOKEN
        if self.authorization:
            headers["Authorization"] = self.authorization
        if method == "POST":
            response = http.post(path, form or {}, headers=headers)
        else:
            response = http.generic(method, path, headers=headers)
        if response.streaming:
            response.streamed = b"".join(response)
        return response


def signed_in(name: str, user: Any) -> Visitor:
    client = Client()
    client.force_login(user)
    return Visitor(name, client.cookies["sessionid"].value)


def may(name: str, *codenames: str, is_staff: bool) -> Any:
    """An account with permissions of our own models, as a superuser gives them one by one."""
    user = get_user_model().objects.create_user(name, is_staff=is_staff)
    ours = Permission.objects.filter(content_type__app_label="operations")
    chosen = [permission for permission in ours if permission.codename.startswith(codenames)]
    user.user_permissions.set(chosen)
    return user


def everybody() -> list[Visitor]:
    """By the names that docs/permissions.md has for them."""
    User = get_user_model()
    gone = User.objects.create_superuser("gone")
    deactivated = signed_in("deactivated superuser", gone)
    gone.is_active = False
    gone.save()
    application = make_application(OWNED, WRITE_ALL)
    roles = {role.group: signed_in(role.group, make_person(role)) for role in Role}
    superuser = signed_in("superuser", User.objects.create_superuser("super"))
    not_staff = User.objects.create_user("plain", is_superuser=True)
    changing = ("view_", "add_", "change_", "delete_")
    several = [
        Visitor("not signed in"),
        deactivated,
        Visitor(
            "application with a bearer token", authorization=f"Bearer {good_token(application)}"
        ),
        signed_in("no role", make_person(None)),
        *roles.values(),
        superuser,
        signed_in("superuser who is not staff", not_staff),
        signed_in("all of the admin but not staff", may("b", *changing, is_staff=False)),
        signed_in("staff", User.objects.create_user("c", is_staff=True)),
        signed_in("staff who may view", may("d", "view_", is_staff=True)),
        signed_in("staff who may change", may("e", *changing, is_staff=True)),
    ]
    several += [roles["administrator"].without_form_token(), superuser.without_form_token()]
    return several


class Turns:
    """Who tries which row, so that all is tried and nothing thousands of times: everybody sends a
    form that changes something, one of each column tries the rest; what is a GET once more (HEAD)
    and methods that no page has are tried by one of them all, each time the next.

    ``opens_once``: of the columns that may open a page, one opens it, each time the next.
    """

    def __init__(self, columns: dict[str, list[str]], *, opens_once: bool = False):
        self.columns = columns
        self.opens_once = opens_once
        self.turns: Counter[str] = Counter()

    def who_tries(self, row: Row) -> Iterator[tuple[str, str]]:
        """Columns with names in them."""
        changes = "done" in " ".join(row.cells.values())
        for column in self._columns_for(row, changes):
            names = self.columns[column]
            for name in names if changes and row.method == "POST" else [self._next(names)]:
                yield column, name

    def _columns_for(self, row: Row, changes: bool) -> list[str]:
        columns = list(self.columns)
        if row.is_rest or row.method == "HEAD":
            return [self._next(columns)]
        opening = [each for each in columns if row.cells[each] in ("200", "302")]
        if changes or not self.opens_once or not opening:
            return columns
        return [each for each in columns if each not in opening] + [self._next(opening)]

    def _next(self, names: list[str]) -> str:
        return next_of(names, self.turns)


def address(path: str, values: dict[str, str]) -> str:
    return re.sub(r"\{(\w+)\}", lambda found: values[found.group(1)], path)


def says(response: HttpResponse, answer: Answer) -> bool:
    """Whether a page, or where it leads to, holds these words."""
    if not answer.says:
        return True
    return answer.says in response.get("Location", "") or (
        not response.streaming and answer.says in response.content.decode()
    )
