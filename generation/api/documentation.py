"""The OpenAPI side of the API: its token scheme, an example of a refusal, and the browsable page."""

from __future__ import annotations

from functools import cache
from typing import Any

from django.http import HttpResponse
from drf_spectacular.authentication import SessionScheme
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiJsonRenderer, OpenApiYamlRenderer
from drf_spectacular.utils import OpenApiExample
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.request import Request

from generation.http.openapi import PROBLEM_JSON

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


class PersonalTokenScheme(OpenApiAuthenticationExtension):
    target_class = "generation.api.authentication.PersonalTokenAuthentication"
    name = "personalToken"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        made = "The account page or `manage.py create_token USER` makes one: `ovu_…`. Its scopes limit it."
        return {"type": "http", "scheme": "bearer", "description": made}


class OwnSessionScheme(SessionScheme):
    """The same cookie, for our subclass."""

    target_class = "generation.api.authentication.SessionAuthentication"


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
