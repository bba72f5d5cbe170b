"""The bodies of heartbeat, release and callback."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema_field, extend_schema_serializer
from rest_framework import serializers

from generation.core.limits import DEVICE_LENGTH, ERROR_CODE_LENGTH
from generation.http.fields import (
    MetadataField,
    SecondsByJobTypeField,
    StrictBooleanField,
    StrictCharField,
    StrictIntegerField,
    StrictSerializer,
    StrictUUIDField,
    TextChoicesField,
)
from generation.jobs.report import Report
from generation.jobs.report_rules import AssetReport, SlotError
from generation.models import JobStatus, Upload

MAX_ASSETS = 24
MAX_TEXT = 4000
MAX_INT64 = 2**63 - 1


class Lease(StrictSerializer):
    lease_token = StrictUUIDField(help_text="From the lease answer.")


class Heartbeat(Lease):
    progress = StrictIntegerField(min_value=0, max_value=100, default=0, help_text="Percent of this attempt.")
    stage = StrictCharField(
        default="", allow_blank=True, max_length=200, help_text="What it does now, in a word or two."
    )
    slot = StrictIntegerField(
        default=None, allow_null=True, min_value=0, max_value=32767, help_text="The slot in work, if you say."
    )


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "A worker of both engines",
            value={
                "seconds": {"sdxl_image_fast": 5.1, "video_fast": 128.0},
                "version": "1.0.0",
                "device": "NVIDIA H100",
            },
        )
    ]
)
class Benchmark(StrictSerializer):
    seconds = SecondsByJobTypeField(help_text="For one result, by job type; of those measured.")
    version = StrictCharField(
        default="", allow_blank=True, max_length=DEVICE_LENGTH, help_text="The worker's software."
    )
    device = StrictCharField(
        default="", allow_blank=True, max_length=DEVICE_LENGTH, help_text="What it computes on."
    )


class Error(StrictSerializer):
    code = StrictCharField(max_length=ERROR_CODE_LENGTH)
    message = StrictCharField(default="", allow_blank=True, max_length=MAX_TEXT)
    retryable = StrictBooleanField(default=True, help_text="Whether another attempt could succeed.")


class ReportedAsset(StrictSerializer):
    image_index = StrictIntegerField(
        allow_null=True,
        min_value=0,
        max_value=32767,
        help_text="The slot's, null for WAN; position means nothing.",
    )
    status = serializers.ChoiceField(["completed", "failed"])
    upload_id = StrictUUIDField(default=None, allow_null=True, help_text="Needed when completed.")
    seed = StrictIntegerField(default=None, allow_null=True, min_value=0, max_value=MAX_INT64)
    width = StrictIntegerField(
        default=None, allow_null=True, min_value=1, help_text="Ignored: measured from the bytes."
    )
    height = StrictIntegerField(
        default=None, allow_null=True, min_value=1, help_text="Ignored: measured from the bytes."
    )
    duration = serializers.FloatField(
        default=None, allow_null=True, min_value=0, help_text="Ignored: measured from the bytes."
    )
    metadata = MetadataField(default=dict, help_text="Anything worth keeping; at most 32 KiB.")
    error = Error(default=None, allow_null=True, help_text="Why it failed.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs["status"] == "completed" and not attrs["upload_id"]:
            raise serializers.ValidationError({"upload_id": ["A completed asset names its upload."]})
        return attrs


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "One image done, more to come",
            value={
                "job_id": "0192f0c1-5d3a-7c7e-9f52-4f0f6f9f7f01",
                "lease_token": "9d3c1f0e-1f2b-4c7d-8a66-0d6f3b1f2c11",
                "status": "processing",
                "assets": [
                    {
                        "image_index": 2,
                        "status": "completed",
                        "upload_id": "0192f0c2-0b57-7a53-8c0d-0a6ac2f7b9d0",
                        "seed": 44,
                    }
                ],
            },
        ),
        OpenApiExample(
            "The worker is done, one slot failed",
            value={
                "job_id": "0192f0c1-5d3a-7c7e-9f52-4f0f6f9f7f01",
                "lease_token": "9d3c1f0e-1f2b-4c7d-8a66-0d6f3b1f2c11",
                "status": "completed",
                "assets": [
                    {
                        "image_index": 0,
                        "status": "failed",
                        "error": {
                            "code": "out_of_memory",
                            "message": "CUDA out of memory",
                            "retryable": True,
                        },
                    }
                ],
                "metadata": {"seconds": 31.4},
            },
        ),
    ]
)
class Callback(StrictSerializer):
    job_id = StrictUUIDField()
    lease_token = StrictUUIDField()
    status = serializers.ChoiceField(
        ["processing", "completed", "failed"],
        help_text="`processing`: more to come; else the worker is done.",
    )
    assets = serializers.ListField(child=ReportedAsset(), default=list, max_length=MAX_ASSETS)
    error_message = StrictCharField(default="", allow_blank=True, max_length=MAX_TEXT)
    metadata = MetadataField(
        default=dict, help_text="Merged into the job's; `enhanced_prompt` is shown to its owner."
    )

    def to_report(self) -> Report:
        given = dict(self.validated_data)
        return Report(**given | {"assets": [_asset_report(asset) for asset in given["assets"]]})


def _asset_report(given: dict[str, Any]) -> AssetReport:
    error = SlotError(**given["error"]) if given["error"] else None
    taken = {name: given[name] for name in ("image_index", "status", "upload_id", "seed", "metadata")}
    return AssetReport(**taken, error=error)


class Instruction(serializers.Serializer[Any]):
    action = serializers.ChoiceField(["continue", "cancel"])


class WhatIsWrong(serializers.Serializer[Any]):
    code = serializers.CharField()
    message = serializers.CharField()


class Stored(serializers.Serializer[Any]):
    """What the bytes really are. Broken ones are not kept: `valid` is false, and `error` says why."""

    upload_id = serializers.UUIDField(source="pk")
    sha256 = serializers.CharField()
    byte_size = serializers.IntegerField()
    valid = serializers.SerializerMethodField()
    error = serializers.SerializerMethodField()
    content_type = serializers.CharField(help_text="By the bytes; empty when they are broken.")
    width = serializers.IntegerField(allow_null=True)
    height = serializers.IntegerField(allow_null=True)
    duration = serializers.FloatField(allow_null=True)

    def get_valid(self, upload: Upload) -> bool:
        return not upload.error_code

    @extend_schema_field(WhatIsWrong(allow_null=True))
    def get_error(self, upload: Upload) -> dict[str, str] | None:
        return {"code": upload.error_code, "message": upload.error_message} if upload.error_code else None


class Rejected(serializers.Serializer[Any]):
    image_index = serializers.IntegerField(allow_null=True)
    code = serializers.CharField()
    message = serializers.CharField()


class ReceiptResponse(serializers.Serializer[Any]):
    """Every reported asset is in exactly one of the lists, by its image_index."""

    accepted = serializers.ListField(child=serializers.IntegerField(allow_null=True))
    duplicate = serializers.ListField(child=serializers.IntegerField(allow_null=True))
    rejected = Rejected(many=True)
    job_status = TextChoicesField(JobStatus)
