"""Many rows by one statement: what is inserted, and what is named by its keys."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.db import connection as database
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from operations.models import Action, Actor, Change, ConnectionOperation, OutcomeCount
from operations.models.inserting import insert_many
from operations.models.many import OneOf
from operations.models.prepared import Prepared
from tests import factories

pytestmark = pytest.mark.django_db
NOW = timezone.now()


def changes(number: int) -> list[Change]:
    actor = Actor.worker("w", "asked %s")
    return [
        Change.of(actor, Action.OPERATION_STARTED, before={"n": n} if n % 2 else None, after={})
        for n in range(number)
    ]


def test_they_are_as_bulk_create_makes_them_and_in_their_order():
    together, each = changes(5), changes(5)
    insert_many(together)
    Change.objects.bulk_create(each)

    stored = list(Change.objects.order_by("id"))
    assert [change.before for change in stored] == 2 * [None, {"n": 1}, None, {"n": 3}, None]
    for inserted, made in zip(stored[:5], stored[5:], strict=True):
        for field in Change._meta.concrete_fields:
            if field.attname not in ("id", "at"):
                assert getattr(inserted, field.attname) == getattr(made, field.attname)
    assert [change.at for change in stored[:5]] == [change.at for change in together]
    assert Change.objects.filter(before__isnull=True).count() == 6  # no JSON null


@pytest.mark.parametrize("number", [0, 1, 67, 1000])
def test_no_statement_has_more_values_than_the_database_takes(number):
    with CaptureQueriesContext(database) as asked:
        insert_many(changes(number))
    assert Change.objects.count() == number
    most = database.features.max_query_params
    places = len(Change._meta.concrete_fields) - 1
    assert most is None or len(asked) == -(-number // (most // places))


def test_one_that_breaks_a_rule_takes_back_all():
    operation = factories.report(factories.make_connection())
    connection = operation.connection
    rows = [
        ConnectionOperation(connection=connection, graph_id=graph_id)
        for graph_id in ("new", operation.graph_id)
    ]
    with pytest.raises(IntegrityError), transaction.atomic():
        insert_many(rows)
    assert list(connection.operations.all()) == [operation]


@pytest.mark.parametrize("number", [0, 1, 2, 5000])
def test_any_number_of_keys_is_one_value(number):
    operations = [factories.report(factories.make_connection()) for _ in range(3)]
    keys = [each.pk for each in operations]
    named = Prepared(lambda: ConnectionOperation.objects.filter(OneOf("id", "keys")).order_by("id"))
    asked = [*keys[1:], *range(10**12, 10**12 + 5000)][:number]
    assert named.rows(keys=asked) == operations[1 : 1 + number]


def test_ends_are_counted_by_one_statement(django_assert_num_queries):
    first, second = (factories.make_connection().pk for _ in range(2))
    yesterday = NOW - timedelta(days=1)
    with django_assert_num_queries(2):
        OutcomeCount.objects.add_each([(first, NOW, ""), (second, NOW, "a")])
        OutcomeCount.objects.add_each([(first, yesterday, ""), (second, NOW, "a")])
    counts = OutcomeCount.objects.order_by("connection", "day")
    assert list(counts.values_list("connection", "day", "fingerprint", "count")) == [
        (first, yesterday.date(), "", 1),
        (first, NOW.date(), "", 1),
        (second, NOW.date(), "a", 2),
    ]
