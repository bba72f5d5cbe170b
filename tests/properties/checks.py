"""What the rows and the answers must say, beside what the model says."""

from __future__ import annotations

from collections import Counter
from typing import Any

from django.core.files.storage import default_storage

from generation.models import Asset, Attempt, Job, OutboxEvent, OwnerCounter
from tests.properties.callers import Person
from tests.properties.model import World
from tests.properties.records import Job as Expected
from tests.properties.records import Slot


def assets_of(told: dict[str, Any]) -> list[dict[str, Any]]:
    return [*told["images"], *([told["video"]] if told["video"] else [])]


def slots_of(told: dict[str, Any]) -> list[Slot]:
    return [
        Slot(asset["id"], number, asset.get("image_index"), asset["seed"])
        for number, asset in enumerate(assets_of(told))
    ]


def as_told(told: dict[str, Any]) -> dict[str, Any]:
    assets = {
        asset["id"]: (
            asset.get("image_index"),
            asset["status"],
            asset["sha256"],
            asset["seed"],
            (asset["error"] or {}).get("code", ""),
            asset["saved_at"] is not None,
            asset["trashed_at"] is not None,
        )
        for asset in assets_of(told)
    }
    error = (told["error"] or {}).get("code", "")
    return {
        "job": (told["status"], error, told["attempt"], told["cleared_at"] is not None),
        "ended": told["finished_at"] is not None,
        "assets": assets,
    }


def as_expected(job: Expected) -> dict[str, Any]:
    assets = {
        slot.id: (slot.index, slot.status, slot.sha256, slot.seed, slot.error, slot.saved, slot.trashed)
        for slot in job.slots
    }
    return {
        "job": (job.status, job.error, job.attempt, job.cleared),
        "ended": not job.active,
        "assets": assets,
    }


def check_rows(world: World, people: list[Person], results: dict[str, str]) -> None:
    """The rows themselves, past every view."""
    jobs = {str(job.pk): job for job in Job.objects.all()}
    assets = list(Asset.objects.all())
    assert len(jobs) == len(world.jobs)
    assert len(assets) == sum(job.quantity for job in jobs.values()) - sum(job.purged for job in world.jobs)
    running = Counter(map(str, Attempt.objects.filter(ended_at=None).values_list("job_id", flat=True)))
    ends = dict(OutboxEvent.objects.order_by("revision").values_list("job_id", "payload"))
    for expected in world.jobs:
        job = jobs[expected.id]
        check_job(job, expected, running[expected.id])
        assert expected.active or ends[job.pk]["status"] == job.status, "its end is not in the outbox"
    slots = {slot.id: slot for job in world.jobs for slot in job.slots}
    for asset in assets:
        assert asset.status == slots[str(asset.pk)].status
        if asset.status == "completed":
            assert results.setdefault(str(asset.pk), asset.sha256) == asset.sha256, "a result was replaced"
            assert default_storage.exists(asset.file.name)
            assert default_storage.exists(asset.thumbnail.name)
        else:
            assert str(asset.pk) not in results, "a completed slot changed back"
    for owner, person in enumerate(people):
        check_revisions(world, owner, person, [*jobs.values(), *assets])


def check_job(job: Job, expected: Expected, running: int) -> None:
    held = job.status == "processing"
    assert job.status == expected.status
    assert running == held
    assert (job.lease_expires_at is not None) == held
    assert str(job.lease_token or "") == expected.token
    assert (job.attempt, job.attempts_left) == (expected.attempt, expected.attempts_left)
    assert (job.retry_at is not None) == expected.delayed
    assert (job.finished_at is not None) == (not expected.active)


def check_revisions(world: World, owner: int, person: Person, rows: list[Any]) -> None:
    mine = [row.revision for row in rows if row.owner_id == person.user.pk]
    counter = OwnerCounter.objects.filter(pk=person.user.pk).values_list("revision", flat=True).first() or 0
    assert counter == world.revision[owner]
    assert len(set(mine)) == len(mine)
    assert max(mine, default=0) <= counter
