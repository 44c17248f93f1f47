"""One item: its properties, its content, who may read it, who wrote it last."""

import json
import uuid
from datetime import timedelta

import pytest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from operations import ingestion
from operations.dashboard.presentation.items import web_address
from operations.models import (
    ActivityType,
    Actor,
    ActorKind,
    Channel,
    ExternalItem,
    IdentityType,
)
from operations.models.container import Container
from tests import factories
from tests.factories import a_property, a_schema
from tests.graph import ITEMS_OWNED, GraphClient

pytestmark = pytest.mark.django_db
SCRIPT = "<script>alert(1)</script>"
SCHEMA = a_schema(
    a_property("headline", labels=["title"], isRetrievable=True),
    a_property("link", labels=["url"], isRetrievable=True),
    a_property("number", type="int64"),
    a_property("tags", type="stringCollection"),
    a_property("owner", type="principal"),
    a_property("empty"),
)


@pytest.fixture
def connection():
    made = factories.make_connection("contosohr", name="Contoso HR")
    factories.register_schema(made, SCHEMA)
    return made


def address(item, name="item"):
    return reverse(name, args=["contosohr", item.pk])


def page(client, item):
    response = client.get(address(item))
    assert response.status_code == 200
    return response.content.decode()


def card(text, name):
    return text.split(f'<section class="card" aria-labelledby="{name}"')[1].split("</section>")[0]


def grant(kind, value="x", *, deny=False):
    return {"accessType": "deny" if deny else "grant", "type": kind, "value": value}


# The head ----------------------------------------------------------------------------------------


def test_the_head_has_title_id_and_the_address_in_the_source(viewer, connection):
    properties = {"headline": "Holiday policy", "link": "https://hr.example/policy?a=1&b=2"}
    item = factories.put_item(connection, "hr/policy 1", properties=properties)

    text = page(viewer, item)

    assert "<h1><bdi>Holiday policy</bdi></h1>" in text
    assert "<title>Holiday policy · Connectors Admin</title>" in text
    assert 'data-copy="hr/policy 1"' in text
    assert 'href="https://hr.example/policy?a=1&amp;b=2" rel="noreferrer noopener"' in text
    assert f"{reverse('connection', args=['contosohr'])}?tab=items" in text


@pytest.mark.parametrize(
    ("text", "is_led_to"),
    [
        ("https://hr.example/x", True),
        (" http://hr.example ", True),
        ("javascript:alert(1)", False),
        ("data:text/html,x", False),
        ("//hr.example/x", False),
        ("hr.example", False),
        ("https://", False),
        ("https://[::1", False),
        ("", False),
    ],
)
def test_only_addresses_of_the_web_become_links(viewer, connection, text, is_led_to):
    item = factories.put_item(connection, properties={"headline": "A", "link": text})

    assert bool(web_address(text)) is is_led_to
    assert ("noreferrer" in page(viewer, item)) is is_led_to


def test_without_a_title_the_id_stands_in_its_place(viewer, connection):
    item = factories.put_item(connection, "hr/1", properties={"number": 1})

    assert '<h1 class="mono"><bdi>hr/1</bdi></h1>' in page(viewer, item)


# Properties --------------------------------------------------------------------------------------


def test_properties_stand_in_the_order_of_the_schema(viewer, connection):
    properties = {
        "tags@odata.type": "Collection(String)",
        "tags": ["vpn", "network"],
        "number": 12,
        "headline": "Printer",
        "owner": {"@odata.type": "x", "externalName": "Ana"},
        "empty": None,
    }
    item = factories.put_item(connection, properties=properties)

    text = card(page(viewer, item), "properties")

    names = ["headline", "number", "tags", "owner"]
    places = [text.index(f'data-key="{name}"') for name in names]
    assert places == sorted(places)
    assert 'data-key="tags@odata.type"' not in text
    assert "stringCollection" in text and "int64" in text
    assert "<li><span" in text and "vpn" in text
    assert "&quot;externalName&quot;: &quot;Ana&quot;" in text
    assert "Without a value:" in text and "link, empty" in text
    assert "Schema version 1" in text


def test_what_the_schema_does_not_have_is_named_so(viewer, connection):
    item = factories.put_item(connection, properties={"former": "still here"})

    text = card(page(viewer, item), "properties")

    assert "not in the schema in force" in text
    assert "still here" in text


def test_an_item_without_properties(viewer, connection):
    item = factories.put_item(connection, properties={})

    assert "No property has a value." in page(viewer, item)


def test_a_long_value_is_folded_and_a_long_list_cut(viewer, connection):
    properties = {"headline": "x" * 500, "tags": [f"tag{number}" for number in range(450)]}
    item = factories.put_item(connection, properties=properties)

    text = card(page(viewer, item), "properties")

    assert "Show all 500 characters" in text
    assert "and 250 more, in the JSON" in text


