"""What the admin only shows: history, errors, runs, refusals, workers, schemas, keys."""

from __future__ import annotations

import uuid

import pytest

from operations.models import (
    BulkRun,
    Change,
    ErrorGroup,
    Installation,
    OutcomeCount,
    Refusal,
    SigningKey,
    WorkerHeartbeat,
)
from tests.admin_pages import administrator, url
from tests.factories import make_connection, register_schema, report


@pytest.fixture
def anna(db):
    return administrator("anna")


def rows_of_everything() -> dict[str, object]:
    """One row of each kind that is only looked at; model -> key."""
    connection = make_connection("contosohr")
    register_schema(connection)
    report(connection, status="failed", error={"code": "Gone", "message": "Source is <b>gone</b>."})
    run = BulkRun.objects.create(
        action="retry", selection={"status": ["failed"]}, actor_name="ada", last_key=9, expected=4
    )
    refusal = Refusal.objects.create(
        request_id="the-request", method="GET", path="/v1.0/x", status=403, code="Forbidden"
    )
    worker = WorkerHeartbeat.objects.create(name="worker-1")
    SigningKey.objects.create(kid="key-1", private_pem="x")
    return {
        "schema": connection.schema_in_force.pk,
        "change": Change.objects.first().pk,
        "errorgroup": ErrorGroup.objects.get().pk,
        "outcomecount": OutcomeCount.objects.first().pk,
        "bulkrun": run.pk,
        "refusal": refusal.pk,
        "workerheartbeat": worker.pk,
        "installation": Installation.current().pk,
        "signingkey": "key-1",
    }


def test_records_are_only_looked_at(anna):
    for model, key in rows_of_everything().items():
        assert anna.get(url(model)).status_code == 200
        assert anna.get(url(model, "change", key)).status_code == 200
        assert anna.get(url(model, "add")).status_code == 403
        assert anna.get(url(model, "delete", key)).status_code == 403
        assert anna.post(url(model, "change", key), {"note": "x"}).status_code == 403


def test_a_signing_key_is_never_shown_nor_read(anna, django_assert_max_num_queries):
    key = SigningKey.objects.create(kid="key-1", private_pem="-----BEGIN PRIVATE KEY-----abc")
    for address in (url("signingkey"), url("signingkey", "change", key.pk)):
        with django_assert_max_num_queries(8) as queries:
            page = anna.get(address)
        assert not any("private_pem" in query["sql"] for query in queries)
        assert page.status_code == 200
        assert "key-1" in page.content.decode()
        assert "PRIVATE KEY" not in page.content.decode()


def test_a_schema_is_shown_as_it_was_registered(anna):
    connection = make_connection()
    register_schema(connection)
    text = anna.get(url("schema", "change", connection.schema_in_force.pk)).content.decode()
    assert '<pre class="json"' in text
    assert "\n  &quot;baseType&quot;: &quot;microsoft.graph.externalItem&quot;" in text


# History -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "query, shown",
    [
        ("?q=contosohr", ["contosohr"]),
        ("?q=request-7", ["wiki"]),
        ("?q=nothing", []),
        ("?channel__exact=command", ["contosohr"]),
        ("?action__exact=connection.created", ["contosohr"]),
    ],
)
def test_changes_are_found(anna, query, shown):
    make_connection("contosohr")
    Change.objects.bulk_create(
        [
            Change(
                action="connection.updated",
                channel="api",
                actor_kind="application",
                actor_name="HR",
                connection_graph_id="wiki",
                request_id="request-7",
            )
        ]
    )
    page = anna.get(url("change") + query)
    assert [row.connection_graph_id for row in page.context["cl"].result_list] == shown


def test_a_change_links_to_what_it_is_about(anna):
    connection = make_connection("contosohr")
    operation = report(connection, graph_id="run-1")
    change = Change.objects.get(operation_key=operation.pk)
    text = anna.get(url("change", "change", change.pk)).content.decode()
    assert f'href="{url("externalconnection", "change", connection.pk)}"' in text
    assert f'href="{url("connectionoperation", "change", operation.pk)}"' in text
    assert f'href="/activity/{change.pk}/"' in text
    assert "&quot;status&quot;: &quot;inprogress&quot;" in text


# Errors ------------------------------------------------------------------------------------------


def test_an_error_says_how_often_when_and_why(anna):
    connection = make_connection("contosohr")
    error = {"code": "SourceUnreachable", "message": "Source <b>10.0.0.7</b> did not answer."}
    failed = report(connection, graph_id="run-1", status="failed", error=error)
    report(connection, graph_id="run-2", status="failed", error={"message": "Other."})
    group = ErrorGroup.objects.get(code="SourceUnreachable")
    text = anna.get(url("errorgroup")).content.decode()
    assert "Source &lt;b&gt;{ip}&lt;/b&gt; did not answer." in text
    assert "The source cannot be reached" in text, "the cause that the catalogue knows"
    assert "just now" in text
    page = anna.get(url("errorgroup", "change", group.pk)).content.decode()
    assert f'href="/errors/{group.fingerprint}/"' in page
    address = f"{url('connectionoperation')}?fingerprint={group.fingerprint}"
    assert f'href="{address}"' in page
    assert [row.pk for row in anna.get(address).context["cl"].result_list] == [failed.pk]


def test_a_cause_that_a_person_chose_is_shown(anna):
    report(make_connection(), status="failed", error={"message": "Odd."})
    ErrorGroup.objects.update(cause="name-used-twice")
    text = anna.get(url("errorgroup")).content.decode()
    assert "A property name or alias is used twice" in text


def test_refusals_are_found_by_their_request(anna):
    for number in range(2):
        Refusal.objects.create(
            request_id=f"request-{number}",
            method="GET",
            path=f"/v1.0/external/{number}",
            status=403,
            code="Forbidden",
            app_id=uuid.uuid4(),
        )
    page = anna.get(url("refusal") + "?q=request-1")
    assert [row.path for row in page.context["cl"].result_list] == ["/v1.0/external/1"]
