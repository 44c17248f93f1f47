"""The parts of a connection: what is kept in which form, and every refusal by member and rule."""

from __future__ import annotations

import copy
import json
import uuid

import pytest

from operations.models import Change, ExternalConnection
from tests.graph import assert_refused

HERE = "/v1.0/external/connections"
BETA = "/beta/external/connections"
HR = {"id": "contosohr", "name": "Contoso HR"}
APP = "d310d35d-72ec-47dd-92f2-fb9c40936555"
CARD = {
    "type": "AdaptiveCard",
    "version": "1.3",
    "body": [{"type": "TextBlock", "text": "[${title}](${url})", "wrap": True}],
    "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
    "msteams": {"width": "Full", "ratio": 1.5, "none": None, "deep": [[[{"x@y": 0}]]]},
}
RULE = {
    "property": "severity",
    "operation": "greaterThan",
    "values": ["2", ""],
    "valuesJoinedBy": "and",
}
TEMPLATE = {"id": "hr", "layout": CARD, "priority": 1, "rules": [RULE]}
RESOLVER = {
    "@odata.type": "#microsoft.graph.externalConnectors.itemIdResolver",
    "priority": -1,
    "itemId": "hr-{id}-{part}",
    "urlMatchInfo": {
        "baseUrls": ["https://hr.contoso.example", "file://server/share/"],
        "urlPattern": "/(?<id>[0-9]+)/(?<part>[a-z]{1,3})",
    },
}
TARGETS = {
    "resolver": "activitySettings/urlToItemResolvers/0",
    "template": "searchSettings/searchResultTemplates/0",
    "rule": "searchSettings/searchResultTemplates/0/rules/0",
}


def with_resolver(**change) -> dict:
    return {"activitySettings": {"urlToItemResolvers": [{**RESOLVER, **change}]}}


def with_match_info(**change) -> dict:
    return with_resolver(urlMatchInfo={**RESOLVER["urlMatchInfo"], **change})


def with_template(**change) -> dict:
    return {"searchSettings": {"searchResultTemplates": [{**TEMPLATE, **change}]}}


def with_rule(**change) -> dict:
    return with_template(rules=[{**RULE, **change}])


def without(document: dict, member: str) -> dict:
    return {key: value for key, value in document.items() if key != member}


def with_ediscovery(**change) -> dict:
    card = {"type": "AdaptiveCard", "version": "1.2", "body": []}
    template = {"id": "e", "layout": {**card, **change}, "priority": 3, "rules": []}
    return {"complianceSettings": {"eDiscoveryResultTemplates": [template]}}


def kept(graph, settings: dict, root: str = BETA) -> dict:
    """What is answered for these settings, after they were created and after they were updated."""
    created = graph.post(root, {**HR, **settings})
    assert created.status_code == 201, created.content
    assert graph.patch(f"{root}/contosohr", settings).status_code == 204
    read = graph.get(f"{root}/contosohr").json()
    assert read == created.json()
    return read


def refused(graph, settings: dict, root: str = HERE) -> set[tuple[str, str]]:
    """The faults of these settings, the same on create as on update; nothing is kept."""
    error = assert_refused(graph.post(root, {**HR, **settings}), 400, "InvalidRequest")
    assert not ExternalConnection.objects.exists()
    assert graph.post(root, HR).status_code == 201
    records = Change.objects.count()
    again = assert_refused(graph.patch(f"{root}/contosohr", settings), 400, "InvalidRequest")
    assert again["details"] == error["details"]
    assert Change.objects.count() == records
    return {(fault["target"], fault["code"]) for fault in error["details"]}


# What is kept ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "settings",
    [
        with_resolver(),
        with_resolver(priority=None),
        with_resolver(itemId="fixed"),
        with_resolver(itemId="fixed", urlMatchInfo=None),
        with_match_info(baseUrls=[]),
        {"activitySettings": {"urlToItemResolvers": []}},
        {"activitySettings": {"urlToItemResolvers": [RESOLVER, RESOLVER]}},
        with_template(),
        with_template(rules=[], priority=2**31 - 1),
        with_template(layout={"type": "AdaptiveCard"}),
        with_rule(operation="null", values=[]),
        {"searchSettings": {"searchResultTemplates": [TEMPLATE, {**TEMPLATE, "id": "HR"}]}},
        {"searchSettings": {"searchResultTemplates": []}},
        with_ediscovery(),
        with_ediscovery(version="1.0"),
        {"configuration": {"authorizedAppIds": [APP], "region": "eu", "limits": {"a": [1, 1.5]}}},
        {"configuration": {"authorizedAppIds": [], "owner": None, "": False}},
        {"connectorId": "02e1b1ce-9d0d-4f75-8b8e-8dbc4c0ca9c3"},
        {"contentCategory": "learningManagement"},
        {"enabledContentExperiences": "search, compliance"},
    ],
    ids=lambda settings: json.dumps(settings)[:60],
)
def test_valid_settings_come_back_as_they_were(graph, settings):
    read = kept(graph, settings)
    assert {member: read[member] for member in settings} == settings


