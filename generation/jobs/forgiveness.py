"""What a machine that may vanish at any time lost costs its job no attempt, so often."""

from __future__ import annotations

from generation.models import Job, Worker

# Of one job: it may be what ends the machines.
MAX_FORGIVEN = 5


def forgive(job: Job, worker: Worker | None) -> dict[str, object]:
    """Give back the attempt of the lease that `worker` has just lost, where that is to cost none.

    Changes `job.attempts_left`; returns what is to be written.
    """
    if worker is None or not worker.interruptible or job.forgiven_leases >= MAX_FORGIVEN:
        return {}
    job.attempts_left += 1
    return {"attempts_left": job.attempts_left, "forgiven_leases": job.forgiven_leases + 1}
