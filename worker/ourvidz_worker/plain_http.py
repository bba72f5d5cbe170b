"""How far plain HTTP to a server goes: whoever is on the way reads the token, prompts and results."""

from __future__ import annotations

import socket
from enum import Enum
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import urlsplit

# Names that no public DNS has: of one network, or of containers beside each other.
LOCAL_SUFFIXES = (".local", ".lan", ".home", ".internal", ".home.arpa")


class Reach(Enum):
    ENCRYPTED = "encrypted"
    THIS_MACHINE = "this machine"
    PRIVATE = "a private network"
    PUBLIC = "other people's networks"


def reach_of(url: str) -> Reach:
    """Of HTTP to this server. A name is as public as the most public address that it resolves to now.

    A name that does not resolve (yet) is judged by its form.
    """
    parts = urlsplit(url)
    host = (parts.hostname or "").rstrip(".")
    if parts.scheme == "https":
        return Reach.ENCRYPTED
    if host == "localhost" or host.endswith(".localhost"):
        return Reach.THIS_MACHINE
    try:
        addresses = {str(found[4][0]).partition("%")[0] for found in socket.getaddrinfo(host, None)}
    except (OSError, UnicodeError):
        is_local = "." not in host or host.endswith(LOCAL_SUFFIXES)
        return Reach.PRIVATE if is_local else Reach.PUBLIC
    reaches = {_reach_of_address(ip_address(address)) for address in addresses}
    return next(each for each in (Reach.PUBLIC, Reach.PRIVATE, Reach.THIS_MACHINE) if each in reaches)


def _reach_of_address(address: IPv4Address | IPv6Address) -> Reach:
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    if address.is_loopback:
        return Reach.THIS_MACHINE
    # Also what carriers and VPNs such as Tailscale share, 100.64.0.0/10.
    return Reach.PUBLIC if address.is_global else Reach.PRIVATE
