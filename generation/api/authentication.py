"""Signing in with a personal token: `Authorization: Bearer ovu_…`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed

from generation.access import tokens
from generation.http.authentication import REALM, bearer_of

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from rest_framework.request import Request


class PersonalTokenAuthentication(BaseAuthentication):
    """Without a bearer token the session is asked next; with a wrong one the call ends."""

    def authenticate(self, request: Request) -> tuple[User, str] | None:
        raw = bearer_of(request.headers.get("Authorization", ""))
        if raw is None:
            return None
        owner = tokens.owner_of(raw)
        if owner is None:
            raise AuthenticationFailed("This token is unknown or revoked.")
        return owner, "personal token"

    def authenticate_header(self, request: Request) -> str:
        return REALM
