"""The list of applications: roles, connections, secrets, and what somebody should look at."""

import re
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from operations.models import ROLES, Application
from operations.models.application import SecretTrouble
from tests import factories

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


def page(client, query=""):
    response = client.get(reverse("applications") + query)
    assert response.status_code == 200
    return response.content.decode()


def names(text):
    """The names in the order in which the page shows them."""
    rows = text.split('class="cell-connection wide"><a href="')[1:]
    return [row.split('dir="auto">')[1].split("</a>")[0] for row in rows]


def test_what_a_row_says(viewer):
    application = factories.make_application(ROLES[0], ROLES[5], name="HR ingestion")
    other = factories.make_application(name="Other")
    factories.make_connection(owner=application)
    factories.make_connection(owner=application)
    factories.make_connection(owner=other, authorized_app_ids=[application.app_id])
    now = timezone.now()
    application.secrets.update(
        last_used_at=now - timedelta(minutes=5),
        last_used_address="203.0.113.7",
        expires_at=now + 100 * DAY + timedelta(hours=1),
    )

    text = page(viewer)

    assert names(text) == ["HR ingestion", "Other"]
    row = text.split("</tr>")[1]
    assert f'data-copy="{application.app_id}"' in row
    assert "badge-enabled" in row
    for word in ("ExternalConnection", "ReadWrite.OwnedBy", "ExternalItem", "ReadWrite.All"):
        assert word in row
    assert f'href="{reverse("connections")}?owner={application.app_id}">2 owned</a>' in row
    assert "1 authorized" in row
    assert "1 usable" in row and "in 100 days" in row
    assert "5 min ago" in row and "203.0.113.7" in row


def test_one_that_another_issuer_signs_in(viewer):
    Application.objects.register_foreign(factories.COMMAND, "Crawler", [], uuid4())

    text = page(viewer)

    assert "another issuer signs it in" in text
    assert 'class="troubles"' not in text


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", "שירות סנכרון", "x" * 120])
def test_any_name(viewer, name):
    application = factories.make_application(name=name)

    for text in (page(viewer), page(viewer, f"?text={application.app_id}")):
        assert "<script>alert" not in text
        assert len(names(text)) == 1


# What to look at ---------------------------------------------------------------------------------


def fine(application):
    application.secrets.update(expires_at=timezone.now() + 15 * DAY)


def expires_soon(application):
    application.secrets.update(expires_at=timezone.now() + 13 * DAY)


def has_expired(application):
    application.secrets.update(expires_at=timezone.now() - DAY)


def has_expired_beside_another(application):
    has_expired(application)
    application.create_secret(factories.COMMAND)


def was_revoked(application):
    application.secrets.get().revoke(factories.COMMAND)


def unused_since_it_was_made(application):
    application.secrets.update(created_at=timezone.now() - 91 * DAY)


def unused_for_long(application):
    long_ago = timezone.now() - 91 * DAY
    application.secrets.update(created_at=long_ago, last_used_at=long_ago)


def used_of_late(application):
    application.secrets.update(
        created_at=timezone.now() - 91 * DAY, last_used_at=timezone.now() - 89 * DAY
    )


def disabled(application):
    has_expired(application)
    application.revise(factories.COMMAND, enabled=False)


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (fine, None),
        (expires_soon, SecretTrouble.EXPIRING),
        (has_expired, SecretTrouble.EXPIRED),
        (has_expired_beside_another, None),
        (was_revoked, None),
        (unused_since_it_was_made, SecretTrouble.UNUSED),
        (unused_for_long, SecretTrouble.UNUSED),
        (used_of_late, None),
        (disabled, None),
    ],
)
def test_warnings(viewer, make, expected):
    make(factories.make_application(name="The one"))

    shown = page(viewer)
    for trouble in SecretTrouble:
        is_it = trouble == expected
        assert (f"badge-{trouble}" in shown) == is_it
        assert names(page(viewer, f"?warning={trouble}")) == (["The one"] if is_it else [])


