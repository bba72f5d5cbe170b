"""The client of the worker protocol: a method for each call, retried while the server is unavailable."""

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
from ourvidz_worker.certificates import certificates_problem
from ourvidz_worker.errors import (
    ConnectionUnusable,
    Halted,
    MalformedLease,
    ServerRefused,
    ServerUnavailable,
    WorkerError,
)
from ourvidz_worker.protocol import AssetError, Job, Lease, Offer, Upload, parse_job, url_safe
from ourvidz_worker.responses import MAX_RESPONSE_BYTES, MAX_RESPONSE_S, ServerResponse, read_response

API = "/api/v1/worker/"
LEASE_WAIT_S = 25.0
RESULT_PATIENCE_S = 600.0  # a restart of the server must not lose a result
RELEASE_PATIENCE_S = 10.0
ACCESS_TIMEOUT_S = 10.0
LEAVING_TIMEOUT_S = 3.0  # nothing is lost without: the server notices after a minute
PREVIEW_PATIENCE_S = 5.0
MAX_REFERENCE_BYTES = 64 * 2**20
MIN_DELAY_S, MAX_DELAY_S = 0.5, 30.0
KEEP_ALIVE_S = 60.0  # longer than the time between two heartbeats

T = TypeVar("T")
OnResponse = Callable[[], None]


class OnContact(Protocol):
    def __call__(self, *, connected: bool) -> None: ...


def backoff(attempt: int, max_s: float = MAX_DELAY_S) -> float:
    """Seconds to wait before attempt number `attempt` + 1: doubling, capped, jittered."""
    return random.uniform(0.5, 1.0) * min(max_s, 0.5 * 2.0 ** min(attempt, 10))


