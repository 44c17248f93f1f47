"""Settings: one file, read once. Every variable is optional; README.md has the table."""

import os
import re
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from urllib.parse import urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured
from django.core.management.utils import get_random_secret_key

from connectors_admin.embedded import finish_restore
from connectors_admin.env import (
    choice,
    days,
    generated_secret,
    number,
    numbers_by_id,
    private_file,
    private_folder,
    secret,
    switch,
    time_zone,
)
from operations.logs import FORMATS, LEVELS

env = environ.Env()
BASE_DIR = Path(__file__).resolve().parent.parent
TESTING = "pytest" in sys.modules

try:
    VERSION = version("connectors-admin")
except PackageNotFoundError:  # running from a checkout that was never installed
    VERSION = "0.0.0"

# Where it runs ----------------------------------------------------------------------------------

DATA_DIR = Path(os.environ.get("DATA_DIR") or BASE_DIR / "var").resolve()
DEBUG = switch("DEBUG")
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])

# The address that clients use, when it is not the one in their requests (a TLS proxy, a sub-path).
PUBLIC_URL = os.environ.get("PUBLIC_URL", "").rstrip("/")
if PUBLIC_URL and urlsplit(PUBLIC_URL).scheme not in ("http", "https"):
    raise ImproperlyConfigured("PUBLIC_URL must begin with http:// or https://.")
# Its path is where all addresses of ours begin; empty at the root (connectors_admin.wsgi).
SUB_PATH = urlsplit(PUBLIC_URL).path
if not re.fullmatch(r"(/[A-Za-z0-9._~-]+)*", SUB_PATH) or re.search(r"[?#]", PUBLIC_URL):
    raise ImproperlyConfigured(
        "PUBLIC_URL must end with its host or with a path of letters, digits, '.', '_', '~', '-'."
    )
FORCE_SCRIPT_NAME = SUB_PATH or None

TRUST_FORWARDED_HEADERS = switch("TRUST_FORWARDED_HEADERS")
if TRUST_FORWARDED_HEADERS:
    USE_X_FORWARDED_HOST = True
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
TRUSTED_PROXIES = int(number("TRUSTED_PROXIES", 1, minimum=1))  # one behind the other

# What `serve --tls` shows to clients; it tells its children, nobody else sets this.
SERVED_CERTIFICATE = os.environ.get("SERVED_CERTIFICATE", "")
CERTIFICATE_LOOK = number("CERTIFICATE_LOOK", 86_400, minimum=1)  # seconds; whether to renew it

ENVIRONMENT_LABEL = os.environ.get("ENVIRONMENT_LABEL", "")

# Database ---------------------------------------------------------------------------------------


