from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Self, TypeVar

from django.conf import settings
from django.db import models
from django.db.models import BooleanField, F, Func, Q

from generation.catalog.job_types import Media
from generation.core.ids import new_id
from generation.core.limits import ERROR_CODE_LENGTH, ERROR_MESSAGE_LENGTH, MAX_RATING, TITLE_LENGTH
from generation.core.planning import MANY, Leaves
from generation.models.project import Project
from generation.models.statuses import AssetStatus

A = TypeVar("A", bound="Asset")
# Conditions of partial indexes have no parameters, also where they are asked: a statement that PostgreSQL has
# prepared is planned without those, and SQLite compares the texts. Only what is completed has its moment.
TO_REVIEW = Q(completed_at__isnull=False, saved_at=None, trashed_at=None)
IS_RATED = Func(F("rating"), template="%(expressions)s > 0", output_field=BooleanField())
HAS_BYTES = Func(F("sha256"), template="%(expressions)s > ''", output_field=BooleanField())
IN_LIBRARY = Q(saved_at__isnull=False, trashed_at=None)


class AssetQuerySet(models.QuerySet[A]):
    def of(self, owner_id: int) -> Self:
        return self.filter(Leaves(MANY, owner_id=owner_id))

    def images(self) -> Self:
        return self.filter(media=Media.IMAGE)

    def videos(self) -> Self:
        return self.filter(media=Media.VIDEO)

    def completed(self) -> Self:
        return self.filter(status=AssetStatus.COMPLETED)

    def outside_trash(self) -> Self:
        return self.filter(trashed_at=None)

    def in_library(self) -> Self:
        return self.filter(IN_LIBRARY)

    def in_trash(self) -> Self:
        return self.filter(trashed_at__isnull=False)

    def under_review(self) -> Self:
        """Completed, and neither saved nor discarded yet."""
        return self.filter(TO_REVIEW)

    def with_bytes(self) -> Self:
        """With a file, of which the SHA-256 is known."""
        return self.filter(HAS_BYTES)

    def rated(self, least: int) -> Self:
        """With so many stars or more, at least one."""
        return self.filter(IS_RATED, rating__gte=least)


