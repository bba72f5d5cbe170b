"""The server, seen from a worker: a method for each call of the protocol, patient when it is away."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from threading import Event
from typing import Any, Protocol, TypeVar
from urllib.parse import urlsplit

import httpx

from ourvidz_worker import log
from ourvidz_worker.errors import (
    ConnectionUnusable,
    Halted,
    MalformedLease,
    ServerAway,
    ServerRefused,
    WorkerError,
)
from ourvidz_worker.protocol import AssetError, Job, Leased, Offer, Upload, parse_job, word
from ourvidz_worker.responses import LARGEST_ANSWER, LONGEST_ANSWER_S, Answer, read

LEASE_WAIT_S = 25.0
RESULT_PATIENCE_S = 600.0  # what is made must not be lost to a restart of the server
RELEASE_PATIENCE_S = 10.0
PREVIEW_PATIENCE_S = 5.0
LARGEST_REFERENCE = 64 * 2**20
SHORTEST_DELAY_S, LONGEST_DELAY_S = 0.5, 30.0
KEEP_ALIVE_S = 60.0  # longer than the time between two heartbeats

Told = TypeVar("Told")
Answered = Callable[[], None]


class Heard(Protocol):
    def __call__(self, *, connected: bool) -> None: ...


def backoff(attempt: int, longest: float = LONGEST_DELAY_S) -> float:
    """Seconds to wait before attempt number `attempt` + 1: doubling, capped, jittered."""
    return random.uniform(0.5, 1.0) * min(longest, 0.5 * 2.0 ** min(attempt, 10))


class Server:
    """Thread-safe: the heartbeat and the results share its connections.

    Waiting between attempts ends with Halted as soon as the given event is set, which a
    retrying library that sleeps cannot do; hence the few lines of back-off here.

    `patience`: seconds for which results are offered again to a server that is away. `heard` is told of
    every call whether the server was there. Raises ConnectionUnusable.
    """

    def __init__(self, url: str, token: str, patience: float = RESULT_PATIENCE_S) -> None:
        self._patience = patience
        self.heard: Heard = lambda *, connected: None
        try:
            self._http = httpx.Client(
                base_url=f"{url.rstrip('/')}/api/v1/worker/",
                headers={"Authorization": f"Bearer {token}"},
                timeout=httpx.Timeout(60.0, connect=10.0),
                limits=httpx.Limits(keepalive_expiry=KEEP_ALIVE_S),
            )
        except (ImportError, OSError, ValueError, httpx.InvalidURL) as error:
            raise ConnectionUnusable(
                f"cannot connect with this address and the environment's proxy and certificates: {error}"
            ) from error

    def close(self) -> None:
        self._http.close()

    def lease(
        self, offer: Offer, wait_s: float = LEASE_WAIT_S, answered: Answered | None = None
    ) -> Job | None:
        """One long poll: a job, or None when there is nothing to do. Never retries by itself.

        Calls `answered` when an answer begins to come: from then on a job may be held.
        """
        timeout = httpx.Timeout(wait_s + 15.0, connect=10.0)
        answer = self._once("POST", "lease", answered=answered, json=offer.body(wait_s), timeout=timeout)
        if answer.status == httpx.codes.NO_CONTENT:
            return None
        facts = answer.facts()
        try:
            return parse_job(facts)
        except MalformedLease:  # a newer server's: some other worker may understand it
            self._hand_back(facts)
            raise

    def greet(self) -> None:
        """Asks for nothing, which is refused and changes nothing that the server knows of this worker, of
        which another process may be at work. Raises what a wrong address or token is answered with."""
        try:
            self._once("POST", "lease", json={})
        except ServerRefused as refused:
            if refused.status != 422:
                raise

    def benchmark(self, seconds: Mapping[str, float], version: str, device: str) -> None:
        """Seconds for one result, by job type: the server's first estimate of this worker."""
        body = {"seconds": dict(seconds), "version": version, "device": device}
        self._once("POST", "benchmark", json=body)

    def heartbeat(
        self, job: Job, progress: int, stage: str, slot: int | None = None, *, halted: Event
    ) -> bool:
        """Renews the lease and says which slot is being made; False when the job was cancelled."""
        body = {"lease_token": job.lease_token, "progress": progress, "stage": stage}
        if slot is not None:
            body["slot"] = slot
        path = f"jobs/{job.id}/heartbeat"
        told = self._patiently(
            lambda: self._once("POST", path, json=body, timeout=15.0).facts(), job.heartbeat_seconds, halted
        )
        return bool(told.get("action") != "cancel")

    def upload(
        self, job: Leased, slot: int, media: bytes | Path, content_type: str, *, halted: Event
    ) -> Upload:
        """A file is read while it is sent, anew for each attempt. Raises OSError when it cannot be read."""
        headers = {"Content-Type": content_type, "X-Lease-Token": job.lease_token}
        path = f"jobs/{job.id}/uploads/{slot}"
        return self._patiently(
            lambda: _receipt(self._once("PUT", path, content=media, headers=headers).facts()),
            self._patience,
            halted,
        )

    def preview(self, job: Leased, slot: int, picture: bytes, content_type: str) -> None:
        """Once: the next one is better anyway."""
        headers = {"Content-Type": content_type, "X-Lease-Token": job.lease_token}
        path = f"jobs/{job.id}/previews/{slot}"
        self._once("PUT", path, content=picture, headers=headers, timeout=PREVIEW_PATIENCE_S)

    def report(self, job: Leased, callback: Mapping[str, Any], *, halted: Event) -> Mapping[str, Any]:
        """Sends a job-callback; repeating one is harmless, so it is retried like everything else."""
        body = {"job_id": job.id, "lease_token": job.lease_token, **callback}
        return self._patiently(
            lambda: self._once("POST", "job-callback", json=body).facts(), self._patience, halted
        )

    def reference(self, url: str, *, halted: Event) -> bytes:
        """A reference image. Only the path is taken from `url`: the token goes to no other server.

        Raises:
            ServerRefused: it is not there, or larger than LARGEST_REFERENCE.
        """
        parts = urlsplit(url)
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        target = self._http.base_url.copy_with(raw_path=path.encode())
        return self._patiently(
            lambda: self._once("GET", str(target), LARGEST_REFERENCE, self._patience).content,
            self._patience,
            halted,
        )

    def release(self, job: Leased) -> None:
        body, path = {"lease_token": job.lease_token}, f"jobs/{job.id}/release"
        self._patiently(
            lambda: self._once("POST", path, json=body, timeout=RELEASE_PATIENCE_S),
            RELEASE_PATIENCE_S,
            Event(),
        )

    def _hand_back(self, facts: Mapping[str, Any]) -> None:
        with suppress(KeyError, ValueError, WorkerError):
            path = f"jobs/{word(facts['job_id'])}/release"
            self._once("POST", path, json={"lease_token": word(facts["lease_token"])})

    def _patiently(self, call: Callable[[], Told], patience: float, halted: Event) -> Told:
        deadline = time.monotonic() + patience
        attempt = 0
        while True:
            try:
                return call()
            except ServerAway as away:
                rarest = max(SHORTEST_DELAY_S, min(LONGEST_DELAY_S, self._patience / 20))
                delay = max(backoff(attempt, rarest), away.retry_after or 0.0)
                if time.monotonic() + delay > deadline:
                    raise
                if attempt == 0:  # the others are the same news
                    log.event("server_away", reason=str(away), patience_s=round(patience))
            if halted.wait(delay):
                raise Halted
            attempt += 1

    def _once(self, method: str, path: str, *limits: Any, **request: Any) -> Answer:
        try:
            answer = self._answer(method, path, *limits, **request)
        except ServerAway as away:
            self.heard(connected=away.status is not None and away.status < 500)
            raise
        except WorkerError:  # an answer too
            self.heard(connected=True)
            raise
        self.heard(connected=True)
        return answer

    def _answer(
        self,
        method: str,
        path: str,
        largest: int = LARGEST_ANSWER,
        longest_s: float | None = None,
        answered: Answered | None = None,
        **request: Any,
    ) -> Answer:
        try:
            with ExitStack() as stack:
                if isinstance(content := request.get("content"), Path):
                    request["content"] = stack.enter_context(content.open("rb"))
                response = stack.enter_context(self._http.stream(method, path, **request))
                if answered is not None:
                    answered()
                return read(response, largest, longest_s or LONGEST_ANSWER_S)
        except httpx.ConnectError as error:  # says which: name, port, certificate; never a header
            raise ServerAway(f"no connection to the server ({error})") from error
        except httpx.RequestError as error:
            raise ServerAway(f"no answer from the server ({type(error).__name__})") from error


def _receipt(body: Mapping[str, Any]) -> Upload:
    if body.get("valid", True):
        if not isinstance(body.get("upload_id"), str):
            raise ServerAway("the answer to an upload names none")
        return Upload(body["upload_id"], None)
    error = body.get("error")
    if not isinstance(error, dict):
        error = {}
    message = str(error.get("message", "the server could not read the file"))
    refusal = AssetError(str(error.get("code", "invalid_media")), message, retryable=True)
    return Upload(str(body.get("upload_id", "")), refusal)
