"""An owner's waiting jobs change places with one another; nobody else's moves."""

from __future__ import annotations

import random

import pytest
from django.contrib.auth.models import User

from generation.catalog.job_types import JOB_TYPES
from generation.core.errors import DomainError, JobNotFound
from generation.jobs.lease import lease
from generation.jobs.order import NotMovable
from generation.models import Job, Worker
from generation.queue.reordering import Place
from tests.acting import cancel, move, pause, resume
from tests.factories import fresh, lease_next, make_job, make_user, make_worker

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner() -> User:
    return make_user()


def online(*pools: str) -> Worker:
    """A live worker that takes these alone."""
    worker = make_worker()
    worker.draining = True
    lease(worker=worker, engines=("sdxl", "wan"))
    Worker.objects.filter(pk=worker.pk).update(pools=list(pools), last_seen_at=worker.created_at)
    return worker


def in_order(owner: User) -> str:
    return "".join(Job.objects.of(owner.pk).waiting().values_list("prompt", flat=True))


def named(owner: User, names: str, job_type: str = "sdxl_image_fast") -> dict[str, Job]:
    return {name: make_job(owner, job_type, name) for name in names}


@pytest.mark.parametrize(
    ("name", "to", "then"),
    [
        ("c", Place.UP, "acbd"),
        ("c", Place.FIRST, "cabd"),
        ("b", Place.DOWN, "acbd"),
        ("b", Place.LAST, "acdb"),
        ("a", Place.UP, "abcd"),
        ("d", Place.LAST, "abcd"),
        ("d", "a", "dabc"),
        ("a", "d", "bcad"),
        ("b", "c", "abcd"),
        ("b", "b", "abcd"),
    ],
)
@pytest.mark.parametrize("tied", [False, True])
def test_a_job_is_moved_and_the_others_close_up(
    owner: User, name: str, to: str, then: str, tied: bool
) -> None:
    jobs = named(owner, "abcd")
    if tied:
        Job.objects.update(fair_tag=5)
    place = move(owner_id=owner.pk, job_id=jobs[name].pk, to=to if isinstance(to, Place) else jobs[to].pk)
    assert in_order(owner) == then
    assert (place.number, place.of, place.was) == (then.index(name) + 1, 4, "abcd".index(name) + 1)
    assert "".join(lease_next(make_worker()).prompt for _ in range(4)) == then


def test_nobody_else_is_overtaken_however_often_a_queue_is_reordered(owner: User) -> None:
    """Pitfall 13: the owner's jobs have the tags that they had, among themselves."""
    mine, other = [], make_user()
    for number in range(8):
        mine.append(make_job(owner, quantity=random.choice([1, 3, 6]), prompt=f"{number}"))
        make_job(other)
    tags = Job.objects.of(owner.pk).order_by("fair_tag").values_list("fair_tag", flat=True)
    before, foreign = list(tags.all()), Job.objects.of(other.pk).order_by("pk")
    theirs = list(foreign.values_list("fair_tag", "revision"))
    for _ in range(20):
        move(owner_id=owner.pk, job_id=random.choice(mine).pk, to=random.choice([*Place, mine[3].pk]))
    assert list(tags.all()) == before
    assert list(foreign.values_list("fair_tag", "revision")) == theirs


def test_jobs_change_places_with_those_alone_that_the_same_workers_take(owner: User) -> None:
    """Another owner's video would be overtaken in the pool of a worker that makes no pictures."""
    online(*JOB_TYPES)
    jobs = named(owner, "ab") | named(owner, "xy", "video_fast") | named(owner, "c")
    Job.objects.filter(prompt="c").update(priority=1)
    assert in_order(owner)[0] == "c"
    move(owner_id=owner.pk, job_id=jobs["y"].pk, to=Place.FIRST)
    assert in_order(owner)[:2] == "cy", "one worker takes both kinds"
    online("video_fast")
    before = in_order(owner)
    tags = dict(Job.objects.values_list("prompt", "fair_tag"))
    assert move(owner_id=owner.pk, job_id=jobs["x"].pk, to=Place.FIRST).of == 2
    after = dict(Job.objects.values_list("prompt", "fair_tag"))
    assert (after["x"], after["y"]) == (tags["y"], tags["x"])
    assert {name: after[name] for name in "abc"} == {name: tags[name] for name in "abc"}
    assert in_order(owner) == before.translate(str.maketrans("xy", "yx"))


def test_what_does_not_wait_or_is_somebody_elses_is_not_moved(owner: User) -> None:
    jobs, foreign = named(owner, "abc"), make_job(make_user())
    lease_next(make_worker())
    cancel(owner_id=owner.pk, job_id=jobs["b"].pk)

    def refused(job: Job, to: Job | None = None) -> type[DomainError]:
        with pytest.raises(DomainError) as refusal:
            move(owner_id=owner.pk, job_id=job.pk, to=to.pk if to else Place.FIRST)
        return refusal.type

    assert refused(jobs["a"]) is refused(jobs["b"]) is refused(jobs["c"], jobs["a"]) is NotMovable
    assert refused(foreign) is refused(jobs["c"], foreign) is JobNotFound
    assert [fresh(job).revision for job in jobs.values()].count(0) == 0


def test_a_paused_queue_is_reordered_too(owner: User) -> None:
    jobs = named(owner, "abc")
    pause(owner_id=owner.pk)
    move(owner_id=owner.pk, job_id=jobs["c"].pk, to=Place.FIRST)
    assert in_order(owner) == "cab"
    resume(owner_id=owner.pk)
    assert in_order(owner) == "cab"
