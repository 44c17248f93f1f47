"""The catalogue of probable causes: what is in it, how it is matched, and how it is extended."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from operations import causes
from operations.causes import Catalogue, read_catalogue
from operations.checks import check_causes
from operations.demo import company
from operations.schema_rules import read_schema
from tests.factories import a_property, a_schema

OWN = """
[[causes]]
id = "lift-broken"
title = "The lift is broken"
cause = "Somebody left the door open."
fix = ["Close the door.", "Call the janitor."]
codes = ["LiftStuck"]
"""


@pytest.fixture(scope="module")
def ours():
    found, faults = read_catalogue(causes.OURS.read_text())
    assert faults == []
    return Catalogue(found)


def found(catalogue, code=None, message=None, details=None, inner=None):
    cause = catalogue.probable(code, message, details, inner)
    return cause and cause.id


# What is in ours ---------------------------------------------------------------------------------


def test_ours_says_why_and_what_to_do(ours):
    assert len(list(ours)) >= 15
    for cause in ours:
        assert cause.title and not cause.title.endswith("."), cause.id
        assert all(text.endswith(".") for text in (cause.cause, *cause.fix)), cause.id
        assert 1 <= len(cause.fix) <= 3 and cause.codes | set(cause.phrases), cause.id


PROPERTIES = {
    "property-name-not-allowed": [a_property("assigned_to")],
    "name-used-twice": [a_property("title"), a_property("Title")],
    "too-many-properties": [a_property(f"p{number}") for number in range(129)],
    "label-used-twice": [
        a_property("a", isRetrievable=True, labels=["title"]),
        a_property("b", isRetrievable=True, labels=["title"]),
    ],
    "label-not-retrievable": [a_property(labels=["title"])],
    "label-type-mismatch": [a_property(type="int64", isRetrievable=True, labels=["title"])],
    "searchable-not-text": [a_property(type="int64", isSearchable=True)],
    "refinable-and-searchable": [a_property(isRefinable=True, isSearchable=True)],
    "refinable-boolean": [a_property(type="boolean", isRefinable=True)],
    "exact-match-not-allowed": [a_property(isSearchable=True, isExactMatchRequired=True)],
}


@pytest.mark.parametrize("cause", PROPERTIES)
def test_each_rule_of_a_schema_has_its_cause(ours, cause):
    """By the code that we give, and by our sentence where another service says the like."""
    _, (fault, *more) = read_schema(a_schema(*PROPERTIES[cause]), beta=True)
    assert more == []
    assert found(ours, fault.code) == cause
    details = [{"code": fault.code, "message": fault.message, "target": fault.target}]
    assert found(ours, "InvalidRequest", "The request is malformed.", details) == cause
    assert found(ours, "InvalidRequest", "It is malformed.", None, {"code": fault.code}) == cause
    if cause != "exact-match-not-allowed":
        assert found(ours, None, fault.message) == cause


def test_a_wrong_base_type(ours):
    _, (fault,) = read_schema({**a_schema(), "baseType": "#microsoft.graph.externalItem"})
    assert found(ours, fault.code, fault.message) == "wrong-base-type"


def test_what_an_update_may_not_change(ours):
    before, _ = read_schema(a_schema(a_property("a", isRetrievable=True), a_property("b")))
    after = a_schema(a_property("a", type="int64", isRefinable=True))
    _, faults = read_schema(after, before)
    assert len(faults) == 4
    assert {found(ours, fault.code) for fault in faults} == {"schema-change-not-allowed"}


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (company.SEED_ERROR, None),
        (company.QUOTA_ERROR, "quota-full"),
        (company.DETAILS_ERROR, "label-not-retrievable"),
        (company.INNER_ERROR, "source-unreachable"),
        (company.LONG_ERROR, "item-does-not-fit-schema"),
        (company.MARKUP_ERROR, "source-unreachable"),
    ],
)
def test_the_failures_of_the_demo(ours, error, cause):
    assert cause == found(
        ours, error.get("code"), error["message"], error.get("details"), error.get("innerError")
    )


@pytest.mark.parametrize(
    ("code", "message", "cause"),
    [
        ("AttemptsExhausted", "The registration was started 3 times and never ended.",
         "worker-stopped"),
        ("Rehearsed", None, "rehearsed"),
        ("TooManyRequests", "Please retry again later.", "throttled"),
        (None, "429 Client Error: Too Many Requests for url: https://a.example", "throttled"),
        ("InvalidAuthenticationToken", "Lifetime validation failed.", "sign-in-failed"),
        (None, "AADSTS700027: The certificate has expired and is not trusted.", "sign-in-failed"),
        ("Forbidden", "Missing role permissions on the request. API requires one of 'A'.",
         "permission-missing"),
        ("authorization_requestdenied", None, "permission-missing"),
        (None, "SSL: CERTIFICATE_VERIFY_FAILED certificate verify failed",
         "certificate-not-trusted"),
        (None, "HTTPSConnectionPool(host='a'): Read timed out. (read timeout=30)",
         "source-unreachable"),
        (None, "[Errno 111] Connection refused", "source-unreachable"),
        ("serviceNotAvailable", "", "source-unreachable"),
        ("ConnectionBeingDeleted", None, "connection-gone"),
        ("BadRequest", "Property due in payload has a value that does not match schema.",
         "item-does-not-fit-schema"),
        # words that are in many messages, and no cause
        ("InvalidRequest", "The request is malformed or incorrect.", None),
        ("ItemNotFound", "The requested resource does not exist.", None),
        ("CrawlFailed", "The connection could not be updated: a separate limit is set.", None),
        ("CrawlFailed", "The answer did not hold a list of items.", None),
        ("QuotationMissing", "The quotation of the offer is empty.", None),
        (None, None, None),
    ],
)  # fmt: skip
def test_what_services_report(ours, code, message, cause):
    assert found(ours, code, message) == cause


def test_a_missing_connection_is_told_by_its_inner_error(ours):
    inner = {"code": "ResourceNotFound", "message": "'Connection' was not found."}
    outer = ("ItemNotFound", "The requested resource does not exist.")
    assert found(ours, *outer, None, inner) == "connection-gone"
    inner["message"] = "'Item' was not found."
    assert found(ours, *outer, None, inner) is None


# Matching ----------------------------------------------------------------------------------------


def entry(cause_id="one", **members):
    values = {"id": cause_id, "title": "t", "cause": "c", "fix": "f"} | members
    return "[[causes]]\n" + "\n".join(f"{name} = {value!r}" for name, value in values.items())


def only(**members):
    found, faults = read_catalogue(entry(**members))
    assert faults == []
    return Catalogue(found)


def test_codes_are_whole_and_in_any_case():
    catalogue = only(codes=["Straße", "E1"])
    assert found(catalogue, "STRASSE") == found(catalogue, "e1") == "one"
    assert found(catalogue, "E10") is None and found(catalogue, None, "E1") is None


def test_a_code_may_be_that_of_a_detail_or_of_any_inner_error():
    catalogue = only(codes=["deep"])
    deep = {"code": "Deep"}
    assert found(catalogue, "x", "y", [{"code": "z"}, deep]) == "one"
    assert found(catalogue, "x", "y", None, deep) == "one"
    assert found(catalogue, "x", "y", [], {"code": "z", "details": [deep]}) == "one"
    assert found(catalogue, "x", "y", [], {"innerError": {"innerError": deep}}) == "one"
    assert found(catalogue, "x", "y", [{"target": "deep"}], {"innerError": "deep"}) is None
    # an inner error is an open type: anything may stand in it
    assert found(catalogue, "x", "y", [], {"code": 5, "details": ["deep", 7]}) is None


def test_all_words_of_a_phrase_must_be_there_in_any_order():
    catalogue = only(phrases=["disk  Full", "paper"])
    assert found(catalogue, None, "FULL is the disk.") == "one"
    assert found(catalogue, None, "Sandpaper.") == "one"
    assert found(catalogue, None, "The disk is") is None
    assert found(catalogue, None, "disk", [{"message": "is"}], {"message": "full"}) == "one"
    assert found(catalogue, "disk full") is None
    assert found(catalogue, None, "x" * causes.MAX_TEXT + "paper") is None


def test_a_phrase_is_no_regular_expression():
    catalogue = only(phrases=["(a+)+$ .*"])
    assert found(catalogue, None, "aaa") is None
    assert found(catalogue, None, "say (a+)+$ and .*") == "one"


def test_the_first_match_wins():
    catalogue = Catalogue(
        read_catalogue(entry("one", phrases=["late"]) + "\n" + entry("two", codes=["Late"]))[0]
    )
    assert found(catalogue, "Late", "too late") == "one"
    assert found(catalogue, "Late", "too soon") == "two"
    assert catalogue.by_id("two").id == "two" and catalogue.by_id("three") is None


# Reading -----------------------------------------------------------------------------------------


def test_an_entry_is_read():
    ((cause,), faults) = read_catalogue(OWN)
    assert faults == []
    assert cause.fix == ("Close the door.", "Call the janitor.")
    assert only(fix=" One sentence. ", codes=["x"]).by_id("one").fix == ("One sentence.",)
    assert read_catalogue("") == ([], [])


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[[causes]", "The file is not TOML: "),
        ("x = " + "[" * 100_000, "The file is not TOML: "),
        ("x = 2026-13-45", "The file is not TOML: "),
        ("[[cause]]", "'cause' is not known: a file holds entries that begin with [[causes]]."),
        ("[causes]", "An entry begins with [[causes]], in two pairs of brackets."),
        ("causes = [7]", "Entry 1: it must be a table."),
        (entry(id="", codes=["x"]), "Entry 1: 'id' must be a text, and not empty."),
        (entry("A b", codes=["x"]),
         "Entry 'A b': 'id' must be 1 to 64 lower-case letters, digits and hyphens."),
        (entry(title=5, codes=["x"]), "Entry 'one': 'title' must be a text, and not empty."),
        (entry(cause=" ", codes=["x"]), "Entry 'one': 'cause' must be a text, and not empty."),
        (entry(fix=7, codes=["x"]), "Entry 'one': 'fix' must be a text, and not empty."),
        (entry(fix=[], codes=["x"]), "Entry 'one': 'fix' must have a step."),
        (entry(fix=["a", 1], codes=["x"]),
         "Entry 'one': 'fix' must be a list of texts, none of them empty."),
        (entry(codes="x"), "Entry 'one': 'codes' must be a list of texts, none of them empty."),
        (entry(phrases=[" "]),
         "Entry 'one': 'phrases' must be a list of texts, none of them empty."),
        (entry(), "Entry 'one': it needs 'codes' or 'phrases' to match by."),
        (entry(codes=[]), "Entry 'one': it needs 'codes' or 'phrases' to match by."),
        (entry(phrase=["x"], codes=["x"]),
         "Entry 'one': 'phrase' is not known. Did you mean 'phrases'?"),
        (entry(codes=["x"]) + "\n" + entry(codes=["x"]),
         "Entry 'one': its id is that of an entry before it."),
    ],
)  # fmt: skip
def test_each_fault_names_entry_and_rule(text, fault):
    _, (first, *more) = read_catalogue(text)
    assert first.startswith(fault) and not more


def test_all_faults_are_told_and_the_good_entries_read():
    good, faults = read_catalogue(entry(fix="", codes=[7]) + "\n" + entry("two", codes=["x"]))
    assert len(faults) == 2 and [cause.id for cause in good] == ["two"]


@given(st.text() | st.text(st.sampled_from("[]causes=\"'{}1.\n -")).map(lambda t: OWN + t))
@hypothesis_settings(deadline=None, database=None)
def test_any_text_is_read(text):
    found, faults = read_catalogue(text)
    assert all(isinstance(fault, str) and fault for fault in faults)
    assert all(cause.id for cause in found)


# The current catalogue ---------------------------------------------------------------------------


@pytest.fixture
def theirs(settings, tmp_path):
    """The administrator's file, which is not there yet."""
    path = tmp_path / "causes.toml"
    settings.CAUSES_FILE = path

    def write(text):
        path.write_bytes(text if isinstance(text, bytes) else text.encode())

    return SimpleNamespace(path=path, write=write)


