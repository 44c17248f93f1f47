"""Items in the admin: found, added, edited, deleted, refused; each edit recorded."""

from __future__ import annotations

import io
import json

import pytest
from django.contrib.auth.models import Permission
from django.core.management import call_command
from django.db import connection as database
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from operations import ingestion
from operations.admin import items as admin_items
from operations.models import (
    Action,
    Change,
    ConnectionState,
    ContentType,
    ExternalActivity,
    ExternalConnection,
    ExternalGroup,
    ExternalItem,
    ItemTally,
)
from operations.models.container import Container
from tests.admin_pages import act, administrator, inline_code, refusals, send, submit, told, url
from tests.factories import COMMAND, a_property, a_schema, make_connection, register_schema
from tests.item_bodies import DATE, EVERYONE, SCHEMA

MODEL = "externalitem"
PROPERTIES = {"title": "Leave policy"}


@pytest.fixture
def anna(db):
    return administrator("anna")


def ready(graph_id="contosohr") -> ExternalConnection:
    """A connection whose schema has a property of each type."""
    connection = make_connection(graph_id)
    register_schema(connection, a_schema(*(a_property(n, type=t) for n, t in SCHEMA.items())))
    return connection


def put(connection, graph_id="one", **members) -> ExternalItem:
    values = {"acl": [EVERYONE], "properties": PROPERTIES, **members}
    written = ingestion.put(Container.of(connection), graph_id, values, COMMAND)
    return ExternalItem.objects.get(pk=written.key)


def add(client, connection, **values):
    given = {"graph_id": "one", "acl": json.dumps([EVERYONE]), "properties": json.dumps(PROPERTIES)}
    return submit(client, url(MODEL, "add"), connection=connection.pk, **{**given, **values})


def edit(client, item, **values):
    return submit(client, url(MODEL, "change", item.pk), **values)


def stored(item) -> ExternalItem:
    return ExternalItem.objects.get(pk=item.pk)


def in_state(connection, state: ConnectionState) -> None:
    ExternalConnection.objects.filter(pk=connection.pk).update(state=state)


def fields_with_errors(page) -> list[str]:
    return list(page.context["adminform"].form.errors)


# Adding ------------------------------------------------------------------------------------------


def test_adding_writes_an_item_counts_it_and_records_it(anna):
    connection = ready()
    page = add(
        anna,
        connection,
        graph_id="policies/leave",
        content_type=ContentType.HTML,
        content_value="<p>Ask\r\nfirst.</p>",
        label='{"sensitivityLabelId": "secret"}',
    )
    assert refusals(page) == []
    item = ExternalItem.objects.get()
    content = {"type": "html", "value": "<p>Ask\nfirst.</p>"}
    assert item.graph() == {
        "id": "policies/leave",
        "acl": [EVERYONE],
        "properties": PROPERTIES,
        "content": content,
        "informationProtectionLabel": {"sensitivityLabelId": "secret"},
    }
    assert (item.changed_by, item.version) == ("anna", 1)
    assert item.size > 0
    assert ItemTally.objects.items(connection.pk) == ItemTally.objects.items() == 1
    change = Change.objects.get(action=Action.ITEM_WRITTEN)
    assert (change.channel, change.actor_name) == ("admin", "anna")
    assert (change.connection_key, change.subject) == (connection.pk, "policies/leave")
    assert change.before is None
    assert change.after == {
        "acl": [EVERYONE],
        "properties": ["title"],
        "properties/title": "Leave policy",
        "content": content,
        "informationProtectionLabel": {"sensitivityLabelId": "secret"},
    }


def test_an_item_without_content_and_one_that_nobody_sees(anna):
    assert refusals(add(anna, ready(), acl="[]")) == []
    item = ExternalItem.objects.get()
    assert (item.acl, item.content, item.label) == ([], None, None)


