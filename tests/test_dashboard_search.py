"""Search: an id leads straight to what it names, anything else to what it may mean."""

import uuid

import pytest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from operations.models import Actor, ActorKind, Channel, ConnectionOperation, Refusal
from tests import factories

pytestmark = pytest.mark.django_db


def find(client, text):
    return client.get(reverse("search"), {"q": text})


def page(client, text):
    response = find(client, text)
    assert response.status_code == 200
    return response.content.decode()


def hits(text):
    return text.count('class="hit"')


def test_the_box_is_on_every_page_and_keeps_what_was_typed(viewer):
    for address in ("/", reverse("activity"), reverse("settings"), "/no/such/page/"):
        assert 'id="search" name="q"' in viewer.get(address).content.decode()
    assert 'value="&quot;typed&quot;"' in page(viewer, '"typed"')


@pytest.mark.parametrize("text", ["contosohr", "ContosoHR", "  contosohr "])
def test_the_id_of_a_connection_leads_to_it(viewer, text):
    factories.make_connection("contosohr")
    factories.make_connection("contosohr2", name="contosohr")

    response = find(viewer, text)

    assert response.status_code == 302
    assert response["Location"] == reverse("connection", args=["contosohr"])


def test_the_id_of_an_operation_leads_to_it(viewer):
    operation = factories.report(factories.make_connection("contosohr"))
    own = factories.report(factories.make_connection("other"), graph_id="Nightly.1")

    for text, found in (
        (operation.graph_id, operation),
        (operation.graph_id.upper(), operation),
        ("Nightly.1", own),
    ):
        response = find(viewer, text)
        assert response.status_code == 302
        assert response["Location"] == reverse(
            "operation", args=[found.connection.graph_id, found.graph_id]
        )


def test_the_ids_of_others_tell_capital_from_small_letters(viewer):
    factories.report(factories.make_connection(), graph_id="Nightly.1")

    assert "Nothing was found" in page(viewer, "nightly.1x")
    assert find(viewer, "nightly.1").status_code == 200


def test_several_operations_with_one_id_are_listed(viewer):
    for name in ("first", "second"):
        factories.report(factories.make_connection(name), graph_id="nightly")

    text = page(viewer, "nightly")

    assert hits(text) == 2
    for name in ("first", "second"):
        assert reverse("operation", args=[name, "nightly"]) in text


def test_a_connection_and_an_operation_with_one_id_are_listed(viewer):
    factories.report(factories.make_connection("first"), graph_id="nightly")
    factories.make_connection("nightly")

    text = page(viewer, "nightly")

    assert reverse("operation", args=["first", "nightly"]) in text
    assert f'href="{reverse("connection", args=["nightly"])}"' in text


def test_a_request_id_leads_to_what_it_changed(viewer):
    request_id = str(uuid.uuid4())
    actor = Actor(ActorKind.OPERATOR, "anna", Channel.DASHBOARD, request_id=request_id)
    operation = factories.report(factories.make_connection("contosohr"), actor)

    text = page(viewer, request_id.upper())

    assert "Changes of this request" in text
    assert "Reported" in text and operation.graph_id in text
    assert f"/activity/?request={request_id.upper()}" in text


def test_a_request_id_leads_to_the_refusal_that_it_got(viewer):
    request_id = str(uuid.uuid4())
    Refusal.objects.create(
        request_id=request_id,
        client_request_id="their-own",
        method="GET",
        path="/v1.0/external/connections",
        status=403,
        code="Authorization_RequestDenied",
        message="Insufficient privileges.",
    )

    for text in (request_id, "their-own"):
        found = page(viewer, text)
        assert "Refusals of this request" in found
        assert "403 Authorization_RequestDenied" in found
        assert f"/applications/?why={request_id}" in found


def test_a_part_of_a_name_finds_by_kind(viewer):
    factories.make_connection("abc", name="Wiki of Contoso")
    factories.make_connection("contosohr", name="People")
    application = factories.make_application(name="Contoso crawler")
    operation = factories.report(
        factories.make_connection("third"),
        graph_id="contoso-nightly",
        status="failed",
        error={"code": "ContosoDown", "message": "The source is away."},
    )

    text = page(viewer, "contoso")

    assert hits(text) == 5
    for address in (
        reverse("connection", args=["abc"]),
        reverse("connection", args=["contosohr"]),
        reverse("operation", args=["third", "contoso-nightly"]),
        reverse("error", args=[operation.fingerprint]),
        f"/applications/{application.app_id}/",
    ):
        assert f'href="{address}"' in text


def test_a_client_id_finds_its_application(viewer):
    application = factories.make_application(name="Crawler")

    text = page(viewer, str(application.app_id).upper())

    assert hits(text) == 1
    assert f"/applications/{application.app_id}/" in text


