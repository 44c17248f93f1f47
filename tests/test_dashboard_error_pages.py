"""What went wrong is said in the frame, with the request id and a way on."""

import pytest
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.test import Client, RequestFactory
from django.urls import path

from operations.dashboard import errors
from operations.dashboard.urls import urlpatterns as pages

pytestmark = pytest.mark.django_db


def breaks(request):
    raise RuntimeError("the secret of the traceback")


def forbids(request):
    raise PermissionDenied("Only administrators may do this.")


def doubts(request):
    raise SuspiciousOperation("odd")


urlpatterns = [
    path("breaks/", breaks),
    path("forbids/", forbids),
    path("doubts/", doubts),
    path("admin/", breaks, name="index"),
    *pages,
]
handler400 = errors.bad_request
handler403 = errors.permission_denied
handler404 = errors.page_not_found
handler500 = errors.server_error

CASES = [
    ("/nowhere/", 404, "Not found"),
    ("/forbids/", 403, "Only administrators may do this."),
    ("/doubts/", 400, "was not understood"),
    ("/breaks/", 500, "Something broke here"),
]


@pytest.mark.urls(__name__)
@pytest.mark.parametrize(("address", "status", "sentence"), CASES)
def test_each_says_what_happened_and_under_which_id(operator, address, status, sentence):
    operator.raise_request_exception = False

    response = operator.get(address)

    text = response.content.decode()
    assert response.status_code == status
    assert sentence in text
    assert response["request-id"] in text
    assert "Go to the overview" in text
    assert text.count("<h1>") == 1
    assert "secret of the traceback" not in text


@pytest.mark.urls(__name__)
@pytest.mark.parametrize(("address", "status", "sentence"), CASES)
def test_they_show_to_strangers_as_well(address, status, sentence):
    client = Client(raise_request_exception=False)

    response = client.get(address)

    assert response.status_code == status
    assert "Sign out" not in response.content.decode()


@pytest.mark.django_db(databases=[])
def test_the_500_page_needs_no_database():
    request = RequestFactory().get("/")
    request.request_id = "the-id"

    response = errors.server_error(request)

    assert response.status_code == 500
    assert "the-id" in response.content.decode()


def test_a_path_that_is_no_page_is_not_found_in_the_frame(operator):
    response = operator.get("/no/such/page/")

    assert response.status_code == 404
    assert "There is no page at this address." in response.content.decode()
    assert 'aria-label="Main"' in response.content.decode()


def test_a_stranger_is_not_told_near_ids(client):
    assert "Connections that begin alike" not in client.get("/connections/abc/").content.decode()
