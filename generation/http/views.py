"""The base of every API view: a strict JSON parser, one renderer, and validated input."""

from __future__ import annotations

import json
from typing import IO, TYPE_CHECKING, Any, NoReturn, cast

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from rest_framework.exceptions import ParseError
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import JSONParser
from rest_framework.request import Request
from rest_framework.views import APIView

from generation.http.conditional import add_tag, is_taggable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from django.contrib.auth.models import User
    from rest_framework.renderers import BaseRenderer
    from rest_framework.serializers import BaseSerializer


class JSONBody(JSONParser):
    """UTF-8 JSON of a bounded size and depth, without NaN."""

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        raw = stream.read(settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1)
        if len(raw) > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
            raise RequestDataTooBig
        try:
            return cast("dict[str, Any]", json.loads(raw.decode(), parse_constant=_no_constant))
        except (ValueError, RecursionError):
            raise ParseError("This is not JSON in UTF-8.") from None


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


class SingleRenderer(BaseContentNegotiation):
    """Responds in JSON whatever the Accept header says, so that an image's URL can be used in an <img>."""

    def select_parser(self, request: Request, parsers: Iterable[Any]) -> Any:
        media_type = media_type_of(request)
        return next((parser for parser in parsers if parser.media_type == media_type), None)

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        renderer = next(iter(renderers))
        return renderer, str(renderer.media_type)


class ApiView(APIView):
    """The base view of both APIs. Responses are private: not cached, unless they set Cache-Control."""

    parser_classes = [JSONBody]
    content_negotiation_class = SingleRenderer

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        response.headers.setdefault("Cache-Control", "private, no-store")
        if is_taggable(request, response):
            add_tag(request, response)
        return super().finalize_response(request, response, *args, **kwargs)


def media_type_of(request: Request) -> str:
    """The body's declared media type, without parameters."""
    return (request.content_type or "").partition(";")[0].strip().lower()


def body_of(request: Request, serializer: type[BaseSerializer[Any]]) -> dict[str, Any]:
    """The request's body, validated.

    Raises:
        ValidationError, ParseError, UnsupportedMediaType, RequestDataTooBig.
    """
    return _validated(serializer(data=request.data))


def query_of(request: Request, serializer: type[BaseSerializer[Any]]) -> dict[str, Any]:
    """The request's query string, validated."""
    return _validated(serializer(data=request.query_params.dict()))


def _validated(serializer: BaseSerializer[Any]) -> dict[str, Any]:
    serializer.is_valid(raise_exception=True)
    return cast("dict[str, Any]", serializer.validated_data)


def owner_of(request: Request) -> User:
    """The signed-in caller; permissions have refused everybody else."""
    return cast("User", request.user)
