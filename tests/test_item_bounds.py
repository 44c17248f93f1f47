"""What many large items cost at once has a bound: in a batch, as they are kept, as they go."""

from __future__ import annotations

import json

import pytest

from operations import provisioning
from operations.api import batch
from operations.models import ExternalConnection, contents
from tests.factories import a_property, a_schema
from tests.graph import assert_refused
from tests.item_bodies import item
from tests.ready import ITEMS, make_ready, put, ready, tallied


@pytest.fixture
def graph(db):
    return ready()


def test_a_batch_stops_when_its_answer_is_full(graph, monkeypatch):
    put(graph, f"{ITEMS}/a", item(content={"type": "text", "value": "x" * 2000}))
    monkeypatch.setattr(batch, "MOST_ANSWERED", 3000)
    address = ITEMS.removeprefix("/v1.0")
    reads = [{"id": str(n), "method": "GET", "url": f"{address}/a"} for n in range(3)]
    delete = {"id": "last", "method": "DELETE", "url": f"{address}/a"}
    answer = graph.post("/v1.0/$batch", {"requests": [*reads, delete]})
    found = json.loads(answer.content)["responses"]
    assert [part["status"] for part in found] == [200, 200, 413, 413]
    error = found[-1]["body"]["error"]
    assert error["code"] == error["innerError"]["code"] == "ResponseTooLarge"
    assert "This one was not carried out: send it in another batch." in error["message"]
    assert graph.get(f"{ITEMS}/a").status_code == 200


def test_what_grows_as_it_is_kept_has_the_same_limit(db, settings):
    """``1e15`` is kept as 1000000000000000.0."""
    settings.MAX_ITEM_BYTES = 2000
    graph = ready()
    schema = a_schema(a_property("many", type="doubleCollection"))
    ExternalConnection.objects.get().delete()
    make_ready(owner=graph.application, document=schema)
    numbers = f'"many@odata.type": "Collection(Double)", "many": [{", ".join(["1e15"] * 250)}]'
    body = f'{{"acl": [], "properties": {{{numbers}}}}}'
    assert len(body) < 2000
    error = assert_refused(graph.put(f"{ITEMS}/a", body), 413, "RequestEntityTooLarge")
    assert error["message"] == "The item is larger than the maximum of 2000 bytes."
    assert tallied() == 0


def test_few_large_items_are_left_for_the_worker(graph, monkeypatch):
    """A request that deletes a connection does not wait for bytes that no row count tells of."""
    put(graph, f"{ITEMS}/a", item(content={"type": "text", "value": "x" * 2000}))
    monkeypatch.setattr(contents, "BYTES", 1000)
    connection = ExternalConnection.objects.get()
    assert graph.delete("/v1.0/connections/contosohr").status_code == 202
    assert tallied(connection) == 1
    while provisioning.purge_step("worker", connection.pk):
        pass
    assert not ExternalConnection.objects.exists() and tallied() == 0
