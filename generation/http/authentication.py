"""Parsing bearer tokens, for both APIs."""

from __future__ import annotations

from rest_framework.exceptions import AuthenticationFailed

REALM = 'Bearer realm="OurVidz"'


def bearer_of(header: str) -> str | None:
    """The token in an Authorization header's value; None for another scheme.

    Raises:
        AuthenticationFailed: a bearer header without exactly one token in plain ASCII.
    """
    scheme, _, raw = header.partition(" ")
    if scheme.lower() != "bearer":
        return None
    raw = raw.strip()
    if not raw or not raw.isascii() or not raw.isprintable() or " " in raw:
        raise AuthenticationFailed("Send exactly one token: Authorization: Bearer …")
    return raw
