"""Which of an owner's waiting jobs may change places, and the tags that they then have. Pure functions."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from django.db.models import TextChoices


class Place(TextChoices):
    """Where a waiting job is moved, among the owner's own that it may change places with."""

    UP = "up"
    DOWN = "down"
    FIRST = "first"
    LAST = "last"


@dataclass(frozen=True, slots=True)
class Waiting:
    """A waiting job, as far as its place depends on it."""

    job_id: uuid.UUID
    priority: int
    pool: str
    fair_tag: int


def peers_of(
    job: Waiting, waiting: Sequence[Waiting], workers: Mapping[uuid.UUID, Collection[str]]
) -> list[Waiting]:
    """The jobs that `job` may change places with, itself included: those that the same workers take.

    A worker that serves one of two pools alone would else begin the job that moved up before other people's
    in that pool, without the one in exchange. Without any live worker for it, those of its own pool.
    """

    def taken_by(pool: str) -> object:
        return frozenset(worker for worker, pools in workers.items() if pool in pools) or pool

    mine = (job.priority, taken_by(job.pool))
    return [each for each in waiting if (each.priority, taken_by(each.pool)) == mine]


def moved(job_id: uuid.UUID, peers: Sequence[uuid.UUID], place: Place) -> list[uuid.UUID]:
    """The order of the peers once the job is at that place."""
    now = peers.index(job_id)
    last = len(peers) - 1
    then = {Place.UP: max(0, now - 1), Place.DOWN: min(last, now + 1), Place.FIRST: 0, Place.LAST: last}[
        place
    ]
    others = [each for each in peers if each != job_id]
    return [*others[:then], job_id, *others[then:]]


def moved_before(
    job_id: uuid.UUID, anchor: uuid.UUID, waiting: Sequence[uuid.UUID], peers: Sequence[uuid.UUID]
) -> list[uuid.UUID]:
    """The order of the peers once the job stands before `anchor`, which need not be a peer."""
    place = {each: number for number, each in enumerate(waiting)}
    before = [each for each in peers if each != job_id and place[each] < place[anchor]]
    return [*before, job_id, *(each for each in peers if each != job_id and each not in before)]


def new_tags(peers: Sequence[Waiting], wanted: Sequence[uuid.UUID]) -> dict[uuid.UUID, int]:
    """The tags of the peers, exchanged among them for the wanted order; only those that change.

    Ids part equal tags, so a tag may have to be a second later than one of those that there were, never
    earlier: nobody else is overtaken.
    """
    had = {each.job_id: each.fair_tag for each in peers}
    changed, before = {}, (-1, uuid.UUID(int=0))
    for job_id, tag in zip(wanted, sorted(had.values()), strict=True):
        later = max(tag, before[0] + (job_id < before[1]))
        before = (later, job_id)
        if later != had[job_id]:
            changed[job_id] = later
    return changed
