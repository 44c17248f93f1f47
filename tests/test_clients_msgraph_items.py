"""The official Python SDK puts items, groups, members and activities, and reads them again.

It has no PATCH for items and reads texts that look like a date as one: what a program does then is
here as well.
"""

from __future__ import annotations

import asyncio
import gc
import json
import uuid
from datetime import UTC, datetime

import pytest

from tests.clients.sdk import is_ready, refused, sdk
from tests.processes import own_database, serve

pytestmark = [
    pytest.mark.clients,
    # the SDK imports its own deprecated classes, and has no way to close its connections
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

PRINCIPAL = "microsoft.graph.externalConnectors.principal"
#: Every character that means something in an address, in OData or in JSON.
IDS = (
    "TSP 2/8",
    "it's",
    "a//b",
    "../up",
    "a#b?c%2Fd",
    "A&B=c;d,e+f",
    'back\\slash "quoted"',
    "a(b):c@d",
    "$count",
    "Überblick 日本 😀",
)


@pytest.fixture(autouse=True)
def _leave_no_connections():
    yield
    gc.collect()  # here, where the warnings about them are expected


@pytest.fixture(scope="module")
def serving(tmp_path_factory):
    with own_database(tmp_path_factory.mktemp("sdk")) as environment, serve(environment) as running:
        yield running


@pytest.fixture
def run(serving):
    """Runs a scenario with a client, and a connection of its own whose schema is in force."""

    def with_connection(scenario, version: str = "v1.0"):
        async def whole():
            async with sdk(serving, version) as client:
                connection = await prepared(client, f"sdk{uuid.uuid4().hex[:12]}")
                await scenario(client, connection)

        asyncio.run(whole())

    return with_connection


async def prepared(client, name: str):
    from msgraph.generated.models.external_connectors.external_connection import ExternalConnection
    from msgraph.generated.models.external_connectors.property_ import Property_
    from msgraph.generated.models.external_connectors.property_type import PropertyType
    from msgraph.generated.models.external_connectors.schema import Schema

    await client.external.connections.post(ExternalConnection(id=name, name="Tickets"))
    connection = client.external.connections.by_external_connection_id(name)
    types = {
        "title": PropertyType.String,
        "size": PropertyType.Int64,
        "score": PropertyType.Double,
        "due": PropertyType.DateTime,
        "open": PropertyType.Boolean,
        "tags": PropertyType.StringCollection,
        "sizes": PropertyType.Int64Collection,
        "dates": PropertyType.DateTimeCollection,
        "owner": PropertyType.Principal,
        "people": PropertyType.PrincipalCollection,
    }
    await connection.schema.patch(
        Schema(
            base_type="microsoft.graph.externalItem",
            properties=[Property_(name=name, type=kind) for name, kind in types.items()],
        )
    )
    await is_ready(connection)
    return connection


def everyone():
    from msgraph.generated.models.external_connectors.access_type import AccessType
    from msgraph.generated.models.external_connectors.acl import Acl
    from msgraph.generated.models.external_connectors.acl_type import AclType

    return Acl(access_type=AccessType.Grant, type=AclType.Everyone, value="everyone")


def item(**properties):
    """One that everyone may read, with these properties or a title."""
    from msgraph.generated.models.external_connectors.external_item import ExternalItem
    from msgraph.generated.models.external_connectors.properties import Properties

    return ExternalItem(
        acl=[everyone()], properties=Properties(additional_data=properties or {"title": "A"})
    )


async def raw(client, builder) -> dict:
    """What the server answers, before the SDK makes anything of it."""
    information = builder.to_get_request_information()
    return json.loads(await client.request_adapter.send_primitive_async(information, "bytes", {}))


# Items -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["v1.0", "beta", "v1.0/"])
def test_an_item_comes_back_as_it_was_put(run, version):
    run(every_member, version)


async def every_member(client, connection):
    from msgraph.generated.models.external_connectors.access_type import AccessType
    from msgraph.generated.models.external_connectors.acl import Acl
    from msgraph.generated.models.external_connectors.acl_type import AclType
    from msgraph.generated.models.external_connectors.external_item_content import (
        ExternalItemContent,
    )
    from msgraph.generated.models.external_connectors.external_item_content_type import (
        ExternalItemContentType,
    )
    from msgraph.generated.models.external_connectors.external_item_information_protection_label import (  # noqa: E501
        ExternalItemInformationProtectionLabel,
    )

    due = datetime(2022, 1, 5, 9, 28, 31, tzinfo=UTC)
    sent = {
        "title": "Größe und Form",
        "size": 2**62,
        "score": 0.1,
        "due": due,
        "open": False,
        "tags@odata.type": "Collection(String)",
        "tags": ["blue", "größer", ""],
        "sizes@odata.type": "Collection(Int64)",
        "sizes": [],
        "dates@odata.type": "Collection(DateTimeOffset)",
        "dates": [due],
        "owner": {"upn": "ada@contoso.com", "externalName": "Ada"},
        "people@odata.type": f"Collection({PRINCIPAL})",
        "people": [{"email": "ada@contoso.com"}],
    }
    whole = item(**sent)
    whole.id = "TSP-2"
    whole.acl += [
        Acl(access_type=AccessType.Deny, type=AclType.User, value=str(uuid.uuid4())),
        Acl(access_type=AccessType.Grant, type=AclType.ExternalGroup, value="readers"),
        Acl(access_type=AccessType.Grant, type=AclType.EveryoneExceptGuests, value="tenant"),
    ]
    whole.content = ExternalItemContent(
        type=ExternalItemContentType.Html, value="<p>Größe\u2028😀</p>"
    )
    whole.information_protection_label = ExternalItemInformationProtectionLabel(
        sensitivity_label_id="confidential"
    )
    one = connection.items.by_external_item_id("TSP-2")
    put = await one.put(whole)
    read = await one.get()
    for answer in (put, read):
        assert answer.id == "TSP-2"
        assert list(answer.properties.additional_data.items()) == list(sent.items())
        assert [(entry.access_type, entry.type, entry.value) for entry in answer.acl] == [
            (entry.access_type, entry.type, entry.value) for entry in whole.acl
        ]
        assert answer.content.type == ExternalItemContentType.Html
        assert answer.content.value == whole.content.value
        label = answer.information_protection_label
        assert label.sensitivity_label_id == "confidential"
        assert not answer.activities
    assert read.additional_data["@odata.etag"] == put.additional_data["@odata.etag"]

    read.properties.additional_data["title"] = "Changed"
    await one.put(read)  # what was read is sent back, with all that came with it
    assert (await one.get()).properties.additional_data == sent | {"title": "Changed"}
    await one.put(item(title="Alone"))  # nothing stays of the one before
    alone = await one.get()
    assert alone.properties.additional_data == {"title": "Alone"} and len(alone.acl) == 1
    assert alone.content is None and alone.information_protection_label is None
    await one.delete()
    gone = await refused(one.get(), 404)
    assert gone.code == "ItemNotFound"
    assert gone.inner_error.additional_data["source"] == "ExternalItem"
    await refused(one.delete(), 404)


def test_ids_with_any_character(run):
    async def scenario(client, connection):
        for name in IDS:
            put = await connection.items.by_external_item_id(name).put(item(title=name))
            assert put.id == name
        for name in IDS:
            one = connection.items.by_external_item_id(name)
            read = await one.get()
            assert (read.id, read.properties.additional_data["title"]) == (name, name)
            await one.delete()
            await refused(one.get(), 404)
        assert (await connection.items.get()).value == []

    run(scenario)


def test_texts_that_look_like_dates(run):
    """Quirks of the SDK's own: what is kept here is what was sent, and the raw answer shows it."""

    async def scenario(client, connection):
        guid = str(uuid.uuid4()).upper()
        sent = {
            "title": "2024-01-02",
            "due": "2022-01-05T09:28:31.1234567+02:00",
            "tags@odata.type": "Collection(String)",
            "tags": [guid, "12:30", "1.0"],
            "score": 1.0,
        }
        one = connection.items.by_external_item_id("looks")
        await one.put(item(**sent))
        read = (await one.get()).properties.additional_data
        assert read["title"] == datetime(2024, 1, 2)
        assert read["due"].isoformat() == "2022-01-05T09:28:31.123456+02:00"
        assert read["tags"] == [uuid.UUID(guid), "12:30", "1.0"]
        answer = await raw(client, one)
        assert answer["properties"] == sent
        assert isinstance(answer["properties"]["score"], float)

    run(scenario)


def test_a_date_without_a_zone_is_refused(run):
    """``datetime.now()`` in Python has none."""

    async def scenario(client, connection):
        one = connection.items.by_external_item_id("naive")
        error = await refused(one.put(item(due=datetime(2024, 1, 2, 3, 4))), 400)
        assert error.target == "properties/due" and "without a zone" in error.message

    run(scenario)


def test_patch_by_a_request_of_ones_own(run):
    async def scenario(client, connection):
        from kiota_abstractions.method import Method
        from kiota_abstractions.request_information import RequestInformation
        from msgraph.generated.models.external_connectors.external_item import ExternalItem
        from msgraph.generated.models.external_connectors.properties import Properties
        from msgraph.generated.models.o_data_errors.o_data_error import ODataError

        def patching(one, changes):
            information = RequestInformation(Method.PATCH, one.url_template, one.path_parameters)
            information.headers.try_add("Accept", "application/json")
            information.set_content_from_parsable(
                client.request_adapter, "application/json", changes
            )
            return client.request_adapter.send_async(information, ExternalItem, {"XXX": ODataError})

        changes = ExternalItem(properties=Properties(additional_data={"title": "B", "size": 1}))
        one = connection.items.by_external_item_id("TSP 2/8")
        await refused(patching(one, changes), 404)
        await one.put(item())
        changed = await patching(one, changes)
        assert changed.id == "TSP 2/8" and len(changed.acl) == 1
        assert (await one.get()).properties.additional_data == {"title": "B", "size": 1}

    run(scenario)


def test_every_fault_of_an_item_is_told(run):
    async def scenario(client, connection):
        bad = item(titel="A", size="big", tags=["a"])
        bad.acl[0].type = None
        error = await refused(connection.items.by_external_item_id("bad").put(bad), 400)
        assert error.code == "InvalidRequest"
        assert {(detail.target, detail.code) for detail in error.details} == {
            ("acl/0/type", "RequiredPropertyMissing"),
            ("properties/titel", "PropertyNotDeclared"),
            ("properties/size", "InvalidPropertyValue"),
            ("properties/tags@odata.type", "RequiredPropertyMissing"),
        }
        missing = next(
            detail for detail in error.details if detail.target == "properties/tags@odata.type"
        )
        assert 'Add "tags@odata.type": "Collection(String)".' in missing.message
        assert error.inner_error.client_request_id
        await refused(connection.items.by_external_item_id("bad").get(), 404)
        too_long = await refused(connection.items.by_external_item_id("x" * 129).put(item()), 400)
        assert too_long.inner_error.additional_data["code"] == "InvalidIdentifier"

    run(scenario)


def test_items_before_there_is_a_schema(serving):
    from msgraph.generated.models.external_connectors.external_connection import ExternalConnection

    async def scenario():
        async with sdk(serving) as client:
            await client.external.connections.post(ExternalConnection(id="sdkdraft", name="x"))
            connection = client.external.connections.by_external_connection_id("sdkdraft")
            error = await refused(connection.items.by_external_item_id("one").put(item()), 409)
            assert "'draft'" in error.message and "Register a schema first." in error.message

    asyncio.run(scenario())


def test_lists_counts_and_pages(run):
    async def scenario(client, connection):
        from kiota_abstractions.base_request_configuration import RequestConfiguration
        from msgraph.generated.external.connections.item.items.items_request_builder import (
            ItemsRequestBuilder,
        )
        from msgraph_core.tasks.page_iterator import PageIterator

        names = [f"TSP 2/{number}" for number in range(7)]
        for name in names:
            await connection.items.by_external_item_id(name).put(item(title=name))
        assert await connection.items.count.get() == 7
        query = ItemsRequestBuilder.ItemsRequestBuilderGetQueryParameters(
            top=3, count=True, select=["id", "properties"], orderby=["id"]
        )
        first = await connection.items.get(
            request_configuration=RequestConfiguration(query_parameters=query)
        )
        assert first.odata_count == 7 and len(first.value) == 3
        assert first.value[0].acl is None  # not selected
        seen = []
        iterator = PageIterator(first, client.request_adapter)

        def note(row) -> bool:
            seen.append(row["id"] if isinstance(row, dict) else row.id)
            return True

        await iterator.iterate(note)
        assert seen == names

    run(scenario)


def test_post_creates_and_does_not_replace(run):
    """The SDK is generated with it, though Graph itself has no such call."""

    async def scenario(client, connection):
        new = item(title="A")
        new.id = "TSP 2/8"
        assert (await connection.items.post(new)).id == "TSP 2/8"
        assert (await refused(connection.items.post(new), 409)).code == "Conflict"

    run(scenario)


# Activities --------------------------------------------------------------------------------------


def test_activities(run):
    async def scenario(client, connection):
        from msgraph.generated.external.connections.item.items.item.microsoft_graph_external_connectors_add_activities.add_activities_post_request_body import (  # noqa: E501
            AddActivitiesPostRequestBody,
        )
        from msgraph.generated.models.external_connectors.external_activity import ExternalActivity
        from msgraph.generated.models.external_connectors.external_activity_type import (
            ExternalActivityType,
        )
        from msgraph.generated.models.external_connectors.identity import Identity
        from msgraph.generated.models.external_connectors.identity_type import IdentityType

        def done(**members):
            by = Identity(id=str(uuid.uuid4()), type=IdentityType.User)
            when = datetime(2024, 1, 2, tzinfo=UTC)
            kind = ExternalActivityType.Viewed
            return ExternalActivity(
                **({"type": kind, "start_date_time": when, "performed_by": by} | members)
            )

        one = connection.items.by_external_item_id("TSP 2/8")
        action = one.microsoft_graph_external_connectors_add_activities
        call = AddActivitiesPostRequestBody(activities=[done()])
        await refused(action.post(call), 404)
        await one.put(item())
        (result,) = (await action.post(call)).value
        assert result.error is None
        assert (result.type, result.performed_by.type) == (
            ExternalActivityType.Viewed,
            IdentityType.User,
        )
        partly = AddActivitiesPostRequestBody(activities=[done(), done(start_date_time=None)])
        kept, not_kept = (await action.post(partly)).value  # a 207 is no error to the SDK
        assert kept.error is None
        assert not_kept.error.target == "activities/1/startDateTime" and not_kept.error.message
        too_many = AddActivitiesPostRequestBody(activities=[done()] * 21)
        assert "1 to 20" in (await refused(action.post(too_many), 400)).message
        assert (await one.activities.get()).value == []  # written, never shown

    run(scenario)


# Groups ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["v1.0", "beta"])
def test_groups_and_members(run, version):
    run(groups, version)


async def groups(client, connection):
    from msgraph.generated.models.external_connectors.external_group import ExternalGroup
    from msgraph.generated.models.external_connectors.identity import Identity
    from msgraph.generated.models.external_connectors.identity_type import IdentityType

    new = ExternalGroup(id="HR / Köln's", display_name="HR", description="People of HR")
    created = await connection.groups.post(new)
    assert (created.id, created.display_name) == (new.id, "HR")
    assert (await refused(connection.groups.post(new), 409)).code == "Conflict"
    missing = await refused(connection.groups.post(ExternalGroup(display_name="x")), 400)
    assert missing.target == "id"

    one = connection.groups.by_external_group_id(new.id)
    await one.patch(ExternalGroup(display_name="HR Cologne"))
    read = await one.get()
    assert (read.display_name, read.description) == ("HR Cologne", "People of HR")
    await one.patch(read)  # what was read is sent back whole
    assert [group.id for group in (await connection.groups.get()).value] == [new.id]
    assert await connection.groups.count.get() == 1

    person = str(uuid.uuid4())
    members = [
        Identity(id=person, type=IdentityType.User),
        Identity(id="everyone in HR/Bonn", type=IdentityType.ExternalGroup),
        Identity(id=new.id, type=IdentityType.ExternalGroup),  # itself: allowed, and harmless
    ]
    for member in members:
        added = await one.members.post(member)
        assert (added.id, added.type) == (member.id, member.type)
    assert (await refused(one.members.post(members[0]), 409)).code == "Conflict"
    listed = (await one.members.get()).value
    assert {(member.id, member.type) for member in listed} == {
        (member.id, member.type) for member in members
    }
    assert await one.members.count.get() == 3
    single = one.members.by_identity_id("everyone in HR/Bonn")
    assert (await single.get()).type == IdentityType.ExternalGroup
    for member in members[1:]:
        await one.members.by_identity_id(member.id).delete()
    assert [member.id for member in (await one.members.get()).value] == [person]
    await refused(single.delete(), 404)

    await one.delete()
    gone = await refused(one.get(), 404)
    assert gone.inner_error.additional_data["source"]
    await refused(one.members.get(), 404)


# In a batch --------------------------------------------------------------------------------------


@pytest.mark.parametrize("absolute", [True, False])
def test_a_batch(run, absolute):
    """Whole addresses or short ones, each with an id that is escaped; ``depends_on``."""

    async def scenario(client, connection):
        from msgraph.generated.models.external_connectors.external_group import ExternalGroup
        from msgraph.generated.models.external_connectors.identity import Identity
        from msgraph.generated.models.external_connectors.identity_type import IdentityType
        from msgraph_core.requests.batch_request_content import BatchRequestContent
        from msgraph_core.requests.batch_request_item import BatchRequestItem

        one = connection.items.by_external_item_id("TSP 2/8")
        other = connection.items.by_external_item_id("it's")
        group = connection.groups.by_external_group_id("HR/Köln")
        person = Identity(id="ada", type=IdentityType.User)
        content = BatchRequestContent()
        for name, information, depends_on in (
            ("put", one.to_put_request_information(item(title="Größe")), []),
            ("read", one.to_get_request_information(), ["put"]),
            ("bad", other.to_put_request_information(item(titel="A")), []),
            ("after bad", other.to_get_request_information(), ["bad"]),
            (
                "group",
                connection.groups.to_post_request_information(ExternalGroup(id="HR/Köln")),
                ["put"],
            ),
            ("member", group.members.to_post_request_information(person), ["group"]),
            ("members", group.members.to_get_request_information(), ["member"]),
            ("delete", one.to_delete_request_information(), ["read"]),
            ("gone", one.to_get_request_information(), ["delete"]),
        ):
            # a builder that has sent something has the base in its addresses, another has not
            base = client.request_adapter.base_url if absolute else ""
            information.path_parameters["baseurl"] = base
            assert information.url.startswith("http") is absolute
            content.add_request(name, BatchRequestItem(information, name, depends_on))
        answer = await client.batch.post(content)
        assert {name: part.status for name, part in answer.responses.items()} == {
            "put": 200,
            "read": 200,
            "bad": 400,
            "after bad": 424,
            "group": 201,
            "member": 201,
            "members": 200,
            "delete": 204,
            "gone": 404,
        }
        await refused(one.get(), 404)
        await refused(other.get(), 404)
        assert [member.id for member in (await group.members.get()).value] == ["ada"]

    run(scenario)
