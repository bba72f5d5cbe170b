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
import structlog
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured
from environs import Env

from ourvidz import private_files
from ourvidz.logs import RefusalLimit, RepeatLimit, without_links

env = Env()
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
        pool = {"min_size": 1, "max_size": env.int("DATABASE_POOL", 10), "timeout": 5}
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
PORT = env.int("PORT", 8000)
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
pool_size = DATABASES["default"].get("OPTIONS", {}).get("pool", {}).get("max_size")  # none on SQLite
LIVE_THREADS = env.int("LIVE_THREADS", min(4, max(1, pool_size - 1)) if pool_size else 4)
if not 0 < LIVE_THREADS <= 64:
    message = "LIVE_THREADS is from 1 to 64"
    raise ImproperlyConfigured(message)
if pool_size and "LIVE_THREADS" in os.environ and pool_size <= LIVE_THREADS:
    message = (
        f"LIVE_THREADS is less than DATABASE_POOL ({pool_size}): else open pages may hold every connection"
    )
    raise ImproperlyConfigured(message)
# Open pages that one web process serves; one whose browser does not read keeps some 500 KiB.
MAX_SOCKETS_PER_USER = env.int("MAX_SOCKETS_PER_USER", 128)
MAX_SOCKETS = env.int("MAX_SOCKETS", 1024)
if not (0 < MAX_SOCKETS_PER_USER <= 100_000 and 0 < MAX_SOCKETS <= 100_000):
    message = "MAX_SOCKETS_PER_USER and MAX_SOCKETS are from 1 to 100000"
    raise ImproperlyConfigured(message)

# Requests that one web process works on at once, and of them one user's. With the live threads they have no
# more than the pool's connections.
_pool: dict[str, Any] | None = DATABASES["default"]["OPTIONS"].get("pool")
MAX_REQUESTS = env.int("MAX_REQUESTS", max(2, _pool["max_size"] - LIVE_THREADS) if _pool else 16)
if not 0 < MAX_REQUESTS <= 1000:
    message = "MAX_REQUESTS is from 1 to 1000"
    raise ImproperlyConfigured(message)