# Content -----------------------------------------------------------------------------------------


def content(client, item):
    return card(page(client, item), "content")


def test_content_is_text_and_never_markup(viewer, connection):
    item = factories.put_item(connection, content={"type": "html", "value": f"<b>{SCRIPT}</b>"})

    text = content(viewer, item)

    assert "&lt;b&gt;&lt;script&gt;" in text
    assert "html" in text and "32 characters" in text
    assert "<details" not in text


def test_of_a_long_content_the_first_lines_are_shown(viewer, connection):
    lines = "\n".join(f"Line {number}" for number in range(50))
    item = factories.put_item(connection, content={"type": "text", "value": lines})

    first = content(viewer, item).split("content-first")[1].split("</div>")[0]

    assert "Line 7" in first and "Line 8" not in first
    assert "Show all 389 characters" in content(viewer, item)


def test_of_a_very_long_content_there_is_the_beginning(viewer, connection):
    value = "ä" * 300_000
    item = factories.put_item(connection, content={"type": "text", "value": value})

    text = page(viewer, item)

    assert "Show the first 20,000 of 300,000 characters" in text
    assert len(text) < 60_000
    assert "too many for a page" in text
    assert json.loads(viewer.get(address(item, "item-json")).content)["content"]["value"] == value


def test_no_content_and_an_empty_one(viewer, connection):
    without = factories.put_item(connection, "a")
    empty = factories.put_item(connection, "b", content={"type": "text", "value": ""})
    null = factories.put_item(connection, "c", content={"type": "text", "value": None})

    assert "It has none: answers are made from the content" in content(viewer, without)
    assert "Its text is empty." in content(viewer, empty)
    assert "Its text is empty." in content(viewer, null)


# Who may read ------------------------------------------------------------------------------------


def access(client, item):
    return card(page(client, item), "access")


def test_grants_and_denies_are_told(viewer, connection):
    user = str(uuid.uuid4())
    acl = [grant("everyone"), grant("user", user, deny=True)]
    item = factories.put_item(connection, acl=acl)

    text = access(viewer, item)

    assert text.index("Granted") < text.index("Everyone") < text.index("Denied")
    assert f'data-copy="{user}"' in text
    assert "not: 1 user" in page(viewer, item)


def test_nobody(viewer, connection):
    item = factories.put_item(connection, acl=[])

    assert "Nobody: its access list is empty." in page(viewer, item)


def test_a_group_leads_to_those_that_it_holds(viewer, connection):
    team = factories.make_group(
        connection, "team", "core", ("ana", IdentityType.USER), display_name="The team"
    )
    core = factories.make_group(connection, "core", "team", "gone", display_name="Core")
    item = factories.put_item(connection, acl=[grant("externalGroup", "team")])

    text = access(viewer, item)

    assert reverse("group", args=["contosohr", team.pk]) in text and "The team" in text
    assert "2 members" in text
    through = text.split("and through it 2 groups")[1]
    assert reverse("group", args=["contosohr", core.pk]) in through
    assert "gone</span>" in through and "not there" in through
    assert "The team" not in through  # a ring ends where it began


def test_a_group_that_is_not_there_is_named_so(viewer, connection):
    other = factories.make_connection("other")
    factories.make_group(other, "ghosts")
    item = factories.put_item(connection, acl=[grant("externalGroup", "ghosts")])

    text = access(viewer, item)

    assert "ghosts" in text and "not there" in text
    assert "/groups/" not in text


def test_of_a_very_long_list_the_beginning_is_shown(viewer, connection):
    item = factories.put_item(connection, acl=[grant("user", f"user{n}") for n in range(260)])

    text = access(viewer, item)

    assert text.count("access-entry") == 200
    assert "and 60 more entries, in the JSON" in text
    assert "260 users" in page(viewer, item)


# What came last ----------------------------------------------------------------------------------


def test_last_change_names_who_when_and_the_request(viewer, connection):
    application = factories.make_application(name="Nightly sync")
    actor = Actor(ActorKind.APPLICATION, "Nightly sync", Channel.API, application.app_id, "req-1")
    factories.put_item(connection, actor=factories.COMMAND)
    label = {"sensitivityLabelId": "label-1"}
    item = factories.put_item(connection, actor=actor, informationProtectionLabel=label)
    ExternalItem.objects.update(size=12_345)

    text = card(page(viewer, item), "written")

    assert reverse("application", args=[application.app_id]) in text
    assert f"{reverse('activity')}?request=req-1" in text
    assert "<dt>Times written</dt><dd>2</dd>" in text
    assert "12,345 bytes" in text
    assert "label-1" in text


