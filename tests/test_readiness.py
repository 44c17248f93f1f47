"""What a connection still lacks to be found and shown well."""

import pytest

from operations.readiness import REQUIRED_LABELS, Need, is_telling, readiness
from tests.factories import a_property, a_schema

TELLING = "Policies and forms of human resources"


def checks(**values):
    given = {
        "name": "Contoso HR",
        "description": None,
        "schema": None,
        "activity_settings": None,
        "search_settings": None,
    }
    return {check.id: check for check in readiness(**{**given, **values})}


def test_a_new_connection_passes_nothing():
    found = checks()

    assert not any(check.passed for check in found.values())
    manual = {name for name, check in found.items() if check.passed is None}
    assert manual == {"result-type", "content", "switched-on"}


def test_a_complete_connection_lacks_only_what_a_person_can_tell():
    properties = [
        a_property(label, isSearchable=label == "title", labels=[label])
        for label in REQUIRED_LABELS
    ]
    found = checks(
        description=TELLING,
        schema=a_schema(*properties),
        activity_settings={"urlToItemResolvers": [{"itemId": "{id}"}]},
        search_settings={"searchResultTemplates": [{"id": "a"}, {"id": "b"}]},
    )

    assert {name for name, check in found.items() if not check.passed} == {"content", "switched-on"}
    assert found["label-iconUrl"].by == ("iconUrl",)
    assert found["result-type"].by == ("2",)
    assert found["result-type"].need is Need.RECOMMENDED


@pytest.mark.parametrize(
    ("items", "with_content", "passed", "need"),
    [
        (0, 0, None, Need.MANUAL),
        (1, 0, False, Need.RECOMMENDED),
        (100, 0, False, Need.RECOMMENDED),
        (100, 50, False, Need.RECOMMENDED),
        (100, 51, True, Need.RECOMMENDED),
        (100, 97, True, Need.RECOMMENDED),
        (1, 1, True, Need.RECOMMENDED),
    ],
)
def test_content_is_known_from_the_newest_items(items, with_content, passed, need):
    found = checks(items=items, with_content=with_content)["content"]

    assert (found.passed, found.need) == (passed, need)
    assert found.by == ((str(with_content), str(items)) if items else ())


@pytest.mark.parametrize("label", REQUIRED_LABELS)
def test_each_label_is_required_for_itself(label):
    others = [each for each in REQUIRED_LABELS if each != label]
    found = checks(schema=a_schema(*(a_property(each, labels=[each]) for each in others)))

    missing = [
        name for name, check in found.items() if name.startswith("label-") and not check.passed
    ]
    assert missing == [f"label-{label}"]
    assert found[missing[0]].need is Need.REQUIRED


def test_one_searchable_property_is_enough():
    plain = a_property("plain")

    assert not checks(schema=a_schema(plain))["searchable"].passed
    found = checks(schema=a_schema(plain, a_property("title", isSearchable=True)))["searchable"]
    assert (found.passed, found.by) == (True, ("title",))


@pytest.mark.parametrize(
    ("description", "telling"),
    [
        (None, False),
        ("", False),
        ("   \n  ", False),
        ("HR", False),
        ("a long name of a connection", False),
        (TELLING, True),
    ],
)
def test_a_description_says_more_than_the_name(description, telling):
    assert is_telling("A long  name of a connection", description) is telling


@pytest.mark.parametrize("empty", [{}, {"urlToItemResolvers": None}, {"urlToItemResolvers": []}])
def test_settings_without_entries_do_not_count(empty):
    assert checks(activity_settings=empty)["resolver"].passed is False
