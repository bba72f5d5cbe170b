"""Displaying a new token once: a signed cookie carries its text over the redirect, as no row stores it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.http import HttpResponse
from django.urls import reverse

from accounts.signed_in import SignedInRequest

if TYPE_CHECKING:
    from django.contrib.auth.models import User

NAME = "new_token"
SECONDS = 60


def set_cookie(answer: HttpResponse, *, user: User, token: str) -> None:
    """Set the token's cookie for a minute; no script and no other page can read it."""
    answer.set_signed_cookie(
        NAME,
        token,
        salt=_salt(user),
        max_age=SECONDS,
        path=reverse("accounts:account"),
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Strict",
    )


def token_from_cookie(request: SignedInRequest) -> str:
    """The token that this user has just created in this browser; empty if there is none."""
    return request.get_signed_cookie(NAME, "", salt=_salt(request.user), max_age=SECONDS) or ""


def delete_cookie(answer: HttpResponse) -> None:
    """Delete the cookie once the token has been displayed."""
    answer.delete_cookie(NAME, path=reverse("accounts:account"), samesite="Strict")


def _salt(user: User) -> str:
    """A salt per user, so that the next user of this browser cannot read the token."""
    return f"accounts.token_display.{user.pk}"
