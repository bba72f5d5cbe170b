from __future__ import annotations

from typing import ClassVar, Self, TypeVar

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from generation.core.ids import new_id
from generation.core.limits import ERROR_CODE_LENGTH, ERROR_MESSAGE_LENGTH
from generation.models.project import Project
from generation.models.statuses import AssetStatus

A = TypeVar("A", bound="Asset")


class AssetQuerySet(models.QuerySet[A]):
    def of(self, owner_id: int) -> Self:
        return self.filter(owner_id=owner_id)

    def completed(self) -> Self:
        return self.filter(status=AssetStatus.COMPLETED)

    def outside_trash(self) -> Self:
        return self.filter(trashed_at=None)

    def in_library(self) -> Self:
        return self.filter(saved_at__isnull=False, trashed_at=None)

    def in_trash(self) -> Self:
        return self.filter(trashed_at__isnull=False)

    def under_review(self) -> Self:
        """Completed, and neither saved nor discarded yet."""
        return self.completed().filter(saved_at=None, trashed_at=None)


class Asset(models.Model):
    """One expected result, written when its job is submitted and only ever updated after that."""

    media: ClassVar[str]

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    job = models.ForeignKey("generation.Job", models.PROTECT, related_name="%(class)ss", db_index=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", db_index=False)
    project = models.ForeignKey(Project, models.PROTECT, related_name="%(class)ss", db_index=False)
    prompt = models.TextField()
    created_at = models.DateTimeField(auto_now_add=True)

    status = models.CharField(max_length=10, choices=AssetStatus.choices, default=AssetStatus.QUEUED)
    seed = models.BigIntegerField(help_text="Asked of the worker, then what the worker used.")
    error_code = models.CharField(max_length=ERROR_CODE_LENGTH, blank=True)
    error_message = models.CharField(max_length=ERROR_MESSAGE_LENGTH, blank=True)
    metadata = models.JSONField(default=dict, help_text="What the worker reported about this result.")

    file = models.FileField(max_length=200, blank=True)
    thumbnail = models.FileField(max_length=200, blank=True)
    content_type = models.CharField(max_length=40, blank=True)
    sha256 = models.CharField(max_length=64, blank=True)
    byte_size = models.BigIntegerField(null=True)
    width = models.PositiveIntegerField(null=True, help_text="Measured, px.")
    height = models.PositiveIntegerField(null=True, help_text="Measured, px.")

    completed_at = models.DateTimeField(null=True)
    saved_at = models.DateTimeField(null=True, help_text="In the Library since.")
    trashed_at = models.DateTimeField(null=True, help_text="In the trash since.")
    revision = models.BigIntegerField()

    objects = AssetQuerySet.as_manager()

    class Meta:
        abstract = True
        indexes = [
            models.Index(
                "owner",
                F("saved_at").desc(),
                F("id").desc(),
                name="%(class)s_library",
                condition=Q(saved_at__isnull=False, trashed_at=None),
            ),
            models.Index(
                "project",
                F("saved_at").desc(),
                F("id").desc(),
                name="%(class)s_project",
                condition=Q(saved_at__isnull=False, trashed_at=None),
            ),
            models.Index(
                "owner",
                F("trashed_at").desc(),
                F("id").desc(),
                name="%(class)s_trash",
                condition=Q(trashed_at__isnull=False),
            ),
            models.Index(fields=["owner", "revision"], name="%(class)s_changes"),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(status__in=AssetStatus.values), name="%(class)s_status_known"),
            models.CheckConstraint(condition=Q(seed__gte=0), name="%(class)s_seed_not_negative"),
            models.CheckConstraint(
                condition=~Q(status="completed")
                | (
                    ~Q(file="")
                    & ~Q(thumbnail="")
                    & ~Q(content_type="")
                    & ~Q(sha256="")
                    & Q(
                        byte_size__isnull=False,
                        width__isnull=False,
                        height__isnull=False,
                        completed_at__isnull=False,
                    )
                ),
                name="%(class)s_completed_has_file",
            ),
            models.CheckConstraint(
                condition=Q(status="completed")
                | Q(file="", sha256="", completed_at=None, saved_at=None, trashed_at=None),
                name="%(class)s_only_completed_kept",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.media} {self.id}"

    @property
    def slot(self) -> int:
        """Its place in the job, from 0."""
        raise NotImplementedError

    @property
    def reported_index(self) -> int | None:
        """The `image_index` by which workers report it."""
        return None


class Image(Asset):
    """One picture of a job. `image_index` is its slot in an SDXL batch, empty for WAN."""

    media = "image"
    image_index = models.PositiveSmallIntegerField(null=True)

    class Meta(Asset.Meta):
        constraints = [
            *Asset.Meta.constraints,
            # Also the look-up that the callback uses.
            models.UniqueConstraint(fields=["job", "image_index"], name="image_slot_once_per_job"),
            models.UniqueConstraint(
                fields=["job"], condition=Q(image_index=None), name="image_one_without_slot"
            ),
        ]

    @property
    def slot(self) -> int:
        return self.image_index or 0

    @property
    def reported_index(self) -> int | None:
        return self.image_index


class Video(Asset):
    """The one clip of a WAN video job."""

    media = "video"
    duration = models.FloatField(null=True, help_text="Measured, s.")
    frames = models.PositiveIntegerField(null=True)

    class Meta(Asset.Meta):
        constraints = [
            *Asset.Meta.constraints,
            models.UniqueConstraint(fields=["job"], name="video_once_per_job"),
        ]

    @property
    def slot(self) -> int:
        return 0
