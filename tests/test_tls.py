"""The local certificate authority and its certificates: what strict clients check in them."""

from __future__ import annotations

import ssl
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from django.core.exceptions import ImproperlyConfigured

from connectors_admin import tls


@pytest.fixture
def folder(tmp_path) -> Path:
    return tmp_path / "tls"


def certificate(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def names(path: Path) -> set[str]:
    extension = certificate(path).extensions.get_extension_for_class(x509.SubjectAlternativeName)
    return {str(name.value) for name in extension.value}


def verifies(made: tls.Credentials, host: str) -> bool:
    """Whether a client that trusts the authority, as strict as Python 3.13, talks to ``host``."""
    client = ssl.create_default_context(cafile=str(made.authority))
    client.verify_flags |= ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(made.server)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client.wrap_bio(to_client, to_server, server_hostname=host),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    for end in ends * 3:  # a handshake takes that many turns
        try:
            end.do_handshake()
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLCertVerificationError:
            return False
    return ends[0].version() is not None


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def later(monkeypatch, days: int) -> None:
    class Then(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.now(tz) + timedelta(days=days)

    monkeypatch.setattr(tls, "datetime", Then)


# What is made ------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "::1"])
def test_a_strict_client_accepts_it_for_this_machine(folder, host):
    assert verifies(tls.credentials(folder), host)


def test_and_for_nothing_else(folder):
    made = tls.credentials(folder)
    assert names(made.server) == {"localhost", "127.0.0.1", "::1"}
    assert not verifies(made, "127.0.0.2")
    assert not verifies(made, "graph.microsoft.com")


def test_keys_are_their_owners_alone(folder):
    tls.credentials(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    assert modes == {"ca.pem": 0o644, "ca-key.pem": 0o600, "server.pem": 0o600}


def test_a_key_that_was_left_open_is_closed(folder):
    made = tls.credentials(folder)
    made.server.chmod(0o644)
    tls.credentials(folder)
    assert stat.S_IMODE(made.server.stat().st_mode) == 0o600


def test_the_lifetimes_are_such_that_browsers_accept(folder):
    made = tls.credentials(folder)
    now = datetime.now(UTC)
    for path, days in ((made.authority, 3650), (made.server, 397)):
        found = certificate(path)
        assert found.not_valid_before_utc <= now - timedelta(hours=23)  # a clock that is behind
        assert timedelta(days - 1) < found.not_valid_after_utc - now <= timedelta(days)
        assert found.not_valid_after_utc - found.not_valid_before_utc <= timedelta(days + 1)


def test_the_authority_signs_and_does_nothing_else(folder):
    extensions = certificate(tls.credentials(folder).authority).extensions
    basic = extensions.get_extension_for_class(x509.BasicConstraints)
    usage = extensions.get_extension_for_class(x509.KeyUsage)
    assert basic.critical and usage.critical
    assert (basic.value.ca, basic.value.path_length) == (True, 0)
    assert usage.value.key_cert_sign and not usage.value.digital_signature


def test_the_authority_is_believed_for_local_names_only(folder, monkeypatch):
    """Whoever gets hold of its key cannot pretend to be a bank to those who trust it."""
    made = tls.credentials(folder)
    key = load_pem_private_key((folder / "ca-key.pem").read_bytes(), None)
    authority = tls._Signed(certificate(made.authority), key)
    for name, believed in {
        "bank.com": False,
        "localhost.bank.com": False,
        "8.8.8.8": False,
        "box.local": True,
        "192.168.1.20": True,
    }.items():
        forged = tls._make_certificate(authority, [name])
        made.server.write_bytes(forged.key_pem + forged.pem)
        assert verifies(made, name) == believed, name


# What is kept and what is renewed ----------------------------------------------------------------


def test_a_second_start_changes_nothing(folder):
    first = tls.credentials(folder)
    before = files(folder)
    second = tls.credentials(folder)
    assert (first.authority_is_new, second.authority_is_new) == (True, False)
    assert files(folder) == before


@pytest.mark.parametrize(
    "host", ["box.local", "graph.test", "10.1.2.3", "[fd00::5]", "BOX.internal"]
)
def test_a_local_name_more_is_a_new_certificate_of_the_same_authority(folder, host):
    first = tls.credentials(folder)
    authority = first.authority.read_bytes()
    second = tls.credentials(folder, [host])
    assert not second.authority_is_new
    assert second.authority.read_bytes() == authority
    assert verifies(second, host.strip("[]").lower()) and verifies(second, "localhost")


def test_a_public_name_more_is_a_new_authority_that_knows_the_former_names(folder):
    tls.credentials(folder, ["connectors.contoso.com"])
    second = tls.credentials(folder, ["box", "203.0.113.7"])
    assert second.authority_is_new
    assert verifies(second, "box") and verifies(second, "203.0.113.7")
    third = tls.credentials(folder, ["connectors.contoso.com"])
    assert not third.authority_is_new
    assert verifies(third, "connectors.contoso.com")


def test_a_certificate_near_its_end_is_renewed(folder, monkeypatch):
    made = tls.credentials(folder)
    authority, server = made.authority.read_bytes(), made.server.read_bytes()
    later(monkeypatch, 397 - 61)
    assert tls.credentials(folder).server.read_bytes() == server
    later(monkeypatch, 397 - 59)
    renewed = tls.credentials(folder)
    assert renewed.authority.read_bytes() == authority
    assert certificate(renewed.server).not_valid_after_utc > certificate(
        made.authority
    ).not_valid_before_utc + timedelta(days=700)


def test_an_authority_near_its_end_is_followed_by_another(folder, monkeypatch):
    tls.credentials(folder)
    later(monkeypatch, 3650 - 396)
    assert tls.credentials(folder).authority_is_new


def test_a_certificate_of_an_authority_that_is_gone_is_made_anew(folder):
    made = tls.credentials(folder)
    made.authority.unlink()
    again = tls.credentials(folder)
    assert again.authority_is_new and verifies(again, "localhost")


# What cannot be used -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("file", "content", "says"),
    [
        ("ca.pem", b"nothing", "ca.pem is no certificate that was made here"),
        ("ca-key.pem", b"nothing", "ca.pem is no certificate that was made here"),
        ("ca-key.pem", None, "ca.pem is no certificate that was made here"),
        ("server.pem", b"", "server.pem is no certificate that was made here"),
    ],
)
def test_a_broken_file_is_one_sentence_that_says_what_to_do(folder, file, content, says):
    tls.credentials(folder)
    if content is None:
        (folder / file).unlink()
    else:
        (folder / file).write_bytes(content)
    with pytest.raises(tls.TlsError, match=says) as caught:
        tls.credentials(folder)
    assert f"Move the folder {folder} away" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_key_of_another_certificate(folder):
    tls.credentials(folder)
    (folder / "ca-key.pem").write_bytes((folder / "server.pem").read_bytes())
    with pytest.raises(tls.TlsError, match="the key is not that of the certificate"):
        tls.credentials(folder)


def test_an_authority_of_somebody_elses_is_not_taken_for_ours(folder):
    made = tls.credentials(folder)
    made.authority.write_bytes(made.server.read_bytes())
    (folder / "ca-key.pem").write_bytes(made.server.read_bytes())
    with pytest.raises(tls.TlsError, match="ca.pem is no certificate that was made here"):
        tls.credentials(folder)


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ImproperlyConfigured, match="file/tls cannot be made"):
        tls.credentials(tmp_path / "file" / "tls")


def test_a_folder_that_cannot_be_written(folder):
    folder.mkdir()
    (folder / "server.pem").mkdir()
    with pytest.raises(tls.TlsError, match=f"TLS certificates in {folder} cannot be kept"):
        tls.credentials(folder)


@pytest.mark.parametrize(
    ("name", "can"),
    [
        ("localhost", True),
        ("Connectors.Contoso.com", True),
        ("127.0.0.1", True),
        ("[::1]", True),
        ("my_box", True),
        ("0.0.0.0", False),
        ("::", False),
        ("", False),
        ("*", False),
        (".contoso.com", False),
        ("a..b", False),
        ("bücher.example", False),
        ("-x", False),
        ("x" * 64, False),
        ("a b", False),
    ],
)
def test_what_a_certificate_can_be_for(name, can):
    assert tls.is_host(name) == can
