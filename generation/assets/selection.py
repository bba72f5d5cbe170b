"""The selection of assets in a form or a link: `asset=ID`, repeated."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterable
from itertools import product
from urllib.parse import urlencode

from django.http import HttpRequest, QueryDict

from generation.assets import stacks
from generation.assets.filters import AssetFilter

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


def selected_assets(request: HttpRequest, owner_id: int) -> list[uuid.UUID]:
    """As `selected_ids`; of a page of stacks, which the field `within` says by its filter, all they hold."""
    return _opened(selected_ids(request), QueryDict(request.POST.get("within", "")), owner_id)


def excluded_assets(request: HttpRequest, owner_id: int) -> list[uuid.UUID]:
    """What is left out of all that match, whose filter the body has; of stacks all they hold."""
    return _opened(posted_ids(request, "except"), request.POST, owner_id)


def _opened(ids: list[uuid.UUID], query: QueryDict, owner_id: int) -> list[uuid.UUID]:
    only = AssetFilter.from_query(query)
    return stacks.opened(only.fitting(owner_id), ids) if only.stacks and ids else ids


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
