"""Stacks: of each job only its best, where a listing is asked for that (decision 50)."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from typing import Any

from django.db.models import BooleanField, Count, ExpressionWrapper, OuterRef, Q, Subquery, Value
from django.db.models.functions import Coalesce

from generation.models import Asset
from generation.models.asset import A, AssetQuerySet

MEMBERS = 6  # of a stack, as most have at most; only a guess, which makes no listing wrong
# Highest rated, then favourite, then first. Only what is alone in its job has no index.
BEST_FIRST = ("-rating", "-favourite", "image_index", "pk")


def collapsed(assets: AssetQuerySet[A], fitting: AssetQuerySet[Any]) -> AssetQuerySet[A]:
    """Those of these that are the best of their job's among the `fitting`.

    A subquery for each row, by the index of the job's slots: an anti-join would be planned for all rows of
    the Library, where a page needs sixty. PostgreSQL expects half of the rows to pass a `COALESCE`, and reads
    them in order until there are enough; of an equality it expects one in 200, and sorts all.
    """
    best = fitting.filter(job=OuterRef("job")).order_by(*BEST_FIRST).values("pk")[:1]
    is_best = ExpressionWrapper(Q(pk=Subquery(best)), BooleanField())
    return assets.filter(Coalesce(is_best, Value(value=False)))


def sizes(fitting: AssetQuerySet[Any], assets: Iterable[Asset]) -> dict[uuid.UUID, int]:
    """How many fit of the jobs of these, by job."""
    jobs = {asset.job_id for asset in assets}
    counted = fitting.filter(job__in=jobs).order_by().values("job").annotate(number=Count("pk"))
    return dict(counted.values_list("job", "number"))


def opened(fitting: AssetQuerySet[Any], asset_ids: Sequence[uuid.UUID]) -> list[uuid.UUID]:
    """These, and whatever fits of their jobs."""
    jobs = Asset.objects.filter(pk__in=asset_ids).values("job")
    members = fitting.filter(job__in=jobs).order_by("pk").values_list("pk", flat=True)
    return list(dict.fromkeys([*asset_ids, *members]))


def count(assets: AssetQuerySet[Any], fitting: AssetQuerySet[Any], most: int) -> int:
    """How many stacks these make, counted up to `most`.

    So many jobs as these have: mostly to be told from a few for each, without a look at what is best.
    """
    looked_at = MEMBERS * most
    jobs = assets.order_by().values("pk", "job")[:looked_at]
    found = jobs.aggregate(rows=Count("pk"), jobs=Count("job", distinct=True))
    if found["rows"] < looked_at or found["jobs"] >= most:
        return min(int(found["jobs"]), most)
    return collapsed(assets, fitting)[:most].count()
