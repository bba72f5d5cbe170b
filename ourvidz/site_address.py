"""Where people open the site, as far as the settings say it. Only the standard library, for script/server."""

from __future__ import annotations

from collections.abc import Sequence

LOOPBACK = {"localhost", "127.0.0.1", "[::1]"}


def site_address(hosts: Sequence[str], *, https: bool) -> str:
    """`https://studio.example` by HTTPS and the first of ALLOWED_HOSTS that is one name; else empty."""
    names = [host for host in hosts if host not in LOOPBACK and not host.startswith((".", "*"))]
    return f"https://{names[0]}" if https and names else ""
