"""Connections in the admin: the rules of the API, sentences in place of server errors."""

from __future__ import annotations

import json
import uuid

import pytest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from operations import groups
from operations.models import (
    Action,
    Change,
    ConnectionState,
    ContentCategory,
    ExternalConnection,
    ItemTally,
)
from tests.admin_pages import act, administrator, inline_code, refusals, send, submit, told, url
from tests.factories import (
    COMMAND,
    fail_registration,
    make_application,
    make_connection,
    register_schema,
    report,
    request_registration,
)

MODEL = "externalconnection"
STRANGER = "3ed1595a-4bae-43c2-acda-ef973e581323"


@pytest.fixture
def anna(db):
    return administrator("anna")


def add(client, **values):
    return submit(client, url(MODEL, "add"), **values)


def edit(client, connection, **values):
    return submit(client, url(MODEL, "change", connection.pk), **values)


def last_change() -> Change:
    return Change.objects.order_by("-id").first()


# Adding ------------------------------------------------------------------------------------------


def test_adding_registers_a_draft(anna):
    page = add(anna, graph_id="contosohr", name="Contoso HR", description="People\r\nand forms")
    assert refusals(page) == []
    connection = ExternalConnection.objects.get()
    assert (connection.graph_id, connection.name) == ("contosohr", "Contoso HR")
    assert connection.description == "People\nand forms"
    assert connection.state == ConnectionState.DRAFT
    change = Change.objects.get()
    assert change.action == Action.CONNECTION_CREATED
    assert (change.channel, change.actor_name) == ("admin", "anna")
    assert change.request_id != ""


def test_adding_with_an_owner_and_all_settings(anna):
    owner, other = make_application(), uuid.uuid4()
    page = add(
        anna,
        graph_id="contosohr",
        name="Contoso HR",
        owner_app_id=str(owner.app_id),
        authorized_app_ids=f"{other}\r\n",
        content_category=ContentCategory.PEOPLE,
        search_settings='{"searchResultTemplates": []}',
        enabled_content_experiences="search,compliance",
        connector_id="teams-app",
    )
    assert refusals(page) == []
    connection = ExternalConnection.objects.get()
    assert connection.owner_app_id == owner.app_id
    assert connection.authorized_app_ids == [other]
    assert connection.content_category == ContentCategory.PEOPLE
    assert connection.search_settings == {"searchResultTemplates": []}
    assert connection.enabled_content_experiences == "search, compliance"
    assert connection.connector_id == "teams-app"
    assert connection.activity_settings is None
    assert connection.description is None


@pytest.mark.parametrize(
    "graph_id, sentence",
    [
        (
            "contoso-hr",
            "Property 'id' must be 3 to 32 characters, letters A-Z a-z and digits only.",
        ),
        (
            "Microsoft1",
            "Property 'id' must not be 'Microsoft1': this id is reserved, and so is every id "
            "that begins with Microsoft.",
        ),
        ("TAKEN", "A connection with the id 'taken' already exists."),
        (
            "leaving",
            "A connection with the id 'leaving' is still being deleted. The id is free again "
            "when its deletion ends.",
        ),
        ("nul\x00nul", "Null characters are not allowed."),
    ],
)
def test_refused_ids(anna, graph_id, sentence):
    make_connection("taken")
    leaving = make_connection("leaving")
    ExternalConnection.objects.filter(pk=leaving.pk).update(deleting_since=timezone.now())
    page = add(anna, graph_id=graph_id, name="Name")
    assert refusals(page) == [sentence]
    assert list(page.context["adminform"].form.errors) == ["graph_id"]
    assert ExternalConnection.objects.count() == 2
    assert Change.objects.filter(channel="admin").count() == 0


