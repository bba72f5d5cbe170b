from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, NamedTuple

from django.conf import settings
from django.db import models
from django.db.models import F, Q, Value

from generation.catalog.job_types import IMPORT, IMPORTED, JOB_TYPES, JobEngine, JobType, Media
from generation.core.ids import new_id
from generation.core.limits import (
    ERROR_CODE_LENGTH,
    ERROR_MESSAGE_LENGTH,
    IDEMPOTENCY_KEY_LENGTH,
    MODEL_LENGTH,
    POOL_LENGTH,
    STAGE_LENGTH,
)
from generation.core.planning import MANY, Leaves
from generation.models.project import Project
from generation.models.statuses import ACTIVE, RETRYABLE, UNSUCCESSFUL, JobStatus
from generation.models.worker import Worker

if TYPE_CHECKING:
    from datetime import datetime

    from generation.models.asset import Asset
    from generation.models.reference import JobReference


class OpenSlot(NamedTuple):
    """An asset that is to be made, as its worker is told."""

    asset_id: uuid.UUID
    image_index: int | None
    seed: int

    @property
    def slot(self) -> int:
        """Its index in the job, from 0."""
        return self.image_index or 0


class JobQuerySet(models.QuerySet["Job"]):
    def of(self, owner_id: int) -> JobQuerySet:
        return self.filter(Leaves(MANY, owner_id=owner_id))

    def staged(self) -> JobQuerySet:
        """Jobs that the Workspace shows: those not cleared from it."""
        return self.filter(cleared_at=None)

    def active(self) -> JobQuerySet:
        """Jobs that wait or run. Without a parameter, for the index: see `asset.TO_REVIEW`."""
        return self.filter(finished_at=None)

    def running(self) -> JobQuerySet:
        """Oldest first."""
        return self.active().filter(status=JobStatus.PROCESSING).order_by("id")

    def waiting(self) -> JobQuerySet:
        """In the order of the queue, those that wait for another attempt included."""
        return self.active().filter(status=JobStatus.QUEUED).order_by(F("priority").desc(), "fair_tag", "id")

    def finished(self) -> JobQuerySet:
        """Jobs on the Workspace that have ended."""
        return self.staged().filter(finished_at__isnull=False)

    def with_slots(self) -> JobQuerySet:
        """Prefetch their assets and references, with two queries for any number of jobs."""
        return self.prefetch_related("assets", "references")

    def claimable(self) -> JobQuerySet:
        return self.filter(status=JobStatus.QUEUED, retry_at=None, held_at=None)

    def held(self) -> JobQuerySet:
        """Those that a pause of their owner's queue holds, in the order of their tags."""
        return self.filter(held_at__isnull=False).order_by("fair_tag", "id")


