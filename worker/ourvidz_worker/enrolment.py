"""This machine's own identity, where it makes itself a worker with an enrolment token.

The token that it is given ends soon. It is kept in the state directory for this account alone, and renewed
after half of its time.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import threading
import time
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from ourvidz_worker import log
from ourvidz_worker.client import Server, backoff
from ourvidz_worker.errors import ServerRefused, ServerUnavailable, TokenRefused, WorkerDisabled, WorkerError

MAX_PROCESSES = 64  # of one machine, each a worker of its own
RENEW_AT_SHARE = 0.5  # of a token's time


class EnrolmentFailed(WorkerError):
    """This machine cannot become a worker with this enrolment token; the message is for the operator."""


@dataclass(frozen=True, slots=True)
class MintedToken:
    """A worker's token. Times in seconds since 1970, by this machine's clock."""

    token: str
    minted_at: float
    expires_at: float

    @property
    def renew_at(self) -> float:
        return self.minted_at + RENEW_AT_SHARE * (self.expires_at - self.minted_at)


class Identity:
    """The file with this process's machine id and token, locked while it lives.

    Several processes of one machine with the same enrolment each have their own.
    """

    def __init__(self, folder: Path, server: str, enrolment_token: str) -> None:
        """Raises OSError when the folder cannot be written."""
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        owner = hashlib.sha256(f"{server.rstrip('/')}\n{enrolment_token}".encode()).hexdigest()[:16]
        self._path, self._lock = _lock_first_free(folder, owner)
        stored = _read(self._path)
        self.machine = str(stored.get("machine") or uuid.uuid4())
        self.token = _token_in(stored)
        if not stored:  # before the first call: what it is asked twice gives no second worker
            self._write()

    def keep(self, token: MintedToken) -> None:
        """On a disk that is full the next start enrols again, as the same machine."""
        self.token = token
        try:
            self._write()
        except OSError as error:
            log.event("token_not_kept", reason=error.strerror)

    def close(self) -> None:
        os.close(self._lock)

    def _write(self) -> None:
        body: dict[str, Any] = {"machine": self.machine}
        if self.token is not None:
            body |= {
                "token": self.token.token,
                "minted_at": self.token.minted_at,
                "expires_at": self.token.expires_at,
            }
        new = self._path.with_suffix(".new")
        file = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(file, "w") as stream:
            os.fchmod(stream.fileno(), 0o600)
            json.dump(body, stream)
        new.replace(self._path)


def _lock_first_free(folder: Path, owner: str) -> tuple[Path, int]:
    for number in range(MAX_PROCESSES):
        path = folder / f"{owner}-{number}.json"
        lock = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            continue
        return path, lock
    raise OSError(None, f"{MAX_PROCESSES} processes of this machine have enrolled already", str(folder))


def _read(path: Path) -> Mapping[str, Any]:
    """Empty where nothing is stored, or nothing that can be used."""
    with suppress(OSError, ValueError):
        found = json.loads(path.read_text())
        if isinstance(found, dict):
            uuid.UUID(str(found.get("machine")))
            return found
    return {}


def _token_in(stored: Mapping[str, Any]) -> MintedToken | None:
    with suppress(KeyError, TypeError, ValueError):
        return MintedToken(str(stored["token"]), float(stored["minted_at"]), float(stored["expires_at"]))
    return None


def sign_in(server: Server, identity: Identity, enrolment_token: str) -> None:
    """Sign in with the kept token while the server takes it, else enrol. Waits for a server that is away.

    Raises:
        EnrolmentFailed: the enrolment was revoked, is over or used up.
    """
    failures = 0
    while True:
        try:
            if not _is_taken(server, identity):
                identity.keep(_minted(server.enrol(enrolment_token, identity.machine)))
                assert identity.token is not None
                server.set_token(identity.token.token)
                log.event("enrolled", machine=identity.machine)
            return
        except ServerUnavailable as unavailable:
            delay = max(backoff(failures), unavailable.retry_after or 0.0)
            log.event("enrolment_delayed", reason=str(unavailable), again_in_s=round(delay, 1))
            failures += 1
            time.sleep(delay)
        except TokenRefused as refused:
            raise EnrolmentFailed("the server refused this enrolment token") from refused
        except ServerRefused as refused:
            raise EnrolmentFailed(f"this machine cannot enrol: {refused}") from refused


def _is_taken(server: Server, identity: Identity) -> bool:
    """Whether the kept token, if any, is still good. A disabled worker's is: it may be enabled again."""
    if identity.token is None:
        return False
    server.set_token(identity.token.token)
    try:
        server.check_access()
    except TokenRefused:
        return False
    except WorkerDisabled:
        return True
    return True


def _minted(body: Mapping[str, Any]) -> MintedToken:
    """Raises ServerUnavailable for an answer that is none."""
    try:
        now = time.time()
        return MintedToken(str(body["token"]), now, now + float(body["expires_in_s"]))
    except (KeyError, TypeError, ValueError) as error:
        raise ServerUnavailable("the answer to an enrolment holds no token") from error


class TokenRenewal:
    """Renews the token in a thread of its own, however long a job takes, until the block ends."""

    def __init__(self, server: Server, identity: Identity) -> None:
        self._server, self._identity = server, identity
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="token-renewal", daemon=True)

    def __enter__(self) -> TokenRenewal:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join(timeout=1.0)

    def _run(self) -> None:
        failures = 0
        while not self._ended.wait(self._seconds_left(failures)):
            try:
                self._renew()
                failures = 0
            except ServerUnavailable as unavailable:
                failures += 1
                log.event("token_not_renewed", reason=str(unavailable))
            except WorkerDisabled as disabled:  # it may be enabled again before the token's end
                failures += 1
                log.event("token_not_renewed", reason=str(disabled))
            except (ServerRefused, TokenRefused) as error:
                log.event("token_not_renewed", reason=str(error), until=self._end())
                return

    def _seconds_left(self, failures: int) -> float:
        token = self._identity.token
        assert token is not None
        return max(token.renew_at - time.time(), backoff(failures + 2) if failures else 0.0)

    def _renew(self) -> None:
        token = _minted(self._server.renew())
        self._server.set_token(token.token)
        self._identity.keep(token)
        log.event("token_renewed", hours=round((token.expires_at - token.minted_at) / 3600, 2))

    def _end(self) -> str:
        token = self._identity.token
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(token.expires_at)) if token else ""
