"""Failures that are alike get one fingerprint. Pure: no database."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from operations.demo import company
from operations.fingerprints import MAX_PATTERN, fingerprint, pattern

GUID = "3ed1595a-4bae-43c2-acda-ef973e581323"


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("", ""),
        ("Server error, something went wrong", "Server error, something went wrong"),
        ("  two\n\tlines\xa0here ", "two lines here"),
        # quoted text
        ("Property 'owner' cannot be retrieved.", "Property {text} cannot be retrieved."),
        ('Expected "a b", got `c`.', "Expected {text}, got {text}."),
        ("«а б» “c d” „e f“ ‘g’", "{text} {text} {text} {text}"),
        ("We don't and can't read the users' files", "We don't and can't read the users' files"),
        ("It's 'what we don't know' again", "It's {text} again"),
        ("{'code': 'x', 'n': 3}", "{{text}: {text}, {text}: {number}}"),
        ("the drive's \"A's\" list", "the drive's {text} list"),
        ("an open 'quote and", "an open 'quote and"),
        # addresses
        ("GET https://a.example/x?id=7&b=c: no", "GET {url}: no"),
        ("(see ldaps://dir.example:636/).", "(see {url})."),
        ("https://host/{item}/x is gone", "{url} is gone"),
        ("mail to jo.doe+x@contoso.example failed", "mail to {email} failed"),
        ("annotation tags@odata.type is missing", "annotation tags@odata.type is missing"),
        ("10.0.0.7:5432 and 10.1.0.0/16 refused", "{ip}:{number} and {ip} refused"),
        ("at 2001:db8::8a2e:370:7334 or ::1", "at {ip} or {ip}"),
        ("std::vector and a::b", "std::vector and a::b"),
        # times
        ("since 2024-05-31T07:12:09.123Z", "since {time}"),
        ("since 2024-05-31 07:12 +02:00, at 14:02:11", "since {time}, at {time}"),
        ("Wed, 25 Nov 2026 14:02:11 GMT or 11/25/2026 2:02:11 PM", "{time} or {time}"),
        ("Nov 25 14:02:11 host, Nov 25, 2026", "{time} host, {time}"),
        ("on 25.11.2026", "on {time}"),
        ("main.py:12:34", "main.py:{number}:{number}"),
        # ids
        (f"Operation {GUID.upper()} ended", "Operation {id} ended"),
        ("of 00000000-0000-0000-0000-000000000000", "of {id}"),
        ("op 1.weu-b.0251D560C889F660.98B2D9481B87CDDE.", "op {id}."),
        ("commit fb89232a, at 0x7ffe01", "commit {id}, at {id}"),
        ("token eyJ0eXAiOiJKV1QiLCJhbGci.eyJpc3MiOiJodHRwczovL2E-_w==", "token {id}"),
        ("/connections/507f1f77bcf86cd799439011/items", "/connections/{id}/items"),
        ("id=507f1f77bcf86cd799439011", "id={id}"),
        ("deadbeef feedback isExactMatchRequired", "deadbeef feedback isExactMatchRequired"),
        # numbers
        ("Item 17 of 1,204: -5.3 °C, +2e-7, 5%", "Item {number} of {number}: {number} °C, "
         "{number}, {number}%"),
        ("after 30s, 1.5 GB, 10-20 rows", "after {number}s, {number} GB, {number}-{number} rows"),
        ("item42 of people.delta-17 in batch_3", "item{number} of people.delta-{number} in "
         "batch_{number}"),
        ("properties/3/labels", "properties/{number}/labels"),
        ("version 10.0.26100.1", "version {number}"),
        ("٣ من ٤", "{number} من {number}"),
        # numbers that name a failure
        ("AADSTS7000215: Invalid client secret", "AADSTS7000215: Invalid client secret"),
        ("HTTP 503 after 3 attempts", "HTTP 503 after {number} attempts"),
        ("HTTP/1.1 429, status code: 429", "HTTP/1.1 429, status code: 429"),
        ("error code 0x80072EE7", "error code 0x80072EE7"),
    ],
)  # fmt: skip
def test_what_is_replaced(message, expected):
    assert pattern(message) == expected


def test_a_long_pattern_ends_after_a_word():
    short = pattern("word " * 200)
    assert short == " ".join(["word"] * 80) and len(short) <= MAX_PATTERN
    assert pattern("x" * 5000) == "x" * MAX_PATTERN
    assert pattern("a" * 390 + " 1234 5678") == "a" * 390 + " {number}"


@pytest.mark.parametrize(
    "unit",
    ["'", '"', "`", "‘", " 'a", "'a'a ", "1", "1.", "1,", "1:", ":", "a", "a1", "f0", "é", "a-",
     "a@", "@a.", "a://", "://", "{", "{id}", "{id}'", "-", "code 1", "\n", "\x00", "\ud800"],
)  # fmt: skip
def test_a_megabyte_is_read_and_gives_a_short_pattern(unit):
    message = unit * (1_000_000 // len(unit))
    assert len(pattern(message)) <= MAX_PATTERN
    assert len(pattern(f"'{message}")) <= MAX_PATTERN


PIECES = st.sampled_from(
    "' \" ` ‘ ’ « » “ ” „ { } {id} {number} {text} http:// a.b/ x@y.z 5 5'5 -7 1,2 12:30 "
    "2024-05-31 11/25/2026 Nov 25 AADSTS5 code f0f0f0f0 don't : - . / ( ) = 0x1f ::1".split(" ")
) | st.sampled_from([" ", "  ", "\n", "a" * 380, "word"])


@given(st.lists(PIECES | st.text(max_size=8), max_size=40).map("".join))
@settings(deadline=None, database=None, max_examples=300)
def test_a_pattern_is_its_own_pattern(message):
    once = pattern(message)
    assert pattern(once) == once
    assert len(once) <= MAX_PATTERN
    assert once == " ".join(once.split())


@given(st.integers(), st.integers(), st.uuids(), st.uuids())
@settings(deadline=None, database=None, max_examples=50)
def test_numbers_and_ids_do_not_part_failures(one, other, this, that):
    first = fingerprint("ItemRefused", f"items/{this}", f"Item {this}: {one} is too large.")
    assert first == fingerprint(
        "ItemRefused", f"items/{that}", f"Item {that}: {other} is too large."
    )


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ((None, None, None), "85558dc43ff1e2703f9db7b427dd67c3"),
        ((None, None, "Server error, something went wrong"), "a2ce027535f0b0068794a1d7f6cd4a77"),
        (("QuotaExceeded", "items", "The connection is full."), "a743bd2c92c77a6ba56f43c0520e41c2"),
        (
            ("LabelNotRetrievable", "properties/4/labels", "Property 'owner' has a label."),
            "e891d796ef5669899c8a2466325c4838",
        ),
        (("\ud800", "é", "«ü»"), "190aec33c6b321ae4b2377e4886da6db"),
    ],
)
def test_a_fingerprint_is_the_same_everywhere(error, expected):
    """Literal values: these are stored, and must not change from one version to the next."""
    assert fingerprint(*error) == expected


def test_what_parts_failures():
    error = ("LabelNotRetrievable", "properties/3/labels", "Property 'owner' has a label.")
    same = ("LabelNotRetrievable", "properties/4/labels", "Property 'author' has a label.")
    assert fingerprint(*error) == fingerprint(*same)
    others = [
        ("LabelTypeMismatch", *error[1:]),
        (error[0], "properties/3/name", error[2]),
        (error[0], error[1], "Property 'owner' has a name."),
        (None, None, None),
        # the parts do not run into each other
        (error[0] + error[1], None, error[2]),
    ]
    prints = [fingerprint(*each) for each in [error, *others]]
    assert len(set(prints)) == len(prints)
    assert all(re.fullmatch("[0-9a-f]{32}", each) for each in prints)
    assert fingerprint("", "", "") == fingerprint(None, None, None)


def test_the_failures_of_the_demo():
    errors = [company.SEED_ERROR, company.QUOTA_ERROR, company.DETAILS_ERROR, company.INNER_ERROR,
              company.LONG_ERROR, company.MARKUP_ERROR]  # fmt: skip
    found = {
        fingerprint(error.get("code"), error.get("target"), error["message"]) for error in errors
    }
    assert len(found) == len(errors)