def now(code):
    return found(causes.catalogue(), code)


def test_without_a_file_of_theirs_there_are_ours(theirs, ours):
    assert list(causes.catalogue()) == list(ours)
    assert causes.faults() == []


def test_their_file_is_read_when_it_comes_changes_and_goes(theirs):
    assert now("LiftStuck") is None
    theirs.write(OWN)
    assert now("LiftStuck") == "lift-broken"
    theirs.write(OWN.replace("LiftStuck", "LiftStuckAgain"))
    assert now("LiftStuck") is None and now("LiftStuckAgain") == "lift-broken"
    theirs.path.unlink()
    assert now("LiftStuckAgain") is None
    assert causes.faults() == []


def test_theirs_come_first_and_replace_ours(theirs):
    theirs.write(
        entry("house-rule", codes=["QuotaExceeded"]) + "\n" + entry("throttled", codes=["Slow"])
    )
    assert now("QuotaExceeded") == "house-rule"
    assert now("limitExceeded") == "quota-full"
    assert now("Slow") == "throttled" and now("TooManyRequests") is None
    assert causes.catalogue().by_id("throttled").title == "t"


@pytest.mark.parametrize(
    ("broken", "fault"),
    [
        ("[[causes]]\nid = 'x", "The file is not TOML"),
        (OWN + "fixes = 'x'", "Entry 'lift-broken': 'fixes' is not known. Did you mean 'fix'?"),
        (b"\xff\xfe", "The file cannot be read: "),
        ("#" * 1_000_001, "The file is larger than 1,000,000 bytes."),
    ],
)
def test_a_broken_file_leaves_the_last_good_state(theirs, broken, fault):
    theirs.write(broken)
    assert now("QuotaExceeded") == "quota-full"
    theirs.write(OWN)
    assert now("LiftStuck") == "lift-broken" and causes.faults() == []
    theirs.write(broken)
    assert now("LiftStuck") == "lift-broken"
    (said,) = causes.faults()
    assert said.startswith(fault)


def test_a_folder_in_its_place(theirs):
    theirs.path.mkdir()
    (said,) = causes.faults()
    assert said.startswith("The file cannot be read: ") and now("QuotaExceeded") == "quota-full"


def test_a_file_of_another_editor(theirs):
    theirs.write(b"\xef\xbb\xbf" + OWN.replace("\n", "\r\n").encode())
    assert now("LiftStuck") == "lift-broken" and causes.faults() == []


def test_w020_a_system_check_tells_of_a_broken_file(theirs):
    assert check_causes() == []
    theirs.write(entry())
    (warning,) = check_causes()
    assert warning.id == "operations.W020" and warning.hint
    assert warning.msg == (
        f"{theirs.path} is not used: Entry 'one': it needs 'codes' or 'phrases' to match by."
    )
