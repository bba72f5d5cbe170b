"""What a server answered: read only so far and so long, and told apart by what it means."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from ourvidz_worker.errors import LeaseLost, ServerAway, ServerRefused, TokenRefused, WorkerDisabled

LARGEST_ANSWER = 4 * 2**20  # bytes; a lease with the longest prompt is far below
LONGEST_ANSWER_S = 60.0
DISABLED = "worker_disabled"  # the code of that refusal
LONGEST_RETRY_AFTER_S = 300.0  # whoever asks for more is asked again before


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    content: bytes = field(repr=False)

    def facts(self) -> Mapping[str, Any]:
        """Raises ServerAway when it is no JSON object: a page of whatever stands before the server, say."""
        if (facts := _object(self.content)) is None:
            raise ServerAway(f"the answer ({self.status}) is not one that an OurVidz server gives")
        return facts


def read(response: httpx.Response, largest: int, longest_s: float) -> Answer:
    """Raises what a refusal means, ServerRefused for one of over `largest` bytes, ServerAway for one
    that drips for over `longest_s`, httpx.RequestError when it breaks off."""
    content = bytearray()
    deadline = time.monotonic() + longest_s
    for part in response.iter_bytes():
        content += part
        if len(content) > largest:
            raise ServerRefused(response.status_code, f"an answer of over {largest} bytes")
        if time.monotonic() > deadline:
            raise ServerAway(f"the answer took over {longest_s:.0f} s")
    if not response.is_success:
        raise _refusal(response, bytes(content))
    return Answer(response.status_code, bytes(content))


def _refusal(response: httpx.Response, content: bytes) -> Exception:
    status = response.status_code
    if status == 401:
        return TokenRefused("the server refused this worker's token")
    if status == 403 and (_object(content) or {}).get("code") == DISABLED:
        return WorkerDisabled(status, _detail(response, content))
    if status == 409:
        return LeaseLost(_detail(response, content))
    if status in (408, 425, 429) or status >= 500:  # a fault over there may pass; repeating is harmless
        return ServerAway(f"the server answered {status}", _retry_after(response), status)
    return ServerRefused(status, _detail(response, content))


def _object(content: bytes) -> dict[str, Any] | None:
    """None when it is no JSON object."""
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) else None


def _retry_after(response: httpx.Response) -> float | None:
    """Seconds only: the HTTP date form is not worth trusting two clocks for."""
    value = response.headers.get("Retry-After", "")
    if not (value.isascii() and value.isdigit()):
        return None
    return min(float(value), LONGEST_RETRY_AFTER_S)


def _detail(response: httpx.Response, content: bytes) -> str:
    if response.has_redirect_location:
        return f"it has moved to {response.headers['Location'][:300]}"
    body = _object(content) or {}
    return str(body.get("detail") or body.get("title") or response.reason_phrase)[:300]
