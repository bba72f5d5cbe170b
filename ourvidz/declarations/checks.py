"""What a text must be to stand for an address, a URL or a zone."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

POSTGRES_SCHEMES = ("postgres", "postgresql", "pgsql")
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
