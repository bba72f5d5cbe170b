"""Asking again who it is, before what would outlive a stolen session: tokens, passwords, other users."""

from __future__ import annotations

from django.contrib.auth.hashers import check_password
from django.core.exceptions import ValidationError

from accounts import throttle
from accounts.signed_in import SignedInRequest
from generation.access import fresh_sign_in
from generation.core.client_address import address_of

THROTTLED = "throttled"
TOO_OFTEN = "Too many attempts. Wait ten minutes, then try again."
WRONG = "This is not your password."
NEEDS_LINK = "Sign in by a new link first: your sign-in is over ten minutes old, and you have no password."


def check_own_password(request: SignedInRequest, password: str) -> None:
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
    fresh_sign_in.confirm(request.session)
