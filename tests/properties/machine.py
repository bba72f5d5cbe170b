"""Owners, workers and time, in any order, through the real HTTP API; the model says what must come back."""

from __future__ import annotations

import hashlib
import io
import sys

from django.core.management import call_command
from django.db import transaction
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from generation.models import Asset, Attempt, Job
from tests.factories import png
from tests.properties.callers import without_hints
from tests.properties.checks import as_expected, as_told, check_rows
from tests.properties.owners import Owners
from tests.properties.records import Job as Expected
from tests.properties.studio import Chance
from tests.properties.workers import Workers

PAST = "2020-01-01T00:00Z"
# What happens how often, among what can happen now.
WEIGHTS = {
    "submits": 3,
    "submits_again": 1,
    "cancels": 2,
    "cancels_everything": 1,
    "retries": 4,
    "moves": 4,
    "clears": 1,
    "leases": 6,
    "beats": 2,
    "stores": 1,
    "reports": 6,
    "writes_a_report": 2,
    "sends_a_report": 4,
    "names_any_upload": 2,
    "ends_its_job": 3,
    "releases": 1,
    "outlives_its_lease": 3,
    "is_on_its_last_attempt": 2,
    "waits_for_its_retry": 4,
    "chores_are_done": 1,
    "a_month_passes": 1,
}


