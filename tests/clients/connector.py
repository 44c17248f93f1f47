"""A connector, written as those that are published for Microsoft Graph: only the host is ours.

    python connector.py CONNECTION FOLDER STATE

It makes the connection and its schema where they are missing, and puts every Markdown file of
FOLDER as an item. STATE keeps the time of the last change, so that the next run puts what changed
since and deletes what is gone. At the end it prints what it has done, as JSON.

BASE, VERSION, TOKEN_URL, CLIENT_ID and CLIENT_SECRET say where. SCHEMA_METHOD is PATCH, or POST as
in older programs. DELAY is how many seconds it waits before it asks again; 60 is usual.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
from azure.core.credentials import AccessToken
from kiota_abstractions.api_error import APIError
from kiota_abstractions.method import Method
from kiota_abstractions.request_information import RequestInformation
from kiota_authentication_azure.azure_identity_authentication_provider import (
    AzureIdentityAuthenticationProvider,
)
from kiota_http.kiota_client_factory import KiotaClientFactory
from kiota_http.middleware.middleware import BaseMiddleware
from msgraph import GraphRequestAdapter, GraphServiceClient
from msgraph.generated.models.external_connectors.access_type import AccessType
from msgraph.generated.models.external_connectors.acl import Acl
from msgraph.generated.models.external_connectors.acl_type import AclType
from msgraph.generated.models.external_connectors.activity_settings import ActivitySettings
from msgraph.generated.models.external_connectors.display_template import DisplayTemplate
from msgraph.generated.models.external_connectors.external_connection import ExternalConnection
from msgraph.generated.models.external_connectors.external_item import ExternalItem
from msgraph.generated.models.external_connectors.external_item_content import ExternalItemContent
from msgraph.generated.models.external_connectors.external_item_content_type import (
    ExternalItemContentType,
)
from msgraph.generated.models.external_connectors.item_id_resolver import ItemIdResolver
from msgraph.generated.models.external_connectors.label import Label
from msgraph.generated.models.external_connectors.properties import Properties
from msgraph.generated.models.external_connectors.property_ import Property_
from msgraph.generated.models.external_connectors.property_type import PropertyType
from msgraph.generated.models.external_connectors.schema import Schema
from msgraph.generated.models.external_connectors.search_settings import SearchSettings
from msgraph.generated.models.external_connectors.url_match_info import UrlMatchInfo
from msgraph.generated.models.o_data_errors.o_data_error import ODataError
from msgraph_core import GraphClientFactory

DELAY = float(os.environ.get("DELAY", 60))
SITE = "https://docs.contoso.com"
ITEM_ID_RESOLVER = "#microsoft.graph.externalConnectors.itemIdResolver"
CARD = {
    "type": "AdaptiveCard",
    "version": "1.3",
    "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
    "body": [
        {
            "type": "TextBlock",
            "text": "[${title}](${url})",
            "weight": "Bolder",
            "size": "Medium",
            "maxLines": 3,
            "color": "Accent",
        },
        {"type": "TextBlock", "text": "${description}", "maxLines": 3, "wrap": True},
        {
            "type": "Container",
            "spacing": "None",
            "$when": "${tags != ''}",
            "items": [{"type": "TextBlock", "text": "${tags}", "isSubtle": True}],
        },
    ],
}


@dataclass
class Done:
    """What a run has done."""

    made_connection: bool = False
    made_schema: bool = False
    operation: str | None = None
    #: The status of the operation, each time it was asked.
    statuses: list[str] = field(default_factory=list)
    consents_waited_for: int = 0
    throttled: int = 0
    put: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)


done = Done()


# The client --------------------------------------------------------------------------------------


class ClientCredential:
    """Keeps its token until an answer says that it is no good."""

    def __init__(self) -> None:
        self.token: AccessToken | None = None

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        if self.token is None or self.token.expires_on < time.time() + 60:
            form = {
                "grant_type": "client_credentials",
                "client_id": os.environ["CLIENT_ID"],
                "client_secret": os.environ["CLIENT_SECRET"],
                "scope": scopes[0],
            }
            answer = httpx.post(os.environ["TOKEN_URL"], data=form).raise_for_status().json()
            expires_on = int(time.time()) + answer["expires_in"]
            self.token = AccessToken(answer["access_token"], expires_on)
        return self.token


class CompleteJobWithDelay(BaseMiddleware):
    """Answers a request that starts a long job with the end of that job."""

    async def send(
        self, request: httpx.Request, transport: httpx.AsyncBaseTransport
    ) -> httpx.Response:
        response = await super().send(request, transport)
        done.throttled += response.status_code == 429
        location = response.headers.get("Location", "")
        if "/operations/" not in location:
            return response
        while True:
            await asyncio.sleep(DELAY)
            headers = {**request.headers, "content-length": "0"}  # token, host and all
            poll = httpx.Request("GET", location, headers=headers)
            response = await super().send(poll, transport)
            assert not response.headers.get("Location"), "it would be followed once more"
            await response.aread()
            operation = response.json()
            done.operation = operation["id"]
            done.statuses.append(operation["status"])
            if operation["status"] != "inprogress":
                return response


credential = ClientCredential()


def make_client() -> GraphServiceClient:
    middleware = [*KiotaClientFactory.get_default_middleware(None), CompleteJobWithDelay()]
    http_client = GraphClientFactory.create_with_custom_middleware(middleware)
    provider = AzureIdentityAuthenticationProvider(
        credential, scopes=["https://graph.microsoft.com/.default"]
    )
    adapter = GraphRequestAdapter(provider, client=http_client)
    adapter.base_url = f"{os.environ['BASE']}/{os.environ.get('VERSION', 'v1.0')}"
    return GraphServiceClient(request_adapter=adapter)


# The connection and its schema -------------------------------------------------------------------


def connection(name: str) -> ExternalConnection:
    resolver = ItemIdResolver(
        odata_type=ITEM_ID_RESOLVER,
        priority=1,
        item_id="{path}",
        url_match_info=UrlMatchInfo(base_urls=[SITE], url_pattern="/(?<path>.+)"),
    )
    card = DisplayTemplate(id="docs", priority=1, additional_data={"layout": CARD})
    return ExternalConnection(
        id=name,
        name="Contoso documents",
        description="The documents of Contoso: guides and release notes, by tag.",
        activity_settings=ActivitySettings(url_to_item_resolvers=[resolver]),
        search_settings=SearchSettings(search_result_templates=[card]),
    )


def schema() -> Schema:
    def text(name: str, *labels: Label, **attributes: bool) -> Property_:
        found = list(labels) or None
        kind = PropertyType.String
        return Property_(name=name, type=kind, is_retrievable=True, labels=found, **attributes)

    return Schema(
        base_type="microsoft.graph.externalItem",
        properties=[
            text("title", Label.Title, is_searchable=True, is_queryable=True),
            text("description", is_searchable=True),
            text("url", Label.Url),
            text("iconUrl", Label.IconUrl),
            Property_(
                name="tags",
                type=PropertyType.StringCollection,
                is_queryable=True,
                is_retrievable=True,
                is_refinable=True,
            ),
            Property_(
                name="lastModified",
                type=PropertyType.DateTime,
                is_queryable=True,
                is_retrievable=True,
                is_refinable=True,
                labels=[Label.LastModifiedDateTime],
            ),
        ],
    )


async def is_there(get: Any) -> bool:
    """Whether something can be read. Waits for as long as nobody has allowed it."""
    while True:
        try:
            await get()
            return True
        except APIError as error:
            if error.response_status_code == 404:
                return False
            if error.response_status_code not in (401, 403):
                raise
            print("Waiting for consent", file=sys.stderr, flush=True)
            done.consents_waited_for += 1
            credential.token = None
            await asyncio.sleep(DELAY)


async def ensure_connection(client: GraphServiceClient, name: str) -> None:
    one = client.external.connections.by_external_connection_id(name)
    if not await is_there(one.get):
        await client.external.connections.post(connection(name))
        done.made_connection = True


async def ensure_schema(client: GraphServiceClient, name: str) -> None:
    one = client.external.connections.by_external_connection_id(name).schema
    if await is_there(one.get):
        return
    if os.environ.get("SCHEMA_METHOD", "PATCH") == "POST":  # which the client does not have
        call = RequestInformation(Method.POST, one.url_template, one.path_parameters)
        call.set_content_from_parsable(client.request_adapter, "application/json", schema())
        ended = await client.request_adapter.send_async(call, Schema, {"XXX": ODataError})
    else:
        ended = await one.patch(schema())
    operation = ended.additional_data  # it is no schema: see CompleteJobWithDelay
    if operation["status"] != "completed":
        raise SystemExit(f"The schema was not registered: {operation['error']['message']}")
    done.made_schema = True


# The items ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Document:
    """A Markdown file: a few lines of "name: value" between dashes, and its text."""

    id: str
    values: dict[str, str]
    text: str

    @classmethod
    def read(cls, file: Path, folder: Path) -> Document:
        _, head, text = file.read_text().split("---\n", 2)
        values = dict(re.findall(r"^(\w+): (.*)$", head, re.MULTILINE))
        return cls(str(file.relative_to(folder)), values, text)

    @property
    def changed(self) -> datetime:
        return datetime.fromisoformat(self.values["lastModified"])

    def as_item(self) -> ExternalItem:
        bag = {
            "title": self.values["title"],
            "description": self.values["description"],
            "url": f"{SITE}/{self.id}",
            "iconUrl": f"{SITE}/icon.png",
            "tags@odata.type": "Collection(String)",
            "tags": [tag for tag in self.values["tags"].split(", ") if tag],
            "lastModified": self.values["lastModified"],  # in whatever spelling of ISO 8601
        }
        everyone = Acl(access_type=AccessType.Grant, type=AclType.Everyone, value="everyone")
        return ExternalItem(
            id=self.id,
            acl=[everyone],
            properties=Properties(additional_data=bag),
            content=ExternalItemContent(type=ExternalItemContentType.Text, value=self.text),
        )


async def ingest(client: GraphServiceClient, name: str, folder: Path, state: Path) -> None:
    kept = json.loads(state.read_text()) if state.exists() else {"since": None, "ids": []}
    since = kept["since"] and datetime.fromisoformat(kept["since"])
    documents = [Document.read(file, folder) for file in sorted(folder.rglob("*.md"))]
    items = client.external.connections.by_external_connection_id(name).items
    for document in documents:
        if since is None or document.changed > since:
            await items.by_external_item_id(document.id).put(document.as_item())
            done.put.append(document.id)
    for gone in sorted(set(kept["ids"]) - {document.id for document in documents}):
        await items.by_external_item_id(gone).delete()
        done.deleted.append(gone)
    last = max(document.changed for document in documents)
    ids = [document.id for document in documents]
    state.write_text(json.dumps({"since": last.isoformat(), "ids": ids}))


async def main(name: str, folder: str, state: str) -> None:
    client = make_client()
    await ensure_connection(client, name)
    await ensure_schema(client, name)
    await ingest(client, name, Path(folder), Path(state))
    repeated = [each for each, times in Counter(done.put + done.deleted).items() if times > 1]
    assert not repeated, repeated
    print(json.dumps(asdict(done)))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
