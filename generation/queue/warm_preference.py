"""The preference for jobs whose model a worker has loaded already, and its bounds.

Loading a model takes longer than many a job. So a job of a warm pool may go before the best waiting one, at
most MAX_AHEAD times and for a minute; then the worker keeps to the order until it has caught up with it,
which is when a warm pool has the best job. Never before a job with a raised priority, and not before one with
a deadline that heads its pool
(docs/decisions/0047-a-warm-model-is-preferred-within-bounds.md).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from django.db.backends.utils import CursorWrapper
from django.db.models import F
from django.db.models.functions import Coalesce

from generation.core.clock import Now
from generation.core.sql import uuid_value
from generation.models import Worker
from generation.queue.heads import claim_statement

# Of each worker; a literal in the statement below. Counted until it has caught up, and not only in a row:
# with another 32 after each job of another pool, that pool would get a 33rd of the work while both have any.
MAX_AHEAD = 32
# As `claim.PICK`, which finds the same heads, with two more columns: whether the job is preferred to the best
# one, and whether the worker has caught up.
PICK_WARM = """
    WITH offered (pool, is_warm) AS (VALUES {offered}),
    heads AS (
        SELECT head.id, head.pool, head.priority, head.fair_tag, head.deadline_at, offered.is_warm
        FROM offered JOIN generation_job AS head ON head.id = ({head})
    ),
    best AS (SELECT * FROM heads ORDER BY priority DESC, fair_tag, id LIMIT 1),
    warm AS (SELECT * FROM heads WHERE is_warm = 1 ORDER BY priority DESC, fair_tag, id LIMIT 1),
    choice AS (
        SELECT best.pool AS best_pool, warm.pool AS warm_pool,
            best.is_warm = 0 AND warm.id IS NOT NULL AND warm.priority = best.priority AND best.priority <= 0
            AND worker.preferred_claims < 32
            AND (worker.preferred_since IS NULL OR worker.preferred_since > {minute_ago})
            AND NOT EXISTS (
                SELECT 1 FROM heads WHERE is_warm = 0 AND deadline_at IS NOT NULL
                AND priority = best.priority AND (fair_tag, id) < (warm.fair_tag, warm.id)
            ) AS is_preferred,
            best.is_warm = 1 AND worker.preferred_claims > 0 AS has_caught_up
        FROM best JOIN generation_worker AS worker ON worker.id = %s LEFT JOIN warm ON 1 = 1
    )
    SELECT id, owner_id, {overdue} AS overdue, priority = 0 AND EXISTS (
        SELECT 1 FROM offered LEFT JOIN generation_fairnessclock AS clock ON clock.pool = offered.pool
        WHERE COALESCE(clock.virtual_time, 0) < fair_tag
        AND (is_warm = 1 OR NOT (SELECT is_preferred FROM choice))
    ) AS moves_clock, (SELECT is_preferred FROM choice), (SELECT has_caught_up FROM choice)
    FROM generation_job WHERE status = 'queued' AND retry_at IS NULL AND held_at IS NULL AND pool = (
        SELECT CASE WHEN is_preferred THEN warm_pool ELSE best_pool END FROM choice
    ) AND {for_worker}
    ORDER BY priority DESC, fair_tag, id LIMIT 1 {skip_locked}
"""


def pick(cursor: CursorWrapper, worker: Worker, pools: Sequence[str], warm: Collection[str]) -> None:
    """Execute `PICK_WARM`, in one statement as without a preference."""
    offered = [value for pool in pools for value in (pool, int(pool in warm))]
    rows = ", ".join(["(%s, %s)"] * len(pools))
    me = uuid_value(worker.pk)
    cursor.execute(claim_statement(PICK_WARM, offered=rows), [*offered, me, me, me])


def record(worker: Worker, is_preferred: object, has_caught_up: object) -> None:
    """Count a preferred job, or count anew. Nothing is written where nothing changes."""
    row = Worker.objects.filter(pk=worker.pk)
    if is_preferred:
        since = Coalesce("preferred_since", Now())
        row.update(preferred_claims=F("preferred_claims") + 1, preferred_since=since)
    elif has_caught_up:
        row.update(preferred_claims=0, preferred_since=None)
