"""Which assets a form or a link names: `asset=…`, as often as needed."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterable
from urllib.parse import urlencode

from django.http import HttpRequest

# `image` and `video` are what pages and addresses of earlier releases say.
NAMES = ("asset", "image", "video")


def selected_ids(request: HttpRequest) -> list[uuid.UUID]:
    """The body's and the address's ids, each once; what is no id is passed over.

    They are well-formed, not known to exist or to be the sender's. The address counts too: a plain Undo
    button has no fields of its own.
    """
    found: dict[uuid.UUID, None] = {}
    for given in (request.POST, request.GET):
        for text in (text for name in NAMES for text in given.getlist(name)):
            with contextlib.suppress(ValueError):
                found[uuid.UUID(text)] = None
    return list(found)


def as_fields(asset_ids: Iterable[uuid.UUID]) -> dict[str, list[str]]:
    """The form fields that `selected_ids` reads these from."""
    return {"asset": [str(asset_id) for asset_id in asset_ids]}


def as_query(asset_ids: Iterable[uuid.UUID]) -> str:
    """The query string that `selected_ids` reads these from."""
    return urlencode(as_fields(asset_ids), doseq=True)
