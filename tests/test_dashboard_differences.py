"""Before → after: what a change did, told member by member."""

import pytest

from operations.dashboard.presentation.differences import LONG, Value, differences


def told(before, after):
    """(member, kind, before, after) of each difference, the values as they are printed."""
    return [
        (
            row.member,
            row.kind,
            row.before.text if row.before else None,
            row.after.text if row.after else None,
        )
        for row in differences(before, after)
    ]


def test_only_what_differs_is_told():
    before = {"status": "inprogress", "error": None, "attempt": 1}

    assert told(before, {**before, "status": "completed"}) == [
        ("status", "changed", "inprogress", "completed")
    ]


@pytest.mark.parametrize("same", [None, {}, {"a": {"b": [1, {"c": None}]}}])
def test_equal_objects_have_no_difference(same):
    assert told(same, same) == []


def test_the_order_of_members_is_no_difference():
    assert told({"a": {"b": 1, "c": 2}}, {"a": {"c": 2, "b": 1}}) == []


def test_true_is_not_one():
    assert told({"enabled": True}, {"enabled": 1}) == [("enabled", "changed", "true", "1")]


def test_a_null_is_not_an_absent_member():
    assert told({"a": None}, {}) == [("a", "removed", "null", None)]
    assert told({}, {"a": None}) == [("a", "added", None, "null")]
    assert told({"a": None}, {"a": "null"}) == [("a", "changed", "null", "null")]


def test_the_word_null_does_not_look_like_a_null():
    [row] = differences({"a": None}, {"a": "null"})

    assert (row.before.is_json, row.after.is_json) == (True, False)


def test_a_new_object_is_told_without_its_nulls():
    assert told(None, {"status": "inprogress", "error": None}) == [
        ("status", "added", None, "inprogress")
    ]
    assert told({"status": "failed", "error": None}, None) == [
        ("status", "removed", "failed", None)
    ]


def test_objects_are_compared_inside():
    before = {"settings": {"a": 1, "b": {"c": "old", "same": 0}, "gone": True}}
    after = {"settings": {"a": 1, "b": {"c": "new", "same": 0}, "came": []}}

    assert told(before, after) == [
        ("settings.b.c", "changed", "old", "new"),
        ("settings.gone", "removed", "true", None),
        ("settings.came", "added", None, "[]"),
    ]


def test_an_object_in_the_place_of_a_null_is_told_by_its_members():
    after = {"error": {"code": "Quota", "details": [{"message": "m"}]}}

    assert told({"error": None}, after) == [
        ("error.code", "added", None, "Quota"),
        ("error.details", "added", None, '[\n  {\n    "message": "m"\n  }\n]'),
    ]


def test_far_down_whole_objects_are_compared():
    def nested(leaf):
        return {"a": {"b": {"c": {"d": {"e": leaf}}}}}

    assert told(nested(1), nested(2)) == [
        ("a.b.c.d", "changed", '{"e": 1}', '{"e": 2}'),
    ]


def test_of_a_list_of_names_the_entries_that_came_and_went():
    assert told({"roles": ["a", "b"]}, {"roles": ["b", "c"]}) == [
        ("roles", "changed", '["a"]', '["c"]')
    ]
    assert told({"roles": ["a"]}, {"roles": ["a", "b"]}) == [("roles", "added", None, '["b"]')]


def test_a_list_in_another_order_is_told_whole():
    assert told({"ids": ["a", "b"]}, {"ids": ["b", "a"]}) == [
        ("ids", "changed", '["a", "b"]', '["b", "a"]')
    ]


def test_a_type_that_changes():
    assert told({"a": {"b": 1}}, {"a": "text"}) == [("a", "changed", '{"b": 1}', "text")]


def test_texts_stay_as_they_are_and_an_empty_one_is_seen():
    assert told({"a": "<b>שלום</b>\n"}, {"a": ""}) == [("a", "changed", "<b>שלום</b>\n", '""')]


def test_what_is_long_is_folded_and_cut_where_asked():
    [row] = differences({}, {"description": "word " * 1000}, longest=300)

    assert row.after.is_long and row.after.is_cut
    assert len(row.after.text) == 300
    assert row.after.length_shown == "5,000"
    assert len(row.after.beginning) <= LONG
    [whole] = differences({}, {"description": "word " * 1000})
    assert not whole.after.is_cut and len(whole.after.text) == 5000


@pytest.mark.parametrize(
    ("value", "is_long"),
    [("x" * LONG, False), ("x" * (LONG + 1), True), ("a\n" * 3, False), ("a\n" * 6, True)],
)
def test_long_is_many_characters_or_lines(value, is_long):
    assert Value.of(value).is_long is is_long
