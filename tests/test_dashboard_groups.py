"""External groups: the list, and one with its members as a tree."""

import re

import pytest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from operations.dashboard.presentation.groups import MOST, member_tree
from operations.models import ConnectionState, ExternalGroup, GroupMember, IdentityType
from tests import factories

pytestmark = pytest.mark.django_db
SCRIPT = "<script>alert(1)</script>"
USER, GROUP, EXTERNAL = IdentityType.USER, IdentityType.GROUP, IdentityType.EXTERNAL_GROUP


@pytest.fixture
def connection():
    made = factories.make_connection("contosohr", name="Contoso HR")
    factories.register_schema(made)
    return made


def tab(client, query=""):
    response = client.get(reverse("connection", args=["contosohr"]) + f"?tab=groups{query}")
    assert response.status_code == 200
    return response.content.decode()


def address(group):
    return reverse("group", args=["contosohr", group.pk])


def page(client, group, query=""):
    response = client.get(address(group) + query)
    assert response.status_code == 200
    return response.content.decode()


def tree(client, group, query=""):
    text = page(client, group, query)
    return text.split('<ul class="members">', 1)[1].split("</section>")[0]


def shown(text):
    return re.findall(r'data-copy="([^"]*)" title="Copy group id"', text)


def named(*groups):
    return [{"accessType": "grant", "type": "externalGroup", "value": each} for each in groups]


# The list ----------------------------------------------------------------------------------------


def test_without_groups_it_says_what_they_are(viewer, connection):
    text = tab(viewer)

    assert "No groups yet" in text
    assert "POST http://testserver/v1.0/external/connections/contosohr/groups" in text


def test_a_row_has_name_members_and_what_uses_it(viewer, connection):
    team = factories.make_group(
        connection, "team/1", ("ana", USER), ("ben", USER), display_name="The team"
    )
    factories.make_group(connection, "all", "team/1")
    for number in range(3):
        acl = named("team/1", "team/1") if number else named("all")
        factories.put_item(connection, f"item{number}", acl=acl)

    text = tab(viewer)
    first, second = text.split("<tbody")[1].split("</tr>")[:2]

    assert shown(text) == ["all", "team/1"]
    assert f'href="{address(team)}" dir="auto">The team' in second
    assert f'href="{address(team)}#members">2</a>' in second
    assert "2 of the newest 3 items" in second and "in 1 group" in second
    assert "1 of the newest 3 items" in first and "in 1 group" not in first


def test_what_nothing_names_is_told_so(viewer, connection):
    factories.make_group(connection)

    text = tab(viewer)

    assert "Not seen" in text
    assert "does not say that no older item names it" in text


def test_groups_are_paged_by_key(viewer, connection):
    for number in range(30):
        factories.make_group(connection, f"group{number:02}")

    text = tab(viewer, "&rows=25")
    following = re.search(r'href="\?(tab=groups[^"]*)" rel="next"', text)[1].replace("&amp;", "&")
    assert "25 of 30 shown, newest first" in text

    assert shown(text) + shown(tab(viewer, f"&{following}")) == [
        f"group{number:02}" for number in reversed(range(30))
    ]


def test_a_group_is_found_by_its_id(viewer, connection):
    for graph_id in ("team", "team/1", "Team"):
        factories.make_group(connection, graph_id)

    assert shown(tab(viewer, "&id=team")) == ["team/1", "team"]
    assert "Nothing matches" in tab(viewer, "&id=nothing")


def test_a_draft_that_has_groups_shows_them(viewer):
    made = factories.make_connection("contosohr")
    assert made.state == ConnectionState.DRAFT
    factories.make_group(made)

    assert shown(tab(viewer)) == ["team"]


# The tree ----------------------------------------------------------------------------------------


def test_members_of_each_kind(viewer, connection):
    team = factories.make_group(connection, "team", ("ana", USER), ("staff", GROUP), "ghosts")

    text = tree(viewer, team)

    assert text.count('<li class="member">') == 3
    assert "User" in text and 'data-copy="ana"' in text
    assert "Group of the directory" in text and "staff" in text
    assert "ghosts" in text and '<span class="not-there">not there</span>' in text


def test_groups_unfold_three_levels_deep(viewer, connection):
    first = factories.make_group(connection, "first", "second", display_name="One")
    factories.make_group(connection, "second", "third", ("ben", USER), display_name="Two")
    factories.make_group(connection, "third", "fourth", ("cleo", USER), display_name="Three")
    fourth = factories.make_group(connection, "fourth", ("dora", USER), display_name="Four")

    text = tree(viewer, first)

    assert "ben" in text and "cleo" in text
    assert "dora" not in text
    assert f'href="{address(fourth)}" dir="auto">Four</a>' in text
    assert "its members are on its page" in text
    assert text.count("<details") == 2


def test_a_ring_ends_where_it_began(viewer, connection):
    team = factories.make_group(connection, "team", "core", "team")
    core = factories.make_group(connection, "core", "team", "core")

    text = tree(viewer, team)

    assert text.count("already shown above") == 3
    assert text.count("<details") == 1
    assert address(core) in text


def test_what_is_held_twice_is_shown_twice(viewer, connection):
    top = factories.make_group(connection, "top", "left", "right")
    factories.make_group(connection, "left", "shared")
    factories.make_group(connection, "right", "shared")
    factories.make_group(connection, "shared", ("ana", USER))

    text = tree(viewer, top)

    assert text.count('data-copy="ana"') == 2
    assert "already shown above" not in text


