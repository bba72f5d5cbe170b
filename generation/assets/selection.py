"""The selection of assets in a form or a link: `asset=ID`, repeated."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterable
from itertools import product
from urllib.parse import urlencode

from django.http import HttpRequest

MAX_COMPARED = 4  # side by side
# `image` and `video` are what pages and addresses of earlier releases say.
NAMES = ("asset", "image", "video")


def selected_ids(request: HttpRequest) -> list[uuid.UUID]:
    """The ids in the body and the query string, each once; malformed ones are ignored.

    They need not exist or be the sender's. The query string counts too: a plain Undo button has no fields
    of its own.
    """
    named = product((request.POST, request.GET), NAMES)
    return _ids(text for data, name in named for text in data.getlist(name))


def posted_ids(request: HttpRequest, name: str) -> list[uuid.UUID]:
    """The ids in the body's field, each once; malformed ones are ignored."""
    return _ids(request.POST.getlist(name))


def _ids(texts: Iterable[str]) -> list[uuid.UUID]:
    found: dict[uuid.UUID, None] = {}
    for text in texts:
        with contextlib.suppress(ValueError):
            found[uuid.UUID(text)] = None
    return list(found)


def as_fields(asset_ids: Iterable[uuid.UUID]) -> dict[str, list[str]]:
    """The form fields that `selected_ids` reads these from."""
    return {"asset": [str(asset_id) for asset_id in asset_ids]}


def as_query(asset_ids: Iterable[uuid.UUID]) -> str:
    """The query string that `selected_ids` reads these from."""
    return urlencode(as_fields(asset_ids), doseq=True)