@pytest.mark.parametrize(
    "field, text, sentence",
    [
        (
            "search_settings",
            '{"a": 1,\n "b" 2}',
            "This is not JSON: Expecting ':' delimiter at line 2, column 6.",
        ),
        ("search_settings", "1" * 5000, "A number has more digits than can be read."),
        ("search_settings", "[" * 100_000, "The JSON is nested deeper than 32 levels."),
        (
            "search_settings",
            '{"a":' * 40 + "1" + "}" * 40,
            "Member 'a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a' is nested deeper "
            "than 32 levels.",
        ),
        ("activity_settings", "[]", 'Enter a JSON object: {"member": "value", …}.'),
        ("compliance_settings", '{"a": NaN}', "This is not JSON: NaN is no number of JSON."),
        ("compliance_settings", '{"a": [1, 1e999]}', "Member 'a/1' is a number out of range."),
        (
            "compliance_settings",
            '{"a": {"b": "\\u0000"}}',
            "Member 'a/b' has a NUL character or half a surrogate pair.",
        ),
        (
            "compliance_settings",
            '{"\\ud800": 1}',
            "Member '\\ud800' has a NUL character or half a surrogate pair.",
        ),
        ("compliance_settings", '{"a": 1, "b": 2, "a": 3}', "Member 'a' stands twice."),
        ("authorized_app_ids", "nobody", "'nobody' is not an application (client) id, a GUID."),
        ("owner_app_id", "nobody", "Enter a valid UUID."),
        ("owner_app_id", STRANGER, "No application with this client id is registered."),
        ("enabled_content_experiences", "search, fun", "must be a comma-separated list"),
        ("name", "x" * 129, "at most 128 characters"),
        ("name", "", "This field is required."),
        ("content_category", "14", "14 is not one of the available choices."),
        ("content_category", "99", "99 is not one of the available choices."),
    ],
)
def test_refused_values(anna, field, text, sentence):
    page = add(anna, **{"graph_id": "contosohr", "name": "Name", field: text})
    assert list(page.context["adminform"].form.errors) == [field]
    assert sentence in refusals(page)[0]
    assert not ExternalConnection.objects.exists()


def test_what_was_typed_is_shown_again(anna):
    page = add(anna, graph_id="contosohr", name="Name", search_settings="{broken")
    assert "{broken</textarea>" in page.content.decode()


# Editing -----------------------------------------------------------------------------------------


def test_an_edit_records_what_was_before_and_after(anna):
    connection = make_connection("contosohr", name="Old", description="Kept")
    assert refusals(edit(anna, connection, name="New")) == []
    connection.refresh_from_db()
    assert (connection.name, connection.description) == ("New", "Kept")
    change = last_change()
    assert (change.action, change.channel, change.actor_name) == (
        Action.CONNECTION_UPDATED,
        "admin",
        "anna",
    )
    assert (change.before, change.after) == ({"name": "Old"}, {"name": "New"})


def test_saving_what_was_not_edited_changes_nothing(anna):
    connection = make_connection(
        name="Name",
        description=" two\nlines ",
        owner=make_application(),
        authorized_app_ids=[uuid.uuid4(), uuid.uuid4()],
        search_settings={"b": 1, "a": {"ö": [True, None]}},
    )
    # whoever owns it may be unknown here
    ExternalConnection.objects.filter(pk=connection.pk).update(owner_app_id=uuid.uuid4())
    before = Change.objects.count()
    assert refusals(edit(anna, connection)) == []
    assert Change.objects.count() == before


def test_an_untouched_description_of_null_stays_null(anna):
    connection = make_connection(description=None)
    edit(anna, connection, name="New")
    connection.refresh_from_db()
    assert connection.description is None
    assert last_change().after == {"name": "New"}


def test_settings_are_cleared_by_emptying_them(anna):
    connection = make_connection(search_settings={"a": 1}, description="Text")
    edit(anna, connection, search_settings="", description="")
    connection.refresh_from_db()
    assert (connection.search_settings, connection.description) == (None, None)


def test_an_administrator_sets_state_and_owner(anna):
    connection, owner = make_connection(), make_application()
    edit(anna, connection, state=ConnectionState.OBSOLETE, owner_app_id=str(owner.app_id))
    connection.refresh_from_db()
    assert (connection.state, connection.owner_app_id) == (ConnectionState.OBSOLETE, owner.app_id)
    assert last_change().after == {"ownerAppId": str(owner.app_id), "state": "obsolete"}


def test_an_obsolete_connection_is_edited_only_out_of_that_state(anna):
    connection = make_connection("contosohr", name="Old", state=ConnectionState.OBSOLETE)
    page = edit(anna, connection, name="New")
    assert refusals(page) == [
        "Connection 'contosohr' is obsolete. In this state it can only be read and deleted."
    ]
    assert list(page.context["adminform"].form.errors) == ["state"]
    assert refusals(edit(anna, connection, state=ConnectionState.READY, name="New")) == []
    connection.refresh_from_db()
    assert (connection.name, connection.state) == ("New", ConnectionState.READY)


def test_the_sentinel_is_kept_but_not_offered(anna):
    plain = make_connection()
    page = edit(anna, plain, state=ConnectionState.UNKNOWN_FUTURE_VALUE)
    assert "is not one of the available choices" in refusals(page)[0]
    imported = make_connection(state=ConnectionState.UNKNOWN_FUTURE_VALUE)
    assert refusals(edit(anna, imported, name="New")) == []
    imported.refresh_from_db()
    assert (imported.name, imported.state) == ("New", ConnectionState.UNKNOWN_FUTURE_VALUE)


