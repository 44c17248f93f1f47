"""Programs that talk to one connection, ready to be pasted: curl, Python, PowerShell.

The address, the tenant and the connection are filled in; the client's id and secret are for the
reader to fill in. A registration sends the schema that is in force back, so that it can be edited:
Graph refuses one that leaves a property out. The item that is put has some of its properties.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import indent
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext_lazy as _

from operations.item_rules.values import KINDS, TYPE

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

Json = dict[str, Any]

CLIENT_ID = "00000000-0000-0000-0000-000000000000"
CLIENT_SECRET = "the-secret-of-the-client"
#: Properties of the item that is put, at most.
SHOWN = 5
#: A value of each type that is no collection.
VALUES = {
    "string": "An example",
    "int64": 1,
    "double": 1.5,
    "dateTime": "2024-05-31T08:30:00Z",
    "boolean": True,
    "principal": {"upn": "ada@contoso.com"},
}
ADDRESS = "https://contoso.com/tickets/1"


def example_properties(properties: Sequence[Json]) -> Json:
    """What an item may hold under a schema with these properties."""
    bag: Json = {}
    for prop in properties[:SHOWN]:
        name, kind = prop["name"], KINDS[prop["type"]]
        value = VALUES[prop["type"].removesuffix("Collection")]
        if not {"url", "iconUrl"}.isdisjoint(prop.get("labels") or ()):
            value = ADDRESS
        if kind.is_collection:
            bag[f"{name}{TYPE}"] = kind.edm
            value = [value]
        bag[name] = value
    return bag


def _in_python(bag: Json) -> str:
    """As it stands in an argument of the program."""
    text = json.dumps(bag, indent=4).replace(": true", ": True").replace("    true", "    True")
    return indent(text, " " * 8).lstrip()


@dataclass(frozen=True)
class Step:
    """A piece of a program, which needs the pieces before it."""

    id: str
    title: StrOrPromise
    code: str


@dataclass(frozen=True)
class Language:
    """A language, what it needs to be installed, and the steps."""

    id: str
    name: str
    needs: StrOrPromise
    steps: tuple[Step, ...]
    schema_of_its_own: str  # in place of what {schema} stands for, while there is none in force
    schema_sent_back: str

    def filled_in(
        self,
        *,
        base_url: str,
        tenant: str,
        connection: str,
        has_schema: bool,
        properties: Sequence[Json] = (),
    ) -> Language:
        """With the values of a connection. Only names that we make up stand in braces alone.

        ``properties`` are those of the schema in force, for the item that is put.
        """
        bag = example_properties(properties or OWN_PROPERTIES)
        values = {
            "{schema}": self.schema_sent_back if has_schema else self.schema_of_its_own,
            "{item}": json.dumps({"acl": [EVERYONE], "properties": bag, "content": TEXT}, indent=2),
            "{bag}": _in_python(bag),
            "{base}": base_url,
            "{tenant}": tenant,
            "{connection}": connection,
            "{client}": CLIENT_ID,
            "{secret}": CLIENT_SECRET,
        }
        steps = []
        for step in self.steps:
            code = step.code
            for name, value in values.items():
                code = code.replace(name, value)
            steps.append(Step(step.id, step.title, code.strip("\n")))
        return Language(self.id, self.name, self.needs, tuple(steps), "", "")

    @property
    def program(self) -> str:
        return "\n\n".join(step.code for step in self.steps)


#: What is in a schema of a program's own, and the members of an item besides its properties.
OWN_PROPERTIES = ({"name": "title", "type": "string"},)
EVERYONE = {"accessType": "grant", "type": "everyone", "value": "everyone"}
TEXT = {"type": "text", "value": "Its text."}

TOKEN = _("Get a token")
GET = _("Get the connection")
REGISTER = _("Register a schema and follow it to its end")
PUT = _("Put an item")
REPORT = _("Report an operation of your own")
LIST = _("List the failed operations")

CURL = Language(
    "curl",
    "curl",
    _("A POSIX shell and curl."),
    (
        Step(
            "token",
            TOKEN,
            r"""
BASE={base}
CLIENT_ID={client}
CLIENT_SECRET={secret}