def _database() -> dict:
    url = secret("DATABASE_URL")
    if not url:
        file = private_folder(DATA_DIR) / "connectors.sqlite3"
        finish_restore(file)
        name = private_file(file)
        config: dict = {"ENGINE": "django.db.backends.sqlite3", "NAME": str(name)}
    else:
        config = env.db_url_config(url)
        if config.get("ENGINE") not in (
            "django.db.backends.sqlite3",
            "django.db.backends.postgresql",
        ):
            raise ImproperlyConfigured("DATABASE_URL must begin with sqlite:/// or postgres://.")
    options = config.setdefault("OPTIONS", {})
    if config["ENGINE"].endswith("sqlite3"):
        if config["NAME"] != ":memory:":
            config["NAME"] = str(BASE_DIR / config["NAME"])
            if url:
                finish_restore(Path(config["NAME"]))
        synchronous = choice("SQLITE_SYNCHRONOUS", ("NORMAL", "FULL"), "NORMAL")
        # IMMEDIATE: a transaction takes the write lock when it begins and waits for it, instead
        # of failing at once with "database is locked" when it turns from reading to writing.
        config["OPTIONS"] = {
            "transaction_mode": "IMMEDIATE",
            "timeout": number("SQLITE_BUSY_TIMEOUT", 20),  # seconds
            "init_command": f"PRAGMA journal_mode=WAL; PRAGMA synchronous={synchronous};",
        } | options
        config["CONN_MAX_AGE"] = None
        # tests use a file too: in memory, several connections would have no WAL and no waiting
        config["TEST"] = {"NAME": str(private_folder(DATA_DIR) / "test.sqlite3")}
    else:
        pool = switch("DATABASE_POOL", str(options.pop("pool", "")).lower() == "true")
        if pool:
            smallest = int(number("DATABASE_POOL_MIN", 2))
            largest = int(number("DATABASE_POOL_MAX", max(8, smallest), minimum=1))
            if largest < smallest:
                raise ImproperlyConfigured(
                    f"DATABASE_POOL_MAX must be at least DATABASE_POOL_MIN, {smallest}."
                )
            options["pool"] = {
                "min_size": smallest,
                "max_size": largest,
                # seconds that a request waits for a free connection
                "timeout": number("DATABASE_POOL_TIMEOUT", 10, minimum=0.1),
                # seconds after which the pool no longer tries by itself to reach a database that
                # is away, at growing intervals; the next request lets it try at once
                "reconnect_timeout": 5,
            }
        # without it, a host that swallows packets holds a thread for minutes
        options.setdefault("connect_timeout", 10)
        # a new one costs more than ten requests: it is made anew every ten minutes, no sooner
        config.setdefault("CONN_MAX_AGE", 0 if pool else 600)
        config["CONN_HEALTH_CHECKS"] = True
        # without connections that stay, a pooler may be between that hands out another each time
        passing = config["CONN_MAX_AGE"] == 0 and not pool
        config["DISABLE_SERVER_SIDE_CURSORS"] = passing
        # a statement that comes so often is planned once for its connection (models.prepared)
        options.setdefault("prepare_threshold", None if passing else 3)
        if not passing:
            # What PostgreSQL expects of a page's query can be high because of what it asks only
            # where there is much; to compile it takes 100 ms then, and saves less than one.
            options["options"] = f"-c jit=off {options.get('options', '')}".strip()
    return config


DATABASES = {"default": _database()}
EMBEDDED_DATABASE = DATABASES["default"]["ENGINE"].endswith("sqlite3")
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Secrets ----------------------------------------------------------------------------------------

SECRET_KEY = secret("SECRET_KEY")
SECRET_KEY_GENERATED = not SECRET_KEY
if not SECRET_KEY:
    if not EMBEDDED_DATABASE and not TESTING:
        raise ImproperlyConfigured(
            "SECRET_KEY (or SECRET_KEY_FILE) must be set when DATABASE_URL is not SQLite: "
            "every process and machine needs the same one."
        )
    SECRET_KEY = generated_secret(private_folder(DATA_DIR) / "secret_key", get_random_secret_key)

# What an earlier SECRET_KEY signed and sealed stays good while it is named here. Spaces divide
# several: a key may hold any other character.
SECRET_KEY_FALLBACKS = secret("SECRET_KEY_FALLBACKS").split()

# Tokens -----------------------------------------------------------------------------------------

TOKEN_AUDIENCE = os.environ.get("TOKEN_AUDIENCE", "api://connectors-admin")
# What `iss` begins with. Never from the Host header: what a token says about its issuer must not
# depend on who asks. Empty: the address that `serve` was last started at (operations.tokens).
TOKEN_ISSUER = os.environ.get("TOKEN_ISSUER", "").rstrip("/") or PUBLIC_URL
TOKEN_LIFETIME = int(number("TOKEN_LIFETIME", 3600, minimum=60))  # seconds
TOKEN_DELEGATED_USE = switch("TOKEN_DELEGATED_USE")
ROTATE_SIGNING_KEY_DAYS = number("ROTATE_SIGNING_KEY_DAYS", 0)  # 0: by command only

# Tokens of a real issuer are accepted as well when all three are set; operations.checks looks.
FOREIGN_ISSUER = os.environ.get("FOREIGN_ISSUER", "").strip()
FOREIGN_AUDIENCE = [
    name.strip() for name in env.list("FOREIGN_AUDIENCE", default=[]) if name.strip()
]
FOREIGN_JWKS_URL = os.environ.get("FOREIGN_JWKS_URL", "").strip()

