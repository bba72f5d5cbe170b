"""The address that limits count by."""

from __future__ import annotations

import pytest
from django.conf import LazySettings
from django.test import RequestFactory

from generation.core.client_address import address_of, address_of_scope


@pytest.mark.parametrize(
    ("https", "forwarded", "address"),
    [
        (False, "203.0.113.7", "192.0.2.1"),
        (True, "203.0.113.7", "203.0.113.7"),
        (True, "198.51.100.1, 203.0.113.7", "203.0.113.7"),
        (True, "", "192.0.2.1"),
        (True, "2001:db8:1:2::7", "2001:db8:1:2::"),
        (True, "2001:db8:1:2:ffff::8", "2001:db8:1:2::"),
        (True, "::ffff:203.0.113.7", "203.0.113.7"),
        (True, "unknown", "unknown"),
    ],
)
def test_the_address_is_what_the_proxy_says_where_there_is_one(
    settings: LazySettings, https: bool, forwarded: str, address: str
) -> None:
    """What the caller wrote before the proxy added its own is not believed; an IPv6 network is one caller."""
    settings.HTTPS = https
    request = RequestFactory().get("/", REMOTE_ADDR="192.0.2.1", HTTP_X_FORWARDED_FOR=forwarded)
    headers = [(b"host", b"x"), (b"x-forwarded-for", forwarded.encode())]
    assert address_of(request) == address
    assert address_of_scope({"client": ("192.0.2.1", 5000), "headers": headers}) == address


def test_a_connection_without_an_address_has_none() -> None:
    assert address_of_scope({"client": None, "headers": []}) == ""
