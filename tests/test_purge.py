"""What is below a connection goes a little at a time, in an order that leaves nothing behind."""

from __future__ import annotations

import itertools

import pytest

from operations import ingestion, provisioning
from operations.errors import ItemNotFound
from operations.management.commands.run_operations import Worker
from operations.models import (
    Change,
    ExternalActivity,
    ExternalConnection,
    ExternalGroup,
    ExternalItem,
    GroupMember,
    ItemTally,
    contents,
)
from operations.models.container import Container
from operations.models.item_tally import EVERYTHING
from tests.factories import (
    COMMAND,
    EVERYONE,
    WORKER,
    make_activity,
    make_application,
    make_connection,
    make_group,
    put_item,
    register_schema,
    report,
)
from tests.graph import ITEMS_WRITE_ALL, GraphClient, assert_refused

ITEM = {"acl": [EVERYONE], "properties": {"title": "Handbook"}}


@pytest.fixture
def connection(application, settings):
    """One with some of everything below it, and too large to be purged in the request."""
    settings.PURGE_IN_REQUEST = 0
    connection = make_connection("contosohr", owner=application)
    register_schema(connection)
    report(connection)
    items = [put_item(connection, f"i{number}") for number in range(5)]
    for _ in range(3):
        make_activity(items[2])
    make_group(connection, "g", "a", "b", "c")
    make_group(connection, "empty")
    return connection


@pytest.fixture
def bystander():
    other = make_connection("bystander")
    register_schema(other)
    make_activity(put_item(other, "mine"))
    make_group(other, "g", "a")
    return other


def steps(connection) -> list[int]:
    """How many items there were after each step of its purge."""
    left = []
    while provisioning.purge_step(WORKER, connection.pk):
        left.append(ItemTally.objects.items(connection.pk))
        assert left[-1] == connection.items.count()
        assert len(left) < 50
    return left


def test_in_steps_that_the_count_follows_to_its_end(connection, bystander, monkeypatch):
    monkeypatch.setattr(contents, "ROWS", 2)
    monkeypatch.setattr(contents, "TIME", 0)
    provisioning.request_deletion(connection, COMMAND)
    connection.refresh_from_db()
    assert connection.deleting_items == 5
    left = steps(connection)
    assert left == sorted(left, reverse=True) and {5, 3, 1, 0} <= set(left)
    for model in (ExternalConnection, ExternalItem, ExternalActivity, GroupMember):
        assert model.objects.count() == 1, model
    assert not ItemTally.objects.filter(connection_key=connection.pk).exists()
    assert ItemTally.objects.items(EVERYTHING) == ItemTally.objects.items(bystander.pk) == 1


def test_as_much_as_time_allows_in_one_step(connection):
    provisioning.request_deletion(connection, COMMAND)
    assert provisioning.purge_step(WORKER, connection.pk)
    assert not ExternalConnection.objects.exists()
    assert not ItemTally.objects.exclude(connection_key=EVERYTHING).exists()


def test_what_is_small_goes_in_the_request(graph, connection, bystander, settings):
    settings.PURGE_IN_REQUEST = 1000
    assert graph.delete("/v1.0/connections/contosohr").status_code == 202
    assert list(ExternalConnection.objects.all()) == [bystander]
    assert ItemTally.objects.items() == 1


@pytest.mark.parametrize("most, gone", [(15, True), (14, False)])
def test_all_that_is_below_decides_what_is_small(graph, connection, settings, most, gone):
    """Not the operations alone."""
    settings.PURGE_IN_REQUEST = most
    graph.delete("/v1.0/connections/contosohr")
    assert ExternalConnection.objects.exists() is not gone


def test_few_large_items_are_as_much_as_many_small_ones(connection, monkeypatch):
    monkeypatch.setattr(contents, "TIME", 0)
    size = connection.items.first().size
    monkeypatch.setattr(contents, "BYTES", 2 * size)
    provisioning.request_deletion(connection, COMMAND)
    left = steps(connection)
    assert [number for number, _ in itertools.groupby(left)] == [5, 3, 1, 0]
    assert not ExternalConnection.objects.exists()


def test_one_that_is_larger_than_a_batch_goes_alone(connection, monkeypatch):
    monkeypatch.setattr(contents, "TIME", 0)
    monkeypatch.setattr(contents, "BYTES", 1)
    provisioning.request_deletion(connection, COMMAND)
    left = steps(connection)
    assert [number for number, _ in itertools.groupby(left)] == [5, 4, 3, 2, 1, 0]


def test_nothing_is_written_into_what_is_being_deleted(connection):
    before = Container.of(connection)
    provisioning.request_deletion(connection, COMMAND)
    address = "/v1.0/connections/contosohr/items/i0"
    writer = GraphClient(make_application(ITEMS_WRITE_ALL))
    assert_refused(writer.put(address, ITEM), 404, "ItemNotFound")
    for write in (
        lambda: ingestion.put(before, "i0", ITEM, COMMAND),
        lambda: ingestion.create(before, "new", ITEM, COMMAND),
        lambda: ingestion.update(before, "i0", {}, COMMAND),
        lambda: ingestion.delete(before, "i0", COMMAND),
    ):
        with pytest.raises(ItemNotFound) as refusal:
            write()
        assert str(refusal.value) == "'Connection' was not found."
    assert ItemTally.objects.items(connection.pk) == 5


def test_the_id_is_free_at_the_end_and_not_before(graph, connection):
    graph.delete("/v1.0/connections/contosohr")
    body = {"id": "contosohr", "name": "again"}
    error = assert_refused(graph.post("/v1.0/connections", body), 409, "Conflict")
    assert error["innerError"]["code"] == "ConnectionBeingDeleted"
    steps(connection)
    assert graph.post("/v1.0/connections", body).status_code == 201
    new = ExternalConnection.objects.get()
    assert new.pk != connection.pk and ItemTally.objects.items(new.pk) == 0


def test_the_request_says_how_many_items_there_were(connection):
    provisioning.request_deletion(connection, COMMAND)
    change = Change.objects.get(action="connection.deletionRequested")
    assert change.before["items"] == 5


def test_a_worker_purges_between_its_other_work(connection, settings):
    provisioning.request_deletion(connection, COMMAND)
    Worker().run(once=True)
    assert not ExternalConnection.objects.exists()
    assert not ExternalGroup.objects.exists()
