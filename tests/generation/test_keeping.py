"""Saving, discarding, restoring and clearing."""

from __future__ import annotations

import uuid

import pytest
from django.contrib.auth.models import User
from django.core.files.storage import default_storage
from django.db import connection
from django.test.utils import CaptureQueriesContext

from generation.assets import listing
from generation.assets.actions import MAX_IDS
from generation.changes import feed
from generation.core.errors import TooMany
from generation.jobs import listing as job_listing
from generation.models import Asset, Image, Job, Video, Worker
from tests.acting import cancel, clear, clear_jobs, discard, restore, save, undo_clear
from tests.factories import call_back, complete, completed, failed, fresh, lease_next, make_job, make_user


def ids(assets: list[Asset]) -> list[uuid.UUID]:
    return [asset.pk for asset in assets]


def library(owner: User) -> list[uuid.UUID]:
    return ids(listing.library(owner_id=owner.pk).assets)


def staged(owner: User) -> list[uuid.UUID]:
    return [job.pk for job in job_listing.staged_jobs(owner_id=owner.pk).jobs]


@pytest.fixture
def reviewed(owner: User, worker: Worker) -> list[Asset]:
    """Three images under review."""
    return complete(make_job(owner, quantity=3, review=True), worker)


def test_completion_saves_by_itself_without_review(owner: User, worker: Worker) -> None:
    images = complete(make_job(owner, quantity=3), worker)
    assert sorted(library(owner)) == sorted(ids(images))


def test_under_review_nothing_is_saved_until_asked(owner: User, reviewed: list[Asset]) -> None:
    assert library(owner) == []
    assert save(owner_id=owner.pk, assets=ids(reviewed[:2])) == 2
    assert sorted(library(owner)) == sorted(ids(reviewed[:2]))


def test_saving_twice_changes_nothing(owner: User, reviewed: list[Asset]) -> None:
    save(owner_id=owner.pk, assets=ids(reviewed))
    first = fresh(reviewed[0].job).slots[0].saved_at
    before = feed.position(owner.pk).revision
    assert save(owner_id=owner.pk, assets=ids(reviewed)) == 0
    assert fresh(reviewed[0].job).slots[0].saved_at == first
    assert feed.position(owner.pk).revision == before


def test_what_has_no_result_cannot_be_moved(owner: User) -> None:
    waiting = ids(make_job(owner, quantity=3).slots)
    for move in (save, discard, restore):
        assert move(owner_id=owner.pk, assets=waiting) == 0
    assert not Image.objects.exclude(saved_at=None, trashed_at=None).exists()


def test_discarding_and_restoring_is_undone_exactly(owner: User, worker: Worker) -> None:
    """pitfall 10: the file stays where it is."""
    image = complete(make_job(owner), worker)[0]
    assert discard(owner_id=owner.pk, assets=[image.pk]) == 1
    assert library(owner) == []
    assert default_storage.exists(image.file.name)
    assert restore(owner_id=owner.pk, assets=[image.pk]) == 1
    now = Image.objects.get(pk=image.pk)
    assert (now.saved_at, now.trashed_at) == (image.saved_at, None)


def test_restoring_brings_a_result_under_review_back_under_review(owner: User, reviewed: list[Asset]) -> None:
    discard(owner_id=owner.pk, assets=[reviewed[0].pk])
    restore(owner_id=owner.pk, assets=[reviewed[0].pk])
    assert Image.objects.under_review().count() == 3


def test_discarding_and_restoring_twice_counts_once(owner: User, reviewed: list[Asset]) -> None:
    assert discard(owner_id=owner.pk, assets=ids(reviewed)) == 3
    assert discard(owner_id=owner.pk, assets=ids(reviewed)) == 0
    assert restore(owner_id=owner.pk, assets=ids(reviewed)) == 3
    assert restore(owner_id=owner.pk, assets=ids(reviewed)) == 0


def test_the_trash_cannot_be_saved(owner: User, reviewed: list[Asset]) -> None:
    discard(owner_id=owner.pk, assets=ids(reviewed))
    assert save(owner_id=owner.pk, assets=ids(reviewed)) == 0


def test_a_stranger_moves_nothing(owner: User, reviewed: list[Asset]) -> None:
    stranger = make_user().pk
    for move in (save, discard, restore):
        assert move(owner_id=stranger, assets=ids(reviewed)) == 0
    assert clear(owner_id=stranger, job_ids=[reviewed[0].job_id]) == 0
    assert Image.objects.under_review().count() == 3


def test_images_and_videos_move_together_each_once(owner: User, worker: Worker) -> None:
    image = complete(make_job(owner), worker)[0]
    video = complete(make_job(owner, "video_fast"), worker)[0]
    assert discard(owner_id=owner.pk, assets=[image.pk, image.pk, video.pk]) == 2
    assert Image.objects.in_trash().get() == image
    assert Video.objects.in_trash().get() == video


def test_more_ids_than_one_call_takes_are_refused(owner: User, reviewed: list[Asset]) -> None:
    many = [*ids(reviewed), *(uuid.uuid4() for _ in range(MAX_IDS))]
    for move in (save, discard, restore):
        with pytest.raises(TooMany):
            move(owner_id=owner.pk, assets=many)
    with pytest.raises(TooMany):
        clear(owner_id=owner.pk, job_ids=many)
    assert Image.objects.under_review().count() == 3


