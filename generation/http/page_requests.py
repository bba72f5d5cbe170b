"""What the requests of pages say: who asks, and in which form the answer is wanted."""

from __future__ import annotations

from typing import cast

from django.http import HttpRequest


def owner_id_of(request: HttpRequest) -> int:
    """The user who is signed in; the views of pages let nobody else in."""
    return cast("int", request.user.pk)


def wants_fragment(request: HttpRequest) -> bool:
    """Whether a script asks for a part of a page (`X-Fragment: 1`), to put it into the page that it has."""
    return request.headers.get("X-Fragment") == "1"


def wants_json(request: HttpRequest) -> bool:
    """Whether a script asks, which says so in `Accept`."""
    return request.headers.get("Accept", "").startswith("application/json")
