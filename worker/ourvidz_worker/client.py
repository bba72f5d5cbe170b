"""The server, seen from a worker: a method for each call of the protocol, patient when it is away."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from threading import Event
from typing import Any
from urllib.parse import urlsplit

import httpx

from ourvidz_worker.errors import Halted, LeaseLost, ServerAway, ServerRefused, TokenRefused
from ourvidz_worker.protocol import AssetError, Job, Leased, Offer, Upload, parse_job

LEASE_WAIT_S = 25.0
RESULT_PATIENCE_S = 600.0  # what is made must not be lost to a restart of the server
RELEASE_PATIENCE_S = 10.0
PREVIEW_PATIENCE_S = 5.0
LARGEST_REFERENCE = 64 * 2**20
LONGEST_DELAY_S = 30.0


def backoff(attempt: int, longest: float = LONGEST_DELAY_S) -> float:
    """Seconds to wait before attempt number `attempt` + 1: doubling, capped, jittered."""
    return random.uniform(0.5, 1.0) * min(longest, 0.5 * 2.0 ** min(attempt, 10))


class Server:
    """Thread-safe: the heartbeat and the results share its connections.

    Waiting between attempts ends with Halted as soon as the given event is set, which a
    retrying library that sleeps cannot do; hence the few lines of back-off here.

    `patience`: seconds for which results are offered again to a server that is away.
    """

    def __init__(self, url: str, token: str, patience: float = RESULT_PATIENCE_S) -> None:
        self._patience = patience
        self._http = httpx.Client(
            base_url=f"{url.rstrip('/')}/api/v1/worker/",
            headers={"Authorization": f"Bearer {token}"},
            timeout=httpx.Timeout(60.0, connect=10.0),
        )

    def close(self) -> None:
        self._http.close()

    def lease(self, offer: Offer, wait_s: float = LEASE_WAIT_S) -> Job | None:
        """One long poll: a job, or None when there is nothing to do. Never retries by itself."""
        timeout = httpx.Timeout(wait_s + 15.0, connect=10.0)
        response = self._once("POST", "lease", json=offer.body(wait_s), timeout=timeout)
        return None if response.status_code == httpx.codes.NO_CONTENT else parse_job(response.json())

    def greet(self) -> None:
        """Asks for work of a kind that there is not: the answer says whether address and token are right."""
        self.lease(Offer(("sdxl", "wan"), ("none",), "check", "", ""), 0.0)

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
        response = self._patiently(
            "POST", f"jobs/{job.id}/heartbeat", job.heartbeat_seconds, halted, json=body, timeout=15.0
        )
        return bool(response.json().get("action") != "cancel")

    def upload(
        self, job: Leased, slot: int, media: bytes | Path, content_type: str, *, halted: Event
    ) -> Upload:
        """A file is read while it is sent, anew for each attempt. Raises OSError when it cannot be read."""
        headers = {"Content-Type": content_type, "X-Lease-Token": job.lease_token}
        path = f"jobs/{job.id}/uploads/{slot}"
        response = self._patiently("PUT", path, self._patience, halted, content=media, headers=headers)
        return _receipt(response.json())

    def preview(self, job: Leased, slot: int, picture: bytes, content_type: str) -> None:
        """Once: the next one is better anyway."""
        headers = {"Content-Type": content_type, "X-Lease-Token": job.lease_token}
        path = f"jobs/{job.id}/previews/{slot}"
        self._once("PUT", path, content=picture, headers=headers, timeout=PREVIEW_PATIENCE_S)

    def report(self, job: Leased, callback: Mapping[str, Any], *, halted: Event) -> Mapping[str, Any]:
        """Sends a job-callback; repeating one is harmless, so it is retried like everything else."""
        body = {"job_id": job.id, "lease_token": job.lease_token, **callback}
        response = self._patiently("POST", "job-callback", self._patience, halted, json=body)
        verdict: Mapping[str, Any] = response.json()
        return verdict

    def reference(self, url: str, *, halted: Event) -> bytes:
        """A reference image. Only the path is taken from `url`: the token goes to no other server.

        Raises:
            ServerRefused: it is not there, or larger than LARGEST_REFERENCE.
        """
        parts = urlsplit(url)
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        target = self._http.base_url.copy_with(raw_path=path.encode())
        content = self._patiently("GET", str(target), self._patience, halted).content
        if len(content) > LARGEST_REFERENCE:
            raise ServerRefused(413, "the reference image is too large")
        return content

    def release(self, job: Leased) -> None:
        request = {"json": {"lease_token": job.lease_token}, "timeout": RELEASE_PATIENCE_S}
        self._patiently("POST", f"jobs/{job.id}/release", RELEASE_PATIENCE_S, Event(), **request)

    def _patiently(
        self, method: str, path: str, patience: float, halted: Event, **request: Any
    ) -> httpx.Response:
        deadline = time.monotonic() + patience
        attempt = 0
        while True:
            try:
                return self._once(method, path, **request)
            except ServerAway as away:
                rarest = min(LONGEST_DELAY_S, self._patience / 20)
                delay = max(backoff(attempt, rarest), away.retry_after or 0.0)
                if time.monotonic() + delay > deadline:
                    raise
            if halted.wait(delay):
                raise Halted
            attempt += 1

    def _once(self, method: str, path: str, **request: Any) -> httpx.Response:
        try:
            with ExitStack() as stack:
                if isinstance(content := request.get("content"), Path):
                    request["content"] = stack.enter_context(content.open("rb"))
                response = self._http.request(method, path, **request)
        except httpx.TransportError as error:
            raise ServerAway(f"no answer from the server ({type(error).__name__})") from error
        _raise_for(response)
        return response


def _raise_for(response: httpx.Response) -> None:
    status = response.status_code
    if response.is_success:
        return
    if status == 401:
        raise TokenRefused("the server refused this worker's token")
    if status == 409:
        raise LeaseLost(_detail(response))
    if status == 429 or status >= 500:  # a fault over there may pass; repeating is harmless
        raise ServerAway(f"the server answered {status}", _retry_after(response))
    raise ServerRefused(status, _detail(response))


def _retry_after(response: httpx.Response) -> float | None:
    """Seconds only: the HTTP date form is not worth trusting two clocks for."""
    value = response.headers.get("Retry-After", "")
    return float(value) if value.isdigit() else None


def _detail(response: httpx.Response) -> str:
    try:
        body = response.json()
    except ValueError:
        return response.reason_phrase
    if not isinstance(body, dict):
        return response.reason_phrase
    return str(body.get("detail") or body.get("title") or response.reason_phrase)[:300]


def _receipt(body: Mapping[str, Any]) -> Upload:
    if body.get("valid", True):
        return Upload(str(body["upload_id"]), None)
    error = body.get("error") or {}
    message = str(error.get("message", "the server could not read the file"))
    refusal = AssetError(str(error.get("code", "invalid_media")), message, retryable=True)
    return Upload(str(body.get("upload_id", "")), refusal)
