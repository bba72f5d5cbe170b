"""Defects in how states follow one another, whom they belong to, and how they are told."""

from __future__ import annotations

from tests.properties.sabotage import LEASING, RACES, Edit, Sabotage, in_lifecycle

STATES = (
    in_lifecycle(
        "the same key makes another job",
        "submit",
        "    job = Job.objects.of(owner_id).filter(idempotency_key=key).first()\n",
        "    return None\n",
    ),
    in_lifecycle(
        "a key used again with another body",
        "submit",
        "if job and job.request_digest != submission.digest():",
        "if False:",
    ),
    in_lifecycle("attempts not counted", "claim", '        attempts_left=F("attempts_left") - 1,\n', ""),
    in_lifecycle("a release costs an attempt", "lease", "    job.attempts_left += 1\n", ""),
    in_lifecycle(
        "partly completed told as completed", "settle", "    if all(completed):", "    if any(completed):"
    ),
    in_lifecycle(
        "only the first slot fails",
        "settle",
        "    for asset in assets:\n",
        "    for asset in list(assets)[:1]:\n",
    ),
    in_lifecycle(
        "cancel leaves its slots queued",
        "control",
        "        asset.status = AssetStatus.CANCELLED\n",
        "        asset.error_code = asset.error_code\n",
    ),
    in_lifecycle(
        "retry starts completed slots again",
        "control",
        "for asset in rows.lock_assets(job) if asset.status != AssetStatus.COMPLETED]",
        "for asset in rows.lock_assets(job)]",
    ),
    in_lifecycle(
        "retries are never promoted",
        "lease",
        "due.filter(pk__in=ripe).update(retry_at=None) if ripe else 0",
        "len(ripe)",
    ),
    in_lifecycle("the lease call reaps nothing", "lease", "return promote() + reap()", "return promote()"),
    in_lifecycle(
        "an open slot ends the job at once", "settle", "if still_open and job.attempts_left > 0:", "if False:"
    ),
    Sabotage(
        "the limit on waiting work not enforced",
        (Edit("generation/quotas.py", "at_most=limit) >= limit:", "at_most=limit) > limit:"),),
    ),
    in_lifecycle(
        "no fairness", "fairness", "return max([*after_own, *head], default=0)", "return 0", LEASING
    ),
    in_lifecycle(
        "the newest first",
        "claim",
        "ORDER BY priority DESC, fair_tag, id LIMIT 1 {lock}",
        "ORDER BY id DESC LIMIT 1 {lock}",
        LEASING,
    ),
    in_lifecycle(
        "what others own can be moved",
        "keep",
        "model.objects.of(owner_id).filter(pk__in=ids)",
        "model.objects.filter(pk__in=ids)",
    ),
    Sabotage(
        "strangers read a job",
        (
            Edit(
                "generation/feed.py",
                "Job.objects.of(owner_id).filter(pk__in=job_ids)",
                "Job.objects.filter(pk__in=job_ids)",
            ),
        ),
    ),
    Sabotage(
        "clear takes what is under review",
        (
            Edit(
                "generation/lifecycle/keep.py",
                "        finished = finished.exclude(Exists(model.objects.under_review()",
                "        Exists(model.objects.under_review()",
            ),
            Edit(
                "generation/lifecycle/keep.py",
                '.filter(job=OuterRef("pk"))))\n',
                '.filter(job=OuterRef("pk")))\n',
            ),
            Edit("generation/lifecycle/keep.py", "if job.pk not in restored]", "]"),
        ),
        ("tests/generation/test_keeping.py",),
    ),
)

FEED = (
    in_lifecycle(
        "a changed slot keeps its revision",
        "rows",
        "        asset.revision = next(revision)\n",
        "        next(revision)\n",
    ),
    in_lifecycle(
        "a leased job keeps its revision",
        "claim",
        '"leased_by_id": worker.pk, "revision": revision}',
        '"leased_by_id": worker.pk, "revision": 1}',
    ),
    in_lifecycle(
        "a moved asset keeps its revision",
        "keep",
        "        asset.revision = next(revision)\n",
        "        next(revision)\n",
    ),
    in_lifecycle("the counter leaves a gap", "rows", "count=len(assets) + 1)", "count=len(assets) + 2)"),
    Sabotage(
        "a purge is not told",
        (Edit("generation/chores.py", "    Purged.objects.bulk_create(rows)\n", ""),),
        ("tests/generation/test_changes.py",),
    ),
    Sabotage(
        "changes of a page's last row are skipped",
        (
            Edit(
                "generation/feed.py",
                "revision=revision_of(page[-1]) if more",
                "revision=revision_of(found[-1]) if more",
            ),
        ),
    ),
    Sabotage(
        "the counter read, then written",
        (
            Edit(
                "generation/lifecycle/revisions.py",
                "    for counter in prepared.rows(OwnerCounter, _counting",
                "    mine = OwnerCounter.objects.filter(pk=owner_id)\n"
                '    seen = mine.values_list("revision", flat=True).first()\n'
                "    if mine.update(revision=(seen or 0) + count):\n"
                "        return (seen or 0) + count\n"
                "    for counter in prepared.rows(OwnerCounter, _counting",
            ),
        ),
        (f"{RACES}::test_a_reader_with_a_cursor_misses_nothing_of_eight_writers",),
        postgres=True,
    ),
)
