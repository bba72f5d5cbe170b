"""The totals of each project, stored in its row and changed with its assets, as those of the owner are."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping
from operator import attrgetter
from typing import Any

from django.db.models import Count, F, OuterRef, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce

from generation.changes.library_totals import NOTHING, LibraryTotals, totals_of
from generation.models import Asset, Project

COLUMNS = ("library_images", "library_videos", "library_bytes", "stored_bytes")
ByProject = Mapping[uuid.UUID, LibraryTotals]


def totals_by_project(assets: Iterable[Asset]) -> ByProject:
    """The totals of those assets, by the instances' current values."""
    of_project: dict[uuid.UUID, list[Asset]] = defaultdict(list)
    for asset in assets:
        of_project[asset.project_id].append(asset)
    return {project: totals_of(some) for project, some in of_project.items()}


def add(*, after: ByProject, before: ByProject) -> None:
    """Add the difference to the rows. The owner's counter must be locked: it orders the locks of projects."""
    for project_id in sorted({*after, *before}):
        change = after.get(project_id, NOTHING) - before.get(project_id, NOTHING)
        if change != NOTHING:
            changes = zip(COLUMNS, change.sums.values(), strict=True)
            Project.objects.filter(pk=project_id).update(**{name: F(name) + n for name, n in changes})


def projects_with_wrong_totals() -> QuerySet[Project]:
    """Projects whose totals differ from those of the rows."""
    return Project.objects.exclude(**counted())


def recount(project_id: uuid.UUID) -> None:
    """Set the project's totals to those of the rows; in a transaction that has the owner's counter locked."""
    Project.objects.filter(pk=project_id).update(**counted())


def counted() -> dict[str, Any]:
    """The expression that counts each total, for a query of projects."""
    saved = Asset.objects.in_library()
    sums = (
        _of_project(saved.images(), Count("pk")),
        _of_project(saved.videos(), Count("pk")),
        _of_project(saved, Sum("byte_size")),
        _of_project(Asset.objects.completed(), Sum("byte_size")),
    )
    return dict(zip(COLUMNS, sums, strict=True))


def _of_project(assets: QuerySet[Any], aggregate: Count | Sum) -> Coalesce:
    mine = assets.filter(project=OuterRef("pk")).order_by().values("project")
    return Coalesce(Subquery(mine.annotate(sum=aggregate).values("sum")), 0)


def stored_totals(project: Project) -> LibraryTotals:
    """What the row says."""
    return LibraryTotals(*attrgetter(*COLUMNS)(project))
