"""The files in ``deploy/``: as their own tools judge them, and true to what the project has."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from django.conf import settings
from django.core.management import get_commands

pytestmark = pytest.mark.deploy

PROJECT = Path(settings.BASE_DIR)
DEPLOY = PROJECT / "deploy"
UNITS = sorted(path.name for path in DEPLOY.glob("connectors-admin*"))


def tool(*command: str) -> str:
    """Run a tool of the environment that the tests run in; its output if it finds nothing wrong."""
    program = Path(sys.executable).with_name(command[0])
    done = subprocess.run([str(program), *command[1:]], capture_output=True, text=True, cwd=PROJECT)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_dockerfile():
    assert tool("hadolint", "deploy/Dockerfile") == ""


def test_compose():
    assert "ok" in tool(
        "check-jsonschema", "--builtin-schema", "vendor.compose-spec", "deploy/compose.yaml"
    )


def test_kubernetes():
    kinds = re.findall(
        r"passed for resource (\w+)/", tool("kubernetes-validate", "deploy/kubernetes.yaml")
    )
    documents = list(yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text()))
    assert kinds == [document["kind"].lower() for document in documents]


def test_alerts():
    """As Prometheus reads them (apt install prometheus); ``test_metrics`` reads what they say."""
    done = subprocess.run(
        ["promtool", "check", "rules", "deploy/prometheus-rules.yaml"],
        capture_output=True,
        text=True,
        cwd=PROJECT,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_units(tmp_path):
    """systemd reads them without a complaint; the program they start is put in their place."""
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    for name in UNITS:
        text = (DEPLOY / name).read_text()
        (tmp_path / name).write_text(
            text.replace("/opt/connectors-admin/.venv/bin/python", str(program))
        )
    done = subprocess.run(
        ["systemd-analyze", "verify", *UNITS], capture_output=True, text=True, cwd=tmp_path
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_service_is_confined():
    done = subprocess.run(
        [
            "systemd-analyze",
            "security",
            "--offline=yes",
            "--threshold=20",
            "connectors-admin.service",
        ],
        capture_output=True,
        text=True,
        cwd=DEPLOY,
    )
    assert done.returncode == 0, done.stdout


def commands_of(text: str) -> set[str]:
    return set(re.findall(r"(?:manage\.py |args: \[|  command: \[)(\w+)", text)) - {"sleep"}


@pytest.mark.parametrize("name", sorted(path.name for path in DEPLOY.iterdir()))
def test_commands_and_settings_are_the_projects(name):
    text = (DEPLOY / name).read_text()
    assert commands_of(text) <= set(get_commands())
    table = (PROJECT / "README.md").read_text()
    of_the_system = {"PATH", "PYTHON_VERSION", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE"}
    of_postgres = {"POSTGRES_USER", "POSTGRES_DB", "POSTGRES_PASSWORD"}
    words = set(re.findall(r"(?<!\w)(?!AF_)([A-Z]+(?:_[A-Z]+)+)\b", text))
    named = words - of_the_system - of_postgres
    assert {word for word in named if f"`{word}`" not in table} == set()
