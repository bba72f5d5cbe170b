"""Forwards Django's signals about sessions and users to open pages.

Signals cover our pages, the admin and commands. Other changes, such as a manual UPDATE, are found by the
sockets' next recheck.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib.auth import get_user_model
from django.contrib.auth.signals import user_logged_out
from django.db.models.signals import post_delete, post_save

from generation.changes import publisher

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django.http import HttpRequest

LAST_LOGIN = frozenset({"last_login"})  # what every sign-in saves


def connect() -> None:
    user_logged_out.connect(_signed_out)
    post_save.connect(_saved, sender=get_user_model())
    post_delete.connect(_deleted, sender=get_user_model())


def _signed_out(request: HttpRequest, user: User | None, **_: Any) -> None:
    if user and request.session.session_key:
        publisher.session_ended(owner_id=user.pk, session_key=request.session.session_key)


def _saved(instance: User, *, created: bool, update_fields: frozenset[str] | None, **_: Any) -> None:
    if not created and update_fields != LAST_LOGIN:
        publisher.account_changed(owner_id=instance.pk)


def _deleted(instance: User, **_: Any) -> None:
    publisher.account_changed(owner_id=instance.pk)
