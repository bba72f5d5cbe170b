"""Which job a worker gets, and that it gets it whole."""

from __future__ import annotations

from importlib import import_module
from types import SimpleNamespace

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.db.models import Model
from django.test.utils import CaptureQueriesContext

from generation.catalog.job_types import JOB_TYPES
from generation.catalog.submission import ReferenceInput, Submission
from generation.core.clock import from_now
from generation.jobs.lease import lease, promote
from generation.models import Attempt, FairnessClock, Job, OwnerCounter, Worker
from tests.acting import cancel, submit
from tests.factories import (
    call_back,
    complete,
    failed,
    fresh,
    lease_next,
    make_job,
    make_reference,
    make_user,
    make_worker,
)
from tests.generation.side import in_thread

BOTH = ("sdxl", "wan")


def next_ids(worker: Worker, count: int) -> list[object]:
    return [lease_next(worker).pk for _ in range(count)]


def asked(owner: User, type_: str) -> ReferenceInput:
    return ReferenceInput(type=type_, reference=make_reference(owner).pk)


def test_nothing_to_do_is_none(worker: Worker) -> None:
    assert lease(worker=worker, engines=BOTH) is None


def test_the_job_is_held_with_a_fence_and_an_expiry(owner: User, worker: Worker) -> None:
    """pitfall 12: the row stays, only its state changes."""
    job = make_job(owner, quantity=3)
    held = lease_next(worker)
    assert (held.pk, held.status, held.attempt, held.attempts_left) == (job.pk, "processing", 1, 2)
    assert held.lease_token is not None
    assert held.leased_by == worker
    assert held.lease_expires_at is not None
    assert held.started_at is not None
    assert 50 < (held.lease_expires_at - held.started_at).total_seconds() <= 61
    attempt = Attempt.objects.get(job=job)
    assert (attempt.number, attempt.worker, attempt.outcome) == (1, worker, "running")
    assert attempt.lease_token == held.lease_token


def test_the_slots_come_along_without_more_queries(owner: User, worker: Worker) -> None:
    make_job(owner, quantity=6)
    held = lease_next(worker)
    with CaptureQueriesContext(connection) as counted:
        assert [slot.image_index for slot in held.open_slots] == list(range(6))
    assert len(counted) == 0


def test_what_is_held_reads_as_its_rows_do(owner: User, worker: Worker) -> None:
    """Written and read by hand: ids, moments and JSON are what the ORM makes of them."""
    Job.objects.filter(pk=make_job(owner, quantity=3).pk).update(metadata={"note": [1, None, "ü"]})
    held = lease_next(worker)
    assert values_of(held) == values_of(fresh(held))
    slots = [(slot.pk, slot.image_index, slot.seed) for slot in fresh(held).slots]
    assert [tuple(slot) for slot in held.open_slots] == slots


def values_of(row: Model) -> dict[str, object]:
    return {field.name: field.value_from_object(row) for field in row._meta.concrete_fields}


def test_a_held_job_is_nobody_elses(owner: User, worker: Worker) -> None:
    make_job(owner)
    lease_next(worker)
    assert lease(worker=make_worker(), engines=BOTH) is None
    assert lease(worker=worker, engines=BOTH) is None


def test_the_oldest_is_served_first(worker: Worker) -> None:
    """pitfall 13: no stack."""
    jobs = [make_job(make_user()) for _ in range(4)]
    assert next_ids(worker, 4) == [job.pk for job in jobs]


def test_priority_goes_before_age_and_age_before_nothing(worker: Worker) -> None:
    first, second, third = (make_job(make_user()) for _ in range(3))
    Job.objects.filter(pk=third.pk).update(priority=5)
    Job.objects.filter(pk=first.pk).update(priority=-1)
    assert next_ids(worker, 3) == [third.pk, second.pk, first.pk]


def test_the_fair_tag_decides_within_a_priority(worker: Worker) -> None:
    first, second = (make_job(make_user()) for _ in range(2))
    Job.objects.filter(pk=first.pk).update(fair_tag=10)
    Job.objects.filter(pk=second.pk).update(fair_tag=9)
    assert next_ids(worker, 2) == [second.pk, first.pk]


def test_the_best_of_all_pools_goes_first(worker: Worker) -> None:
    """One probe for each pool, and yet one order over all of them."""
    jobs = [make_job(make_user(), name) for name in JOB_TYPES]
    for tag, job in enumerate(reversed(jobs)):
        Job.objects.filter(pk=job.pk).update(fair_tag=tag)
    assert next_ids(worker, len(jobs)) == [job.pk for job in reversed(jobs)]


def test_an_owner_with_many_jobs_does_not_starve_a_newcomer(owner: User, worker: Worker) -> None:
    """pitfall 13: within (active owners + workers) leases."""
    for _ in range(40):
        make_job(owner)
    newcomer = make_job(make_user())
    assert newcomer.pk in next_ids(worker, 3)


def test_owners_with_much_to_do_take_turns(worker: Worker) -> None:
    owners = [make_user() for _ in range(3)]
    for someone in owners:
        for _ in range(5):
            make_job(someone)
    served = [lease_next(worker).owner_id for _ in range(9)]
    assert sorted(served) == sorted([someone.pk for someone in owners] * 3)


