"""azure-identity and msal, which take https alone: a token from our endpoint, a call with it."""

from __future__ import annotations

import asyncio
import gc
import json
import ssl
import urllib.request

import pytest

from tests.processes import own_database, serve

pytestmark = [
    pytest.mark.clients,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

SCOPE = "https://graph.microsoft.com/.default"


@pytest.fixture(autouse=True)
def _leave_no_connections():
    yield
    gc.collect()  # here, where the warnings about them are expected


@pytest.fixture(scope="module")
def serving(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sign-in")
    with own_database(folder) as environment, serve(environment, "--tls") as running:
        yield running


@pytest.fixture
def facts(serving) -> tuple[str, str, str]:
    return tuple(serving.printed(label) for label in ("Tenant id", "Client id", "Client secret"))


@pytest.fixture
def works(serving):
    """Whether the API accepts a token."""

    def get(token: str) -> bool:
        request = urllib.request.Request(
            f"{serving.address}/v1.0/external/connections",
            headers={"Authorization": f"Bearer {token}"},
        )
        context = ssl.create_default_context(cafile=serving.printed("CA file"))
        with urllib.request.urlopen(request, timeout=20, context=context) as response:
            return "value" in json.load(response)

    return get


@pytest.fixture(params=["option", "environment"])
def trust(request, serving, monkeypatch) -> str | bool:
    """Both ways to tell a client of requests what to trust: by its option, or by a variable."""
    authority = serving.printed("CA file")
    if request.param == "option":
        for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
            monkeypatch.delenv(name, raising=False)
        return authority
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", authority)
    return True


def credential(serving, facts, trust=True):
    from azure.identity import ClientSecretCredential

    return ClientSecretCredential(
        *facts,
        authority=serving.address,
        disable_instance_discovery=True,
        connection_verify=trust,
    )


def test_azure_identity(serving, facts, trust, works):
    with credential(serving, facts, trust) as signing_in:
        token = signing_in.get_token(SCOPE)
        assert works(token.token)
        assert signing_in.get_token(SCOPE).token == token.token  # from its cache


def test_azure_identity_with_a_wrong_secret(serving, facts, trust):
    from azure.core.exceptions import ClientAuthenticationError

    tenant, client_id, _ = facts
    with (
        credential(serving, (tenant, client_id, "wrong"), trust) as signing_in,
        pytest.raises(ClientAuthenticationError) as caught,
    ):
        signing_in.get_token(SCOPE)
    assert "AADSTS7000215: Invalid client secret provided." in caught.value.message


def test_azure_identity_with_an_unknown_client(serving, facts, trust):
    from azure.core.exceptions import ClientAuthenticationError

    tenant, _, secret = facts
    nobody = "d310d35d-72ec-47dd-92f2-fb9c40936555"
    with (
        credential(serving, (tenant, nobody, secret), trust) as signing_in,
        pytest.raises(ClientAuthenticationError, match="AADSTS700016.*was not found"),
    ):
        signing_in.get_token(SCOPE)


def msal_application(facts, trust, secret: str | None = None, **authority):
    import msal

    _, client_id, own = facts
    return msal.ConfidentialClientApplication(
        client_id, client_credential=secret or own, verify=trust, **authority
    )


def test_msal(serving, facts, trust, works):
    application = msal_application(
        facts, trust, authority=f"{serving.address}/{facts[0]}", instance_discovery=False
    )
    answer = application.acquire_token_for_client(scopes=[SCOPE])
    assert (answer["token_type"], answer["token_source"]) == ("Bearer", "identity_provider")
    assert works(answer["access_token"])
    again = application.acquire_token_for_client(scopes=[SCOPE])
    assert (again["access_token"], again["token_source"]) == (answer["access_token"], "cache")


def test_msal_with_openid_metadata(serving, facts, trust, works):
    """This way it compares the ``issuer`` of the metadata with the address that it asked."""
    application = msal_application(
        facts, trust, oidc_authority=f"{serving.address}/{facts[0]}/v2.0"
    )
    answer = application.acquire_token_for_client(scopes=[SCOPE])
    assert works(answer["access_token"])


def test_msal_with_a_wrong_secret(serving, facts, trust):
    application = msal_application(
        facts,
        trust,
        "wrong",
        authority=f"{serving.address}/{facts[0]}",
        instance_discovery=False,
    )
    answer = application.acquire_token_for_client(scopes=[SCOPE])
    assert (answer["error"], answer["error_codes"]) == ("invalid_client", [7000215])
    assert answer["error_description"].startswith("AADSTS7000215: Invalid client secret provided.")


def test_a_tenant_that_is_not_ours(serving, facts, trust):
    with pytest.raises(ValueError, match="AADSTS90002|tenant|authority"):
        msal_application(
            facts, trust, authority=f"{serving.address}/contoso", instance_discovery=False
        ).acquire_token_for_client(scopes=[SCOPE])


def test_the_graph_sdk_with_azure_identity(serving, facts, monkeypatch):
    """Nothing of ours between: the recipe of docs/clients.md."""
    from kiota_authentication_azure.azure_identity_authentication_provider import (
        AzureIdentityAuthenticationProvider,
    )
    from msgraph import GraphRequestAdapter, GraphServiceClient
    from msgraph.generated.models.external_connectors.external_connection import ExternalConnection

    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
        monkeypatch.setenv(name, serving.printed("CA file"))

    async def run():
        provider = AzureIdentityAuthenticationProvider(credential(serving, facts), scopes=[SCOPE])
        adapter = GraphRequestAdapter(provider)
        adapter.base_url = f"{serving.address}/v1.0"
        connections = GraphServiceClient(request_adapter=adapter).external.connections
        created = await connections.post(ExternalConnection(id="identity", name="Contoso"))
        assert created.state.value == "draft"
        found = await connections.by_external_connection_id("identity").get()
        assert found.name == "Contoso"

    asyncio.run(run())
