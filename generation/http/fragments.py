from __future__ import annotations

from django.http import HttpRequest


def wants_fragment(request: HttpRequest) -> bool:
    """Whether a script asks for a part of a page (`X-Fragment: 1`), to put it into the page that it has."""
    return request.headers.get("X-Fragment") == "1"
