"""The sessions that users are signed in by: bounded in time, listed, and ended.

A session ends SESSION_IDLE_DAYS after its last use and SESSION_DAYS after the sign-in. Its use is written
once an hour; between, a request costs no query more.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.models import Session
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.devices import device_of
from accounts.models import UserSession
from generation.access import fresh_sign_in
from generation.changes import publisher
from generation.core import audit_log
from generation.core.actors import SYSTEM, Actor
from generation.core.client_address import address_of

if TYPE_CHECKING:
    import uuid

    from django.contrib.auth.models import User
    from django.db.models import QuerySet
    from django.http import HttpRequest

# Kept in the session itself, in seconds since the epoch; a session from before these has none.
SIGNED_IN, SEEN_HOUR = "signed_in_at", "seen_hour"
HOUR_SECONDS = 3600
DAY_SECONDS = 86_400
MAX_SESSIONS = 100  # of one user: whose script signs in at each run has more than any page should list


def begin(request: HttpRequest, user: User) -> None:
    """Note that the user has just signed in."""
    now = int(time.time())
    request.session[SIGNED_IN] = now
    fresh_sign_in.confirm(request.session)
    _record(request, user.pk, now)
    _end_surplus(user.pk)


def record_use(request: HttpRequest) -> None:
    """Record that the request's session is in use: once an hour, and when its key is new."""
    session = request.session
    if session.get(SESSION_KEY) != str(request.user.pk):
        return  # nobody's, or a script's that is signed in by its token
    now = int(time.time())
    has_new_key = session.session_key != request.COOKIES.get(settings.SESSION_COOKIE_NAME)
    if has_new_key or session.get(SEEN_HOUR) != now // HOUR_SECONDS:
        _record(request, int(session[SESSION_KEY]), now)


def _record(request: HttpRequest, user_id: int, now: int) -> None:
    session = request.session
    signed_in = session.get(SIGNED_IN)
    session[SEEN_HOUR] = now // HOUR_SECONDS
    left = session.setdefault(SIGNED_IN, now) + settings.SESSION_DAYS * DAY_SECONDS - now
    session.set_expiry(max(1, min(left, settings.SESSION_COOKIE_AGE)))
    if session.session_key is None:
        session.save()
    row = UserSession(
        session_id=str(session.session_key),
        user_id=user_id,
        device=device_of(request.headers.get("User-Agent", "")),
        address=address_of(request),
        signed_in_at=datetime.fromtimestamp(signed_in, UTC) if signed_in else None,
        last_seen_at=timezone.now(),
    )
    # It fails when the session was ended meanwhile.
    with suppress(IntegrityError), transaction.atomic():
        UserSession.objects.bulk_create(
            [row],
            update_conflicts=True,
            unique_fields=["session"],
            update_fields=["device", "address", "last_seen_at"],
        )


def live_sessions(user_id: int) -> QuerySet[UserSession]:
    """The user's sessions, the one used last first."""
    live = UserSession.objects.filter(user_id=user_id, session__expire_date__gt=timezone.now())
    return live.order_by("-last_seen_at", "-id")


def end_session(*, user_id: int, actor: Actor, session_id: uuid.UUID) -> bool:
    """End one of the user's sessions and close its sockets; whether there was one."""
    of_user = UserSession.objects.filter(user_id=user_id, pk=session_id)
    key = of_user.values_list("session_id", flat=True).first()
    if key is None:
        return False
    _end([key], user_id=user_id, actor=actor)
    return True


def end_sessions(*, user_id: int, actor: Actor, but: str | None = None) -> int:
    """End all sessions of the user but the one with the key `but`, and close their sockets; how many."""
    recorded = UserSession.objects.filter(user_id=user_id).exclude(session_id=but or "")
    keys = [*recorded.values_list("session_id", flat=True), *_unrecorded(user_id)]
    keys = [key for key in keys if key != but]
    _end(keys, user_id=user_id, actor=actor)
    return len(keys)


def _unrecorded(user_id: int) -> Iterator[str]:
    """Keys of the user's sessions from before the table, not used since. In time there are none."""
    for session in Session.objects.filter(of_user=None).iterator(chunk_size=500):
        if session.get_decoded().get(SESSION_KEY) == str(user_id):
            yield session.session_key


def _end_surplus(user_id: int) -> None:
    """End the sessions beyond MAX_SESSIONS, those used longest ago first."""
    recorded = UserSession.objects.filter(user_id=user_id).order_by("-last_seen_at", "-id")
    _end(list(recorded.values_list("session_id", flat=True)[MAX_SESSIONS:]), user_id=user_id, actor=SYSTEM)


@transaction.atomic
def _end(keys: list[str], *, user_id: int, actor: Actor) -> None:
    for key in keys:
        Session.objects.filter(pk=key).delete()
        publisher.session_ended(owner_id=user_id, session_key=key)
    if keys:
        audit_log.after_commit("session.ended", actor=actor, owner=user_id, sessions=len(keys))
