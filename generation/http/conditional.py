"""Conditional requests: 304 for what the caller has already.

Answers stay `no-store`, so no cache keeps them; a script that asks again sends the ETag it was given. The
tags are weak, for the same answer may be sent compressed.
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.http import HttpResponse
from django.utils.cache import get_conditional_response
from rest_framework.response import Response

if TYPE_CHECKING:
    from django.http.response import HttpResponseBase
    from rest_framework.request import Request

GENERATION = Path(__file__).resolve().parent.parent


def version_tag(request: Request, *versions: object) -> str:
    """A tag for the answer to this request that is as new as these versions of its rows."""
    parts = (_release(), settings.PAGE_BYTES, request.user.pk, request.get_full_path(), versions)
    return _weak(repr(parts).encode())


def not_modified(request: Request, tag: str) -> HttpResponseBase | None:
    """The 304 to a caller who has the answer with this tag."""
    other = HttpResponse(headers={"ETag": tag})
    answer = get_conditional_response(request._request, etag=tag, response=other)
    return None if answer is other else answer


def add_tag(request: Request, response: Response) -> None:
    """Answer with 304 in the end if the caller has the same; without a tag, one is made of the content."""

    def unless_known(rendered: Response) -> HttpResponseBase | None:
        rendered.headers.setdefault("ETag", _weak(rendered.content))
        answer = get_conditional_response(request._request, etag=rendered["ETag"], response=rendered)
        return None if answer is rendered else answer

    response.add_post_render_callback(unless_known)


def _weak(content: bytes) -> str:
    return f'W/"{hashlib.sha256(content).hexdigest()[:32]}"'


@cache
def _release() -> str:
    """Changes with the code that makes the answers, which may say other things of the same rows."""
    digest = hashlib.sha256()
    for path in sorted(GENERATION.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def is_taggable(request: Request, response: Any) -> bool:
    return (
        request.method in ("GET", "HEAD") and isinstance(response, Response) and response.status_code == 200
    )
