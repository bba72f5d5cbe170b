"""What every API view shares: a strict JSON body, one renderer, and how input is read."""

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
    """Answers in JSON whatever the caller would accept, so that a picture's URL can be an <img>."""

    def select_parser(self, request: Request, parsers: Iterable[Any]) -> Any:
        media_type = (request.content_type or "").partition(";")[0].strip().lower()
        return next((parser for parser in parsers if parser.media_type == media_type), None)

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        renderer = next(iter(renderers))
        return renderer, str(renderer.media_type)


class ApiView(APIView):
    """A view of this API. Its answers are the caller's own: no cache keeps them, unless they say so."""

    parser_classes = [JSONBody]
    content_negotiation_class = SingleRenderer

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        response.headers.setdefault("Cache-Control", "private, no-store")
        return super().finalize_response(request, response, *args, **kwargs)


def body_of(request: Request, serializer: type[BaseSerializer[Any]]) -> dict[str, Any]:
    """The request's body, checked.

    Raises:
        ValidationError, ParseError, UnsupportedMediaType, RequestDataTooBig.
    """
    return _checked(serializer(data=request.data))


def query_of(request: Request, serializer: type[BaseSerializer[Any]]) -> dict[str, Any]:
    """The request's query string, checked."""
    return _checked(serializer(data=request.query_params.dict()))


def _checked(serializer: BaseSerializer[Any]) -> dict[str, Any]:
    serializer.is_valid(raise_exception=True)
    return cast("dict[str, Any]", serializer.validated_data)


def owner_of(request: Request) -> User:
    """The signed-in caller; permissions have refused everybody else."""
    return cast("User", request.user)