SENTENCES = [
    ({"graph_id": ".."}, "graph_id", "must not be '..': HTTP clients take it out of an address."),
    ({"graph_id": "x" * 129}, "graph_id", "Ensure this value has at most 128 characters"),
    ({"graph_id": ""}, "graph_id", "This field is required."),
    ({"acl": ""}, "acl", "This field is required."),
    ({"acl": "null"}, "acl", "This field is required."),
    ({"acl": "{}"}, "acl", 'Enter a JSON collection: [{"member": "value", …}, …].'),
    ({"acl": "[1]"}, "acl", "Property 'acl/0' must be an object, not an integer."),
    (
        {"acl": json.dumps([{**EVERYONE, "type": "all"}])},
        "acl",
        "Property 'acl/0/type' must be one of user, group, everyone, everyoneExceptGuests, "
        "externalGroup, not 'all'.",
    ),
    ({"acl": "[{]"}, "acl", "This is not JSON: Expecting property name enclosed in double quotes"),
    ({"properties": "[]"}, "properties", 'Enter a JSON object: {"member": "value", …}.'),
    (
        {"properties": "{}"},
        "properties",
        "Property 'properties' must have at least one property of the schema.",
    ),
    (
        {"properties": '{"titel": "x"}'},
        "properties",
        "Property 'properties/titel' is not in the schema of the connection. Did you mean 'title'?",
    ),
    (
        {"properties": '{"size": 12345678901234567890}'},
        "properties",
        "Property 'properties/size' must be an integer of at most 64 bits, not a longer one: the "
        "type of 'size' in the schema is int64.",
    ),
    (
        {"properties": '{"tags": ["a"]}'},
        "properties",
        "Property 'properties/tags@odata.type' is required beside a collection.",
    ),
    ({"properties": '{"score": NaN}'}, "properties", "This is not JSON: NaN is no number of JSON."),
    ({"properties": '{"score": 1e999}'}, "properties", "Member 'score' is a number out of range."),
    ({"properties": '{"title": "a", "title": "b"}'}, "properties", "Member 'title' stands twice."),
    (
        {"properties": '{"title": "a\\u0000b"}'},
        "properties",
        "Member 'title' has a NUL character or half a surrogate pair.",
    ),
    ({"content_value": "text"}, "content_type", "Property 'content/type' is required."),
    ({"content_type": 3}, "content_type", "Select a valid choice. 3 is not one of the available"),
    (
        {"label": '{"sensitivityLabelId": 1}'},
        "label",
        "Property 'informationProtectionLabel/sensitivityLabelId' must be a string or null, not an "
        "integer.",
    ),
    ({"label": "[]"}, "label", 'Enter a JSON object: {"member": "value", …}.'),
]


@pytest.mark.parametrize("values, field, sentence", SENTENCES)
def test_refused_additions(anna, values, field, sentence):
    page = add(anna, ready(), **values)
    assert len(refusals(page)) == 1
    assert sentence in refusals(page)[0]
    assert fields_with_errors(page) == [field]
    assert not ExternalItem.objects.exists()
    assert not Change.objects.filter(action=Action.ITEM_WRITTEN).exists()


def test_every_fault_is_told_at_its_field(anna):
    bad = {f"p{number}": 1 for number in range(120)}
    page = add(anna, ready(), acl='[{"type": "user"}]', properties=json.dumps(bad))
    errors = page.context["adminform"].form.errors
    assert errors["acl"] == [
        "Property 'acl/0/accessType' is required.",
        "Property 'acl/0/value' is required.",
    ]
    assert len(errors["properties"]) == 101
    assert errors["properties"][-1] == "And 20 more."
    assert 'value="one"' in page.content.decode(), "what was typed is still there"


def test_an_id_that_is_taken(anna):
    connection = ready()
    put(connection)
    page = add(anna, connection)
    assert refusals(page) == ["This connection has an item with this id already."]
    assert refusals(add(anna, ready("other"))) == []


@pytest.mark.parametrize(
    "state, sentence",
    [
        (
            ConnectionState.DRAFT,
            "Connection 'contosohr' is in state 'draft'. Its items can be written or deleted in "
            "state 'ready', 'limitExceeded'. Register a schema first.",
        ),
        (
            ConnectionState.OBSOLETE,
            "Connection 'contosohr' is in state 'obsolete'. Its items can be written or deleted in "
            "state 'ready', 'limitExceeded'.",
        ),
        (
            ConnectionState.LIMIT_EXCEEDED,
            "Connection 'contosohr' is in state 'limitExceeded'. No item can be created; those "
            "that are there can be replaced and deleted.",
        ),
    ],
)
def test_a_state_that_forbids_it(anna, state, sentence):
    connection = ready()
    in_state(connection, state)
    page = add(anna, connection)
    assert (refusals(page), fields_with_errors(page)) == ([sentence], ["connection"])


