"""What an asset belongs with: the results of the same job, what it was made from, what was made from it."""

from __future__ import annotations

from dataclasses import dataclass

from generation.assets.review import rest_beside
from generation.assets.selection import MAX_COMPARED, as_query
from generation.models import Asset, JobReference
from generation.models.asset import AssetQuerySet

MAX_JOBS = 8
MAX_SHOWN = 12


@dataclass(frozen=True, slots=True)
class Relations:
    """Assets outside the trash, in bounded numbers.

    `siblings`: all of its job with the asset itself, by slot; empty without another. `made_from`: the images
    that its job's references were copied from. `made_into`: results of the newest jobs that used it.
    """

    siblings: list[Asset]
    made_from: list[Asset]
    made_into: list[Asset]
    rest: int  # of the siblings under review: how many go when the asset is kept as the best

    @property
    def to_compare(self) -> str:
        """The query that compares the first of the siblings."""
        return as_query(asset.pk for asset in self.siblings[:MAX_COMPARED])


def relations_of(asset: Asset) -> Relations:
    """In three queries at most, whatever there is."""
    siblings = sorted(_shown(asset).filter(job=asset.job_id), key=lambda other: other.slot)
    reviewed = asset.job.review and asset.trashed_at is None
    return Relations(
        siblings=siblings if any(other.pk != asset.pk for other in siblings) else [],
        rest=len(rest_beside(asset, siblings, review=True)) if reviewed else 0,
        made_from=made_from(asset) if asset.job.has_references else [],
        made_into=made_into(asset) if asset.media == "image" else [],
    )


def made_from(asset: Asset) -> list[Asset]:
    used = JobReference.objects.filter(job=asset.job_id).values("reference__sha256")
    same = _shown(asset).with_bytes().filter(sha256__in=used).exclude(job=asset.job_id)
    return list(same.order_by("id")[:MAX_SHOWN])


def made_into(asset: Asset) -> list[Asset]:
    """References keep the bytes of what they were copied from, so those name it."""
    uses = JobReference.objects.filter(reference__owner=asset.owner_id, reference__sha256=asset.sha256)
    jobs = uses.order_by("-job_id").values("job_id")[:MAX_JOBS]
    return list(_shown(asset).filter(job__in=jobs).exclude(job=asset.job_id).order_by("-id")[:MAX_SHOWN])


def _shown(asset: Asset) -> AssetQuerySet[Asset]:
    return Asset.objects.of(asset.owner_id).completed().outside_trash().defer("search_text")