ANSWER=$(curl -sS $BASE/{tenant}/oauth2/v2.0/token \
    -d grant_type=client_credentials -d client_id=$CLIENT_ID \
    --data-urlencode client_secret=$CLIENT_SECRET -d scope=https://graph.microsoft.com/.default)
TOKEN=$(printf '%s' "$ANSWER" | sed -n 's/.*"access_token": *"\([^"]*\)".*/\1/p')
[ -n "$TOKEN" ] || printf 'No token: %s\n' "$ANSWER"
CONNECTION=$BASE/v1.0/external/connections/{connection}
auth() {
    curl -sS -w '\n' -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' "$@"
}
""",
        ),
        Step("get", GET, "auth $CONNECTION"),
        Step(
            "register",
            REGISTER,
            r"""
{schema}
# 202, and a Location to ask until it says completed or failed
LOCATION=$(auth -i -X PATCH $CONNECTION/schema -d @schema.json \
    | tee -a /dev/stderr | tr -d '\r' | sed -n 's/^[Ll]ocation: //p')
[ -n "$LOCATION" ] && while auth $LOCATION | tee -a /dev/stderr | grep -q inprogress; do
    sleep 1
done
""",
        ),
        Step(
            "put",
            PUT,
            r"""
# created, or replaced with all that it holds; an id is percent-encoded: this one is "ticket 1"
ITEM=$CONNECTION/items/ticket%201
auth -X PUT $ITEM -d @- <<'JSON'
{item}
JSON
auth $ITEM
# delete it: auth -X DELETE $ITEM
""",
        ),
        Step(
            "report",
            REPORT,
            r"""
OPERATION=crawl-$(date +%s)
auth $CONNECTION/operations -d '{"id": "'$OPERATION'", "status": "inprogress"}'
auth -X PATCH $CONNECTION/operations/$OPERATION -d '{"status": "completed"}'
# a failure: -d '{"status": "failed", "error": {"code": "…", "message": "…"}}'
""",
        ),
        Step(
            "list",
            LIST,
            r"""
auth -G $CONNECTION/operations --data-urlencode "\$filter=status eq 'failed'" -d "\$top=5"
""",
        ),
    ),
    """cat > schema.json <<'JSON'
{
  "baseType": "microsoft.graph.externalItem",
  "properties": [
    {"name": "title", "type": "string", "isSearchable": true, "isRetrievable": true,
     "labels": ["title"]},
    {"name": "url", "type": "string", "isRetrievable": true, "labels": ["url"]}
  ]
}
JSON""",
    """# the schema in force, to be edited: every property has to be sent again
auth -H 'Prefer: include-unknown-enum-members' $CONNECTION/schema > schema.json""",
)

PYTHON = Language(
    "python",
    "Python",
    _("pip install msgraph-sdk httpx. Over http it works with localhost only."),
    (
        Step(
            "program",
            _("The whole program"),
            """
import asyncio
import time

import httpx
from azure.core.credentials import AccessToken
from kiota_abstractions.base_request_configuration import RequestConfiguration
from kiota_authentication_azure.azure_identity_authentication_provider import (
    AzureIdentityAuthenticationProvider,
)
from kiota_http.middleware.options import HeadersInspectionHandlerOption
from msgraph import GraphRequestAdapter, GraphServiceClient
from msgraph.generated.external.connections.item.operations.operations_request_builder import (
    OperationsRequestBuilder,
)
from msgraph.generated.models.external_connectors.access_type import AccessType
from msgraph.generated.models.external_connectors.acl import Acl
from msgraph.generated.models.external_connectors.acl_type import AclType
from msgraph.generated.models.external_connectors.connection_operation import ConnectionOperation
from msgraph.generated.models.external_connectors.connection_operation_status import (
    ConnectionOperationStatus,
)
from msgraph.generated.models.external_connectors.external_item import ExternalItem
from msgraph.generated.models.external_connectors.external_item_content import ExternalItemContent
from msgraph.generated.models.external_connectors.external_item_content_type import (
    ExternalItemContentType,
)
from msgraph.generated.models.external_connectors.properties import Properties
from msgraph.generated.models.external_connectors.property_ import Property_
from msgraph.generated.models.external_connectors.property_type import PropertyType
from msgraph.generated.models.external_connectors.schema import Schema

BASE = "{base}"
CLIENT_ID = "{client}"
CLIENT_SECRET = "{secret}"


class ClientSecret:  # azure-identity does the same, but for https addresses only
    def get_token(self, *scopes, **options):
        form = {
            "grant_type": "client_credentials",
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
            "scope": scopes[0],
        }
        answer = httpx.post(f"{BASE}/{tenant}/oauth2/v2.0/token", data=form).json()
        if "access_token" not in answer:
            raise SystemExit(answer["error_description"])
        return AccessToken(answer["access_token"], int(time.time()) + answer["expires_in"])


async def main():
    adapter = GraphRequestAdapter(
        AzureIdentityAuthenticationProvider(
            ClientSecret(), scopes=["https://graph.microsoft.com/.default"]
        )
    )
    adapter.base_url = f"{BASE}/v1.0"  # before the client is made
    client = GraphServiceClient(request_adapter=adapter)
    one = client.external.connections.by_external_connection_id("{connection}")

    connection = await one.get()
    print(connection.name, connection.state)

    # register a schema: 202, and a Location to ask until it has ended
{schema}
    option = HeadersInspectionHandlerOption(inspect_response_headers=True)
    await one.schema.patch(schema, request_configuration=RequestConfiguration(options=[option]))
    location = option.response_headers.try_get("location").pop()
    poll = one.operations.by_connection_operation_id("any").with_url(location)
    while (operation := await poll.get()).status == ConnectionOperationStatus.Inprogress:
        await asyncio.sleep(1)
    print(operation.id, operation.status.value, operation.error)

    # put an item: created, or replaced with all that it holds
    everyone = Acl(access_type=AccessType.Grant, type=AclType.Everyone, value="everyone")
    item = ExternalItem(
        acl=[everyone],
        properties=Properties(additional_data={bag}),
        content=ExternalItemContent(type=ExternalItemContentType.Text, value="Its text."),
    )
    put = await one.items.by_external_item_id("ticket 1").put(item)
    print(put.id, put.properties.additional_data)

    # report an operation of your own
    crawl = f"crawl-{int(time.time())}"
    await one.operations.post(
        ConnectionOperation(id=crawl, status=ConnectionOperationStatus.Inprogress)
    )
    # a failure: status=…Failed, error=PublicError(code="…", message="…")
    await one.operations.by_connection_operation_id(crawl).patch(
        ConnectionOperation(status=ConnectionOperationStatus.Completed)
    )

    # list the failed operations
    query = OperationsRequestBuilder.OperationsRequestBuilderGetQueryParameters(
        filter="status eq 'failed'", top=5
    )
    failed = await one.operations.get(
        request_configuration=RequestConfiguration(query_parameters=query)
    )
    for operation in failed.value:
        print(operation.id, operation.error.message if operation.error else "no error")


asyncio.run(main())
""",
        ),
    ),
    """    title = Property_(name="title", type=PropertyType.String, is_searchable=True)
    schema = Schema(base_type="microsoft.graph.externalItem", properties=[title])""",
    """    schema = await one.schema.get()  # the one in force, to be edited""",
)

