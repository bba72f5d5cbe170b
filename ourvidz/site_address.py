"""Where people open the site, as far as the settings say it. Only the standard library, for script/server."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address


def site_address(hosts: Sequence[str], *, https: bool) -> str:
    """`https://studio.example` by HTTPS and the first of ALLOWED_HOSTS that is one name; else empty."""
    names = [host for host in hosts if host != "localhost" and host[0].isalnum() and not _is_address(host)]
    return f"https://{names[0]}" if https and names else ""


def _is_address(host: str) -> bool:
    """Certificates are for names."""
    try:
        IPv4Address(host)
    except ValueError:
        return False
    return True
