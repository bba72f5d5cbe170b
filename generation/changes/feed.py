"""The change feed: everything of an owner with a higher revision, in order."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter
from typing import NamedTuple, TypeVar

from django.db.models import Model, QuerySet, Subquery

from generation.core.errors import DomainError
from generation.models import Asset, Job, OwnerCounter, Tombstone, Uptime

Row = TypeVar("Row", bound=Model)


class StaleCursor(DomainError):
    """A revision that the feed cannot continue from: reload everything."""

    code = "reload"

    def __init__(self) -> None:
        super().__init__("Changes cannot be told from this revision. Load everything afresh.")


@dataclass(frozen=True, slots=True)
class Changes:
    """Everything after the requested revision, in order; the reader is then at `revision` of `epoch`."""

    revision: int
    jobs: list[Job]
    assets: list[Asset]
    purged: list[Tombstone]
    more: bool
    epoch: str = ""

    @property
    def rows(self) -> int:
        """How many there are of all kinds."""
        return len(self.jobs) + len(self.assets) + len(self.purged)

    @property
    def job_ids(self) -> set[uuid.UUID]:
        """The jobs whose stack has changed."""
        changed = {job.pk for job in self.jobs} | {asset.job_id for asset in self.assets}
        return changed | {row.job_id for row in self.purged}


class Position(NamedTuple):
    """Where an owner's feed stands. Revisions of different epochs cannot be compared.

    A restored database counts on from an earlier revision, so that the numbers since then come twice. `epoch`
    is empty while nothing is known of that.
    """

    revision: int
    oldest_revision: int
    epoch: str


def position(owner_id: int) -> Position:
    """Where the owner's feed stands; revision 0 before the first change."""
    epoch = Subquery(Uptime.objects.values("epoch")[:1])
    counter = OwnerCounter.objects.filter(pk=owner_id).values_list("revision", "oldest_revision", epoch)
    revision, oldest_revision, began = counter.first() or (0, 0, None)
    return Position(revision, oldest_revision, str(int(began.timestamp() * 1_000_000)) if began else "")


def changes(*, owner_id: int, after: int, limit: int = 200, epoch: str = "") -> Changes:
    """Up to `limit` rows of the owner that changed after revision `after`.

    The counter is read first and bounds the following reads: a change that commits between two of them
    is left to the next call, never skipped.

    Raises:
        StaleCursor: `after` is from another database (by `epoch`, if the reader names one, or by its number),
            or so old that purges since then are forgotten.
    """
    upto, oldest_revision, current_epoch = position(owner_id)
    is_other = bool(epoch and current_epoch and epoch != current_epoch)
    if is_other or after > upto or after < oldest_revision:
        raise StaleCursor
    if after == upto:  # as most rechecks find it
        return Changes(revision=upto, jobs=[], assets=[], purged=[], more=False, epoch=current_epoch)

    def newer(rows: QuerySet[Row]) -> list[Row]:
        mine = rows.filter(owner_id=owner_id, revision__gt=after, revision__lte=upto)
        return list(mine.order_by("revision")[: limit + 1])

    revision_of: Callable[[Model], int] = attrgetter("revision")
    found: list[Model] = [
        *newer(Job.objects.all()),
        *newer(Asset.objects.select_related("job")),
        *newer(Tombstone.objects.all()),
    ]
    found.sort(key=revision_of)
    page = found[:limit]
    more = len(found) > limit
    return Changes(
        revision=revision_of(page[-1]) if more else upto,
        jobs=[row for row in page if isinstance(row, Job)],
        assets=[row for row in page if isinstance(row, Asset)],
        purged=[row for row in page if isinstance(row, Tombstone)],
        more=more,
        epoch=current_epoch,
    )
