"""An owner's actions on assets: save to the Library, discard to the trash, restore, rate, favourite."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence

from django.db import transaction

from generation.changes import writes
from generation.core import audit_log
from generation.core.actors import Actor
from generation.core.clock import Now
from generation.core.errors import TooMany
from generation.models import Asset, Job
from generation.models.asset import AssetQuerySet

MAX_IDS = 500
Narrow = Callable[["AssetQuerySet[Asset]"], "AssetQuerySet[Asset]"]


def save(*, owner_id: int, actor: Actor, assets: Sequence[uuid.UUID]) -> int:
    """Put results under review into the Library; the number moved."""
    return len(_change("saved", owner_id, actor, assets, narrow=lambda q: q.under_review(), saved_at=Now()))


def discard(*, owner_id: int, actor: Actor, assets: Sequence[uuid.UUID]) -> int:
    """Move completed assets to the trash; the number moved. `restore` undoes it exactly."""

    def discardable(q: AssetQuerySet[Asset]) -> AssetQuerySet[Asset]:
        return q.completed().outside_trash()

    return len(_change("discarded", owner_id, actor, assets, narrow=discardable, trashed_at=Now()))


@transaction.atomic
def restore(*, owner_id: int, actor: Actor, assets: Sequence[uuid.UUID]) -> int:
    """Bring assets back from the trash to where they were; the number moved.

    Results still under review bring their job back, if it was cleared from the Workspace meanwhile:
    else no page would show them.
    """
    check_count(assets)
    jobs = lock_jobs_to_review(owner_id, assets)
    moved = _change("restored", owner_id, actor, assets, narrow=lambda q: q.in_trash(), trashed_at=None)
    writes.write_each(owner_id, [job for job in jobs if job.cleared_at], cleared_at=None)
    return len(moved)


def rate(*, owner_id: int, actor: Actor, assets: Sequence[uuid.UUID], rating: int) -> int:
    """Give completed assets 1 to 5 stars, or 0 to take them back; the number changed."""

    def differing(q: AssetQuerySet[Asset]) -> AssetQuerySet[Asset]:
        return q.completed().exclude(rating=rating)

    return len(_change("rated", owner_id, actor, assets, narrow=differing, rating=rating))


def set_favourite(
    *, owner_id: int, actor: Actor, assets: Sequence[uuid.UUID], favourite: bool
) -> list[uuid.UUID]:
    """Mark completed assets as favourites, or no longer; the ids of those that changed, for the undo."""

    def differing(q: AssetQuerySet[Asset]) -> AssetQuerySet[Asset]:
        return q.completed().exclude(favourite=favourite)

    verb = "favourited" if favourite else "unfavourited"
    return _change(verb, owner_id, actor, assets, narrow=differing, favourite=favourite)


def lock_jobs_to_review(owner_id: int, asset_ids: Sequence[uuid.UUID]) -> list[Job]:
    """The jobs of the assets that were never saved; locked, so that none is cleared meanwhile."""
    unsaved = Asset.objects.in_trash().filter(pk__in=asset_ids, saved_at=None).values("job")
    return list(Job.objects.of(owner_id).filter(pk__in=unsaved).select_for_update().order_by("id"))


def check_count(ids: Sequence[object]) -> None:
    """Raises TooMany for more ids than one call takes."""
    if len(ids) > MAX_IDS:
        raise TooMany(MAX_IDS)


@transaction.atomic
def _change(
    verb: str, owner_id: int, actor: Actor, ids: Sequence[uuid.UUID], *, narrow: Narrow, **change: object
) -> list[uuid.UUID]:
    """Write `change` to those of the owner's assets that `narrow` leaves; their ids."""
    check_count(ids)
    mine = Asset.objects.of(owner_id).filter(pk__in=ids)
    assets = list(narrow(mine).annotate(locked_at=Now()).select_for_update().order_by("id"))
    for name, value in change.items():
        if assets and isinstance(value, Now):  # a moment, as the hours of the Library are counted by it
            change[name] = assets[0].locked_at
    writes.write_each(owner_id, assets, **change)
    for asset in assets:
        audit_log.after_commit(f"asset.{verb}", actor=actor, asset=str(asset.pk), job=str(asset.job_id))
    return [asset.pk for asset in assets]