def test_big_jobs_count_for_more_than_small_ones(worker: Worker) -> None:
    big, small = make_user(), make_user()
    for _ in range(6):
        make_job(big, quantity=6)
        make_job(small, quantity=1)
    served = [lease_next(worker).owner_id for _ in range(6)]
    assert served.count(small.pk) > served.count(big.pk)


def test_the_engines_do_not_share_a_line(owner: User) -> None:
    for _ in range(5):
        make_job(owner, "video_high")
    image = make_job(owner, "sdxl_image_fast")
    assert image.fair_tag == 0
    assert lease_next(make_worker(engines=["sdxl"])).pk == image.pk


def test_an_engine_that_was_idle_does_not_overtake_those_who_wait_for_another(worker: Worker) -> None:
    """pitfall 13: on a worker for both engines, jobs for an empty queue start level with the other's head."""
    waiting = make_user()
    for _ in range(8):
        make_job(waiting)
    next_ids(worker, 4)
    served = []
    for _ in range(4):
        make_job(make_user(), "image_fast")
        served.append(lease_next(worker).owner_id)
    assert waiting.pk in served


@pytest.mark.parametrize("theirs", ["sdxl_image_fast", "image_fast"])
def test_a_job_that_no_worker_can_do_stops_no_clock(owner: User, worker: Worker, theirs: str) -> None:
    """pitfall 13: else whoever sends one job at a time starts beside it, before everybody who sent many."""
    waits = make_job(owner, references=[asked(owner, "style")])
    patient, singles = make_user(), [make_user(), make_user()]
    for _ in range(10):
        make_job(patient)
    next_ids(worker, 4)
    served = []
    for _ in range(9):
        for single in singles:
            if not Job.objects.filter(owner=single, status="queued").exists():
                make_job(single, theirs)
        served.append(lease_next(worker).owner_id)
    assert served.count(patient.pk) >= 3
    assert fresh(waits).status == "queued"


def test_a_newcomer_does_not_start_behind_a_job_that_was_hurried(worker: Worker) -> None:
    first = make_job(make_user())
    hurried = make_job(make_user())
    Job.objects.filter(pk=hurried.pk).update(priority=1, fair_tag=10_000)
    assert next_ids(worker, 1) == [hurried.pk]
    assert make_job(make_user()).fair_tag == first.fair_tag


def test_who_comes_back_after_the_queue_was_empty_is_a_newcomer(owner: User, worker: Worker) -> None:
    before = make_job(owner)
    Job.objects.filter(pk=before.pk).update(fair_tag=10_000)
    cancel(owner_id=owner.pk, job_id=before.pk)
    make_job(make_user())
    served = lease_next(worker)
    assert make_job(owner).fair_tag == served.fair_tag


def test_the_clock_goes_on_when_the_queue_is_empty(owner: User, worker: Worker) -> None:
    """And when no worker is there, as at night: the owner's next job follows the last one."""
    for _ in range(3):
        make_job(owner)
    next_ids(worker, 2)
    last = lease_next(worker)
    assert make_job(make_user()).fair_tag == last.fair_tag > 0
    assert make_job(owner).fair_tag > last.fair_tag


def test_the_clock_does_not_go_back(owner: User, worker: Worker) -> None:
    """A job that waited for its retry has the tag of its first turn."""
    delayed = make_job(owner)
    Job.objects.filter(pk=delayed.pk).update(retry_at=from_now(60))
    make_job(owner)
    later = lease_next(worker)
    Job.objects.filter(pk=delayed.pk).update(retry_at=None)
    assert next_ids(worker, 1) == [delayed.pk]
    assert make_job(make_user()).fair_tag == later.fair_tag > 0


def test_a_claim_moves_only_the_clocks_that_are_behind(owner: User, worker: Worker) -> None:
    Job.objects.filter(pk=make_job(owner).pk).update(fair_tag=10_000)
    assert lease(worker=make_worker(), engines=["sdxl"], pools=["sdxl_image_fast"]) is not None
    Job.objects.filter(pk=make_job(make_user(), "sdxl_image_high").pk).update(fair_tag=5)
    lease_next(worker)
    assert make_job(make_user()).fair_tag == 10_000
    assert make_job(make_user(), "image_fast").fair_tag >= 5


def test_only_pools_that_the_worker_offers_are_known_to_be_empty(owner: User) -> None:
    """A worker for one job type that is far ahead puts nobody behind who waits for another."""
    Job.objects.filter(pk=make_job(owner).pk).update(fair_tag=10_000)
    waits = make_job(make_user(), "sdxl_image_high")
    Job.objects.filter(pk=waits.pk).update(fair_tag=5)
    assert lease(worker=make_worker(), engines=["sdxl"], pools=["sdxl_image_fast"]) is not None
    assert make_job(make_user(), "sdxl_image_high").fair_tag == 5