@pytest.mark.parametrize("operation", ["null", "equals", "notEquals", "contains", "notContains"])
def test_words_in_any_case_are_answered_as_graph_writes_them(graph, operation):
    sent = with_rule(operation=operation.upper(), valuesJoinedBy="OR")
    rule = kept(graph, sent)["searchSettings"]["searchResultTemplates"][0]["rules"][0]
    assert (rule["operation"], rule["valuesJoinedBy"]) == (operation, "or")


@pytest.mark.parametrize("operation", ["lessThan", "greaterThan", "startsWith"])
def test_the_other_operations(graph, operation):
    rule = kept(graph, with_rule(operation=operation))["searchSettings"]["searchResultTemplates"]
    assert rule[0]["rules"][0]["operation"] == operation


def test_a_resolvers_type_is_answered_with_its_number_sign(graph):
    plain = "microsoft.graph.externalConnectors.itemIdResolver"
    read = kept(graph, with_resolver(**{"@odata.type": plain}))
    assert read["activitySettings"]["urlToItemResolvers"] == [RESOLVER]


def test_members_left_out_or_null_are_answered_empty(graph):
    resolver = {"@odata.type": RESOLVER["@odata.type"], "itemId": "x"}
    template = without(TEMPLATE, "rules")
    read = kept(
        graph,
        {
            "activitySettings": {"urlToItemResolvers": [{**resolver, "urlMatchInfo": {}}]},
            "searchSettings": {"searchResultTemplates": [{**template, "rules": None}]},
            "complianceSettings": {"eDiscoveryResultTemplates": None},
        },
    )
    assert read["activitySettings"]["urlToItemResolvers"] == [
        {**resolver, "priority": None, "urlMatchInfo": {"baseUrls": [], "urlPattern": None}}
    ]
    assert read["searchSettings"]["searchResultTemplates"] == [{**template, "rules": []}]
    assert read["complianceSettings"] == {"eDiscoveryResultTemplates": []}


def test_annotations_may_stand_anywhere_and_are_not_kept(graph):
    sent = copy.deepcopy({**with_resolver(), **with_template()})
    for part in (
        sent["activitySettings"],
        sent["activitySettings"]["urlToItemResolvers"][0]["urlMatchInfo"],
        sent["searchSettings"],
        sent["searchSettings"]["searchResultTemplates"][0],
        sent["searchSettings"]["searchResultTemplates"][0]["rules"][0],
    ):
        part["@odata.type"] = "#microsoft.graph.externalConnectors.whatever"
        part["values@odata.type"] = "#Collection(String)"
    sent["configuration"] = {"@odata.type": "#x", "tags@odata.type": "#y", "tags": ["a"]}
    read = kept(graph, sent)
    expected = {**with_resolver(), **with_template()}
    assert {member: read[member] for member in expected} == expected
    assert read["configuration"] == {"authorizedAppIds": [], "tags": ["a"]}


def test_the_older_name_of_the_authorized_applications_says_nothing(graph):
    read = kept(graph, {"configuration": {"authorizedApps": [APP], "authorizedAppIds": None}})
    assert read["configuration"] == {"authorizedAppIds": []}


def test_the_free_json_of_a_card_is_kept_exactly(graph):
    odd = {
        "type": "AdaptiveCard",
        "": {"@odata.type": "kept", "a@b": None},
        "number": [0, -1, 1.5, 12345678901234567890, True, False, "1", ""],
        "text": '🚲 \u2028 " \\ / <script> ${x} \ue000',
    }
    read = kept(graph, with_template(layout=odd))
    layout = read["searchSettings"]["searchResultTemplates"][0]["layout"]
    assert json.dumps(layout, sort_keys=True) == json.dumps(odd, sort_keys=True)


