"""The parts of a connection by hand: the rules of the API, in the same sentences."""

from __future__ import annotations

import json

import pytest

from operations.models import Change, ExternalConnection
from tests.admin_pages import administrator, refusals, submit, url
from tests.factories import make_connection
from tests.graph import assert_refused
from tests.test_connection_settings import (
    BETA,
    CARD,
    HR,
    RESOLVER,
    TEMPLATE,
    with_ediscovery,
    with_match_info,
    with_resolver,
    with_rule,
    with_template,
)

MODEL = "externalconnection"
FIELDS = {
    "activitySettings": "activity_settings",
    "searchSettings": "search_settings",
    "complianceSettings": "compliance_settings",
    "enabledContentExperiences": "enabled_content_experiences",
}


@pytest.fixture
def anna(db):
    return administrator("anna")


def add(client, **values):
    return submit(client, url(MODEL, "add"), graph_id="contosohr", name="Name", **values)


def edit(client, connection, **values):
    return submit(client, url(MODEL, "change", connection.pk), **values)


@pytest.mark.parametrize(
    "settings",
    [
        with_resolver(itemId="{nr}", priority=True, **{"@odata.type": None}),
        with_match_info(urlPattern="(", baseUrls=["contoso.com", 1]),
        with_template(id="a b", priority=0, layout={"type": "Card"}),
        with_rule(operation="like", values=[], valuesJoinedBy=None),
        {"searchSettings": {"searchResultTemplates": [TEMPLATE] * 3}},
        {"searchSettings": {"templates": []}},
        with_ediscovery(version="1.5", body=["${x}"]),
        {"enabledContentExperiences": "search, unheard"},
    ],
    ids=lambda settings: next(iter(settings)),
)
def test_refusals_are_the_apis_word_for_word(anna, graph, settings):
    error = assert_refused(graph.post(BETA, {**HR, **settings}), 400, "InvalidRequest")
    sentences = [fault["message"] for fault in error["details"]]
    assert sentences
    [(member, value)] = settings.items()
    typed = value if isinstance(value, str) else json.dumps(value)
    page = add(anna, **{FIELDS[member]: typed})
    assert refusals(page) == sentences
    assert list(page.context["adminform"].form.errors) == [FIELDS[member]]
    connection = make_connection("other")
    assert refusals(edit(anna, connection, **{FIELDS[member]: typed})) == sentences
    assert list(ExternalConnection.objects.all()) == [connection]


def test_what_is_kept_is_in_canonical_form(anna, graph):
    page = add(
        anna,
        activity_settings=json.dumps(
            with_resolver(**{"@odata.type": RESOLVER["@odata.type"][1:]})["activitySettings"]
        ),
        search_settings=json.dumps(with_rule(operation="EQUALS")["searchSettings"]),
        enabled_content_experiences="compliance,Search",
        open_configuration='{"region": "eu", "tags@odata.type": "#Collection(String)"}',
    )
    assert refusals(page) == []
    connection = ExternalConnection.objects.get()
    assert connection.activity_settings == with_resolver()["activitySettings"]
    assert connection.search_settings == with_rule(operation="equals")["searchSettings"]
    assert connection.enabled_content_experiences == "search, compliance"
    assert connection.open_configuration == {"region": "eu"}


def test_the_open_members_of_the_configuration_are_edited_by_hand(anna):
    connection = make_connection(open_configuration={"region": "eu"})
    assert refusals(edit(anna, connection, open_configuration='{"region": "us"}')) == []
    assert Change.objects.first().after == {"openConfiguration": {"region": "us"}}
    assert refusals(edit(anna, connection, open_configuration="")) == []
    connection.refresh_from_db()
    assert connection.open_configuration == {}


def test_the_authorized_applications_have_a_field_of_their_own(anna):
    typed = '{"authorizedAppIds": ["d310d35d-72ec-47dd-92f2-fb9c40936555"]}'
    page = edit(anna, make_connection(), open_configuration=typed)
    assert refusals(page) == ["Property 'configuration/authorizedAppIds' has a field of its own."]


def test_what_was_stored_before_the_rules_does_not_stand_in_the_way(anna):
    old = {"searchResultTemplates": [{"id": "no card"}]}
    connection = make_connection(search_settings=old)
    assert refusals(edit(anna, connection, name="New")) == []
    connection.refresh_from_db()
    assert (connection.name, connection.search_settings) == ("New", old)
    typed = json.dumps({"searchResultTemplates": [{"id": "no card", "layout": CARD}]})
    assert refusals(edit(anna, connection, search_settings=typed)) == [
        "Property 'searchSettings/searchResultTemplates/0/id' must be 1 to 16 characters, "
        "letters and digits only.",
        "Property 'searchSettings/searchResultTemplates/0/priority' is required.",
    ]
