"""System checks: unsafe or impossible combinations of settings are refused at start."""

from __future__ import annotations

import pytest
from django.core.checks import Error, Warning
from django.core.management import call_command
from django.core.management.base import SystemCheckError

from operations.checks import check_exposure, check_issuers

HTTPS = "https://connectors.example"


@pytest.fixture
def found(settings):
    """Ids of the problems with these settings, by name; the rest is as safe as by default."""

    def check(**changes) -> set[str]:
        safe = {
            "DEBUG": False,
            "ALLOWED_HOSTS": ["localhost", "127.0.0.1", "[::1]"],
            "PUBLIC_URL": "",
            "SESSION_COOKIE_SECURE": False,
            "TRUST_FORWARDED_HEADERS": True,
        }
        for name, value in (safe | changes).items():
            setattr(settings, name, value)
        messages = check_exposure()
        assert all(message.hint for message in messages)
        return {message.id for message in messages}

    return check


def test_the_default_is_safe(found):
    assert found() == set()


def test_debug_on_ones_own_machine_is_fine(found):
    assert found(DEBUG=True) == set()


def test_a_host_behind_tls_is_fine(found):
    assert (
        found(ALLOWED_HOSTS=["connectors.example"], PUBLIC_URL=HTTPS, SESSION_COOKIE_SECURE=True)
        == set()
    )


@pytest.mark.parametrize("hosts", [["connectors.example"], ["localhost", "10.0.0.5"], ["*"]])
def test_e001_debug_where_others_can_reach_it(found, hosts):
    assert "operations.E001" in found(DEBUG=True, ALLOWED_HOSTS=hosts)


def test_e002_any_host_without_a_public_url(found):
    assert "operations.E002" in found(ALLOWED_HOSTS=["*"])
    assert "operations.E002" not in found(ALLOWED_HOSTS=["*"], PUBLIC_URL=HTTPS)
    assert "operations.E002" not in found(ALLOWED_HOSTS=["connectors.example"])


@pytest.mark.parametrize(
    ("url", "hosts", "missing"),
    [
        (HTTPS, ["other.example"], True),
        (HTTPS, ["localhost"], True),
        (f"{HTTPS}:8443/graph", ["other.example"], True),
        (f"{HTTPS}:8443/graph", ["connectors.example"], False),
        ("https://CONNECTORS.example", ["connectors.example"], False),
        ("https://a.connectors.example", [".connectors.example"], False),
        (HTTPS, ["*"], False),
        ("http://[::1]:8000", ["[::1]"], False),
    ],
)
def test_e003_a_public_url_whose_host_is_not_allowed(found, url, hosts, missing):
    ids = found(PUBLIC_URL=url, ALLOWED_HOSTS=hosts, SESSION_COOKIE_SECURE=True)
    assert ("operations.E003" in ids) == missing


def test_e004_insecure_cookies_behind_https(found):
    hosts = ["connectors.example"]
    assert found(PUBLIC_URL=HTTPS, ALLOWED_HOSTS=hosts) == {"operations.E004"}
    assert found(PUBLIC_URL=HTTPS, ALLOWED_HOSTS=hosts, SESSION_COOKIE_SECURE=True) == set()


@pytest.mark.parametrize(
    ("path", "taken"),
    [
        ("/connections", True),
        ("/v1.0", True),
        ("/admin/tools", True),
        ("/static", True),
        ("/docs", True),
        ("/runs", True),
        ("/connectors", False),
        ("/tools/connections", False),
        ("", False),
    ],
)
def test_e005_a_path_that_addresses_of_ours_begin_with(found, path, taken):
    https = {"ALLOWED_HOSTS": ["connectors.example"], "SESSION_COOKIE_SECURE": True}
    assert found(PUBLIC_URL=HTTPS + path, **https) == ({"operations.E005"} if taken else set())


@pytest.mark.parametrize("url", ["", "http://connectors.example"])
def test_w001_others_without_tls(found, url):
    assert found(ALLOWED_HOSTS=["connectors.example"], PUBLIC_URL=url) == {"operations.W001"}


