"""Taking a cancel back: what had not begun waits again, where it waited. Pitfall 39."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import User
from django.db.models import F

from generation.access.quotas import OverLimit
from generation.catalog.submission import ReferenceInput
from generation.core.errors import TooMany
from generation.jobs.actions import UNDO_SECONDS
from generation.jobs.lease import lease
from generation.models import Job, Reference, Worker
from tests.acting import cancel_job, cancel_jobs, retry, undo_cancel
from tests.factories import call_back, complete, fresh, lease_next, make_job, make_reference, make_user


def cancelled(owner: User) -> list[int]:
    """Cancel everything of the owner's; what can be undone."""
    return [each.undo for each in cancel_jobs(owner_id=owner.pk) if each.undo]


def places(owner: User) -> list[tuple[object, int]]:
    return list(Job.objects.of(owner.pk).waiting().values_list("pk", "fair_tag"))


def test_what_waited_waits_again_in_its_old_place_and_what_ran_does_not(owner: User, worker: Worker) -> None:
    """Pitfall 39: nothing brought a whole queue back."""
    running = make_job(owner, quantity=3)
    lease_next(worker)
    waiting = [make_job(owner, quantity=3) for _ in range(3)]
    before = places(owner)
    revisions = cancelled(owner)
    assert len(revisions) == len(waiting)
    assert undo_cancel(owner_id=owner.pk, revisions=revisions) == 3
    assert fresh(running).status == "cancelled"
    assert places(owner) == before
    for job in waiting:
        assert (fresh(job).finished_at, fresh(job).attempts_left) == (None, 3)
        assert {slot.status for slot in fresh(job).slots} == {"queued"}
    assert [complete(job, worker)[0].status for job in waiting] == ["completed"] * 3


def test_others_are_not_overtaken_by_cancelling_and_undoing(owner: User) -> None:
    """Pitfall 13: what its owner has queued meanwhile counts before what comes back."""
    old = [make_job(owner) for _ in range(3)]
    revisions = cancelled(owner)
    new = [make_job(owner) for _ in range(3)]
    undo_cancel(owner_id=owner.pk, revisions=revisions)
    assert [job_id for job_id, _ in places(owner)] == [job.pk for job in (*new, *old)]


def test_a_job_that_had_begun_is_tried_again_instead(owner: User, worker: Worker) -> None:
    job = make_job(owner)
    call_back(lease_next(worker))
    assert fresh(job).status == "queued"
    assert cancel_job(owner_id=owner.pk, job_id=job.pk).undo is None
    assert undo_cancel(owner_id=owner.pk, revisions=[fresh(job).revision]) == 0
    assert fresh(job).status == "cancelled"


def test_it_is_undone_once_and_only_what_has_not_changed_since(owner: User) -> None:
    jobs = [make_job(owner) for _ in range(2)]
    revisions = cancelled(owner)
    retry(owner_id=owner.pk, job_id=jobs[0].pk)
    assert undo_cancel(owner_id=owner.pk, revisions=revisions) == 1
    assert undo_cancel(owner_id=owner.pk, revisions=revisions) == 0
    again = cancel_job(owner_id=owner.pk, job_id=jobs[1].pk)
    assert undo_cancel(owner_id=owner.pk, revisions=revisions) == 0
    assert (again.status, fresh(jobs[1]).status) == ("cancelled", "cancelled")


def test_slots_that_had_been_cancelled_before_stay_so(owner: User) -> None:
    """One of three was tried again and cancelled: its undo brought back all three."""
    job = make_job(owner, quantity=3)
    cancelled(owner)
    retry(owner_id=owner.pk, job_id=job.pk, slots=[1])
    make_job(owner)
    assert undo_cancel(owner_id=owner.pk, revisions=cancelled(owner)) == 2
    assert [slot.status for slot in fresh(job).slots] == ["cancelled", "queued", "cancelled"]


def test_it_cannot_be_undone_for_ever(owner: User) -> None:
    job = make_job(owner)
    revisions = cancelled(owner)
    late = timedelta(seconds=UNDO_SECONDS + 1)
    Job.objects.filter(pk=job.pk).update(finished_at=F("finished_at") - late)
    assert undo_cancel(owner_id=owner.pk, revisions=revisions) == 0
    assert fresh(job).status == "cancelled"


def test_a_stranger_undoes_nothing(owner: User) -> None:
    job = make_job(owner)
    revisions = cancelled(owner)
    assert undo_cancel(owner_id=make_user().pk, revisions=revisions) == 0
    assert fresh(job).status == "cancelled"


def test_the_limit_of_waiting_jobs_holds(owner: User, settings: LazySettings) -> None:
    """Pitfall 34"""
    jobs = [make_job(owner) for _ in range(3)]
    revisions = cancelled(owner)
    settings.MAX_ACTIVE_JOBS = 2
    assert undo_cancel(owner_id=owner.pk, revisions=revisions) == 2
    assert [fresh(job).status for job in jobs] == ["queued", "queued", "cancelled"]
    with pytest.raises(OverLimit):
        undo_cancel(owner_id=owner.pk, revisions=revisions)


def test_a_job_whose_reference_image_has_gone_is_passed_over(owner: User) -> None:
    """Pitfall 19: it would run without the picture."""
    picture = make_reference(owner)
    job = make_job(owner, references=[ReferenceInput(type="style", reference=picture.pk)])
    other = make_job(owner)
    revisions = cancelled(owner)
    Reference.objects.filter(pk=picture.pk).delete()
    assert undo_cancel(owner_id=owner.pk, revisions=revisions) == 1
    assert (fresh(job).status, fresh(other).status) == ("cancelled", "queued")


def test_more_than_one_call_takes_are_refused(owner: User) -> None:
    with pytest.raises(TooMany):
        undo_cancel(owner_id=owner.pk, revisions=range(501))


def test_a_cancelled_job_is_leased_to_nobody_until_it_is_back(owner: User, worker: Worker) -> None:
    make_job(owner)
    revisions = cancelled(owner)
    assert lease(worker=worker, engines=["sdxl"]) is None
    undo_cancel(owner_id=owner.pk, revisions=revisions)
    assert lease(worker=worker, engines=["sdxl"]) is not None