def test_several_warnings_at_once(viewer):
    application = factories.make_application()
    unused_for_long(application)
    expires_soon(application)

    text = page(viewer, "?warning=expired&warning=unused")

    assert "badge-expiring" in text and "badge-unused" in text


def test_what_has_a_warning_comes_first(viewer):
    factories.make_application(name="A")
    expires_soon(factories.make_application(name="C"))
    has_expired(factories.make_application(name="B"))
    unused_for_long(factories.make_application(name="D"))

    text = page(viewer)

    assert names(text) == ["B", "C", "D", "A"]
    assert "warnings first, then by name" in text


# Filters and pages -------------------------------------------------------------------------------


def test_filters(viewer):
    hr = factories.make_application(name="HR ingestion")
    factories.make_application(name="Old portal").revise(factories.COMMAND, enabled=False)

    assert names(page(viewer, "?text=INGEST")) == ["HR ingestion"]
    assert names(page(viewer, f"?text={str(hr.app_id).upper()}")) == ["HR ingestion"]
    assert names(page(viewer, "?access=disabled")) == ["Old portal"]
    assert names(page(viewer, "?access=enabled")) == ["HR ingestion"]
    nothing = page(viewer, "?text=%25")
    assert "Nothing matches" in nothing
    assert "Without these filters there are 2 rows." in nothing


@pytest.mark.parametrize(
    "query", ["?access=maybe", "?warning=none", "?after=x", "?text=%00", "?sort=name", "?page=2"]
)
def test_what_means_nothing_is_named_and_left_out(viewer, query):
    factories.make_application(name="HR ingestion")

    text = page(viewer, query)

    assert "was left out" in text
    assert names(text) == ["HR ingestion"]


def test_pages_of_three_hundred(viewer):
    actor = factories.COMMAND
    for number in range(300):
        name = f"{'app' if number % 2 else 'App'} {number % 150:03}"
        Application.objects.register_foreign(actor, name, [], uuid4())

    seen, address = [], "?rows=100"
    while address:
        text = page(viewer, address)
        seen += names(text)
        following = text.split('rel="next"')[0].rpartition('href="')[2].split('"')[0]
        address = following.replace("&amp;", "&") if 'rel="next"' in text else ""

    assert len(seen) == 300
    assert seen == sorted(seen, key=str.lower)
    assert "100 of 300 shown" in text


def test_none_yet(viewer, administrator):
    assert "No applications yet" in page(viewer)
    assert "manage.py create_application" in page(viewer)
    assert reverse("new-application") in page(administrator)


@pytest.mark.parametrize("rows", [1, 30])
def test_the_number_of_queries_does_not_grow(viewer, rows):
    for _ in range(rows):
        factories.make_connection(owner=factories.make_application(ROLES[0]))

    with CaptureQueriesContext(database) as queries:
        page(viewer, "?why=0d0d7ac4-4c4b-4a3c-8a5b-c1f0c7f0f9b1")

    assert len(queries) == 10


def test_a_page_that_is_loaded_anew_makes_nothing_twice(administrator):
    form = administrator.get(reverse("new-application")).content.decode()
    newest = re.search(r'name="newest" value="(\d+)"', form)[1]
    values = {"name": "Crawler", "roles": ROLES[:1], "newest": newest}
    assert administrator.post(reverse("new-application"), values).status_code == 200

    again = administrator.post(reverse("new-application"), values, follow=True)

    made = Application.objects.get(name="Crawler")
    assert "An application was made since this form was opened" in again.content.decode()
    page = administrator.get(reverse("application", args=[made.app_id])).content.decode()
    newest = re.search(r'name="newest" value="(\d+)"', page)[1]
    values = {"days": "", "newest": newest}
    for _ in range(2):
        response = administrator.post(
            reverse("new-secret", args=[made.app_id]), values, follow=True
        )
    assert "A secret was made since this page was loaded" in response.content.decode()
    assert made.secrets.count() == 2
