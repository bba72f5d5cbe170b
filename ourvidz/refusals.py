"""Answers to requests that are refused in front of Django, made without a thread and without the database."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from typing import Any

from csp.utils import build_policy
from django.template.loader import render_to_string

from generation.core.service_errors import ServiceError
from generation.http import asgi
from generation.http.asgi import Send
from generation.http.problems import TOO_LARGE


@dataclass(frozen=True, slots=True)
class Refusal:
    """`code` is for programs, `message` for people; `retry_after` in seconds, where waiting helps."""

    status: HTTPStatus
    code: str
    message: str
    retry_after: int | None = None

    async def send(self, scope: Any, send: Send) -> None:
        """A problem object for programs, an outcome for a page's script, a page for a browser."""
        accepted = dict(scope["headers"]).get(b"accept", b"")
        is_api = scope["path"].startswith("/api/")
        if not is_api and accepted.startswith(b"application/json"):
            outcome = {"ok": False, "code": self.code, "message": self.message, "errors": {}}
            await self._send(send, "application/json", json.dumps(outcome).encode())
        elif not is_api and b"text/html" in accepted:
            await self._send(send, "text/html; charset=utf-8", _page(self), _page_headers())
        else:
            await asgi.send_problem(
                send, self.status, self.message, code=self.code, retry_after=self.retry_after
            )

    async def _send(
        self, send: Send, content_type: str, body: bytes, headers: dict[str, str] | None = None
    ) -> None:
        await asgi.send_answer(
            send, self.status, content_type, body, retry_after=self.retry_after, headers=headers
        )


def over_rate(retry_after: int) -> Refusal:
    message = "Too many requests in a short time. Nothing was done; try again in a moment."
    return Refusal(HTTPStatus.TOO_MANY_REQUESTS, "rate_limited", message, retry_after)


def unavailable(error: ServiceError) -> Refusal:
    return Refusal(HTTPStatus.SERVICE_UNAVAILABLE, error.code, error.message, error.retry_after)


BODY_TOO_LARGE = Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_large", TOO_LARGE)
TOO_MANY_AT_ONCE = Refusal(
    HTTPStatus.TOO_MANY_REQUESTS,
    "too_many_at_once",
    "Too many of your requests are being worked on. Nothing was done; try again in a moment.",
    retry_after=1,
)
BUSY = Refusal(
    HTTPStatus.SERVICE_UNAVAILABLE,
    "busy",
    "The server is busy. Nothing was done; try again in a moment.",
    retry_after=1,
)
TOO_MANY_UPLOADS = Refusal(
    HTTPStatus.TOO_MANY_REQUESTS,
    "uploads_in_flight",
    "Your other uploads are still on their way. Send this one when they have arrived.",
    retry_after=2,
)
BUSY_WITH_UPLOADS = Refusal(
    HTTPStatus.SERVICE_UNAVAILABLE,
    "busy_with_uploads",
    "Other uploads are on their way just now. Send this one again in a moment.",
    retry_after=5,
)


@cache
def _page(refusal: Refusal) -> bytes:
    return render_to_string("refused.html", {"refusal": refusal}).encode()


@cache
def _page_headers() -> dict[str, str]:
    """What the middleware gives every other page."""
    return {
        "Content-Security-Policy": build_policy(),
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
    }
