"""Rows that are inserted by statements composed once: as save() makes them, or not at all."""

from __future__ import annotations

import uuid
from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from django.db import IntegrityError, models, transaction
from django.db import connection as database
from django.utils.safestring import SafeString

from operations.models import Action, Change, ConnectionOperation, OperationStatus
from operations.models.inserting import Following, _Column, insert
from operations.models.sealed import SealedTextField
from tests import factories

pytestmark = pytest.mark.django_db
ONCE = ("connection", "graph_id")


def test_an_inserted_row_is_the_one_that_save_makes():
    connection = factories.make_connection()
    values = {
        "connection": connection,
        "status": OperationStatus.FAILED,
        "error_details": [{"code": "A"}],
        "finished_at": connection.created_at,
    }
    inserted = ConnectionOperation(graph_id="inserted", **values)
    insert(inserted)
    saved = ConnectionOperation(graph_id="saved", **values)
    saved.save()

    assert not inserted._state.adding and inserted.pk
    one, other = (ConnectionOperation.objects.get(pk=each.pk) for each in (inserted, saved))
    own = {"id", "graph_id", "created_at", "changed_at", "run_after"}
    for field in one._meta.concrete_fields:
        if field.attname not in own:
            assert getattr(one, field.attname) == getattr(other, field.attname), field.attname
    assert one.changed_at == inserted.changed_at


def test_a_row_that_breaks_a_rule_is_not_inserted():
    operation = factories.report(factories.make_connection())
    again = ConnectionOperation(connection=operation.connection, graph_id=operation.graph_id)
    with pytest.raises(IntegrityError), transaction.atomic():
        insert(again)
    assert ConnectionOperation.objects.count() == 1


def test_a_change_is_still_append_only():
    Change.record(factories.COMMAND, Action.OPERATION_REPORTED)
    change = Change.objects.get()
    for write in (change.save, change.delete, Change.objects.all().delete):
        with pytest.raises(TypeError):
            write()


def test_what_is_there_already_is_left_as_it_is_and_the_transaction_goes_on():
    operation = factories.report(factories.make_connection(), status="completed")
    again = ConnectionOperation(connection=operation.connection, graph_id=operation.graph_id)
    assert insert(again, unless=ONCE) is False
    assert again.pk is None
    assert [each.status for each in ConnectionOperation.objects.all()] == [operation.status]


def test_only_what_is_named_may_be_there_already():
    connection = factories.make_connection()
    broken = ConnectionOperation(connection=connection, status=OperationStatus.FAILED)
    with pytest.raises(IntegrityError), transaction.atomic():
        insert(broken, unless=ONCE)  # a failure without a finished time
    assert not ConnectionOperation.objects.exists()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (models.CharField(), "ä"),
        (models.CharField(), Action.OPERATION_FAILED),
        (models.TextField(), SafeString("a")),
        (models.SmallIntegerField(), 7),
        (models.SmallIntegerField(), OperationStatus.FAILED),
        (models.BigIntegerField(), 7),
        (models.IntegerField(), True),
        (models.IntegerField(), "7"),
        (models.FloatField(), 1.5),
        (models.BooleanField(), True),
        (models.UUIDField(), uuid.UUID(int=7)),
        (models.UUIDField(), str(uuid.UUID(int=7))),
        (models.DateTimeField(), datetime(2026, 1, 2, 3, 4, 5, 6, UTC)),
        (models.DateTimeField(), datetime(2026, 1, 2, 3, tzinfo=timezone(timedelta(hours=5)))),
        (models.DateField(), date(2026, 1, 2)),
        (models.DateField(), datetime(2026, 1, 2, 3, 4, tzinfo=UTC)),
    ],
)
def test_a_value_is_given_to_the_database_as_django_gives_it(field, value):
    field.set_attributes_from_name("column")
    given = _Column(field).prepared(value, database)
    expected = field.get_db_prep_save(value, database)
    if isinstance(expected, models.Choices):
        expected = expected.value
    assert (type(given), given) == (type(expected), expected)


def test_a_field_with_a_way_of_its_own_is_asked():
    field = SealedTextField()
    field.set_attributes_from_name("column")
    assert "secret" not in _Column(field).prepared("secret", database)


def test_a_row_that_follows_has_the_key_of_the_one_before():
    connection = factories.make_connection()
    operation = ConnectionOperation(connection=connection, graph_id="first")
    about = Change.values(
        factories.COMMAND,
        Action.OPERATION_REPORTED,
        operation=operation,
        before={"a": ["ä", None, 1.5]},
        note="it's 100 %",
    )
    following = Following(Change, about, refers="operation_key")

    assert insert(operation, unless=ONCE, following=following) is True

    change = Change.objects.get(operation_key=operation.pk)
    assert ConnectionOperation.objects.get().pk == operation.pk
    for name, value in about.items():
        assert getattr(change, name) == (operation.pk if name == "operation_key" else value)

    again = ConnectionOperation(connection=connection, graph_id="first")
    assert insert(again, unless=ONCE, following=following) is False
    assert Change.objects.filter(action=Action.OPERATION_REPORTED).count() == 1
