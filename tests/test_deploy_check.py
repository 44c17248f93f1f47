"""``check --deploy`` in a process of its own: silent with production settings, loud without."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys

import pytest

from tests.processes import MANAGE

SAFE = {
    "PUBLIC_URL": "https://connectors.example",
    "ALLOWED_HOSTS": "connectors.example",
    "SECURE_SSL_REDIRECT": "true",
    "SECURE_HSTS_SUBDOMAINS": "true",
    "TRUST_FORWARDED_HEADERS": "true",
}


def run(tmp_path, *arguments: str, **changes: str | None) -> subprocess.CompletedProcess:
    environment = {"PATH": os.environ["PATH"], "DATA_DIR": str(tmp_path / "data")}
    settings = SAFE | {"SECRET_KEY": secrets.token_urlsafe(60)} | changes
    environment |= {name: value for name, value in settings.items() if value is not None}
    return subprocess.run(
        [sys.executable, MANAGE, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_production_settings_are_clean(tmp_path):
    done = run(tmp_path, "check", "--deploy", "--fail-level", "WARNING")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "System check identified no issues (0 silenced).\n"
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"DEBUG": "true"}, "(operations.E001) DEBUG is on and ALLOWED_HOSTS lets others in"),
        ({"ALLOWED_HOSTS": "*", "PUBLIC_URL": None}, "(operations.E002) ALLOWED_HOSTS is *"),
        ({"ALLOWED_HOSTS": "other.example"}, "(operations.E003) The host of PUBLIC_URL"),
        ({"SECURE_COOKIES": "false"}, "(operations.E004) PUBLIC_URL is https and SECURE_COOKIES"),
        ({"PUBLIC_URL": "http://connectors.example"}, "(operations.W001) Others can reach this"),
        ({"TRUST_FORWARDED_HEADERS": None}, "(operations.W002) PUBLIC_URL is https, so a proxy"),
        ({"SECRET_KEY": "short"}, "(security.W009) Your SECRET_KEY"),
        ({"SECRET_KEY_FALLBACKS": "short"}, "(security.W025) Your SECRET_KEY_FALLBACKS"),
        ({"SECURE_HSTS_SECONDS": "0"}, "(security.W004) You have not set a value for the"),
        ({"SECURE_SSL_REDIRECT": None}, "(security.W008) Your SECURE_SSL_REDIRECT setting"),
        ({"FOREIGN_ISSUER": "https://issuer.example"}, "(operations.E010) FOREIGN_"),
        (
            {
                "FOREIGN_ISSUER": "http://issuer.example",
                "FOREIGN_JWKS_URL": "https://issuer.example/keys",
                "FOREIGN_AUDIENCE": "https://graph.microsoft.com",
            },
            "(operations.E012) FOREIGN_ISSUER must begin with https://",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else "",
)
def test_what_is_unsafe_is_refused_and_named(tmp_path, changes, says):
    done = run(tmp_path, "check", "--deploy", "--fail-level", "WARNING", **changes)
    assert done.returncode == 1
    assert says in done.stderr


@pytest.mark.parametrize("changes", [{"DEBUG": "true"}, {"SECURE_COOKIES": "false"}])
def test_serve_does_not_start_so(tmp_path, changes):
    done = run(tmp_path, "serve", "--port", "0", **changes)
    assert done.returncode == 1
    assert "operations.E00" in done.stderr
    assert "Dashboard" not in done.stdout, "nothing was made"
