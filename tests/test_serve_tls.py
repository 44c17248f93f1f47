"""``serve --tls`` as a process: https from the banner to the last link, and whose the tokens are.

Tokens name an issuer. It is an address of ``serve`` and not the Host header, and it is the same in
every process of an installation.
"""

from __future__ import annotations

import http.client
import json
import shlex
import socket
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import jwt
import pytest

from tests.factories import a_schema
from tests.processes import MANAGE, free_port, manage, own_database, serve


@pytest.fixture(scope="module")
def installation(tmp_path_factory):
    with own_database(tmp_path_factory.mktemp("installation with tls")) as environment:
        yield environment


@pytest.fixture(scope="module")
def serving(installation):
    with serve(installation, "--tls") as running:
        yield running


@pytest.fixture(scope="module")
def call(serving):
    """Asks with the printed token, trusting the printed authority and no other."""
    strict = ssl.create_default_context(cafile=authority_of(serving))
    strict.verify_flags |= ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN
    token = shlex.split(serving.curl)[4].partition("Bearer ")[2]

    def ask(method: str, address: str, body=None, *, bearer: str = token):
        if not address.startswith("http"):
            address = serving.address + address
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {bearer}"}
        request = urllib.request.Request(address, data, headers, method=method)
        try:
            response = urllib.request.urlopen(request, timeout=20, context=strict)
        except urllib.error.HTTPError as refusal:
            response = refusal
        with response:
            text = response.read()
        return response.status, response.headers, json.loads(text) if text else None

    return ask


def authority_of(serving) -> str:
    (line,) = [line for line in serving.banner.splitlines() if "CA file" in line]
    return line.split("CA file")[1].strip()


def port_of(serving) -> int:
    return int(serving.address.rpartition(":")[2])


