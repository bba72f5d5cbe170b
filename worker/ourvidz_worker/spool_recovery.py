"""Results that an earlier session could not deliver."""

from __future__ import annotations

from threading import Event

from ourvidz_worker import log
from ourvidz_worker.client import Server
from ourvidz_worker.errors import LeaseLost, ServerAway, ServerRefused, WorkerDisabled
from ourvidz_worker.spool import Kept, Spool

INTERNAL_SERVER_ERROR = 500  # of the server's program, while 502 to 504 speak of an outage


def deliver_leftovers(server: Server, spool: Spool, halted: Event) -> None:
    """What is made already goes first: the job of a worker that died may still be held for it.

    Then those jobs are given back for the slots that they still lack. Of a result that the server
    refuses, the job is not: that costs no attempt, and the same would happen for ever.
    Raises ServerAway, WorkerDisabled, TokenRefused or Halted.
    """
    jobs: dict[tuple[str, str], Kept] = {}
    refused = set()
    for kept in spool.left():
        lease = (kept.id, kept.lease_token)
        jobs[lease] = kept
        if not deliver_kept(server, kept, halted):
            refused.add(lease)
    for lease, kept in jobs.items():
        if lease in refused:
            continue
        try:
            server.release(kept)
        except ServerRefused as error:
            log.event("release_failed", job_id=kept.id, reason=str(error))


def deliver_kept(server: Server, kept: Kept, halted: Event) -> bool:
    """False when the server refuses it. Unless it is away, the result is not kept any longer."""
    is_taken = True
    try:
        upload = server.upload(kept, kept.slot, kept.media, kept.content_type, halted=halted)
        asset = kept.asset | {"upload_id": upload.upload_id}
        if upload.error is None:
            server.report(kept, {"status": "processing", "assets": [asset]}, halted=halted)
        log.event("spooled_result_delivered", job_id=kept.id, slot=kept.slot)
    except WorkerDisabled:
        raise
    except (ServerRefused, OSError) as error:
        is_taken = isinstance(error, LeaseLost | OSError)
        log.event("spooled_result_dropped", job_id=kept.id, slot=kept.slot, reason=str(error))
    except ServerAway as away:
        if away.status != INTERNAL_SERVER_ERROR:
            raise
        server.greet()  # raises where it fails over everything; else one result must not stop all work
        is_taken = False
        log.event("spooled_result_dropped", job_id=kept.id, slot=kept.slot, reason=str(away))
    kept.drop()
    return is_taken
