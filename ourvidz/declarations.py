"""Every setting: its name, kind, default, range and meaning. docs/operations.md has its tables from here."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from ourvidz.environment import (
    Boolean,
    Checked,
    CheckedList,
    Decimal,
    Derived,
    Integer,
    Setting,
    Values,
    read,
)

BASE_DIR = Path(__file__).resolve().parent.parent
MIB = 1024**2
GIB = 1024**3
TIB = 1024**4
EIB = 1024**6  # sums of several fit into the databases' integers
POSTGRES_SCHEMES = ("postgres", "postgresql", "pgsql")
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
HOST_NAME = re.compile(r"(?!-)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*\.?", re.IGNORECASE)


def is_address(text: str) -> bool:
    """Whether it is a name or an IP address, as one listens on it: without scheme, port and brackets."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return bool(HOST_NAME.fullmatch(text)) and not re.fullmatch(r"[0-9.]+", text)
    return True


def is_allowed_host(text: str) -> bool:
    """Whether it is an item of ALLOWED_HOSTS: as it stands in `Host`, without a port."""
    if text.startswith("[") and text.endswith("]"):
        return ":" in text and is_address(text[1:-1])
    return text == "*" or (":" not in text and is_address(text.removeprefix(".")))


def is_origin(text: str) -> bool:
    try:
        parts = urlsplit(text.replace("://*.", "://any."))
        has_host = bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    rest = parts.path or parts.query or parts.fragment or parts.username
    return has_host and parts.scheme in ("http", "https") and not rest


def is_database_url(text: str) -> bool:
    """Whether it names a database of ours; what a URL would lose of an unquoted path is no such name."""
    try:
        parts = urlsplit(text)
        parts.port  # noqa: B018 - raises ValueError where it is no number
    except ValueError:
        return text == "sqlite://:memory:"
    if parts.fragment:
        return False
    if parts.scheme == "sqlite":
        return not parts.netloc and not parts.query and len(parts.path) > 1
    return parts.scheme in POSTGRES_SCHEMES


def is_redis_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        parts.port  # noqa: B018 - raises ValueError where it is no number
    except ValueError:
        return False
    if parts.scheme == "unix":
        return bool(parts.path) and not parts.fragment
    return parts.scheme in ("redis", "rediss") and bool(parts.hostname) and not parts.fragment


def is_time_zone(text: str) -> bool:
    try:
        ZoneInfo(text)
    except (ValueError, KeyError, OSError):  # no such name, or a folder of the time zones
        return False
    return True


def pool_size(values: Values) -> int | None:
    """The most connections that a web process keeps to PostgreSQL; None on SQLite."""
    is_postgres = str(values["DATABASE_URL"]).startswith(tuple(f"{name}:" for name in POSTGRES_SCHEMES))
    return int(values["DATABASE_POOL"]) if is_postgres else None


def live_threads(values: Values) -> int:
    pool = pool_size(values)
    return min(4, max(1, pool - 1)) if pool else 4


def most_live_threads(values: Values) -> int:
    """Fewer than the connections: else open pages may hold every one of them."""
    pool = pool_size(values)
    return min(64, max(1, pool - 1)) if pool else 64


def max_requests(values: Values) -> int:
    """With the live threads no more than the pool's connections."""
    pool = pool_size(values)
    return max(2, pool - int(values["LIVE_THREADS"])) if pool else 16


def largest_upload(values: Values) -> int:
    return max(MIB, int(values["MAX_UPLOAD_BYTES"]), int(values["MAX_REFERENCE_BYTES"]))


def own_hosts(values: Values) -> list[str]:
    """The names of this machine's loopback, and the address that HOST names."""
    host = str(values["HOST"])
    own = f"[{host}]" if ":" in host else host
    names = ["localhost", "127.0.0.1", "[::1]"]
    return names if own in {*names, "0.0.0.0", "[::]"} else [*names, own]  # noqa: S104


def same(name: str) -> Derived:
    return Derived(f"`{name}`", lambda values: values[name])


