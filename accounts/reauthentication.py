"""Asking again who it is, before what would outlive a stolen session: tokens, passwords, other users."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import urlencode

from django.contrib.auth.hashers import check_password
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse

from accounts import sessions, throttle
from generation.core.client_address import address_of

THROTTLED = "throttled"
TOO_OFTEN = "Too many attempts. Wait ten minutes, then try again."
WRONG = "This is not your password."
NEEDS_LINK = "Sign in by a new link first: your sign-in is over ten minutes old, and you have no password."


def check_own_password(request: HttpRequest, password: str) -> None:
    """Check the signed-in user's password, counted as attempts to sign in are; then the session is fresh.

    Raises:
        ValidationError: a wrong password, or too many attempts.
    """
    who = {"name": request.user.get_username(), "address": address_of(request)}
    if not throttle.allow_attempt(**who):
        raise ValidationError(TOO_OFTEN, code=THROTTLED)
    # Not the user's own method: it encodes an old hash anew, which would end this session.
    if not check_password(password, request.user.password):
        raise ValidationError(WRONG, code="password_incorrect")
    throttle.reset_after_success(**who)
    sessions.confirm(request.session)


View = Callable[..., HttpResponseBase]


def fresh_sign_in_required(view: View) -> View:
    """For views of the admin: a sign-in that is not fresh leads to a page that asks for the password."""

    @wraps(view)
    def checked(model_admin: Any, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if sessions.is_fresh(request.session):
            return view(model_admin, request, *args, **kwargs)
        return redirect(f"{reverse('accounts:confirm')}?{urlencode({'next': request.get_full_path()})}")

    return checked
