"""The filtered list of changes as a file: CSV and JSON lines."""

import csv
import io
import json

import pytest
from django.urls import reverse

from operations.dashboard.pages import activity
from operations.models import Action, Actor, ActorKind, Change, Channel
from tests import factories

pytestmark = pytest.mark.django_db
ANNA = Actor(ActorKind.OPERATOR, "anna", Channel.DASHBOARD, request_id="aa-11")


def file(client, kind, query=""):
    response = client.get(reverse("export-activity", args=[kind]) + query)
    assert response.status_code == 200
    return response, response.getvalue().decode("utf-8-sig")


def test_csv_is_the_filtered_list_with_raw_words_and_labels(operator):
    connection = factories.make_connection("contosohr")
    operation = factories.report(connection, ANNA, graph_id="nightly-1")
    factories.report(connection, status="failed").acknowledge(ANNA, "=1+1")

    response, text = file(
        operator, "csv", "?action=operation.acknowledged&action=operation.reported"
    )

    rows = list(csv.DictReader(io.StringIO(text)))
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    assert [row["action"] for row in rows] == [
        "operation.acknowledged",
        "operation.reported",
        "operation.reported",
    ]
    assert rows[0]["note"] == "'=1+1"
    last = rows[-1]
    assert (last["number"], last["operationId"]) == (
        str(Change.objects.get(operation_key=operation.pk).pk),
        "nightly-1",
    )
    assert (last["actionLabel"], last["channel"], last["actorName"]) == (
        "Reported",
        "dashboard",
        "anna",
    )
    assert last["at"].endswith("Z")
    assert json.loads(last["after"]) == {"status": "inprogress", "error": None}


def test_json_lines_hold_the_documents_themselves(operator):
    application = factories.make_application(name="HR crawler")
    factories.make_connection("contosohr")

    _response, text = file(operator, "jsonl", "?connection=contosohr")

    [row] = [json.loads(line) for line in text.splitlines()]
    assert row["after"]["name"].startswith("Connection")
    assert row["before"] is None
    _response, text = file(operator, "jsonl", f"?application={application.app_id}")
    assert json.loads(text.splitlines()[0])["subject"] == str(application)


def test_a_file_has_all_rows_whatever_a_page_has(operator, monkeypatch):
    monkeypatch.setattr(activity, "CHUNK", 3)
    for _ in range(10):
        factories.make_connection()

    _response, text = file(operator, "jsonl", "?rows=25&before=5")

    keys = [json.loads(line)["number"] for line in text.splitlines()]
    assert keys == list(Change.objects.order_by("-id").values_list("pk", flat=True))


def test_other_forms_are_not_found(operator):
    response = operator.get(reverse("export-activity", args=["xlsx"]))

    assert response.status_code == 404
    assert "Lists can be had as csv and as jsonl." in response.content.decode()


def test_a_viewer_reads_and_does_not_export(viewer):
    Change.record(ANNA, Action.RUN_FINISHED)

    response = viewer.get(reverse("export-activity", args=["csv"]))

    assert response.status_code == 403
    assert "This needs the role operator." in response.content.decode()
    assert "activity/export" not in viewer.get(reverse("activity")).content.decode()


def test_the_list_links_to_the_file_of_its_filter(operator):
    Change.record(ANNA, Action.RUN_FINISHED)

    text = operator.get(reverse("activity") + "?by=operator&rows=25").content.decode()

    assert 'href="/activity/export.csv?by=operator"' in text
