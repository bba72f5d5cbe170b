"""The caller's reference images."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.conf import settings
from django.http import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.exceptions import NotFound, UnsupportedMediaType
from rest_framework.request import Request
from rest_framework.response import Response

from generation.access.principals import principal_of
from generation.api.requests import Paging
from generation.api.responses import ReferencePage, ReferenceResponse
from generation.assets.delivery import reference_response
from generation.assets.references import delete_reference, find_reference, list_references, upload_reference
from generation.http.bodies import capped_body
from generation.http.openapi import file_responses, problems
from generation.http.views import ApiView, media_type_of, owner_of, query_of
from generation.media.measure import CONTENT_TYPES
from generation.models import Reference, Scope


def owned_or_404(request: Request, reference_id: uuid.UUID) -> Reference:
    """The caller's reference image.

    Raises:
        NotFound: there is none, or it is somebody else's.
    """
    reference = find_reference(owner_id=owner_of(request).pk, reference_id=reference_id)
    if reference is None:
        raise nothing()
    return reference


def nothing() -> NotFound:
    return NotFound("There is no such reference image.")


class References(ApiView):
    required_scopes: ClassVar = {"GET": Scope.READ, "PUT": Scope.SUBMIT}

    @extend_schema(
        operation_id="references_list",
        summary="List reference images",
        tags=["references"],
        parameters=[Paging],
        responses={200: ReferencePage, **problems(422)},
    )
    def get(self, request: Request) -> Response:
        """Your reference images, newest first."""
        page = list_references(owner_id=owner_of(request).pk, **query_of(request, Paging))
        return Response(ReferencePage(page).data)

    @extend_schema(
        operation_id="references_upload",
        summary="Upload a reference image",
        tags=["references"],
        request=dict.fromkeys(CONTENT_TYPES["image"], OpenApiTypes.BINARY),
        responses={201: ReferenceResponse, **problems(403, 413, 415, 422, 429)},
    )
    def put(self, request: Request) -> Response:
        """Store a PNG, JPEG or WebP, the raw body, as a reference image; the same bytes return the same one.

        It is kept while a job that names it may run or be retried, and for `me`'s `reference_days` after its
        last use.
        """
        if media_type_of(request) not in CONTENT_TYPES["image"]:
            raise UnsupportedMediaType(request.content_type or "", "Send a PNG, JPEG or WebP image.")
        with capped_body(request._request, limit=settings.MAX_REFERENCE_BYTES) as content:
            reference = upload_reference(
                owner_id=owner_of(request).pk, actor=principal_of(request), content=content
            )
        return Response(ReferenceResponse(reference).data, 201)


class ReferenceDetail(ApiView):
    required_scopes: ClassVar = {"GET": Scope.READ, "DELETE": Scope.MANAGE}

    @extend_schema(
        operation_id="references_read",
        summary="Read a reference image's record",
        tags=["references"],
        responses={200: ReferenceResponse, **problems(404)},
    )
    def get(self, request: Request, reference_id: uuid.UUID) -> Response:
        """One reference image's record."""
        return Response(ReferenceResponse(owned_or_404(request, reference_id)).data)

    @extend_schema(
        operation_id="references_delete",
        summary="Remove a reference image",
        tags=["references"],
        responses={
            204: OpenApiResponse(description="It counts no more."),
            **problems(403, 404, 409),
        },
    )
    def delete(self, request: Request, reference_id: uuid.UUID) -> Response:
        """Delete it with its files, unless a waiting or running job needs it.

        Ended jobs that used it still name its type, and cannot be retried.
        """
        owner_id, actor = owner_of(request).pk, principal_of(request)
        if not delete_reference(owner_id=owner_id, actor=actor, reference_id=reference_id):
            raise nothing()
        return Response(status=204)


class ReferenceFile(ApiView):
    required_scopes: ClassVar = {"GET": Scope.READ}

    @extend_schema(
        operation_id="references_file",
        summary="Get a reference image",
        tags=["files"],
        responses=file_responses(*CONTENT_TYPES["image"]) | problems(404),
    )
    def get(self, request: Request, reference_id: uuid.UUID) -> HttpResponseBase:
        """The picture as it was uploaded."""
        return reference_response(request._request, owned_or_404(request, reference_id), thumbnail=False)


class ReferenceThumbnail(ApiView):
    required_scopes: ClassVar = {"GET": Scope.READ}

    @extend_schema(
        operation_id="references_thumbnail",
        summary="Get a reference image's thumbnail",
        tags=["files"],
        responses=file_responses("image/webp") | problems(404),
    )
    def get(self, request: Request, reference_id: uuid.UUID) -> HttpResponseBase:
        """A small WebP of the picture."""
        return reference_response(request._request, owned_or_404(request, reference_id), thumbnail=True)