def test_a_connection_without_a_schema(anna):
    page = add(anna, make_connection("contosohr", state=ConnectionState.READY))
    assert refusals(page) == [
        "Connection 'contosohr' has no schema in force. Register one before its items are written."
    ]


def test_a_connection_that_is_being_deleted(anna):
    connection = ready()
    ExternalConnection.objects.filter(pk=connection.pk).update(deleting_since=timezone.now())
    assert refusals(add(anna, connection)) == ["'Connection' was not found."]


# Editing -----------------------------------------------------------------------------------------


def test_editing_records_what_was_before_and_after(anna):
    connection = ready()
    item = put(connection, properties={"title": "Old", "size": 1})
    page = edit(anna, item, properties='{"title": "New", "size": 1}', acl="[]")
    assert refusals(page) == []
    changed = stored(item)
    assert (changed.properties, changed.acl, changed.version) == (
        {"title": "New", "size": 1},
        [],
        2,
    )
    assert (changed.changed_by, changed.pk) == ("anna", item.pk)
    change = Change.objects.get(action=Action.ITEM_WRITTEN)
    assert change.before == {"acl": [EVERYONE], "properties/title": "Old"}
    assert change.after == {"acl": [], "properties/title": "New"}
    assert change.request_id != ""
    assert ItemTally.objects.items(connection.pk) == 1


ROUND_TRIP = {
    "title": "Grüße \u202e 日本 <b>&amp;</b>\r\n\u2028'\"",
    "@odata.type": "of the bag",
    "size": -(2**63),
    "score": 1.0,
    "due": DATE,
    "open": False,
    "tags@odata.type": "Collection(String)",
    "tags": [],
    "sizes@odata.type": "#Collection(Int64)",
    "sizes": [9007199254740993, 2**63 - 1],
    "scores@odata.type": "Collection(Double)",
    "scores": [12345678901234567890, 0.1, -0.0, 1e-7, 100.0, "INF"],
    "owner": {},
    "dates": None,
}


def test_a_form_that_nobody_touched_changes_nothing(anna):
    content = {"type": "text", "value": "\r\n one\r\ntwo\rthree\n "}
    item = put(ready(), properties=ROUND_TRIP, content=content, informationProtectionLabel={})
    before = ExternalItem.objects.values().get()
    assert refusals(edit(anna, item)) == []
    assert ExternalItem.objects.values().get() == before
    assert not Change.objects.filter(action=Action.ITEM_WRITTEN).exists()


def test_what_was_not_edited_comes_back_without_loss(anna):
    content = {"type": "text", "value": "\r\n one\r\ntwo\rthree\n "}
    item = put(ready(), properties=ROUND_TRIP, content=content)
    assert refusals(edit(anna, item, acl="[]")) == []
    after = stored(item)
    assert json.dumps(after.properties) == json.dumps(ROUND_TRIP)
    assert after.content == content


def test_json_goes_through_the_form_without_loss(anna):
    assert refusals(add(anna, ready(), properties=json.dumps(ROUND_TRIP))) == []
    assert json.dumps(ExternalItem.objects.get().properties) == json.dumps(ROUND_TRIP)


@pytest.mark.parametrize(
    "before, after",
    [
        ('{"title": "a", "size": 1}', '{"size": 1, "title": "a"}'),
        ('{"score": 1}', '{"score": 1.0}'),
        ('{"score": 0.0}', '{"score": -0.0}'),
        (
            '{"tags@odata.type": "Collection(String)", "tags": []}',
            '{"tags@odata.type": "Collection(String)", "tags": null}',
        ),
    ],
)
def test_order_and_form_of_numbers_can_be_edited(anna, before, after):
    item = put(ready(), properties=json.loads(before))
    assert refusals(edit(anna, item, properties=after)) == []
    assert json.dumps(stored(item).properties) == json.dumps(json.loads(after))
    change = Change.objects.get(action=Action.ITEM_WRITTEN)
    assert len(change.before) == 1
    assert change.before.keys() == change.after.keys()