# Operations -------------------------------------------------------------------------------------

OPERATION_DURATION = number("OPERATION_DURATION", 0)  # seconds a schema registration takes
OPERATION_LEASE = number("OPERATION_LEASE", 60, minimum=1)  # seconds until a silent worker is dead
OPERATION_ATTEMPTS = int(number("OPERATION_ATTEMPTS", 3, minimum=1))
OPERATION_RETRY_AFTER = int(number("OPERATION_RETRY_AFTER", 5, minimum=1))  # polling hint, seconds
WORKER_POLL = number("WORKER_POLL", 0.5, minimum=0.01)  # seconds between looks for new work
PURGE_IN_REQUEST = int(number("PURGE_IN_REQUEST", 1000))  # rows; above it the worker purges
# How many items a connection may have, and all together (operations.quota): Graph's documentation
# had these figures in 2023 and has none since.
ITEMS_PER_CONNECTION = int(number("ITEMS_PER_CONNECTION", 5_000_000))
ITEMS_IN_ALL = int(number("ITEMS_IN_ALL", 50_000_000))
CAUSES_FILE = os.environ.get("CAUSES_FILE") or DATA_DIR / "causes.toml"  # operations.causes

# Retention --------------------------------------------------------------------------------------

# Days; 0 is for ever. operations.retention says what is never removed, operations.checks looks.
RETENTION_COMPLETED = days("RETENTION_COMPLETED")
RETENTION_FAILED = days("RETENTION_FAILED")
RETENTION_CHANGES = days("RETENTION_CHANGES")

# Limits of the wire -----------------------------------------------------------------------------

MAX_BODY_BYTES = int(number("MAX_BODY_BYTES", 1_000_000, minimum=1000))
MAX_ITEM_BYTES = int(number("MAX_ITEM_BYTES", 4_194_304, minimum=1000))  # and of a batch with items
MAX_BODY_DEPTH = 32
THROTTLE_LIMIT = int(number("THROTTLE_LIMIT", 0))  # requests an application and window; 0: off
THROTTLE_LIMITS = numbers_by_id("THROTTLE_LIMITS")  # of single applications, by client id
THROTTLE_WINDOW = number("THROTTLE_WINDOW", 10, minimum=1)  # seconds
PAGE_SIZE = 100
MAX_PAGE_SIZE = 999

# The web server; connectors_admin.web_worker ----------------------------------------------------

WEB_THREADS = int(number("WEB_THREADS", 16, minimum=1))  # requests answered at once, a process
WEB_CONNECTIONS = int(number("WEB_CONNECTIONS", 1000, minimum=10))  # open at once, a process
if WEB_CONNECTIONS <= WEB_THREADS:
    raise ImproperlyConfigured(
        f"WEB_CONNECTIONS must be more than WEB_THREADS, which is {WEB_THREADS}."
    )
WEB_REQUEST_SECONDS = number("WEB_REQUEST_SECONDS", 30, minimum=1)  # for a client to send one

# Django -----------------------------------------------------------------------------------------

INSTALLED_APPS = [
    "connectors_admin.admin_site.StrictAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular_sidecar",  # only its static files: Swagger UI
    "operations",
]
MIDDLEWARE = [
    "operations.middleware.LengthMiddleware",
    "operations.browser_headers.BrowserHeadersMiddleware",
    "operations.monitoring.middleware.MonitoringMiddleware",
    "operations.middleware.RequestIdMiddleware",
    "operations.middleware.AccessMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "operations.api.paths.GraphMiddleware",
    # calls of the API go no further: these are for pages
    "operations.compression.PageCompressionMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "operations.dashboard.sessions.SessionAgeMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "operations.dashboard.preferences.TimeZoneMiddleware",
    "operations.dashboard.errors.MethodNotAllowedMiddleware",
]
ROOT_URLCONF = "connectors_admin.urls"
WSGI_APPLICATION = "connectors_admin.wsgi.application"
APPEND_SLASH = False  # a redirect turns a client's POST into a GET without an error
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "operations.dashboard.context.frame",
            ]
        },
    }
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "sign-in"
LOGIN_REDIRECT_URL = "overview"
LOGOUT_REDIRECT_URL = "sign-in"