def test_every_moved_row_gets_its_revision(owner: User, reviewed: list[Asset]) -> None:
    before = feed.position(owner.pk).revision
    save(owner_id=owner.pk, assets=ids(reviewed))
    changed = feed.changes(owner_id=owner.pk, after=before)
    assert sorted(image.revision for image in changed.assets) == [before + 1, before + 2, before + 3]
    assert changed.revision == before + 3


def test_moving_many_costs_as_many_queries_as_one(owner: User, worker: Worker) -> None:
    images = complete(make_job(owner, quantity=6, review=True), worker)

    def queries(chosen: list[Asset]) -> int:
        with CaptureQueriesContext(connection) as counted:
            save(owner_id=owner.pk, assets=ids(chosen))
        return len(counted)

    assert queries(images[:1]) == queries(images[1:])


def test_clearing_takes_finished_jobs_off_the_workspace_and_nothing_from_the_library(
    owner: User, worker: Worker
) -> None:
    """pitfall 28, pitfall 29"""
    images = complete(make_job(owner, quantity=3), worker)
    cancelled = make_job(owner)
    cancel(owner_id=owner.pk, job_id=cancelled.pk)
    assert clear(owner_id=owner.pk) == 2
    assert staged(owner) == []
    assert sorted(library(owner)) == sorted(ids(images))
    assert clear(owner_id=owner.pk) == 0


def test_clearing_leaves_active_jobs_and_results_under_review(owner: User, worker: Worker) -> None:
    """pitfall 28"""
    reviewed = make_job(owner, quantity=3, review=True)
    held = lease_next(worker)
    call_back(held, completed(held, 0), failed(held, 1), failed(held, 2))
    running = make_job(owner)
    lease_next(worker)
    waiting = make_job(owner)
    assert clear(owner_id=owner.pk) == 0
    assert staged(owner) == [running.pk, waiting.pk, reviewed.pk]
    save(owner_id=owner.pk, assets=[reviewed.slots[0].pk])
    assert clear(owner_id=owner.pk) == 1
    assert staged(owner) == [running.pk, waiting.pk]


def test_clearing_some_leaves_the_others(owner: User, worker: Worker) -> None:
    first, second = make_job(owner), make_job(owner)
    complete(first, worker)
    complete(second, worker)
    assert clear(owner_id=owner.pk, job_ids=[first.pk]) == 1
    assert staged(owner) == [second.pk]
    assert clear(owner_id=owner.pk, job_ids=[]) == 0


def test_clearing_takes_what_is_named_and_is_undone(owner: User, worker: Worker) -> None:
    """Pitfalls 28 and 39: what a page did not show stayed, and nothing could be taken back."""
    shown, hidden = make_job(owner), make_job(owner)
    complete(shown, worker)
    complete(hidden, worker)
    revisions = clear_jobs(owner_id=owner.pk, job_ids=[shown.pk])
    assert staged(owner) == [hidden.pk]
    assert undo_clear(owner_id=make_user().pk, revisions=revisions) == 0
    before = feed.position(owner.pk).revision
    assert undo_clear(owner_id=owner.pk, revisions=revisions) == 1
    assert staged(owner) == [hidden.pk, shown.pk]
    assert [job.pk for job in feed.changes(owner_id=owner.pk, after=before).jobs] == [shown.pk]
    assert undo_clear(owner_id=owner.pk, revisions=revisions) == 0, "pressed twice"


def test_what_was_cleared_again_since_is_not_brought_back(owner: User, worker: Worker) -> None:
    job = make_job(owner)
    complete(job, worker)
    first = clear_jobs(owner_id=owner.pk, job_ids=[job.pk])
    undo_clear(owner_id=owner.pk, revisions=first)
    clear_jobs(owner_id=owner.pk, job_ids=[job.pk])
    assert undo_clear(owner_id=owner.pk, revisions=first) == 0
    assert staged(owner) == []
    with pytest.raises(TooMany):
        undo_clear(owner_id=owner.pk, revisions=range(MAX_IDS + 1))


def test_a_result_restored_after_its_job_was_cleared_is_seen_again(
    owner: User, reviewed: list[Asset]
) -> None:
    """It was neither in the Workspace nor in the Library, and nothing could bring it back."""
    job = reviewed[0].job
    save(owner_id=owner.pk, assets=ids(reviewed[1:]))
    discard(owner_id=owner.pk, assets=[reviewed[0].pk])
    assert clear(owner_id=owner.pk) == 1
    before = feed.position(owner.pk).revision
    restore(owner_id=owner.pk, assets=[reviewed[0].pk])
    assert staged(owner) == [job.pk]
    assert job.pk in {changed.pk for changed in feed.changes(owner_id=owner.pk, after=before).jobs}
    assert clear(owner_id=owner.pk) == 0


def test_a_saved_asset_comes_back_to_the_library_without_its_job(owner: User, worker: Worker) -> None:
    video = complete(make_job(owner, "video_fast"), worker)[0]
    discard(owner_id=owner.pk, assets=[video.pk])
    clear(owner_id=owner.pk)
    restore(owner_id=owner.pk, assets=[video.pk])
    assert staged(owner) == []
    assert library(owner) == [video.pk]


def test_moving_assets_never_touches_a_status(owner: User, reviewed: list[Asset]) -> None:
    job = Job.objects.get(pk=reviewed[0].job_id)
    discard(owner_id=owner.pk, assets=ids(reviewed))
    restore(owner_id=owner.pk, assets=ids(reviewed))
    assert fresh(job).status == job.status == "completed"
    assert {image.status for image in job.slots} == {"completed"}
