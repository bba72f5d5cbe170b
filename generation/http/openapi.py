"""OpenAPI helpers shared by both APIs: problem responses and enum names."""

from __future__ import annotations

from typing import Any

from drf_spectacular.extensions import OpenApiSerializerFieldExtension
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse
from rest_framework import serializers


class ProblemResponse(serializers.Serializer[Any]):
    """What every refusal looks like."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    code = serializers.CharField(help_text="Stable, for programs.")
    detail = serializers.CharField()
    errors = serializers.DictField(  # type: ignore[assignment] # the metaclass takes fields off the class
        child=serializers.CharField(), help_text="One sentence for each field."
    )


PROBLEM_JSON = "application/problem+json"
DESCRIPTIONS = {
    401: "No token, or one that is unknown, revoked or expired.",
    403: "Not allowed: a token without the scope, a missing CSRF token, or a worker that is disabled.",
    404: "There is no such thing, or it is not yours.",
    409: "The state has moved on.",
    410: "Too long ago to tell what changed; read your lists afresh, and go on from `me`'s revision.",
    413: "The body is too large.",
    415: "Another content type is needed.",
    422: "Something in the request cannot be used; `errors` names each field.",
    429: "You have as much as you may: work waiting and running, or reference images kept.",
    503: "The database does not answer; try again after Retry-After seconds.",
}


def problems(*statuses: int) -> dict[Any, Any]:
    """The problem responses of an operation; every operation has 401, 403 and 503."""
    return {
        (status, PROBLEM_JSON): OpenApiResponse(ProblemResponse, DESCRIPTIONS[status])
        for status in sorted({401, 403, 503, *statuses})
    }


def file_responses(*content_types: str) -> dict[Any, Any]:
    """The responses of an operation that delivers a file in one of these types."""
    file = OpenApiResponse(OpenApiTypes.BINARY, "The bytes; ranges are honoured.")
    return {(200, content_type): file for content_type in content_types}


class NamedChoices(OpenApiSerializerFieldExtension):
    target_class = "generation.http.fields.TextChoicesField"

    def get_name(self) -> str:
        return str(self.target.enum_name)

    def map_serializer_field(self, auto_schema: Any, direction: Any) -> dict[str, Any]:
        return {"type": "string", "enum": list(self.target.choices)}