def test_at_most_ten_of_a_kind_and_a_way_to_all(viewer):
    for number in range(12):
        connection = factories.make_connection(f"wiki{number:02}", name="x")
        factories.report(connection, graph_id=f"wiki-{number}")
        factories.make_application(name=f"wiki {number}")
        code = "wiki" + "abcdefghijkl"[number]
        factories.report(connection, status="failed", error={"code": code, "message": "x"})

    text = page(viewer, "wiki")

    assert hits(text) == 40
    assert 'href="/connections/?q=wiki"' in text
    assert 'href="/errors/?code=wiki"' in text
    assert "more of the id finds fewer" in text
    assert '<a href="/applications/">All of them</a>' in text


def test_nothing_found_gives_advice(viewer):
    text = page(viewer, "nowhere")

    assert "Nothing was found for" in text
    assert "Go to the activity" in text


def test_nothing_asked_says_what_can_be_asked(viewer):
    assert "What can be looked for" in page(viewer, "   ")
    assert viewer.get(reverse("search")).status_code == 200


@pytest.mark.parametrize(
    "text",
    [
        "\0",
        "a\0b",
        "<script>alert(1)</script>",
        "%",
        "_",
        "\\",
        "'; DROP TABLE x; --",
        "שלום",
        "\U0001f600",
        ".",
        "..",
        "/",
        "x" * 200,
        "9" * 40,
    ],
)
def test_no_text_breaks_it(viewer, text):
    factories.report(factories.make_connection("contosohr"))

    response = find(viewer, text)

    assert response.status_code == 200
    assert "<script>alert" not in response.content.decode()
    assert hits(response.content.decode()) == 0


def test_bytes_that_are_no_text_break_nothing(viewer):
    assert viewer.get("/search/?q=%ED%A0%80%FF%00").status_code == 200


def test_what_is_too_long_is_not_looked_for(viewer):
    text = page(viewer, "x" * 10_000)

    assert "That is too long to look for" in text
    assert f'value="{"x" * 200}"' in text


def test_names_from_outside_are_text(viewer):
    evil = "<script>alert(1)</script> wiki"
    factories.make_connection("abc", name=evil)
    factories.make_application(name=evil)
    factories.report(
        factories.make_connection("def"), status="failed", error={"message": evil, "code": "c"}
    )

    text = page(viewer, "wiki")

    assert hits(text) == 3
    assert "<script>alert" not in text


@pytest.mark.parametrize("rows", [1, 15])
def test_the_number_of_queries_does_not_grow(viewer, rows):
    for number in range(rows):
        connection = factories.make_connection(f"wiki{number:02}")
        factories.report(connection, graph_id=f"wiki-{number}", status="failed")
        factories.make_application(name=f"wiki {number}")
    ConnectionOperation.objects.first()

    with CaptureQueriesContext(database) as queries:
        page(viewer, "wiki")

    assert len(queries) == 12


def test_strangers_sign_in_first(client):
    response = find(client, "contosohr")

    assert response.status_code == 302
    assert response["Location"].startswith(reverse("sign-in"))


def test_the_beginning_of_an_id_is_found_by_the_index():
    for graph_id in ("run-1", "run-", "run-~z", "run-Z", "RUN-1", "ru", "run.1", "xrun-1"):
        factories.report(factories.make_connection(), graph_id=graph_id)

    rows = ConnectionOperation.objects.with_id_like("run-")

    assert {row.graph_id for row in rows} == {"run-1", "run-", "run-~z", "run-Z"}
    with database.cursor() as cursor:
        if database.vendor == "postgresql":
            cursor.execute("SET LOCAL enable_seqscan = off")  # so few rows need no index
    plan = rows.explain()
    assert "operation_by_graph_id" in plan
    assert "graph_id>? AND graph_id<?" in plan or "~>=~" in plan


# What is in a connection -------------------------------------------------------------------------


def ready(graph_id):
    connection = factories.make_connection(graph_id, name=f"Name of {graph_id}")
    factories.register_schema(connection)
    return connection


def test_the_id_of_an_item_leads_to_it(viewer):
    item = factories.put_item(ready("contosohr"), "hr/policy 1?&ä")

    response = find(viewer, "hr/policy 1?&ä")

    assert response.status_code == 302
    assert response["Location"] == reverse("item", args=["contosohr", item.pk])
    assert find(viewer, "hr/policy").status_code == 200  # exactly


def test_the_id_of_a_group_leads_to_it(viewer):
    group = factories.make_group(ready("contosohr"), "team:1")

    assert find(viewer, "team:1")["Location"] == reverse("group", args=["contosohr", group.pk])


def test_an_id_that_several_have_leads_to_all_of_them(viewer):
    first, second = ready("contosohr"), ready("other")
    items = [factories.put_item(each, "same") for each in (first, second)]
    group = factories.make_group(first, "same")
    factories.report(second, graph_id="same")

    text = page(viewer, "same")

    assert hits(text) == 4
    for item in items:
        assert reverse("item", args=[item.connection.graph_id, item.pk]) in text
    assert reverse("group", args=["contosohr", group.pk]) in text
    assert reverse("operation", args=["other", "same"]) in text
    assert "Name of other" in text
