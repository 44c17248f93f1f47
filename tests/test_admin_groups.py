"""External groups and their members in the admin: made, renamed, filled, emptied, refused."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Permission
from django.utils import timezone

from operations import groups
from operations.admin import groups as admin_groups
from operations.models import (
    Action,
    Change,
    ConnectionState,
    ExternalConnection,
    ExternalGroup,
    GroupMember,
    IdentityType,
)
from tests.admin_pages import act, administrator, inline_code, refusals, send, submit, told, url
from tests.factories import COMMAND, make_connection

GROUP = "externalgroup"
MEMBER = "groupmember"
USER = IdentityType.USER


@pytest.fixture
def anna(db):
    return administrator("anna")


def make_group(connection=None, graph_id="staff", **values) -> ExternalGroup:
    connection = connection or make_connection("contosohr")
    return groups.create(connection.pk, COMMAND, graph_id=graph_id, **values)


def make_member(group, graph_id="ada", kind=USER) -> GroupMember:
    return groups.add_member(group, COMMAND, graph_id=graph_id, kind=kind)


def add(client, to, **values):
    return submit(client, url(GROUP, "add"), **{"connection": to.pk, "graph_id": "staff", **values})


def add_member(client, to, **values):
    given = {"group": to.pk, "graph_id": "ada", "kind": USER, **values}
    return submit(client, url(MEMBER, "add"), **given)


def edit(client, group, **values):
    return submit(client, url(GROUP, "change", group.pk), **values)


def by_anna(action: Action) -> Change:
    """The one record of this action, which anna left through the admin."""
    return Change.objects.get(action=action, channel="admin", actor_name="anna")


def fields_with_errors(page) -> list[str]:
    return list(page.context["adminform"].form.errors)


# Groups ------------------------------------------------------------------------------------------


def test_adding_a_group(anna):
    connection = make_connection("contosohr")
    page = add(anna, connection, graph_id="sales/eu", display_name="Sales Ä", description="a\r\nb")
    assert refusals(page) == []
    group = ExternalGroup.objects.get()
    assert group.graph() == {"id": "sales/eu", "displayName": "Sales Ä", "description": "a\nb"}
    change = by_anna(Action.GROUP_CREATED)
    assert (change.connection_key, change.subject) == (connection.pk, "sales/eu")
    assert (change.before, change.after["displayName"]) == (None, "Sales Ä")


def test_without_a_name_it_has_none(anna):
    assert refusals(add(anna, make_connection())) == []
    assert ExternalGroup.objects.get().snapshot() == {"displayName": None, "description": None}


@pytest.mark.parametrize(
    "values, field, sentence",
    [
        ({"graph_id": ""}, "graph_id", "This field is required."),
        (
            {"graph_id": "."},
            "graph_id",
            "Property 'id' must not be '.': HTTP clients take it out of an address.",
        ),
        (
            {"graph_id": "x" * 129},
            "graph_id",
            "Ensure this value has at most 128 characters (it has 129).",
        ),
        ({"graph_id": "taken"}, "__all__", "This connection has a group with this id already."),
        ({"display_name": "a\x00"}, "display_name", "Null characters are not allowed."),
        (
            {"connection": 99},
            "connection",
            "Select a valid choice. That choice is not one of the available choices.",
        ),
    ],
)
def test_refused_groups(anna, values, field, sentence):
    connection = make_connection()
    make_group(connection, "taken")
    page = add(anna, connection, **values)
    assert (refusals(page), fields_with_errors(page)) == ([sentence], [field])
    assert ExternalGroup.objects.count() == 1


def test_a_connection_that_takes_none(anna):
    connection = make_connection("contosohr", state=ConnectionState.OBSOLETE)
    page = add(anna, connection)
    assert refusals(page) == [
        "Connection 'contosohr' is obsolete. In this state it can only be read and deleted."
    ]
    assert fields_with_errors(page) == ["connection"]
    ExternalConnection.objects.update(deleting_since=timezone.now())
    assert refusals(add(anna, connection)) == ["'Connection' was not found."]


def test_editing_a_group_records_before_and_after(anna):
    group = make_group(display_name="Old", description="")
    assert refusals(edit(anna, group, display_name="Brand new")) == []
    group.refresh_from_db()
    assert (group.display_name, group.description) == ("Brand new", "")
    change = by_anna(Action.GROUP_UPDATED)
    assert (change.before, change.after) == (
        {"displayName": "Old"},
        {"displayName": "Brand new"},
    )
    text = anna.get(url(GROUP, "history", group.pk)).content.decode()
    assert "displayName: Old" in text and "displayName: Brand new" in text
    assert "Group created" in text and "tests</bdi> (command)" in text


def test_a_form_that_nobody_touched_changes_nothing(anna):
    group = make_group(display_name="a\r\nb\rc ", description="\n x")
    before = ExternalGroup.objects.values().get()
    assert refusals(edit(anna, group)) == []
    assert ExternalGroup.objects.values().get() == before
    assert not Change.objects.filter(action=Action.GROUP_UPDATED).exists()


def test_id_and_connection_are_fixed(anna):
    group = make_group()
    other = make_connection("other")
    assert refusals(edit(anna, group, graph_id="two", connection=other.pk)) == []
    assert str(ExternalGroup.objects.get(pk=group.pk, connection=group.connection)) == "staff"


def test_an_editor_does_not_put_back_what_changed_meanwhile(anna):
    group = make_group(display_name="Old", description="Old")
    address = url(GROUP, "change", group.pk)
    opened = anna.get(address)
    groups.update(group, COMMAND, display_name="By the connector")
    assert refusals(send(anna, address, opened, description="By anna")) == []
    group.refresh_from_db()
    assert (group.display_name, group.description) == ("By the connector", "By anna")


def test_who_loses_a_race_reads_a_sentence(anna, monkeypatch):
    group = make_group()
    address = url(GROUP, "change", group.pk)
    opened = anna.get(address)
    hold = admin_groups.GroupForm.hold

    def delete_first(form):
        hold(form)
        groups.delete(group, COMMAND)

    with monkeypatch.context() as patch:
        patch.setattr(admin_groups.GroupForm, "hold", delete_first)
        page = send(anna, address, opened, display_name="x")
    assert refusals(page) == ["'ExternalGroup' was not found."]
    assert "Perhaps it was deleted?" in told(send(anna, address, opened, display_name="x"))[0]


def test_deleting_lists_what_goes_along(anna):
    group = make_group()
    for number in range(3):
        make_member(group, f"user-{number}")
    text = anna.get(url(GROUP, "delete", group.pk)).content.decode()
    assert "Members: 3" in text
    assert "Access lists that name it stay as they are." in text
    page = anna.post(url(GROUP, "delete", group.pk), {"post": "yes"}, follow=True)
    assert "was deleted successfully" in told(page)[0]
    assert not GroupMember.objects.exists()
    assert by_anna(Action.GROUP_DELETED).before["members"] == 3


def test_deleting_many_reports_what_was_refused(anna):
    group = make_group()
    kept = make_group(make_connection("other"), "kept")
    ExternalConnection.objects.filter(graph_id="other").update(state=ConnectionState.OBSOLETE)
    page = act(anna, GROUP, "delete_selected", [group, kept])
    assert told(page) == [
        "1 deleted.",
        "1 refused. kept: Connection 'other' is obsolete. In this state it can only be read and "
        "deleted.",
    ]
    assert list(ExternalGroup.objects.all()) == [kept]


# Members -----------------------------------------------------------------------------------------


def test_adding_and_removing_a_member(anna):
    group = make_group()
    assert refusals(add_member(anna, group, graph_id="ada/lovelace")) == []
    member = GroupMember.objects.get()
    assert (member.group, member.graph()) == (group, {"id": "ada/lovelace", "type": "user"})
    change = by_anna(Action.MEMBER_ADDED)
    assert (change.subject, change.after) == ("staff", {"id": "ada/lovelace", "type": "user"})
    page = anna.post(url(MEMBER, "delete", member.pk), {"post": "yes"}, follow=True)
    assert "was deleted successfully" in told(page)[0]
    assert by_anna(Action.MEMBER_REMOVED).before == {"id": "ada/lovelace", "type": "user"}
    history = anna.get(url(GROUP, "history", group.pk)).content.decode()
    assert "Member added" in history and "Member removed" in history


def test_groups_in_a_ring(anna):
    group = make_group()
    other = make_group(group.connection, "all")
    ring = IdentityType.EXTERNAL_GROUP
    assert refusals(add_member(anna, group, graph_id="all", kind=ring)) == []
    assert refusals(add_member(anna, other, graph_id="staff", kind=ring)) == []
    assert refusals(add_member(anna, other, graph_id="all", kind=ring)) == []
    assert anna.get(url(GROUP, "change", group.pk)).status_code == 200


@pytest.mark.parametrize(
    "values, field, sentence",
    [
        ({"graph_id": ""}, "graph_id", "This field is required."),
        ({"graph_id": ".."}, "graph_id", "must not be '..'"),
        ({"kind": ""}, "kind", "This field is required."),
        ({"kind": 4}, "kind", "Select a valid choice. 4 is not one of the available choices."),
        ({"group": 99}, "group", "Select a valid choice."),
        ({"group": "x"}, "group", "Select a valid choice."),
        ({"graph_id": "taken"}, "__all__", "This group has a member with this id already."),
    ],
)
def test_refused_members(anna, values, field, sentence):
    group = make_group()
    make_member(group, "taken")
    page = add_member(anna, group, **values)
    assert sentence in refusals(page)[0]
    assert fields_with_errors(page) == [field]
    assert GroupMember.objects.count() == 1


def test_members_of_a_connection_that_takes_none(anna):
    group = make_group()
    member = make_member(group, "taken")
    ExternalConnection.objects.update(state=ConnectionState.OBSOLETE)
    sentence = "Connection 'contosohr' is obsolete. In this state it can only be read and deleted."
    page = add_member(anna, group)
    assert (refusals(page), fields_with_errors(page)) == ([sentence], ["group"])
    page = anna.post(url(MEMBER, "delete", member.pk), {"post": "yes"}, follow=True)
    assert told(page) == [sentence]
    assert list(GroupMember.objects.all()) == [member]


def test_a_member_is_not_changed(anna):
    member = make_member(make_group())
    page = anna.get(url(MEMBER, "change", member.pk))
    assert page.status_code == 200
    assert 'name="_save"' not in page.content.decode()
    assert anna.post(url(MEMBER, "change", member.pk), {"kind": 2}).status_code == 403


def test_who_removes_second_reads_a_sentence(anna, monkeypatch):
    member = make_member(make_group())
    remove = groups.remove_member

    def remove_twice(found, actor):
        remove(found, COMMAND)
        remove(found, actor)

    monkeypatch.setattr(groups, "remove_member", remove_twice)
    page = anna.post(url(MEMBER, "delete", member.pk), {"post": "yes"}, follow=True)
    assert told(page) == ["'Identity' was not found."]


# Looking -----------------------------------------------------------------------------------------


def test_a_page_shows_the_first_members_and_leads_to_all(anna):
    group = make_group()
    for number in range(24):
        make_member(group, f"<i>user-{number:02}")
    text = anna.get(url(GROUP, "change", group.pk)).content.decode()
    assert "&lt;i&gt;user-19" in text and "user-20" not in text
    assert f'href="{url(MEMBER)}?group={group.pk}">All 24 members of this group' in text
    assert f'href="{url(MEMBER, "add")}?group={group.pk}" dir="auto">Add a member' in text
    form = anna.get(f"{url(MEMBER, 'add')}?group={group.pk}").context["adminform"].form
    assert form["group"].value() == str(group.pk)


def test_many_members_are_counted_no_further_than_needed(anna, monkeypatch):
    monkeypatch.setattr("operations.admin.lists.COUNT_LIMIT", 3)
    group = make_group()
    for number in range(5):
        make_member(group, f"user-{number}")
    assert "All 3+ members" in anna.get(url(GROUP, "change", group.pk)).content.decode()
    assert "Members: 3+" in anna.get(url(GROUP, "delete", group.pk)).content.decode()


def test_an_empty_group(anna):
    assert "No members yet." in anna.get(url(GROUP, "change", make_group().pk)).content.decode()


def test_who_may_not_add_is_not_offered_it(client, django_user_model):
    user = django_user_model.objects.create_user("vera", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    client.force_login(user)
    member = make_member(make_group())
    text = client.get(url(GROUP, "change", member.group_id)).content.decode()
    assert "ada" in text and "Add a member" not in text
    assert client.get(url(MEMBER, "add")).status_code == 403


def shown(client, model, query) -> list[str]:
    return sorted(row.graph_id for row in client.get(url(model) + query).context["cl"].result_list)


@pytest.mark.parametrize(
    "query, found",
    [
        ("", ["sales", "sales-eu", "staff"]),
        ("?q=sales", ["sales"]),
        ("?q=ales-", ["sales-eu"]),
        ("?q=europe", ["sales-eu"]),
        ("?q=nobody", []),
        ("?connection=nonsense", []),
    ],
)
def test_groups_are_found(anna, query, found):
    connection = make_connection()
    make_group(connection, "sales")
    make_group(connection, "sales-eu", display_name="Sales in Europe")
    other = make_connection()
    make_group(other, "staff")
    assert shown(anna, GROUP, query) == found
    assert shown(anna, GROUP, f"?connection={other.pk}") == ["staff"]


def test_members_are_found(anna, monkeypatch):
    one, two = make_group(), make_group(make_connection(), "two")
    for group, graph_id in ((one, "ada"), (one, "adam"), (two, "ada"), (two, "bob")):
        make_member(group, graph_id)
    assert shown(anna, MEMBER, f"?group={one.pk}") == ["ada", "adam"]
    assert shown(anna, MEMBER, f"?group={one.pk}&q=ada") == ["ada"]
    assert shown(anna, MEMBER, f"?group={one.pk}&q=ad") == ["ada", "adam"]
    assert shown(anna, MEMBER, "?q=ada") == ["ada", "ada"]
    assert shown(anna, MEMBER, "?q=zoe") == []
    assert shown(anna, MEMBER, "?group=nonsense") == []
    assert "In staff (contosohr)" in anna.get(url(MEMBER) + f"?group={one.pk}").content.decode()
    assert "One that is gone" in anna.get(url(MEMBER) + "?group=999").content.decode()
    monkeypatch.setattr("operations.admin.lists.NEWEST", 2)
    assert shown(anna, MEMBER, "?q=ada") == ["ada"], "without a group, among the newest"
    assert shown(anna, MEMBER, f"?group={one.pk}&q=ada") == ["ada"]


def test_what_is_being_deleted_is_looked_at_no_more(anna):
    group = make_group()
    ExternalConnection.objects.update(deleting_since=timezone.now())
    assert anna.get(url(GROUP, "change", group.pk)).status_code == 200
    assert anna.post(url(GROUP, "change", group.pk), {"display_name": "x"}).status_code == 403


def test_pages_work_under_a_strict_content_policy(anna):
    member = make_member(make_group())
    for model, key in ((GROUP, member.group_id), (MEMBER, member.pk)):
        for page in ("change", "delete", "history"):
            response = anna.get(url(model, page, key))
            assert response.status_code == 200
            assert inline_code(response) == []
        for page in ("changelist", "add"):
            assert inline_code(anna.get(url(model, page))) == []
