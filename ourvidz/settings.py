"""Settings, read from the environment; nonsense stops the start with a sentence.

Every variable is listed in docs/operations.md.
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
from django.core.exceptions import ImproperlyConfigured

from ourvidz import private_files
from ourvidz.environment import decimal, env, integer
from ourvidz.log_settings import logging_settings

MIB = 1024**2
GIB = 1024**3
BASE_DIR = Path(__file__).resolve().parent.parent
DATA_DIR = Path(env.str("DATA_DIR", "") or BASE_DIR / "data").resolve()


def _secret_key() -> str:
    """The key from SECRET_KEY, else one kept in DATA_DIR."""
    if given := env.str("SECRET_KEY", ""):
        return given
    try:
        DATA_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)
        return kept_key(DATA_DIR / "secret_key")
    except OSError as error:
        message = f"DATA_DIR {DATA_DIR} cannot be written: {error.strerror}"
        raise ImproperlyConfigured(message) from error


def kept_key(path: Path) -> str:
    """One that only its owner can read, made at the first call. Processes that start at once get the same."""
    with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        if not (key := file.read()):
            key = secrets.token_urlsafe(50)
            file.write(key)
        return key


def _database() -> dict[str, Any]:
    url = env.str("DATABASE_URL", "") or f"sqlite:///{DATA_DIR / 'db.sqlite3'}"
    database: dict[str, Any] = dict(dj_database_url.parse(url))
    engine = database["ENGINE"].rsplit(".", 1)[-1]
    if engine == "sqlite3":
        database["OPTIONS"] = {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        }
    elif engine == "postgresql":
        # CONN_MAX_AGE leaks connections under ASGI; psycopg's pool does not.
        pool = {"min_size": 1, "max_size": integer("DATABASE_POOL", 10, 1, 1000), "timeout": 5}
        # Else a pool that has lost its server waits twice as long after each try, up to minutes.
        pool["reconnect_timeout"] = 2
        # What comes again is parsed and planned once a connection: a claim takes a fifth less time.
        database["OPTIONS"] = {"pool": pool, "server_side_binding": True, "prepare_threshold": 5}
        # A connection that a restart of the server broke is replaced, not handed to a request.
        database["CONN_HEALTH_CHECKS"] = True
    else:
        message = "DATABASE_URL must name sqlite or postgres"
        raise ImproperlyConfigured(message)
    return database


def _protect(database: dict[str, Any]) -> None:
    """Take from other accounts what an earlier release, or a careless copy, left open to them."""
    files = [*private_files.of_data_dir(DATA_DIR)]
    if database["ENGINE"].endswith("sqlite3"):
        files += private_files.of_sqlite(Path(database["NAME"]))
    try:
        for change in private_files.make_private(files):
            sys.stderr.write(f"OurVidz: {change}\n")
    except private_files.NotPrivate as error:
        raise ImproperlyConfigured(str(error)) from error


SECRET_KEY = _secret_key()
DEBUG = env.bool("DEBUG", False)
PORT = integer("PORT", 8000, 0, 65535)
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", ["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS: list[str] = env.list("CSRF_TRUSTED_ORIGINS", [])
DATABASES = {"default": _database()}
_protect(DATABASES["default"])
# A migration that copies tables looks first whether the copy fits on the disk.
SKIP_DISK_CHECK = env.bool("SKIP_DISK_CHECK", False)
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

REDIS_URL = env.str("REDIS_URL", "")
CHANNEL_LAYERS: dict[str, dict[str, Any]] = {
    "default": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": [{"address": REDIS_URL, "socket_timeout": 5, "socket_connect_timeout": 2}]},
    }
    if REDIS_URL
    else {"BACKEND": "channels.layers.InMemoryChannelLayer"}
}

# Threads that render for the pages' sockets; each takes a database connection while it does.
_pool_size = DATABASES["default"].get("OPTIONS", {}).get("pool", {}).get("max_size")  # none on SQLite
LIVE_THREADS = integer("LIVE_THREADS", min(4, max(1, _pool_size - 1)) if _pool_size else 4, 1, 64)
if _pool_size and "LIVE_THREADS" in os.environ and _pool_size <= LIVE_THREADS:
    message = (
        f"LIVE_THREADS is less than DATABASE_POOL ({_pool_size}): else open pages may hold every connection"
    )
    raise ImproperlyConfigured(message)
# Open pages that one web process serves; one whose browser does not read keeps some 500 KiB.
MAX_SOCKETS_PER_USER = integer("MAX_SOCKETS_PER_USER", 128, 1, 100_000)
MAX_SOCKETS = integer("MAX_SOCKETS", 1024, 1, 100_000)

# Requests that one web process works on at once, and of them one user's. With the live threads they have no
# more than the pool's connections. Python runs one thread at a time: a third request of one user brings that
# user nothing and holds up the others.
MAX_REQUESTS = integer("MAX_REQUESTS", max(2, _pool_size - LIVE_THREADS) if _pool_size else 16, 1, 1000)
MAX_REQUESTS_PER_USER = integer("MAX_REQUESTS_PER_USER", min(2, MAX_REQUESTS), 1, MAX_REQUESTS)
REQUESTS_PER_SECOND = decimal("REQUESTS_PER_SECOND", 20, 0.001, 100_000)
REQUEST_BURST = integer("REQUEST_BURST", 200, 1, 1_000_000)
PAGE_BYTES = integer("PAGE_BYTES", MIB, 64 * 1024, 64 * MIB)

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
SESSION_DAYS = integer("SESSION_DAYS", 90, 1, 3650)
SESSION_IDLE_DAYS = integer("SESSION_IDLE_DAYS", min(14, SESSION_DAYS), 1, SESSION_DAYS)
SESSION_COOKIE_AGE = SESSION_IDLE_DAYS * 86_400
SIGN_IN_LINK_MINUTES = integer("SIGN_IN_LINK_MINUTES", 60, 1, 10_080)

LANGUAGE_CODE = "en"
TIME_ZONE = env.str("TIME_ZONE", "UTC")
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

HTTPS = env.bool("HTTPS", False)
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
MAX_BODY_BYTES = integer("MAX_BODY_BYTES", MIB, 64 * 1024, 16 * MIB)
DATA_UPLOAD_MAX_MEMORY_SIZE = MAX_BODY_BYTES
MAX_UPLOAD_BYTES = integer("MAX_UPLOAD_BYTES", 100 * MIB, 1)
# Workers read no more of a reference image.
MAX_REFERENCE_BYTES = integer("MAX_REFERENCE_BYTES", 20 * MIB, 1, 64 * MIB)
# Uploads on their way, on the disk of a web process: of one caller, and in all. With less none would come.
_largest_upload = max(MIB, MAX_UPLOAD_BYTES, MAX_REFERENCE_BYTES)
UPLOAD_BYTES_PER_CALLER = integer("UPLOAD_BYTES_PER_CALLER", max(256 * MIB, _largest_upload), _largest_upload)
UPLOAD_BYTES_IN_FLIGHT = integer(
    "UPLOAD_BYTES_IN_FLIGHT", max(GIB, 4 * UPLOAD_BYTES_PER_CALLER), UPLOAD_BYTES_PER_CALLER
)
# Bodies on their way lie here, on the disk that has room for media: /tmp is often memory.
BODY_DIR = DATA_DIR / "tmp"
REFERENCE_QUOTA_BYTES = integer("REFERENCE_QUOTA_BYTES", 2 * GIB, 0)

# Connections, counted by ourvidz.server.
MAX_CONNECTIONS = integer("MAX_CONNECTIONS", 4096, 1, 65536)
MAX_CONNECTIONS_PER_ADDRESS = integer("MAX_CONNECTIONS_PER_ADDRESS", 512, 1, 65536)
REQUEST_HEADER_SECONDS = integer("REQUEST_HEADER_SECONDS", 20, 1, 3600)
REQUEST_BODY_SECONDS = integer("REQUEST_BODY_SECONDS", 60, 1, 3600)
RESPONSE_STALL_SECONDS = integer("RESPONSE_STALL_SECONDS", 60, 1, 3600)

# Untrusted media is decoded in processes of their own: how many, and what one file may take.
DECODERS = integer("DECODERS", 2, 1, 32)
DECODE_MEMORY_BYTES = integer("DECODE_MEMORY_BYTES", 384 * MIB, 64 * MIB, 16 * GIB)
DECODE_SECONDS = integer("DECODE_SECONDS", 30, 1, 600)

LEASE_SECONDS = integer("LEASE_SECONDS", 60, 1, 86_400)
HEARTBEAT_SECONDS = integer("HEARTBEAT_SECONDS", 15, 1, 86_400)
MAX_ATTEMPTS = integer("MAX_ATTEMPTS", 3, 1, 100)
RETRY_BACKOFF_SECONDS = integer("RETRY_BACKOFF_SECONDS", 5, 0, 86_400)
MAX_ACTIVE_JOBS = integer("MAX_ACTIVE_JOBS", 200, 0, 1_000_000)
STORAGE_QUOTA_BYTES = integer("STORAGE_QUOTA_BYTES", 0, 0)
SIGN_IN_ATTEMPTS = integer("SIGN_IN_ATTEMPTS", 10, 1, 1_000_000)
TOKEN_DAYS = integer("TOKEN_DAYS", 365, 1, 3650)

# How long things are kept.
TRASH_DAYS = integer("TRASH_DAYS", 30, 0, 36_500)
REFERENCE_DAYS = integer("REFERENCE_DAYS", 30, 1, 36_500)
OUTBOX_DAYS = integer("OUTBOX_DAYS", 30, 1, 3650)
UNSUCCESSFUL_JOB_DAYS = integer("UNSUCCESSFUL_JOB_DAYS", 30, 1, 3650)
UNSUCCESSFUL_JOBS = integer("UNSUCCESSFUL_JOBS", 1000, 1, 1_000_000)

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

LOGGING = logging_settings(as_json=env.bool("LOG_JSON", True), level=env.str("LOG_LEVEL", "INFO"))
