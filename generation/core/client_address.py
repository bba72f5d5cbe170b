"""The address that a request or a socket comes from."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING, Any

from django.conf import settings

from generation.core.limits import ADDRESS_LENGTH

if TYPE_CHECKING:
    from django.http import HttpRequest
    from rest_framework.request import Request


def address_of(request: HttpRequest | Request) -> str:
    """The caller's address: from the proxy's header if HTTPS is set, else of the connection itself."""
    return _address(request.headers.get("X-Forwarded-For", ""), request.META.get("REMOTE_ADDR", ""))


def address_of_scope(scope: Any) -> str:
    """The same of an ASGI scope, of HTTP or of a socket."""
    forwarded = [value.decode("latin1") for name, value in scope["headers"] if name == b"x-forwarded-for"]
    client = scope.get("client") or ("",)
    return _address(",".join(forwarded), client[0] or "")


def _address(forwarded: str, connected: str) -> str:
    address = (forwarded.rpartition(",")[2].strip() if settings.HTTPS else "") or connected
    try:
        return network_of(ip_address(address))
    except ValueError:
        return str(address)[:ADDRESS_LENGTH]


def network_of(address: IPv4Address | IPv6Address) -> str:
    """What counts as one address: of IPv6 the first 64 bits, for a caller usually has all the others."""
    if isinstance(address, IPv4Address):
        return str(address)
    return str(address.ipv4_mapped or IPv6Address(int(address) >> 64 << 64))
