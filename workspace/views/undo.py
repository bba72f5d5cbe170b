"""Addresses that undo an action: they carry what it changed, so that a plain button can POST to them."""

from __future__ import annotations

import uuid

from django.http import HttpRequest
from django.urls import reverse

from generation.assets.review import Reviewed
from generation.assets.selection import as_query

MAX_DIGITS = 18  # of a number in an address: any more would not fit a column


def undo_url(name: str, revisions: list[int]) -> str:
    """Where to POST to undo what gave rows these revisions; empty if there is nothing to undo."""
    listed = ",".join(map(str, revisions))
    return f"{reverse(f'workspace:{name}')}?revisions={listed}" if listed else ""


def posted_revisions(request: HttpRequest, name: str = "revisions") -> list[int]:
    """Those of `undo_url`; malformed ones are left out."""
    return [int(text) for text in request.GET.get(name, "").split(",") if is_number(text)]


def undo_review_url(reviewed: Reviewed) -> str:
    """Where to POST to take a review back; empty if it changed nothing."""
    named = {"saved": reviewed.saved, "discarded": reviewed.discarded}
    listed = "&".join(f"{name}={','.join(map(str, them))}" for name, them in named.items() if them)
    return f"{reverse('workspace:undo-review')}?{listed}" if listed else ""


def posted_review(request: HttpRequest) -> Reviewed:
    """That of `undo_review_url`."""
    return Reviewed(posted_revisions(request, "saved"), posted_revisions(request, "discarded"))


def is_number(text: str) -> bool:
    return text.isdecimal() and len(text) <= MAX_DIGITS


def restore_url(asset_ids: list[uuid.UUID]) -> str:
    """Where to POST to bring these back from the trash."""
    return f"{reverse('workspace:restore-many')}?{as_query(asset_ids)}"
