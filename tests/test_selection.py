"""OperationSelection: what a filter means, and that it comes back from JSON as it was."""

import json
import uuid
from datetime import timedelta

import pytest
from django.utils import timezone

from operations.models import ConnectionOperation, OperationStatus, Triage
from operations.selection import OperationSelection
from tests import factories

pytestmark = pytest.mark.django_db


def meant(**given):
    selection = OperationSelection(**given)
    again = OperationSelection.from_json(json.loads(json.dumps(selection.to_json())))
    assert again == selection
    return list(again.rows(timezone.now()).order_by("pk"))


def set_columns(operation, **values):
    ConnectionOperation.objects.filter(pk=operation.pk).update(**values)


@pytest.fixture
def connection(db):
    return factories.make_connection("contosohr")


def test_nothing_given_is_everything(connection):
    operations = [factories.report(connection), factories.report(factories.make_connection())]

    assert meant() == operations
    assert OperationSelection().to_json() == {}


def test_no_key_is_no_row(connection):
    """A selection of no rows must never come back from JSON as one of all."""
    factories.report(connection)

    assert meant(keys=()) == []


def test_conditions_hold_together(connection):
    factories.report(connection, status="completed")
    failed = factories.report(connection, status="failed")
    factories.report(factories.make_connection(), status="failed")
    acknowledged = factories.report(connection, status="failed")
    acknowledged.acknowledge(factories.COMMAND)

    assert meant(
        statuses=(OperationStatus.FAILED, OperationStatus.COMPLETED),
        triages=(Triage.OPEN,),
        connections=("ContosoHR", "elsewhere"),
    ) == [failed]
    assert meant(keys=(failed.pk, acknowledged.pk), triages=(Triage.ACKNOWLEDGED,)) == [
        acknowledged
    ]


def test_text_and_code_of_the_error(connection):
    message = factories.report(
        connection, status="failed", error={"code": "Quota", "message": "The Source is away 100%."}
    )
    target = factories.report(connection, status="failed", error={"target": "sources/1"})
    factories.report(connection, status="failed")

    assert meant(text="source") == [message, target]
    assert meant(text="100%") == [message]
    assert meant(text="%") == [message]
    assert meant(code="quota") == [message]
    assert meant(code="quot") == []


def test_who_asked_and_when(connection):
    application = factories.make_application()
    now = timezone.now()
    old, new = factories.report(connection), factories.report(connection)
    set_columns(old, created_at=now - timedelta(days=3), requested_app_id=application.app_id)

    assert meant(application=application.app_id) == [old]
    assert meant(application=uuid.uuid4()) == []
    assert meant(since=now - timedelta(days=1)) == [new]
    assert meant(since=now - timedelta(days=4), until=now - timedelta(days=1)) == [old]


def test_how_long_it_took_or_has_taken(connection):
    now = timezone.now()
    hour = timedelta(hours=1)
    slow, quick, running, unsaid, waiting = (
        factories.report(connection, status=status)
        for status in ("completed", "completed", "inprogress", "unspecified", "inprogress")
    )
    set_columns(slow, created_at=now - 9 * hour, started_at=now - 4 * hour, finished_at=now)
    set_columns(quick, created_at=now - 9 * hour, started_at=now - hour, finished_at=now)
    set_columns(running, created_at=now - 9 * hour, started_at=now - 4 * hour)
    set_columns(unsaid, created_at=now - 9 * hour)
    set_columns(waiting, created_at=now - 4 * hour, started_at=None)

    assert meant(longer_than=2 * 3600) == [slow, running, waiting]


def test_stuck_and_the_error_it_belongs_to(connection):
    stuck = factories.make_stuck(factories.report(connection))
    failed = factories.report(connection, status="failed", error={"message": "Away."})

    assert meant(stuck=True) == [stuck]
    assert meant(fingerprint=failed.fingerprint) == [failed]


@pytest.mark.parametrize(
    "document", [{"status": ["failed"]}, {"statuses": ["broken"]}, {"since": "soon"}]
)
def test_what_is_no_selection_is_refused(document):
    """A run whose filter cannot be read must not take it for "everything"."""
    with pytest.raises((KeyError, ValueError)):
        OperationSelection.from_json(document)
