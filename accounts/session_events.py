"""Acts on Django's signals about sessions and users: what must end with a password, an account or a sign-out.

Signals cover our pages, the admin and commands. Other changes, such as a manual UPDATE, are found by the
sockets' next recheck, and by Django when the session is used next.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib.auth import get_user_model
from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.db.models.signals import post_delete, post_save, pre_save

from accounts import sessions
from accounts.models import SignInLink
from generation.changes import publisher
from generation.core.actors import SYSTEM

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django.http import HttpRequest

LAST_LOGIN = frozenset({"last_login"})  # what every sign-in saves


def connect() -> None:
    user_logged_in.connect(_signed_in)
    user_logged_out.connect(_signed_out)
    pre_save.connect(_saving, sender=get_user_model())
    post_save.connect(_saved, sender=get_user_model())
    post_delete.connect(_deleted, sender=get_user_model())


def _signed_in(request: HttpRequest, user: User, **_: Any) -> None:
    sessions.begin(request, user)
    SignInLink.objects.filter(pk=user.pk).delete()


def _signed_out(request: HttpRequest, user: User | None, **_: Any) -> None:
    if user and request.session.session_key:
        publisher.session_ended(owner_id=user.pk, session_key=request.session.session_key)


def _saving(instance: User, *, update_fields: frozenset[str] | None, **_: Any) -> None:
    """A new password ends the user's sessions and link, whoever sets it."""
    if instance._state.adding or (update_fields is not None and "password" not in update_fields):
        return
    stored = get_user_model().objects.filter(pk=instance.pk).values_list("password", flat=True).first()
    if stored is not None and stored != instance.password:
        _end_access(instance)


def _saved(instance: User, *, created: bool, update_fields: frozenset[str] | None, **_: Any) -> None:
    if created or update_fields == LAST_LOGIN:
        return
    if not instance.is_active:  # else its sessions would be back with the account
        _end_access(instance)
    publisher.account_changed(owner_id=instance.pk)


def _end_access(user: User) -> None:
    sessions.end_sessions(user_id=user.pk, actor=SYSTEM)
    SignInLink.objects.filter(pk=user.pk).delete()


def _deleted(instance: User, **_: Any) -> None:
    publisher.account_changed(owner_id=instance.pk)