MAX_REQUESTS_PER_USER = env.int("MAX_REQUESTS_PER_USER", max(1, min(4, MAX_REQUESTS // 2)))
if not 0 < MAX_REQUESTS_PER_USER <= MAX_REQUESTS:
    message = f"MAX_REQUESTS_PER_USER is from 1 to {MAX_REQUESTS}, which is MAX_REQUESTS"
    raise ImproperlyConfigured(message)
REQUESTS_PER_SECOND = env.float("REQUESTS_PER_SECOND", 20)
if not 0 < REQUESTS_PER_SECOND <= 100_000:
    message = "REQUESTS_PER_SECOND is above 0 and at most 100000"
    raise ImproperlyConfigured(message)
REQUEST_BURST = env.int("REQUEST_BURST", 200)
if not 0 < REQUEST_BURST <= 1_000_000:
    message = "REQUEST_BURST is from 1 to 1000000"
    raise ImproperlyConfigured(message)

PAGE_BYTES = env.int("PAGE_BYTES", 1024 * 1024)
if not 65_536 <= PAGE_BYTES <= 64 * 1024 * 1024:
    message = "PAGE_BYTES is from 65536 to 67108864"
    raise ImproperlyConfigured(message)

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
SESSION_IDLE_DAYS = env.int("SESSION_IDLE_DAYS", 14)
SESSION_DAYS = env.int("SESSION_DAYS", 90)
if not 1 <= SESSION_IDLE_DAYS <= SESSION_DAYS <= 3650:
    message = "SESSION_IDLE_DAYS is from 1 to SESSION_DAYS, which is at most 3650"
    raise ImproperlyConfigured(message)
SESSION_COOKIE_AGE = SESSION_IDLE_DAYS * 86_400
SIGN_IN_LINK_MINUTES = env.int("SIGN_IN_LINK_MINUTES", 60)
if not 1 <= SIGN_IN_LINK_MINUTES <= 10_080:
    message = "SIGN_IN_LINK_MINUTES is from 1 to 10080"
    raise ImproperlyConfigured(message)

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

# Bodies. Media arrives as raw PUT bodies and has its own cap.
MAX_BODY_BYTES = env.int("MAX_BODY_BYTES", 1024 * 1024)
if not 64 * 1024 <= MAX_BODY_BYTES <= 16 * 1024 * 1024:
    message = "MAX_BODY_BYTES is from 65536 to 16777216: previews are as large, and it is kept in memory"
    raise ImproperlyConfigured(message)
DATA_UPLOAD_MAX_MEMORY_SIZE = MAX_BODY_BYTES
MAX_UPLOAD_BYTES = env.int("MAX_UPLOAD_BYTES", 100 * 1024 * 1024)
MAX_REFERENCE_BYTES = env.int("MAX_REFERENCE_BYTES", 20 * 1024 * 1024)
if not 0 < MAX_REFERENCE_BYTES <= 64 * 1024 * 1024:
    message = "MAX_REFERENCE_BYTES is from 1 to 67108864: workers read no more of a reference image"
    raise ImproperlyConfigured(message)
# Uploads on their way, on the disk of a web process: of one caller, and in all.
UPLOAD_BYTES_PER_CALLER = env.int(
    "UPLOAD_BYTES_PER_CALLER", max(256 * 1024**2, MAX_UPLOAD_BYTES, MAX_REFERENCE_BYTES)
)
UPLOAD_BYTES_IN_FLIGHT = env.int("UPLOAD_BYTES_IN_FLIGHT", max(1024**3, 4 * UPLOAD_BYTES_PER_CALLER))
if max(1024**2, MAX_UPLOAD_BYTES, MAX_REFERENCE_BYTES) > UPLOAD_BYTES_PER_CALLER:
    message = "UPLOAD_BYTES_PER_CALLER is at least MAX_UPLOAD_BYTES and MAX_REFERENCE_BYTES: else none comes"
    raise ImproperlyConfigured(message)
if UPLOAD_BYTES_IN_FLIGHT < UPLOAD_BYTES_PER_CALLER:
    message = "UPLOAD_BYTES_IN_FLIGHT is at least UPLOAD_BYTES_PER_CALLER"
    raise ImproperlyConfigured(message)
# Bodies on their way lie here, on the disk that has room for media: /tmp is often memory.
BODY_DIR = DATA_DIR / "tmp"
REFERENCE_QUOTA_BYTES = env.int("REFERENCE_QUOTA_BYTES", 2 * 1024**3)

# Connections, counted by ourvidz.server.
MAX_CONNECTIONS = env.int("MAX_CONNECTIONS", 4096)
MAX_CONNECTIONS_PER_ADDRESS = env.int("MAX_CONNECTIONS_PER_ADDRESS", 512)
if not all(0 < each <= 65536 for each in (MAX_CONNECTIONS, MAX_CONNECTIONS_PER_ADDRESS)):
    message = "MAX_CONNECTIONS and MAX_CONNECTIONS_PER_ADDRESS are from 1 to 65536"
    raise ImproperlyConfigured(message)
REQUEST_HEADER_SECONDS = env.int("REQUEST_HEADER_SECONDS", 20)
REQUEST_BODY_SECONDS = env.int("REQUEST_BODY_SECONDS", 60)
RESPONSE_STALL_SECONDS = env.int("RESPONSE_STALL_SECONDS", 60)
_deadlines = (REQUEST_HEADER_SECONDS, REQUEST_BODY_SECONDS, RESPONSE_STALL_SECONDS)
if not all(0 < seconds <= 3600 for seconds in _deadlines):
    message = "REQUEST_HEADER_SECONDS, REQUEST_BODY_SECONDS and RESPONSE_STALL_SECONDS are from 1 to 3600"
    raise ImproperlyConfigured(message)

# Untrusted media is decoded in processes of their own: how many, and what one file may take.
DECODERS = env.int("DECODERS", 2)
DECODE_MEMORY_BYTES = env.int("DECODE_MEMORY_BYTES", 384 * 1024 * 1024)
DECODE_SECONDS = env.int("DECODE_SECONDS", 30)
if not 1 <= DECODERS <= 32:
    message = "DECODERS is from 1 to 32"
    raise ImproperlyConfigured(message)
if not 64 * 1024 * 1024 <= DECODE_MEMORY_BYTES <= 16 * 1024**3:
    message = "DECODE_MEMORY_BYTES is from 67108864 to 17179869184"
    raise ImproperlyConfigured(message)
if not 1 <= DECODE_SECONDS <= 600:
    message = "DECODE_SECONDS is from 1 to 600"
    raise ImproperlyConfigured(message)

LEASE_SECONDS = env.int("LEASE_SECONDS", 60)
HEARTBEAT_SECONDS = env.int("HEARTBEAT_SECONDS", 15)
MAX_ATTEMPTS = env.int("MAX_ATTEMPTS", 3)
RETRY_BACKOFF_SECONDS = env.int("RETRY_BACKOFF_SECONDS", 5)
TRASH_DAYS = env.int("TRASH_DAYS", 30)
SIGN_IN_ATTEMPTS = env.int("SIGN_IN_ATTEMPTS", 10)
TOKEN_DAYS = env.int("TOKEN_DAYS", 365)
if not 1 <= TOKEN_DAYS <= 3650:
    message = "TOKEN_DAYS is 1 to 3650 days"
    raise ImproperlyConfigured(message)
REFERENCE_DAYS = env.int("REFERENCE_DAYS", 30)
OUTBOX_DAYS = env.int("OUTBOX_DAYS", 30)
if not 1 <= OUTBOX_DAYS <= 3650:
    message = "OUTBOX_DAYS is 1 to 3650 days"
    raise ImproperlyConfigured(message)
MAX_ACTIVE_JOBS = env.int("MAX_ACTIVE_JOBS", 200)
UNSUCCESSFUL_JOB_DAYS = env.int("UNSUCCESSFUL_JOB_DAYS", 30)
if not 1 <= UNSUCCESSFUL_JOB_DAYS <= 3650:
    message = "UNSUCCESSFUL_JOB_DAYS is 1 to 3650 days"
    raise ImproperlyConfigured(message)
UNSUCCESSFUL_JOBS = env.int("UNSUCCESSFUL_JOBS", 1000)
if not 1 <= UNSUCCESSFUL_JOBS <= 1_000_000:
    message = "UNSUCCESSFUL_JOBS is 1 to 1000000 jobs"
    raise ImproperlyConfigured(message)
STORAGE_QUOTA_BYTES = env.int("STORAGE_QUOTA_BYTES", 0)
if STORAGE_QUOTA_BYTES < 0:
    message = "STORAGE_QUOTA_BYTES is a number of bytes, 0 for no limit"
    raise ImproperlyConfigured(message)

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

LOG_JSON = env.bool("LOG_JSON", True)
structlog.configure(
    processors=[
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.format_exc_info,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
    ],
    logger_factory=structlog.stdlib.LoggerFactory(),
    cache_logger_on_first_use=True,
)
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "structured": {
            "()": structlog.stdlib.ProcessorFormatter,
            "processor": structlog.processors.JSONRenderer() if LOG_JSON else structlog.dev.ConsoleRenderer(),
            "foreign_pre_chain": [
                without_links,
                structlog.stdlib.add_log_level,
                structlog.processors.format_exc_info,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
            ],
        }
    },
    "filters": {"refusals": {"()": RefusalLimit}, "repeats": {"()": RepeatLimit}},
    "handlers": {
        "stderr": {
            "class": "logging.StreamHandler",
            "formatter": "structured",
            "filters": ["refusals", "repeats"],
        }
    },
    "root": {"handlers": ["stderr"], "level": env.str("LOG_LEVEL", "INFO")},
    "loggers": {
        "daphne": {"level": "WARNING"},
        # The web server logs requests itself; Django's own server logger would repeat them.
        "django.server": {"level": "ERROR"},
    },
}
