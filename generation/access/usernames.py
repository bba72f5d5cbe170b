"""Finding users by name, whatever its case and composition: `auth_user` has no column for that."""

from __future__ import annotations

from collections.abc import Iterator
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
    return [pk for pk, other in _folded_names() if other == folded]


def users_with_name_containing(part: str) -> list[int]:
    """The ids of users whose folded names contain this, folded."""
    folded = fold(part)
    return [pk for pk, other in _folded_names() if folded in other]


def _folded_names() -> Iterator[tuple[int, str]]:
    names = get_user_model().objects.order_by("pk").values_list("pk", "username").iterator()
    return ((pk, fold(name)) for pk, name in names)
