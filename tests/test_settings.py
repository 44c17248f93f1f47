"""Settings from the environment: strict about switches and numbers, files for secrets."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path
from uuid import UUID

import pytest
from django.core.exceptions import ImproperlyConfigured

from connectors_admin import env
from tests.processes import MANAGE, manage

HOME = Path(__file__).resolve().parent.parent
POSTGRES = "postgres://someone@127.0.0.1:1/nothing"


def start(tmp_path: Path, show: str, **environment: str) -> subprocess.CompletedProcess:
    """Load the settings in a process of its own and print an expression over them."""
    code = f"from connectors_admin import settings as s; print({show})"
    clean = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=HOME,
        env=clean | {"DATA_DIR": str(tmp_path / "data")} | environment,
        capture_output=True,
        text=True,
        timeout=60,
    )


def shown(tmp_path: Path, show: str, **environment: str) -> str:
    process = start(tmp_path, show, **environment)
    assert process.returncode == 0, process.stderr
    return process.stdout.strip()


def refused(tmp_path: Path, **environment: str) -> str:
    """The one line that says what is wrong."""
    process = start(tmp_path, "1", **environment)
    assert process.returncode != 0
    return process.stderr.strip().splitlines()[-1]


# Reading one value -------------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["1", "true", "TRUE", "Yes", " on "])
def test_a_switch_that_is_on(monkeypatch, word):
    monkeypatch.setenv("X", word)
    assert env.switch("X") is True


@pytest.mark.parametrize("word", ["0", "false", "False", "no", "OFF", "", "  "])
def test_a_switch_that_is_off(monkeypatch, word):
    monkeypatch.setenv("X", word)
    assert env.switch("X", default=True) is False


def test_a_switch_that_is_not_set_has_its_default(monkeypatch):
    monkeypatch.delenv("X", raising=False)
    assert env.switch("X") is False
    assert env.switch("X", default=True) is True


@pytest.mark.parametrize("word", ["ture", "2", "y", "enabled", "-"])
def test_a_switch_with_another_word_names_itself(monkeypatch, word):
    monkeypatch.setenv("X", word)
    with pytest.raises(ImproperlyConfigured, match=f"X must be true or false, not '{word}'"):
        env.switch("X")


@pytest.mark.parametrize(("text", "value"), [("5", 5), (" 0.25 ", 0.25), ("1e3", 1000), ("0", 0)])
def test_a_number(monkeypatch, text, value):
    monkeypatch.setenv("X", text)
    assert env.number("X", 7) == value


@pytest.mark.parametrize("text", ["", "  "])
def test_a_number_that_is_empty_has_its_default(monkeypatch, text):
    monkeypatch.setenv("X", text)
    assert env.number("X", 7) == 7


@pytest.mark.parametrize("text", ["five", "1,5", "5s", "0x10"])
def test_a_number_that_is_none_names_itself(monkeypatch, text):
    monkeypatch.setenv("X", text)
    with pytest.raises(ImproperlyConfigured, match=f"X must be a number, not '{text}'"):
        env.number("X", 7)


@pytest.mark.parametrize("text", ["1", "-1", "nan", "inf", "1e400", "-inf"])
def test_a_number_out_of_range_names_itself(monkeypatch, text):
    monkeypatch.setenv("X", text)
    with pytest.raises(ImproperlyConfigured, match="X must be at least 2"):
        env.number("X", 7, minimum=2)


def test_numbers_by_id(monkeypatch):
    one, other = UUID(int=1), UUID(int=2)
    monkeypatch.setenv("X", f" {one}=5, {str(other).upper()} = 0 ,")
    assert env.numbers_by_id("X") == {one: 5, other: 0}
    monkeypatch.delenv("X")
    assert env.numbers_by_id("X") == {}


@pytest.mark.parametrize("part", ["five", "1=5", f"{UUID(int=1)}", f"{UUID(int=1)}=many"])
def test_numbers_by_id_name_what_is_of_another_form(monkeypatch, part):
    monkeypatch.setenv("X", f"{UUID(int=2)}=1,{part}")
    with pytest.raises(ImproperlyConfigured, match=f"X must be GUID=NUMBER, …, not '{part}'"):
        env.numbers_by_id("X")


def test_numbers_by_id_are_not_negative(monkeypatch):
    monkeypatch.setenv("X", f"{UUID(int=1)}=-1")
    with pytest.raises(ImproperlyConfigured, match="X must have no number below 0"):
        env.numbers_by_id("X")


@pytest.mark.parametrize("value", ["plain", "$HOME", "$5$x", " with spaces ", "ü"])
def test_a_secret_is_taken_as_it_is(monkeypatch, value):
    monkeypatch.setenv("X", value)
    assert env.secret("X") == value


@pytest.mark.parametrize("text", ["$ecret", "$ecret\n", "$ecret\r\n", "\n$ecret \n"])
def test_a_secret_in_a_file_loses_its_newline_only(monkeypatch, tmp_path, text):
    (tmp_path / "x").write_bytes(text.encode())
    monkeypatch.delenv("X", raising=False)
    monkeypatch.setenv("X_FILE", str(tmp_path / "x"))
    assert env.secret("X") == "$ecret"


def test_a_secret_itself_wins_over_its_file(monkeypatch, tmp_path):
    (tmp_path / "x").write_text("file")
    monkeypatch.setenv("X_FILE", str(tmp_path / "x"))
    monkeypatch.setenv("X", "itself")
    assert env.secret("X") == "itself"


def test_a_secrets_file_that_is_not_there_is_named(monkeypatch, tmp_path):
    monkeypatch.delenv("X", raising=False)
    monkeypatch.setenv("X_FILE", str(tmp_path / "nowhere"))
    with pytest.raises(ImproperlyConfigured, match="X_FILE cannot be read: .*nowhere"):
        env.secret("X")


def test_a_secret_that_is_nowhere_is_empty(monkeypatch):
    monkeypatch.delenv("X", raising=False)
    monkeypatch.delenv("X_FILE", raising=False)
    assert env.secret("X") == ""


def test_a_generated_secret_is_kept_and_is_its_owners_alone(tmp_path):
    texts = iter(["first", "second"])
    path = tmp_path / "secret"
    assert env.generated_secret(path, lambda: next(texts)) == "first"
    assert env.generated_secret(path, lambda: next(texts)) == "first"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [child.name for child in tmp_path.iterdir()] == ["secret"]


def test_of_two_that_generate_at_once_one_wins(tmp_path):
    path = tmp_path / "secret"

    def slow() -> str:
        path.write_text("the other's")
        return "mine"

    assert env.generated_secret(path, slow) == "the other's"


def test_a_private_folder_is_its_owners_alone(tmp_path):
    folder = env.private_folder(tmp_path / "data")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert env.private_folder(folder) == folder


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ImproperlyConfigured, match="DATA_DIR .*file/data cannot be made"):
        env.private_folder(tmp_path / "file" / "data")


# The whole, in a process of its own --------------------------------------------------------------


def test_no_environment_is_needed(tmp_path):
    facts = (
        "s.EMBEDDED_DATABASE, s.DEBUG, s.TRUST_FORWARDED_HEADERS, s.PUBLIC_URL, "
        "s.OPERATION_DURATION, s.TOKEN_ISSUER, len(s.SECRET_KEY) >= 50, s.SECRET_KEY_GENERATED"
    )
    assert shown(tmp_path, facts) == ("True False False  0  True True")
    data = tmp_path / "data"
    assert stat.S_IMODE(data.stat().st_mode) == 0o700
    assert stat.S_IMODE((data / "secret_key").stat().st_mode) == 0o600


def test_the_generated_secret_stays_the_same(tmp_path):
    assert shown(tmp_path, "s.SECRET_KEY") == shown(tmp_path, "s.SECRET_KEY")


@pytest.mark.parametrize(
    ("environment", "says"),
    [
        ({"DEBUG": "ture"}, "DEBUG must be true or false, not 'ture'."),
        ({"TRUST_FORWARDED_HEADERS": "yep"}, "TRUST_FORWARDED_HEADERS must be true or false"),
        ({"OPERATION_LEASE": "a minute"}, "OPERATION_LEASE must be a number, not 'a minute'."),
        ({"OPERATION_DURATION": "-1"}, "OPERATION_DURATION must be at least 0, not -1."),
        ({"TOKEN_LIFETIME": "5"}, "TOKEN_LIFETIME must be at least 60, not 5."),
        ({"MAX_BODY_BYTES": "10"}, "MAX_BODY_BYTES must be at least 1000, not 10."),
        ({"PUBLIC_URL": "connectors.example"}, "PUBLIC_URL must begin with http:// or https://."),
        ({"PUBLIC_URL": "ftp://x"}, "PUBLIC_URL must begin with http:// or https://."),
        ({"PUBLIC_URL": "https://x/a b"}, "PUBLIC_URL must end with its host or with a path of"),
        ({"PUBLIC_URL": "https://x/a//b"}, "PUBLIC_URL must end with its host or with a path of"),
        ({"PUBLIC_URL": "https://x/?a=b"}, "PUBLIC_URL must end with its host or with a path of"),
        ({"WEB_THREADS": "0"}, "WEB_THREADS must be at least 1, not 0."),
        ({"WEB_CONNECTIONS": "many"}, "WEB_CONNECTIONS must be a number, not 'many'."),
        ({"WEB_CONNECTIONS": "5"}, "WEB_CONNECTIONS must be at least 10, not 5."),
        (
            {"WEB_CONNECTIONS": "20", "WEB_THREADS": "20"},
            "WEB_CONNECTIONS must be more than WEB_THREADS, which is 20.",
        ),
        ({"WEB_REQUEST_SECONDS": "0"}, "WEB_REQUEST_SECONDS must be at least 1, not 0."),
        ({"CERTIFICATE_LOOK": "never"}, "CERTIFICATE_LOOK must be a number, not 'never'."),
        (
            {"DATABASE_URL": "mysql://u@127.0.0.1/x", "SECRET_KEY": "x"},
            "DATABASE_URL must begin with sqlite:/// or postgres://.",
        ),
        (
            {"DATABASE_URL": POSTGRES},
            "SECRET_KEY (or SECRET_KEY_FILE) must be set when DATABASE_URL is not SQLite",
        ),
        ({"SECRET_KEY_FILE": "/nowhere/key"}, "SECRET_KEY_FILE cannot be read"),
        (
            {"SQLITE_SYNCHRONOUS": "OFF"},
            "SQLITE_SYNCHRONOUS must be one of NORMAL, FULL",
        ),
        ({"LOG_FORMAT": "xml"}, "LOG_FORMAT must be one of line, json, not 'xml'."),
        (
            {"LOG_LEVEL": "loud"},
            "LOG_LEVEL must be one of DEBUG, INFO, WARNING, ERROR, CRITICAL, not 'loud'.",
        ),
        (
            {"TIME_ZONE": "Europe/Atlantis"},
            "TIME_ZONE must be a name of the time zone database, such as UTC or Europe/Berlin, not "
            "'Europe/Atlantis'.",
        ),
        ({"TIME_ZONE": "Europe"}, "TIME_ZONE must be a name of the time zone database"),
        ({"TIME_ZONE": "../passwd"}, "TIME_ZONE must be a name of the time zone database"),
        ({"METRICS_TOKEN": "too-short"}, "METRICS_TOKEN must have at least 16 characters"),
        ({"METRICS_TOKEN_FILE": "/nowhere/token"}, "METRICS_TOKEN_FILE cannot be read"),
        (
            {"DATABASE_URL": POSTGRES, "DATABASE_POOL": "true", "DATABASE_POOL_MAX": "1"},
            "DATABASE_POOL_MAX must be at least DATABASE_POOL_MIN, 2.",
        ),
        ({"SQLITE_BUSY_TIMEOUT": "-1"}, "SQLITE_BUSY_TIMEOUT must be at least 0, not -1."),
        ({"DATA_DIR": "/dev/null/data"}, "DATA_DIR /dev/null/data cannot be made"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_cannot_be_is_refused_at_start_and_named(tmp_path, environment, says):
    line = refused(tmp_path, **environment)
    assert line.startswith("django.core.exceptions.ImproperlyConfigured: ")
    assert says in line


def test_a_secret_key_of_ones_own(tmp_path):
    assert shown(tmp_path, "s.SECRET_KEY, s.SECRET_KEY_GENERATED", SECRET_KEY="$ecret") == (
        "$ecret False"
    )
    assert not (tmp_path / "data" / "secret_key").exists()
    (tmp_path / "key").write_text("$from-a-file\n")
    file = str(tmp_path / "key")
    assert shown(tmp_path, "s.SECRET_KEY", SECRET_KEY_FILE=file) == "$from-a-file"


def test_postgresql_with_a_secret_key(tmp_path):
    database = "s.DATABASES['default']"
    facts = f"{database}['ENGINE'], {database}['HOST'], {database}['CONN_HEALTH_CHECKS']"
    assert shown(tmp_path, facts, DATABASE_URL=POSTGRES, SECRET_KEY="x") == (
        "django.db.backends.postgresql 127.0.0.1 True"
    )


@pytest.mark.parametrize("how", [{"DATABASE_POOL": "true"}, {"url": "?pool=true"}])
def test_how_connections_are_pooled(tmp_path, how):
    url = POSTGRES + how.pop("url", "")
    facts = "s.DATABASES['default']['OPTIONS']['pool'], s.DATABASES['default']['CONN_MAX_AGE']"
    assert shown(tmp_path, facts, DATABASE_URL=url, SECRET_KEY="x", **how) == (
        "{'min_size': 2, 'max_size': 8, 'timeout': 10, 'reconnect_timeout': 5} 0"
    )
    sizes = {"DATABASE_POOL_MIN": "0", "DATABASE_POOL_MAX": "20", "DATABASE_POOL_TIMEOUT": "3"}
    assert "'min_size': 0, 'max_size': 20, 'timeout': 3.0" in shown(
        tmp_path, facts, DATABASE_URL=url, SECRET_KEY="x", **how, **sizes
    )


@pytest.mark.parametrize(
    ("url", "threshold"),
    [
        ("", "3"),
        ("?pool=true", "3"),
        ("?conn_max_age=0", "None"),
        ("?prepare_threshold=None", "None"),
        ("?conn_max_age=0&prepare_threshold=5", "5"),
    ],
)
def test_statements_are_prepared_unless_a_pooler_may_be_between(tmp_path, url, threshold):
    fact = "s.DATABASES['default']['OPTIONS']['prepare_threshold']"
    assert shown(tmp_path, fact, DATABASE_URL=POSTGRES + url, SECRET_KEY="x") == threshold


@pytest.mark.parametrize(
    ("url", "options"),
    [
        ("", "-c jit=off"),
        ("?pool=true", "-c jit=off"),
        ("?options=-c%20work_mem=64MB", "-c jit=off -c work_mem=64MB"),
        ("?conn_max_age=0", "None"),  # a pooler need not know what it is told there
    ],
)
def test_postgres_compiles_no_query(tmp_path, url, options):
    fact = "s.DATABASES['default']['OPTIONS'].get('options')"
    assert shown(tmp_path, fact, DATABASE_URL=POSTGRES + url, SECRET_KEY="x") == options


def test_the_database_address_from_a_file(tmp_path):
    (tmp_path / "url").write_text(f"sqlite:///{tmp_path}/other.sqlite3\n")
    name = "s.DATABASES['default']['NAME']"
    assert shown(tmp_path, name, DATABASE_URL_FILE=str(tmp_path / "url")) == (
        f"{tmp_path}/other.sqlite3"
    )


def test_how_sqlite_is_opened(tmp_path):
    options = "s.DATABASES['default']['OPTIONS']"
    facts = f"{options}['transaction_mode'], {options}['init_command']"
    assert shown(tmp_path, facts) == (
        "IMMEDIATE PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
    )
    assert "synchronous=FULL" in shown(tmp_path, facts, SQLITE_SYNCHRONOUS="full")


def test_a_public_url_loses_its_slash_and_turns_on_what_https_needs(tmp_path):
    facts = (
        "s.PUBLIC_URL, s.TOKEN_ISSUER, s.SESSION_COOKIE_SECURE, s.CSRF_COOKIE_SECURE, "
        "s.CSRF_TRUSTED_ORIGINS, s.SECURE_HSTS_SECONDS"
    )
    assert shown(tmp_path, facts, PUBLIC_URL="https://c.example/graph/") == (
        "https://c.example/graph https://c.example/graph True True ['https://c.example'] 31536000"
    )
    assert shown(tmp_path, facts, PUBLIC_URL="http://c.example") == (
        "http://c.example http://c.example False False ['http://c.example'] 0"
    )


def test_the_path_of_a_public_url_is_where_all_of_it_is(tmp_path):
    facts = "s.FORCE_SCRIPT_NAME, s.STATIC_URL, s.SESSION_COOKIE_PATH, s.CSRF_COOKIE_PATH"
    assert shown(tmp_path, facts, PUBLIC_URL="https://c.example/tools/graph/") == (
        "/tools/graph /tools/graph/static/ /tools/graph /tools/graph"
    )
    assert shown(tmp_path, facts, PUBLIC_URL="https://c.example") == "None /static/ / /"


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8443", "[::1]:8443"])
def test_this_machine_gets_no_hsts(tmp_path, host):
    """A browser would remember it for every port of localhost, and for whatever else runs there."""
    facts = "s.SECURE_HSTS_SECONDS, s.SESSION_COOKIE_SECURE"
    assert shown(tmp_path, facts, PUBLIC_URL=f"https://{host}") == "0 True"


def test_secure_cookies_have_names_of_their_own(tmp_path):
    names = "s.SESSION_COOKIE_NAME, s.CSRF_COOKIE_NAME"
    assert shown(tmp_path, names, SECURE_COOKIES="true") == "__Host-sessionid __Host-csrftoken"
    # a cookie of the whole host would reach its other applications
    below_a_path = shown(tmp_path, names, PUBLIC_URL="https://c.example/graph")
    assert below_a_path == "__Secure-sessionid __Secure-csrftoken"


def test_forwarded_headers_are_trusted_only_when_told(tmp_path):
    facts = "getattr(s, 'USE_X_FORWARDED_HOST', False), getattr(s, 'SECURE_PROXY_SSL_HEADER', None)"
    assert shown(tmp_path, facts) == "False None"
    assert shown(tmp_path, facts, TRUST_FORWARDED_HEADERS="on") == (
        "True ('HTTP_X_FORWARDED_PROTO', 'https')"
    )


def test_the_issuer_is_a_setting(tmp_path):
    issuer = shown(
        tmp_path,
        "s.TOKEN_ISSUER",
        TOKEN_ISSUER="https://id.example",
        PUBLIC_URL="https://c.example",
    )
    assert issuer == "https://id.example"


def test_a_foreign_issuer(tmp_path):
    facts = "s.FOREIGN_ISSUER, s.FOREIGN_AUDIENCE, s.FOREIGN_JWKS_URL"
    assert shown(tmp_path, facts) == "[]"
    audiences = shown(tmp_path, "s.FOREIGN_AUDIENCE", FOREIGN_AUDIENCE="api://a, b,")
    assert audiences == "['api://a', 'b']"


def test_the_database_is_private_in_a_folder_that_is_not(tmp_path):
    """It holds the signing keys; a folder that was there before may be open to everybody."""
    tmp_path.chmod(0o755)
    database = tmp_path / "connectors.sqlite3"
    database.touch(mode=0o644)
    manage(os.environ | {"DATA_DIR": str(tmp_path), "DATABASE_URL": ""}, "migrate", "-v", "0")
    for file in tmp_path.iterdir():
        assert file.stat().st_mode & 0o077 == 0, file


def test_a_wrong_setting_is_one_sentence_without_a_traceback():
    done = subprocess.run(
        [sys.executable, MANAGE, "check"],
        env=os.environ | {"DEBUG": "ture"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert done.stderr == "Settings: DEBUG must be true or false, not 'ture'.\n"