def test_a_user_with_the_id_of_a_group_is_a_user(viewer, connection):
    team = factories.make_group(connection, "team", ("core", USER))
    factories.make_group(connection, "core", ("ana", USER))

    assert "ana" not in tree(viewer, team)


def test_a_group_of_another_connection_is_not_there(viewer, connection):
    factories.make_group(factories.make_connection("other"), "core", ("ana", USER))
    team = factories.make_group(connection, "team", "core")

    text = tree(viewer, team)

    assert "not there" in text and "ana" not in text


def test_an_empty_group_and_one_within(viewer, connection):
    core = factories.make_group(connection, "core")
    team = factories.make_group(connection, "team", "core")

    assert "no members" in tree(viewer, team)
    assert "None: who is granted access through this group alone reads nothing." in page(
        viewer, core
    )


def many_members(group, number, prefix="user"):
    GroupMember.objects.bulk_create(
        GroupMember(group=group, graph_id=f"{prefix}{each:04}", kind=USER) for each in range(number)
    )


def test_members_are_paged_by_key(viewer, connection):
    team = factories.make_group(connection, "team")
    many_members(team, 250)
    met, query = [], ""
    for _page in range(3):
        text = page(viewer, team, query)
        met += re.findall(r'data-copy="(user\d+)"', text)
        following = re.search(r'href="(\?after=\d+)" rel="next"', text)
        query = following[1] if following else ""

    assert met == [f"user{number:04}" for number in range(250)]
    assert query == ""
    assert "250 members" in text
    assert "No more members" in page(viewer, team, "?after=999999999")


def test_a_page_shows_no_more_than_so_many_members(viewer, connection):
    team = factories.make_group(connection, "team", "first", "second", "third")
    for name in ("first", "second", "third"):
        many_members(factories.make_group(connection, name, display_name=name), 150, name)

    text = tree(viewer, team)

    assert text.count('<li class="member">') == MOST
    assert text.count("first0") >= 150 and "second0000" in text
    assert "third0000" not in text
    assert "more members are on its page" in text
    assert "its members are on its page" in text


def test_wide_and_deep_stays_bounded():
    """Every group holds all: without bounds a page would have 50 ** 3 rows."""
    rows = [(f"group{key}", EXTERNAL, key, None) for key in range(1, 51)]
    found = member_tree(1, {key: (rows, True) for key in range(1, 51)})

    def number(members):
        return len(members) + sum(number(member.children) for member in members)

    assert number(found) == MOST
    assert found[0].fold == "already shown above"


# What holds it -----------------------------------------------------------------------------------


def test_the_groups_that_hold_it_are_linked(viewer, connection):
    holder = factories.make_group(connection, "all", "team", display_name="All of us")
    factories.make_group(connection, "person", ("team", USER))
    team = factories.make_group(connection, "team", display_name="Team", description="Who\nworks")
    factories.put_item(connection, "one", acl=named("team"))

    text = page(viewer, team)
    holding = text.split('<h2 id="holding">')[1]

    assert f'href="{address(holder)}" dir="auto">All of us' in holding
    assert "person" not in holding
    assert "Who<br>works" in text
    assert "1 of 1 item<" in " ".join(text.split())


def test_nothing_holds_it(viewer, connection):
    text = page(viewer, factories.make_group(connection))

    assert "None of the newest 5,000 groups" in text
    assert "There are no items yet" in text


# Which one ---------------------------------------------------------------------------------------


def test_nothing_of_a_group_becomes_markup(viewer, connection):
    inner = f"{SCRIPT}inner"
    factories.make_group(connection, inner, (f"{SCRIPT}'", USER), display_name=f"{SCRIPT}name")
    team = factories.make_group(
        connection, f"{SCRIPT}'\"", inner, SCRIPT, display_name=SCRIPT, description=SCRIPT
    )
    factories.make_group(connection, "holder", f"{SCRIPT}'\"", display_name=f"{SCRIPT}holder")

    for text in (page(viewer, team), tab(viewer), tab(viewer, f"&id={SCRIPT}")):
        assert SCRIPT not in text
        assert "&lt;script&gt;" in text


@pytest.mark.parametrize("key", [0, 99_999_999, 2**63])
def test_no_group_has_this_key(viewer, connection, key):
    response = viewer.get(f"/connections/contosohr/groups/{key}/")

    assert response.status_code == 404
    assert f"has no group with the number {key}" in response.content.decode()


def test_a_group_without_a_name_is_called_by_its_id(viewer, connection):
    assert '<h1 class="mono"><bdi>team</bdi></h1>' in page(viewer, factories.make_group(connection))


@pytest.mark.parametrize("look", [tab, lambda client: page(client, ExternalGroup.objects.first())])
def test_the_number_of_queries_does_not_grow(viewer, connection, look):
    numbers = []
    for first, behind in ((0, 10), (10, 40)):
        for number in range(first, behind):
            held = [f"group{number + 1}", f"group{number // 2}", ("ana", USER)]
            factories.make_group(connection, f"group{number}", *held[: 3 if number else 1])
            factories.put_item(connection, f"item{number}", acl=named(f"group{number}"))
        with CaptureQueriesContext(database) as queries:
            look(viewer)
        numbers.append(len(queries))

    assert numbers[0] == numbers[1] <= 12
