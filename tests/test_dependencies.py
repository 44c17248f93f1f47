"""What is installed is locked, and is looked up among known vulnerabilities."""

from __future__ import annotations

import json
import re
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from tests.audit import FINE, NOT_AUDITED, VULNERABLE, verdict

HOME = Path(__file__).resolve().parent.parent
PINS = [Requirement(line) for line in (HOME / "constraints.txt").read_text().splitlines()]
PROJECT = tomllib.loads((HOME / "pyproject.toml").read_text())["project"]
NEEDED = [
    *PROJECT["dependencies"],
    *(text for texts in PROJECT["optional-dependencies"].values() for text in texts),
]
BASE, NEWER = ({"python_full_version": version} for version in ("3.11.7", "3.13.0"))


def pins(name: str, environment: dict[str, str]) -> list[Requirement]:
    return [
        pin
        for pin in PINS
        if plain(pin.name) == plain(name)
        and (pin.marker is None or pin.marker.evaluate({**environment}))
    ]


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.parametrize("environment", [BASE, NEWER], ids=["3.11", "3.13"])
@pytest.mark.parametrize("text", NEEDED)
def test_every_dependency_is_locked_to_a_version_that_will_do(text, environment):
    needed = Requirement(text)
    (pin,) = pins(needed.name, environment)
    (version,) = pin.specifier
    assert version.operator == "=="
    assert needed.specifier.contains(version.version)


def test_every_line_of_the_lock_is_one_version_of_one_package():
    for pin in PINS:
        assert [each.operator for each in pin.specifier] == ["=="], pin
        assert len(pins(pin.name, BASE)) <= 1, pin
    assert (HOME / "constraints.txt").read_text().splitlines() == sorted(
        map(str, (HOME / "constraints.txt").read_text().splitlines()),
        key=lambda line: (line.partition("==")[0], line),
    )


def test_the_base_is_the_django_of_long_support():
    (base,), (newer,) = pins("django", BASE), pins("django", NEWER)
    assert str(base.specifier).startswith("==5.2.")
    assert Version(str(newer.specifier)[2:]) >= Version("6.0")


def test_what_the_dependencies_themselves_need_is_locked_too():
    """As far as it is installed here; pip is what installs it."""
    locked = {plain(pin.name) for pin in PINS} | {"pip"}
    waiting, seen = [Requirement(text) for text in NEEDED], set()
    while waiting:
        needed = waiting.pop()
        key = plain(needed.name), *sorted(needed.extras)
        if key in seen:
            continue
        seen.add(key)
        assert plain(needed.name) in locked, needed
        try:
            further = metadata.requires(needed.name) or []
        except metadata.PackageNotFoundError:
            continue
        for requirement in map(Requirement, further):
            extras = needed.extras or {""}
            marker = requirement.marker
            if marker is None or any(marker.evaluate({"extra": extra}) for extra in extras):
                waiting.append(requirement)
    assert len(seen) > 60


# The audit ----------------------------------------------------------------------------------------

GOOD = {"name": "django", "version": "5.2.19", "vulns": []}
FLAW = {"id": "PYSEC-2026-1", "fix_versions": ["5.2.20"], "aliases": [], "description": "x"}
BAD = {**GOOD, "vulns": [FLAW]}
SKIPPED = {"name": "attrs", "skip_reason": "Dependency not found on PyPI and could not be audited"}


@pytest.mark.parametrize(
    ("packages", "code", "says"),
    [
        ([GOOD], FINE, ["Audited 1 packages: no known vulnerability."]),
        ([BAD], VULNERABLE, ["django 5.2.19: PYSEC-2026-1, mended in 5.2.20"]),
        (
            [GOOD, SKIPPED],
            NOT_AUDITED,
            [
                "NOT AUDITED: 1 of 2 packages, for the advisory service was not reached or does "
                "not know them (attrs)."
            ],
        ),
        ([BAD, SKIPPED], VULNERABLE, ["django 5.2.19: PYSEC-2026-1, mended in 5.2.20", "NOT AUD"]),
        ([], NOT_AUDITED, ["NOT AUDITED: 0 of 0 packages"]),
    ],
)
def test_what_an_audit_comes_to(packages, code, says):
    ended, lines = verdict(json.dumps({"dependencies": packages, "fixes": []}), "")
    assert ended == code
    assert len(lines) == len(says)
    assert all(line.startswith(said) for line, said in zip(lines, says, strict=True))


@pytest.mark.parametrize("report", ["", "{", "{}", "null", "[]"])
def test_no_report_is_no_comfort(report):
    code, (line,) = verdict(report, "Traceback\nConnectionError: the name is not known\n")
    assert code == NOT_AUDITED
    assert line == (
        "NOT AUDITED: pip-audit gave no report (ConnectionError: the name is not known)."
    )