def test_a_part_that_is_sent_replaces_the_whole_part(graph):
    kept(graph, {**with_resolver(), **with_template(), "configuration": {"a": 1}})
    update = {
        "activitySettings": {},
        "searchSettings": {"searchResultTemplates": []},
        "configuration": {"b": 2},
    }
    assert graph.patch(f"{HERE}/contosohr", update).status_code == 204
    read = graph.get(f"{HERE}/contosohr").json()
    assert read["activitySettings"] == {"urlToItemResolvers": []}
    assert read["searchSettings"] == {"searchResultTemplates": []}
    assert read["configuration"] == {"authorizedAppIds": [], "b": 2}


def test_open_members_are_cleared_with_the_configuration(graph):
    kept(graph, {"configuration": {"authorizedAppIds": [APP], "region": "eu"}})
    assert graph.patch(f"{HERE}/contosohr", {"configuration": None}).status_code == 204
    read = graph.get(f"{HERE}/contosohr").json()
    assert read["configuration"] == {"authorizedAppIds": []}
    assert Change.objects.first().before == {
        "authorizedAppIds": [APP],
        "openConfiguration": {"region": "eu"},
    }


def test_flags_are_written_in_graphs_order(graph):
    read = kept(graph, {"enabledContentExperiences": "Compliance,SEARCH , compliance"})
    assert read["enabledContentExperiences"] == "search, compliance"


def test_the_number_of_items_is_shown_by_beta_once_there_may_be_some(graph):
    assert kept(graph, {})["ingestedItemsCount"] is None
    ExternalConnection.objects.update(state=2)
    assert graph.get(f"{BETA}/contosohr").json()["ingestedItemsCount"] == 0
    assert "ingestedItemsCount" not in graph.get(f"{HERE}/contosohr").json()


# Enumerations with a sentinel --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("contentCategory", "unknownFutureValue"),
        ("contentCategory", "UnknownFutureValue"),
        ("enabledContentExperiences", "search, unknownFutureValue"),
    ],
)
def test_the_sentinel_is_refused_on_create_and_ignored_on_update(graph, member, value):
    assert_refused(
        graph.post(BETA, {**HR, member: value}),
        400,
        "InvalidRequest",
        inner="InvalidPropertyValue",
        target=member,
        says="must not be 'unknownFutureValue'",
    )
    before = kept(graph, {"contentCategory": "wikis", "enabledContentExperiences": "search"})
    records = Change.objects.count()
    assert graph.patch(f"{BETA}/contosohr", {member: value}).status_code == 204
    assert graph.get(f"{BETA}/contosohr").json() == before
    assert Change.objects.count() == records


