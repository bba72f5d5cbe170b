"""Responses of the server: read up to a size and a time, refusals turned into exceptions."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from ourvidz_worker.errors import LeaseLost, ServerRefused, ServerUnavailable, TokenRefused, WorkerDisabled

MAX_RESPONSE_BYTES = 4 * 2**20  # a lease with the longest prompt is far smaller
MAX_RESPONSE_S = 60.0
WORKER_DISABLED_CODE = "worker_disabled"
MAX_RETRY_AFTER_S = 300.0  # a longer Retry-After is shortened to this


@dataclass(frozen=True, slots=True)
class ServerResponse:
    status: int
    content: bytes = field(repr=False)

    def json(self) -> Mapping[str, Any]:
        """The body. Raises ServerUnavailable if it is no JSON object, such as the error page of a proxy."""
        if (body := _parse_object(self.content)) is None:
            raise ServerUnavailable(f"the answer ({self.status}) is not one that an OurVidz server gives")
        return body


def read_response(response: httpx.Response, max_bytes: int, max_s: float) -> ServerResponse:
    """Reads a whole response.

    Raises:
        ServerRefused: it has more than `max_bytes`, or refuses the request for good.
        ServerUnavailable: it took longer than `max_s`, or a later attempt may succeed.
        TokenRefused, WorkerDisabled, LeaseLost: as the status says.
        httpx.RequestError: the connection was lost.
    """
    content = bytearray()
    deadline = time.monotonic() + max_s
    for part in response.iter_bytes():
        content += part
        if len(content) > max_bytes:
            raise ServerRefused(response.status_code, f"an answer of over {max_bytes} bytes")
        if time.monotonic() > deadline:
            raise ServerUnavailable(f"the answer took over {max_s:.0f} s")
    if not response.is_success:
        raise _error_for(response, bytes(content))
    return ServerResponse(response.status_code, bytes(content))


def _error_for(response: httpx.Response, content: bytes) -> Exception:
    status, code = response.status_code, str((_parse_object(content) or {}).get("code", ""))
    if status == 401:
        return TokenRefused("the server refused this worker's token")
    if status == 403 and code == WORKER_DISABLED_CODE:
        return WorkerDisabled(status, _detail(response, content))
    if status == 409:
        return LeaseLost(_detail(response, content))
    if status in (408, 425, 429) or status >= 500:  # may be temporary; every request can be repeated
        return ServerUnavailable(f"the server answered {status}", _retry_after(response), status)
    return ServerRefused(status, _detail(response, content), code)


def _parse_object(content: bytes) -> dict[str, Any] | None:
    """None when it is no JSON object."""
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) else None


def _retry_after(response: httpx.Response) -> float | None:
    """Supports seconds only: the HTTP-date form would depend on two clocks."""
    value = response.headers.get("Retry-After", "")
    if not (value.isascii() and value.isdigit()):
        return None
    return min(float(value), MAX_RETRY_AFTER_S)


def _detail(response: httpx.Response, content: bytes) -> str:
    if response.has_redirect_location:
        return f"it has moved to {response.headers['Location'][:300]}"
    body = _parse_object(content) or {}
    return str(body.get("detail") or body.get("title") or response.reason_phrase)[:300]