def test_json_is_shown_indented(anna):
    item = put(ready(), properties={"title": "日本"})
    form = anna.get(url(MODEL, "change", item.pk)).context["adminform"].form
    assert form["properties"].value() == '{\n  "title": "日本"\n}'


def test_content_is_added_emptied_and_taken_away(anna):
    item = put(ready())
    assert refusals(edit(anna, item, content_type=ContentType.TEXT, content_value="a")) == []
    assert stored(item).content == {"type": "text", "value": "a"}
    assert refusals(edit(anna, item, content_value="")) == []
    assert stored(item).content == {"type": "text", "value": ""}
    assert refusals(edit(anna, item, content_type="")) == []
    assert stored(item).content is None


def test_content_without_a_value_keeps_having_none(anna):
    item = put(ready(), content={"type": "text", "value": None})
    assert refusals(edit(anna, item, content_type=ContentType.HTML)) == []
    assert stored(item).content == {"type": "html", "value": None}


def test_where_an_identity_is_known_is_kept(anna):
    acl = [{**EVERYONE, "identitySource": "external"}]
    item = put(ready(), acl=acl)
    assert refusals(edit(anna, item, acl=json.dumps([*acl, EVERYONE]))) == []
    assert stored(item).acl == [*acl, EVERYONE]


def test_id_and_connection_are_fixed(anna):
    item = put(ready())
    other = ready("other")
    page = edit(anna, item, graph_id="two", connection=other.pk, acl="[]")
    assert refusals(page) == []
    assert (stored(item).graph_id, stored(item).connection_id) == ("one", item.connection_id)


def test_refused_edits(anna):
    item = put(ready())
    page = edit(anna, item, properties='{"titel": 1}', content_value="x")
    assert fields_with_errors(page) == ["properties", "content_type"]
    in_state(item.connection, ConnectionState.OBSOLETE)
    page = edit(anna, item, acl="[]")
    assert refusals(page) == [
        "Connection 'contosohr' is in state 'obsolete'. Its items can be written or deleted in "
        "state 'ready', 'limitExceeded'."
    ]
    assert stored(item).version == 1


def test_what_was_written_meanwhile_is_shown_first(anna):
    item = put(ready())
    address = url(MODEL, "change", item.pk)
    opened = anna.get(address)
    put(item.connection, properties={"title": "By the connector"})
    sentence = "The item was written meanwhile. Open it again to edit what it is now."
    assert refusals(send(anna, address, opened, acl="[]")) == [sentence]
    # and also by who sends an old form and no word of what was seen
    assert refusals(send(anna, address, opened, acl="[]", seen=None)) == [sentence]
    assert stored(item).acl == [EVERYONE]
    assert refusals(edit(anna, item, acl="[]")) == []
    assert stored(item).properties == {"title": "By the connector"}


def test_what_was_deleted_meanwhile_is_not_made_again(anna):
    item = put(ready())
    address = url(MODEL, "change", item.pk)
    opened = anna.get(address)
    ingestion.delete(Container.of(item.connection), "one", COMMAND)
    page = send(anna, address, opened, acl="[]")
    assert "Perhaps it was deleted?" in told(page)[0]
    assert not ExternalItem.objects.exists()


def test_who_loses_a_race_reads_a_sentence(anna, monkeypatch):
    """Deleted between the check of the form and its saving."""
    item = put(ready())
    hold = admin_items.ItemForm.hold

    def delete_first(form):
        hold(form)
        ingestion.delete(Container.of(item.connection), "one", COMMAND)

    monkeypatch.setattr(admin_items.ItemForm, "hold", delete_first)
    assert refusals(edit(anna, item, acl="[]")) == ["'ExternalItem' was not found."]
    assert not Change.objects.filter(action=Action.ITEM_WRITTEN).exists()