# What is refused ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "target", "code"),
    [
        ({"activitySettings": []}, "activitySettings", "InvalidPropertyValue"),
        ({"activitySettings": False}, "activitySettings", "InvalidPropertyValue"),
        ({"activitySettings": {"x": 1}}, "activitySettings/x", "PropertyNotDeclared"),
        (
            {"activitySettings": {"urlToItemResolvers": {}}},
            "activitySettings/urlToItemResolvers",
            "InvalidPropertyValue",
        ),
        (
            {"activitySettings": {"urlToItemResolvers": [None]}},
            "{resolver}",
            "InvalidPropertyValue",
        ),
        (
            {"activitySettings": {"urlToItemResolvers": [without(RESOLVER, "@odata.type")]}},
            "{resolver}/@odata.type",
            "RequiredPropertyMissing",
        ),
        (
            with_resolver(**{"@odata.type": "#microsoft.graph.externalConnectors.base"}),
            "{resolver}/@odata.type",
            "InvalidPropertyValue",
        ),
        (
            with_resolver(**{"@odata.type": {"x": 1}}),
            "{resolver}/@odata.type",
            "InvalidPropertyValue",
        ),
        (with_resolver(itemId=None), "{resolver}/itemId", "RequiredPropertyMissing"),
        (with_resolver(itemId=" "), "{resolver}/itemId", "InvalidPropertyValue"),
        (with_resolver(itemId=7), "{resolver}/itemId", "InvalidPropertyValue"),
        (with_resolver(itemId="{id}{other}"), "{resolver}/itemId", "InvalidPropertyValue"),
        (with_resolver(itemId="{}"), "{resolver}/itemId", "InvalidPropertyValue"),
        (with_resolver(urlMatchInfo=None), "{resolver}/itemId", "InvalidPropertyValue"),
        (with_resolver(priority="1"), "{resolver}/priority", "InvalidPropertyValue"),
        (with_resolver(priority=True), "{resolver}/priority", "InvalidPropertyValue"),
        (with_resolver(priority=1.0), "{resolver}/priority", "InvalidPropertyValue"),
        (with_resolver(priority=2**31), "{resolver}/priority", "InvalidPropertyValue"),
        (with_resolver(name="x"), "{resolver}/name", "PropertyNotDeclared"),
        (with_resolver(urlMatchInfo=[]), "{resolver}/urlMatchInfo", "InvalidPropertyValue"),
        (with_match_info(x=1), "{resolver}/urlMatchInfo/x", "PropertyNotDeclared"),
        (
            with_match_info(baseUrls="https://contoso.com"),
            "{resolver}/urlMatchInfo/baseUrls",
            "InvalidPropertyValue",
        ),
        (
            with_match_info(baseUrls=["https://contoso.com", 5]),
            "{resolver}/urlMatchInfo/baseUrls/1",
            "InvalidPropertyValue",
        ),
        (
            with_match_info(baseUrls=["contoso.com"]),
            "{resolver}/urlMatchInfo/baseUrls/0",
            "InvalidPropertyValue",
        ),
        (
            with_match_info(urlPattern="/(?<id>[0-9]+"),
            "{resolver}/urlMatchInfo/urlPattern",
            "InvalidPropertyValue",
        ),
        (
            with_match_info(urlPattern=["x"]),
            "{resolver}/urlMatchInfo/urlPattern",
            "InvalidPropertyValue",
        ),
        ({"searchSettings": "x"}, "searchSettings", "InvalidPropertyValue"),
        ({"searchSettings": {"x": 1}}, "searchSettings/x", "PropertyNotDeclared"),
        (
            {"searchSettings": {"searchResultTemplates": "x"}},
            "searchSettings/searchResultTemplates",
            "InvalidPropertyValue",
        ),
        (
            {"searchSettings": {"searchResultTemplates": [{**TEMPLATE, "id": i} for i in "abc"]}},
            "searchSettings/searchResultTemplates",
            "InvalidPropertyValue",
        ),
        (
            {"searchSettings": {"searchResultTemplates": [TEMPLATE, TEMPLATE]}},
            "searchSettings/searchResultTemplates/1/id",
            "DuplicateIdentifier",
        ),
        ({"searchSettings": {"searchResultTemplates": [5]}}, "{template}", "InvalidPropertyValue"),
        (with_template(id=None), "{template}/id", "RequiredPropertyMissing"),
        (with_template(id=""), "{template}/id", "InvalidIdentifier"),
        (with_template(id="x" * 17), "{template}/id", "InvalidIdentifier"),
        (with_template(id="a-b"), "{template}/id", "InvalidIdentifier"),
        (with_template(id=["a"]), "{template}/id", "InvalidIdentifier"),
        (with_template(priority=None), "{template}/priority", "RequiredPropertyMissing"),
        (with_template(priority=0), "{template}/priority", "InvalidPropertyValue"),
        (with_template(priority=True), "{template}/priority", "InvalidPropertyValue"),
        (with_template(priority=2**31), "{template}/priority", "InvalidPropertyValue"),
        (with_template(layout=None), "{template}/layout", "RequiredPropertyMissing"),
        (with_template(layout=json.dumps(CARD)), "{template}/layout", "InvalidPropertyValue"),
        (with_template(layout={}), "{template}/layout/type", "InvalidPropertyValue"),
        (
            with_template(layout={"type": "MessageCard"}),
            "{template}/layout/type",
            "InvalidPropertyValue",
        ),
        (
            with_template(layout={**CARD, "version": 1.3}),
            "{template}/layout/version",
            "InvalidPropertyValue",
        ),
        (
            with_template(layout={**CARD, "body": {}}),
            "{template}/layout/body",
            "InvalidPropertyValue",
        ),
        (
            with_template(layout={**CARD, "actions": "none"}),
            "{template}/layout/actions",
            "InvalidPropertyValue",
        ),
        (with_template(name="x"), "{template}/name", "PropertyNotDeclared"),
        (with_template(rules={}), "{template}/rules", "InvalidPropertyValue"),
        (with_template(rules=["x"]), "{rule}", "InvalidPropertyValue"),
        (with_rule(property=None), "{rule}/property", "RequiredPropertyMissing"),
        (with_rule(property=""), "{rule}/property", "InvalidPropertyValue"),
        (with_rule(property=1), "{rule}/property", "InvalidPropertyValue"),
        (with_rule(operation=None), "{rule}/operation", "RequiredPropertyMissing"),
        (with_rule(operation="like"), "{rule}/operation", "InvalidPropertyValue"),
        (with_rule(operation="unknownFutureValue"), "{rule}/operation", "InvalidPropertyValue"),
        (with_rule(values=None), "{rule}/values", "RequiredPropertyMissing"),
        (with_rule(values=[]), "{rule}/values", "RequiredPropertyMissing"),
        (with_rule(values="x"), "{rule}/values", "InvalidPropertyValue"),
        (with_rule(values=["x", 1]), "{rule}/values/1", "InvalidPropertyValue"),
        (with_rule(valuesJoinedBy=None), "{rule}/valuesJoinedBy", "RequiredPropertyMissing"),
        (with_rule(valuesJoinedBy="xor"), "{rule}/valuesJoinedBy", "InvalidPropertyValue"),
        (with_rule(x=1), "{rule}/x", "PropertyNotDeclared"),
        ({"configuration": "x"}, "configuration", "InvalidPropertyValue"),
    ],
    ids=lambda value: json.dumps(value)[-50:] if isinstance(value, dict) else None,
)
def test_refusals_name_the_member_and_the_rule(graph, settings, target, code):
    assert refused(graph, settings) == {(target.format(**TARGETS), code)}


