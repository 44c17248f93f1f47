"""The official Python SDK, pointed at a server: unchanged but for its base URL."""

from __future__ import annotations

import json
import time
import urllib.parse
import urllib.request
from contextlib import asynccontextmanager

import pytest


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
async def sdk(serving, version: str = "v1.0", credential=None):
    from kiota_authentication_azure.azure_identity_authentication_provider import (
        AzureIdentityAuthenticationProvider,
    )
    from msgraph import GraphRequestAdapter, GraphServiceClient

    provider = AzureIdentityAuthenticationProvider(
        credential or ClientSecret(serving), scopes=["https://graph.microsoft.com/.default"]
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


async def is_ready(connection) -> None:
    """Comes back when the schema of a connection is in force."""
    import asyncio

    for _ in range(400):
        if (await connection.get()).state.value == "ready":
            return
        await asyncio.sleep(0.05)
    raise AssertionError("still not ready")