def test_a_record_keeps_the_beginning_of_what_is_long(anna):
    item = put(ready(), content={"type": "text", "value": "x" * 5000})
    many = json.dumps([{**EVERYONE, "value": f"v{number:04}"} for number in range(200)])
    edit(anna, item, content_value="y" * 4000, acl=many)
    change = Change.objects.get(action=Action.ITEM_WRITTEN)
    assert change.before["content"] == {
        "type": "text",
        "value": "x" * 2000 + "… (5,000 characters in all)",
    }
    assert change.after["content"]["value"] == "y" * 2000 + "… (4,000 characters in all)"
    assert change.after["acl"].startswith('[{"accessType":"grant"')
    assert len(change.after["acl"]) < 2100
    notes = {f"title@note{number}": 1 for number in range(1000)}
    edit(anna, item, properties=json.dumps({**PROPERTIES, **notes}))
    assert len(Change.objects.filter(action=Action.ITEM_WRITTEN).first().after) == 300


def test_a_text_that_is_too_long_is_looked_at_and_the_rest_edited(anna, monkeypatch):
    monkeypatch.setattr(admin_items, "EDITABLE", 3000)
    item = put(ready(), content={"type": "text", "value": "<i>" + "x" * 4000})
    page = anna.get(url(MODEL, "change", item.pk))
    text = page.content.decode()
    assert "content_value" not in page.context["adminform"].form.fields
    assert "&lt;i&gt;" + "x" * 1997 + "…</pre>" in text
    assert "4,003 characters: too many to be edited here." in text
    assert refusals(edit(anna, item, acl="[]")) == []
    assert (stored(item).acl, stored(item).content_value) == ([], item.content_value)
    assert refusals(edit(anna, item, content_type=ContentType.HTML)) == []
    assert stored(item).content == {"type": "html", "value": item.content_value}


# Deleting ----------------------------------------------------------------------------------------


def test_deleting_lists_what_goes_along_and_records_what_it_was(anna):
    connection = ready()
    item = put(connection, content={"type": "text", "value": "x" * 5000})
    ExternalActivity.objects.create(
        item=item, kind=1, started_at=timezone.now(), performed_by="ada", performed_by_kind=1
    )
    address = url(MODEL, "delete", item.pk)
    text = anna.get(address).content.decode()
    assert "Activities: 1" in text and "history of changes" in text
    assert "was deleted successfully" in told(anna.post(address, {"post": "yes"}, follow=True))[0]
    assert not ExternalItem.objects.exists() and not ExternalActivity.objects.exists()
    assert ItemTally.objects.items(connection.pk) == ItemTally.objects.items() == 0
    change = Change.objects.get(action=Action.ITEM_DELETED)
    assert (change.channel, change.actor_name, change.subject) == ("admin", "anna", "one")
    assert change.before["properties/title"] == "Leave policy"
    assert change.before["content"]["value"].endswith("… (5,000 characters in all)")
    assert change.after is None


def test_deleting_in_a_state_that_forbids_it(anna):
    item = put(ready())
    in_state(item.connection, ConnectionState.DRAFT)
    page = anna.post(url(MODEL, "delete", item.pk), {"post": "yes"}, follow=True)
    assert told(page) == [
        "Connection 'contosohr' is in state 'draft'. Its items can be written or deleted in state "
        "'ready', 'limitExceeded'. Register a schema first."
    ]
    assert stored(item) == item
    ExternalConnection.objects.filter(pk=item.connection_id).update(deleting_since=timezone.now())
    page = anna.post(url(MODEL, "delete", item.pk), {"post": "yes"}, follow=True)
    assert told(page) == ["'Connection' was not found."]


def test_deleting_many_reports_what_was_refused(anna):
    first, second = put(ready()), put(ready("other"), "two")
    in_state(second.connection, ConnectionState.OBSOLETE)
    page = act(anna, MODEL, "delete_selected", [first, second])
    assert told(page)[0] == "1 deleted."
    assert told(page)[1].startswith("1 refused. two: Connection 'other' is in state 'obsolete'.")
    assert list(ExternalItem.objects.all()) == [second]


