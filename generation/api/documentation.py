"""The OpenAPI side of the API: both token schemes, the problem answers, and the browsable page."""

from __future__ import annotations

from functools import cache
from typing import Any

from django.http import HttpResponse
from drf_spectacular.extensions import OpenApiAuthenticationExtension, OpenApiSerializerFieldExtension
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiJsonRenderer, OpenApiYamlRenderer
from drf_spectacular.utils import OpenApiExample, OpenApiResponse
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.request import Request

from generation.api.outputs import ProblemAnswer

PROBLEM_JSON = "application/problem+json"
MEANINGS = {
    401: "No token, or one that is unknown or revoked.",
    403: "Not allowed: a missing CSRF token, or a worker that is disabled.",
    404: "There is no such thing, or it is not yours.",
    409: "The state has moved on.",
    410: "Too long ago to tell what changed; read your lists afresh, and go on from `me`'s revision.",
    413: "The body is too large.",
    415: "Another content type is needed.",
    422: "Something in the request cannot be used; `errors` names each field.",
    429: "You have as much as you may: work waiting and running, or reference images kept.",
    503: "The database does not answer; try again after Retry-After seconds.",
}
INVALID = OpenApiExample(
    "A field that cannot be used",
    value={
        "type": "urn:ourvidz:problem:invalid",
        "title": "Unprocessable Entity",
        "status": 422,
        "code": "invalid",
        "detail": "quantity: SDXL fast makes 1, 3, 6 at a time, not 4.",
        "errors": {"quantity": "SDXL fast makes 1, 3, 6 at a time, not 4."},
    },
    status_codes=["422"],
    media_type=PROBLEM_JSON,
    response_only=True,
)


def problems(*statuses: int) -> dict[Any, Any]:
    """The problem answers of a call; every call knows 401 and 503."""
    return {
        (status, PROBLEM_JSON): OpenApiResponse(ProblemAnswer, MEANINGS[status])
        for status in sorted({401, 503, *statuses})
    }


class PersonalTokenScheme(OpenApiAuthenticationExtension):
    target_class = "generation.api.authentication.PersonalTokenAuthentication"
    name = "personalToken"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        made = "`manage.py create_token USER` prints one: `ovu_…`."
        return {"type": "http", "scheme": "bearer", "description": made}


class WorkerTokenScheme(OpenApiAuthenticationExtension):
    target_class = "generation.worker_api.authentication.WorkerTokenAuthentication"
    name = "workerToken"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        made = "`manage.py create_worker NAME --engines sdxl,wan` prints one: `ovw_…`."
        return {"type": "http", "scheme": "bearer", "description": made}


class NamedChoices(OpenApiSerializerFieldExtension):
    target_class = "generation.api.fields.OneOf"

    def get_name(self) -> str:
        return str(self.target.named)

    def map_serializer_field(self, auto_schema: Any, direction: Any) -> dict[str, Any]:
        return {"type": "string", "enum": list(self.target.choices)}


class BrowsableDocs(SpectacularSwaggerSplitView):
    """Swagger UI without inline script or style, from our own server."""

    template_name = "generation/api_docs.html"
    url_name = "schema"


class OpenSchema(SpectacularAPIView):
    """The schema, for anybody. It is made once: each making takes a second of CPU."""

    schema = None

    def get(self, request: Request, *args: Any, **kwargs: Any) -> HttpResponse:
        renderer = request.accepted_renderer
        return HttpResponse(_schema_as(renderer.format), content_type=renderer.media_type)


@cache
def _schema_as(kind: str) -> bytes:
    schema = SchemaGenerator().get_schema(request=None, public=True)
    renderer = OpenApiYamlRenderer() if kind == "yaml" else OpenApiJsonRenderer()
    return bytes(renderer.render(schema))
