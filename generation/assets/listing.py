"""Reading what an owner has: keyset pages over both asset tables, the Workspace's jobs, the change feed."""

from __future__ import annotations

import base64
import binascii
import heapq
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from operator import attrgetter
from typing import TypeVar

from django.db.models import F, Model, Q, QuerySet
from django.utils.dateparse import parse_datetime

from generation.core.errors import DomainError
from generation.models import Asset, Image, Job, OwnerCounter, Purged, Reference, Video
from generation.models.job import JobQuerySet

MODELS: dict[str, type[Asset]] = {"image": Image, "video": Video}
Row = TypeVar("Row", bound=Model)


class BadCursor(DomainError):
    """A cursor that this feed did not make."""

    code = "bad_cursor"

    def __init__(self) -> None:
        super().__init__("This cursor is not one of ours. Start again without it.")


class StaleCursor(DomainError):
    """A revision that changes cannot be told from: load afresh."""

    code = "reload"

    def __init__(self) -> None:
        super().__init__("Changes cannot be told from this revision. Load everything afresh.")


@dataclass(frozen=True, slots=True)
class Page:
    """Assets newest first; `next_cursor` is empty on the last page."""

    assets: list[Asset]
    next_cursor: str


@dataclass(frozen=True, slots=True)
class JobPage:
    """Jobs newest first with their assets; `next_cursor` is empty on the last page."""

    jobs: list[Job]
    next_cursor: str


@dataclass(frozen=True, slots=True)
class ReferencePage:
    """Reference images newest first; `next_cursor` is empty on the last page."""

    references: list[Reference]
    next_cursor: str


@dataclass(frozen=True, slots=True)
class Changes:
    """Everything with a higher revision than asked, in order; the reader stands at `revision` after it."""

    revision: int
    jobs: list[Job]
    images: list[Image]
    videos: list[Video]
    purged: list[Purged]
    more: bool

    @property
    def job_ids(self) -> set[uuid.UUID]:
        """The jobs whose stack looks different now."""
        of_assets = {row.job_id for row in (*self.images, *self.videos)}
        return {job.pk for job in self.jobs} | of_assets | {row.job_id for row in self.purged}


def library(
    *,
    owner_id: int,
    media: str = "",
    project_id: uuid.UUID | None = None,
    q: str = "",
    cursor: str = "",
    limit: int = 60,
) -> Page:
    """A page of saved assets by the moment they were saved, images and videos in one order.

    Raises:
        BadCursor: `cursor` is not one of ours.
    """

    def narrow(assets: QuerySet[Asset]) -> QuerySet[Asset]:
        if "\0" in q:
            return assets.none()  # PostgreSQL takes no NUL, and no prompt has one
        if project_id:
            assets = assets.filter(project_id=project_id)
        return assets.filter(prompt__icontains=q) if q else assets

    models = [MODELS[media]] if media else list(MODELS.values())
    sources = [narrow(model.objects.of(owner_id).in_library()) for model in models]
    return _page(sources, "saved_at", cursor, limit)


def trash(*, owner_id: int, cursor: str = "", limit: int = 60) -> Page:
    """A page of trashed assets by the moment they were discarded. Raises BadCursor."""
    sources = [model.objects.of(owner_id).in_trash() for model in MODELS.values()]
    return _page(sources, "trashed_at", cursor, limit)


def find_asset(*, owner_id: int, media: str, asset_id: uuid.UUID) -> Asset | None:
    """The owner's asset with its job and project, or None."""
    model = MODELS.get(media)
    if model is None:
        return None
    return model.objects.of(owner_id).select_related("job", "project").filter(pk=asset_id).first()


def _page(sources: Sequence[QuerySet[Asset]], by: str, cursor: str, limit: int) -> Page:
    """The same keyset query on each table, merged: at most `limit` + 1 rows are read from either."""
    key = attrgetter(by, "id")
    found = [list(_after(source, by, cursor)[: limit + 1]) for source in sources]
    merged = list(heapq.merge(*found, key=key, reverse=True))
    page = merged[:limit]
    return Page(page, _cursor(key(page[-1])) if len(merged) > limit else "")


