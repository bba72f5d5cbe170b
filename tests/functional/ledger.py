"""What the rows say of a job: nothing lost, nothing double."""

from __future__ import annotations

from generation.models import Asset, Attempt, Job, Upload


def job(job_id: str) -> Job:
    return Job.objects.with_slots().get(pk=job_id)


def status(job_id: str) -> str:
    return str(Job.objects.values_list("status", flat=True).get(pk=job_id))


def done(job_id: str) -> list[Asset]:
    """The slots that have their result."""
    return [asset for asset in job(job_id).slots if asset.status == "completed"]


def attempts(job_id: str) -> list[tuple[str, int]]:
    """How each lease ended, and how many results it brought."""
    rows = Attempt.objects.filter(job__pk=job_id).order_by("number")
    return list(rows.values_list("outcome", "accepted"))


def came_from(asset: Asset) -> int:
    """The number of the attempt whose upload fills the slot."""
    token = Upload.objects.get(job=asset.job_id, file=asset.file.name).lease_token
    return Attempt.objects.get(lease_token=token).number


def assert_whole(job_id: str, slots: int) -> None:
    """N rows from the beginning to the end, each completed once, with bytes of its own."""
    found = job(job_id)
    assert found.status == "completed"
    assert [asset.slot for asset in found.slots] == list(range(slots))
    assert {asset.status for asset in found.slots} == {"completed"}
    assert len({asset.file.name for asset in found.slots}) == slots
    assert sum(accepted for _, accepted in attempts(job_id)) == slots
    accepted_uploads = Upload.objects.filter(job__pk=job_id, accepted_at__isnull=False)
    assert accepted_uploads.count() == slots
