"""How far plain HTTP to a server goes: whoever is on the way reads the token, prompts and results.

And whether a server answers plain HTTP where https:// was said.
"""

from __future__ import annotations

import re
import socket
import ssl
from enum import Enum
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import SplitResult, urlsplit
from urllib.request import getproxies, proxy_bypass

PROBE_S = 2.0
STATUS_LINE = re.compile(rb"HTTP/1\.[01] (\d{3})")

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


def plain_port_problem(url: str) -> str:
    """Why https:// cannot work at this address, in a sentence; empty if it may.

    A server that takes the start of TLS for the start of a request waits for its end, and the client for an
    answer, until one of them gives up. A plain request, without a token, is answered at once.
    """
    parts = urlsplit(url)
    if parts.scheme != "https" or _is_proxied(parts.hostname or ""):
        return ""
    answer = STATUS_LINE.match(_plain_answer(parts))
    if answer is None:
        return ""
    # A TLS server, too, may say in plain HTTP that it wants TLS (400), or where to go (30x).
    if 300 <= int(answer[1]) <= 400 and _speaks_tls(parts):
        return ""
    return f"{url} answers plain HTTP: say http://, or name the port that answers https://"


def _is_proxied(host: str) -> bool:
    return bool({"https", "all"} & getproxies().keys()) and not proxy_bypass(host)


def _plain_answer(parts: SplitResult) -> bytes:
    request = f"GET {parts.path}/ HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: close\r\n\r\n"
    try:
        with _connection(parts) as connection:
            connection.sendall(request.encode())
            return connection.recv(64)
    except OSError:
        return b""


def _speaks_tls(parts: SplitResult) -> bool:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # only asked whether it is TLS
    try:
        with (
            _connection(parts) as connection,
            context.wrap_socket(connection, server_hostname=parts.hostname),
        ):
            return True
    except OSError:
        return False


def _connection(parts: SplitResult) -> socket.socket:
    return socket.create_connection((parts.hostname or "", parts.port or 443), PROBE_S)
