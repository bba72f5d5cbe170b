"""What owners do, each step with the answer that the model foretells."""

from __future__ import annotations

from tests.properties.checks import slots_of
from tests.properties.records import MAX_SEED, RETRYABLE, Job
from tests.properties.studio import Chance, Studio

JOB_TYPES = {
    "sdxl_image_fast": ("sdxl", "image"),
    "sdxl_image_high": ("sdxl", "image"),
    "image_fast": ("wan", "image"),
    "image7b_fast_enhanced": ("wan", "image"),
    "video_fast": ("wan", "video"),
}


class Owners(Studio):
    def submits(self, chance: Chance) -> None:
        self.submit(
            owner=chance.of([0, 1]),
            job_type=chance.of(["sdxl_image_fast", *JOB_TYPES]),
            quantity=chance.of([1, 3, 3, 6]),
            key=chance.of(["", "", "k1", "k2"]),
            seed=chance.of([None, 0, MAX_SEED]),
            review=chance.of([False, True]),
        )

    def submits_again(self, chance: Chance) -> None:
        """The same under the same key; also when the first answer was a refusal."""
        self.submit(chance.of([0, 1]), "image_fast", 1, chance.of(["k1", "k2"]), 0, review=False)

    def submit(
        self, owner: int, job_type: str, quantity: int, key: str, seed: int | None, review: bool
    ) -> None:
        engine, media = JOB_TYPES[job_type]
        body = {
            "job_type": job_type,
            "prompt": "a lighthouse",
            "quantity": quantity if engine == "sdxl" else 1,
            "seed": seed,
            "review": review,
        }
        status, known = self.world.submission(owner, key, body)
        headers = {"HTTP_IDEMPOTENCY_KEY": key} if key else {}
        response = self.people[owner].post("jobs", body, **headers)
        assert response.status_code == status, response.content
        told = response.json()
        if status != 201 or known:
            assert known is None or told["id"] == known.id
            return
        job = Job(told["id"], owner, engine, media, review, slots_of(told))
        assert len(job.slots) == body["quantity"]
        if seed is not None:
            seeds = [(seed + n) % (MAX_SEED + 1) for n in range(len(job.slots))]
            assert [slot.seed for slot in job.slots] == seeds
        self.world.submitted(job, key, body)
        self.touched.add(job)

    def cancels(self, chance: Chance) -> None:
        job = chance.mostly([job for job in self.world.jobs if job.active], self.world.jobs)
        owner = self.whose(chance, job)
        response = self.people[owner].post(f"jobs/{job.id}/cancel")
        assert response.status_code == self.world.cancel(owner, job)
        self.touched.add(job)

    def cancels_everything(self, chance: Chance) -> None:
        owner = chance.of([0, 1])
        active = [job for job in self.world.of(owner) if job.active]
        response = self.people[owner].post("jobs/cancel")
        assert (response.status_code, response.json()["cancelled"]) == (200, len(active))
        for job in active:
            self.world.cancel(owner, job)
        self.touched.update(active)

    def retries(self, chance: Chance) -> None:
        job = chance.mostly([job for job in self.world.jobs if job.status in RETRYABLE], self.world.jobs)
        owner = self.whose(chance, job)
        response = self.people[owner].post(f"jobs/{job.id}/retry")
        assert response.status_code == self.world.retry(owner, job)
        self.touched.add(job)

    def moves(self, chance: Chance) -> None:
        """Save, discard, restore; also of somebody else's, which moves nothing."""
        done = [job for job in self.world.jobs if any(slot.status == "completed" for slot in job.slots)]
        job = chance.mostly(done, self.world.jobs)
        owner = self.whose(chance, job)
        move = chance.of(["save", "discard", "discard", "restore"])
        chosen = [slot for slot in job.slots if chance.of([True, False])] or job.slots
        response = self.people[owner].post(f"assets/{move}", {f"{job.media}s": [slot.id for slot in chosen]})
        assert response.status_code == 200, response.content
        assert response.json()["changed"] == getattr(self.world, move)(owner, chosen)
        self.touched.add(job)

    def clears(self, chance: Chance) -> None:
        owner = chance.of([0, 1])
        fields = {"job": [str(job.id) for job in self.world.of(owner)]}
        assert self.people[owner].pages.post("/workspace/clear", fields).status_code == 302
        self.world.clear(owner)
        self.touched.update(self.world.of(owner))

    def whose(self, chance: Chance, job: Job) -> int:
        """Mostly the job's owner; now and then the stranger."""
        return 1 - job.owner if chance.of([False] * 5 + [True]) else job.owner
