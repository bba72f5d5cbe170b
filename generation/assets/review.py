"""Reviewing a job's results: save, keep the best, discard the rest; and `undo`, which restores exactly."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db import transaction

from generation.assets.actions import check_count
from generation.changes import writes
from generation.core import audit_log
from generation.core.actors import Actor
from generation.core.clock import Now
from generation.core.errors import DomainError, JobNotFound
from generation.models import Asset, Job


class NotThereToKeep(DomainError):
    """The result to keep is not completed, or in the trash."""

    code = "not_there_to_keep"

    def __init__(self) -> None:
        super().__init__("That result was discarded meanwhile, so nothing was changed.")


@dataclass(frozen=True, slots=True)
class Reviewed:
    """The revisions that an action gave what it saved and what it discarded, for `undo`."""

    saved: list[int] = field(default_factory=list)
    discarded: list[int] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.saved or self.discarded)


def is_under_review(asset: Asset) -> bool:
    """As the query set says it."""
    return asset.completed_at is not None and asset.saved_at is None and asset.trashed_at is None


def is_undecided(asset: Asset) -> bool:
    """Whether it waits for a review that has not begun: not saved, discarded, rated or a favourite."""
    return is_under_review(asset) and not (asset.rating or asset.favourite)


def rest_beside(kept: Asset, results: Sequence[Asset], *, review: bool) -> list[Asset]:
    """Those of a job's results that go when `kept` is kept as the best.

    Not what somebody rated, made a favourite or saved. A job without `review` saved all by itself.
    """
    return [asset for asset in results if asset.pk != kept.pk and _may_go(asset, review=review)]


def _may_go(asset: Asset, *, review: bool) -> bool:
    if review:
        return is_undecided(asset)
    return asset.completed_at is not None and not (asset.trashed_at or asset.rating or asset.favourite)


@transaction.atomic
def save(*, owner_id: int, actor: Actor, assets: Sequence[uuid.UUID]) -> Reviewed:
    """Put these results into the Library, as far as they are under review."""
    check_count(assets)
    waiting = Asset.objects.of(owner_id).filter(pk__in=assets).under_review()
    locked = list(waiting.annotate(locked_at=Now()).select_for_update().order_by("id"))
    return _write(owner_id, actor, save=locked, at=locked[0].locked_at if locked else None)


@transaction.atomic
def save_all(*, owner_id: int, actor: Actor, job_id: uuid.UUID) -> Reviewed:
    """Put all results of the job that are under review into the Library. Raises JobNotFound."""
    job, results = _lock_results(owner_id, job_id)
    return _write(owner_id, actor, save=[each for each in results if is_under_review(each)], at=job.locked_at)


@transaction.atomic
def discard_rest(*, owner_id: int, actor: Actor, job_id: uuid.UUID) -> Reviewed:
    """Discard the results of the job of which nothing was decided. Raises JobNotFound."""
    results = _lock_results(owner_id, job_id)[1]
    return _write(owner_id, actor, discard=[each for each in results if is_undecided(each)])


@transaction.atomic
def keep(*, owner_id: int, actor: Actor, asset_id: uuid.UUID) -> Reviewed:
    """Save this result, and discard the rest of its job beside it.

    Raises:
        JobNotFound: there is no such result of the owner's.
        NotThereToKeep
    """
    job_id = Asset.objects.of(owner_id).filter(pk=asset_id).values_list("job", flat=True).first()
    if job_id is None:
        raise JobNotFound
    job, results = _lock_results(owner_id, job_id)
    kept = next(each for each in results if each.pk == asset_id)
    if kept.completed_at is None or kept.trashed_at:
        raise NotThereToKeep
    rest = rest_beside(kept, results, review=job.review)
    saved = [kept] if is_under_review(kept) else []
    return _write(owner_id, actor, save=saved, discard=rest, at=job.locked_at)


@transaction.atomic
def undo(*, owner_id: int, actor: Actor, reviewed: Reviewed) -> int:
    """Take a review back, for what has not changed since; the number of assets taken back.

    A job that was cleared meanwhile comes back with its results, which no page would show else.
    """
    revisions = [*reviewed.saved, *reviewed.discarded]
    check_count(revisions)
    # Not `of`, with which SQLite reads all assets in the order of their ids.
    touched = Asset.objects.filter(owner_id=owner_id, revision__in=revisions)
    named = touched.values("job")
    jobs = list(Job.objects.of(owner_id).filter(pk__in=named).select_for_update().order_by("id"))
    assets = list(touched.select_for_update().order_by("id"))
    unsaved = [
        each for each in assets if each.revision in reviewed.saved and each.saved_at and not each.trashed_at
    ]
    restored = [each for each in assets if each.revision in reviewed.discarded and each.trashed_at]
    _change(owner_id, actor, "unsaved", unsaved, saved_at=None)
    _change(owner_id, actor, "restored", restored, trashed_at=None)
    to_review = {each.job_id for each in (*unsaved, *restored) if is_under_review(each)}
    writes.write_each(
        owner_id, [job for job in jobs if job.cleared_at and job.pk in to_review], cleared_at=None
    )
    return len(unsaved) + len(restored)


def _lock_results(owner_id: int, job_id: uuid.UUID) -> tuple[Job, list[Asset]]:
    job = writes.lock_owned(owner_id=owner_id, job_id=job_id)
    if job is None:
        raise JobNotFound
    return job, writes.lock_assets(job)


def _write(
    owner_id: int,
    actor: Actor,
    *,
    save: Sequence[Asset] = (),
    discard: Sequence[Asset] = (),
    at: datetime | None = None,
) -> Reviewed:
    """What is saved is saved `at` this moment: the hours of the Library are counted by it."""
    _change(owner_id, actor, "saved", save, saved_at=at)
    _change(owner_id, actor, "discarded", discard, trashed_at=Now())
    return Reviewed([asset.revision for asset in save], [asset.revision for asset in discard])


def _change(owner_id: int, actor: Actor, verb: str, assets: Sequence[Asset], **change: object) -> None:
    writes.write_each(owner_id, assets, **change)
    for asset in assets:
        audit_log.after_commit(f"asset.{verb}", actor=actor, asset=str(asset.pk), job=str(asset.job_id))
