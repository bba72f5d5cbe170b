"""Titles that an owner gives to assets; they are found by the search."""

from __future__ import annotations

import uuid

from django.db import transaction

from generation.assets.search import index
from generation.changes import writes
from generation.core import audit_log
from generation.core.actors import Actor
from generation.core.errors import BadName, NotFound
from generation.core.limits import TITLE_LENGTH
from generation.core.text import control_error, plain_line
from generation.models import Asset


@transaction.atomic
def set_title(*, owner_id: int, actor: Actor, asset_id: uuid.UUID, title: str) -> str:
    """Give a completed asset this title, or none; the one from before.

    Raises:
        NotFound, BadName: too long, or with control characters.
    """
    title = usable_title(title)
    mine = Asset.objects.of(owner_id).completed().filter(pk=asset_id)
    asset = mine.defer("search_text").select_for_update().first()
    if asset is None:
        raise NotFound("asset")
    before = asset.title
    if title != before:
        writes.write_each(owner_id, [asset], title=title)
        index.refresh(asset_ids=[asset_id])
        audit_log.after_commit("asset.titled", actor=actor, asset=str(asset_id), job=str(asset.job_id))
    return before


def usable_title(title: str) -> str:
    """The title on one line, with plain spaces. Raises BadName."""
    plain = plain_line(title)
    if error := control_error(plain):
        raise BadName(error)
    if len(plain) > TITLE_LENGTH:
        raise BadName(f"A title has at most {TITLE_LENGTH} characters.")
    return plain
