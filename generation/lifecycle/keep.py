"""What an owner keeps: saving to the Library, discarding to the trash and back, clearing the Workspace."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence

from django.db import transaction
from django.db.models import Exists, OuterRef

from generation import events, trace
from generation.clock import Now
from generation.lifecycle import revisions
from generation.lifecycle.errors import TooMany
from generation.models import Asset, Image, Job, Video
from generation.models.asset import AssetQuerySet
from generation.models.job import ACTIVE

MOST_IDS = 500
Ids = Sequence[uuid.UUID]
Choose = Callable[["AssetQuerySet[Asset]"], "AssetQuerySet[Asset]"]


def save(*, owner_id: int, images: Ids = (), videos: Ids = ()) -> int:
    """Put results under review into the Library; the number moved."""
    return _move("saved", owner_id, images, videos, choose=lambda q: q.under_review(), saved_at=Now())


def discard(*, owner_id: int, images: Ids = (), videos: Ids = ()) -> int:
    """Move completed assets to the trash; the number moved. `restore` undoes it exactly."""

    def kept(assets: AssetQuerySet[Asset]) -> AssetQuerySet[Asset]:
        return assets.completed().outside_trash()

    return _move("discarded", owner_id, images, videos, choose=kept, trashed_at=Now())


def restore(*, owner_id: int, images: Ids = (), videos: Ids = ()) -> int:
    """Bring assets back from the trash to where they were; the number moved."""
    return _move("restored", owner_id, images, videos, choose=lambda q: q.in_trash(), trashed_at=None)


@transaction.atomic
def _move(what: str, owner_id: int, images: Ids, videos: Ids, *, choose: Choose, **change: object) -> int:
    if len(images) + len(videos) > MOST_IDS:
        raise TooMany(MOST_IDS)
    picked = [*_lock(Image, owner_id, images, choose), *_lock(Video, owner_id, videos, choose)]
    if not picked:
        return 0
    last = _stamp(owner_id, picked, change)
    for asset in picked:
        trace.after_commit(f"asset.{what}", asset=str(asset.pk), job=str(asset.job_id))
    events.changed(owner_id=owner_id, revision=last, job_ids={asset.job_id for asset in picked})
    return len(picked)


def _lock(model: type[Asset], owner_id: int, ids: Ids, choose: Choose) -> list[Asset]:
    if not ids:
        return []
    mine = model.objects.of(owner_id).filter(pk__in=ids)
    return list(choose(mine).select_for_update().order_by("id"))


def _stamp(owner_id: int, picked: Sequence[Asset], change: dict[str, object]) -> int:
    revision = revisions.take(owner_id=owner_id, count=len(picked))
    for asset in picked:
        asset.revision = next(revision)
        for name, value in change.items():
            setattr(asset, name, value)
    fields = ["revision", *change]
    Image.objects.bulk_update([asset for asset in picked if isinstance(asset, Image)], fields)
    Video.objects.bulk_update([asset for asset in picked if isinstance(asset, Video)], fields)
    return picked[-1].revision


@transaction.atomic
def clear(*, owner_id: int, job_ids: Ids | None = None) -> int:
    """Finished jobs leave the Workspace; the number that left.

    Jobs that are active, and those with results still under review, stay. Nothing leaves the Library.
    """
    finished = Job.objects.of(owner_id).staged().exclude(status__in=ACTIVE)
    if job_ids is not None:
        finished = finished.filter(pk__in=job_ids)
    for model in (Image, Video):
        finished = finished.exclude(Exists(model.objects.under_review().filter(job=OuterRef("pk"))))
    jobs = list(finished.select_for_update().order_by("id")[:MOST_IDS])
    if not jobs:
        return 0
    revision = revisions.take(owner_id=owner_id, count=len(jobs))
    for job in jobs:
        job.revision, job.cleared_at = next(revision), Now()
        trace.after_commit("job.cleared", job=str(job.pk))
    Job.objects.bulk_update(jobs, ["revision", "cleared_at"])
    events.changed(owner_id=owner_id, revision=jobs[-1].revision, job_ids=[job.pk for job in jobs])
    return len(jobs)
