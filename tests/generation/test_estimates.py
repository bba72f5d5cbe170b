"""When a waiting job is done: by the work in progress, measured speeds and the order of the claim."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from generation.jobs import listing as job_listing
from generation.jobs.lease import heartbeat
from generation.models import Attempt, Job, Worker, WorkerSpeed
from generation.queue import snapshot
from generation.queue.elsewhere import ELSEWHERE_SECONDS
from generation.queue.estimates import QueuePosition, queue_positions
from tests.factories import call_back, completed, failed, fresh, lease_next, make_job, make_user, make_worker


def offer(worker: Worker, *pools: str) -> Worker:
    """It was just seen, and offers these pools."""
    Worker.objects.filter(pk=worker.pk).update(pools=list(pools), last_seen_at=timezone.now())
    return worker


def measured(worker: Worker, job_type: str, *runs: tuple[float, int]) -> None:
    """Finished leases of these seconds and results, the last of them the newest."""
    for number, (seconds, slots) in enumerate(runs):
        job = make_job(make_user(), job_type, quantity=slots)
        Job.objects.filter(pk=job.pk).update(priority=9)
        assert lease_next(worker).pk == job.pk
        call_back(job := fresh(job), *[completed(job, slot) for slot in range(slots)])
        ended = timezone.now() - timedelta(hours=1) + timedelta(minutes=number)
        began = ended - timedelta(seconds=seconds)
        Attempt.objects.filter(job=job).update(leased_at=began, ended_at=ended)


def position(job: Job) -> QueuePosition:
    return queue_positions([job])[job.pk]


def age(job: Job, seconds: float) -> None:
    """Its lease began this long ago, and nothing was heard of it since."""
    past = timedelta(seconds=seconds)
    Attempt.objects.filter(job=job, ended_at=None).update(leased_at=timezone.now() - past)
    lease_ends = fresh(job).lease_expires_at - past
    Job.objects.filter(pk=job.pk).update(lease_expires_at=lease_ends)


def test_the_job_in_work_counts(owner: User) -> None:
    """It was said that a job would be done in 2 s, behind a video with half a minute left."""
    worker = offer(make_worker(), "sdxl_image_fast", "video_fast")
    video = make_job(owner, "video_fast")
    lease_next(worker)
    age(video, 100)
    job = make_job(owner)
    assert (position(job).position, position(job).starts_in, position(job).done_in) == (1, 35, 40)


def test_what_a_running_job_has_done_says_more_than_its_age(owner: User) -> None:
    worker = offer(make_worker(), "sdxl_image_fast", "video_fast")
    video = make_job(owner, "video_fast")
    held = lease_next(worker)
    age(video, 90)
    job = make_job(owner)
    assert position(job).starts_in == 45
    heartbeat(worker=worker, job_id=held.pk, lease_token=held.lease_token, progress=90, stage="")
    assert position(job).starts_in == 10, "a tenth of 0.1 × 135 + 90 s"


def test_a_run_that_should_be_over_is_not_said_to_be_over_now(owner: User) -> None:
    worker = offer(make_worker(), "sdxl_image_fast", "video_fast")
    video = make_job(owner, "video_fast")
    lease_next(worker)
    age(video, 500)
    assert position(make_job(owner)).starts_in == 7


def test_workers_share_the_line_each_at_its_speed(owner: User) -> None:
    for seconds in (4, 12):
        worker = offer(make_worker(), "sdxl_image_fast")
        WorkerSpeed.objects.create(worker=worker, job_type="sdxl_image_fast", seconds=seconds)
    jobs = [make_job(owner) for _ in range(5)]
    found = queue_positions(jobs)
    # The fast one begins at 0, 4, 8 and 12, the slow one at 0 and 12.
    assert [found[job.pk].starts_in for job in jobs] == [0, 0, 4, 8, 12]
    assert [found[job.pk].position for job in jobs] == [1, 2, 3, 4, 5]


def test_a_worker_for_other_work_shortens_nothing_and_delays_nobody(owner: User) -> None:
    offer(make_worker(), "sdxl_image_fast")
    offer(make_worker(), "video_fast")
    [first, second, video] = [make_job(owner), make_job(owner), make_job(owner, "video_fast")]
    found = queue_positions([first, second, video])
    assert [found[job.pk].starts_in for job in (first, second, video)] == [0, 5, 0]
    assert [found[job.pk].position for job in (first, second, video)] == [1, 2, 1]


def test_the_order_of_the_claim_is_kept(owner: User) -> None:
    """pitfall 13: a newcomer's job comes before the rest of a full queue."""
    offer(make_worker(), "sdxl_image_fast")
    many = [make_job(owner, quantity=6) for _ in range(6)]
    newcomer = make_job(make_user(), quantity=6)
    urgent = make_job(make_user(), quantity=6)
    Job.objects.filter(pk=urgent.pk).update(priority=5)
    found = queue_positions([*many, newcomer, fresh(urgent)])
    simulated = sorted(found, key=lambda job_id: found[job_id].position)
    worker = make_worker()
    assert simulated == [lease_next(worker).pk for _ in simulated]