def test_the_id_is_fixed_once_saved(anna):
    connection = make_connection("contosohr")
    edit(anna, connection, graph_id="other", name="New")
    connection.refresh_from_db()
    assert (connection.graph_id, connection.name) == ("contosohr", "New")


def test_an_editor_does_not_put_back_what_changed_meanwhile(anna):
    connection = make_connection(name="Old", description="Old")
    address = url(MODEL, "change", connection.pk)
    shown = anna.get(address)
    connection.revise(COMMAND, description="From the API")
    assert refusals(send(anna, address, shown, name="New")) == []
    connection.refresh_from_db()
    assert (connection.name, connection.description) == ("New", "From the API")


def test_what_is_being_deleted_is_only_looked_at(anna):
    connection = make_connection()
    ExternalConnection.objects.filter(pk=connection.pk).update(deleting_since=timezone.now())
    address = url(MODEL, "change", connection.pk)
    page = anna.get(address)
    assert page.status_code == 200
    assert 'name="_save"' not in page.content.decode()
    assert anna.post(address, {"name": "New"}).status_code == 403


def test_who_loses_a_race_reads_a_sentence(anna, monkeypatch):
    """The form was right when it was checked, and the connection was gone when it was saved."""
    connection = make_connection("contosohr")
    real = ExternalConnection.revise
    calls = []

    def revise(self, actor, **values):
        calls.append(values)
        if len(calls) == 2:
            ExternalConnection.objects.filter(pk=self.pk).update(deleting_since=timezone.now())
        return real(self, actor, **values)

    monkeypatch.setattr(ExternalConnection, "revise", revise)
    page = edit(anna, connection, name="New")
    assert told(page) == ["'Connection' was not found."]
    assert not Change.objects.filter(action=Action.CONNECTION_UPDATED).exists()


# Deleting ----------------------------------------------------------------------------------------


def test_deleting_asks_and_says_what_goes_along(anna):
    connection = make_connection("contosohr")
    register_schema(connection)
    report(connection)
    groups.create(connection.pk, COMMAND, graph_id="staff")
    ItemTally.add(connection.pk, created=1204)
    with CaptureQueriesContext(database) as queries:
        page = anna.get(url(MODEL, "delete", connection.pk))
    assert not [each for each in queries if "operations_externalitem" in each["sql"]]
    text = page.content.decode()
    for line in (
        "Operations: 2",
        "Schema versions: 1",
        "Outcome rules: 0",
        "External groups, with their members: 1",
        "Items, with the activities on them: 1,204",
        "history of changes",
    ):
        assert line in text
    page = anna.post(url(MODEL, "delete", connection.pk), {"post": "yes"}, follow=True)
    assert "was deleted successfully" in told(page)[0]
    assert not ExternalConnection.objects.exists()
    requested = Change.objects.get(action=Action.CONNECTION_DELETION_REQUESTED)
    assert (requested.channel, requested.actor_name) == ("admin", "anna")


def test_deleting_a_large_connection_says_that_it_takes_time(anna, settings):
    settings.PURGE_IN_REQUEST = 1
    connection = make_connection("contosohr")
    for _ in range(3):
        report(connection)
    page = anna.post(url(MODEL, "delete", connection.pk), {"post": "yes"}, follow=True)
    assert told(page) == [
        "contosohr is being deleted. It holds so much that the worker deletes it in steps; its "
        "id is free again when that ends."
    ]
    again = anna.post(url(MODEL, "delete", connection.pk), {"post": "yes"}, follow=True)
    assert told(again) == ["'Connection' was not found."]


def test_deleting_many_reports_what_was_refused(anna):
    small, leaving = make_connection("small"), make_connection("leaving")
    ExternalConnection.objects.filter(pk=leaving.pk).update(deleting_since=timezone.now())
    page = act(anna, MODEL, "delete_selected", [small, leaving])
    assert told(page) == ["1 deleted.", "1 refused. leaving: 'Connection' was not found."]
    assert list(ExternalConnection.objects.all()) == [leaving]


# Looking -----------------------------------------------------------------------------------------


def test_the_list_shows_what_needs_a_person(anna):
    connection = make_connection("contosohr", name="Contoso <b>HR</b>", state=ConnectionState.READY)
    for _ in range(2):
        fail_registration(connection)
    request_registration(connection)
    text = anna.get(url(MODEL)).content.decode()
    assert "Contoso &lt;b&gt;HR&lt;/b&gt;" in text
    assert 'class="badge badge-ready" title="Graph: ready"' in text
    assert 'class="badge badge-queued" title="Graph: inprogress"' in text
    failures = f"{url('connectionoperation')}?connection={connection.pk}&amp;triage=open"
    assert f'href="{failures}" dir="auto">2</a>' in text


