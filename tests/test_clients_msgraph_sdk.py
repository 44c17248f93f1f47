"""The official Python SDK, unchanged but for its base URL, through the life of a connection.

It runs against ``serve`` as a process and gets its token from our token endpoint.
"""

from __future__ import annotations

import asyncio
import gc
import json
import re
import time
import urllib.parse
import urllib.request
from contextlib import asynccontextmanager

import pytest

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


class ClientSecret:
    """What azure-identity does, over the plain http that it refuses on a test machine."""

    def __init__(self, serving):
        self.url = serving.printed("Token address")
        self.form = {
            "grant_type": "client_credentials",
            "client_id": serving.printed("Client id"),
            "client_secret": serving.printed("Client secret"),
        }

    def get_token(self, *scopes, **kwargs):
        from azure.core.credentials import AccessToken

        data = urllib.parse.urlencode(self.form | {"scope": scopes[0]}).encode()
        with urllib.request.urlopen(self.url, data, timeout=20) as response:
            answer = json.load(response)
        return AccessToken(answer["access_token"], int(time.time()) + answer["expires_in"])


@asynccontextmanager
async def sdk(serving, version: str = "v1.0"):
    from kiota_authentication_azure.azure_identity_authentication_provider import (
        AzureIdentityAuthenticationProvider,
    )
    from msgraph import GraphRequestAdapter, GraphServiceClient

    provider = AzureIdentityAuthenticationProvider(
        ClientSecret(serving), scopes=["https://graph.microsoft.com/.default"]
    )
    adapter = GraphRequestAdapter(provider)
    adapter.base_url = f"{serving.address}/{version}"
    yield GraphServiceClient(request_adapter=adapter)


async def refused(call, status: int):
    """The ODataError of a call that must be refused."""
    from msgraph.generated.models.o_data_errors.o_data_error import ODataError

    with pytest.raises(ODataError) as caught:
        await call
    error = caught.value
    assert error.response_status_code == status
    assert error.error.code and error.error.message
    assert error.error.inner_error.request_id and error.error.inner_error.date
    return error.error


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
