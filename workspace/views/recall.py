"""Bringing settings back: of an asset, and of a file that is dropped, chosen, or sent by a plain form."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any, BinaryIO, ClassVar, cast

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse, JsonResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import UnsupportedMediaType
from rest_framework.request import Request
from rest_framework.response import Response

from generation.http.bodies import capped_body
from generation.http.uploads import takes_upload
from generation.http.views import ApiView, media_type_of
from generation.media.formats import CONTENT_TYPES
from generation.media.parameters.reading import read_parameters
from generation.models import Scope
from workspace import composer, recall
from workspace.forms import ComposerForm
from workspace.recall import Recalled
from workspace.views.action import OwnersRequest
from workspace.views.page import composer_page

READABLE = dict.fromkeys(CONTENT_TYPES["image"], "image") | {"video/mp4": "video"}


def answer(recalled: Recalled) -> dict[str, Any]:
    """For the page's script."""
    html = render_to_string("workspace/_recalled.html", {"recalled": recalled})
    return {"words": recalled.words, "filled": recalled.filled if recalled.values else None, "html": html}


@never_cache
@login_required
@require_safe
def asset(request: OwnersRequest, asset_id: uuid.UUID) -> HttpResponse:
    """What to fill in of an asset's settings, for the composer as it stands by the query."""
    what = request.GET.get("field", "all")
    found = recall.of_asset(
        owner_id=request.user.pk, asset_id=asset_id, what=what, composer=request.GET.dict()
    )
    if found is None:
        raise Http404
    return JsonResponse(answer(found))


def check_type(request: Request) -> None:
    if media_type_of(request) not in READABLE:
        raise UnsupportedMediaType(request.content_type or "", "Send a PNG, JPEG, WebP or MP4.")


@extend_schema(exclude=True)
class RecalledFile(ApiView):
    """The page's own: the raw file in, what to fill in out; nothing of it is kept."""

    required_scopes: ClassVar = {"PUT": Scope.SUBMIT}

    @takes_upload("MAX_UPLOAD_BYTES", check_type)
    def put(self, request: Request) -> Response:
        check_type(request)
        with capped_body(request._request, limit=settings.MAX_UPLOAD_BYTES) as content:
            found = _read(request, content, READABLE[media_type_of(request)], request.query_params.dict())
        return Response(answer(found))


def _read(
    request: Request | OwnersRequest, content: BinaryIO, media: str, chosen: Mapping[str, Any]
) -> Recalled:
    assert request.user.pk is not None
    found = read_parameters(content)
    return recall.of_file(found, owner_id=request.user.pk, media=media, composer=chosen)


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def file(request: OwnersRequest) -> HttpResponse:
    """A page with a file field, for browsers without a script."""
    if request.method != "POST":
        return _file_page(request)
    sent = request.FILES.get("file")
    if sent is None or sent.content_type not in READABLE:
        return _file_page(request, "Choose a PNG, JPEG, WebP or MP4.")
    initial = composer.initial(request, request.user)
    found = _read(request, cast("BinaryIO", sent.file), READABLE[sent.content_type], initial)
    if not found.values:
        return _file_page(request, found.words, found.unused)
    return composer_page(request, ComposerForm(request.user, initial=initial | found.values), recalled=found)


def _file_page(request: OwnersRequest, error: str = "", unused: list[str] | None = None) -> HttpResponse:
    context = {
        "error": error,
        "unused": unused,
        "accept": ",".join(READABLE),
        "most_bytes": settings.MAX_BODY_BYTES,
    }
    return render(request, "workspace/recall.html", context, status=422 if error else 200)