def start(environment: dict[str, str], *arguments: str) -> str:
    """What a start that must fail says."""
    done = subprocess.run(
        [sys.executable, MANAGE, "serve", "--port", str(free_port()), *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1, done.stdout
    assert "Traceback" not in done.stderr
    return done.stderr


def test_the_banner_has_https_addresses_and_the_authority(serving):
    assert serving.printed("Dashboard") == f"{serving.address}/"
    assert serving.printed("Token address").startswith("https://127.0.0.1:")
    assert "http://" not in serving.banner
    assert "new: clients must be told to trust it" in serving.banner


def test_the_printed_curl_works_when_pasted(serving):
    done = subprocess.run(
        f"{serving.curl} --silent --show-error --fail", shell=True, capture_output=True, timeout=20
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["value"] == []


def test_curl_without_the_authority_refuses(serving):
    bare = [*shlex.split(serving.curl)[:1], "--silent", serving.address]
    assert subprocess.run(bare, timeout=20).returncode == 60


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_every_link_is_https_and_on_the_host_that_was_asked(serving, call, host):
    base = f"https://{host}:{port_of(serving)}/v1.0/external/connections"
    name = f"tls{host.replace('.', '')}"
    status, headers, created = call("POST", base, {"id": name, "name": "Contoso"})
    assert status == 201
    assert headers["Location"].startswith(base.rpartition("/")[0])
    assert created["@odata.context"].startswith(f"https://{host}:")
    location = call("PATCH", f"{base}/{name}/schema", a_schema())[1]["Location"]
    assert location.startswith(f"{base}/{name}/operations/")
    assert call("GET", location)[0] == 200
    call("POST", f"{base}/{name}/operations", {"id": "second"})
    link = call("GET", f"{base}/{name}/operations?$top=1")[2]["@odata.nextLink"]
    assert link.startswith(f"{base}/{name}/operations?")
    assert len(call("GET", link)[2]["value"]) == 1


def test_cookies_are_secure_and_localhost_gets_no_hsts(serving, call):
    status, headers, _ = call("GET", "/v1.0/connections")
    assert (status, headers["Strict-Transport-Security"]) == (200, None)
    context = ssl.create_default_context(cafile=authority_of(serving))
    page = urllib.request.urlopen(f"{serving.address}/sign-in/", timeout=20, context=context)
    with page:
        cookie = page.headers["Set-Cookie"]
    assert cookie.startswith("__Host-csrftoken=") and "; Secure" in cookie
    assert page.headers["Strict-Transport-Security"] is None


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_nothing_below_tls_1_2(serving):
    old = ssl.create_default_context(cafile=authority_of(serving))
    old.set_ciphers("ALL:@SECLEVEL=0")
    old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    with pytest.raises(ssl.SSLError):
        http.client.HTTPSConnection("127.0.0.1", port_of(serving), context=old).connect()


def test_plain_http_is_not_answered(serving):
    with pytest.raises((http.client.HTTPException, OSError)):
        urllib.request.urlopen(serving.address.replace("https", "http"), timeout=20)


# Who the tokens are from -------------------------------------------------------------------------


def test_the_metadata_names_the_address_that_was_printed(serving, call):
    """OpenID Connect Discovery wants the issuer to be on the host that was asked; msal checks."""
    tenant = serving.printed("Tenant id")
    status, _, found = call("GET", f"/{tenant}/v2.0/.well-known/openid-configuration")
    assert status == 200
    assert found["issuer"] == f"{serving.address}/{tenant}/v2.0"
    assert found["token_endpoint"] == serving.printed("Token address")


def test_a_token_of_another_process_is_accepted_and_says_the_same(serving, installation, call):
    token = manage(installation, "issue_token", serving.printed("Client id")).strip()
    claims = jwt.decode(token, options={"verify_signature": False})
    assert claims["iss"] == f"{serving.address}/{serving.printed('Tenant id')}/v2.0"
    assert call("GET", "/v1.0/connections", bearer=token)[0] == 200


def test_tokens_outlive_a_start_at_another_address(serving, installation, call):
    """A second web server on the same data may answer elsewhere; the first one's tokens stay."""
    with serve(installation) as other:
        assert other.address.startswith("http://127.0.0.1")
        token = manage(installation, "issue_token", serving.printed("Client id")).strip()
    assert call("GET", "/v1.0/connections", bearer=token)[0] == 200
    assert call("GET", "/v1.0/connections")[0] == 200


def test_a_second_start_keeps_the_authority(serving, installation):
    before = Path(authority_of(serving)).read_bytes()
    with serve(installation, "--tls") as again:
        assert authority_of(again) == authority_of(serving)
        assert "new: clients" not in again.banner
    assert Path(authority_of(serving)).read_bytes() == before


def test_names_that_settings_give_are_in_the_certificate(installation):
    named = {"PUBLIC_URL": "https://graph.test:8443", "ALLOWED_HOSTS": "graph.test,box.local,.lan"}
    with serve(installation | named, "--tls") as running:
        assert running.printed("Dashboard") == "https://graph.test:8443/"
        assert "WARNING" not in running.banner
        port = int(running.process.args[running.process.args.index("--port") + 1])
        told = ssl.create_default_context(cafile=authority_of(running))
        for name in ("graph.test", "box.local"):
            with socket.create_connection(("127.0.0.1", port), timeout=20) as plain:
                told.wrap_socket(plain, server_hostname=name).close()


def test_what_cannot_be_is_one_sentence(installation, tmp_path):
    said = start(installation | {"PUBLIC_URL": "http://127.0.0.1:8000"}, "--tls")
    assert "--tls serves https, but PUBLIC_URL is http://127.0.0.1:8000." in said
    (tmp_path / "tls").write_text("a file where a folder should be")
    environment = installation | {"DATA_DIR": str(tmp_path), "SECRET_KEY": "x"}
    assert f"{tmp_path}/tls cannot be made" in start(environment, "--tls")
    (tmp_path / "tls").unlink()
    (tmp_path / "tls").mkdir()
    (tmp_path / "tls" / "ca.pem").write_text("no certificate")
    assert "ca.pem is no certificate that was made here" in start(environment, "--tls")


def test_hosts_of_others_over_tls_are_nothing_to_warn_of(installation):
    """The check of settings asks for TLS, and this is TLS."""
    arguments = [
        sys.executable,
        MANAGE,
        "serve",
        "--port",
        "0",
        "--no-worker",
        "--host",
        "nowhere.test",
    ]
    named = installation | {"ALLOWED_HOSTS": "graph.test"}
    for flags, warned in ((["--tls"], False), ([], True)):
        done = subprocess.run(
            [*arguments, *flags], env=named, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 1
        assert ("operations.W001" in done.stderr) == warned
        assert "Cannot listen on nowhere.test" in done.stderr