@pytest.mark.parametrize(
    "query, shown",
    [
        ("?q=wiki", ["wiki"]),
        ("?state=ready", ["hrready"]),
        ("?state__exact=2", ["hrready"]),
        ("?state=nonsense", ["hrready", "leaving", "wiki"]),
        ("?health=deleting", ["leaving"]),
        ("?health=attention", ["wiki"]),
        ("?health=healthy", ["hrready"]),
        ("?owner=none", ["leaving", "wiki"]),
        ("?owner=nonsense", []),
        ("?created_at__gte=2000-01-01", ["hrready", "leaving", "wiki"]),
    ],
)
@pytest.mark.filterwarnings("ignore:DateTimeField .* received a naive datetime")
def test_search_and_filters(anna, query, shown):
    make_connection("hrready", owner=make_application(), state=ConnectionState.READY)
    fail_registration(make_connection("wiki"))
    leaving = make_connection("leaving")
    ExternalConnection.objects.filter(pk=leaving.pk).update(deleting_since=timezone.now())
    page = anna.get(url(MODEL) + query)
    assert sorted(row.graph_id for row in page.context["cl"].result_list) == shown


def test_filtering_by_owner(anna):
    owner = make_application()
    make_connection("mine", owner=owner)
    make_connection("others")
    page = anna.get(url(MODEL) + f"?owner={owner.app_id}")
    assert [row.graph_id for row in page.context["cl"].result_list] == ["mine"]


def test_the_latest_operations_stand_on_the_page(anna):
    connection = make_connection()
    operations = [report(connection, graph_id=f"run-{number}") for number in range(24)]
    failed = report(connection, graph_id="run-24", status="failed", error={"message": "<i>Gone."})
    text = anna.get(url(MODEL, "change", connection.pk)).content.decode()
    assert "run-23" in text
    assert "run-5" in text
    assert "run-4<" not in text
    assert url("connectionoperation", "change", operations[23].pk) in text
    assert url("connectionoperation", "change", failed.pk) in text
    assert "&lt;i&gt;Gone." in text
    assert "badge-failed" in text and "badge-open" in text
    assert f'href="{url("connectionoperation")}?connection={connection.pk}"' in text


def test_items_and_groups_are_a_click_away(anna):
    connection = make_connection()
    ItemTally.add(connection.pk, created=1204)
    text = anna.get(url(MODEL, "change", connection.pk)).content.decode()
    assert (
        f'href="{url("externalitem")}?connection={connection.pk}" dir="auto">Items: 1,204' in text
    )
    assert f'href="{url("externalgroup")}?connection={connection.pk}"' in text


def test_json_is_shown_indented(anna):
    connection = make_connection(search_settings={"searchResultTemplates": [{"id": "hr"}]})
    page = anna.get(url(MODEL, "change", connection.pk))
    shown = page.context["adminform"].form["search_settings"].value()
    assert shown == json.dumps(connection.search_settings, indent=2)


def test_history_shows_every_channel(anna):
    connection = make_connection("contosohr", name="Old")
    edit(anna, connection, name="Brand new")
    text = anna.get(url(MODEL, "history", connection.pk)).content.decode()
    assert "Connection created" in text
    assert "tests</bdi> (command)" in text
    assert "anna</bdi> (admin)" in text
    assert "name: Old" in text
    assert "name: Brand new" in text


def test_pages_work_under_a_strict_content_policy(anna):
    connection = make_connection()
    report(connection)
    for address in (
        url(MODEL),
        url(MODEL, "add"),
        url(MODEL, "change", connection.pk),
        url(MODEL, "delete", connection.pk),
        url(MODEL, "history", connection.pk),
    ):
        page = anna.get(address)
        assert page.status_code == 200
        assert "script-src" not in page["Content-Security-Policy"]
        assert "default-src 'self'" in page["Content-Security-Policy"]
        assert inline_code(page) == [], address


def test_the_site_has_a_name(anna):
    text = anna.get("/admin/").content.decode()
    assert "Connectors Admin" in text
    assert "External connections" in text
    assert text.index("External connections") < text.index("Connection operations")
    assert text.index("Installations") < text.index("Users"), "our data first"


def test_without_permission_nothing_is_shown(client, django_user_model):
    client.force_login(django_user_model.objects.create_user("guest", is_staff=True))
    connection = make_connection()
    for address in (url(MODEL), url(MODEL, "change", connection.pk)):
        assert client.get(address).status_code == 403
