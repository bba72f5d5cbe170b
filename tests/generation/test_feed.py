"""Pages of the Library, the trash and the Workspace."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from generation.assets import listing
from generation.assets.filters import AssetFilter
from generation.assets.listing import Page
from generation.core.keyset import BadCursor, cursor_of
from generation.jobs import listing as job_listing
from generation.jobs.listing import WorkCounts
from generation.models import Asset, Image, Job, Worker
from tests.acting import cancel, create_project, discard, restore, save
from tests.factories import call_back, complete, completed, failed, lease_next, make_job, make_user


def all_pages(read: Callable[[str], Page], most: int = 40) -> list[Asset]:
    """Every asset by following the cursors; a feed that goes round in circles fails."""
    assets: list[Asset] = []
    cursor = ""
    for _ in range(most):
        page = read(cursor)
        assets += page.assets
        cursor = page.next_cursor
        if not cursor:
            return assets
    pytest.fail("the pages never end")


@pytest.fixture
def saved(owner: User, worker: Worker) -> list[Asset]:
    """Six images of one moment, a video, and one more image: newest first."""
    six = complete(make_job(owner, quantity=6, prompt="six lighthouses"), worker)
    clip = complete(make_job(owner, "video_fast", prompt="waves"), worker)
    one = complete(make_job(owner, "image_high", prompt="Ünïcode 100% of_it"), worker)
    return [*one, *clip, *sorted(six, key=lambda image: image.pk, reverse=True)]


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 7, 8, 60])
def test_the_pages_show_everything_once_in_order(owner: User, saved: list[Asset], limit: int) -> None:
    """pitfall 26: on SQLite the asset that a page ended with began the next one again, for ever."""
    assert len({asset.saved_at for asset in saved if asset.media == "image"}) == 2
    assert all_pages(lambda cursor: listing.library(owner_id=owner.pk, cursor=cursor, limit=limit)) == saved


@pytest.mark.parametrize("limit", [1, 3, 60])
def test_equal_moments_of_both_kinds_are_told_apart_by_id(
    owner: User, saved: list[Asset], limit: int
) -> None:
    same = datetime(2026, 5, 1, 12, 0, 0, tzinfo=UTC)  # whole seconds: SQLite writes them without a fraction
    Asset.objects.update(saved_at=same)
    found = all_pages(lambda cursor: listing.library(owner_id=owner.pk, cursor=cursor, limit=limit))
    assert found == sorted(saved, key=lambda asset: asset.pk, reverse=True)


def test_the_page_ends_exactly_with_the_last_asset(owner: User, saved: list[Asset]) -> None:
    assert listing.library(owner_id=owner.pk, limit=len(saved)).next_cursor == ""
    assert listing.library(owner_id=owner.pk, limit=len(saved) - 1).next_cursor != ""


def test_media_project_and_prompt_narrow_the_library(owner: User, worker: Worker, saved: list[Asset]) -> None:
    project = create_project(owner_id=owner.pk, name="Sea")
    mine = complete(make_job(owner, "image_fast", prompt="WAVES again", project_id=project.pk), worker)

    def found(**by: object) -> list[Asset]:
        only = AssetFilter(**by)  # type: ignore[arg-type] # as the test says
        return listing.library(owner_id=owner.pk, only=only).assets

    assert found(media="video") == [saved[1]]
    assert found(media="image") == [*mine, saved[0], *saved[2:]]
    assert found(project_id=project.pk) == mine
    assert found(q="waves") == [*mine, saved[1]]
    assert found(q="waves", media="video") == [saved[1]]
    assert found(q="100% of_it") == [saved[0]]
    assert found(q="100 if_it") == []
    assert found(project_id=uuid.uuid4()) == []


@pytest.mark.parametrize(
    ("prompt", "typed"),
    [
        ("МОСКВА в снегу", "москва"),
        ("a café at noon", "CAFÉ"),
        ("A CAFE\u0301 at noon", "café"),
        ("a cafe\u0301 at noon", "cafe"),
        ("STRASSE im Regen", "straße"),
        ("ガラスの馬", "カ\u3099ラス"),
        ("two\nlines", "two  lines"),
        ("100 % ＦＵＬＬ_width", "100 % full_wi*"),
        ("a lighthouse, oil paint", "paint LIGHTHOUSE"),
        ("新宿の夜景", "夜景"),
        ("新宿の夜景", "夜"),
        ("a fox 🦊 in snow", "🦊"),
        ("two 👩🏽‍🚀 on 🇯🇵", "👩‍🚀"),
    ],
)
def test_a_search_finds_what_readers_take_for_the_same(owner: User, prompt: str, typed: str) -> None:
    """Whatever its case, accents, width and composition, and the same on each database."""
    complete(make_job(owner, "image_fast", prompt="something else"))
    found = complete(make_job(owner, "image_fast", prompt=prompt))
    page = listing.library(owner_id=owner.pk, only=AssetFilter(q=typed))
    assert page.assets == found


def test_a_search_for_what_cannot_be_in_a_prompt_finds_nothing(owner: User, saved: list[Asset]) -> None:
    """A NUL made PostgreSQL's driver raise."""
    assert listing.library(owner_id=owner.pk, only=AssetFilter(q="a\0b")).assets == []


