"""From the first release to this one with data in place: every step, and what comes out."""

from __future__ import annotations

import json

import pytest

from tests.processes import free_port, manage, own_database, refused, shell


def run(environment, *functions: str) -> str:
    names = ", ".join(functions)
    calls = "; ".join(f"{name}()" for name in functions)
    return shell(environment, f"from tests.first_release import {names}; {calls}")


@pytest.fixture(scope="module")
def installation(tmp_path_factory):
    with own_database(tmp_path_factory.mktemp("first")) as environment:
        run(environment, "build")
        yield environment


def test_every_step_keeps_the_data(installation):
    assert json.loads(run(installation, "print_data")) == {
        "connections": [
            ["contosoCRM", 2, "Über 'uns' 😀"],
            ["contosoFull", 4, "Über 'uns' 😀"],
            ["contosoHR", 1, None],
            ["contosoOld", 3, None],
        ],
        "members": [{}] * 4,
        "operations": [
            ["crawl-0", 0],
            ["crawl-1", 1],
            ["crawl-2", 2],
            ["crawl-3", 3],
            ["failed", 3],
            ["retry", 2],
            ["waiting", 1],
        ],
        "retry": ["failed", 1],
        "groups": [["Wait {number} s.", 2]],
        "counted": 4,
        "can be stuck": 2,
        "secrets": [["abcdef", ""]],
        "address": "http://localhost:8000",
        "changes": 3,
        "roles": [["maria", "operator"], ["root", None]],
    }


def test_its_tables_are_those_that_the_models_of_today_make(installation, tmp_path):
    with own_database(tmp_path) as other:
        expected = json.loads(run(other, "make_from_models", "print_tables"))

    found = json.loads(run(installation, "print_tables"))

    assert found == expected
    assert any("operation_one_unfinished_registration" in name for name in found)
    assert "change_action_known" in json.dumps(found)


def test_once_more_changes_nothing(installation):
    assert "No migrations to apply." in manage(installation, "migrate")


def test_what_was_in_hand_then_is_finished_now(installation):
    manage(installation, "run_operations", "--once")

    code = """
from operations.models import ConnectionOperation
waiting = ConnectionOperation.objects.get(graph_id="waiting")
print(waiting.status, waiting.attempt)
"""
    assert shell(installation, code) == "2 2"


@pytest.mark.parametrize("command", ["serve --port {}", "run_operations"])
def test_a_version_does_not_start_on_the_database_of_a_newer_one(installation, command):
    later = """
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
MigrationRecorder(connection).{}("operations", "9999_later")
"""
    shell(installation, later.format("record_applied"))
    try:
        said = refused(installation, *command.format(free_port()).split())
    finally:
        shell(installation, later.format("record_unapplied"))

    assert "The database was made by a newer version than this one (" in said
    assert "does not know 9999_later. Run the newer version, or restore" in said