def test_only_what_was_asked_about_is_deleted(anna):
    """Not the item that has the id by now."""
    connection = ready()
    item = put(connection)
    found = Container.of(connection)
    ingestion.delete(found, "one", COMMAND)
    put(connection, "between")  # SQLite would give the last key once more
    newer = put(connection)
    with pytest.raises(ingestion.ItemNotFound):
        ingestion.delete_by_hand(found, item, COMMAND)
    assert newer in ExternalItem.objects.all()


# Looking -----------------------------------------------------------------------------------------


def test_the_list_says_who_may_read(anna):
    connection = ready("contosohr")
    deny = {"accessType": "deny", "type": "user", "value": "u"}
    put(connection, "<b>one", acl=[EVERYONE, deny, deny])
    groups = [{**EVERYONE, "type": kind} for kind in ("externalGroup", "group", "user", "user")]
    put(connection, "two", acl=groups)
    put(connection, "three", acl=[deny])
    put(connection, "four", acl=[{**EVERYONE, "type": "everyoneExceptGuests"}])
    put(connection, "five", acl=[EVERYONE] * 400)
    page = anna.get(url(MODEL))
    shown = {row.graph_id: row.readers for row in page.context["cl"].result_list}
    assert shown == {
        "<b>one": "everyone, not 2 users",
        "two": "2 users, 1 group, 1 external group",
        "three": "nobody",
        "four": "everyone except guests",
        "five": "a long list",
    }
    text = page.content.decode()
    assert "&lt;b&gt;one" in text and "bytes" in text
    assert url("externalconnection", "change", connection.pk) in text


def shown(client, query) -> list[str]:
    return sorted(row.graph_id for row in client.get(url(MODEL) + query).context["cl"].result_list)


@pytest.mark.parametrize(
    "query, found",
    [
        ("?q=ticket-1", ["ticket-1"]),
        ("?q=ticket-", ["ticket-1", "ticket-10", "ticket-2"]),
        ("?q=Ticket-", []),
        ("?q=icket", []),
        ("?q=%20", [" led"]),
        ("?q=caf", ["café\U0010ffff", "cafё"]),
        ("?q=café\U0010ffff", ["café\U0010ffff"]),
        ("?q=\ud7ff".encode("utf-8", "surrogatepass").decode(), ["\ud7ffx"]),
        ("?connection=nonsense", []),
        ("?connection=999999999999999999999", []),
        ("?changed_at__gte=2000-01-01&q=ticket-2", ["ticket-2"]),
    ],
)
@pytest.mark.filterwarnings("ignore:DateTimeField .* received a naive datetime")
def test_search(anna, query, found):
    connection = ready()
    for graph_id in ("ticket-1", "ticket-10", " led", "café\U0010ffff", "cafё", "\ud7ffx", "zoo"):
        put(connection, graph_id)
    put(ready("other"), "ticket-2")
    assert shown(anna, query) == sorted(found)


def test_a_search_for_what_no_id_can_be_is_no_server_error(anna):
    put(ready())
    assert anna.get(url(MODEL) + "?q=%00", follow=True).status_code == 200


def test_a_connection_narrows_list_and_search(anna):
    here, there = ready(), ready("other")
    put(here, "ticket-1")
    put(there, "ticket-2")
    assert shown(anna, f"?connection={there.pk}") == ["ticket-2"]
    assert shown(anna, f"?connection={there.pk}&q=ticket") == ["ticket-2"]
    assert shown(anna, f"?connection={there.pk}&q=ticket-1") == []


def test_a_search_shows_so_many_and_no_more(anna, monkeypatch):
    monkeypatch.setattr("operations.admin.lists.BEGINNING_SO", 2)
    connection = ready()
    for number in range(4):
        put(connection, f"ticket-{number}")
    assert len(shown(anna, "?q=ticket")) == 2
    assert len(shown(anna, "")) == 4