def _after(source: QuerySet[Asset], by: str, cursor: str) -> QuerySet[Asset]:
    ordered = source.order_by(F(by).desc(), F("id").desc())
    if not cursor:
        return ordered
    moment, last_id = _parsed(cursor)
    # The redundant first condition lets the index bound the range.
    earlier = Q(**{f"{by}__lt": moment}) | Q(**{by: moment, "id__lt": last_id})
    return ordered.filter(Q(**{f"{by}__lte": moment}), earlier)


def _cursor(key: tuple[datetime, uuid.UUID]) -> str:
    text = f"{key[0].isoformat()}|{key[1]}"
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _parsed(cursor: str) -> tuple[datetime, uuid.UUID]:
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        moment, _, row_id = text.partition("|")
        parsed = parse_datetime(moment)
        if parsed is None or parsed.tzinfo is None:
            raise BadCursor
        return parsed.astimezone(UTC), uuid.UUID(row_id)
    except (ValueError, OverflowError, binascii.Error):
        raise BadCursor from None


def staged_jobs(*, owner_id: int, cursor: str = "", limit: int = 20) -> JobPage:
    """A page of the Workspace, newest job first. Raises BadCursor."""
    return _job_page(Job.objects.of(owner_id).staged(), cursor, limit)


def all_jobs(*, owner_id: int, cursor: str = "", limit: int = 50) -> JobPage:
    """A page of every job of the owner, newest first. Raises BadCursor."""
    return _job_page(Job.objects.of(owner_id), cursor, limit)


def _job_page(source: JobQuerySet, cursor: str, limit: int) -> JobPage:
    return JobPage(*_newest(source.with_slots().select_related("project"), cursor, limit))


def references(*, owner_id: int, cursor: str = "", limit: int = 60) -> ReferencePage:
    """A page of the owner's reference images, newest first. Raises BadCursor."""
    return ReferencePage(*_newest(Reference.objects.of(owner_id), cursor, limit))


def _newest(rows: QuerySet[Row], cursor: str, limit: int) -> tuple[list[Row], str]:
    """A page of these rows by their ids, which grow with time; the cursor of the next, empty at the end."""
    if cursor:
        try:
            rows = rows.filter(pk__lt=uuid.UUID(cursor))
        except ValueError:
            raise BadCursor from None
    found = list(rows.order_by("-pk")[: limit + 1])
    page = found[:limit]
    return page, str(page[-1].pk) if len(found) > limit else ""


def jobs_with_slots(*, owner_id: int, job_ids: Iterable[uuid.UUID]) -> list[Job]:
    """These jobs of the owner, newest first, with their assets."""
    mine = Job.objects.of(owner_id).filter(pk__in=job_ids).select_related("project")
    return list(mine.with_slots().order_by("-id"))


def current_revision(owner_id: int) -> int:
    """The owner's last revision; 0 before the first change."""
    return _counter(owner_id)[0]


def _counter(owner_id: int) -> tuple[int, int]:
    counter = OwnerCounter.objects.filter(pk=owner_id).values_list("revision", "horizon")
    return counter.first() or (0, 0)


def changes(*, owner_id: int, after: int, limit: int = 200) -> Changes:
    """Up to `limit` rows of the owner that changed after revision `after`.

    The counter is read first and bounds what is read after it: a change that commits between two of
    the reads is left to the next call, never skipped.

    Raises:
        StaleCursor: `after` is from another database, or so old that purges since then are forgotten.
    """
    upto, horizon = _counter(owner_id)
    if after > upto or after < horizon:
        raise StaleCursor

    def newer(rows: QuerySet[Row]) -> list[Row]:
        mine = rows.filter(owner_id=owner_id, revision__gt=after, revision__lte=upto)
        return list(mine.order_by("revision")[: limit + 1])

    revision_of: Callable[[Model], int] = attrgetter("revision")
    found: list[Model] = [
        *newer(Job.objects.all()),
        *newer(Image.objects.select_related("job")),
        *newer(Video.objects.select_related("job")),
        *newer(Purged.objects.all()),
    ]
    found.sort(key=revision_of)
    page = found[:limit]
    more = len(found) > limit
    return Changes(
        revision=revision_of(page[-1]) if more else upto,
        jobs=[row for row in page if isinstance(row, Job)],
        images=[row for row in page if isinstance(row, Image)],
        videos=[row for row in page if isinstance(row, Video)],
        purged=[row for row in page if isinstance(row, Purged)],
        more=more,
    )