class Asset(models.Model):
    """One expected result, written when its job is submitted and only ever updated after that.

    `image_index` is an image's slot in its SDXL batch, NULL for what WAN makes; a video has `duration` and
    `frames` once it is completed, and `has_audio` unless it was completed before that was measured, and no
    chore has measured it since.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    job = models.ForeignKey("generation.Job", models.PROTECT, related_name="assets", db_index=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", db_index=False)
    project = models.ForeignKey(Project, models.PROTECT, related_name="assets", db_index=False)
    media = models.CharField(max_length=10, choices=Media.choices)
    image_index = models.PositiveSmallIntegerField(null=True)
    title = models.CharField(max_length=TITLE_LENGTH, blank=True, default="", db_default="")
    prompt = models.TextField()
    search_text = models.TextField(  # noqa: DJ001 # NULL is not "": the row is from before, not folded yet
        null=True, editable=False, help_text="The prompt by core.text.search_key, for searching."
    )
    created_at = models.DateTimeField(auto_now_add=True)

    status = models.CharField(max_length=10, choices=AssetStatus.choices, default=AssetStatus.QUEUED)
    seed = models.BigIntegerField(
        null=True, help_text="Asked of the worker, then what the worker used; unknown of many imports."
    )
    error_code = models.CharField(max_length=ERROR_CODE_LENGTH, blank=True)
    error_message = models.CharField(max_length=ERROR_MESSAGE_LENGTH, blank=True)
    metadata = models.JSONField(default=dict, help_text="What the worker reported about this result.")

    file = models.FileField(max_length=200, blank=True)
    thumbnail = models.FileField(max_length=200, blank=True)
    small_thumbnail = models.FileField(max_length=200, null=True)
    placeholder = models.CharField(  # noqa: DJ001 # NULL: none yet; an older version wrote "" where it could not
        max_length=12,
        null=True,
        editable=False,
        help_text="The colours of its halves, as media.formats.Measured.",
    )
    content_type = models.CharField(max_length=40, blank=True)
    sha256 = models.CharField(max_length=64, blank=True, help_text="Of the stored file.")
    received_sha256 = models.CharField(
        max_length=64,
        blank=True,
        default="",
        db_default="",
        help_text="Of what the worker sent, where a manifest was added to the stored file; else empty.",
    )
    byte_size = models.BigIntegerField(null=True)
    width = models.PositiveIntegerField(null=True, help_text="Measured, px.")
    height = models.PositiveIntegerField(null=True, help_text="Measured, px.")
    duration = models.FloatField(null=True, help_text="Measured, s.")
    frames = models.PositiveIntegerField(null=True)
    has_audio = models.BooleanField(null=True, help_text="Whether a video has sound, where that is known.")

    rating = models.PositiveSmallIntegerField(default=0, db_default=0, help_text="Stars, 1 to 5; 0: none.")
    favourite = models.BooleanField(default=False, db_default=False)

    completed_at = models.DateTimeField(null=True)
    saved_at = models.DateTimeField(null=True, help_text="In the Library since.")
    trashed_at = models.DateTimeField(null=True, help_text="In the trash since.")
    revision = models.BigIntegerField()

    ranked_at: datetime | None = None  # where a search by content puts it, see assets.embeddings.nearest

    objects = AssetQuerySet.as_manager()

    class Meta:
        indexes = [
            # The Library: all of an owner's, of one medium, of one project.
            models.Index(
                "owner", F("saved_at").desc(), F("id").desc(), name="asset_library", condition=IN_LIBRARY
            ),
            models.Index(
                *("owner", "media", F("saved_at").desc(), F("id").desc()),
                name="asset_library_media",
                condition=IN_LIBRARY,
            ),
            models.Index(
                "project", F("saved_at").desc(), F("id").desc(), name="asset_project", condition=IN_LIBRARY
            ),
            models.Index(
                *("owner", F("saved_at").desc(), F("id").desc()),
                name="asset_favourites",
                condition=IN_LIBRARY & Q(favourite=True),
            ),
            models.Index(
                *("owner", F("saved_at").desc(), F("id").desc()),
                name="asset_rated",
                condition=IN_LIBRARY & Q(rating__gt=0),
            ),
            models.Index(
                *("owner", F("trashed_at").desc(), F("id").desc()),
                name="asset_trash",
                condition=Q(trashed_at__isnull=False),
            ),
            # With what its condition says, so that SQLite prefers it to what begins with the owner alone.
            models.Index(
                fields=["owner", "saved_at", "trashed_at", "job"], name="asset_to_review", condition=TO_REVIEW
            ),
            models.Index(fields=["owner", "revision"], name="asset_changes"),
            # Moving all of a project away, and the database's own check when one is deleted.
            models.Index(fields=["project", "id"], name="asset_of_project"),
            # What a job's references were copied from; whether a file that is brought in is there already.
            # The owner last: for that search alone.
            models.Index(fields=["sha256", "owner"], name="asset_sha256", condition=Q(sha256__gt="")),
            # For the chores that make and measure what results of older versions lack.
            models.Index(
                fields=["id"],
                name="asset_without_placeholder",
                condition=Q(placeholder=None, completed_at__isnull=False),
            ),
            models.Index(
                fields=["id"],
                name="asset_unknown_sound",
                condition=Q(has_audio=None, frames__isnull=False),
            ),
        ]
        constraints = [
            # Also the look-up that the callback uses.
            models.UniqueConstraint(fields=["job", "image_index"], name="asset_slot_once_per_job"),
            models.UniqueConstraint(
                fields=["job"], condition=Q(image_index=None), name="asset_one_without_index"
            ),
            models.CheckConstraint(condition=Q(media__in=Media.values), name="asset_media_known"),
            models.CheckConstraint(
                condition=Q(media="image") | Q(image_index=None), name="asset_only_images_have_index"
            ),
            models.CheckConstraint(
                condition=Q(media="video") | Q(duration=None, frames=None),
                name="asset_only_videos_have_duration",
            ),
            models.CheckConstraint(
                condition=Q(media="video") | Q(has_audio=None), name="asset_only_videos_have_sound"
            ),
            models.CheckConstraint(condition=Q(status__in=AssetStatus.values), name="asset_status_known"),
            models.CheckConstraint(condition=Q(seed__gte=0), name="asset_seed_not_negative"),
            models.CheckConstraint(condition=Q(rating__lte=MAX_RATING), name="asset_rating_at_most_five"),
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
                name="asset_completed_has_file",
            ),
            models.CheckConstraint(
                condition=Q(status="completed")
                | Q(file="", sha256="", completed_at=None, saved_at=None, trashed_at=None),
                name="asset_only_completed_kept",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.media} {self.id}"

    @property
    def sent_sha256(self) -> str:
        """Of the bytes as they came."""
        return self.received_sha256 or self.sha256

    @property
    def slot(self) -> int:
        """Its index in the job, from 0."""
        return self.image_index or 0


AssetManager = models.Manager.from_queryset(AssetQuerySet)


class ImageManager(AssetManager["Image"]):
    def get_queryset(self) -> AssetQuerySet[Image]:
        return AssetQuerySet(Image, using=self._db).images()


class Image(Asset):
    """The image assets (proxy model)."""

    objects: ClassVar[ImageManager] = ImageManager()

    class Meta:
        proxy = True


class VideoManager(AssetManager["Video"]):
    def get_queryset(self) -> AssetQuerySet[Video]:
        return AssetQuerySet(Video, using=self._db).videos()


class Video(Asset):
    """The video assets (proxy model)."""

    objects: ClassVar[VideoManager] = VideoManager()

    class Meta:
        proxy = True