def test_the_first_clocks_show_what_workers_took_last(owner: User) -> None:
    """The queue of a version that looked at the workers' last jobs goes on as it was."""
    first, second = make_worker(), make_worker()
    Worker.objects.filter(pk=first.pk).update(pools=["sdxl_image_fast", "image_fast"])
    Worker.objects.filter(pk=second.pk).update(pools=["image_fast"])
    for tag, worker in [(70, first), (40, second)]:
        Job.objects.filter(pk=make_job(owner).pk).update(fair_tag=tag)
        lease_next(worker)
    FairnessClock.objects.all().delete()
    import_module("generation.migrations.0012_first_virtual_times").start_clocks(
        apps, SimpleNamespace(connection=connection)
    )
    assert dict(FairnessClock.objects.values_list()) == {"sdxl_image_fast": 70, "image_fast": 40}


def test_a_worker_gets_only_what_its_engines_and_pools_say(owner: User) -> None:
    wan, sdxl = make_job(owner, "image_fast"), make_job(owner)
    one = make_worker(engines=["sdxl"])
    assert lease(worker=one, engines=["wan"]) is None
    both = make_worker()
    assert lease(worker=both, engines=[]) is None
    assert lease(worker=both, engines=["nonsense"]) is None
    assert lease(worker=both, engines=BOTH, pools=["video_fast", "nonsense"]) is None
    got = lease(worker=both, engines=BOTH, pools=["image_fast", "video_fast"])
    assert got == wan
    assert lease(worker=one, engines=BOTH) == sdxl


def test_a_draining_worker_gets_no_new_job(owner: User) -> None:
    make_job(owner)
    worker = make_worker()
    worker.draining = True
    assert lease(worker=worker, engines=BOTH) is None


def test_a_cancelled_job_is_not_given_out(owner: User, worker: Worker) -> None:
    cancel(owner_id=owner.pk, job_id=make_job(owner).pk)
    assert lease(worker=worker, engines=BOTH) is None


def test_a_delayed_job_waits_until_its_time(owner: User, worker: Worker) -> None:
    job = make_job(owner)
    Job.objects.filter(pk=job.pk).update(retry_at=from_now(60))
    assert lease(worker=worker, engines=BOTH) is None
    Job.objects.filter(pk=job.pk).update(retry_at=from_now(-1))
    assert lease(worker=worker, engines=BOTH) == job


def test_promotion_is_bounded_and_takes_the_ripest(owner: User) -> None:
    jobs = [make_job(owner) for _ in range(3)]
    for age, job in enumerate(jobs):
        Job.objects.filter(pk=job.pk).update(retry_at=from_now(-100 + age))
    assert promote(limit=2) == 2
    assert [fresh(job).retry_at is None for job in jobs] == [True, True, False]
    assert promote() == 1
    assert promote() == 0


def test_only_the_slots_still_needed_stay_open_for_the_next_worker(owner: User, worker: Worker) -> None:
    job = make_job(owner, quantity=3)
    held = lease_next(worker)
    call_back(held, failed(held, 1, retryable=True), failed(held, 2))
    Job.objects.filter(pk=job.pk).update(retry_at=None)
    again = lease_next(make_worker())
    assert again.attempt == 2
    assert [slot.status for slot in again.slots] == ["queued", "queued", "failed"]


def test_a_lease_tells_the_pages(owner: User, worker: Worker) -> None:
    make_job(owner)
    before = OwnerCounter.objects.get(pk=owner.pk).revision
    held = lease_next(worker)
    assert held.revision == before + 1


def test_a_lease_costs_as_many_queries_for_one_waiting_job_as_for_many(owner: User, worker: Worker) -> None:
    def queries(waiting: int) -> int:
        for _ in range(waiting):
            make_job(owner, quantity=6)
        with CaptureQueriesContext(connection) as counted:
            lease_next(worker)
        return len(counted)

    make_job(owner)
    lease_next(worker)  # from now on each moves the fair clock
    # Savepoint, pick, counter, lease, attempt, clock, release.
    assert queries(1) == queries(30) == 7


def test_an_idle_call_writes_nothing(worker: Worker) -> None:
    """On SQLite a write would take the only writer's place for nothing."""
    with CaptureQueriesContext(connection) as counted:
        assert lease(worker=worker, engines=BOTH) is None
    assert not [q["sql"] for q in counted if q["sql"].startswith(("UPDATE", "INSERT"))]
    assert len(counted) == 4  # savepoint, pick, release, and whether others are taking what waits


def test_finished_jobs_are_not_given_out_again(owner: User, worker: Worker) -> None:
    complete(make_job(owner), worker)
    assert lease(worker=worker, engines=BOTH) is None


@pytest.mark.django_db(transaction=True)
@pytest.mark.postgres
def test_a_job_is_not_seen_before_its_rows_are_committed() -> None:
    """pitfall 3"""
    owner, worker = make_user(), make_worker()
    with transaction.atomic():
        submit(owner_id=owner.pk, submission=Submission(job_type="image_fast", prompt="a ship"))
        assert in_thread(lambda: lease(worker=worker, engines=BOTH)) is None
    assert in_thread(lambda: lease(worker=worker, engines=BOTH)) is not None