class Server:
    """Thread-safe: the heartbeat and the uploads share its connections.

    A wait between attempts ends with Halted as soon as the given event is set. A retry library that sleeps
    cannot do that; hence the few lines of back-off here.

    `patience`: seconds for which a result is retried while the server is unavailable, 600 by default.
    `on_contact` is called after every request with whether the server was reached. `interruptible`: this
    machine may vanish at any time. Raises ConnectionUnusable.
    """

    def __init__(
        self, url: str, token: str, patience: float | None = None, *, interruptible: bool = False
    ) -> None:
        self._patience = RESULT_PATIENCE_S if patience is None else patience
        self._interruptible = interruptible
        self._path = urlsplit(url).path.rstrip("/")  # where a proxy serves the whole server
        self.on_contact: OnContact = lambda *, connected: None
        if problem := certificates_problem(url):
            raise ConnectionUnusable(problem)
        try:
            self._http = httpx.Client(
                base_url=f"{url.rstrip('/')}{API}",
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

    def set_token(self, token: str) -> None:
        """Every request from now on is sent with this token."""
        self._http.headers["Authorization"] = f"Bearer {token}"

    def enrol(self, enrolment_token: str, machine: str) -> Mapping[str, Any]:
        """Makes this machine a worker, or the one that it is already; the answer holds its token."""
        headers = {"Authorization": f"Bearer {enrolment_token}"}
        return self._request("POST", "enrol", json={"machine": machine}, headers=headers).json()

    def renew(self) -> Mapping[str, Any]:
        """A new token in place of the one in use, which goes on to its end."""
        return self._request("POST", "token", json={}).json()

    def lease(
        self, offer: Offer, wait_s: float = LEASE_WAIT_S, on_response: OnResponse | None = None
    ) -> Job | None:
        """Makes one long poll: a job, or None if there is none. Never retries.

        Calls `on_response` when a response begins to arrive: from then on a job may be leased.
        """
        timeout = httpx.Timeout(wait_s + 15.0, connect=10.0)
        asked = self._lease_body(offer, wait_s)
        try:
            response = self._request("POST", "lease", on_response=on_response, json=asked, timeout=timeout)
        except ServerRefused as refused:
            if not (self._interruptible and refused.status == 422 and "interruptible" in str(refused)):
                raise
            self._interruptible = False  # of an older server: this call, which it answered, is over
            log.event("not_interruptible", reason="the server is older: a lost lease costs an attempt")
            return None
        if response.status == httpx.codes.NO_CONTENT:
            return None
        body = response.json()
        try:
            return parse_job(body)
        except MalformedLease:  # of a newer server: another worker may understand it
            self._release_malformed(body)
            raise

    def leave(self, offer: Offer) -> None:
        """Says that nothing is offered any more, so that nobody waits for this worker. Never retries."""
        self._request("POST", "lease", json=self._lease_body(offer, 0.0), timeout=LEAVING_TIMEOUT_S)

    def _lease_body(self, offer: Offer, wait_s: float) -> dict[str, Any]:
        return offer.body(wait_s) | ({"interruptible": True} if self._interruptible else {})

    def check_access(self) -> None:
        """Raises the error that a wrong address or token gives.

        Sends an empty lease request. A server refuses it (422) and changes nothing of what this worker
        offers, of which another process may be running.
        """
        try:
            self._request("POST", "lease", json={}, timeout=ACCESS_TIMEOUT_S)
        except ServerRefused as refused:
            if refused.status != 422:
                raise

    def benchmark(self, seconds: Mapping[str, float], version: str, device: str) -> None:
        """Reports seconds for one result by job type: the server's first estimate for this worker."""
        body = {"seconds": dict(seconds), "version": version, "device": device}
        self._request("POST", "benchmark", json=body)

    def heartbeat(
        self, job: Job, progress: int, stage: str, slot: int | None = None, *, halted: Event
    ) -> bool:
        """Renews the lease and reports progress; False when the job was cancelled."""
        body = {"lease_token": job.lease_token, "progress": progress, "stage": stage}
        if slot is not None:
            body["slot"] = slot
        path = f"jobs/{job.id}/heartbeat"
        response = self._retry(
            lambda: self._request("POST", path, json=body, timeout=15.0).json(), job.heartbeat_seconds, halted
        )
        return bool(response.get("action") != "cancel")

    def upload(
        self, job: Lease, slot: int, media: bytes | Path, content_type: str, *, halted: Event
    ) -> Upload:
        """Streams a file from the disk, once per attempt. Raises OSError when it cannot be read."""
        headers = {"Content-Type": content_type, "X-Lease-Token": job.lease_token}
        path = f"jobs/{job.id}/uploads/{slot}"
        return self._retry(
            lambda: _parse_upload(self._request("PUT", path, content=media, headers=headers).json()),
            self._patience,
            halted,
        )

    def preview(self, job: Lease, slot: int, picture: bytes, content_type: str) -> None:
        """Never retries: the next preview replaces this one."""
        headers = {"Content-Type": content_type, "X-Lease-Token": job.lease_token}
        path = f"jobs/{job.id}/previews/{slot}"
        self._request("PUT", path, content=picture, headers=headers, timeout=PREVIEW_PATIENCE_S)

    def report(self, job: Lease, callback: Mapping[str, Any], *, halted: Event) -> Mapping[str, Any]:
        """Sends a job-callback. It is retried: the server accepts a repeated one."""
        body = {"job_id": job.id, "lease_token": job.lease_token, **callback}
        return self._retry(
            lambda: self._request("POST", "job-callback", json=body).json(), self._patience, halted
        )

    def reference(self, url: str, *, halted: Event) -> bytes:
        """Downloads a reference image. Raises ServerRefused, as `download` does."""
        return self.download(url, MAX_REFERENCE_BYTES, self._patience, halted=halted)

    def download(self, url: str, max_bytes: int, patience: float, *, halted: Event) -> bytes:
        """Downloads a file. Only the path of `url` is used: the token goes to no other server.

        Raises:
            ServerRefused: it does not exist, or is larger than `max_bytes`.
        """
        parts = urlsplit(url)
        path = self._public_path(parts.path) + (f"?{parts.query}" if parts.query else "")
        target = self._http.base_url.copy_with(raw_path=path.encode())
        return self._retry(
            lambda: self._request("GET", str(target), max_bytes, patience).content, patience, halted
        )

    def _public_path(self, path: str) -> str:
        """The server's `path` with that of the proxy, of which the server may know nothing."""
        is_public = path.startswith(f"{self._path}/") and not path.startswith(API)
        return path if is_public else self._path + path

    def release(self, job: Lease) -> None:
        body, path = {"lease_token": job.lease_token}, f"jobs/{job.id}/release"
        self._retry(
            lambda: self._request("POST", path, json=body, timeout=RELEASE_PATIENCE_S),
            RELEASE_PATIENCE_S,
            Event(),
        )

    def _release_malformed(self, body: Mapping[str, Any]) -> None:
        with suppress(KeyError, ValueError, WorkerError):
            path = f"jobs/{url_safe(body['job_id'])}/release"
            self._request("POST", path, json={"lease_token": url_safe(body["lease_token"])})

    def _retry(self, call: Callable[[], T], patience: float, halted: Event) -> T:
        deadline = time.monotonic() + patience
        attempt = 0
        while True:
            try:
                return call()
            except ServerUnavailable as unavailable:
                max_delay = max(MIN_DELAY_S, min(MAX_DELAY_S, self._patience / 20))
                delay = max(backoff(attempt, max_delay), unavailable.retry_after or 0.0)
                if time.monotonic() + delay > deadline:
                    raise
                if attempt == 0:  # one event per outage
                    log.event("server_away", reason=str(unavailable), patience_s=round(patience))
            if halted.wait(delay):
                raise Halted
            attempt += 1

    def _request(self, method: str, path: str, *limits: Any, **request: Any) -> ServerResponse:
        try:
            response = self._send(method, path, *limits, **request)
        except ServerUnavailable as unavailable:
            self.on_contact(connected=unavailable.status is not None and unavailable.status < 500)
            raise
        except WorkerError:  # the server answered
            self.on_contact(connected=True)
            raise
        self.on_contact(connected=True)
        return response

    def _send(
        self,
        method: str,
        path: str,
        max_bytes: int = MAX_RESPONSE_BYTES,
        max_s: float | None = None,
        on_response: OnResponse | None = None,
        **request: Any,
    ) -> ServerResponse:
        try:
            with ExitStack() as stack:
                if isinstance(content := request.get("content"), Path):
                    request["content"] = stack.enter_context(content.open("rb"))
                response = stack.enter_context(self._http.stream(method, path, **request))
                if on_response is not None:
                    on_response()
                return read_response(response, max_bytes, max_s or MAX_RESPONSE_S)
        except httpx.ConnectError as error:  # names the host, port or certificate; never a header
            raise ServerUnavailable(f"no connection to the server ({error})") from error
        except httpx.RequestError as error:
            raise ServerUnavailable(f"no answer from the server ({type(error).__name__})") from error


def _parse_upload(body: Mapping[str, Any]) -> Upload:
    if body.get("valid", True):
        if not isinstance(body.get("upload_id"), str):
            raise ServerUnavailable("the answer to an upload names none")
        return Upload(body["upload_id"], None)
    error = body.get("error")
    if not isinstance(error, dict):
        error = {}
    message = str(error.get("message", "the server could not read the file"))
    refusal = AssetError(str(error.get("code", "invalid_media")), message, retryable=True)
    return Upload(str(body.get("upload_id", "")), refusal)
