"""The units of ``deploy/`` run by a systemd: confined as they say, reloaded, backed up, stopped."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from django.conf import settings

from tests.container import LINKS
from tests.processes import free_port, wait_for

pytestmark = pytest.mark.deploy

PROJECT = Path(settings.BASE_DIR)
HOME = "opt/connectors-admin"
UNIT = "connectors-admin.service"
NEEDED = "manage.py pyproject.toml constraints.txt README.md LICENSE".split()
INSTALL = f"""
set -e
ldconfig
cd /{HOME}
python3 -m venv .venv
.venv/bin/python -m pip install --quiet -c constraints.txt -e '.[postgres]'
cp deploy/connectors-admin* /etc/systemd/system/
mkdir -p /etc/systemd/system/multi-user.target.wants /etc/systemd/system/{UNIT}.d
ln -s /etc/systemd/system/{UNIT} /etc/systemd/system/multi-user.target.wants/
ln -sf /usr/lib/systemd/system/multi-user.target /etc/systemd/system/default.target
"""


@dataclass
class Machine:
    """A root with a systemd in it, on this machine's network."""

    root: Path
    port: int
    nspawn: subprocess.Popen | None = None

    def enter(self, *options: str) -> list[str]:
        return [
            *("systemd-nspawn", "--quiet", f"--directory={self.root}", "--register=no"),
            *("--keep-unit", "--bind-ro=/usr", f"--bind-ro={sys.base_prefix}:/usr/local"),
            *options,
        ]

    def run(self, *command: str) -> subprocess.CompletedProcess:
        """A command beside the running systemd."""
        assert self.nspawn
        children = Path(f"/proc/{self.nspawn.pid}/task/{self.nspawn.pid}/children").read_text()
        beside = ["nsenter", "-t", children.split()[0], "-m", "-p", "-u", "-i"]
        return subprocess.run([*beside, *command], capture_output=True, text=True, timeout=60)

    def status(self) -> int:
        try:
            return httpx.get(f"http://127.0.0.1:{self.port}/healthz").status_code
        except httpx.TransportError:
            return 0

    def main_pid(self) -> str:
        return self.run("systemctl", "show", "-P", "MainPID", UNIT).stdout.strip()

    def log(self) -> str:
        return self.run("journalctl", "--no-pager", "-u", "connectors-admin*").stdout


@pytest.fixture(scope="module")
def machine(tmp_path_factory) -> Iterator[Machine]:
    assert os.getuid() == 0, "systemd-nspawn needs root"
    root = tmp_path_factory.mktemp("machine")
    root.chmod(0o755)
    for name in ("usr/lib", "var", "proc", "sys", "dev", "run", "tmp", "root", HOME):
        (root / name).mkdir(parents=True)
    for name, target in LINKS.items():
        (root / name).symlink_to(target)
    shutil.copytree("/etc", root / "etc", symlinks=True, ignore_dangling_symlinks=True)
    for wanted in (root / "etc/systemd/system").glob("*.wants"):
        shutil.rmtree(wanted)  # nothing of this machine's own
    for release in ("etc/os-release", "usr/lib/os-release"):
        (root / release).unlink(missing_ok=True)
        shutil.copy("/usr/lib/os-release", root / release)
    (root / "etc/machine-id").write_text("")
    for name in NEEDED:
        shutil.copy(PROJECT / name, root / HOME / name)
    for name in ("connectors_admin", "operations", "templates", "deploy"):
        shutil.copytree(PROJECT / name, root / HOME / name)
    machine = Machine(root, free_port())
    network = [f"--setenv={name}={value}" for name, value in os.environ.items() if "PIP_" in name]
    install = machine.enter(*network, "/bin/sh", "-c", INSTALL)
    done = subprocess.run(install, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    command = re.findall("^ExecStart=(.*)$", (PROJECT / "deploy" / UNIT).read_text(), re.MULTILINE)
    (root / f"etc/systemd/system/{UNIT}.d/port.conf").write_text(
        f"[Service]\nExecStart=\nExecStart={command[0]} --port {machine.port}\n"
    )
    with (root / "console").open("w") as console:
        machine.nspawn = subprocess.Popen(machine.enter("--boot"), stdout=console, stderr=console)
    try:
        wait_for(lambda: machine.status() == 200, 60)
        yield machine
    finally:
        machine.nspawn.terminate()
        machine.nspawn.wait(60)


def test_it_runs_as_a_user_of_its_own(machine):
    data = machine.root / "var/lib/private/connectors-admin"
    assert data.stat().st_mode & 0o777 == 0o700
    assert data.stat().st_uid >= 61184  # what systemd gives to a DynamicUser
    shown = machine.run("systemctl", "show", "-P", "ProtectSystem", "-P", "NoNewPrivileges", UNIT)
    assert set(shown.stdout.split()) == {"strict", "yes"}


def test_a_reload_keeps_the_service(machine):
    before = machine.main_pid()
    done = machine.run("systemctl", "reload", UNIT)
    assert done.returncode == 0, machine.log()
    wait_for(lambda: machine.status() == 200)
    assert machine.main_pid() == before
    assert machine.run("systemctl", "is-active", UNIT).stdout.strip() == "active"


def test_the_backup_of_the_timer(machine):
    done = machine.run("systemctl", "start", "connectors-admin-backup.service")
    assert done.returncode == 0, machine.log()
    kept = list((machine.root / "var/lib/private/connectors-admin-backups").iterdir())
    assert len(kept) == 1
    assert kept[0].stat().st_mode & 0o777 == 0o600
    assert machine.status() == 200


def test_a_stop_is_clean(machine):
    machine.run("systemctl", "stop", UNIT)
    shown = machine.run("systemctl", "show", "-P", "Result", "-P", "ExecMainStatus", UNIT)
    assert shown.stdout.split() == ["success", "0"]
    assert machine.status() == 0