@pytest.mark.parametrize(
    ("change", "member"),
    [
        ({"version": "1.3"}, "/version"),
        ({"version": "2.0"}, "/version"),
        ({"body": [{"type": "TextBlock", "text": "${title}"}]}, ""),
        ({"type": "Card"}, "/type"),
    ],
)
def test_what_ediscovery_does_not_show(graph, change, member):
    target = f"complianceSettings/eDiscoveryResultTemplates/0/layout{member}"
    assert refused(graph, with_ediscovery(**change), BETA) == {(target, "InvalidPropertyValue")}


def test_a_card_binds_with_names_in_braces_for_ediscovery(graph):
    kept(graph, with_ediscovery(body=[{"type": "TextBlock", "text": "{title}"}]))


def test_the_sentences(graph):
    error = assert_refused(
        graph.post(HERE, {**HR, **with_resolver(itemId="{nr}")}),
        400,
        "InvalidRequest",
        inner="InvalidPropertyValue",
    )
    assert error["innerError"]["message"] == (
        "Property 'activitySettings/urlToItemResolvers/0/itemId' has '{nr}', and "
        "urlMatchInfo/urlPattern has no group of that name."
    )


def test_all_faults_come_in_one_answer(graph):
    settings = {
        **with_resolver(priority=1.5, itemId=None),
        **with_template(id="a b", layout=[], rules=[{"operation": "is", "values": [1]}]),
        "configuration": {"authorizedAppIds": ["x"]},
    }
    assert refused(graph, settings) == {
        ("configuration/authorizedAppIds/0", "InvalidPropertyValue"),
        ("activitySettings/urlToItemResolvers/0/priority", "InvalidPropertyValue"),
        ("activitySettings/urlToItemResolvers/0/itemId", "RequiredPropertyMissing"),
        (f"{TARGETS['template']}/id", "InvalidIdentifier"),
        (f"{TARGETS['template']}/layout", "InvalidPropertyValue"),
        (f"{TARGETS['rule']}/property", "RequiredPropertyMissing"),
        (f"{TARGETS['rule']}/operation", "InvalidPropertyValue"),
        (f"{TARGETS['rule']}/values/0", "InvalidPropertyValue"),
        (f"{TARGETS['rule']}/valuesJoinedBy", "RequiredPropertyMissing"),
    }


def test_an_answer_lists_a_hundred_faults_and_counts_the_rest(graph):
    settings = {"activitySettings": {"urlToItemResolvers": [1] * 5000}}
    error = assert_refused(
        graph.post(HERE, {**HR, **settings}), 400, "InvalidRequest", says="(4999 more"
    )
    assert len(error["details"]) == 100


def test_authorized_applications_are_bounded(graph):
    """Each is a row: a body of a megabyte would be tens of thousands."""
    ids = [str(uuid.UUID(int=number)) for number in range(1001)]
    body = {"id": "contosohr", "name": "HR", "configuration": {"authorizedAppIds": ids}}
    assert_refused(
        graph.post("/v1.0/connections", body),
        400,
        "InvalidRequest",
        target="configuration/authorizedAppIds",
        says="must have at most 1000 entries, not 1001",
    )
    body["configuration"]["authorizedAppIds"] = ids[:1000]
    created = graph.post("/v1.0/connections", body)
    assert created.json()["configuration"]["authorizedAppIds"] == ids[:1000]