def test_a_search_asks_the_index_of_each_connection(anna):
    put(ready(), "ticket-1")
    with CaptureQueriesContext(database) as queries:
        anna.get(url(MODEL) + "?q=ticket-")
    asked = [query["sql"] for query in queries if '"graph_id" >= ' in query["sql"]]
    assert len(asked) == 1
    if database.vendor == "sqlite":
        with database.cursor() as cursor:
            cursor.execute(f"EXPLAIN QUERY PLAN {asked[0]}")
            plan = " ".join(row[-1] for row in cursor.fetchall())
        assert "connection_id=? AND graph_id>?" in plan


def test_a_filter_by_date_looks_at_the_newest_only(anna, monkeypatch):
    monkeypatch.setattr("operations.admin.lists.NEWEST", 2)
    connection = ready()
    for number in range(4):
        put(connection, f"ticket-{number}")
    text = anna.get(url(MODEL) + "?changed_at__year=2000").content.decode()
    assert "This filter looked at the newest 2 only." in text


def test_no_list_loads_what_may_be_megabytes(anna):
    items = [put(ready(), f"ticket-{number}") for number in range(1)]
    data = {"action": "delete_selected", "_selected_action": [row.pk for row in items]}
    with CaptureQueriesContext(database) as queries:
        anna.get(url(MODEL))
        anna.post(url(MODEL), data)
    assert not [query for query in queries if '"content_value"' in query["sql"]]


def test_the_page_shows_activities_and_who_wrote_last(anna):
    item = put(ready())
    ExternalActivity.objects.create(
        item=item, kind=4, started_at=timezone.now(), performed_by="<i>ada", performed_by_kind=1
    )
    text = anna.get(url(MODEL, "change", item.pk)).content.decode()
    assert "commented" in text and "&lt;i&gt;ada" in text
    assert '<div class="readonly">tests</div>' in text


def test_history_shows_what_people_did_to_an_id(anna):
    item = put(ready(), properties={"title": "Old"})
    put(item.connection, "other")
    edit(anna, item, properties='{"title": "Brand new"}')
    text = anna.get(url(MODEL, "history", item.pk)).content.decode()
    assert "Item written by hand" in text
    assert "properties/title: Old" in text and "properties/title: Brand new" in text
    other = ExternalItem.objects.get(graph_id="other")
    assert "No changes yet." in anna.get(url(MODEL, "history", other.pk)).content.decode()


def test_who_may_view_sees_it_indented_and_cannot_edit(client, django_user_model):
    user = django_user_model.objects.create_user("vera", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    client.force_login(user)
    item = put(ready(), informationProtectionLabel={"sensitivityLabelId": "L"})
    text = client.get(url(MODEL, "change", item.pk)).content.decode()
    assert "&quot;title&quot;: &quot;Leave policy&quot;\n}" in text
    assert "&quot;sensitivityLabelId&quot;: &quot;L&quot;" in text
    assert client.post(url(MODEL, "change", item.pk), {"acl": "[]"}).status_code == 403
    assert client.get(url(MODEL, "add")).status_code == 403


def test_what_is_being_deleted_is_looked_at_no_more(anna):
    item = put(ready())
    ExternalConnection.objects.filter(pk=item.connection_id).update(deleting_since=timezone.now())
    assert anna.get(url(MODEL, "change", item.pk)).status_code == 200
    assert anna.post(url(MODEL, "change", item.pk), {"acl": "[]"}).status_code == 403


def test_every_item_and_group_of_the_demo_goes_through_its_form(anna):
    call_command("seed_demo", stdout=io.StringIO())
    before = list(ExternalItem.objects.order_by("pk").values())
    frozen = 0
    for row in (*ExternalItem.objects.all(), *ExternalGroup.objects.all()):
        page = edit(anna, row) if isinstance(row, ExternalItem) else edit_group(anna, row)
        frozen += refusals(page) != []
    assert list(ExternalItem.objects.order_by("pk").values()) == before
    assert frozen == 2, "those of the connection that is obsolete"


def edit_group(client, group):
    return submit(client, url("externalgroup", "change", group.pk))


def test_pages_work_under_a_strict_content_policy(anna):
    item = put(ready())
    for page in ("change", "delete", "history"):
        assert inline_code(anna.get(url(MODEL, page, item.pk))) == []
    for page in ("changelist", "add"):
        assert inline_code(anna.get(url(MODEL, page))) == []
