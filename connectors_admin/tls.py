"""TLS for ``serve --tls``: a local certificate authority, made once, and a certificate by it.

``ca.pem`` is what clients are told to trust. Whoever trusts it trusts it for this machine and for
local networks only: its name constraints (RFC 5280, 4.2.1.10) let it sign for nothing else, apart
from public names that it was told of when it was made. Its key never leaves the folder.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from connectors_admin.env import private_folder

AUTHORITY = "ca.pem"
#: Names that every certificate carries.
LOOPBACK = ("localhost", "127.0.0.1", "::1")
#: What the authority may always sign for: domains that no public site can have (RFC 6761, 6762,
#: 8375; ICANN keeps ``internal`` for private use), and loopback, private and link-local addresses.
LOCAL_DOMAINS = "localhost local internal home.arpa test example".split()
LOCAL_NETWORKS = (
    "127.0.0.0/8 10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 169.254.0.0/16 100.64.0.0/10 "
    "::1/128 fc00::/7 fe80::/10"
).split()
LOCAL = [
    *map(x509.DNSName, LOCAL_DOMAINS),
    *(x509.IPAddress(ipaddress.ip_network(network)) for network in LOCAL_NETWORKS),
]
AUTHORITY_LIFETIME = timedelta(days=3650)
#: Apple's clients refuse more than 825 days; public authorities may not give more than 398.
CERTIFICATE_LIFETIME = timedelta(days=397)
#: One that ends sooner than this is renewed when the server starts.
RENEWED_BEFORE = timedelta(days=60)
CLOCK_SKEW = timedelta(days=1)
LABEL = r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
HOST_NAME = re.compile(rf"(?=.{{1,253}}$){LABEL}(\.{LABEL})*")


class TlsError(Exception):
    """The certificates cannot be made or read; the text says which file and what to do."""


@dataclass(frozen=True)
class Credentials:
    """``authority`` is for the clients, ``server`` (key and certificate in one) for gunicorn."""

    authority: Path
    server: Path
    authority_is_new: bool


@dataclass(frozen=True)
class _Signed:
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        return self.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )

    def lasts(self, span: timedelta) -> bool:
        return self.certificate.not_valid_after_utc > datetime.now(UTC) + span


def is_host(name: str) -> bool:
    """Whether a certificate can be for it: a host name in ASCII, or the address of one machine."""
    address = _address(name.strip("[]"))
    if address is not None:
        return not address.is_unspecified
    return HOST_NAME.fullmatch(name.lower()) is not None


def credentials(folder: Path, hosts: Iterable[str] = ()) -> Credentials:
    """Key and certificate for this machine and ``hosts``, made or renewed where that is due.

    The authority stays the same for ten years, unless a host is asked for that it may not sign
    for: then there is a new one, which also knows all that the old one knew. Call it while nobody
    else does. Raises TlsError.
    """
    names = sorted({*LOOPBACK, *(host.strip("[]").lower() for host in hosts)})
    try:
        private_folder(folder)
        authority_path, server_path = folder / AUTHORITY, folder / "server.pem"
        authority = _read(authority_path, folder / "ca-key.pem")
        server = _read(server_path, server_path)
        is_new = False
        permitted = _permitted(authority.certificate) if authority else LOCAL
        beyond = [_subtree(name) for name in names if not _is_within(name, permitted)]
        if authority is None or beyond or not authority.lasts(CERTIFICATE_LIFETIME):
            authority, is_new = _make_authority([*permitted, *beyond]), True
            _write(folder / "ca-key.pem", authority.key_pem, 0o600)
            _write(authority_path, authority.pem, 0o644)
        if server is None or not _is_good(server, authority, names):
            server = _make_certificate(authority, names)
            _write(server_path, server.key_pem + server.pem, 0o600)
        for private in (folder / "ca-key.pem", server_path):
            private.chmod(0o600)
    except OSError as error:
        raise TlsError(f"The TLS certificates in {folder} cannot be kept: {error}") from None
    return Credentials(authority_path, server_path, is_new)


def _make_authority(permitted: Iterable[x509.GeneralName]) -> _Signed:
    key = ec.generate_private_key(ec.SECP256R1())
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    # a name of its own: two authorities of one name in a trust store are told apart by nobody
    name = _name(f"connectors-admin authority {identifier.digest.hex()[:8]}")
    certificate = (
        _builder(name, key, AUTHORITY_LIFETIME)
        .issuer_name(name)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .add_extension(x509.NameConstraints(permitted, None), critical=True)
        .add_extension(identifier, critical=False)
        .sign(key, hashes.SHA256())
    )
    return _Signed(certificate, key)


def _make_certificate(authority: _Signed, names: Iterable[str]) -> _Signed:
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = authority.certificate
    identifier = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    certificate = (
        _builder(_name("connectors-admin"), key, CERTIFICATE_LIFETIME)
        .issuer_name(issuer.subject)
        .add_extension(x509.SubjectAlternativeName(map(_general_name, names)), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier),
            critical=False,
        )
        .sign(authority.key, hashes.SHA256())
    )
    return _Signed(certificate, key)


def _builder(
    subject: x509.Name, key: ec.EllipticCurvePrivateKey, lifetime: timedelta
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(now + lifetime)
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _address(name: str) -> IPv4Address | IPv6Address | None:
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None


def _general_name(name: str) -> x509.GeneralName:
    address = _address(name)
    return x509.DNSName(name) if address is None else x509.IPAddress(address)


def _subtree(name: str) -> x509.GeneralName:
    """The name constraint that lets a name through: an address is a network of one."""
    address = _address(name)
    return x509.DNSName(name) if address is None else x509.IPAddress(ipaddress.ip_network(address))


def _permitted(authority: x509.Certificate) -> list[x509.GeneralName]:
    constraints = authority.extensions.get_extension_for_class(x509.NameConstraints).value
    return list(constraints.permitted_subtrees or [])


def _is_within(name: str, permitted: Iterable[x509.GeneralName]) -> bool:
    """Whether clients would believe an authority with these subtrees about a name."""
    address = _address(name)
    if address is not None:
        trees = (tree.value for tree in permitted)
        networks = (tree for tree in trees if isinstance(tree, IPv4Network | IPv6Network))
        return any(address in network for network in networks)
    domains = (tree.value for tree in permitted if isinstance(tree, x509.DNSName))
    return any(name == domain or name.endswith(f".{domain}") for domain in domains)


def _is_good(server: _Signed, authority: _Signed, names: Iterable[str]) -> bool:
    try:
        server.certificate.verify_directly_issued_by(authority.certificate)
    except Exception:  # not signed by it, in one of several ways
        return False
    carried = server.certificate.extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    ).value
    return server.lasts(RENEWED_BEFORE) and all(_general_name(name) in carried for name in names)


def _read(certificate_path: Path, key_path: Path) -> _Signed | None:
    """Certificate and key as they are on disk; None when they are not there yet."""
    if not certificate_path.exists():
        return None
    try:
        certificate = x509.load_pem_x509_certificate(certificate_path.read_bytes())
        key = serialization.load_pem_private_key(key_path.read_bytes(), password=None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise ValueError("it has a key of another kind")
        if key.public_key() != certificate.public_key():
            raise ValueError("the key is not that of the certificate")
        if certificate_path.name == AUTHORITY:
            _permitted(certificate)
    except (ValueError, TypeError, FileNotFoundError, x509.ExtensionNotFound) as error:
        raise TlsError(
            f"{certificate_path} is no certificate that was made here ({error}). Move the folder "
            f"{certificate_path.parent} away: a new authority is made, which clients must be told "
            "to trust."
        ) from None
    return _Signed(certificate, key)


def _write(path: Path, content: bytes, mode: int) -> None:
    """Write a file whole or not at all, never readable by others than ``mode`` says."""
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as handle:
        handle.write(content)
    draft.chmod(mode)  # whatever the umask is
    draft.replace(path)
