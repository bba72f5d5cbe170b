"""A new token's way over the redirect to the page that shows it once: a cookie, as no row keeps its text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.http import HttpResponse
from django.urls import reverse

from accounts.signed_in import SignedInRequest

if TYPE_CHECKING:
    from django.contrib.auth.models import User

NAME = "fresh_token"
SECONDS = 60


def hand_over(answer: HttpResponse, *, user: User, token: str) -> None:
    """Give the browser the token for a minute; no script and no other page sees it."""
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


def handed_over(request: SignedInRequest) -> str:
    """The token that this user has just made in this browser; empty when there is none."""
    return request.get_signed_cookie(NAME, "", salt=_salt(request.user), max_age=SECONDS) or ""


def forget(answer: HttpResponse) -> None:
    """It was shown."""
    answer.delete_cookie(NAME, path=reverse("accounts:account"), samesite="Strict")


def _salt(user: User) -> str:
    """Of this user alone: the next one at this browser is shown nothing."""
    return f"accounts.token_display.{user.pk}"
