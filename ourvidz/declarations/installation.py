"""Settings of where it runs, what it keeps where, and of the site."""

from __future__ import annotations

from pathlib import Path

from ourvidz.declarations.checks import (
    is_address,
    is_allowed_host,
    is_database_url,
    is_origin,
    is_redis_url,
    is_time_zone,
)
from ourvidz.declarations.units import TIB
from ourvidz.environment import Boolean, Checked, CheckedList, Derived, Integer, Setting, Values

BASE_DIR = Path(__file__).resolve().parents[2]
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


def own_hosts(values: Values) -> list[str]:
    """The names of this machine's loopback, and the address that HOST names."""
    host = str(values["HOST"])
    own = f"[{host}]" if ":" in host else host
    names = ["localhost", "127.0.0.1", "[::1]"]
    return names if own in {*names, "0.0.0.0", "[::]"} else [*names, own]  # noqa: S104


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
        "name may hold any character. For the account that runs OurVidz alone: see "
        "[rights on disk](operations.md#rights-on-disk)",
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
