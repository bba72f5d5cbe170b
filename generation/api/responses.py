"""Responses with jobs, assets, references and changes."""

from __future__ import annotations

import uuid
from typing import Any

from django.urls import reverse
from drf_spectacular.utils import PolymorphicProxySerializer, extend_schema_field
from rest_framework import serializers

from generation.assets.memberships import Names
from generation.catalog.job_types import JobEngine, Media, ReferenceType
from generation.http.fields import TextChoicesField
from generation.models import (
    Asset,
    AssetStatus,
    Image,
    Job,
    JobReference,
    JobStatus,
    Reference,
    Tombstone,
    Video,
)
from generation.queue.estimates import QueuePosition


class Failure(serializers.Serializer[Any]):
    """Why there is no result."""

    code = serializers.CharField()
    message = serializers.CharField()


class Failing(serializers.Serializer[Any]):
    error = serializers.SerializerMethodField(help_text="The last error, when there is one.")

    @extend_schema_field(Failure(allow_null=True))
    def get_error(self, row: Job | Asset) -> dict[str, str] | None:
        return {"code": row.error_code, "message": row.error_message} if row.error_code else None


class GroupName(serializers.Serializer[Any]):
    """A tag or a collection of an asset."""

    id = serializers.UUIDField()
    name = serializers.CharField()


NAMES_LEFT_OUT = "Left out in records of jobs, changes and imports."


class AssetResponse(Failing, serializers.ModelSerializer[Any]):
    """One expected result, from submission to the end."""

    media = TextChoicesField(Media, read_only=True)
    status = TextChoicesField(AssetStatus, read_only=True)
    metadata = serializers.DictField(read_only=True, help_text="What the worker reported about this result.")
    job = serializers.UUIDField(source="job_id", read_only=True)
    project = serializers.UUIDField(source="project_id", read_only=True)
    file = serializers.SerializerMethodField(help_text="Its address, once completed.")
    thumbnail = serializers.SerializerMethodField(help_text="Its address, once completed.")
    tags = GroupName(many=True, required=False, help_text=NAMES_LEFT_OUT)
    collections = GroupName(many=True, required=False, help_text=NAMES_LEFT_OUT)

    def get_file(self, asset: Asset) -> str | None:
        return self._address(asset, "file")

    def get_thumbnail(self, asset: Asset) -> str | None:
        return self._address(asset, "thumbnail")

    def _address(self, asset: Asset, name: str) -> str | None:
        if asset.status != AssetStatus.COMPLETED:
            return None
        return reverse(f"api:{asset.media}-{name}", args=[asset.pk])


ASSET_FIELDS = [
    *("id", "job", "project", "media", "status", "prompt", "seed", "error", "file", "thumbnail"),
    *("content_type", "byte_size", "sha256", "width", "height", "metadata", "rating", "favourite", "title"),
    *("tags", "collections", "created_at", "completed_at", "saved_at", "trashed_at", "revision"),
]


class ImageResponse(AssetResponse):
    class Meta:
        model = Image
        fields = ["image_index", *ASSET_FIELDS]
        read_only_fields = fields


class VideoResponse(AssetResponse):
    class Meta:
        model = Video
        fields = [*ASSET_FIELDS, "duration", "frames", "has_audio"]
        read_only_fields = fields


class ReferenceResponse(serializers.ModelSerializer[Reference]):
    """A reference image: sizes of the canonical picture, in px; `sha256` of the bytes that were sent."""

    file = serializers.SerializerMethodField(help_text="Its address.")
    thumbnail = serializers.SerializerMethodField(help_text="Its address.")

    def get_file(self, reference: Reference) -> str:
        return reverse("api:reference-file", args=[reference.pk])

    def get_thumbnail(self, reference: Reference) -> str:
        return reverse("api:reference-thumbnail", args=[reference.pk])

    class Meta:
        model = Reference
        fields = [
            *("id", "sha256", "width", "height", "byte_size", "content_type"),
            *("file", "thumbnail", "created_at"),
        ]
        read_only_fields = fields


class ReferencePage(serializers.Serializer[Any]):
    references = ReferenceResponse(many=True)
    next_cursor = serializers.CharField(help_text="Empty at the end.")


class UsedReference(serializers.Serializer[JobReference]):
    """A reference of a job. The image of a completed job is null once it is no longer kept."""

    type = TextChoicesField(ReferenceType)
    strength = serializers.FloatField()
    reference = serializers.UUIDField(source="reference_id", allow_null=True)


class QueuePositionResponse(serializers.Serializer[QueuePosition]):
    """Where a waiting job stands. Times are null while unknown."""

    position = serializers.IntegerField(allow_null=True, help_text="1 is next; null: far back.")
    starts_in = serializers.IntegerField(allow_null=True, help_text="s")
    done_in = serializers.IntegerField(allow_null=True, help_text="s")
    runs_for = serializers.IntegerField(allow_null=True, help_text="s, of the run alone.")
    not_before = serializers.IntegerField(
        allow_null=True, help_text="s; of a job far back, which starts no sooner."
    )
    ahead = serializers.IntegerField(
        allow_null=True, help_text="Of a job far back: at least so many wait before it."
    )
    paused = serializers.BooleanField(help_text="Whether it waits because you paused your queue.")
    served = serializers.BooleanField(help_text="Whether a live worker does this kind of job.")


