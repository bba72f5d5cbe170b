"""Whose a request is: the user or the worker of its credential, else the address it comes from."""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from channels.db import database_sync_to_async
from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.http import parse_cookie

from generation.access import tokens

CREDENTIALS = 10_000
REMEMBERED_S = 60.0
WORKER, USER = "worker ", "user "


@dataclass(frozen=True, slots=True)
class Credential:
    """A bearer token, else the key of a session; not checked yet."""

    text: str
    is_token: bool

    @property
    def digest(self) -> bytes:
        return hashlib.sha256(f"{self.is_token} {self.text}".encode()).digest()


def credential_of(scope: Any) -> Credential | None:
    """What Django will know the caller by: at the APIs a token, else the session."""
    headers = dict(scope["headers"])
    scheme, _, token = headers.get(b"authorization", b"").decode("latin1").partition(" ")
    if scheme.lower() == "bearer" and scope["path"].startswith("/api/"):
        return Credential(token.strip(), is_token=True)
    cookies = parse_cookie(headers.get(b"cookie", b"").decode("latin1"))
    session = cookies.get(settings.SESSION_COOKIE_NAME)
    return Credential(session, is_token=False) if session else None


class KnownCallers:
    """The callers of credentials that were looked up in the last minute; empty for nobody's.

    So a user is one caller, however many sessions and tokens there are. Whether a credential is still good
    is not asked here: what it may do is decided by the view.
    """

    def __init__(self, size: int = CREDENTIALS, clock: Callable[[], float] = time.monotonic) -> None:
        self._size, self._clock = size, clock
        self._callers: OrderedDict[bytes, tuple[str, float]] = OrderedDict()

    def get(self, credential: Credential) -> str | None:
        """None when it is to be looked up."""
        caller, until = self._callers.get(credential.digest, ("", 0.0))
        return caller if self._clock() < until else None

    def was_somebodys(self, credential: Credential) -> bool:
        """Whether it was when it was looked up last, however long ago."""
        caller, _ = self._callers.get(credential.digest, ("", 0.0))
        return bool(caller)

    def put(self, credential: Credential, caller: str) -> None:
        self._callers[credential.digest] = (caller, self._clock() + REMEMBERED_S)
        self._callers.move_to_end(credential.digest)
        if len(self._callers) > self._size:
            self._callers.popitem(last=False)


def _look_up(credential: Credential) -> str:
    if not credential.is_token:
        store = import_module(settings.SESSION_ENGINE).SessionStore(credential.text)
        user_id = store.get(SESSION_KEY)
        return f"{USER}{user_id}" if user_id else ""
    if credential.text.startswith(tokens.WORKER_PREFIX):
        worker = tokens.worker_of(credential.text)
        return f"{WORKER}{worker.pk}" if worker else ""
    token = tokens.find_personal_token(credential.text)
    return f"{USER}{token.owner_id}" if token else ""


look_up = database_sync_to_async(_look_up, thread_sensitive=False)