def test_w002_a_proxy_whose_word_is_not_taken(found, settings):
    behind = {"ALLOWED_HOSTS": ["connectors.example"], "SESSION_COOKIE_SECURE": True}
    said = found(PUBLIC_URL=HTTPS, TRUST_FORWARDED_HEADERS=False, **behind)
    assert said == {"operations.W002"}
    settings.SERVED_CERTIFICATE = "/somewhere/server.pem"
    assert found(PUBLIC_URL=HTTPS, TRUST_FORWARDED_HEADERS=False, **behind) == set()


def test_what_is_an_error_and_what_a_warning(found):
    found(DEBUG=True, ALLOWED_HOSTS=["connectors.example"], PUBLIC_URL="https://x.example")
    kinds = {message.id: type(message) for message in check_exposure()}
    assert kinds == {
        "operations.E001": Error,
        "operations.E003": Error,
        "operations.E004": Error,
    }
    found(ALLOWED_HOSTS=["connectors.example"])
    assert [type(message) for message in check_exposure()] == [Warning]


def test_the_messages_name_the_hosts(found):
    found(DEBUG=True, ALLOWED_HOSTS=["b.example", "a.example", "localhost"])
    (message,) = check_exposure()
    assert "(a.example, b.example)" in message.msg


def test_manage_check_runs_them(found, db):
    found(DEBUG=True, ALLOWED_HOSTS=["connectors.example"])
    with pytest.raises(SystemCheckError, match="operations.E001"):
        call_command("check")


# Whose tokens are accepted -----------------------------------------------------------------------

FOREIGN = {
    "FOREIGN_ISSUER": "https://login.microsoftonline.com/8d2f7a9c/v2.0",
    "FOREIGN_AUDIENCE": ["1b1b1b1b-aaaa-4bbb-8ccc-dddddddddddd"],
    "FOREIGN_JWKS_URL": "https://login.microsoftonline.com/8d2f7a9c/discovery/v2.0/keys",
}


@pytest.fixture
def issuers(settings):
    def check(**changes) -> list[tuple[str, str]]:
        for name, value in changes.items():
            setattr(settings, name, value)
        assert all(isinstance(message, Error) and message.hint for message in check_issuers())
        return [(message.id, message.msg) for message in check_issuers()]

    return check


def test_no_foreign_issuer_or_a_whole_one_is_fine(issuers):
    assert issuers() == []
    assert issuers(**FOREIGN) == []


@pytest.mark.parametrize("missing", FOREIGN)
def test_e010_a_foreign_issuer_that_is_named_in_part(issuers, missing):
    ((identifier, says),) = issuers(**FOREIGN | {missing: ""})
    assert identifier == "operations.E010" and says.startswith(f"{missing} must be set too")
    others = {name: "" for name in FOREIGN if name != missing}
    ((identifier, says),) = issuers(**FOREIGN | others)
    assert identifier == "operations.E010" and says.startswith(" and ".join(others))


@pytest.mark.parametrize(
    "audience",
    [
        "https://graph.microsoft.com",
        "HTTPS://graph.microsoft.com/",
        "00000003-0000-0000-c000-000000000000",
        "https://graph.microsoft.us",
    ],
)
def test_e011_graph_itself_as_the_audience(issuers, audience):
    ids = [found for found, _ in issuers(**FOREIGN | {"FOREIGN_AUDIENCE": ["api://x", audience]})]
    assert ids == ["operations.E011"]
    ids = [found for found, _ in issuers(**FOREIGN | {"TOKEN_AUDIENCE": audience})]
    assert ids == ["operations.E011"]


@pytest.mark.parametrize("name", ["FOREIGN_ISSUER", "FOREIGN_JWKS_URL"])
@pytest.mark.parametrize(
    ("address", "fine"),
    [
        ("http://keycloak.example/realms/x", False),
        ("file:///etc/keys", False),
        ("keycloak.example", False),
        ("http://localhost.evil.example/", False),
        ("http://localhost:8080/realms/x", True),
        ("http://127.0.0.1:8080/realms/x", True),
        ("http://[::1]:8080/realms/x", True),
    ],
)
def test_e012_an_issuer_over_plain_http(issuers, name, address, fine):
    ids = [found for found, _ in issuers(**FOREIGN | {name: address})]
    assert ids == ([] if fine else ["operations.E012"])


def test_manage_check_runs_these_too(issuers, db):
    issuers(FOREIGN_ISSUER="https://login.microsoftonline.com/8d2f7a9c/v2.0")
    with pytest.raises(SystemCheckError, match="operations.E010"):
        call_command("check")
