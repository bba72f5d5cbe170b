"""The account that a fresh installation starts with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX, make_password

if TYPE_CHECKING:
    from django.contrib.auth.models import User

USERNAME = "owner"


def ensure_owner() -> User:
    """The superuser `owner`. If there is none it is made, without a usable password."""
    owner, _ = get_user_model().objects.get_or_create(
        username=USERNAME,
        defaults={"is_staff": True, "is_superuser": True, "password": make_password(None)},
    )
    return owner


def needs_link() -> bool:
    """Whether nobody who runs the site can sign in with a password, so that a start must print a link."""
    superusers = get_user_model().objects.filter(is_superuser=True, is_active=True)
    return not superusers.exclude(password__startswith=UNUSABLE_PASSWORD_PREFIX).exclude(password="").exists()