POWERSHELL = Language(
    "powershell",
    "PowerShell",
    _("Windows PowerShell 5.1 or PowerShell 7."),
    (
        Step(
            "token",
            TOKEN,
            """
$Base = "{base}"
$ClientId = "{client}"
$ClientSecret = "{secret}"

$Form = @{
    grant_type    = "client_credentials"
    client_id     = $ClientId
    client_secret = $ClientSecret
    scope         = "https://graph.microsoft.com/.default"
}
$Answer = Invoke-RestMethod -Method Post -Uri "$Base/{tenant}/oauth2/v2.0/token" -Body $Form
$Call = @{
    Headers     = @{ Authorization = "Bearer $($Answer.access_token)" }
    ContentType = "application/json"
}
$Connection = "$Base/v1.0/external/connections/{connection}"
""",
        ),
        Step("get", GET, "Invoke-RestMethod @Call -Uri $Connection"),
        Step(
            "register",
            REGISTER,
            """
{schema}
# 202, and a Location to ask until it says completed or failed
$Body = $Schema | ConvertTo-Json -Depth 10
$Accepted = Invoke-WebRequest @Call -UseBasicParsing -Method Patch `
    -Uri "$Connection/schema" -Body $Body
$Location = @($Accepted.Headers["Location"])[0]
do {
    Start-Sleep -Seconds 1
    $Operation = Invoke-RestMethod @Call -Uri $Location
} while ($Operation.status -eq "inprogress")
$Operation
""",
        ),
        Step(
            "put",
            PUT,
            """
# created, or replaced with all that it holds
$Item = @'
{item}
'@
$ItemId = [uri]::EscapeDataString("ticket 1")
Invoke-RestMethod @Call -Method Put -Uri "$Connection/items/$ItemId" -Body $Item
""",
        ),
        Step(
            "report",
            REPORT,
            """
$Id = "crawl-$([DateTimeOffset]::UtcNow.ToUnixTimeSeconds())"
$New = @{ id = $Id; status = "inprogress" } | ConvertTo-Json
Invoke-RestMethod @Call -Method Post -Uri "$Connection/operations" -Body $New
# a failure: @{ status = "failed"; error = @{ code = "…"; message = "…" } }
$Ended = @{ status = "completed" } | ConvertTo-Json
Invoke-RestMethod @Call -Method Patch -Uri "$Connection/operations/$Id" -Body $Ended
""",
        ),
        Step(
            "list",
            LIST,
            """
$Filter = [uri]::EscapeDataString("status eq 'failed'")
(Invoke-RestMethod @Call -Uri "$Connection/operations?`$filter=$Filter&`$top=5").value
""",
        ),
    ),
    """$Schema = @{
    baseType   = "microsoft.graph.externalItem"
    properties = @(
        @{
            name = "title"; type = "string"; isSearchable = $true; isRetrievable = $true
            labels = @("title")
        }
        @{ name = "url"; type = "string"; isRetrievable = $true; labels = @("url") }
    )
}""",
    """# the schema in force, to be edited: every property has to be sent again
$Schema = Invoke-RestMethod @Call -Uri "$Connection/schema" """.rstrip(),
)

LANGUAGES = {language.id: language for language in (CURL, PYTHON, POWERSHELL)}
