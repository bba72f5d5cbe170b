"""What `script/bite` breaks: each a defect that somebody could write, and the tests that must notice it."""

from __future__ import annotations

from tests.properties.sabotage import CONSTRAINTS, GUARDS, LEASING, RACES, Edit, Sabotage, in_lifecycle

HELD = "held = Job.objects.filter(pk=job_id, lease_token=lease_token, leased_by=worker)"
ANY = "held = Job.objects.filter(pk=job_id)"
GUARD = Edit(
    "generation/lifecycle/rows.py",
    "filter(pk=job.pk, status=job.status, lease_token=job.lease_token)",
    "filter(pk=job.pk)",
)
CLAIM_GUARD = Edit(
    "generation/lifecycle/claim.py", "Job.objects.claimable().filter(pk=given", "Job.objects.filter(pk=given"
)
MIGRATION = "generation/migrations/0001_initial.py"
INSERT = """\
changed = len(
            type(assets[0]).objects.bulk_create(
                type(a)(**{f.attname: getattr(a, f.attname) for f in a._meta.fields if f.name != "id"})
                for a in assets
            )
        )"""

FENCES = (
    in_lifecycle(
        "callback and release without the fence",
        "lease",
        f"{HELD}\n    if job := held.select",
        f"{ANY}\n    if job := held.select",
    ),
    in_lifecycle("heartbeat without the fence", "lease", f"{HELD}\n    running", f"{ANY}\n    running"),
    in_lifecycle("upload without the fence", "uploads", HELD, ANY),
    in_lifecycle(
        "a lease that any worker may use", "lease", ", leased_by=worker)\n    if job", ")\n    if job"
    ),
    in_lifecycle(
        "the reaper leaves the old token",
        "lease",
        'reason=WORKER_LOST, changes={"lease_token": None})',
        "reason=WORKER_LOST)",
    ),
    in_lifecycle("retry leaves the old token", "control", "        lease_token=None,\n", ""),
)

GUARDED = (
    Sabotage("a job's compare-and-set removed", (GUARD,), (GUARDS,)),
    Sabotage("the claim's compare-and-set removed", (CLAIM_GUARD,), (GUARDS,)),
    in_lifecycle(
        "slots that were not written go unnoticed", "rows", "if changed != len(assets):", "if False:", GUARDS
    ),
    Sabotage(
        "claim without lock and guard",
        (
            CLAIM_GUARD,
            Edit(
                "generation/lifecycle/claim.py",
                'connection.ops.for_update_sql(skip_locked=True) if locks else ""',
                '"" if locks else ""',
            ),
        ),
        (f"{RACES}::test_sixteen_claimers_never_get_the_same_job",),
        postgres=True,
    ),
    Sabotage(
        "callback without lock and guard",
        (
            GUARD,
            Edit("generation/lifecycle/lease.py", "held.select_for_update().first()", "held.first()"),
            Edit(
                "generation/lifecycle/rows.py",
                "model.objects.select_for_update().filter(job=job)",
                "model.objects.filter(job=job)",
            ),
        ),
        (
            f"{RACES}::test_a_replayed_report_racing_itself_counts_once",
            f"{RACES}::test_slots_reported_at_once_are_all_kept",
        ),
        postgres=True,
    ),
    Sabotage(
        "callback in pieces instead of one transaction",
        (Edit("generation/lifecycle/callback.py", "@transaction.atomic\ndef report(", "def report("),),
        (f"{RACES}::test_a_replayed_report_racing_itself_counts_once",),
        postgres=True,
    ),
)

RESULTS = (
    in_lifecycle(
        "a second result overwrites the first",
        "verdicts",
        "    if asset.status == AssetStatus.COMPLETED:\n",
        "    if False:\n",
    ),
    in_lifecycle(
        "other bytes taken for a duplicate",
        "verdicts",
        "upload.sha256 == asset.sha256",
        "upload.sha256 != ''",
    ),
    in_lifecycle(
        "a failed slot reported again changes",
        "verdicts",
        "    if asset.status == AssetStatus.FAILED:\n",
        "    if False:\n",
    ),
    in_lifecycle("a late result is taken after cancel", "verdicts", "    if not live:\n", "    if False:\n"),
    in_lifecycle(
        "completion inserts instead of updating",
        "rows",
        'changed = type(assets[0]).objects.bulk_update(assets, [*fields, "revision"])',
        INSERT,
    ),
    in_lifecycle(
        "results paired by position",
        "callback",
        "    for given in report.assets:\n        asset = by_index.get(given.image_index)\n",
        "    for at, given in enumerate(report.assets):\n"
        "        asset = dict(enumerate(by_index.values())).get(at)\n",
    ),
    in_lifecycle(
        "the upload of another slot fills the slot",
        "verdicts",
        "if upload is None or upload.slot != asset.slot:",
        "if upload is None:",
    ),
    in_lifecycle(
        "the upload of another job fills the slot",
        "callback",
        "filter(job=job, pk__in=named) if named",
        "filter(pk__in=named) if named",
    ),
    in_lifecycle(
        "broken bytes complete a slot", "verdicts", "    if upload.error_code:\n", "    if False:\n"
    ),
    Sabotage(
        "the database requires no file",
        (
            Edit(
                MIGRATION,
                'models.Q(("file", ""), _negated=True),\n                        models.Q(("thumbnail"',
                'models.Q(("thumbnail"',
            ),
        ),
        (CONSTRAINTS,),
    ),
    in_lifecycle(
        "seed 0 reported is no seed",
        "callback",
        "asset.seed if given.seed is None else given.seed",
        "given.seed or asset.seed",
    ),
    in_lifecycle("seed 0 asked for is no seed", "submit", "if job.seed is None else", "if not job.seed else"),
    in_lifecycle(
        "a file that was dropped again",
        "uploads",
        "    return _record(upload) or same.get()",
        "    kept = _record(upload) or same.get()\n    _drop(kept.file.name)\n    return kept",
    ),
)

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
    in_lifecycle(
        "the lease call reaps nothing", "lease", "        promote()\n        reap()\n", "        promote()\n"
    ),
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
        "a purge is not told", (Edit("generation/chores.py", "    Purged.objects.bulk_create(rows)\n", ""),)
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
                'if not mine.update(revision=F("revision") + count):',
                'seen = mine.values_list("revision", flat=True).first()\n'
                "    if not mine.update(revision=(seen or 0) + count):",
            ),
        ),
        (f"{RACES}::test_a_reader_with_a_cursor_misses_nothing_of_eight_writers",),
        postgres=True,
    ),
)

SABOTAGES = (*FENCES, *GUARDED, *RESULTS, *STATES, *FEED)
