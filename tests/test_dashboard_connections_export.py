"""The filtered list of connections as a file: CSV and JSON lines."""

import csv
import io
import json

import pytest
from django.urls import reverse
from django.utils import timezone

from operations.dashboard.pages import connections
from operations.models import ConnectionState, ExternalConnection
from tests import factories

pytestmark = pytest.mark.django_db


def file(client, kind, query=""):
    response = client.get(reverse("export-connections", args=[kind]) + query)
    assert response.status_code == 200
    return response, response.getvalue().decode("utf-8-sig")


def test_csv_has_graphs_words_and_labels(operator):
    owner = factories.make_application(name="HR app")
    connection = factories.make_connection(
        "contosohr", name="=cmd|' /C calc'!A0", owner=owner, state=ConnectionState.LIMIT_EXCEEDED
    )
    failed = factories.report(connection, status="failed", error={"message": "No room."})

    response, text = file(operator, "csv")

    (row,) = csv.DictReader(io.StringIO(text))
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    assert "connections-" in response["Content-Disposition"]
    assert row["id"] == "contosohr"
    assert row["name"].startswith("'=cmd")
    assert (row["state"], row["stateLabel"]) == ("limitExceeded", "Limit exceeded")
    assert (row["health"], row["healthLabel"]) == ("attention", "Needs attention")
    assert (row["lastOperationId"], row["lastOperationStatus"]) == (failed.graph_id, "failed")
    assert row["lastOperationError"] == "No room."
    assert (row["ownerAppId"], row["ownerName"]) == (str(owner.app_id), "HR app")
    assert row["createdDateTime"].endswith("Z")


def test_json_lines_have_the_same_members(operator):
    factories.make_connection("contosohr", name="Contoso")

    _response, text = file(operator, "jsonl")

    row = json.loads(text)
    assert tuple(row) == connections.COLUMNS
    assert (row["id"], row["lastOperationId"], row["ownerName"]) == ("contosohr", None, None)


def test_the_file_is_the_filtered_list_in_its_order_and_all_of_it(operator, monkeypatch):
    monkeypatch.setattr(connections, "BATCH", 2)
    for number in range(5):
        factories.make_connection(f"draft{number}", name=f"Name {number % 2}")
    factories.make_connection("ready", state=ConnectionState.READY)

    _response, text = file(operator, "jsonl", "?state=draft&sort=-name&rows=25&show=owner")

    found = [json.loads(line)["id"] for line in text.splitlines()]
    assert sorted(found) == [f"draft{number}" for number in range(5)]
    assert {name[-1] for name in found[:2]} == {"1", "3"}


def test_what_is_being_deleted_says_so(operator):
    connection = factories.make_connection("contosohr", state=ConnectionState.READY)
    ExternalConnection.objects.filter(pk=connection.pk).update(deleting_since=timezone.now())

    row = json.loads(file(operator, "jsonl")[1])

    assert (row["state"], row["stateLabel"], row["health"]) == ("ready", "Deleting", "deleting")
    assert row["deletingSinceDateTime"]


def test_a_viewer_gets_no_file(viewer):
    response = viewer.get(reverse("export-connections", args=["csv"]))

    assert response.status_code == 403
    assert "operator" in response.content.decode()


def test_other_kinds_are_not_found(operator):
    response = operator.get(reverse("export-connections", args=["xlsx"]))

    assert response.status_code == 404
    assert "csv and as jsonl" in response.content.decode()