PLACE = (
    Integer(
        name="PORT",
        default=8000,
        low=0,
        high=65535,
        means="the port on which `script/server` and `manage.py serve` listen; 0 for any that is free",
    ),
    Checked(
        name="HOST",
        default="127.0.0.1",
        is_valid=is_address,
        allowed="a host name or an IP address, without scheme and port",
        means="the address on which they listen",
    ),
    Setting(
        name="DATA_DIR",
        default=Derived("`data`", lambda _: str(BASE_DIR / "data")),
        means="the folder of database, media, logs, secret key, and what the bundled workers deliver; its "
        "name may hold any character. For the account that runs OurVidz alone: see *Rights on disk*",
    ),
    Integer(
        name="WORKERS",
        default=1,
        low=0,
        high=64,
        means="bundled workers that `script/server` runs; 0 for none",
    ),
    Setting(name="VENV", default=".venv", means="where the scripts keep the Python environment"),
    Setting(
        name="PYTHON",
        default=Derived("the first `python3` from 3.11 on", lambda _: ""),
        means="what they make it with",
    ),
    Checked(
        name="DATABASE_URL",
        default=Derived("SQLite in `DATA_DIR`", lambda _: ""),
        is_valid=is_database_url,
        allowed="`postgres://user:password@host/name` or `sqlite:////folder/file`, where #, ? and % in a "
        "name or password are written as %23, %3F and %25",
        is_secret=True,
        means="the database; what follows a `?` goes to PostgreSQL's client, as `?sslmode=require`",
    ),
    Integer(
        name="DATABASE_POOL",
        default=10,
        low=1,
        high=1000,
        means="connections that one web process keeps to PostgreSQL at most",
    ),
    Boolean(
        name="SKIP_DISK_CHECK",
        default=False,
        means="lets a migration that copies tables go on although it finds too little free disk",
    ),
    Checked(
        name="REDIS_URL",
        default="",
        is_valid=is_redis_url,
        allowed="`redis://host:6379/0`, `rediss://…` or `unix:///folder/socket`, in which # is written as "
        "%23",
        is_secret=True,
        means="Redis for the channel layer; needed with more than one web process",
    ),
    Checked(
        name="LOG_LEVEL",
        default="INFO",
        is_valid=LOG_LEVELS.__contains__,
        allowed=f"one of {', '.join(LOG_LEVELS)}",
        means="the least severe lines that are logged, to stderr",
    ),
    Boolean(name="LOG_JSON", default=True, means="one JSON object a line; else text for people"),
    Integer(
        name="LOG_FILE_BYTES",
        default=10_000_000,
        low=10_000,
        high=TIB,
        means="`script/server` keeps the logs in `DATA_DIR/logs`: the size at which a file is rotated",
    ),
    Integer(
        name="LOG_FILES",
        default=5,
        low=0,
        high=100,
        means="how many older ones (`web.log.1` …) are kept",
    ),
)
SITE = (
    Setting(
        name="SECRET_KEY",
        default=Derived("kept in `DATA_DIR/secret_key`", lambda _: ""),
        is_secret=True,
        means="signs sessions and links",
    ),
    CheckedList(
        name="ALLOWED_HOSTS",
        default=Derived("localhost, 127.0.0.1, [::1], and `HOST`", own_hosts),
        is_valid=is_allowed_host,
        allowed="host names without scheme and port",
        means="what the site is called in `Host`; `.studio.example` is for all names that end so",
    ),
    CheckedList(
        name="CSRF_TRUSTED_ORIGINS",
        default=(),
        is_valid=is_origin,
        allowed="origins such as `https://studio.example`",
        means="for a proxy that does not pass `Host` on with its port. They may send forms and open sockets",
    ),
    Boolean(
        name="HTTPS",
        default=False,
        means="behind a proxy that speaks HTTPS: secure cookies, HSTS, redirects",
    ),
    Checked(
        name="URL_PREFIX",
        default="/",
        is_valid="/".__eq__,
        allowed="`/`, as OurVidz is served at the root of a host name, not under a path of one",
        means="where it is served: a name of its own keeps other applications' pages away from its cookies",
    ),
    Boolean(name="DEBUG", default=False, means="Django's debug pages; never in production"),
    Checked(
        name="TIME_ZONE",
        default="UTC",
        is_valid=is_time_zone,
        allowed="the name of a time zone such as Europe/Berlin",
        means="of the admin; the pages show times in the reader's own zone",
    ),
)
JOBS = (
    Integer(
        name="LEASE_SECONDS",
        default=60,
        low=2,
        high=86_400,
        means="how long a lease lasts without a heartbeat",
    ),
    Integer(
        name="HEARTBEAT_SECONDS",
        default=Derived(
            "15, at most a quarter of `LEASE_SECONDS`",
            lambda values: max(1, min(15, values["LEASE_SECONDS"] // 4)),
        ),
        low=1,
        high=Derived("half of `LEASE_SECONDS`", lambda values: values["LEASE_SECONDS"] // 2),
        means="how often one is sent",
    ),
    Integer(
        name="MAX_ATTEMPTS",
        default=3,
        low=1,
        high=100,
        means="leases of one job before its open slots fail",
    ),
    Integer(
        name="RETRY_BACKOFF_SECONDS",
        default=5,
        low=0,
        high=86_400,
        means="wait before the second attempt; doubles, at most five minutes",
    ),
)
OF_ONE_USER = (
    Integer(
        name="MAX_ACTIVE_JOBS",
        default=200,
        low=0,
        high=1_000_000,
        means="jobs one user may have waiting and running; a user quota in the admin overrides it",
    ),
    Integer(
        name="STORAGE_QUOTA_BYTES",
        default=0,
        low=0,
        high=EIB,
        means="bytes of results that one user may store, the trash included; 0: no limit. At the limit new "
        "jobs are refused (`storage_full`), what runs is still taken. A user quota in the admin overrides it",
    ),
    Integer(
        name="REFERENCE_QUOTA_BYTES",
        default=2 * GIB,
        low=0,
        high=EIB,
        means="reference images that one user may keep, in all; each counts at least 64 KiB",
    ),
)
KEPT = (
    Integer(name="TRASH_DAYS", default=30, low=0, high=36_500, means="how long discarded assets are kept"),
    Integer(
        name="REFERENCE_DAYS",
        default=30,
        low=1,
        high=36_500,
        means="how long a reference image is kept after its last use; one that a waiting or running job "
        "needs stays, and a job that ended without its pictures cannot be retried",
    ),
    Integer(
        name="OUTBOX_DAYS",
        default=30,
        low=1,
        high=3650,
        means="how long the outbox keeps what happened (jobs that ended), for readers who come later",
    ),
    Integer(
        name="UNSUCCESSFUL_JOB_DAYS",
        default=30,
        low=1,
        high=3650,
        means="how long a job that ended without any result is kept",
    ),
    Integer(
        name="UNSUCCESSFUL_JOBS",
        default=1000,
        low=1,
        high=1_000_000,
        means="how many of them one user has at most: the oldest go first",
    ),
)
SIGNING_IN = (
    Integer(
        name="SIGN_IN_ATTEMPTS",
        default=10,
        low=1,
        high=1_000_000,
        means="attempts to sign in with one name from one address in ten minutes, own passwords asked for "
        "again included; ten times as many from one address in all. Behind a proxy (`HTTPS`) the address is "
        "the last one in `X-Forwarded-For`",
    ),
    Integer(
        name="SIGN_IN_LINK_MINUTES",
        default=60,
        low=1,
        high=10_080,
        means="how long a one-time sign-in link works",
    ),
    Integer(
        name="SESSION_DAYS",
        default=90,
        low=1,
        high=3650,
        means="a browser is signed out so many days after its sign-in",
    ),
    Integer(
        name="SESSION_IDLE_DAYS",
        default=Derived("14, at most `SESSION_DAYS`", lambda values: min(14, values["SESSION_DAYS"])),
        low=1,
        high=same("SESSION_DAYS"),
        means="and so many after its last use",
    ),
    Integer(
        name="TOKEN_DAYS",
        default=365,
        low=1,
        high=3650,
        means="how long a personal token lives at most, and where nothing is chosen",
    ),
)
REQUESTS = (
    Integer(
        name="LIVE_THREADS",
        default=Derived("4; with PostgreSQL fewer than `DATABASE_POOL`", live_threads),
        low=1,
        high=Derived("64; with PostgreSQL one less than `DATABASE_POOL`", most_live_threads),
        means="threads of a web process that render for open pages; each holds a connection meanwhile",
    ),
    Integer(
        name="MAX_REQUESTS",
        default=Derived("16; with PostgreSQL `DATABASE_POOL` less `LIVE_THREADS`, at least 2", max_requests),
        low=1,
        high=1000,
        means="requests that one web process works on at once; others wait, callers in turn, for up to "
        "twenty seconds and get 503 then. Uploads that have arrived, which wait for a decoder, are counted "
        "by themselves, as many again",
    ),
    Integer(
        name="MAX_REQUESTS_PER_USER",
        default=Derived("2, at most `MAX_REQUESTS`", lambda values: min(2, values["MAX_REQUESTS"])),
        low=1,
        high=same("MAX_REQUESTS"),
        means="requests of one user, of one worker, and of one address that is not signed in, that one web "
        "process works on at once; others wait for up to twenty seconds and get 429 then",
    ),
    Decimal(
        name="REQUESTS_PER_SECOND",
        default=20,
        low=0.001,
        high=100_000,
        means="requests of one user, and of one address that is not signed in, in the long run; over that "
        "429 with `Retry-After`. Opening a socket counts as one. `/healthz` is counted by itself. Media "
        "files count a tenth, static files and workers nothing. Each web process counts for itself",
    ),
    Integer(name="REQUEST_BURST", default=200, low=1, high=1_000_000, means="the same, as many at once"),
    Integer(
        name="PAGE_BYTES",
        default=MIB,
        low=64 * 1024,
        high=64 * MIB,
        means="about how large a page of the API may be; it holds at least one record",
    ),
    Integer(
        name="MAX_SOCKETS_PER_USER",
        default=128,
        low=1,
        high=100_000,
        means="pages that one user may have open at each web process; a further one says so, shows changes "
        "when it is reloaded, and tries again by itself",
    ),
    Integer(
        name="MAX_SOCKETS",
        default=1024,
        low=1,
        high=100_000,
        means="pages that all users together may have open at each web process",
    ),
)
CONNECTIONS = (
    Integer(
        name="MAX_CONNECTIONS",
        default=4096,
        low=1,
        high=65536,
        means="connections and sockets of one web process; fewer where the limit on descriptors asks for it "
        "(half of it, less 128). One more is answered 503",
    ),
    Integer(
        name="MAX_CONNECTIONS_PER_ADDRESS",
        default=512,
        low=1,
        high=65536,
        means="of them from one address (IPv6: from one /64). With `HTTPS`, private addresses are taken for "
        "the proxy's and not counted: bound them there",
    ),
    Integer(
        name="REQUEST_HEADER_SECONDS",
        default=20,
        low=1,
        high=3600,
        means="how many seconds the header of a request may take as a whole",
    ),
    Integer(
        name="REQUEST_BODY_SECONDS",
        default=60,
        low=1,
        high=3600,
        means="how many seconds a body may be behind a rate of 16 KiB a second",
    ),
    Integer(
        name="RESPONSE_STALL_SECONDS",
        default=60,
        low=1,
        high=3600,
        means="how long a reader may take nothing of its answer; one that reads slowly is not cut",
    ),
    Integer(
        name="MAX_BODY_BYTES",
        default=MIB,
        low=64 * 1024,
        high=16 * MIB,
        means="largest body of a request that is no upload",
    ),
    Integer(
        name="MAX_UPLOAD_BYTES",
        default=100 * MIB,
        low=1,
        high=TIB,
        means="largest result that a worker may upload",
    ),
    Integer(
        name="MAX_REFERENCE_BYTES",
        default=20 * MIB,
        low=1,
        high=64 * MIB,
        means="largest reference image; workers read no more than 64 MiB",
    ),
    Integer(
        name="UPLOAD_BYTES_PER_CALLER",
        default=Derived(
            "268435456, at least the largest upload",
            lambda values: max(256 * MIB, largest_upload(values)),
        ),
        low=Derived("the largest upload", largest_upload),
        high=1024 * TIB,
        means="bytes of uploads that one worker or one user may have on their way to a web process. Over "
        "it: 429",
    ),
    Integer(
        name="UPLOAD_BYTES_IN_FLIGHT",
        default=Derived(
            "1073741824, at least four times `UPLOAD_BYTES_PER_CALLER`",
            lambda values: max(GIB, 4 * values["UPLOAD_BYTES_PER_CALLER"]),
        ),
        low=same("UPLOAD_BYTES_PER_CALLER"),
        high=EIB,
        means="the same of all callers together; they lie in `DATA_DIR/tmp` meanwhile. Over it: 503",
    ),
)
DECODING = (
    Integer(
        name="DECODERS",
        default=2,
        low=1,
        high=32,
        means="processes of a web process that decode what workers and users upload; each takes 40 MB when "
        "idle. One caller holds all but one of them at most, and callers take turns",
    ),
    Integer(
        name="DECODE_MEMORY_BYTES",
        default=384 * MIB,
        low=64 * MIB,
        high=16 * GIB,
        means="memory that decoding one file may take; a larger picture is refused with its size (at the "
        "default WebP from 20 MP, progressive JPEG from 40 MP)",
    ),
    Integer(
        name="DECODE_SECONDS",
        default=30,
        low=1,
        high=600,
        means="CPU seconds that decoding one file may take, twice as many by the clock",
    ),
)
# By their headings in docs/operations.md.
GROUPS: Mapping[str, tuple[Setting, ...]] = {
    "Where it runs, and what it keeps where": PLACE,
    "The site": SITE,
    "Jobs and their workers": JOBS,
    "What one user may have": OF_ONE_USER,
    "How long things are kept": KEPT,
    "Signing in": SIGNING_IN,
    "Bounds of a web process: requests and pages": REQUESTS,
    "Bounds of a web process: connections and bodies": CONNECTIONS,
    "Bounds of a web process: decoding": DECODING,
}
SETTINGS = tuple(setting for group in GROUPS.values() for setting in group)


@cache
def values_given() -> Values:
    """The values of all settings, from this process's environment. Raises InvalidSetting."""
    return read(SETTINGS, os.environ)
