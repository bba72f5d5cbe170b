"""The request and the response of the lease call."""

from __future__ import annotations

from typing import Any
from urllib.parse import urljoin

from django.conf import settings
from django.urls import reverse
from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers

from generation.catalog.job_types import JOB_TYPES, Engine, ReferenceType
from generation.core.limits import DEVICE_LENGTH, POOL_LENGTH, REASON_LENGTH
from generation.http.fields import StrictBooleanField, StrictCharField, StrictSerializer, TextChoicesField
from generation.jobs import previews
from generation.media.formats import CONTENT_TYPES
from generation.models import Job
from generation.worker_api.advertised_models import AdvertisedModels

MAX_WAIT_SECONDS = 25
PREVIEW_RULES = {
    "max_bytes": previews.MAX_BYTES,
    "max_side": previews.MAX_SIDE,
    "every_seconds": previews.EVERY_SECONDS,
}


class WithdrawnPool(StrictSerializer):
    """A pool that the worker does not offer for the time being, although it is set up for it."""

    pool = StrictCharField(max_length=POOL_LENGTH)
    reason = StrictCharField(allow_blank=True, max_length=REASON_LENGTH, help_text="For the operator.")


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "Both engines, waiting", value={"engines": ["sdxl", "wan"], "wait_s": 25}, request_only=True
        )
    ]
)
class LeaseRequest(StrictSerializer):
    engines = serializers.ListField(
        child=TextChoicesField(Engine),
        min_length=1,
        max_length=len(Engine),
        help_text="The queues to serve.",
    )
    pools = serializers.ListField(
        child=StrictCharField(max_length=POOL_LENGTH),
        default=list,
        max_length=200,
        help_text="What it can do: job types, and job types with the types of reference that it can use, as "
        "`video_fast+end_frame+start_frame`, in this order. Empty: every job type, without references.",
    )
    warm = serializers.ListField(
        child=StrictCharField(max_length=POOL_LENGTH),
        default=list,
        max_length=200,
        help_text="Those of `pools` whose model is loaded: a job of theirs is preferred, within bounds.",
    )
    wait_s = serializers.FloatField(
        default=0, min_value=0, max_value=MAX_WAIT_SECONDS, help_text="How long to wait for a job."
    )
    version = StrictCharField(
        default="", allow_blank=True, max_length=DEVICE_LENGTH, help_text="The worker's software."
    )
    worker_engine = StrictCharField(
        default="", allow_blank=True, max_length=40, help_text="What it computes with."
    )
    device = StrictCharField(
        default="", allow_blank=True, max_length=DEVICE_LENGTH, help_text="What it computes on."
    )
    interruptible = StrictBooleanField(
        default=False,
        help_text="It may vanish at any time: a lease that it loses costs the job no attempt, within bounds.",
    )
    withdrawn = serializers.ListField(
        child=WithdrawnPool(),
        default=list,
        max_length=200,
        help_text="Pools that it would offer, were it not for faults of its own, such as too little memory.",
    )
    models = AdvertisedModels(
        default=None,
        allow_null=True,
        help_text="All its models. Left out: those of its last list; to be sent when the worker starts, and"
        " when they have changed.",
    )


class Slot(serializers.Serializer[Any]):
    slot = serializers.IntegerField(help_text="Where to upload to.")
    image_index = serializers.IntegerField(allow_null=True, help_text="What to report; null for WAN.")
    asset_id = serializers.UUIDField()
    seed = serializers.IntegerField()


class Reference(serializers.Serializer[Any]):
    type = TextChoicesField(ReferenceType)
    strength = serializers.FloatField(help_text="0 to 1: how strongly it guides the result.")
    url = serializers.CharField(help_text="On this server, with the worker's token, while the lease lasts.")


class PreviewRules(serializers.Serializer[Any]):
    max_bytes = serializers.IntegerField()
    max_side = serializers.IntegerField(help_text="px.")
    every_seconds = serializers.IntegerField(help_text="How often one is worth sending.")