def test_what_is_kept_for_others_is_not_begun_by_the_worker_that_failed_it(owner: User) -> None:
    """It was said that the worker would begin at once what it cannot claim for five minutes."""
    bad = offer(make_worker(), "sdxl_image_fast")
    good = offer(make_worker(), "sdxl_image_fast", "video_fast")
    Job.objects.filter(pk=make_job(owner, "video_fast").pk).update(priority=9)
    lease_next(good)
    job = make_job(owner)
    held = lease_next(bad)
    assert held.pk == job.pk
    call_back(held, failed(held, 0, retryable=True))
    Job.objects.filter(pk=job.pk).update(retry_at=None)
    WorkerSpeed.objects.all().delete()
    behind = make_job(owner)

    found = queue_positions([fresh(job), behind])
    assert found[job.pk].starts_in == pytest.approx(135, abs=2)
    assert found[behind.pk].starts_in == 0
    assert (found[behind.pk].position, found[job.pk].position) == (1, 2)
    assert lease_next(bad).pk == behind.pk

    Worker.objects.filter(pk=good.pk).update(last_seen_at=timezone.now() - timedelta(minutes=5))
    alone = position(fresh(job))
    assert alone.starts_in == pytest.approx(ELSEWHERE_SECONDS, abs=15)
    assert alone.position == 1


def test_a_job_that_was_half_done_needs_the_other_half(owner: User) -> None:
    worker = offer(make_worker(), "sdxl_image_fast")
    make_job(owner, quantity=6)
    held = lease_next(worker)
    call_back(held, *[completed(held, slot) for slot in range(4)], failed(held, 4, retryable=True))
    Job.objects.update(retry_at=None)
    WorkerSpeed.objects.all().delete()  # it was faster than any GPU
    assert position(fresh(held)).done_in == 10, "two of six, 5 s each"


def test_the_median_of_recent_runs_counts_whatever_one_of_them_took(owner: User) -> None:
    worker = offer(make_worker(), "sdxl_image_fast", "sdxl_image_high")
    measured(worker, "sdxl_image_fast", (90, 1), (8, 1), (7, 1), (8, 1))
    assert position(make_job(owner)).done_in == 8
    assert position(make_job(make_user(), quantity=3)).runs_for == 24, "in proportion"
    measured(worker, "sdxl_image_fast", (15, 3), (16, 3), (15, 3))
    assert position(make_job(make_user(), quantity=3)).runs_for == 15, "as measured for three"


def test_what_a_worker_never_made_is_estimated_by_how_fast_it_and_others_are(owner: User) -> None:
    slow, fast = offer(make_worker(), "sdxl_image_fast"), offer(make_worker(), "image_fast")
    for worker, pace in ((slow, 4), (fast, 1)):
        WorkerSpeed.objects.create(worker=worker, job_type="sdxl_image_fast", seconds=5 * pace)
    WorkerSpeed.objects.create(worker=slow, job_type="image_fast", seconds=25 * 4 * 2)
    # The slow one takes four times as long, and a WAN image twice what the table says.
    assert position(make_job(owner, "image_fast")).done_in == pytest.approx(25, rel=0.35)


def test_an_idle_server_says_at_once_also_when_the_job_was_taken_meanwhile(owner: User) -> None:
    """The first job on an idle server was "far back in the line"."""
    worker = offer(make_worker(), "sdxl_image_fast")
    job = make_job(owner)
    lease_next(worker)
    assert job.status == "queued", "as it was read before the worker took it"
    assert (position(job).position, position(job).starts_in, position(job).done_in) == (1, 0, 5)


def test_a_job_far_back_says_what_it_starts_after_at_least(
    owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot, "MAX_WAITING", 3)
    offer(make_worker(), "sdxl_image_fast")
    jobs = [make_job(owner) for _ in range(6)]
    found = queue_positions(jobs)
    assert [found[job.pk].position for job in jobs] == [1, 2, 3, None, None, None]
    last = found[jobs[5].pk]
    assert (last.served, last.not_before, last.ahead, last.done_in) == (True, 15, 3, None)


def test_the_queries_and_what_is_read_do_not_grow_with_the_jobs(owner: User) -> None:
    worker = offer(make_worker(), "sdxl_image_fast", "image_fast")
    costs = []
    for _ in range(2):
        for job_type in ("sdxl_image_fast", "image_fast"):
            measured(worker, job_type, (8, 1))
            make_job(owner, job_type)
            lease_next(worker)
            for _ in range(5):
                make_job(owner, job_type)
        jobs = job_listing.staged_jobs(owner_id=owner.pk, limit=50).jobs
        with CaptureQueriesContext(connection) as queries:
            assert queue_positions(jobs)
        costs.append(len(queries))
    assert costs == [5, 5]


def test_a_delayed_retry_and_an_unknown_worker_break_nothing(owner: User) -> None:
    job = make_job(owner)
    assert position(job) == QueuePosition(1, None, None, served=False, runs_for=5)
    Job.objects.update(retry_at=timezone.now() + timedelta(seconds=60))
    offer(make_worker(), "sdxl_image_fast", "no such pool")
    assert position(fresh(job)) == QueuePosition(None, None, None, served=True), "it stands in no line yet"
    assert queue_positions([Job(pk=uuid.uuid4(), status="completed")]) == {}