def test_a_stranger_sees_none_of_it(saved: list[Asset]) -> None:
    stranger = make_user()
    assert listing.library(owner_id=stranger.pk).assets == []
    assert listing.trash(owner_id=stranger.pk).assets == []
    assert job_listing.staged_jobs(owner_id=stranger.pk).jobs == []
    assert listing.find_asset(owner_id=stranger.pk, media="image", asset_id=saved[0].pk) is None


def test_only_saved_results_are_in_the_library(owner: User, worker: Worker) -> None:
    job = make_job(owner, quantity=3, review=True)
    leased = lease_next(worker)
    call_back(leased, completed(leased, 0), completed(leased, 1), failed(leased, 2))
    assert listing.library(owner_id=owner.pk).assets == []
    first = job.slots[0]
    save(owner_id=owner.pk, assets=[first.pk])
    assert listing.library(owner_id=owner.pk).assets == [first]


def test_the_trash_shows_what_was_discarded_last_first(owner: User, saved: list[Asset]) -> None:
    images = [asset.pk for asset in saved if asset.media == "image"]
    discard(owner_id=owner.pk, assets=images[:2])
    discard(owner_id=owner.pk, assets=[saved[1].pk])
    discarded = all_pages(lambda cursor: listing.trash(owner_id=owner.pk, cursor=cursor, limit=1))
    assert discarded[0] == saved[1]
    assert discarded == sorted(discarded, key=lambda asset: (asset.trashed_at, asset.pk), reverse=True)
    assert len(discarded) == 3
    assert not set(discarded) & set(listing.library(owner_id=owner.pk).assets)
    restore(owner_id=owner.pk, assets=[*images[:2], saved[1].pk])
    assert listing.trash(owner_id=owner.pk).assets == []
    assert listing.library(owner_id=owner.pk).assets == saved


@pytest.mark.parametrize(
    "cursor",
    ["x", "%%%", "é", "\0", "bm90IGEgY3Vyc29y", "MjAyNi0wMS0wMVQwMDowMDowMHx4", "a" * 5000, "=", "////"],
)
def test_a_cursor_that_is_not_ours_is_refused(owner: User, cursor: str) -> None:
    for read in (listing.library, listing.trash, job_listing.staged_jobs, job_listing.all_jobs):
        with pytest.raises(BadCursor):
            read(owner_id=owner.pk, cursor=cursor)


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_a_cursor_at_the_edge_of_time_is_refused(owner: User, moment: str) -> None:
    """Made up by hand; turning it into UTC overflowed."""
    cursor = cursor_of(datetime.fromisoformat(moment), uuid.uuid4())
    with pytest.raises(BadCursor):
        listing.library(owner_id=owner.pk, cursor=cursor)


def test_a_cursor_survives_the_asset_it_names(owner: User, saved: list[Asset]) -> None:
    page = listing.library(owner_id=owner.pk, limit=2)
    discard(owner_id=owner.pk, assets=[page.assets[-1].pk])
    rest = listing.library(owner_id=owner.pk, cursor=page.next_cursor).assets
    assert rest == saved[2:]


def test_a_page_costs_as_many_queries_for_one_asset_as_for_all(owner: User, saved: list[Asset]) -> None:
    def queries(limit: int) -> int:
        with CaptureQueriesContext(connection) as counted:
            listing.library(owner_id=owner.pk, limit=limit)
        return len(counted)

    assert queries(1) == queries(60) == 1


