from __future__ import annotations

from django.db import models
from django.db.models import Q

from generation.core.ids import new_id
from generation.core.limits import ERROR_CODE_LENGTH, ERROR_MESSAGE_LENGTH
from generation.models.job import Job
from generation.models.worker import Worker


class Outcome(models.TextChoices):
    """How a lease ended."""

    RUNNING = "running", "Running"  # the worker holds it
    REPORTED = "reported", "Reported"  # its final callback came
    EXPIRED = "expired", "Expired"  # no heartbeat came in time
    RELEASED = "released", "Released"  # the worker gave the job back
    CANCELLED = "cancelled", "Cancelled"  # the owner cancelled the job


class Attempt(models.Model):
    """One lease of one job: by which worker, when, and with what outcome."""

    job = models.ForeignKey(Job, models.PROTECT, related_name="attempts", db_index=False)
    number = models.PositiveIntegerField()
    worker = models.ForeignKey(Worker, models.PROTECT, related_name="attempts", db_index=False)
    lease_token = models.UUIDField(unique=True)
    leased_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    outcome = models.CharField(max_length=10, choices=Outcome.choices, default=Outcome.RUNNING)
    accepted = models.PositiveSmallIntegerField(default=0, help_text="Assets it completed.")
    rejected = models.PositiveSmallIntegerField(default=0, help_text="Assets refused or reported failed.")
    error_message = models.CharField(max_length=ERROR_MESSAGE_LENGTH, blank=True)

    class Meta:
        indexes = [
            # A worker's day in the admin.
            models.Index(fields=["worker", "ended_at"], name="attempt_of_worker"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["job", "number"], name="attempt_numbered_once"),
            models.UniqueConstraint(
                fields=["job"], condition=Q(ended_at=None), name="attempt_one_running_per_job"
            ),
            models.CheckConstraint(condition=Q(outcome__in=Outcome.values), name="attempt_outcome_known"),
            models.CheckConstraint(
                condition=Q(outcome="running", ended_at=None)
                | (~Q(outcome="running") & Q(ended_at__isnull=False)),
                name="attempt_ended_has_outcome",
            ),
        ]

    def __str__(self) -> str:
        return f"attempt {self.number} of {self.job_id}"


class Upload(models.Model):
    """Bytes a worker stored for a slot, measured when they came; a callback names it to fill the slot.

    A broken upload keeps its error and no file, so that the callback can say what was wrong.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    job = models.ForeignKey(Job, models.PROTECT, related_name="uploads", db_index=False)
    lease_token = models.UUIDField()
    slot = models.PositiveSmallIntegerField()
    sha256 = models.CharField(max_length=64, help_text="Of what the worker sent.")
    stored_sha256 = models.CharField(
        max_length=64,
        blank=True,
        default="",
        db_default="",
        help_text="Of the stored file, where a manifest was added to it; else empty.",
    )
    created_at = models.DateTimeField(auto_now_add=True)
    accepted_at = models.DateTimeField(null=True, help_text="When a callback put it into its slot.")

    file = models.FileField(max_length=200, blank=True)
    thumbnail = models.FileField(max_length=200, blank=True)
    small_thumbnail = models.FileField(max_length=200, null=True)
    placeholder = models.CharField(max_length=12, null=True)  # noqa: DJ001 # as the asset's
    content_type = models.CharField(max_length=40, blank=True)
    byte_size = models.BigIntegerField(help_text="Of the stored file; where none is, of what came.")
    width = models.PositiveIntegerField(null=True)
    height = models.PositiveIntegerField(null=True)
    duration = models.FloatField(null=True)
    frames = models.PositiveIntegerField(null=True)
    has_audio = models.BooleanField(null=True)
    error_code = models.CharField(max_length=ERROR_CODE_LENGTH, blank=True)
    error_message = models.CharField(max_length=ERROR_MESSAGE_LENGTH, blank=True)

    class Meta:
        indexes = [models.Index(fields=["created_at"], name="upload_age")]
        constraints = [
            models.UniqueConstraint(
                fields=["job", "lease_token", "slot", "sha256"], name="upload_same_bytes_once"
            ),
            models.CheckConstraint(
                condition=(~Q(error_code="") & Q(file="")) | (Q(error_code="") & ~Q(file="")),
                name="upload_file_or_error",
            ),
        ]

    def __str__(self) -> str:
        return f"upload {self.id}"
