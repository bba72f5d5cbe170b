"""Deleting an account with everything in it: its user cannot sign in from the first moment, and goes last.

Attempts to sign in are counted by digests that lead to nobody, for ten minutes. What other operators did to
the account stays in the admin's log.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import make_password
from django.db import IntegrityError, transaction
from django.db.models import ProtectedError

from accounts import sessions
from accounts.models import SignInLink
from generation.access import tokens
from generation.changes import publisher
from generation.core.actors import Actor
from generation.jobs import owner_deletion
from generation.models import PersonalToken

if TYPE_CHECKING:
    from django.contrib.auth.models import User

# What a request that was in work meanwhile added is found by going over it again.
PASSES = 5


def delete_account(user: User, *, actor: Actor) -> Generator[None]:
    """Delete the user and all that is the user's; yields after each short transaction.

    Whoever stops half-way leaves an account that nobody can sign in to, to be deleted by another call.

    Raises:
        ProtectedError, IntegrityError: something refers to the user that this does not know.
    """
    revoke_access(user, actor=actor)
    yield
    for number in range(1, PASSES + 1):
        try:
            yield from owner_deletion.delete_all_of(user.pk, actor=actor)
            with transaction.atomic():
                get_user_model().objects.filter(pk=user.pk).delete()
        except (ProtectedError, IntegrityError):
            if number == PASSES:
                raise
        else:
            return


def revoke_access(user: User, *, actor: Actor) -> None:
    """Invalidate the user's password, sign-in links, tokens and sessions."""
    with transaction.atomic():
        get_user_model().objects.filter(pk=user.pk).update(is_active=False, password=make_password(None))
        tokens.revoke(PersonalToken.objects.filter(owner_id=user.pk), actor=actor)
        publisher.account_changed(owner_id=user.pk)  # which an UPDATE tells nobody
        SignInLink.objects.filter(pk=user.pk).delete()
    sessions.end_sessions(user_id=user.pk, actor=actor)
