"""Backup and restore of the embedded database, with real processes: whole, or not at all."""

from __future__ import annotations

import fcntl
import hashlib
import io
import json
import os
import shlex
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import tarfile
import threading
import time
import urllib.error
import urllib.request
import uuid
from contextlib import closing
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from connectors_admin import embedded as files
from operations import backups
from operations.backups import BackupError
from tests.factories import a_schema
from tests.processes import (
    MANAGE,
    embedded,
    free_port,
    manage,
    refused,
    serve,
    shell,
    start_worker,
    wait_for,
)

DATABASE = "connectors.sqlite3"
MAKE = """
from operations.models import Actor, ExternalConnection
for name in {names}:
    ExternalConnection.objects.register(Actor.command("test"), graph_id=name, name="x")
"""


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """An installation with two connections and all files that belong to it."""
    folder = tmp_path_factory.mktemp("source")
    environment = embedded(folder)
    manage(environment, "migrate", "--verbosity", "0")
    shell(environment, MAKE.format(names=["first", "second"]))
    (folder / "tls").mkdir()
    (folder / "tls" / "ca.pem").write_text("authority")
    (folder / "causes.toml").write_text("# causes")
    return environment


@pytest.fixture(scope="module")
def backup(source, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("backup") / "backup.tar"
    manage(source, "backup", str(path))
    return path


@pytest.fixture(scope="module")
def another(source, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("another")
    shutil.copy(Path(source["DATA_DIR"]) / DATABASE, folder)
    shell(embedded(folder), MAKE.format(names=["third"]))
    return folder


@pytest.fixture
def other(another, tmp_path):
    """Another installation, with a connection more and a key of its own, and no certificates."""
    return embedded(shutil.copytree(another, tmp_path / "other"))


def names(environment: dict[str, str]) -> list[str]:
    """The connections that are there. Asked directly: a process of its own takes seconds."""
    with closing(sqlite3.connect(f"{environment['DATA_DIR']}/{DATABASE}")) as database:
        query = "SELECT graph_id FROM operations_externalconnection ORDER BY graph_id"
        return [name for (name,) in database.execute(query)]


OLD = ["first", "second", "third"]
NEW = ["first", "second"]


def inside(path: Path) -> dict[str, bytes]:
    with tarfile.open(path) as archive:
        return {each.name: archive.extractfile(each).read() for each in archive}


# One archive --------------------------------------------------------------------------------------


def test_a_backup_is_one_private_file_that_names_and_proves_what_is_in_it(source, backup):
    content = inside(backup)

    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    assert list(content)[0] == "manifest.json"
    assert set(content) == {"manifest.json", DATABASE, "secret_key", "tls/ca.pem", "causes.toml"}
    manifest = json.loads(content.pop("manifest.json"))
    assert manifest["counts"] == {
        "connections": 2,
        "operations": 0,
        "items": 0,
        "changes": 2,
    }
    assert ["operations", "0001_connections_and_operations"] in manifest["migrations"]
    for name, body in content.items():
        facts = manifest["files"][name]
        assert facts == {"bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()}
    assert [each.name for each in backup.parent.iterdir()] == [backup.name]


def test_to_stdout(source, backup):
    done = subprocess.run(
        [sys.executable, MANAGE, "backup", "-"], env=source, capture_output=True, timeout=120
    )

    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        assert set(archive.getnames()) == set(inside(backup))


def test_a_secret_key_of_the_environment_is_not_in_it(source, tmp_path):
    manage(source | {"SECRET_KEY": "of-the-environment"}, "backup", str(tmp_path / "x.tar"))

    assert "secret_key" not in inside(tmp_path / "x.tar")


def test_into_a_folder_the_newest_are_kept(source, tmp_path):
    for stamp in ("20250101T000000Z", "20250102T000000Z"):
        (tmp_path / f"connectors-{stamp}.tar").write_text("old")
    (tmp_path / "connectors-mine.tar").write_text("not ours")

    said = manage(source, "backup", str(tmp_path), "--keep", "2")

    left = sorted(each.name for each in tmp_path.iterdir())
    assert len(left) == 3 and "connectors-20250102T000000Z.tar" in left
    assert "connectors-mine.tar" in left and "connectors-20250101T000000Z.tar" not in left
    assert "2 connections" in said and "Removed" in said


def test_what_was_just_made_is_kept_whatever_is_newer_by_its_name(source, tmp_path):
    later = [tmp_path / f"connectors-2099010{day}T000000Z.tar" for day in (1, 2)]
    for path in later:
        path.touch()
    manage(source, "backup", str(tmp_path), "--keep", "2")
    kept = set(tmp_path.iterdir())
    assert len(kept) == 2 and later[1] in kept and not kept.issubset(later)


def test_keep_needs_a_folder(source, tmp_path):
    assert "--keep N needs a folder" in refused(
        source, "backup", str(tmp_path / "x.tar"), "--keep", "2"
    )


def test_a_full_disk_leaves_nothing_behind(source, tmp_path):
    """A limit on the size of a file stands for the disk."""
    line = f"ulimit -f 64; exec {sys.executable} {MANAGE} backup {shlex.quote(str(tmp_path))}/x.tar"
    done = subprocess.run(
        ["bash", "-c", line], env=source, capture_output=True, text=True, timeout=120
    )

    assert done.returncode == 1, done.stdout + done.stderr
    assert f"The backup could not be written to {tmp_path}" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_one_left_goes_with_the_next_and_what_another_makes_stays(source, tmp_path):
    target = str(tmp_path / "b.tar")
    victim = subprocess.Popen([sys.executable, MANAGE, "backup", target], env=source)
    while not (left := list(tmp_path.glob(".backup-*"))):
        assert victim.poll() is None
    victim.kill()
    victim.wait()
    in_work, just_made = tmp_path / ".backup-work", tmp_path / ".backup-new"
    in_work.mkdir()
    just_made.mkdir()
    for folder in (in_work, *left):
        os.utime(folder, (time.time() - backups.JUST_MADE - 1,) * 2)

    handle = os.open(in_work, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    manage(source, "backup", target)
    os.close(handle)

    assert set(tmp_path.iterdir()) == {tmp_path / "b.tar", in_work, just_made}


def test_a_folder_that_is_not_there(source, tmp_path):
    assert "could not be written to" in refused(source, "backup", str(tmp_path / "no" / "x.tar"))


@pytest.mark.parametrize(("command", "tool"), [("backup", "pg_dump"), ("restore", "pg_restore")])
def test_postgresql_has_its_own_way(settings, command, tool):
    settings.EMBEDDED_DATABASE = False

    with pytest.raises(CommandError, match=f"PostgreSQL, which has its own way: {tool} .*FILE"):
        call_command(command, "x.tar")


# While everything goes on -------------------------------------------------------------------------

LOOK = """
import json
from django.db.models import Exists, OuterRef, Sum
from operations.models import Change, ConnectionOperation, OutcomeCount, Schema
rows = ConnectionOperation.objects.all()
made = Change.objects.filter(operation_key=OuterRef("pk"),
    action__in=["operation.reported", "operation.requested"])
schema = Schema.objects.filter(operation=OuterRef("pk"))
registered = rows.filter(kind="schemaRegistration", status=2)
print(json.dumps({
    "without history": rows.filter(~Exists(made)).count(),
    "history without row": Change.objects.filter(action="operation.reported").count()
        - rows.filter(kind="reported").count(),
    "completed without schema": registered.filter(~Exists(schema)).count(),
    "schemas": Schema.objects.count() - registered.count(),
    "counted": (OutcomeCount.objects.aggregate(n=Sum("count"))["n"] or 0)
        - rows.filter(status__in=(2, 3)).count(),
}))
"""


class Load:
    """Clients that write as long as they may, and what was acknowledged to them."""

    def __init__(self, address: str, token: str, number: int = 3):
        self.address, self.token = address, token
        self.acknowledged: list[str] = []
        self.longest = 0.0
        self.faults: list[str] = []
        self.ended = threading.Event()
        self.threads = [threading.Thread(target=self._write, args=(n,)) for n in range(number)]

    def __enter__(self) -> Load:
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_) -> None:
        self.ended.set()
        for thread in self.threads:
            thread.join()

    def call(self, method: str, path: str, body=None):
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        request = urllib.request.Request(self.address + path, data, headers, method=method)
        with urllib.request.urlopen(request, timeout=30) as response:
            text = response.read()
        return json.loads(text) if text else None

    def _write(self, number: int) -> None:
        path = f"/v1.0/connections/load{number}"
        self.call("POST", "/v1.0/connections", {"id": f"load{number}", "name": "x"})
        while not self.ended.is_set():
            name = uuid.uuid4().hex
            began = time.monotonic()
            try:
                self.call("POST", f"{path}/operations", {"id": name, "status": "completed"})
                self.acknowledged.append(f"load{number}/{name}")
                self.longest = max(self.longest, time.monotonic() - began)
                self.call("PATCH", f"{path}/schema", a_schema())
                time.sleep(0.02)  # the backup needs its share of the machine
            except urllib.error.HTTPError as refusal:
                if refusal.code != 409:  # the registration before is unfinished
                    self.faults.append(f"{refusal.code} {refusal.read()!r}")


def test_a_backup_under_load_has_all_that_was_acknowledged_and_serves_elsewhere(tmp_path):
    environment = embedded(tmp_path / "here")
    with serve(environment) as serving:
        token = serving.curl.partition("Bearer ")[2].partition("'")[0]
        with Load(serving.address, token) as load:
            wait_for(lambda: len(load.acknowledged) > 50)
            before = list(load.acknowledged)
            manage(environment, "backup", str(tmp_path / "x.tar"))
            after = len(load.acknowledged)
            wait_for(lambda: len(load.acknowledged) > after)
    assert load.faults == []
    assert len(load.acknowledged) > len(before), "nobody wrote meanwhile"

    elsewhere = embedded(tmp_path / "elsewhere")
    said = manage(elsewhere, "restore", str(tmp_path / "x.tar"))
    assert "3 connections" in said
    assert set(json.loads(shell(elsewhere, LOOK)).values()) == {0}
    with serve(elsewhere) as serving:
        assert "Client secret" not in serving.banner
        again = Load(serving.address, token)
        found = set()
        for number in range(3):
            path = f"/v1.0/connections/load{number}/operations?$top=999"
            while path:
                page = again.call("GET", path)
                found |= {f"load{number}/{row['id']}" for row in page["value"]}
                path = page.get("@odata.nextLink", "").partition(serving.address)[2]
        again.call("PATCH", "/v1.0/connections/load0", {"name": "Goes on"})
    assert set(before) <= found
    print(
        f"{len(before)} acknowledged before, {after - len(before)} during the backup, "
        f"{len(found) - len(before)} of those in it; longest write {load.longest:.2f} s"
    )


# In its place -------------------------------------------------------------------------------------


def test_it_replaces_everything_and_keeps_what_was_there(source, backup, other):
    old_key = (Path(other["DATA_DIR"]) / "secret_key").read_text()

    said = manage(other, "restore", str(backup))

    folder = Path(other["DATA_DIR"])
    assert names(other) == NEW
    assert (folder / "tls" / "ca.pem").read_text() == "authority"
    key = (Path(source["DATA_DIR"]) / "secret_key").read_text()
    assert (folder / "secret_key").read_text() == key != old_key
    assert stat.S_IMODE((folder / DATABASE).stat().st_mode) == 0o600
    [replaced] = folder.glob("replaced-*")
    assert str(replaced) in said and "Everybody signs in again" in said
    assert (replaced / "secret_key").read_text() == old_key
    assert stat.S_IMODE(replaced.stat().st_mode) == 0o700
    assert not (folder / files.READY).exists()
    for name in (DATABASE, "secret_key"):
        (replaced / name).replace(folder / name)
    for log in folder.glob(f"{DATABASE}-*"):
        log.unlink()
    assert names(other) == OLD


def test_nobody_is_signed_in_no_worker_lives_and_the_history_says_why(source, tmp_path):
    shell(
        source,
        """
from datetime import timedelta
from django.contrib.sessions.models import Session
from django.utils import timezone
from operations.models import WorkerHeartbeat
Session.objects.create(session_key="x", expire_date=timezone.now() + timedelta(days=1))
WorkerHeartbeat.objects.beat("x", 0)
""",
    )
    manage(source, "backup", str(tmp_path / "x.tar"))
    elsewhere = embedded(tmp_path / "elsewhere")

    manage(elsewhere, "restore", str(tmp_path / "x.tar"))

    seen = shell(
        elsewhere,
        """
from django.contrib.sessions.models import Session
from operations.models import Change, WorkerHeartbeat
last = Change.objects.first()
print(Session.objects.count(), WorkerHeartbeat.objects.count(), last.action, last.after["version"])
""",
    )
    assert seen.split()[:3] == ["0", "0", "data.restored"]


def test_one_of_an_earlier_version_is_migrated(tmp_path):
    old = embedded(tmp_path / "old")
    manage(old, "migrate", "operations", "0006", "--verbosity", "0")
    with closing(sqlite3.connect(tmp_path / "old" / DATABASE)) as database:
        database.execute(
            "INSERT INTO operations_signingkey VALUES ('k', 'pem', '2026-01-01', NULL)"
        )
        database.commit()
    manage(old, "backup", str(tmp_path / "old.tar"))
    new = embedded(tmp_path / "new")

    said = manage(new, "restore", str(tmp_path / "old.tar"))

    assert "[ ]" not in manage(new, "showmigrations")
    keys = "from operations.models import SigningKey; print(SigningKey.objects.get().private_pem)"
    assert shell(new, keys) == "pem", "it can be opened by the key that came along"
    assert "SECRET_KEY" not in said


def test_a_secret_key_that_is_another_one_is_told(backup, other):
    said = manage(other | {"SECRET_KEY": "of-the-environment"}, "restore", str(backup))

    assert "The backup's SECRET_KEY is not the one in use here" in said


def test_it_refuses_while_the_service_runs(backup, other):
    worker = start_worker(other)
    try:
        wait_for(lambda: (Path(other["DATA_DIR"]) / f"{DATABASE}-wal").exists())
        said = refused(other, "restore", str(backup))
    finally:
        worker.terminate()
        worker.wait(20)
    assert "The service runs. Stop serve and all workers first. Nothing was changed." in said
    assert names(other) == OLD


def test_it_refuses_while_a_shell_has_it_open(backup, other):
    code = "from operations.models import Change; Change.objects.count(); print('open'); input()"
    person = subprocess.Popen(
        [sys.executable, MANAGE, "shell", "--no-imports", "-c", code],
        env=other,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert person.stdout.readline() == "open\n"
        said = refused(other, "restore", str(backup))
    finally:
        person.communicate("\n", timeout=20)
    assert "Another program has the database open" in said
    assert not list(Path(other["DATA_DIR"]).glob("replaced-*"))


def test_while_it_is_restored_nobody_starts(other):
    held = os.open(Path(other["DATA_DIR"]) / f"{DATABASE}.use", os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(held, fcntl.LOCK_EX)
    try:
        for command in (["serve", "--port", f"{free_port()}"], ["run_operations"], ["backup", "x"]):
            assert "A restore is under way." in refused(other, *command)
    finally:
        os.close(held)


def rewritten(backup: Path, target: Path, change) -> Path:
    """The backup with another content; ``change`` gets its files and its manifest."""
    content = inside(backup)
    manifest = json.loads(content.pop("manifest.json"))
    change(content, manifest)
    with tarfile.open(target, "w") as archive:
        for name, body in {"manifest.json": json.dumps(manifest).encode(), **content}.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(body)
            archive.addfile(entry, io.BytesIO(body))
    return target


def newer(content, manifest):
    manifest["version"] = "9.0"
    manifest["migrations"].append(["operations", "9999_later"])


def another_form(content, manifest):
    manifest |= {"version": "9.0", "format": 2}


def damaged(content, manifest):
    content[DATABASE] = content[DATABASE].replace(b"second", b"secund")


def climbing(content, manifest):
    content["tls/../../x"] = b"x"
    manifest["files"]["tls/../../x"] = {"sha256": hashlib.sha256(b"x").hexdigest()}


def incomplete(content, manifest):
    del content[DATABASE]


def without_database(content, manifest):
    del content[DATABASE], manifest["files"][DATABASE]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (newer, "made by version 9.0, which is newer than this one"),
        (another_form, "made by version 9.0, which is newer than this one"),
        (damaged, f"The backup is damaged: {DATABASE} is not what was put in."),
        (climbing, "holds a file that none of ours has: tls/../../x"),
        (incomplete, "is not a whole backup"),
        (without_database, "holds no database"),
    ],
)
def test_what_is_no_good_backup_is_refused(backup, tmp_path, change, says):
    bad = rewritten(backup, tmp_path / "x.tar", change)

    with pytest.raises(BackupError, match=says):
        backups.unpack(bad, lambda name: tmp_path / "ready" / name)


def test_a_refusal_changes_nothing_and_says_so(backup, other, tmp_path):
    bad = rewritten(backup, tmp_path / "x.tar", damaged)

    assert refused(other, "restore", str(bad)).rstrip().endswith("Nothing was changed.")

    assert names(other) == OLD
    assert not list(Path(other["DATA_DIR"]).glob("re*"))


@pytest.mark.parametrize("content", [b"", b"not an archive", None])
def test_what_is_no_backup_at_all_is_refused(backup, tmp_path, content):
    path = tmp_path / "x.tar"
    path.write_bytes(backup.read_bytes()[:200_000] if content is None else content)

    with pytest.raises(BackupError, match="is not a whole backup"):
        backups.unpack(path, lambda name: tmp_path / "ready" / name)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(BackupError, match="There is no file"):
        backups.unpack(tmp_path / "x.tar", lambda name: tmp_path / name)


def test_a_broken_database_can_be_replaced(backup, tmp_path):
    folder = tmp_path / "broken"
    folder.mkdir()
    (folder / DATABASE).write_bytes(b"rubbish" * 1000)

    manage(embedded(folder), "restore", str(backup))

    assert names(embedded(folder)) == NEW
    [replaced] = folder.glob("replaced-*")
    assert (replaced / DATABASE).read_bytes().startswith(b"rubbish")


# Killed -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "sign",
    [
        f"{files.READY}/{DATABASE}",
        f"{files.READY}/{DATABASE}-wal",
        f"{DATABASE}.restore",
    ],
)
def test_killed_in_the_middle_it_leaves_the_old_or_the_new(backup, other, sign):
    folder = Path(other["DATA_DIR"])
    old_key = (folder / "secret_key").read_text()
    victim = subprocess.Popen([sys.executable, MANAGE, "restore", str(backup)], env=other)
    while victim.poll() is None and not list(folder.glob(sign)):
        pass
    victim.send_signal(signal.SIGKILL)
    victim.wait()

    shell(other, "print(1)")  # whatever starts next

    is_new = names(other) == NEW
    assert is_new or names(other) == OLD
    assert ((folder / "secret_key").read_text() != old_key) is is_new
    assert (folder / "tls").exists() is is_new
    assert is_new or not sign.endswith(".restore")
    assert not (folder / f"{DATABASE}.restore").exists()


def test_at_an_address_of_its_own_it_is_ended_too(backup, other):
    """The embedded database may have a place that DATABASE_URL names."""
    folder = Path(other["DATA_DIR"])
    address = other | {"DATABASE_URL": f"sqlite:///{folder / DATABASE}"}
    sign = folder / f"{DATABASE}.restore"
    victim = subprocess.Popen([sys.executable, MANAGE, "restore", str(backup)], env=address)
    while victim.poll() is None and not sign.exists():
        pass
    victim.send_signal(signal.SIGKILL)
    victim.wait()
    shell(address, "print(1)")
    assert names(other) == NEW and not sign.exists()


def test_where_something_is_mounted_it_changes_nothing(backup, tmp_path, settings, monkeypatch):
    settings.DATA_DIR = tmp_path
    monkeypatch.setattr(files, "database_file", lambda: tmp_path / DATABASE)
    monkeypatch.setattr(files, "_mount_points", lambda: {str(tmp_path / "causes.toml")})
    targets = [tmp_path / name for name in (DATABASE, "causes.toml")]
    for target in targets:
        target.write_text("old")
    with pytest.raises(files.Mounted, match=r"causes.toml is mounted and cannot be replaced"):
        files.put_in_place(targets, "replaced-x")
    assert {path.name for path in tmp_path.iterdir()} == {DATABASE, "causes.toml"}


def test_where_things_are_mounted_is_known():
    assert {"/", "/proc"} <= files._mount_points()


def test_what_a_kill_left_lying_is_in_nobodys_way(backup, other):
    folder = Path(other["DATA_DIR"])
    (folder / files.READY).mkdir()
    (folder / files.READY / DATABASE).write_text("half")

    manage(other, "restore", str(backup))

    assert names(other) == NEW
    assert not (folder / files.READY).exists()


class Killed(BaseException):
    pass


@pytest.mark.parametrize("step", range(1, 12))
def test_broken_off_at_each_move_the_next_start_ends_it(tmp_path, monkeypatch, step):
    monkeypatch.setattr(files, "database_file", lambda: tmp_path / DATABASE)
    (tmp_path / files.READY / "tls").mkdir(parents=True)
    (tmp_path / "tls").mkdir()
    for name in (DATABASE, "secret_key", "tls/ca.pem"):
        (tmp_path / name).write_text("old")
        (tmp_path / files.READY / name).write_text("new")
    (tmp_path / f"{DATABASE}-wal").write_text("old log")
    left = iter(range(step))
    killed = []

    def mortal(real):
        def move(*args, **options):
            if next(left, None) is None and not killed:
                killed.append(real)
                raise Killed
            return real(*args, **options)

        return move

    for method in ("rename", "replace", "unlink", "mkdir"):
        monkeypatch.setattr(Path, method, mortal(getattr(Path, method)))
    targets = [tmp_path / name for name in (DATABASE, "secret_key", "tls")]

    try:
        files.put_in_place(targets, "replaced-x")
    except Killed:
        files.finish_restore(tmp_path / DATABASE)

    for name in (DATABASE, "secret_key", "tls/ca.pem"):
        assert (tmp_path / name).read_text() == "new"
        assert (tmp_path / "replaced-x" / name).read_text() == "old"
    assert (tmp_path / "replaced-x" / f"{DATABASE}-wal").read_text() == "old log"
    assert not (tmp_path / f"{DATABASE}-wal").exists()
    assert not (tmp_path / f"{DATABASE}.restore").exists()
