"""Viewer, operator, administrator: groups made by a migration; what each may open and press."""

import json

import pytest
from django.urls import reverse

from operations.models import Triage
from operations.roles import Role
from tests import factories
from tests.conftest import signed_in
from tests.processes import own_database, shell

pytestmark = pytest.mark.django_db


MADE = """
import json
from django.contrib.auth.models import Group, Permission
ours = Permission.objects.filter(content_type__app_label="operations")
found = {group.name: group.permissions for group in Group.objects.all()} | {"ours": ours}
names = {name: held.values_list("codename", flat=True) for name, held in found.items()}
print(json.dumps({name: sorted(each) for name, each in names.items()}))
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The groups with their permissions, and all of ours, as the migrations leave them: in the
    database of the tests they are gone after a test that empties the tables."""
    with own_database(tmp_path_factory.mktemp("made")) as environment:
        return json.loads(shell(environment, MADE))


@pytest.mark.parametrize(
    ("name", "permissions"),
    [
        ("viewer", ["read_pages"]),
        ("operator", ["operate", "read_pages"]),
    ],
)
def test_the_migration_makes_the_groups(made, name, permissions):
    assert made[name] == permissions


def test_an_administrator_holds_all_permissions_of_this_application(made):
    assert made["administrator"] == made["ours"] != []


@pytest.mark.parametrize("role", list(Role))
def test_a_role_includes_the_ones_below(role):
    user = factories.make_person(role)
    order = list(Role)

    assert Role.of(user) is role
    assert [other for other in Role if other.is_held_by(user)] == order[: order.index(role) + 1]


def test_a_superuser_is_an_administrator(admin_user):
    assert Role.of(admin_user) is Role.ADMINISTRATOR


def test_without_a_role_no_page_is_opened():
    client = signed_in(None)

    for name in ("overview", "connections", "operations", "errors", "applications", "activity"):
        response = client.get(reverse(name))
        assert response.status_code == 403
        text = response.content.decode()
        assert "This needs the role viewer. Your account has no role yet." in text
        assert response["request-id"] in text


def test_a_viewer_finds_no_buttons_and_no_way_around(viewer):
    operation = factories.fail_registration(factories.make_connection("contosohr"))
    here = reverse("operation", args=["contosohr", operation.graph_id])

    for page in ("/", "/operations/?triage=open&range=all", "/connections/contosohr/", here):
        text = viewer.get(page).content.decode()
        assert "/retry/" not in text
        assert f"{here}acknowledge/" not in text
    response = viewer.post(f"{here}acknowledge/", {"note": "mine"})

    assert response.status_code == 403
    text = response.content.decode()
    assert "This needs the role operator. Your account has the role viewer." in text
    operation.refresh_from_db()
    assert operation.triage == Triage.OPEN


def test_an_operator_does_not_enter_the_admin(operator):
    assert reverse("admin:index") not in operator.get("/").content.decode()


def test_an_administrator_enters_the_admin_without_being_staff(administrator):
    assert reverse("admin:index") in administrator.get("/").content.decode()
    assert administrator.get(reverse("admin:index")).status_code == 200