def test_the_workspace_shows_what_runs_then_what_waits_then_what_finished(
    owner: User, worker: Worker
) -> None:
    """Pitfall 36: however much waits, what runs is on the page."""
    finished = [make_job(owner) for _ in range(3)]
    for job in finished:
        complete(job, worker)
    first, second = make_job(owner), make_job(owner)
    running = lease_next(worker)
    waiting = [make_job(owner) for _ in range(job_listing.WAITING_SHOWN + 1)]
    assert running.pk == first.pk
    staged = job_listing.staged_jobs(owner_id=owner.pk)
    assert staged.running == [running]
    assert staged.waiting == [second, *waiting][: job_listing.WAITING_SHOWN]
    assert staged.finished == finished[::-1]
    assert staged.jobs[0] == running
    assert job_listing.work_counts(owner_id=owner.pk) == WorkCounts(
        running=1, waiting=job_listing.WAITING_SHOWN + 2, to_review=0
    )


def test_a_raised_priority_is_first_in_the_queue_here_too(owner: User) -> None:
    job, raised = make_job(owner), make_job(owner)
    Job.objects.filter(pk=raised.pk).update(priority=5)
    assert job_listing.staged_jobs(owner_id=owner.pk).waiting == [raised, job]
    assert job_listing.waiting_jobs(owner_id=owner.pk) == [raised, job]


def test_finished_jobs_come_in_pages_last_finished_first(owner: User) -> None:
    submitted = [make_job(owner, quantity=3) for _ in range(5)]
    jobs = [submitted[n] for n in (1, 0, 4, 2, 3)]
    for job in jobs:
        cancel(owner_id=owner.pk, job_id=job.pk)
    waiting = make_job(owner)
    first = job_listing.staged_jobs(owner_id=owner.pk, limit=2)
    second = job_listing.staged_jobs(owner_id=owner.pk, limit=2, cursor=first.next_cursor)
    third = job_listing.staged_jobs(owner_id=owner.pk, limit=2, cursor=second.next_cursor)
    assert first.waiting == [waiting]
    assert second.waiting == third.waiting == []
    assert [*first.finished, *second.finished, *third.finished] == jobs[::-1]
    assert third.next_cursor == ""
    with CaptureQueriesContext(connection) as counted:
        assert [[image.slot for image in job.slots] for job in first.finished] == [[0, 1, 2]] * 2
    assert len(counted) == 0


def test_what_is_under_review_is_listed_alone_and_counted(owner: User, worker: Worker) -> None:
    """Pitfall 39: it is not to be found by paging through everything that is finished."""
    (reviewed,) = complete(make_job(owner, review=True), worker)
    complete(make_job(owner), worker)
    complete(make_job(make_user(), review=True), worker)
    make_job(owner)
    staged = job_listing.staged_jobs(owner_id=owner.pk, only_to_review=True)
    assert staged.jobs == [reviewed.job]
    assert job_listing.work_counts(owner_id=owner.pk).to_review == 1
    save(owner_id=owner.pk, assets=[reviewed.pk])
    assert job_listing.staged_jobs(owner_id=owner.pk, only_to_review=True).jobs == []
    assert job_listing.work_counts(owner_id=owner.pk).to_review == 0


def test_the_workspace_costs_as_many_queries_for_one_job_as_for_many(owner: User) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as counted:
            for job in job_listing.staged_jobs(owner_id=owner.pk).jobs:
                assert len(job.slots) == 6
                assert job.project.name
        return len(counted)

    make_job(owner, quantity=6)
    cancel(owner_id=owner.pk, job_id=make_job(owner, quantity=6).pk)
    one = queries()
    for _ in range(4):
        make_job(owner, quantity=6)
        cancel(owner_id=owner.pk, job_id=make_job(owner, quantity=6).pk)
    assert queries() == one


def test_an_asset_is_found_by_its_owner_with_its_job_and_project(owner: User, saved: list[Asset]) -> None:
    found = listing.find_asset(owner_id=owner.pk, media="video", asset_id=saved[1].pk)
    assert found == saved[1]
    assert listing.find_asset(owner_id=owner.pk, media="image", asset_id=saved[1].pk) is None
    assert listing.find_asset(owner_id=owner.pk, media="sound", asset_id=saved[1].pk) is None
    with CaptureQueriesContext(connection) as counted:
        assert found.job.prompt == "waves"
        assert found.project.name
    assert len(counted) == 0


def test_saving_later_moves_to_the_front(owner: User, worker: Worker, saved: list[Asset]) -> None:
    reviewed = complete(make_job(owner, "image_fast", review=True), worker)
    Image.objects.filter(pk=reviewed[0].pk).update(created_at=reviewed[0].created_at - timedelta(days=9))
    save(owner_id=owner.pk, assets=[reviewed[0].pk])
    assert listing.library(owner_id=owner.pk, limit=1).assets == reviewed