class History(Owners, Workers, RuleBasedStateMachine):
    """One example is one history of a studio with two owners and three workers.

    One rule draws what happens next from what makes a difference now. Hypothesis's own choice among twenty
    rules leaves many out of each history, often the lease: sixty histories then reach next to nothing.
    """

    @initialize(quantity=st.sampled_from([3, 6]), review=st.booleans(), leased=st.booleans())
    def first_job(self, quantity: int, review: bool, leased: bool) -> None:
        self.submit(0, "sdxl_image_fast", quantity, "", None, review)
        if leased:
            self.lease(0)

    @rule(data=st.data())
    def something_happens(self, data: st.DataObject) -> None:
        can = self.what_can_happen()
        menu = [name for name, weight in WEIGHTS.items() if can.get(name, True) for _ in range(weight)]
        getattr(self, data.draw(st.sampled_from(menu), label="what"))(Chance(data))

    def what_can_happen(self) -> dict[str, bool]:
        """False for what would change nothing now."""
        jobs = self.world.jobs
        slots = [slot for job in jobs for slot in job.slots]
        needs_a_lease = ("beats", "stores", "reports", "writes_a_report", "ends_its_job", "releases")
        return dict.fromkeys(needs_a_lease, bool(self.given)) | {
            "retries": any(not job.active for job in jobs),
            "moves": any(slot.status == "completed" for slot in slots),
            "clears": any(not job.active and not job.cleared for job in jobs),
            "sends_a_report": bool(self.written),
            "names_any_upload": bool(self.world.uploads),
            "outlives_its_lease": any(job.status == "processing" for job in jobs),
            "is_on_its_last_attempt": any(job.status == "processing" for job in jobs),
            "waits_for_its_retry": any(job.delayed for job in jobs),
            "a_month_passes": any(slot.trashed for slot in slots),
        }

    # Time.

    def outlives_its_lease(self, chance: Chance) -> None:
        """Nobody has noticed yet."""
        job = chance.of([job for job in self.world.jobs if job.status == "processing"])
        Job.objects.filter(pk=job.id).update(lease_expires_at=PAST)
        job.overdue = True

    def is_on_its_last_attempt(self, chance: Chance) -> None:
        """As if it had been tried before: few histories are long enough for that."""
        job = chance.of([job for job in self.world.jobs if job.status == "processing"])
        Job.objects.filter(pk=job.id).update(attempts_left=0)
        job.attempts_left = 0

    def waits_for_its_retry(self, chance: Chance) -> None:
        job = chance.of([job for job in self.world.jobs if job.delayed])
        Job.objects.filter(pk=job.id).update(retry_at=PAST)
        job.due = True

    def chores_are_done(self, chance: Chance) -> None:
        self.touched.update(job for job in self.world.jobs if job.overdue)
        self.world.chores()
        call_command("maintain", once=True, stdout=io.StringIO())

    def a_month_passes(self, chance: Chance) -> None:
        """Over somebody's trash."""
        owner = chance.of([0, 1])
        Asset.objects.in_trash().of(self.people[owner].user.pk).update(trashed_at=PAST)
        self.world.purge(owner)
        self.chores_are_done(chance)

    # What holds after every step.

    @invariant()
    def the_database_is_as_the_model_says(self) -> None:
        check_rows(self.world, self.people, self.results)

    @invariant()
    def a_follower_is_told_exactly_what_changed(self) -> None:
        """No gap and nothing left out: the counter moved by as many rows as changed, and those are told."""
        for owner, follower in enumerate(self.followers):
            if follower.after == self.world.revision[owner] and not self.world.changed[owner]:
                continue  # the rows were just seen to agree; asking costs more than all the rest
            assert follower.read_on() == self.world.changed[owner]
            assert follower.after == self.world.revision[owner]
            self.world.changed[owner].clear()

    @invariant()
    def a_follower_knows_the_jobs_as_the_model_does(self) -> None:
        for job in self.touched:
            assert as_told(self.followers[job.owner].job(job.id)) == as_expected(job)
        self.touched.clear()

    def the_api_tells_it_as_it_told_the_follower(self, job: Expected) -> None:
        response = self.people[job.owner].get(f"jobs/{job.id}")
        assert response.status_code == 200
        told, followed = response.json(), self.followers[job.owner].job(job.id)
        assert without_hints(followed) == {name: told[name] for name in without_hints(followed)}
        assert as_told(told) == as_expected(job)

    # The end of each history.

    def teardown(self) -> None:
        try:
            if sys.exc_info()[0] is None:
                self.drain()
        finally:
            transaction.set_rollback(True)
            self.savepoint.__exit__(None, None, None)

    def drain(self) -> None:
        """Workers that do everything right leave nothing queued and nothing processing."""
        self.no_old_lease_works()
        for _ in range(2):  # what runs is reaped and has to wait; then it is done too
            self.make_everything_due()
            while lease := self.lease(0):
                self.deliver(lease)
        assert [self.lease(worker) for worker in (1, 2)] == [None, None]
        self.the_database_is_as_the_model_says()
        self.a_follower_is_told_exactly_what_changed()
        assert not any(follower.read_on() for follower in self.followers)
        for job in self.world.jobs:
            self.the_api_tells_it_as_it_told_the_follower(job)
            assert not job.active, "left over for ever"
            assert self.people[1 - job.owner].get(f"jobs/{job.id}").status_code == 404
        self.every_file_is_what_was_delivered()

    def make_everything_due(self) -> None:
        Job.objects.filter(status="processing").update(lease_expires_at=PAST)
        Job.objects.filter(retry_at__isnull=False).update(retry_at=PAST)
        Job.objects.filter(elsewhere_until__isnull=False).update(elsewhere_until=PAST)
        for job in self.world.jobs:
            job.overdue, job.due = job.status == "processing", job.delayed
            job.is_kept = False

    def no_old_lease_works(self) -> None:
        for attempt in Attempt.objects.exclude(ended_at=None).select_related("job"):
            if attempt.job.lease_token == attempt.lease_token:
                continue  # ended, and nobody has the job since: a replay is answered
            machine = next(m for m in self.machines if m.worker.pk == attempt.worker_id)
            old = {"job_id": str(attempt.job_id), "lease_token": str(attempt.lease_token)}
            for response in (machine.heartbeat(old), machine.report(old), machine.release(old)):
                assert response.status_code == 409
            assert machine.upload(old, 0, png(16, 16)).status_code == 409

    def every_file_is_what_was_delivered(self) -> None:
        for job in self.world.jobs:
            for slot in job.slots:
                response = self.people[job.owner].get(f"{job.media}s/{slot.id}/file")
                if slot.status != "completed":
                    assert response.status_code == 404
                    continue
                content = b"".join(response.streaming_content)
                assert hashlib.sha256(content).hexdigest() == slot.sha256
