"""Whatever settings are valid come back as they were sent (property-based)."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from operations.models import Change
from tests.factories import make_connection

HERE = "/beta/connections/contosohr"
INT32 = st.integers(-(2**31), 2**31 - 1)
POSITIVE = st.integers(1, 2**31 - 1)
#: What a database can hold as text: no NUL, no half of a surrogate pair.
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=12)
SPOKEN = TEXT.filter(str.strip)
#: Databases keep numbers in different forms; within this range no form loses anything.
NUMBER = st.integers(-(2**63), 2**63) | st.floats(-1e15, 1e15).filter(lambda x: str(x) != "-0.0")
JSON = st.recursive(
    st.none() | st.booleans() | NUMBER | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
CARD = st.dictionaries(TEXT, JSON, max_size=3).map(
    lambda members: members | {"type": "AdaptiveCard", "version": "1.5", "body": []}
)
GROUP = st.from_regex(r"[a-z][a-z0-9]{0,5}", fullmatch=True)


@st.composite
def resolvers(draw):
    names = draw(st.lists(GROUP, max_size=3, unique=True))
    pattern = "/".join(f"(?<{name}>[^/]+)" for name in names)
    return {
        "@odata.type": "#microsoft.graph.externalConnectors.itemIdResolver",
        "priority": draw(st.none() | INT32),
        "itemId": "-".join(["x", *(f"{{{name}}}" for name in names)]),
        "urlMatchInfo": {
            "baseUrls": draw(st.lists(st.sampled_from(["https://a.example", "ftp://b/c"]))),
            "urlPattern": pattern or None,
        },
    }


RULE = st.fixed_dictionaries(
    {
        "property": SPOKEN,
        "operation": st.sampled_from(["null", "equals", "notContains", "lessThan", "startsWith"]),
        "values": st.lists(TEXT, min_size=1, max_size=3),
        "valuesJoinedBy": st.sampled_from(["or", "and"]),
    }
)
TEMPLATE = st.fixed_dictionaries(
    {
        "id": st.from_regex(r"[A-Za-z0-9]{1,16}", fullmatch=True),
        "layout": CARD,
        "priority": POSITIVE,
        "rules": st.lists(RULE, max_size=2),
    }
)
SETTINGS = st.fixed_dictionaries(
    {},
    optional={
        "activitySettings": st.none()
        | st.fixed_dictionaries({"urlToItemResolvers": st.lists(resolvers(), max_size=3)}),
        "searchSettings": st.none()
        | st.fixed_dictionaries(
            {
                "searchResultTemplates": st.lists(
                    TEMPLATE, max_size=2, unique_by=lambda template: template["id"]
                )
            }
        ),
        "configuration": st.dictionaries(TEXT.filter(lambda name: "@" not in name), JSON).map(
            lambda members: {"authorizedAppIds": []} | members
        ),
    },
)


@pytest.fixture
def connection(application):
    return make_connection("contosohr", owner=application)


@given(sent=SETTINGS)
@settings(
    max_examples=100,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_valid_settings_come_back_as_they_were_sent(graph, connection, sent):
    response = graph.patch(HERE, sent)
    assert response.status_code == 204, response.content
    read = graph.get(HERE).json()
    for member, value in sent.items():
        assert json.dumps(read[member], sort_keys=True) == json.dumps(value, sort_keys=True)
    records = Change.objects.count()
    assert graph.patch(HERE, read).status_code == 204
    assert Change.objects.count() == records
