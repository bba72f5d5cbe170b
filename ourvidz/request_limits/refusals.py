"""The answers to requests that are over a limit, made without a thread and without the database."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from typing import Any

from csp.utils import build_policy
from django.template.loader import render_to_string


@dataclass(frozen=True, slots=True)
class Refusal:
    """`code` is for programs, `message` for people."""

    status: HTTPStatus
    code: str
    message: str
    wait_s: float

    async def send(self, scope: Any, send: Any) -> None:
        content_type, body, more = self._content(scope)
        headers = {
            "Content-Type": content_type,
            "Content-Length": str(len(body)),
            "Retry-After": str(max(1, math.ceil(self.wait_s))),
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
            **more,
        }
        raw = [(name.encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": int(self.status), "headers": raw})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    def _content(self, scope: Any) -> tuple[str, bytes, dict[str, str]]:
        """A problem object for the APIs, an outcome for a page's script, else a page."""
        if scope["path"].startswith("/api/"):
            return "application/problem+json", json.dumps(self._problem()).encode(), {}
        if dict(scope["headers"]).get(b"accept", b"").startswith(b"application/json"):
            outcome = {"ok": False, "code": self.code, "message": self.message, "errors": {}}
            return "application/json", json.dumps(outcome).encode(), {}
        return "text/html; charset=utf-8", _page(self.message), _page_headers()

    def _problem(self) -> dict[str, object]:
        return {
            "type": f"urn:ourvidz:problem:{self.code}",
            "title": self.status.phrase,
            "status": int(self.status),
            "code": self.code,
            "detail": self.message,
            "errors": {},
        }


def over_rate(wait_s: float) -> Refusal:
    message = "Too many requests in a short time. Nothing was done; try again in a moment."
    return Refusal(HTTPStatus.TOO_MANY_REQUESTS, "rate_limited", message, wait_s)


def too_many_at_once(wait_s: float) -> Refusal:
    message = "Too many of your requests are being worked on. Nothing was done; try again in a moment."
    return Refusal(HTTPStatus.TOO_MANY_REQUESTS, "too_many_at_once", message, wait_s)


def busy(wait_s: float) -> Refusal:
    message = "The server is busy. Nothing was done; try again in a moment."
    return Refusal(HTTPStatus.SERVICE_UNAVAILABLE, "busy", message, wait_s)


@cache
def _page(message: str) -> bytes:
    return render_to_string("429.html", {"message": message}).encode()


@cache
def _page_headers() -> dict[str, str]:
    """What the middleware gives every other page."""
    return {
        "Content-Security-Policy": build_policy(),
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
    }