class Job(models.Model):
    """One submission, of one job type; the table is also the queue."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="jobs", db_index=False)
    project = models.ForeignKey(Project, models.PROTECT, related_name="jobs")
    created_at = models.DateTimeField(auto_now_add=True)

    job_type = models.CharField(
        max_length=40, choices=[(t.name, t.title) for t in (*JOB_TYPES.values(), IMPORTED)]
    )
    engine = models.CharField(max_length=10, choices=JobEngine.choices)
    media = models.CharField(max_length=10, choices=Media.choices)
    prompt = models.TextField()
    typed_prompt = models.TextField(  # noqa: DJ001 # NULL is not "", which an older version wrote
        null=True,
        editable=False,
        help_text="What was typed for several prompts, this one among them; NULL, or empty: the prompt.",
    )
    negative_prompt = models.TextField(blank=True)
    enhanced_prompt = models.TextField(blank=True)
    quantity = models.PositiveSmallIntegerField()
    seed = models.BigIntegerField(null=True, help_text="As the user asked; empty when the server chose.")
    aspect = models.CharField(max_length=10)
    width = models.PositiveIntegerField(help_text="Requested, px.")
    height = models.PositiveIntegerField(help_text="Requested, px.")
    parameters = models.JSONField(help_text="What the worker is told, frozen at submission.")
    model = models.CharField(
        max_length=MODEL_LENGTH, blank=True, default="", db_default="", help_text="Empty: none was named."
    )
    model_digest = models.CharField(
        max_length=64, blank=True, default="", db_default="", help_text="Of the model, at submission."
    )
    settings = models.JSONField(
        default=dict,
        db_default=Value({}, models.JSONField()),
        help_text="What was chosen of the model's offer.",
    )
    review = models.BooleanField(default=False, help_text="Results wait in the Workspace until saved.")
    metadata = models.JSONField(default=dict, help_text="What workers reported about the run.")

    idempotency_key = models.CharField(max_length=IDEMPOTENCY_KEY_LENGTH, blank=True)
    request_digest = models.CharField(max_length=64, blank=True)

    status = models.CharField(max_length=12, choices=JobStatus.choices, default=JobStatus.QUEUED)
    pool = models.CharField(max_length=POOL_LENGTH, help_text="What a worker must offer to get this job.")
    priority = models.SmallIntegerField(default=0)
    fair_tag = models.BigIntegerField(default=0, help_text="Start tag of fair queueing, in s.")
    retry_at = models.DateTimeField(null=True, help_text="Waits outside the claim index until then.")

    elsewhere_until = models.DateTimeField(
        null=True, help_text="Until then another worker is to take it, not its last one."
    )

    held_at = models.DateTimeField(
        null=True, help_text="Since when it waits outside the claim index, as its owner's queue is paused."
    )

    deadline_at = models.DateTimeField(
        null=True, help_text="Cancelled if it still waits then; empty: wanted later too."
    )

    lease_token = models.UUIDField(null=True, help_text="The fence: that of the current or the last lease.")
    lease_expires_at = models.DateTimeField(null=True)
    leased_by = models.ForeignKey(Worker, models.PROTECT, null=True, related_name="jobs")
    attempt = models.PositiveIntegerField(default=0, help_text="How often it was leased.")
    attempts_left = models.PositiveSmallIntegerField(default=1)
    forgiven_leases = models.PositiveSmallIntegerField(
        default=0, help_text="Leases that workers which may vanish lost, at no attempt's cost."
    )
    progress = models.PositiveSmallIntegerField(default=0, help_text="Percent, of the current attempt.")
    stage = models.CharField(max_length=STAGE_LENGTH, blank=True)
    current_slot = models.PositiveSmallIntegerField(null=True, help_text="In work, as its worker says.")
    # The last two hints and the last two previews: jobs.progress_throttle allows two a second of each.
    hinted_at = models.DateTimeField(null=True, editable=False)
    hinted_before_at = models.DateTimeField(null=True, editable=False)
    previewed_at = models.DateTimeField(null=True, editable=False)
    previewed_before_at = models.DateTimeField(null=True, editable=False)

    error_code = models.CharField(max_length=ERROR_CODE_LENGTH, blank=True)
    error_message = models.CharField(max_length=ERROR_MESSAGE_LENGTH, blank=True)
    started_at = models.DateTimeField(null=True, help_text="First leased.")
    finished_at = models.DateTimeField(null=True)
    cleared_at = models.DateTimeField(null=True, help_text="Left the Workspace; its assets stay.")
    revision = models.BigIntegerField()

    open_slots: list[OpenSlot]  # set by the claim: what its worker is to make
    # Set by changes.writes.lock: since when the running lease is held, and the database's time then.
    leased_at: datetime | None
    locked_at: datetime

    objects = JobQuerySet.as_manager()

    class Meta:
        indexes = [
            # The claim: one probe of the head for each pool that a worker offers.
            models.Index(
                "pool",
                F("priority").desc(),
                "fair_tag",
                "id",
                name="job_claim",
                condition=Q(status="queued", retry_at=None, held_at=None),
            ),
            # Fair queueing's two probes at submission.
            models.Index(
                fields=["engine", "fair_tag"],
                name="job_engine_tag",
                condition=Q(status="queued", held_at=None),
            ),
            models.Index(
                fields=["owner", "engine", "fair_tag"], name="job_owner_tag", condition=Q(status="queued")
            ),
            # Counting an owner's active jobs at submission. With the id the index alone is enough: otherwise
            # PostgreSQL reads the table for an owner of much of it, 1 s at a million finished jobs.
            # With what its condition says, so that SQLite prefers it to what begins with the owner alone.
            models.Index(
                fields=["owner", "finished_at", "status", "id"],
                name="job_active",
                condition=Q(finished_at=None),
            ),
            models.Index(fields=["lease_expires_at"], name="job_expiry", condition=Q(status="processing")),
            models.Index(
                fields=["retry_at"], name="job_delayed", condition=Q(status="queued", retry_at__isnull=False)
            ),
            models.Index(
                fields=["deadline_at"],
                name="job_deadline",
                condition=Q(status="queued", deadline_at__isnull=False),
            ),
            # What a pause holds, in the order in which it is resumed.
            models.Index(
                fields=["owner", "fair_tag", "id"], name="job_held", condition=Q(held_at__isnull=False)
            ),
            # The Workspace: an owner's active jobs are those of job_active.
            models.Index(
                *("owner", F("finished_at").desc(), F("id").desc()),
                name="job_finished",
                condition=Q(cleared_at=None, finished_at__isnull=False),
            ),
            models.Index("owner", F("id").desc(), name="job_newest"),
            models.Index(fields=["owner", "revision"], name="job_changes"),
            # Whether a job names a model. Not of those with a model alone: no plan without its parameters
            # can know that a name is not empty.
            models.Index(fields=["model"], name="job_model"),
            # The chore that deletes what ended without a result.
            models.Index(
                fields=["owner", "finished_at"], name="job_unsuccessful", condition=Q(status__in=UNSUCCESSFUL)
            ),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(status__in=JobStatus.values), name="job_status_known"),
            models.CheckConstraint(condition=Q(engine__in=JobEngine.values), name="job_engine_known"),
            models.CheckConstraint(condition=Q(media__in=Media.values), name="job_media_known"),
            models.CheckConstraint(
                condition=Q(job_type__in=[*JOB_TYPES, IMPORTED.name]), name="job_type_known"
            ),
            # So no worker, no queue and no limit on waiting jobs ever meets one.
            models.CheckConstraint(
                condition=Q(engine=IMPORT, job_type=IMPORTED.name, status__in=("failed", "completed"))
                | ~(Q(engine=IMPORT) | Q(job_type=IMPORTED.name)),
                name="job_import_has_ended",
            ),
            models.CheckConstraint(condition=~Q(prompt=""), name="job_has_a_prompt"),
            models.CheckConstraint(
                condition=Q(quantity=1) | Q(engine="sdxl", media="image", quantity__in=(3, 6)),
                name="job_quantity_fits_engine",
            ),
            models.CheckConstraint(condition=Q(seed=None) | Q(seed__gte=0), name="job_seed_not_negative"),
            models.CheckConstraint(condition=Q(progress__lte=100), name="job_progress_percent"),
            models.CheckConstraint(
                condition=Q(current_slot=None) | Q(current_slot__lt=F("quantity")), name="job_slot_in_job"
            ),
            models.CheckConstraint(
                condition=Q(
                    status="processing",
                    lease_expires_at__isnull=False,
                    lease_token__isnull=False,
                    leased_by__isnull=False,
                )
                | (~Q(status="processing") & Q(lease_expires_at=None)),
                name="job_lease_whole",
            ),
            models.CheckConstraint(
                condition=Q(status__in=ACTIVE, finished_at=None)
                | (~Q(status__in=ACTIVE) & Q(finished_at__isnull=False)),
                name="job_finished_when_final",
            ),
            models.CheckConstraint(
                condition=Q(retry_at=None) | Q(status="queued"), name="job_delay_only_queued"
            ),
            models.CheckConstraint(
                condition=Q(held_at=None) | Q(status="queued"), name="job_held_only_queued"
            ),
            models.UniqueConstraint(
                fields=["owner", "idempotency_key"],
                condition=~Q(idempotency_key=""),
                name="job_idempotency_key_once",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.job_type} {self.id}"

    @property
    def type(self) -> JobType:
        return IMPORTED if self.is_import else JOB_TYPES[self.job_type]

    @property
    def is_import(self) -> bool:
        """Whether it brought in a file of the owner's; decision 34."""
        return self.engine == IMPORT

    @property
    def is_active(self) -> bool:
        return self.status in ACTIVE

    @property
    def lease_seconds(self) -> float:
        """The age of the running lease when `changes.writes.lock` read the job; 0 without one."""
        return max(0.0, (self.locked_at - self.leased_at).total_seconds()) if self.leased_at else 0.0

    @property
    def can_retry(self) -> bool:
        return self.status in RETRYABLE and not self.is_import

    @property
    def has_references(self) -> bool:
        return "+" in self.pool

    @property
    def sorted_references(self) -> list[JobReference]:
        """Its references by type, from the prefetch; no query if its pool shows that there are none."""
        if not self.has_references:
            return []
        return sorted(self.references.all(), key=lambda used: used.type)

    @property
    def slots(self) -> list[Asset]:
        """Its assets by slot, from the prefetch."""
        return sorted(self.assets.all(), key=lambda asset: asset.slot)
