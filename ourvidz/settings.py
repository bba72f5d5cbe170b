"""Django's settings, from the variables that `ourvidz.declarations` declares.

What may not be stops every start, whichever command, with one sentence.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import sys
from pathlib import Path
from typing import Any

import dj_database_url
from csp.constants import NONE, SELF

from ourvidz import private_files
from ourvidz.declarations import values_given
from ourvidz.declarations.process_limits import pool_size
from ourvidz.environment import InvalidSetting, stopping_the_start
from ourvidz.log_settings import logging_settings
from ourvidz.signing_settings import check_signing
from ourvidz.site_address import site_address

BASE_DIR = Path(__file__).resolve().parent.parent


def _secret_key(data: Path) -> str:
    """The key from SECRET_KEY, else one kept in DATA_DIR."""
    if key := str(given["SECRET_KEY"]):
        return key
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        return kept_key(data / "secret_key")
    except OSError as error:
        message = f"DATA_DIR {data} cannot be written ({error.strerror}): name another folder"
        raise InvalidSetting(message) from error


def kept_key(path: Path) -> str:
    """One that only its owner can read, made at the first call. Processes that start at once get the same."""
    with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        if not (key := file.read()):
            key = secrets.token_urlsafe(50)
            file.write(key)
        return key


def _database(data: Path) -> dict[str, Any]:
    database: dict[str, Any] = {"ENGINE": "django.db.backends.sqlite3", "NAME": str(data / "db.sqlite3")}
    if url := str(given["DATABASE_URL"]):
        database = dict(dj_database_url.parse(url))
    options = database.get("OPTIONS", {})
    if size := pool_size(given):
        # CONN_MAX_AGE leaks connections under ASGI; psycopg's pool does not.
        pool = {"min_size": 1, "max_size": size, "timeout": 5}
        # Else a pool that has lost its server waits twice as long after each try, up to minutes.
        pool["reconnect_timeout"] = 2
        # What comes again is parsed and planned once a connection: a claim takes a fifth less time.
        options |= {"pool": pool, "server_side_binding": True, "prepare_threshold": 5}
        # A connection that a restart of the server broke is replaced, not handed to a request.
        database["CONN_HEALTH_CHECKS"] = True
    else:
        if database["NAME"] != ":memory:":
            # Whatever folder a command runs in; and SQLite takes a name that begins with "file:" for a URL.
            database["NAME"] = str(Path(database["NAME"]).resolve())
        options |= {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        }
    return database | {"OPTIONS": options}


def _protect(data: Path, database: dict[str, Any]) -> None:
    """Take from other accounts what an earlier release, or a careless copy, left open to them."""
    files = [*private_files.of_data_dir(data)]
    if database["ENGINE"].endswith("sqlite3"):
        files += private_files.of_sqlite(Path(database["NAME"]))
    try:
        for change in private_files.make_private(files):
            sys.stderr.write(f"OurVidz: {change}\n")
    except private_files.NotPrivate as error:
        raise InvalidSetting(str(error)) from error


with stopping_the_start():
    given = values_given()
    DATA_DIR = Path(given["DATA_DIR"]).resolve()
    SECRET_KEY = _secret_key(DATA_DIR)
    DATABASES = {"default": _database(DATA_DIR)}
    _protect(DATA_DIR, DATABASES["default"])

DEBUG: bool = given["DEBUG"]
HOST: str = given["HOST"]
PORT: int = given["PORT"]
ALLOWED_HOSTS: list[str] = given["ALLOWED_HOSTS"]
CSRF_TRUSTED_ORIGINS: list[str] = list(given["CSRF_TRUSTED_ORIGINS"])
CSRF_FAILURE_VIEW = "ourvidz.unknown_addresses.csrf_failure"
# A migration that copies tables looks first whether the copy fits on the disk.
SKIP_DISK_CHECK: bool = given["SKIP_DISK_CHECK"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "channels",
    "csp",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "ourvidz",
    "accounts",
    "workspace",
    "library",
    "downloads",
    "sharing",
    "generation",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "ourvidz.compression.CompressionMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "accounts.middleware.SessionUseMiddleware",
    "ourvidz.method_not_allowed.MethodNotAllowedMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "ourvidz.urls"
ASGI_APPLICATION = "ourvidz.asgi.application"
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
            ],
        },
    }
]

REDIS_URL: str = given["REDIS_URL"]
CHANNEL_LAYERS: dict[str, dict[str, Any]] = {
    "default": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": [{"address": REDIS_URL, "socket_timeout": 5, "socket_connect_timeout": 2}]},
    }
    if REDIS_URL
    else {"BACKEND": "channels.layers.InMemoryChannelLayer"}
}

# Threads that render for the pages' sockets; each takes a database connection while it does.
LIVE_THREADS: int = given["LIVE_THREADS"]
# Open pages that one web process serves; one whose browser does not read keeps some 500 KiB.
MAX_SOCKETS_PER_USER: int = given["MAX_SOCKETS_PER_USER"]
MAX_SOCKETS: int = given["MAX_SOCKETS"]

# Requests that one web process works on at once, and of them one user's. With the live threads they have no
# more than the pool's connections. Python runs one thread at a time: a third request of one user brings that
# user nothing and holds up the others.
MAX_REQUESTS: int = given["MAX_REQUESTS"]
MAX_REQUESTS_PER_USER: int = given["MAX_REQUESTS_PER_USER"]
REQUESTS_PER_SECOND: float = given["REQUESTS_PER_SECOND"]
REQUEST_BURST: int = given["REQUEST_BURST"]
PAGE_BYTES: int = given["PAGE_BYTES"]

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "accounts:sign-in"
LOGIN_REDIRECT_URL = "workspace:home"
LOGOUT_REDIRECT_URL = "accounts:sign-in"
SESSION_DAYS: int = given["SESSION_DAYS"]
SESSION_IDLE_DAYS: int = given["SESSION_IDLE_DAYS"]
SESSION_COOKIE_AGE = SESSION_IDLE_DAYS * 86_400
SIGN_IN_LINK_MINUTES: int = given["SIGN_IN_LINK_MINUTES"]

LANGUAGE_CODE = "en"
TIME_ZONE: str = given["TIME_ZONE"]
USE_TZ = True

STATIC_URL = "static/"
STATIC_ROOT = DATA_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
MEDIA_ROOT = DATA_DIR / "media"
FILE_UPLOAD_PERMISSIONS = 0o600
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "ourvidz.static_storage.StaticStorage"},
}

HTTPS: bool = given["HTTPS"]
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = HTTPS
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
# The supervisor and local workers speak plain HTTP on the loopback.
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^api/v1/worker/"]
SILENCED_SYSTEM_CHECKS = [
    # Whether subdomains speak HTTPS, and a place on the browsers' preload lists, is the operator's to say.
    "security.W005",
    "security.W021",
]
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
# Before links that commands print; empty where it is not known.
SITE_ADDRESS = site_address(ALLOWED_HOSTS, https=HTTPS)
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        # Aspect ratios and progress are: docs/decisions/0004-style-attributes-under-the-csp.md
        "style-src-attr": ["'unsafe-inline'"],
        "img-src": [SELF, "data:", "blob:"],
        "media-src": [SELF, "blob:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "manifest-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}

# Bodies. Media arrives as raw PUT bodies and has its own cap. Previews are of up to 64 KiB.
MAX_BODY_BYTES: int = given["MAX_BODY_BYTES"]
DATA_UPLOAD_MAX_MEMORY_SIZE = MAX_BODY_BYTES
MAX_UPLOAD_BYTES: int = given["MAX_UPLOAD_BYTES"]
# Workers read no more of a reference image.
MAX_REFERENCE_BYTES: int = given["MAX_REFERENCE_BYTES"]
# Uploads on their way, on the disk of a web process: of one caller, and in all.
UPLOAD_BYTES_PER_CALLER: int = given["UPLOAD_BYTES_PER_CALLER"]
UPLOAD_BYTES_IN_FLIGHT: int = given["UPLOAD_BYTES_IN_FLIGHT"]
# Bodies on their way lie here, on the disk that has room for media: /tmp is often memory.
BODY_DIR = DATA_DIR / "tmp"
REFERENCE_QUOTA_BYTES: int = given["REFERENCE_QUOTA_BYTES"]

# Connections, counted by ourvidz.server.
MAX_CONNECTIONS: int = given["MAX_CONNECTIONS"]
MAX_CONNECTIONS_PER_ADDRESS: int = given["MAX_CONNECTIONS_PER_ADDRESS"]
REQUEST_HEADER_SECONDS: int = given["REQUEST_HEADER_SECONDS"]
REQUEST_BODY_SECONDS: int = given["REQUEST_BODY_SECONDS"]
RESPONSE_STALL_SECONDS: int = given["RESPONSE_STALL_SECONDS"]

# Untrusted media is decoded in processes of their own: how many, and what one file may take.
DECODERS: int = given["DECODERS"]
DECODE_MEMORY_BYTES: int = given["DECODE_MEMORY_BYTES"]
DECODE_SECONDS: int = given["DECODE_SECONDS"]

# What results are signed with, for C2PA.
SIGNING_CERTIFICATE: str = given["SIGNING_CERTIFICATE"]
SIGNING_KEY: str = given["SIGNING_KEY"]
with stopping_the_start():
    check_signing(certificate=SIGNING_CERTIFICATE, key=SIGNING_KEY)

LEASE_SECONDS: int = given["LEASE_SECONDS"]
HEARTBEAT_SECONDS: int = given["HEARTBEAT_SECONDS"]
MAX_ATTEMPTS: int = given["MAX_ATTEMPTS"]
RETRY_BACKOFF_SECONDS: int = given["RETRY_BACKOFF_SECONDS"]
MAX_ACTIVE_JOBS: int = given["MAX_ACTIVE_JOBS"]
STORAGE_QUOTA_BYTES: int = given["STORAGE_QUOTA_BYTES"]
SIGN_IN_ATTEMPTS: int = given["SIGN_IN_ATTEMPTS"]
TOKEN_DAYS: int = given["TOKEN_DAYS"]

# How long things are kept.
TRASH_DAYS: int = given["TRASH_DAYS"]
REFERENCE_DAYS: int = given["REFERENCE_DAYS"]
OUTBOX_DAYS: int = given["OUTBOX_DAYS"]
UNSUCCESSFUL_JOB_DAYS: int = given["UNSUCCESSFUL_JOB_DAYS"]
UNSUCCESSFUL_JOBS: int = given["UNSUCCESSFUL_JOBS"]

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "generation.api.authentication.PersonalTokenAuthentication",
        "generation.api.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": [
        "rest_framework.permissions.IsAuthenticated",
        "generation.api.permissions.HasScope",
    ],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_SCHEMA_CLASS": "generation.api.scoped_schema.ScopedSchema",
    "EXCEPTION_HANDLER": "generation.http.problems.problem",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "OurVidz",
    "DESCRIPTION": "Submit generation jobs, read the Library, and serve as a worker.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "generation.http.openapi.add_not_modified",
    ],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
}

LOGGING = logging_settings(as_json=given["LOG_JSON"], level=given["LOG_LEVEL"])
