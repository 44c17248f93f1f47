"""A filtered list of operations as a file: CSV and JSON lines."""

import csv
import io
import json

import pytest
from django.urls import reverse

from operations import operation_export
from operations.models import Actor, ActorKind, Channel, ConnectionOperation
from tests import factories

pytestmark = pytest.mark.django_db


def file(client, kind, query=""):
    response = client.get(reverse("export-operations", args=[kind]) + query)
    assert response.status_code == 200
    return response.getvalue().decode("utf-8-sig")


def test_csv_has_graphs_words_labels_and_times_in_utc(operator):
    connection = factories.make_connection("contosohr", name="=cmd|' /C calc'!A0")
    service = Actor(ActorKind.APPLICATION, "svc", Channel.API, request_id="req-9")
    operation = factories.report(
        connection, service, graph_id="crawl-1", status="failed",
        error={"code": "Quota", "message": "Used up.", "target": "t"},
    )  # fmt: skip
    operation.acknowledge(factories.COMMAND, "known")
    factories.report(connection, status="completed")

    [row] = csv.DictReader(io.StringIO(file(operator, "csv", "?status=failed")))

    assert list(row) == list(operation_export.COLUMNS)
    assert row["connectionName"] == "'=cmd|' /C calc'!A0"
    assert (row["connectionId"], row["id"], row["kind"]) == ("contosohr", "crawl-1", "reported")
    assert (row["status"], row["statusLabel"]) == ("failed", "Failed")
    assert (row["errorCode"], row["errorMessage"], row["errorTarget"]) == ("Quota", "Used up.", "t")
    assert row["requested"] == operation.created_at.isoformat(timespec="milliseconds").replace(
        "+00:00", "Z"
    )
    assert float(row["durationSeconds"]) < 1
    assert (row["triage"], row["triageLabel"], row["triageNote"]) == (
        "acknowledged",
        "Acknowledged",
        "known",
    )
    assert (row["requestedBy"], row["requestId"]) == ("svc", "req-9")


def test_json_lines_have_null_where_there_is_nothing(operator):
    factories.report(factories.make_connection("contosohr"), status="unspecified")

    [line] = file(operator, "jsonl").splitlines()

    row = json.loads(line)
    assert (row["connectionId"], row["status"], row["errorCode"]) == (
        "contosohr",
        "unspecified",
        None,
    )
    assert (row["started"], row["durationSeconds"], row["triage"]) == (None, None, None)


def test_a_file_holds_what_the_list_shows_over_all_its_pages(operator, monkeypatch):
    monkeypatch.setattr(operation_export, "BATCH", 2)
    connection = factories.make_connection()
    operations = [factories.report(connection, status="completed") for _ in range(5)]
    factories.report(connection)

    lines = file(operator, "jsonl", "?status=completed").splitlines()

    assert [json.loads(line)["id"] for line in lines] == [
        operation.graph_id for operation in reversed(operations)
    ]


def test_the_default_span_is_that_of_the_list(operator):
    operation = factories.report(factories.make_connection())
    ConnectionOperation.objects.filter(pk=operation.pk).update(created_at="2020-01-01T00:00Z")

    assert file(operator, "jsonl") == ""
    assert operation.graph_id in file(operator, "jsonl", "?range=all")


def test_there_are_two_kinds_of_file(operator):
    response = operator.get(reverse("export-operations", args=["xlsx"]))

    assert response.status_code == 404
    assert "A list is exported as csv or jsonl." in response.content.decode()


def test_a_viewer_is_told_which_role_exports(viewer):
    response = viewer.get(reverse("export-operations", args=["csv"]))

    assert response.status_code == 403
    assert "This needs the role operator." in response.content.decode()
