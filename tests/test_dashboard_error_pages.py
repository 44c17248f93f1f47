"""What went wrong is said in the frame, with the request id and a way on."""

import pytest
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.test import Client, RequestFactory
from django.urls import path, reverse

from operations.dashboard import errors
from operations.dashboard.urls import urlpatterns as pages
from operations.roles import Role
from tests import factories

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


def test_an_unknown_operation_offers_those_that_begin_alike(viewer):
    connection = factories.make_connection("contosohr")
    factories.report(connection, graph_id="nightly-1")
    factories.report(connection, graph_id="other")

    response = viewer.get(reverse("operation", args=["ContosoHR", "nightly-2"]))

    text = response.content.decode()
    assert response.status_code == 404
    assert "has no operation with the id &#x27;nightly-2&#x27;" in text
    assert f'href="{reverse("operation", args=["contosohr", "nightly-1"])}"' in text
    assert "other" not in text.replace("another", "")
    assert f'href="{reverse("connection", args=["contosohr"])}?tab=operations"' in text


@pytest.mark.parametrize(
    ("address", "way_on"),
    [
        ("/connections/nowhere/", "/connections/"),
        ("/connections/nowhere/operations/none/", "/connections/"),
        ("/activity/99999999/", "/activity/"),
        ("/errors/unknown/", "/errors/"),
        ("/no/such/page/", "/"),
    ],
)
def test_the_way_on_is_near_to_what_was_looked_for(viewer, address, way_on):
    response = viewer.get(address)

    assert response.status_code == 404
    assert f'<a class="button primary" href="{way_on}">' in response.content.decode()


def test_a_role_that_lacks_is_named_with_the_one_that_is_held(viewer):
    factories.report(factories.make_connection("contosohr"), graph_id="one", status="failed")

    response = viewer.post(reverse("acknowledge", args=["contosohr", "one"]))

    text = response.content.decode()
    assert response.status_code == 403
    assert "This needs the role operator. Your account has the role viewer." in text
    assert "You are signed in as <bdi>viewer</bdi>." in text
    assert response["request-id"] in text


def test_somebody_without_a_role_is_told_so():
    client = Client()
    client.force_login(factories.make_person(None))

    response = client.get("/")

    assert response.status_code == 403
    assert "Your account has no role yet." in response.content.decode()


@pytest.mark.parametrize("address", ["/theme/", "/sign-out/"])
def test_a_wrong_method_has_a_page_of_its_own(viewer, address):
    response = viewer.get(address)

    text = response.content.decode()
    assert response.status_code == 405
    assert "POST" in response["Allow"]
    assert "and not GET" in text and "Nothing was changed." in text
    assert response["request-id"] in text
    assert 'aria-label="Main"' in text


def test_a_program_that_takes_no_page_gets_none(client):
    response = client.get("/theme/", headers={"accept": "application/json"})

    assert response.status_code == 405
    assert response.content == b""


def test_a_wrong_method_of_the_api_keeps_its_envelope(graph):
    response = graph.request("POST", "/v1.0/external/connections/contosohr")

    assert response.status_code == 405
    assert response.json()["error"]["code"] == "Request_BadRequest"


def test_a_form_without_its_token_is_refused_in_the_frame():
    client = Client(enforce_csrf_checks=True)
    client.force_login(factories.make_person(Role.OPERATOR))

    response = client.post("/theme/", {"theme": "dark"})

    text = response.content.decode()
    assert response.status_code == 403
    assert "The form was out of date" in text
    assert response["request-id"] in text
    assert 'aria-label="Main"' in text
    assert "theme" not in response.cookies


@pytest.mark.parametrize(
    "address", ["/<script>alert(1)</script>/", "/connections/<script>alert(1)<%2Fscript>/"]
)
def test_an_address_is_text(viewer, address):
    response = viewer.get(address)

    assert response.status_code == 404
    assert "<script>alert" not in response.content.decode()
