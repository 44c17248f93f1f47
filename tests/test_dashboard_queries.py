"""Each page reads a fixed number of sets of rows, with 10 rows in the tables and with 10,000."""

from datetime import timedelta

import pytest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from operations import tokens
from operations.fingerprints import fingerprint
from operations.models import (
    Action,
    Application,
    BulkAction,
    BulkRun,
    Change,
    ConnectionOperation,
    ErrorGroup,
    ExternalConnection,
    ExternalGroup,
    ExternalItem,
    GroupMember,
    IdentityType,
    Kind,
    OperationStatus,
    OutcomeCount,
    Triage,
)
from tests import factories

pytestmark = pytest.mark.django_db
FEW, MANY = 10, 10_000
MOST_QUERIES = 12
#: Each check of the installation's health asks once.
MORE_QUERIES = {"/settings/": 14}
FINGERPRINT = fingerprint("Code", None, "It broke.")
PAGES = [
    "/",
    "/connections/",
    "/connections/?sort=-changed&rows=100",
    "/connections/first/",
    "/connections/first/?tab=operations&range=all",
    "/connections/first/?tab=schema",
    "/connections/first/?tab=activity",
    "/connections/first/?tab=items",
    "/connections/first/?tab=items&id=item00",
    "/connections/first/?tab=items&value=title",
    "/connections/first/?tab=groups",
    "/connections/first/?tab=api",
    "/operations/",
    "/operations/?range=all&rows=100&triage=open&text=broke",
    "/connections/first/operations/known/",
    "/errors/",
    f"/errors/{FINGERPRINT}/",
    "/errors/causes/",
    "/applications/",
    "/activity/",
    "/settings/",
    "/search/?q=connection",
]


def fill(rows):
    """So many connections, and as many operations in one of them."""
    now = timezone.now()
    connections = ExternalConnection.objects.bulk_create(
        ExternalConnection(graph_id=f"connection{number}", name=f"Connection {number}")
        for number in range(rows)
    )
    first = factories.make_connection("first")
    factories.report(first, graph_id="running")
    known = factories.report(first, graph_id="known", status="failed", error={"message": "Known"})
    operations = ConnectionOperation.objects.bulk_create(
        ConnectionOperation(
            connection=first if number % 2 else connections[number],
            kind=Kind.REPORTED,
            status=OperationStatus.FAILED if number % 4 else OperationStatus.INPROGRESS,
            triage=Triage.OPEN if number % 4 else Triage.NONE,
            error_code="Code" if number % 4 else None,
            error_message="It broke." if number % 4 else None,
            fingerprint=FINGERPRINT if number % 4 else "",
            started_at=now,
            finished_at=now if number % 4 else None,
            overdue_at=None if number % 4 else now - timedelta(minutes=1),
        )
        for number in range(rows)
    )
    ErrorGroup.objects.create(
        fingerprint=FINGERPRINT, pattern="It broke.", count=rows, first_seen=now, last_seen=now
    )
    OutcomeCount.objects.bulk_create(
        OutcomeCount(connection=connection, day=now.date(), fingerprint=FINGERPRINT, count=1)
        for connection in connections
    )
    Change.objects.bulk_create(
        Change(
            action=Action.OPERATION_FAILED,
            channel="api",
            actor_kind="application",
            actor_name="filler",
            request_id=f"request-{number // 3}",
            connection_key=operation.connection_id,
            connection_graph_id="first",
            operation_key=operation.pk,
            operation_graph_id=operation.graph_id,
        )
        for number, operation in enumerate(operations)
    )
    fill_with_items(first, min(rows, 1000))
    for number in range(min(rows, 100)):
        factories.make_application(name=f"Application {number}")
    return known


def fill_with_items(first, rows):
    """As many items and groups, each group in the one before, and an item that names them."""
    factories.register_schema(first)
    factories.fill_items(first, rows)
    ExternalGroup.objects.bulk_create(
        ExternalGroup(connection=first, graph_id=f"group{number}") for number in range(rows)
    )
    groups = first.groups.order_by("id")
    GroupMember.objects.bulk_create(
        GroupMember(group=group, graph_id=f"group{number + 1}", kind=IdentityType.EXTERNAL_GROUP)
        for number, group in enumerate(groups)
    )
    named = {"accessType": "grant", "type": "externalGroup"}
    acl = [named | {"value": f"group{number}"} for number in (0, 3, 5)]
    factories.put_item(first, "known", acl=acl)


def more_pages():
    """Pages of single things, which have a key in their address."""
    application = Application.objects.order_by("-pk").first()
    change = Change.objects.order_by("-pk").first()
    run = BulkRun.objects.create(
        action=BulkAction.ACKNOWLEDGE,
        selection={"fingerprint": FINGERPRINT},
        actor_name="filler",
        last_key=10**9,
        expected=1,
    )
    item = ExternalItem.objects.order_by("-pk").first()
    group = ExternalGroup.objects.order_by("pk").first()
    return {
        "item": f"/connections/first/items/{item.pk}/",
        "group": f"/connections/first/groups/{group.pk}/",
        "application": f"/applications/{application.app_id}/",
        "edit an application": f"/applications/{application.app_id}/edit/",
        "event": f"/activity/{change.pk}/",
        "run": f"/runs/{run.run_id}/",
        "ask": "/runs/new/?action=acknowledge&all=1&triage=open&range=all",
        "delete": "/connections/first/delete/",
        "mark as failed": "/connections/first/operations/running/fail/",
        "owner": f"/connections/?owner={application.app_id}&show=owner&show=labels&show=authorized",
    }


def measure(client):
    named = {address: address for address in PAGES} | more_pages()
    return {name: queries_of(client, address) for name, address in named.items()}


def queries_of(client, address):
    with CaptureQueriesContext(database) as queries:
        response = client.get(address)
    assert response.status_code == 200, address
    return len(queries)


def test_no_page_reads_more_when_there_is_more(administrator):
    tokens.tenant_id()  # made when it is first asked for
    fill(FEW)
    few = measure(administrator)
    ConnectionOperation.objects.all().delete()
    ExternalConnection.objects.all().delete()
    ErrorGroup.objects.all().delete()
    fill(MANY)
    many = measure(administrator)

    grown = {address: (few[address], count) for address, count in many.items()}
    assert {address: pair for address, pair in grown.items() if pair[1] > pair[0]} == {}
    assert {
        address: count
        for address, count in many.items()
        if count > MORE_QUERIES.get(address, MOST_QUERIES)
    } == {}
