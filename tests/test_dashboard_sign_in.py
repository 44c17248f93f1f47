"""Sign-in, sign-out, and that nothing is shown without them."""

import pytest
from django.contrib.auth.models import User
from django.urls import reverse

pytestmark = pytest.mark.django_db

ADDRESSES = [
    "/",
    "/connections/",
    "/connections/contosohr/",
    "/operations/",
    "/connections/contosohr/operations/one/",
]


@pytest.mark.parametrize("address", ADDRESSES)
def test_pages_ask_to_sign_in_and_come_back(client, address):
    response = client.get(address)

    assert response.status_code == 302
    assert response["Location"] == f"{reverse('sign-in')}?next={address}"


@pytest.mark.parametrize("action", ["retry", "acknowledge"])
def test_actions_need_sign_in(client, action):
    response = client.post(reverse(action, args=["contosohr", "one"]))

    assert response.status_code == 302
    assert response["Location"].startswith(reverse("sign-in"))


def test_signing_in_goes_where_the_person_wanted_to_go(client):
    User.objects.create_user("maria", password="correct horse")

    response = client.post(
        reverse("sign-in"),
        {"username": "maria", "password": "correct horse", "next": "/operations/?status=failed"},
    )

    assert response.status_code == 302
    assert response["Location"] == "/operations/?status=failed"


def test_a_foreign_destination_is_not_followed(client):
    User.objects.create_user("maria", password="correct horse")

    response = client.post(
        reverse("sign-in"),
        {"username": "maria", "password": "correct horse", "next": "https://evil.example/"},
    )

    assert response["Location"] == reverse("overview")


def test_wrong_password_says_so_and_keeps_the_name(client):
    User.objects.create_user("maria", password="correct horse")

    response = client.post(reverse("sign-in"), {"username": "maria", "password": "battery"})

    assert response.status_code == 200
    text = response.content.decode()
    assert "User name and password do not match." in text
    assert 'value="maria"' in text


def test_fields_let_password_managers_work(client):
    text = client.get(reverse("sign-in")).content.decode()

    assert 'autocomplete="username"' in text
    assert 'autocomplete="current-password"' in text


def test_a_signed_in_person_needs_no_sign_in_page(operator):
    response = operator.get(reverse("sign-in"))

    assert response.status_code == 302
    assert response["Location"] == reverse("overview")


def test_signing_out_is_a_post(operator):
    assert operator.get(reverse("sign-out")).status_code == 405

    response = operator.post(reverse("sign-out"))

    assert response["Location"] == reverse("sign-in")
    assert operator.get("/").status_code == 302


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_theme_is_kept_in_a_cookie(client, theme):
    response = client.post(reverse("theme"), {"theme": theme, "next": "/sign-in/"})

    assert response["Location"] == "/sign-in/"
    assert f'data-theme="{theme}"' in client.get(reverse("sign-in")).content.decode()


def test_an_unknown_theme_changes_nothing(client):
    client.post(reverse("theme"), {"theme": '"><script>'})

    assert 'data-theme="auto"' in client.get(reverse("sign-in")).content.decode()


def test_a_broken_theme_cookie_is_ignored(client):
    client.cookies["theme"] = "pink"

    assert 'data-theme="auto"' in client.get(reverse("sign-in")).content.decode()