def test_the_newest_activities_are_told(viewer, connection):
    item = factories.put_item(connection)
    now = timezone.now()
    ingestion.add_activities(
        Container.of(connection),
        "one",
        [
            {
                "kind": ActivityType.COMMENTED if number else ActivityType.VIEWED,
                "started_at": now - timedelta(hours=2),
                "performed_by": f"{SCRIPT}{number:02}",
                "performed_by_kind": IdentityType.USER,
            }
            for number in range(25)
        ],
    )

    text = card(page(viewer, item), "activities")

    assert text.count("<li") == 20
    assert text.index("&lt;/script&gt;24") < text.index("&lt;/script&gt;05")
    assert "commented" in text and "2 h ago" in text
    assert SCRIPT not in text


# The JSON ----------------------------------------------------------------------------------------


def test_the_json_is_graphs_answer(viewer):
    owner = factories.make_application(ITEMS_OWNED)
    graph = GraphClient(owner)
    factories.register_schema(factories.make_connection("contosohr", owner=owner), SCHEMA)
    body = {
        "acl": [grant("everyone", "everyone")],
        "properties": {"number": 12, "headline": "Ümläut </script>"},
        "content": {"type": "text", "value": "x"},
    }
    path = "/v1.0/external/connections/contosohr/items/a%2Fb"
    assert graph.put(path, body).status_code == 200
    item = ExternalItem.objects.get()

    answer = graph.get(path).json()
    response = viewer.get(address(item, "item-json"))

    given = json.loads(response.content)
    assert given == {name: value for name, value in answer.items() if "@odata" not in name}
    assert list(given["properties"]) == ["number", "headline"]
    assert response["Content-Type"] == "application/json"
    assert f'filename="contosohr-item-{item.pk}.json"' in response["Content-Disposition"]
    assert "Ümläut &lt;/script&gt;" in page(viewer, item).split('id="raw-json"')[1]


@pytest.mark.parametrize("graph_id", ['a"b', "a\nb", "a\r\nSet-Cookie: x", "../../etc", "é" * 128])
def test_an_id_of_any_characters_has_a_page_and_a_file(viewer, connection, graph_id):
    item = factories.put_item(connection, graph_id)

    assert viewer.get(address(item)).status_code == 200
    response = viewer.get(address(item, "item-json"))
    assert json.loads(response.content)["id"] == graph_id
    assert "Set-Cookie" not in response.headers


# Which one ---------------------------------------------------------------------------------------


def test_nothing_of_an_item_becomes_markup(viewer, connection):
    factories.make_group(connection, f"{SCRIPT}group", display_name=SCRIPT, description=SCRIPT)
    item = factories.put_item(
        connection,
        f"{SCRIPT}'\"",
        actor=Actor(ActorKind.COMMAND, SCRIPT, Channel.COMMAND, request_id=SCRIPT),
        acl=[
            grant("externalGroup", f"{SCRIPT}group"),
            grant("externalGroup", SCRIPT),
            grant(SCRIPT, SCRIPT),
        ],
        properties={
            "headline": SCRIPT,
            SCRIPT: SCRIPT,
            "tags": [SCRIPT],
            "link": f"http://{SCRIPT}",
        },
        content={"type": "html", "value": SCRIPT},
        informationProtectionLabel={"sensitivityLabelId": SCRIPT},
    )

    assert SCRIPT not in page(viewer, item)


@pytest.mark.parametrize("key", [0, 99_999_999, 2**63, 10**40])
def test_no_item_has_this_key(viewer, connection, key):
    response = viewer.get(f"/connections/contosohr/items/{key}/")

    assert response.status_code == 404
    assert f"has no item with the number {key}" in response.content.decode()


def test_an_item_of_another_connection_is_not_found(viewer, connection):
    other = factories.make_connection("other")
    factories.register_schema(other, SCHEMA)
    item = factories.put_item(other)

    for name in ("item", "item-json"):
        assert viewer.get(address(item, name)).status_code == 404
    assert viewer.get(f"/connections/OTHER/items/{item.pk}/").status_code == 200


def test_the_number_of_queries_does_not_grow(viewer, connection):
    groups = [f"group{number}" for number in range(30)]
    for number, name in enumerate(groups):  # each holds the next one
        factories.make_group(connection, name, *groups[number + 1 : number + 2])
    few = factories.put_item(connection, "few", acl=[grant("externalGroup", "group29")])
    many = factories.put_item(
        connection, "many", acl=[grant("externalGroup", "group0"), *[grant("user")] * 50]
    )
    numbers = []
    for item in (few, many):
        with CaptureQueriesContext(database) as queries:
            page(viewer, item)
        numbers.append(len(queries))

    assert "and through it 29 groups" in page(viewer, many)
    assert numbers[0] == numbers[1] <= 12
