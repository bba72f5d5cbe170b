"""Delivers the results that an earlier session left in the spool, and ends the leases of killed processes."""

from __future__ import annotations

from threading import Event

from ourvidz_worker import log
from ourvidz_worker.client import Server
from ourvidz_worker.errors import LeaseLost, ServerRefused, ServerUnavailable, WorkerDisabled
from ourvidz_worker.spool import AbandonedLease, Spool, SpooledResult

KILLED = "The worker was ended in the middle of the job."
INTERNAL_SERVER_ERROR = 500  # raised inside the server's program, while 502 to 504 mean an outage


def recover_spool(server: Server, spool: Spool, halted: Event) -> None:
    """Delivers spooled results before the first lease: their job may still be held for this worker.

    Then it releases those jobs, for the slots that they still lack. A job of which the server refused
    a result is not released: that costs no attempt, and the same would happen for ever. So a job in which
    a process was killed before it had made anything is reported as failed: perhaps it was the job.
    Raises ServerUnavailable, WorkerDisabled, TokenRefused or Halted.
    """
    jobs: dict[tuple[str, str], SpooledResult] = {}
    refused = set()
    for result in spool.undelivered():
        lease = (result.id, result.lease_token)
        jobs[lease] = result
        if not deliver_spooled_result(server, result, halted):
            refused.add(lease)
    for lease, result in jobs.items():
        if lease in refused:
            continue
        try:
            server.release(result)
        except ServerRefused as error:
            log.event("release_failed", job_id=result.id, reason=str(error))
    for abandoned in spool.abandoned():
        if (abandoned.id, abandoned.lease_token) not in jobs:
            _report_as_failed(server, abandoned, halted)


def _report_as_failed(server: Server, lease: AbandonedLease, halted: Event) -> None:
    """The server queues the job again while attempts are left. What the lease had delivered stays."""
    callback = {"status": "failed", "assets": [], "error_message": KILLED}
    try:
        server.report(lease, callback, halted=halted)
        log.event("abandoned_job_reported", job_id=lease.id)
    except WorkerDisabled:
        raise
    except ServerRefused as error:
        log.event("abandoned_job_dropped", job_id=lease.id, reason=str(error))
    except ServerUnavailable as unavailable:
        if unavailable.status != INTERNAL_SERVER_ERROR:
            raise
        log.event("abandoned_job_dropped", job_id=lease.id, reason=str(unavailable))


def deliver_spooled_result(server: Server, result: SpooledResult, halted: Event) -> bool:
    """False when the server refuses the result. It is deleted unless the server is unavailable."""
    is_accepted = True
    try:
        upload = server.upload(result, result.slot, result.media, result.content_type, halted=halted)
        asset = result.asset | {"upload_id": upload.upload_id}
        if upload.error is None:
            server.report(result, {"status": "processing", "assets": [asset]}, halted=halted)
        log.event("spooled_result_delivered", job_id=result.id, slot=result.slot)
    except WorkerDisabled:
        raise
    except (ServerRefused, OSError) as error:
        is_accepted = isinstance(error, LeaseLost | OSError)
        log.event("spooled_result_dropped", job_id=result.id, slot=result.slot, reason=str(error))
    except ServerUnavailable as unavailable:
        if unavailable.status != INTERNAL_SERVER_ERROR:
            raise
        server.check_access()  # raises if every request fails; one result alone must not stop all work
        is_accepted = False
        log.event("spooled_result_dropped", job_id=result.id, slot=result.slot, reason=str(unavailable))
    result.delete()
    return is_accepted
