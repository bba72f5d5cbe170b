"""Which of the owner's rows a request is about."""

from __future__ import annotations

import uuid
from typing import TypedDict
from urllib.parse import urlencode

from django.http import Http404, QueryDict
from django.urls import reverse

from generation.assets import listing
from generation.core.errors import JobNotFound
from generation.jobs import listing as job_listing
from generation.models import Asset, Job
from workspace.presenters import Stack


class Ids(TypedDict):
    """As the bulk moves of generation.assets.actions take them."""

    images: list[uuid.UUID]
    videos: list[uuid.UUID]


def owned_job(owner_id: int, job_id: uuid.UUID) -> Job:
    """The owner's job with its slots. Raises JobNotFound."""
    for job in job_listing.jobs_with_slots(owner_id=owner_id, job_ids=[job_id]):
        return job
    raise JobNotFound


def under_review(owner_id: int, job_id: uuid.UUID) -> Ids:
    """The job's results that are neither saved nor discarded. Raises JobNotFound."""
    cards = Stack(owned_job(owner_id, job_id)).cards
    return _by_media([card.asset for card in cards if card.under_review])


def owned_asset(owner_id: int, media: str, asset_id: uuid.UUID) -> Ids:
    """That one asset. Raises Http404 when it is not the owner's."""
    asset = listing.find_asset(owner_id=owner_id, media=media, asset_id=asset_id)
    if asset is None:
        raise Http404
    return _by_media([asset])


def listed(query: QueryDict) -> Ids:
    """The ids in `image=…&video=…`. Raises Http404 for what is no id."""
    try:
        return Ids(
            images=[uuid.UUID(given) for given in query.getlist("image")],
            videos=[uuid.UUID(given) for given in query.getlist("video")],
        )
    except ValueError as bad:
        raise Http404 from bad


def restore_url(images: list[uuid.UUID], videos: list[uuid.UUID]) -> str:
    """Where to POST to bring these back from the trash."""
    ids = [*(("image", pk) for pk in images), *(("video", pk) for pk in videos)]
    return f"{reverse('workspace:restore-many')}?{urlencode(ids)}"


def _by_media(assets: list[Asset]) -> Ids:
    return Ids(
        images=[asset.pk for asset in assets if asset.media == "image"],
        videos=[asset.pk for asset in assets if asset.media == "video"],
    )
