"""The container image, rehearsed: its steps, its user, its read-only root, its health check."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import yaml
from django.conf import settings

from tests.container import Stage, build
from tests.graph import OWNED
from tests.processes import free_port, own_database, wait_for

pytestmark = pytest.mark.deploy

PROJECT = Path(settings.BASE_DIR)
COMPOSE = yaml.safe_load((PROJECT / "deploy" / "compose.yaml").read_text())
SCHEMA = {
    "baseType": "microsoft.graph.externalItem",
    "properties": [{"name": "title", "type": "string"}],
}


@pytest.fixture(scope="module")
def image(tmp_path_factory) -> Stage:
    assert os.getuid() == 0, "the rehearsal mounts file systems: run it as root"
    folder = tmp_path_factory.mktemp("image")
    folder.parent.chmod(0o755)
    return build(PROJECT, PROJECT / "deploy" / "Dockerfile", folder)


@pytest.fixture
def environment(tmp_path, image) -> Iterator[dict[str, str]]:
    """What compose gives web server and worker, with a database that is there."""
    given = COMPOSE["services"]["web"]["environment"]
    defaults = {
        name: re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", str(value)) for name, value in given.items()
    }
    with own_database(tmp_path) as installation:
        database = {
            name: value
            for name, value in installation.items()
            if name in ("DATABASE_URL", "SECRET_KEY")
        }
        yield {name: value for name, value in defaults.items() if "$" not in value} | database


@contextmanager
def running(
    image: Stage, command: list[str], environment: dict[str, str], log: Path
) -> Iterator[subprocess.Popen]:
    with log.open("w") as output:
        process = image.start(
            [*image.entrypoint, *command], environment, stdout=output, stderr=output
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def run(image: Stage, environment: dict[str, str], *command: str) -> str:
    process = image.start(list(command), environment, stdout=subprocess.PIPE, text=True)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    return output


def is_healthy(image: Stage, port: int) -> bool:
    command = [part.replace(":8000/", f":{port}/") for part in image.healthcheck]
    return image.start(command, {}, stderr=subprocess.DEVNULL).wait(10) == 0


def wait_until_healthy(image: Stage, port: int, process: subprocess.Popen, log: Path) -> None:
    wait_for(lambda: is_healthy(image, port) or process.poll() is not None)
    assert process.poll() is None, log.read_text()


def ended(process: subprocess.Popen) -> float:
    """Seconds from SIGTERM to a clean end."""
    begun = time.monotonic()
    process.send_signal(signal.SIGTERM)
    assert process.wait(15) == 0
    return time.monotonic() - begun


def register_schema(address: str, client: dict[str, str]) -> str:
    """A connection and its schema; returns the status of the operation at its end."""
    form = {
        "grant_type": "client_credentials",
        "client_id": client["clientId"],
        "client_secret": client["clientSecret"],
        "scope": "https://graph.microsoft.com/.default",
    }
    answer = httpx.post(f"{address}/{client['tenantId']}/oauth2/v2.0/token", data=form)
    headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    with httpx.Client(headers=headers, base_url=f"{address}/v1.0/connections") as graph:
        assert graph.post("", json={"id": "contoso", "name": "Contoso"}).status_code == 201
        accepted = graph.patch("/contoso/schema", json=SCHEMA)
        assert accepted.status_code == 202
        location = accepted.headers["Location"].rpartition("/")[2]

        def status() -> str:
            word = graph.get(f"/contoso/operations/{location}").json()["status"]
            return "" if word == "inprogress" else word

        return wait_for(status)


def test_web_server_and_worker_of_compose(image, environment, tmp_path):
    if settings.EMBEDDED_DATABASE:
        environment["DATA_DIR"] = "/data"  # both on the volume
    port = free_port()
    web_command = [*COMPOSE["services"]["web"]["command"], "--port", str(port)]
    worker_command = COMPOSE["services"]["worker"]["command"]
    log = tmp_path / "web.log"
    with running(image, web_command, environment, log) as web:
        wait_until_healthy(image, port, web, log)
        with running(image, worker_command, environment, tmp_path / "worker.log") as worker:
            made = run(
                image,
                environment,
                *image.entrypoint,
                *["create_application", "try", "--role", OWNED, "--json"],
            )
            assert register_schema(f"http://127.0.0.1:{port}", json.loads(made)) == "completed"
            assert ended(worker) < 10
        assert ended(web) < 10
    assert not is_healthy(image, port)


def test_the_image_alone_serves(image, tmp_path):
    """``docker run``: the image's own command, nothing but who may call."""
    port = free_port()
    given = {"ALLOWED_HOSTS": "localhost,127.0.0.1"}
    for old in (image.root / "data").iterdir():
        old.unlink()
    log = tmp_path / "log"
    with running(image, [*image.command, "--port", str(port)], given, log) as process:
        wait_until_healthy(image, port, process, log)
        made = (image.root / "data" / "connectors.sqlite3").stat()
        assert (made.st_uid, made.st_mode & 0o777) == (10001, 0o600)
        assert ended(process) < 10


def test_it_is_nobody_and_can_write_nowhere_else(image):
    script = "id -u; touch /app/a /venv/a /a /usr/a 2>&1 | grep -c Read-only; touch /data/a /tmp/a"
    assert run(image, {}, "/bin/sh", "-c", script).split() == ["10001", "4"]
