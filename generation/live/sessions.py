"""Whether the session that opened a socket still stands."""

from __future__ import annotations

from importlib import import_module
from types import SimpleNamespace
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user


def is_signed_in(*, session_key: str, owner_id: int) -> bool:
    """Whether the session is still there and still this owner's, by the database."""
    session = import_module(settings.SESSION_ENGINE).SessionStore(session_key)
    user: Any = get_user(SimpleNamespace(session=session))  # type: ignore[arg-type] # all that it reads
    return bool(user.is_authenticated and user.pk == owner_id)
