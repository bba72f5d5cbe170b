"""Responses about models."""

from __future__ import annotations

from typing import Any

from django.urls import reverse
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from generation.catalog.job_types import JOB_TYPES
from generation.models import Model


class LicenceResponse(serializers.Serializer[Any]):
    name = serializers.CharField()
    url = serializers.CharField(help_text="Empty where its worker says none.")


class ModelResponse(serializers.Serializer[Model]):
    """A model that you can name in a submission. `sizes` are [width, height] in px by aspect ratio."""

    name = serializers.CharField(help_text="What `model` names in a submission.")
    title = serializers.CharField(source="shown_title")
    job_types = serializers.SerializerMethodField()
    references = serializers.SerializerMethodField(
        help_text="By job type, the sets of reference types that it can use together."
    )
    sizes = serializers.DictField(
        child=serializers.ListField(child=serializers.IntegerField()), help_text="Empty: the job type's."
    )
    offer = serializers.DictField(
        help_text="What can be chosen, by the name of the setting: its `type` (`integer`, `number`, `choice`,"
        " `loras`) with its range or choices, and its default."
    )
    licence = serializers.SerializerMethodField()
    digest = serializers.CharField(help_text="Changes when what it is made of does; empty: not said.")
    picture = serializers.SerializerMethodField(help_text="The address of its picture, if it has one.")
    default_for = serializers.ListField(
        child=serializers.CharField(), help_text="Job types that use it where no model is named."
    )
    online = serializers.SerializerMethodField(
        help_text="Whether a live worker has it now; if not, its jobs wait until one does."
    )
    last_seen_at = serializers.DateTimeField(
        source="seen_at", help_text="When a worker that has it was last heard of."
    )

    @extend_schema_field(serializers.ListField(child=serializers.CharField()))
    def get_job_types(self, model: Model) -> list[str]:
        return [name for name in JOB_TYPES if name in model.made_types]

    @extend_schema_field(
        serializers.DictField(
            child=serializers.ListField(child=serializers.ListField(child=serializers.CharField()))
        )
    )
    def get_references(self, model: Model) -> dict[str, list[list[str]]]:
        sets = model.served.reference_sets
        return {name: sorted(sorted(each) for each in sets[name] if each) for name in sorted(sets)}

    @extend_schema_field(LicenceResponse)
    def get_licence(self, model: Model) -> dict[str, str]:
        return {"name": model.licence_name, "url": model.licence_url}

    @extend_schema_field(serializers.CharField(allow_null=True))
    def get_picture(self, model: Model) -> str | None:
        return reverse("api:model-picture", args=[model.name]) if model.picture_version else None

    def get_online(self, model: Model) -> bool:
        return model.name in self.context["online"]


class ModelList(serializers.Serializer[Any]):
    models = ModelResponse(many=True)
