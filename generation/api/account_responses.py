"""Responses about the caller's account: job types, projects, limits and use."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from generation.catalog.job_types import Engine, JobType, Media, ReferenceType
from generation.http.fields import TextChoicesField
from generation.models import Project


class ProjectResponse(serializers.ModelSerializer[Project]):
    class Meta:
        model = Project
        fields = [
            *("id", "name", "is_default", "created_at"),
            *("library_images", "library_videos", "library_bytes", "stored_bytes"),
        ]
        read_only_fields = fields


class JobTypeResponse(serializers.Serializer[JobType]):
    """What can be run. `sizes` are [width, height] in px by aspect; `seconds` is for the largest quantity."""

    name = serializers.CharField()
    title = serializers.CharField()
    engine = TextChoicesField(Engine)
    media = TextChoicesField(Media)
    quality = serializers.CharField()
    enhanced = serializers.BooleanField(help_text="A language model writes the prompt out first.")
    quantities = serializers.ListField(child=serializers.IntegerField())
    sizes = serializers.DictField(child=serializers.ListField(child=serializers.IntegerField()))
    default_aspect = serializers.CharField()
    steps = serializers.IntegerField()
    guidance = serializers.FloatField()
    seconds = serializers.IntegerField(help_text="Estimate on an idle worker.")
    references = serializers.ListField(
        child=TextChoicesField(ReferenceType),
        help_text="The types of reference it can use; an end frame only beside a start frame.",
    )


class Limits(serializers.Serializer[Any]):
    active_jobs = serializers.IntegerField(help_text="Most jobs queued and running at once.")
    storage_bytes = serializers.IntegerField(help_text="Most bytes of results; 0: no limit.")
    prompt_length = serializers.IntegerField()
    max_seed = serializers.IntegerField()
    assets_per_call = serializers.IntegerField()
    trash_days = serializers.IntegerField()
    reference_bytes = serializers.IntegerField(help_text="Largest reference image.")
    reference_quota_bytes = serializers.IntegerField(help_text="Most bytes of reference images kept at once.")
    reference_days = serializers.IntegerField(
        help_text="How long a reference image is kept after its last use, unless an unfinished job needs it."
    )


class Use(serializers.Serializer[Any]):
    active_jobs = serializers.IntegerField()
    images = serializers.IntegerField(help_text="In the Library.")
    videos = serializers.IntegerField(help_text="In the Library.")
    bytes = serializers.IntegerField(help_text="Of the Library's files.")
    stored_bytes = serializers.IntegerField(
        help_text="Of all results' files: in the Library, under review and in the trash."
    )


class Queue(serializers.Serializer[Any]):
    paused_at = serializers.DateTimeField(
        allow_null=True, help_text="Since when your queue is paused; null: it is not."
    )


class Me(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    username = serializers.CharField()
    revision = serializers.IntegerField(help_text="Where `changes` stands now.")
    epoch = serializers.CharField(help_text="Of that revision, for `changes`.")
    queue = Queue()
    limits = Limits()
    use = Use()


class ProjectList(serializers.Serializer[Any]):
    projects = ProjectResponse(many=True)


class JobTypeList(serializers.Serializer[Any]):
    job_types = JobTypeResponse(many=True)
