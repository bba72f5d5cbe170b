"""Finding users by name, whatever its case and composition: `auth_user` has no column for that."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib.auth import get_user_model

from generation.core.text import fold

if TYPE_CHECKING:
    from django.contrib.auth.models import User


def user_named(name: str) -> User | None:
    """The user of exactly this name, or else the only one whose name folds to the same.

    Users from before whose names fold to the same are found by their exact names alone.
    """
    users = get_user_model().objects
    if exact := users.filter(username=name).first():
        return exact
    alike = users_named_alike(name)
    return users.get(pk=alike[0]) if len(alike) == 1 else None


def users_named_alike(name: str) -> list[int]:
    """The ids of users whose names fold to the same.

    Reads every name, in a fraction of the time that Django hashes the password of an unknown user.
    """
    folded = fold(name)
    names = get_user_model().objects.order_by("pk").values_list("pk", "username").iterator()
    return [pk for pk, other in names if fold(other) == folded]
