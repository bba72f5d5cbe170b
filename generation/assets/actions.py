"""What an owner keeps: saving to the Library, discarding to the trash and back, clearing the Workspace."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Sequence

from django.db import transaction
from django.db.models import Exists, OuterRef, Q

from generation.changes import publisher, revisions
from generation.changes.library_totals import totals_of
from generation.core import audit_log, bulk_update
from generation.core.clock import Now
from generation.core.errors import TooMany
from generation.models import Asset, Image, Job, Video
from generation.models.asset import AssetQuerySet
from generation.models.job import JobQuerySet
from generation.models.statuses import ACTIVE

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


@transaction.atomic
def restore(*, owner_id: int, images: Ids = (), videos: Ids = ()) -> int:
    """Bring assets back from the trash to where they were; the number moved.

    Results still under review bring their job back, if it was cleared from the Workspace meanwhile:
    else no page would show them.
    """
    _check_number(images, videos)
    jobs = _lock_jobs_to_review(owner_id, images, videos)
    moved = _move("restored", owner_id, images, videos, choose=lambda q: q.in_trash(), trashed_at=None)
    _stage(owner_id, [job for job in jobs if job.cleared_at], cleared_at=None)
    return moved


def _lock_jobs_to_review(owner_id: int, images: Ids, videos: Ids) -> list[Job]:
    """The jobs of those assets that were never saved; locked, so that none is cleared meanwhile."""
    unsaved = Q(pk__in=Image.objects.in_trash().filter(pk__in=images, saved_at=None).values("job"))
    unsaved |= Q(pk__in=Video.objects.in_trash().filter(pk__in=videos, saved_at=None).values("job"))
    return list(Job.objects.of(owner_id).filter(unsaved).select_for_update().order_by("id"))


def _check_number(*ids: Ids) -> None:
    if sum(map(len, ids)) > MOST_IDS:
        raise TooMany(MOST_IDS)


@transaction.atomic
def _move(what: str, owner_id: int, images: Ids, videos: Ids, *, choose: Choose, **change: object) -> int:
    _check_number(images, videos)
    picked = [*_lock(Image, owner_id, images, choose), *_lock(Video, owner_id, videos, choose)]
    if not picked:
        return 0
    last = _stamp(owner_id, picked, change)
    for asset in picked:
        audit_log.after_commit(f"asset.{what}", asset=str(asset.pk), job=str(asset.job_id))
    publisher.changed(owner_id=owner_id, revision=last, job_ids={asset.job_id for asset in picked})
    return len(picked)


def _lock(model: type[Asset], owner_id: int, ids: Ids, choose: Choose) -> list[Asset]:
    if not ids:
        return []
    mine = model.objects.of(owner_id).filter(pk__in=ids)
    return list(choose(mine).select_for_update().order_by("id"))


def _stamp(owner_id: int, picked: Sequence[Asset], change: dict[str, object]) -> int:
    before = totals_of(picked)
    for asset in picked:
        for name, value in change.items():
            setattr(asset, name, value)
    revision = revisions.take(owner_id=owner_id, count=len(picked), library=totals_of(picked) - before)
    for asset in picked:
        asset.revision = next(revision)
    fields = ["revision", *change]
    for model in (Image, Video):
        if changed := [asset for asset in picked if isinstance(asset, model)]:
            bulk_update.update_each(changed, fields)
    return picked[-1].revision


def clear(*, owner_id: int, job_ids: Ids | None = None) -> int:
    """Finished jobs leave the Workspace, all of them or those named; the number that left.

    Jobs that are active, and those with results still under review, stay. Nothing leaves the Library.
    """
    if job_ids is not None:
        _check_number(job_ids)
        return _clear(owner_id, Job.objects.filter(pk__in=job_ids))
    total = 0
    while cleared := _clear(owner_id, Job.objects.all()):
        total += cleared
    return total


@transaction.atomic
def _clear(owner_id: int, among: JobQuerySet) -> int:
    finished = among.of(owner_id).staged().exclude(status__in=ACTIVE)
    for model in (Image, Video):
        finished = finished.exclude(Exists(model.objects.under_review().filter(job=OuterRef("pk"))))
    jobs = list(finished.select_for_update().order_by("id")[:MOST_IDS])
    # Asked again under the locks: a result may have been restored while they were waited for.
    restored = {job_id for model in (Image, Video) for job_id in _jobs_under_review(model, jobs)}
    jobs = [job for job in jobs if job.pk not in restored]
    for job in jobs:
        audit_log.after_commit("job.cleared", job=str(job.pk))
    _stage(owner_id, jobs, cleared_at=Now())
    return len(jobs)


def _jobs_under_review(model: type[Asset], jobs: Sequence[Job]) -> Iterable[uuid.UUID]:
    return model.objects.under_review().filter(job__in=jobs).values_list("job_id", flat=True)


def _stage(owner_id: int, jobs: Sequence[Job], *, cleared_at: Now | None) -> None:
    """Take locked jobs off the Workspace or bring them back."""
    if not jobs:
        return
    revision = revisions.take(owner_id=owner_id, count=len(jobs))
    for job in jobs:
        job.revision, job.cleared_at = next(revision), cleared_at
    bulk_update.update_each(jobs, ["revision", "cleared_at"])
    publisher.changed(owner_id=owner_id, revision=jobs[-1].revision, job_ids=[job.pk for job in jobs])