# A new secret is shown through a message: it must not travel in a cookie.
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"

LANGUAGE_CODE = "en-us"
USE_I18N = True
USE_TZ = True
FORMAT_MODULE_PATH = ["connectors_admin.formats"]
TIME_ZONE = time_zone("TIME_ZONE", "UTC")

STATIC_URL = f"{SUB_PATH}/static/"
WHITENOISE_USE_FINDERS = True

# How the Graph surface authenticates, negotiates and fails is said in operations.api.views.
REST_FRAMEWORK = {"UNAUTHENTICATED_USER": None, "UNAUTHENTICATED_TOKEN": None}

# Monitoring -------------------------------------------------------------------------------------

METRICS_TOKEN = secret("METRICS_TOKEN")
if METRICS_TOKEN and (len(METRICS_TOKEN) < 16 or not METRICS_TOKEN.isascii()):
    raise ImproperlyConfigured("METRICS_TOKEN must have at least 16 characters, all of them ASCII.")

# Browser and transport --------------------------------------------------------------------------

_public = urlsplit(PUBLIC_URL)
_https = _public.scheme == "https"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = switch("SECURE_COOKIES", _https)
if SESSION_COOKIE_SECURE:
    # Names of their own: over http a browser takes no cookie under the name of a secure one, and
    # whoever served with TLS yesterday and without it today could not sign in. Under __Host- it
    # takes none that a neighbouring domain has set, but only for the whole host.
    _prefix = "__Secure-" if _public.path else "__Host-"
    SESSION_COOKIE_NAME, CSRF_COOKIE_NAME = f"{_prefix}sessionid", f"{_prefix}csrftoken"
SECURE_SSL_REDIRECT = switch("SECURE_SSL_REDIRECT")
# Not for this machine's own names: a browser would want https from everything else on localhost.
_hsts = _https and _public.hostname not in ("localhost", "127.0.0.1", "::1")
SECURE_HSTS_SECONDS = int(number("SECURE_HSTS_SECONDS", 31_536_000 if _hsts else 0))
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = switch("SECURE_HSTS_SUBDOMAINS")
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_PATH = CSRF_COOKIE_PATH = SUB_PATH or "/"  # a host may have other services
SESSION_IDLE = number("SESSION_IDLE", 8 * 3600, minimum=60)  # seconds without doing anything
SESSION_LIFETIME = number("SESSION_LIFETIME", 24 * 3600, minimum=60)  # seconds at most
SESSION_COOKIE_AGE = int(SESSION_LIFETIME)
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CSRF_TRUSTED_ORIGINS = [f"{_public.scheme}://{_public.netloc}"] if PUBLIC_URL else []
# The most that the web server reads. The API has limits of its own, within it.
DATA_UPLOAD_MAX_MEMORY_SIZE = max(4_000_000, MAX_BODY_BYTES, MAX_ITEM_BYTES)
DATA_UPLOAD_MAX_NUMBER_FIELDS = 1000
DATA_UPLOAD_MAX_NUMBER_FILES = 0  # no page takes one, and they would be written to the disk

# Logging ----------------------------------------------------------------------------------------

LOG_LEVEL = choice("LOG_LEVEL", LEVELS, "")
LOG_FORMAT = choice("LOG_FORMAT", FORMATS, "line")
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"log": {"()": "operations.logs.formatter", "name": LOG_FORMAT}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "log"}},
    "root": {"handlers": ["console"], "level": LOG_LEVEL or "WARNING"},
    "loggers": {
        "django": {"handlers": [], "propagate": True},
        # a refusal is an answer, not an event: it has its line of operations.access
        "django.request": {"level": "ERROR"},
        "operations": {"level": LOG_LEVEL or "INFO"},
    },
}

if TESTING:
    PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    # Each test has a client with middleware of its own: it looks for a file when one is asked for.
    WHITENOISE_AUTOREFRESH = True
