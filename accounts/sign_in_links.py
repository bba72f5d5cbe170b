"""One-time sign-in links, for the first start and for users without a password."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib.auth import get_user_model
from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.db import transaction
from django.db.models.functions import Now
from django.urls import reverse
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_decode, urlsafe_base64_encode

if TYPE_CHECKING:
    from django.contrib.auth.models import User


class SignInLinks(PasswordResetTokenGenerator):
    """Signed over the password and the last sign-in, so any sign-in ends the link; else it lasts three days.

    Three days is Django's PASSWORD_RESET_TIMEOUT.
    """

    key_salt = "accounts.sign_in_links"


links = SignInLinks()


def sign_in_path(user: User) -> str:
    """The path of a link that signs `user` in once."""
    uidb64 = urlsafe_base64_encode(force_bytes(user.pk))
    return reverse("accounts:sign-in-once", args=[uidb64, links.make_token(user)])


def find_user(uidb64: str, token: str) -> User | None:
    """The user of a valid link, or None."""
    user = _user(uidb64, lock=False)
    return user if user and links.check_token(user, token) else None


@transaction.atomic
def use(uidb64: str, token: str) -> User | None:
    """Use the link up: of two concurrent uses one gets the user and the other None."""
    user = _user(uidb64, lock=True)
    if user is None or not links.check_token(user, token):
        return None
    get_user_model().objects.filter(pk=user.pk).update(last_login=Now())
    return user


def _user(uidb64: str, *, lock: bool) -> User | None:
    users = get_user_model().objects.filter(is_active=True)
    try:
        pk = int(urlsafe_base64_decode(uidb64))
    except (ValueError, OverflowError):
        return None
    if not 0 < pk < 2**63:
        return None
    return (users.select_for_update() if lock else users).filter(pk=pk).first()
