"""Signing in with a personal token (`Authorization: Bearer ovu_…`) or by the session of the pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rest_framework.authentication import BaseAuthentication
from rest_framework.authentication import SessionAuthentication as DjangoSessionAuthentication
from rest_framework.exceptions import AuthenticationFailed

from generation.access import tokens
from generation.access.principals import Principal, session_principal, token_principal
from generation.core.client_address import address_of
from generation.http.authentication import REALM, bearer_of

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from rest_framework.request import Request


class PersonalTokenAuthentication(BaseAuthentication):
    """Without a bearer token the session is asked next; with a wrong one the call ends."""

    def authenticate(self, request: Request) -> tuple[User, Principal] | None:
        raw = bearer_of(request.headers.get("Authorization", ""))
        if raw is None:
            return None
        token = tokens.find_personal_token(raw, used_from=address_of(request._request))
        if token is None:
            raise AuthenticationFailed("This token is unknown, revoked or expired.")
        return token.owner, token_principal(token)

    def authenticate_header(self, request: Request) -> str:
        return REALM


class SessionAuthentication(DjangoSessionAuthentication):
    """Of the pages' own sessions, with CSRF as DRF checks it."""

    def authenticate(self, request: Request) -> tuple[User, Principal] | None:
        found = super().authenticate(request)
        return (found[0], session_principal(found[0])) if found else None
