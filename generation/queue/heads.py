"""Parts of the claim's statements: which waiting jobs are for a worker, and the first such of a pool."""

from __future__ import annotations

from generation.core.sql import in_dialect

# Whether leases or delays have run out: one probe of the index of each.
OVERDUE = """
    EXISTS (SELECT 1 FROM generation_job WHERE status = 'queued' AND retry_at <= {now})
    OR EXISTS (SELECT 1 FROM generation_job WHERE status = 'processing' AND lease_expires_at < {now})
"""
# Whether this worker may have the job: a retry is kept for others for a while (queue.elsewhere).
FOR_WORKER = "(elsewhere_until IS NULL OR elsewhere_until <= {now} OR leased_by_id <> %s)"
# Of the pool `offered.pool`, the first job that this worker may have: one of the first few, and none where
# all of these are kept for others, so that a probe reads no more however many they are.
HEAD = """
    SELECT id FROM (
        SELECT id, priority, fair_tag, elsewhere_until, leased_by_id FROM generation_job
        WHERE status = 'queued' AND retry_at IS NULL AND held_at IS NULL AND pool = offered.pool
        ORDER BY priority DESC, fair_tag, id LIMIT 8
    ) AS first WHERE {for_worker}
    ORDER BY priority DESC, fair_tag, id LIMIT 1
"""


def claim_statement(sql: str, *, offered: str) -> str:
    """The statement with these placeholders for what is offered, and the parts above where it names them."""
    for_worker = in_dialect(FOR_WORKER)
    head = in_dialect(HEAD, for_worker=for_worker)
    return in_dialect(sql, offered=offered, overdue=in_dialect(OVERDUE), for_worker=for_worker, head=head)