class JobSummary(Failing, serializers.ModelSerializer[Job]):
    """A job without its records."""

    status = TextChoicesField(JobStatus, read_only=True)
    model = serializers.CharField(read_only=True, help_text="The model's name; empty: none.")
    settings = serializers.DictField(read_only=True, help_text="What was chosen of what the model offers.")
    parameters = serializers.DictField(read_only=True, help_text="What the worker is told.")
    metadata = serializers.DictField(read_only=True, help_text="What workers reported about the run.")
    engine = TextChoicesField(JobEngine, read_only=True, help_text="`import`: brought in, not made here.")
    media = TextChoicesField(Media, read_only=True)
    project = serializers.UUIDField(source="project_id", read_only=True)
    waited = serializers.SerializerMethodField(help_text="From submission to the first lease, s.")
    ran = serializers.SerializerMethodField(help_text="From the first lease to the end, s.")

    def get_waited(self, job: Job) -> float | None:
        return (job.started_at - job.created_at).total_seconds() if job.started_at else None

    def get_ran(self, job: Job) -> float | None:
        if job.started_at is None or job.finished_at is None:
            return None
        return (job.finished_at - job.started_at).total_seconds()

    class Meta:
        model = Job
        fields = [
            *("id", "status", "job_type", "engine", "media", "project", "prompt", "negative_prompt"),
            *("enhanced_prompt", "quantity", "seed", "aspect", "width", "height", "model", "settings"),
            *("parameters", "review"),
            *("progress", "stage", "attempt", "error", "metadata"),
            *("created_at", "started_at", "finished_at", "waited", "ran", "cleared_at", "deadline_at"),
            "revision",
        ]
        read_only_fields = fields


class JobResponse(JobSummary):
    """A job with all its records: one for each expected result, from the moment of submission."""

    references = UsedReference(many=True, read_only=True, help_text="Its reference images.")
    images = serializers.SerializerMethodField()
    video = serializers.SerializerMethodField(help_text="Null for image jobs.")
    place = serializers.SerializerMethodField(help_text="Null unless the job waits.")

    class Meta(JobSummary.Meta):
        fields = [*JobSummary.Meta.fields, "place", "references", "images", "video"]
        read_only_fields = fields

    @extend_schema_field(QueuePositionResponse(allow_null=True))
    def get_place(self, job: Job) -> dict[str, Any] | None:
        """From the view, which asks for all jobs of an answer at once."""
        place = self.context["queue_positions"].get(job.pk)
        return QueuePositionResponse(place).data if place else None

    @extend_schema_field(ImageResponse(many=True))
    def get_images(self, job: Job) -> list[dict[str, Any]]:
        return [asset_response(asset) for asset in job.slots if asset.media == Media.IMAGE]

    @extend_schema_field(VideoResponse(allow_null=True))
    def get_video(self, job: Job) -> dict[str, Any] | None:
        return next((asset_response(asset) for asset in job.slots if asset.media == Media.VIDEO), None)


class Cancelled(serializers.Serializer[Any]):
    cancelled = serializers.IntegerField(help_text="How many jobs were stopped.")


class Moved(serializers.Serializer[Any]):
    changed = serializers.IntegerField(help_text="How many assets were changed.")


class JobPage(serializers.Serializer[Any]):
    jobs = JobResponse(many=True)
    next_cursor = serializers.CharField(help_text="Empty at the end.")


def _any_asset(**form: bool) -> PolymorphicProxySerializer:
    return PolymorphicProxySerializer(
        component_name="AnyAsset",
        serializers={"image": ImageResponse, "video": VideoResponse},
        resource_type_field_name="media",
        **form,
    )


ONE_ASSET = _any_asset()


# One of each for all answers: building the fields of a serializer takes twenty times as long as using them.
_image, _video = ImageResponse(), VideoResponse()


def asset_response(asset: Asset, names: Names | None = None) -> dict[str, Any]:
    """The record of an image or a video, each with the fields of its own."""
    serializer = _video if asset.media == Media.VIDEO else _image
    data = dict(serializer.to_representation(asset))
    if names is None:
        return data
    return data | {"tags": _named(names.tags), "collections": _named(names.collections)}


def _named(groups: list[tuple[uuid.UUID, str]]) -> list[dict[str, str]]:
    return [{"id": str(group_id), "name": name} for group_id, name in groups]


class AssetPage(serializers.Serializer[Any]):
    assets = serializers.SerializerMethodField()
    next_cursor = serializers.CharField(help_text="Empty at the end.")

    @extend_schema_field(_any_asset(many=True))
    def get_assets(self, page: dict[str, Any]) -> list[dict[str, Any]]:
        return list(page["assets"])


class TombstoneResponse(serializers.ModelSerializer[Tombstone]):
    """An asset that left the trash for good."""

    id = serializers.UUIDField(source="asset_id", read_only=True)
    job = serializers.UUIDField(source="job_id", read_only=True)
    media = TextChoicesField(Media, read_only=True)

    class Meta:
        model = Tombstone
        fields = ["id", "job", "media", "revision"]
        read_only_fields = fields


class ChangesResponse(serializers.Serializer[Any]):
    """Send `revision` as the next `after`, with `epoch`; while `more` is true, at once."""

    revision = serializers.IntegerField()
    epoch = serializers.CharField(help_text="Of which state of the database; empty while none is known.")
    more = serializers.BooleanField()
    jobs = JobSummary(many=True)
    images = ImageResponse(many=True)
    videos = VideoResponse(many=True)
    purged = TombstoneResponse(many=True)
