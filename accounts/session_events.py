"""Django's own news of sessions and users, passed on to the pages that are open.

Django's signals tell of every way: our pages, the admin, a command. What none tells of, such as an UPDATE by
hand, the sockets find at their next recheck.
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
