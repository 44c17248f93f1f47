"""Addresses of the admin that make no sense are a 400 page, never a 500."""

from __future__ import annotations

import pytest

from operations.models import SigningKey

pytestmark = pytest.mark.django_db
OPERATIONS = "/admin/operations/connectionoperation/"


@pytest.fixture
def administrator(client, django_user_model):
    client.raise_request_exception = False
    client.force_login(django_user_model.objects.create_superuser("root"))
    return client


@pytest.mark.parametrize(
    "address",
    [
        f"{OPERATIONS}add/?connection=abc",
        f"{OPERATIONS}add/?connection=%00",
        f"{OPERATIONS}add/?connection=99999999999999999999999",
        "/admin/operations/outcomerule/add/?connection='",
        f"{OPERATIONS}?created_at__year=-1",
        f"{OPERATIONS}?created_at__year=99999999999999999999999",
        f"{OPERATIONS}?connection=99999999999999999999999",
        f"{OPERATIONS}?kind__exact=%00",
        f"{OPERATIONS}?triage__exact=%00",
        "/admin/operations/change/?channel__exact=%00",
        "/admin/operations/signingkey/%00/change/",
        "/admin/operations/signingkey/%00/history/",
        "/admin/autocomplete/?term=%00&app_label=operations&model_name=connectionoperation"
        "&field_name=connection",
        "/admin/r/7/%00/",
    ],
)
def test_no_address_is_a_500(administrator, address):
    SigningKey.objects.create(kid="k", private_pem="x")
    response = administrator.get(address)
    assert response.status_code in (200, 302, 400, 403, 404), response.status_code
    if response.status_code == 400:
        assert response["Content-Type"].startswith("text/html")
        assert response["request-id"] in response.content.decode()


def test_a_filter_that_cannot_be_looked_for_is_a_400(administrator):
    address = f"{OPERATIONS}add/?connection=abc"
    assert administrator.get(address).status_code == 400
