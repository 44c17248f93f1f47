"""The schema tab: properties, versions, what changed between any two, JSON, and the recipe."""

import json
import re

import pytest
from django.urls import reverse

from operations.dashboard.pages import connection_tabs
from tests import factories

pytestmark = pytest.mark.django_db
TITLE = factories.a_property("title", isSearchable=True, isRetrievable=True, labels=["title"])
WRITER = factories.a_property("writer", isQueryable=True, aliases=["author"])


def page(client, query=""):
    address = reverse("connection", args=["contosohr"])
    response = client.get(f"{address}?tab=schema{query}")
    assert response.status_code == 200
    return response.content.decode()


def part(text, start, end="</section>"):
    return text.split(f'data-key="{start}"')[1].split(end)[0]


@pytest.fixture
def connection(db):
    """With three versions: a property more, then one that is described and queryable."""
    connection = factories.make_connection("contosohr")
    factories.register_schema(connection, factories.a_schema(TITLE))
    factories.register_schema(connection, factories.a_schema(TITLE, WRITER))
    title = {**TITLE, "description": "Of the document <b>", "isQueryable": True}
    factories.register_schema(connection, factories.a_schema(title, WRITER))
    return connection


def test_flags_labels_and_versions(viewer, connection):
    shown = part(page(viewer), "properties")
    assert "Version 3" in shown and "writer" in shown and "author" in shown
    assert '<span class="visually-hidden">yes</span>' in shown
    assert "Of the document &lt;b&gt;" in shown

    earlier = part(page(viewer, "&version=1"), "properties")
    assert "no longer in force" in earlier
    assert "writer" not in earlier

    versions = part(page(viewer), "versions")
    assert [f"Version {number}" in versions for number in (1, 2, 3, 4)] == [True] * 3 + [False]
    assert versions.count(">tests<") == 3


def test_what_changed_last_is_shown(viewer, connection):
    changes = part(page(viewer), "changes")

    assert "isQueryable" in changes and "<ins>true</ins>" in changes
    assert "Of the document &lt;b&gt;" in changes
    assert "diff-changed" in changes and "diff-added" not in changes
    assert "1 property is the same in both." in changes


def test_any_two_versions_are_compared(viewer, connection):
    changes = part(page(viewer, "&from=1&to=2"), "changes")
    assert "diff-added" in changes and "writer" in changes and "<ins>author</ins>" in changes

    back = part(page(viewer, "&from=2&to=1"), "changes")
    assert "diff-removed" in back and "<del>author</del>" in back

    assert "Both are alike: 2 properties." in page(viewer, "&from=2&to=2")


@pytest.mark.parametrize("query", ["&from=9", "&to=0", "&version=4", "&version=x", "&below=%00"])
def test_versions_that_there_are_not_are_named(viewer, connection, query):
    text = page(viewer, query)

    assert "was left out" in text
    assert "Version 3" in part(text, "properties")


def test_one_version_has_nothing_to_compare(viewer):
    factories.register_schema(factories.make_connection("contosohr"))

    assert "nothing to compare" in page(viewer)


def test_many_versions_are_paged(viewer, connection, monkeypatch):
    monkeypatch.setattr(connection_tabs, "VERSIONS", 2)

    first = page(viewer)
    assert re.findall(r">Version (\d)</a>", first) == ["3", "2"]
    assert "?tab=schema&amp;below=2" in first

    second = page(viewer, "&below=2")
    assert re.findall(r">Version (\d)</a>", second) == ["1"]
    assert "Version 3" in part(second, "properties")


def test_many_properties_can_be_searched(viewer):
    properties = [factories.a_property(f"field{number}") for number in range(21)]
    properties[7]["aliases"] = ["pointOfContact"]
    connection = factories.make_connection("contosohr")
    factories.register_schema(connection, factories.a_schema(*properties))
    assert 'name="property"' in page(viewer)

    shown = part(page(viewer, "&property=CONTACT"), "properties")

    assert re.findall(r'<tr data-key="(\w+)"', shown) == ["field7"]
    assert "No property has this" in page(viewer, "&property=nothing")


def test_few_properties_need_no_search(viewer, connection):
    assert 'name="property"' not in page(viewer)


def test_the_json_of_a_version_can_be_had(viewer, connection):
    assert "microsoft.graph.externalItem" in part(page(viewer), "json", "</details>")

    response = viewer.get(reverse("schema-json", args=["contosohr", 1]))
    assert json.loads(response.content)["properties"][0]["name"] == "title"
    assert response["Content-Type"] == "application/json"
    assert 'filename="contosohr-schema-1.json"' in response["Content-Disposition"]

    missing = viewer.get(reverse("schema-json", args=["contosohr", 9]))
    assert missing.status_code == 404
    assert "has no schema version 9" in missing.content.decode()


def test_without_a_schema_the_next_step_is_shown(viewer):
    factories.make_connection("contosohr")

    text = page(viewer)

    assert "No schema in force yet" in text
    assert "-X PATCH $CONNECTION/schema" in text
    assert "/v1.0/external/connections/contosohr" in text


def test_the_next_version_sends_every_property_again(viewer, connection):
    text = part(page(viewer), "register")

    assert "Register the next version" in text
    assert "$CONNECTION/schema &gt; schema.json" in text
