"""One-time sign-in links, for the first start and for users without a password.

A user has one at most. It ends by a newer one, by any sign-in, with the password, and after
SIGN_IN_LINK_MINUTES.
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.db.models.functions import Now
from django.urls import reverse
from django.utils import timezone

from accounts.models import SignInLink
from generation.access.principals import session_principal
from generation.core import audit_log
from generation.core.actors import SYSTEM

if TYPE_CHECKING:
    from django.contrib.auth.models import User


def sign_in_path(user: User) -> str:
    """The path of a new link that signs `user` in once; it replaces an older one."""
    token = secrets.token_urlsafe(32)
    expires_at = timezone.now() + timedelta(minutes=settings.SIGN_IN_LINK_MINUTES)
    fields = {"digest": _digest(token), "expires_at": expires_at}
    SignInLink.objects.update_or_create(user=user, defaults=fields)
    audit_log.after_commit("sign_in_link.issued", actor=SYSTEM, owner=user.pk)
    return reverse("accounts:sign-in-once", args=[token])


def find_user(token: str) -> User | None:
    """The user of a live link, or None."""
    link = _live(token)
    return link.user if link else None


def use(token: str) -> User | None:
    """Use the link up: of two concurrent uses one gets the user and the other None."""
    link = _live(token)
    if link is None or not SignInLink.objects.filter(pk=link.pk, digest=link.digest).delete()[0]:
        return None
    audit_log.after_commit("sign_in_link.used", actor=session_principal(link.user), owner=link.user.pk)
    return link.user


def _live(token: str) -> SignInLink | None:
    links = SignInLink.objects.select_related("user").filter(user__is_active=True, expires_at__gt=Now())
    return links.filter(digest=_digest(token)).first()


def _digest(token: str) -> str:
    # 256 random bits need no slow hash.
    return hashlib.sha256(token.encode(errors="replace")).hexdigest()
