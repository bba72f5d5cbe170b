"""Whether a session's user has just shown who it is, as what would outlive the session asks for."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponseRedirect
from django.urls import reverse

if TYPE_CHECKING:
    from django.contrib.sessions.backends.base import SessionBase

# Kept in the session itself, in seconds since the epoch; a session from before it has none.
CONFIRMED = "confirmed_at"
FRESH_SECONDS = 10 * 60


def confirm(session: SessionBase) -> None:
    """Note that the user has just signed in, or given the password again."""
    session[CONFIRMED] = int(time.time())


def is_fresh(session: SessionBase) -> bool:
    """Whether the user has signed in, or given the password again, within the last ten minutes."""
    return bool(time.time() - session.get(CONFIRMED, 0) < FRESH_SECONDS)


def redirect_to_confirm(request: HttpRequest) -> HttpResponseRedirect | None:
    """To the page that asks for the password and leads back here, unless the sign-in is fresh."""
    if is_fresh(request.session):
        return None
    query = urlencode({"next": request.get_full_path()})
    return HttpResponseRedirect(f"{reverse('accounts:confirm')}?{query}")