class UploadRules(serializers.Serializer[Any]):
    max_bytes = serializers.IntegerField()
    content_types = serializers.ListField(child=serializers.CharField())


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "One image of three is still needed",
            value={
                "job_id": "0192f0c1-5d3a-7c7e-9f52-4f0f6f9f7f01",
                "lease_token": "9d3c1f0e-1f2b-4c7d-8a66-0d6f3b1f2c11",
                "attempt": 2,
                "lease_seconds": 60,
                "heartbeat_seconds": 15,
                "job_type": "sdxl_image_fast",
                "engine": "sdxl",
                "prompt": "a lighthouse at dusk, oil on canvas",
                "negative_prompt": "",
                "parameters": JOB_TYPES["sdxl_image_fast"].parameters("1:1"),
                "slots": [
                    {
                        "slot": 2,
                        "image_index": 2,
                        "asset_id": "0192f0c1-5d3a-7c7e-9f52-4f0f6f9f7f04",
                        "seed": 44,
                    }
                ],
                "references": [
                    {
                        "type": "style",
                        "strength": 0.6,
                        "url": "https://studio.example/api/v1/worker/jobs/"
                        "0192f0c1-5d3a-7c7e-9f52-4f0f6f9f7f01/references/style",
                    }
                ],
                "upload": {"max_bytes": 104857600, "content_types": CONTENT_TYPES["image"]},
                "preview": PREVIEW_RULES,
            },
            response_only=True,
        )
    ]
)
class LeaseResponse(serializers.Serializer[Any]):
    """Everything a worker needs, flat."""

    job_id = serializers.UUIDField()
    lease_token = serializers.UUIDField(help_text="Names this lease in every further call.")
    attempt = serializers.IntegerField()
    lease_seconds = serializers.IntegerField(help_text="How long the lease lasts without a heartbeat.")
    heartbeat_seconds = serializers.IntegerField(help_text="How often to send one.")
    job_type = serializers.CharField()
    engine = TextChoicesField(Engine)
    prompt = serializers.CharField()
    negative_prompt = serializers.CharField()
    parameters = serializers.DictField(help_text="width, height, steps, guidance and more.")
    slots = Slot(many=True, help_text="Only those still needed.")
    references = Reference(many=True, help_text="Only where the pool that was offered names their types.")
    upload = UploadRules()
    preview = PreviewRules(help_text="Pictures of slots in work are welcome within these limits.")


def _references(job: Job, base_url: str) -> list[dict[str, Any]]:
    return [
        {
            "type": used.type,
            "strength": used.strength,
            "url": urljoin(base_url, reverse("worker_api:reference", args=[job.pk, used.type])),
        }
        for used in job.sorted_references
    ]


def lease_response(job: Job, *, base_url: str) -> dict[str, Any]:
    """What a worker is told about the job it now holds, as `lease` answered with it.

    `base_url` begins the addresses of reference images.
    """
    return {
        "job_id": str(job.pk),
        "lease_token": str(job.lease_token),
        "attempt": job.attempt,
        "lease_seconds": settings.LEASE_SECONDS,
        "heartbeat_seconds": settings.HEARTBEAT_SECONDS,
        "job_type": job.job_type,
        "engine": job.engine,
        "prompt": job.prompt,
        "negative_prompt": job.negative_prompt,
        "parameters": job.parameters,
        "slots": [
            {
                "slot": slot.slot,
                "image_index": slot.image_index,
                "asset_id": str(slot.asset_id),
                "seed": slot.seed,
            }
            for slot in job.open_slots
        ],
        "references": _references(job, base_url),
        "upload": {"max_bytes": settings.MAX_UPLOAD_BYTES, "content_types": CONTENT_TYPES[job.media]},
        "preview": PREVIEW_RULES,
    }
