"""Defects in how states follow one another, whom they belong to, and how they are told."""

from __future__ import annotations

from tests.properties.sabotage import LEASING, RACES, Edit, Sabotage, in_generation

STATES = (
    in_generation(
        "the same key makes another job",
        "jobs/submit",
        "        if not self.key:\n            return []\n",
        "        return []\n",
    ),
    in_generation(
        "a key used again with another body",
        "jobs/submit",
        "if any(job.request_digest != digests[job.idempotency_key] for job in jobs):",
        "if False:",
    ),
    in_generation("attempts not counted", "queue/claim", "attempts_left = attempts_left - 1, ", ""),
    in_generation("a release costs an attempt", "jobs/lease", "    job.attempts_left += 1\n", ""),
    in_generation(
        "partly completed told as completed",
        "jobs/finish",
        "    if all(completed):",
        "    if any(completed):",
    ),
    in_generation(
        "only the first slot fails",
        "jobs/finish",
        "    for asset in assets:\n",
        "    for asset in list(assets)[:1]:\n",
    ),
    in_generation(
        "cancel leaves its slots queued",
        "jobs/actions",
        "        asset.status = AssetStatus.CANCELLED\n",
        "        asset.error_code = asset.error_code\n",
    ),
    in_generation(
        "retry starts completed slots again",
        "jobs/actions",
        "[asset for asset in assets if asset.status in (AssetStatus.FAILED, AssetStatus.CANCELLED)]",
        "list(assets)",
    ),
    in_generation(
        "retries are never promoted",
        "jobs/lease",
        "due.filter(pk__in=free_ids).update(retry_at=None) if free_ids else 0",
        "len(free_ids)",
    ),
    in_generation(
        "the lease call reaps nothing", "jobs/lease", "and promote() + reap() and", "and promote() and"
    ),
    in_generation(
        "an open slot ends the job at once",
        "jobs/finish",
        "if still_open and job.attempts_left > 0:",
        "if False:",
    ),
    Sabotage(
        "the limit on waiting work not enforced",
        (Edit("generation/access/quotas.py", "active + more > limits", "active + more > 1 + limits"),),
    ),
    in_generation(
        "leases end while nobody serves",
        "jobs/lease",
        "over.exclude(reap_hold.is_active())",
        "over",
        "tests/generation/test_expiring.py",
    ),
    in_generation(
        "no fairness", "queue/fairness", "return max([now, *head, *after_own])", "return 0", LEASING
    ),
    in_generation(
        "the fair clock stands still", "queue/claim", "    if moves_clock:\n", "    if False:\n", LEASING
    ),
    in_generation(
        "hurried jobs move the fair clock", "queue/claim", "priority = 0 AND EXISTS", "EXISTS", LEASING
    ),
    in_generation(
        "the fair clock goes back",
        "queue/fairness",
        "    WHERE generation_fairnessclock.virtual_time < EXCLUDED.virtual_time\n",
        "",
        LEASING,
    ),
    in_generation(
        "the newest first",
        "queue/claim",
        "ORDER BY priority DESC, fair_tag, id LIMIT 1 {skip_locked}",
        "ORDER BY id DESC LIMIT 1 {skip_locked}",
        LEASING,
    ),
    in_generation(
        "what others own can be moved",
        "assets/actions",
        "mine = Asset.objects.of(owner_id).filter(pk__in=ids)",
        "mine = Asset.objects.filter(pk__in=ids)",
    ),
    Sabotage(
        "strangers read a job",
        (
            Edit(
                "generation/jobs/listing.py",
                "Job.objects.of(owner_id).filter(pk__in=job_ids)",
                "Job.objects.filter(pk__in=job_ids)",
            ),
        ),
    ),
    Sabotage(
        "clear takes what is under review",
        (
            Edit(
                "generation/jobs/actions.py",
                "finished.exclude(Exists(waiting))",
                "finished",
            ),
            Edit("generation/jobs/actions.py", "if job.pk not in restored]", "]"),
        ),
        ("tests/generation/test_keeping.py",),
    ),
)

FEED = (
    in_generation(
        "a changed slot keeps its revision",
        "changes/writes",
        "        asset.revision = next(revision)\n",
        "        next(revision)\n",
    ),
    in_generation(
        "a leased job keeps its revision",
        "queue/claim",
        '"revision": revision,',
        '"revision": 1,',
    ),
    in_generation(
        "a moved asset keeps its revision",
        "changes/writes",
        "        row.revision = next(revision)\n",
        "        next(revision)\n",
    ),
    in_generation(
        "the counter leaves a gap", "changes/writes", "count=len(assets) + 1,", "count=len(assets) + 2,"
    ),
    in_generation(
        "a completion is not counted",
        "changes/writes",
        ", library=saved",
        "",
        "tests/generation/test_library_totals.py",
    ),
    Sabotage(
        "an end is not put into the outbox",
        (
            Edit(
                "generation/jobs/finish.py",
                "    outbox.job_ended(job, assets, status=status, revision=revision)\n",
                "",
            ),
        ),
        ("tests/generation/test_outbox.py",),
    ),
    Sabotage(
        "what an operator does is told as its owner's",
        (
            Edit(
                "generation/access/principals.py",
                "return Principal(ActorKind.OPERATOR, user.pk,",
                "return Principal(ActorKind.USER, user.pk,",
            ),
        ),
        ("tests/generation/test_actors.py",),
    ),
    Sabotage(
        "a token's scopes are not compared",
        (
            Edit(
                "generation/api/permissions.py",
                "if scope not in principal_of(request).scopes:",
                "if scope is None:",
            ),
        ),
        ("tests/generation/api/test_scopes.py",),
    ),
    Sabotage(
        "an expired token lives on",
        (
            Edit(
                "generation/access/tokens.py",
                "filter(expires_at__gt=Now(), revoked_at=None)",
                "filter(revoked_at=None)",
            ),
        ),
        ("tests/generation/api/test_scopes.py",),
    ),
    Sabotage(
        "a purge is not told",
        (Edit("generation/changes/purge.py", "    Tombstone.objects.bulk_create(rows)\n", ""),),
        ("tests/generation/test_changes.py",),
    ),
    Sabotage(
        "changes of a page's last row are skipped",
        (
            Edit(
                "generation/changes/feed.py",
                "revision=revision_of(page[-1]) if more",
                "revision=revision_of(found[-1]) if more",
            ),
        ),
    ),
    Sabotage(
        "the counter read, then written",
        (
            Edit(
                "generation/changes/revisions.py",
                "    with connection.cursor() as cursor:\n",
                "    mine = OwnerCounter.objects.filter(pk=owner_id)\n"
                '    seen = mine.values_list("revision", flat=True).first()\n'
                "    if mine.update(revision=(seen or 0) + count):\n"
                "        return (seen or 0) + count\n"
                "    with connection.cursor() as cursor:\n",
            ),
        ),
        (f"{RACES}::test_a_reader_with_a_cursor_misses_nothing_of_eight_writers",),
        postgres=True,
    ),
)
