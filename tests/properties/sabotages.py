"""What `script/bite` breaks: each a defect that somebody could write, and the tests that must notice it."""

from __future__ import annotations

from tests.properties.sabotage import CONSTRAINTS, GUARDS, RACES, Edit, Sabotage, in_generation
from tests.properties.sabotaged_states import FEED, STATES

HELD = "held = Job.objects.filter(pk=job_id, lease_token=lease_token, leased_by=worker)"
ANY = "held = Job.objects.filter(pk=job_id)"
GUARD = Edit(
    "generation/changes/writes.py",
    "filter(pk=job.pk, status=job.status, lease_token=job.lease_token)",
    "filter(pk=job.pk)",
)
CLAIM_GUARD = Edit(
    "generation/queue/claim.py",
    "WHERE id = %(id)s AND status = 'queued' AND retry_at IS NULL AND held_at IS NULL",
    "WHERE id = %(id)s",
)
MIGRATION = "generation/migrations/0007_asset.py"
CALLBACK = "tests/generation/test_callback.py"
INSERT = """\
len(
            type(assets[0]).objects.bulk_create(
                type(a)(**{f.attname: getattr(a, f.attname) for f in a._meta.fields if f.name != "id"})
                for a in assets
            )
        )"""

FENCES = (
    in_generation(
        "callback and release without the fence",
        "jobs/lease",
        f"{HELD}\n    if job := writes.lock",
        f"{ANY}\n    if job := writes.lock",
    ),
    in_generation("heartbeat without the fence", "jobs/lease", f"{HELD}\n    running", f"{ANY}\n    running"),
    in_generation("upload without the fence", "jobs/uploads", HELD, ANY),
    in_generation(
        "a lease that any worker may use", "jobs/lease", ", leased_by=worker)\n    if job", ")\n    if job"
    ),
    in_generation(
        "the reaper leaves the old token",
        "jobs/lease",
        'changes = {"lease_token": None} | forgive',
        "changes = forgive",
    ),
    in_generation("retry leaves the old token", "jobs/actions", "        lease_token=None,\n", ""),
)

GUARDED = (
    Sabotage("a job's compare-and-set removed", (GUARD,), (GUARDS,)),
    Sabotage("the claim's compare-and-set removed", (CLAIM_GUARD,), (GUARDS,)),
    in_generation(
        "slots that were not written go unnoticed",
        "changes/writes",
        " != len(assets):\n        raise",
        " < 0:\n        raise",
        GUARDS,
    ),
    Sabotage(
        "claim without lock and guard",
        (
            CLAIM_GUARD,
            Edit("generation/core/sql.py", '"FOR UPDATE SKIP LOCKED"', '""'),
        ),
        (f"{RACES}::test_sixteen_claimers_never_get_the_same_job",),
        postgres=True,
    ),
    Sabotage(
        "callback without lock and guard",
        (
            GUARD,
            Edit("generation/changes/writes.py", ".select_for_update(skip_locked=skip_locked)", ""),
            Edit(
                "generation/changes/writes.py",
                "Asset.objects.select_for_update().filter(job=job)",
                "Asset.objects.filter(job=job)",
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
        (Edit("generation/jobs/report.py", "@transaction.atomic\ndef report(", "def report("),),
        (f"{RACES}::test_a_replayed_report_racing_itself_counts_once",),
        postgres=True,
    ),
)

RESULTS = (
    in_generation(
        "a second result overwrites the first",
        "jobs/report_rules",
        "    if asset.status == AssetStatus.COMPLETED:\n",
        "    if False:\n",
    ),
    in_generation(
        "other bytes taken for a duplicate",
        "jobs/report_rules",
        "upload.sha256 == asset.sent_sha256",
        "upload.sha256 != ''",
    ),
    in_generation(
        "a failed slot reported again changes",
        "jobs/report_rules",
        "    if asset.status == AssetStatus.FAILED:\n",
        "    if False:\n",
    ),
    in_generation(
        "a late result is taken after cancel", "jobs/report_rules", "    if not live:\n", "    if False:\n"
    ),
    in_generation(
        "completion inserts instead of updating",
        "changes/writes",
        'bulk_update.update_each(assets, [*fields, "revision"])',
        INSERT,
    ),
    in_generation(
        "results paired by position",
        "jobs/report",
        "    for reported in report.assets:\n        asset = by_index.get(reported.image_index)\n",
        "    for at, reported in enumerate(report.assets):\n"
        "        asset = dict(enumerate(by_index.values())).get(at)\n",
    ),
    in_generation(
        "the upload of another slot fills the slot",
        "jobs/report_rules",
        "if upload is None or upload.slot != asset.slot:",
        "if upload is None:",
        CALLBACK,
    ),
    in_generation(
        "the upload of another job fills the slot",
        "jobs/report",
        "filter(job=job, pk__in=named) if named",
        "filter(pk__in=named) if named",
        CALLBACK,
    ),
    in_generation(
        "broken bytes complete a slot",
        "jobs/report_rules",
        "    if upload.error_code:\n",
        "    if False:\n",
        CALLBACK,
    ),
    Sabotage(
        "the database requires no file",
        (
            Edit(
                MIGRATION,
                'models.Q(("file", ""), _negated=True),\n',
                "",
            ),
        ),
        (CONSTRAINTS,),
    ),
    in_generation(
        "seed 0 reported is no seed",
        "jobs/report",
        "asset.seed if reported.seed is None else reported.seed",
        "reported.seed or asset.seed",
        CALLBACK,
    ),
    in_generation(
        "seed 0 asked for is no seed", "jobs/submit", "if job.seed is None else", "if not job.seed else"
    ),
    in_generation(
        "a file that was dropped again",
        "jobs/uploads",
        "first():\n        return stored",
        "first():\n        storage.delete_quietly(stored.file.name)\n        return stored",
    ),
)

FAULTS = (
    Sabotage(
        "a job that cannot be handed over stays leased",
        (
            Edit(
                "generation/worker_api/long_poll.py",
                "                await self._release(scope, answer)\n",
                "",
            ),
        ),
        ("tests/generation/test_long_poll.py::test_a_job_that_cannot_be_handed_over_is_given_back",),
    ),
    Sabotage(
        "a full disk keeps half of a result",
        (
            Edit(
                "generation/media/storage.py",
                "        delete_quietly(*names)\n        raise\n",
                "        raise\n",
            ),
        ),
        ("tests/generation/worker_api/test_uploading.py",),
    ),
    in_generation(
        "a replay days later is a conflict",
        "jobs/report_rules",
        "    if upload is None:\n        return PurePosixPath",
        "    if upload is None:\n        return False and PurePosixPath",
        "tests/generation/test_callback.py",
    ),
    Sabotage(
        "promoters wait for each other",
        (
            Edit(
                "generation/jobs/lease.py",
                "due.select_for_update(skip_locked=True)",
                "due.select_for_update(nowait=True)",
            ),
        ),
        (f"{RACES}::test_a_promoter_goes_round_what_somebody_else_holds",),
        postgres=True,
    ),
)

SABOTAGES = (*FAULTS, *FENCES, *GUARDED, *RESULTS, *STATES, *FEED)
