"""What the documents say of the project is true of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

HOME = Path(__file__).resolve().parent.parent
TESTS = {path.stem for path in (HOME / "tests").glob("test_*.py")}
RULES = [
    line
    for line in (HOME / "docs" / "contract.md").read_text().splitlines()
    if line.startswith("| ") and not line.startswith(("| ---", "| Route", "| Rule", "| What"))
]


def test_there_is_something_to_check():
    assert len(RULES) > 80


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule.count(" | ") > 1])
def test_a_rule_of_the_contract_names_a_test_that_is_there(rule):
    *_, tests, _ = rule.split("|")
    named = re.findall(r"`(test_\w+)`", tests)
    assert named, f"no test is named: {rule}"
    assert set(named) <= TESTS, rule


@pytest.mark.parametrize("document", ["README.md", "docs/contract.md", "docs/clients.md"])
def test_links_between_documents_lead_somewhere(document):
    for target in re.findall(r"\]\((?!https?://|#)([^)#]+)", (HOME / document).read_text()):
        assert ((HOME / document).parent / target).exists(), target
