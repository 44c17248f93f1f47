"""The official Python SDK, unchanged but for its base URL, through the life of a connection.

It runs against ``serve`` as a process and gets its token from our token endpoint.
"""

from __future__ import annotations

import asyncio
import gc
import re

import pytest

from tests.clients.sdk import ClientSecret, refused, sdk
from tests.processes import own_database, serve

pytestmark = [
    pytest.mark.clients,
    # the SDK imports its own deprecated classes, and has no way to close its connections
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


@pytest.fixture(autouse=True)
def _leave_no_connections():
    yield
    gc.collect()  # here, where the warnings about them are expected


@pytest.fixture(scope="module")
def serving(tmp_path_factory):
    with own_database(tmp_path_factory.mktemp("sdk")) as environment, serve(environment) as running:
        yield running


@pytest.mark.parametrize("version", ["v1.0", "beta", "v1.0/"])
@pytest.mark.parametrize("way", ["external", "connections"])
def test_whole_life(serving, version, way):
    async def run():
        async with sdk(serving, version) as client:
            name = re.sub(r"[^a-z0-9]", "x", f"sdk{way}{version}")
            collection = client.external.connections if way == "external" else client.connections
            await whole_life(collection, name)

    asyncio.run(run())


async def whole_life(collection, name: str):
    from kiota_abstractions.base_request_configuration import RequestConfiguration
    from kiota_http.middleware.options import HeadersInspectionHandlerOption
    from msgraph.generated.models.external_connectors.connection_operation import (
        ConnectionOperation,
    )
    from msgraph.generated.models.external_connectors.connection_operation_status import (
        ConnectionOperationStatus as Status,
    )
    from msgraph.generated.models.external_connectors.external_connection import ExternalConnection
    from msgraph.generated.models.external_connectors.label import Label
    from msgraph.generated.models.external_connectors.property_ import Property_
    from msgraph.generated.models.external_connectors.property_type import PropertyType
    from msgraph.generated.models.external_connectors.schema import Schema
    from msgraph.generated.models.public_error import PublicError
    from msgraph.generated.models.public_error_detail import PublicErrorDetail
    from msgraph.generated.models.public_inner_error import PublicInnerError

    created = await collection.post(ExternalConnection(id=name, name="Contoso HR", description="d"))
    assert (created.id, created.name, created.state.value) == (name, "Contoso HR", "draft")
    assert (await refused(collection.post(ExternalConnection(id=name, name="x")), 409)).code
    one = collection.by_external_connection_id(name)

    await refused(one.schema.get(), 404)
    headers = HeadersInspectionHandlerOption(inspect_response_headers=True)
    await one.schema.patch(
        Schema(
            base_type="microsoft.graph.externalItem",
            properties=[
                Property_(
                    name="title",
                    type=PropertyType.String,
                    is_searchable=True,
                    is_retrievable=True,
                    labels=[Label.Title],
                )
            ],
        ),
        request_configuration=RequestConfiguration(options=[headers]),
    )
    location = headers.response_headers.try_get("location").pop()
    assert f"/external/connections/{name}/operations/" in location

    poll = one.operations.by_connection_operation_id("any").with_url(location)
    operation = await poll.get()
    for _ in range(200):
        if operation.status != Status.Inprogress:
            break
        await asyncio.sleep(0.05)
        operation = await poll.get()
    assert operation.status == Status.Completed and operation.error is None
    assert (await one.get()).state.value == "ready"
    assert (await one.schema.get()).properties[0].labels == [Label.Title]

    reported = await one.operations.post(
        ConnectionOperation(id="1.weu-b.A1", status=Status.Inprogress)
    )
    assert (reported.id, reported.status) == ("1.weu-b.A1", Status.Inprogress)
    listed = await one.operations.get()
    assert [row.id for row in listed.value] == ["1.weu-b.A1", operation.id]

    by_id = one.operations.by_connection_operation_id("1.weu-b.A1")
    error = PublicError(
        code="SourceUnreachable",
        message="The source did not answer.",
        target="host",
        details=[PublicErrorDetail(code="Timeout", message="No answer.", target="host")],
        inner_error=PublicInnerError(code="1000", additional_data={"attempts": 3}),
    )
    failed = await by_id.patch(ConnectionOperation(status=Status.Failed, error=error))
    assert failed.status == Status.Failed
    read = await by_id.get()
    assert (read.error.code, read.error.message) == (error.code, error.message)
    assert read.error.details[0].code == "Timeout"
    assert read.error.inner_error.additional_data["attempts"] == 3
    again = await by_id.patch(read)  # what was read is sent back whole
    assert again.status == Status.Failed
    refusal = await refused(by_id.patch(ConnectionOperation(status=Status.Completed)), 409)
    assert "failed" in refusal.message

    await by_id.delete()
    await refused(by_id.get(), 404)
    whole = await one.get()
    whole.name = "Contoso people"
    await one.patch(whole)
    assert (await one.get()).name == "Contoso people"
    await one.delete()
    await refused(one.get(), 404)


def test_pages_are_followed_to_the_end(serving):
    async def run():
        async with sdk(serving) as client:
            await pages(client)

    asyncio.run(run())


async def pages(client):
    from kiota_abstractions.base_request_configuration import RequestConfiguration
    from msgraph.generated.external.connections.item.operations.operations_request_builder import (
        OperationsRequestBuilder,
    )
    from msgraph.generated.models.external_connectors.connection_operation import (
        ConnectionOperation,
    )
    from msgraph.generated.models.external_connectors.external_connection import ExternalConnection
    from msgraph_core.tasks.page_iterator import PageIterator

    collection = client.external.connections
    await collection.post(ExternalConnection(id="sdkpages", name="x"))
    one = collection.by_external_connection_id("sdkpages")
    for number in range(7):
        await one.operations.post(ConnectionOperation(id=f"op{number}"))
    parameters = OperationsRequestBuilder.OperationsRequestBuilderGetQueryParameters(
        top=3, count=True, select=["id"]
    )
    first = await one.operations.get(
        request_configuration=RequestConfiguration(query_parameters=parameters)
    )
    assert first.odata_count == 7 and len(first.value) == 3
    seen = []
    iterator = PageIterator(first, client.request_adapter)

    def note(row) -> bool:
        seen.append(row["id"] if isinstance(row, dict) else row.id)
        return True

    await iterator.iterate(note)
    assert seen == [f"op{number}" for number in reversed(range(7))]


def test_errors(serving):
    async def run():
        async with sdk(serving) as client:
            await errors(client)

    asyncio.run(run())


async def errors(client):
    from msgraph.generated.models.external_connectors.connection_operation import (
        ConnectionOperation,
    )
    from msgraph.generated.models.external_connectors.external_connection import ExternalConnection
    from msgraph.generated.models.external_connectors.schema import Schema

    collection = client.external.connections
    bad = await refused(collection.post(ExternalConnection(id="a-b", name="x")), 400)
    assert (bad.code, bad.target) == ("InvalidRequest", "id")
    assert bad.inner_error.additional_data["code"] == "InvalidIdentifier"
    assert bad.inner_error.client_request_id == bad.inner_error.request_id
    both = await refused(collection.post(ExternalConnection(id="a-b")), 400)
    assert {detail.target for detail in both.details} == {"id", "name"}

    await collection.post(ExternalConnection(id="sdkerrors", name="x"))
    one = collection.by_external_connection_id("sdkerrors")
    assert (await refused(one.schema.patch(Schema()), 400)).details
    nowhere = collection.by_external_connection_id("nowhere")
    gone = await refused(nowhere.get(), 404)
    assert gone.code == "ItemNotFound"
    assert gone.inner_error.additional_data["source"] == "Connection"
    taken = ConnectionOperation(id="taken")
    await one.operations.post(taken)
    assert (await refused(one.operations.post(taken), 409)).code == "Conflict"


def test_an_id_that_must_be_escaped_in_a_path(serving):
    """``TSP 2/8`` is sent as ``TSP%202%2F8``: one segment, and an operation that nobody has."""
    from msgraph.generated.models.external_connectors.external_connection import ExternalConnection

    async def run():
        async with sdk(serving) as client:
            collection = client.external.connections
            await collection.post(ExternalConnection(id="sdkescapes", name="x"))
            operations = collection.by_external_connection_id("sdkescapes").operations
            strange = operations.by_connection_operation_id("TSP 2/8")
            assert (await refused(strange.get(), 404)).code == "ItemNotFound"

    asyncio.run(run())


def test_a_wrong_token(serving):
    class Nonsense(ClientSecret):
        def get_token(self, *scopes, **kwargs):
            return super().get_token(*scopes, **kwargs)._replace(token="nonsense")

    async def run():
        async with sdk(serving, credential=Nonsense(serving)) as client:
            error = await refused(client.connections.get(), 401)
            assert error.code == "InvalidAuthenticationToken"

    asyncio.run(run())


def test_what_is_not_served_is_refused_in_words(serving):
    """The SDK has calls for it. What is served one day leaves this test."""
    from msgraph.generated.search.query.query_post_request_body import QueryPostRequestBody

    async def run():
        async with sdk(serving) as client:
            search = client.search.query.post(QueryPostRequestBody(requests=[]))
            assert "not served here yet" in (await refused(search, 404)).message

    asyncio.run(run())


def test_a_batch(serving):
    async def run():
        async with sdk(serving) as client:
            await batch(client)

    asyncio.run(run())


async def batch(client):
    """The SDK sends whole addresses or short ones, and calls the dependencies ``depends_on``."""
    from msgraph.generated.models.external_connectors.connection_operation import (
        ConnectionOperation,
    )
    from msgraph.generated.models.external_connectors.external_connection import ExternalConnection
    from msgraph_core.requests.batch_request_content import BatchRequestContent
    from msgraph_core.requests.batch_request_item import BatchRequestItem

    collection = client.external.connections
    one = collection.by_external_connection_id("sdkbatch")
    operation = one.operations.by_connection_operation_id("op")
    nowhere = collection.by_external_connection_id("nowhere")
    content = BatchRequestContent()
    for identifier, information, depends_on in (
        (
            "create",
            collection.to_post_request_information(ExternalConnection(id="sdkbatch", name="x")),
            [],
        ),
        (
            "report",
            one.operations.to_post_request_information(ConnectionOperation(id="op")),
            ["create"],
        ),
        ("read", operation.to_get_request_information(), ["report"]),
        ("missing", nowhere.to_get_request_information(), []),
        ("after missing", one.to_get_request_information(), ["missing"]),
    ):
        if identifier == "read":  # a whole address, as one that was sent before has
            information.path_parameters["baseurl"] = client.request_adapter.base_url
        content.add_request(identifier, BatchRequestItem(information, identifier, depends_on))
    answer = await client.batch.post(content)
    statuses = {name: part.status for name, part in answer.responses.items()}
    assert statuses == {
        "create": 201,
        "report": 201,
        "read": 200,
        "missing": 404,
        "after missing": 424,
    }
    for part in answer.responses.values():
        assert part.content_type.startswith("application/json")
    assert (await operation.get()).id == "op"


def test_query_options(serving):
    async def run():
        async with sdk(serving) as client:
            await query_options(client)

    asyncio.run(run())


async def query_options(client):
    from kiota_abstractions.base_request_configuration import RequestConfiguration
    from msgraph.generated.external.connections.connections_request_builder import (
        ConnectionsRequestBuilder,
    )
    from msgraph.generated.external.connections.item.external_connection_item_request_builder import (  # noqa: E501
        ExternalConnectionItemRequestBuilder,
    )
    from msgraph.generated.external.connections.item.operations.operations_request_builder import (
        OperationsRequestBuilder,
    )
    from msgraph.generated.models.external_connectors.connection_operation import (
        ConnectionOperation,
    )
    from msgraph.generated.models.external_connectors.connection_operation_status import (
        ConnectionOperationStatus as Status,
    )
    from msgraph.generated.models.external_connectors.external_connection import ExternalConnection

    def asking(builder, parameters, **options):
        query = getattr(builder, parameters)(**options)
        return RequestConfiguration(query_parameters=query)

    collection = client.external.connections
    for letter in "abc":
        await collection.post(ExternalConnection(id=f"sdkquery{letter}", name=f"O'Neil {letter}"))
    page = await collection.get(
        request_configuration=asking(
            ConnectionsRequestBuilder,
            "ConnectionsRequestBuilderGetQueryParameters",
            filter="startswith(name,'O''Neil') and state eq 'draft'",
            orderby=["name desc", "id"],
            select=["id", "name"],
            top=2,
            count=True,
        )
    )
    assert page.odata_count == 3
    assert [(row.id, row.name) for row in page.value] == [
        ("sdkqueryc", "O'Neil c"),
        ("sdkqueryb", "O'Neil b"),
    ]
    assert page.value[0].state is None  # not selected
    rest = await collection.with_url(page.odata_next_link).get()
    assert [row.id for row in rest.value] == ["sdkquerya"] and rest.odata_next_link is None

    one = collection.by_external_connection_id("sdkquerya")
    for status in (Status.Completed, Status.Inprogress, Status.Failed):
        await one.operations.post(ConnectionOperation(id=status.value, status=status))
    found = await one.operations.get(
        request_configuration=asking(
            OperationsRequestBuilder,
            "OperationsRequestBuilderGetQueryParameters",
            filter="status in ('failed','completed')",
            orderby=["status"],
        )
    )
    assert [row.id for row in found.value] == ["completed", "failed"]
    whole = await one.get(
        request_configuration=asking(
            ExternalConnectionItemRequestBuilder,
            "ExternalConnectionItemRequestBuilderGetQueryParameters",
            expand=["operations"],
        )
    )
    assert [row.id for row in whole.operations] == ["failed", "inprogress", "completed"]
    searching = one.operations.get(
        request_configuration=asking(
            OperationsRequestBuilder, "OperationsRequestBuilderGetQueryParameters", search="hr"
        )
    )
    assert "$search" in (await refused(searching, 400)).message


def test_preferences_and_conditions(serving):
    """Headers that the SDK lets a program add to any call."""
    from kiota_abstractions.base_request_configuration import RequestConfiguration
    from kiota_abstractions.headers_collection import HeadersCollection
    from kiota_http.middleware.options import HeadersInspectionHandlerOption
    from msgraph.generated.models.external_connectors.external_connection import ExternalConnection

    def sending(name, value):
        headers = HeadersCollection()
        headers.add(name, value)
        return RequestConfiguration(headers=headers)

    async def run():
        async with sdk(serving) as client:
            collection = client.external.connections
            await collection.post(ExternalConnection(id="sdkprefers", name="x"))
            one = collection.by_external_connection_id("sdkprefers")
            changed = await one.patch(
                ExternalConnection(name="y"),
                request_configuration=sending("Prefer", "return=representation"),
            )
            assert (changed.id, changed.name) == ("sdkprefers", "y")
            seen = HeadersInspectionHandlerOption(inspect_response_headers=True)
            await one.get(request_configuration=RequestConfiguration(options=[seen]))
            (etag,) = seen.response_headers.try_get("etag")
            stale = one.patch(
                ExternalConnection(name="z"),
                request_configuration=sending("If-Match", 'W/"stale"'),
            )
            await refused(stale, 412)
            await one.delete(request_configuration=sending("If-Match", etag))
            await refused(one.get(), 404)

    asyncio.run(run())
