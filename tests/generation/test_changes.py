"""The change feed: every revision once, in order."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from generation.changes import feed
from generation.changes.feed import Changes, StaleCursor
from generation.core.clock import from_now
from generation.jobs.lease import heartbeat, lease, reap
from generation.maintenance import cleanup
from generation.models import Image, Job, OwnerCounter, Video, Worker
from tests.acting import cancel, clear, discard, restore, retry
from tests.factories import call_back, complete, completed, failed, lease_next, make_job, make_user


def revisions(changes: Changes) -> list[int]:
    rows: list[Any] = [*changes.jobs, *changes.assets, *changes.purged]
    return sorted(row.revision for row in rows)


def newer(owner: User, after: int = 0, limit: int = 200) -> Changes:
    return feed.changes(owner_id=owner.pk, after=after, limit=limit)


def test_an_owner_without_work_is_at_zero(owner: User) -> None:
    assert newer(owner).revision == feed.position(owner.pk).revision == 0


def test_a_submission_takes_a_revision_for_each_row(owner: User) -> None:
    make_job(owner, quantity=6)
    changes = newer(owner)
    assert revisions(changes) == list(range(1, 8))
    assert (changes.revision, changes.more) == (7, False)
    assert newer(owner, after=7).jobs == []


def test_every_kind_of_change_comes_with_the_next_numbers(owner: User, worker: Worker) -> None:
    """No gap: what a change wrote is exactly what the reader behind it gets."""
    at = 0

    def expect(jobs: int, images: int) -> None:
        nonlocal at
        changes = newer(owner, after=at)
        assert (len(changes.jobs), len(changes.assets)) == (jobs, images)
        assert revisions(changes) == list(range(at + 1, at + 1 + jobs + images))
        at = changes.revision

    job = make_job(owner, quantity=3)
    expect(1, 3)
    held = lease_next(worker)
    expect(1, 0)
    heartbeat(worker=worker, job_id=job.pk, lease_token=held.lease_token, progress=9, stage="")
    expect(0, 0)
    call_back(held, completed(held, 0), failed(held, 1), status="processing")
    expect(1, 2)
    Job.objects.filter(pk=job.pk).update(lease_expires_at=from_now(-1))
    reap()
    expect(1, 0)
    cancel(owner_id=owner.pk, job_id=job.pk)
    expect(1, 1)
    retry(owner_id=owner.pk, job_id=job.pk)
    expect(1, 2)
    cancel(owner_id=owner.pk, job_id=job.pk)
    expect(1, 2)
    discard(owner_id=owner.pk, assets=[held.slots[0].pk])
    expect(0, 1)
    restore(owner_id=owner.pk, assets=[held.slots[0].pk])
    expect(0, 1)
    clear(owner_id=owner.pk)
    expect(1, 0)


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 50])
def test_pages_of_any_size_tell_everything_once(owner: User, worker: Worker, limit: int) -> None:
    complete(make_job(owner, quantity=3), worker)
    complete(make_job(owner, "video_fast"), worker)
    make_job(owner, quantity=6)
    told: list[int] = []
    after, more = 0, True
    while more:
        changes = newer(owner, after=after, limit=limit)
        assert len(revisions(changes)) <= limit
        told += revisions(changes)
        after, more = changes.revision, changes.more
    kept = [*Job.objects.all(), *Image.objects.all(), *Video.objects.all()]
    assert told == sorted(row.revision for row in kept)
    assert after == feed.position(owner.pk).revision


def test_a_stranger_is_told_nothing(owner: User) -> None:
    make_job(owner)
    assert revisions(newer(make_user())) == []


def test_owners_count_apart(owner: User) -> None:
    make_job(owner)
    other = make_user()
    make_job(other)
    assert feed.position(owner.pk).revision == feed.position(other.pk).revision == 2


def test_a_revision_ahead_of_the_database_means_reload(owner: User) -> None:
    make_job(owner)
    for after in (3, 2**63 - 1):
        with pytest.raises(StaleCursor):
            newer(owner, after=after)


def test_a_revision_behind_forgotten_purges_means_reload(owner: User) -> None:
    make_job(owner, quantity=3)
    OwnerCounter.objects.filter(pk=owner.pk).update(oldest_revision=2)
    with pytest.raises(StaleCursor):
        newer(owner, after=1)
    assert revisions(newer(owner, after=2)) == [3, 4]


def test_a_purge_is_told(owner: User, worker: Worker) -> None:
    """Also of two at once, each with a revision of its own."""
    images = complete(make_job(owner, quantity=3), worker)[:2]
    discard(owner_id=owner.pk, assets=[image.pk for image in images])
    at = feed.position(owner.pk).revision
    Image.objects.in_trash().update(trashed_at=from_now(-31 * 24 * 3600))
    assert cleanup.purge_trash() == 2
    changes = newer(owner, after=at)
    assert {note.asset_id for note in changes.purged} == {image.pk for image in images}
    assert revisions(changes) == [at + 1, at + 2]
    assert changes.job_ids == {images[0].job_id}


def test_a_page_of_changes_costs_as_many_queries_for_one_as_for_many(owner: User) -> None:
    for _ in range(5):
        make_job(owner, quantity=6)

    def queries(limit: int) -> int:
        with CaptureQueriesContext(connection) as counted:
            for image in newer(owner, limit=limit).assets:
                assert image.job.prompt
        return len(counted)

    assert queries(1) == queries(200)


def test_a_reader_who_has_everything_costs_one_query(owner: User) -> None:
    """So does each open page every 25 s; it was four."""
    make_job(owner, quantity=6)
    with CaptureQueriesContext(connection) as queries:
        assert newer(owner, after=7) == Changes(7, [], [], [], more=False)
    assert len(queries) == 1


def test_an_idle_lease_call_changes_nothing(owner: User, worker: Worker) -> None:
    make_job(owner, "video_fast")
    lease(worker=worker, engines=["sdxl"])
    assert feed.position(owner.pk).revision == 2
