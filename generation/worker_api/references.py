"""The references of a leased job, for the worker that holds the lease and for nobody else."""

from __future__ import annotations

import uuid

from django.http import HttpResponseBase
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.exceptions import NotFound
from rest_framework.request import Request

from generation.assets.delivery import reference_response
from generation.assets.references import leased_reference
from generation.catalog.job_types import ReferenceType
from generation.http.openapi import file_responses, problems
from generation.media.formats import CONTENT_TYPES
from generation.worker_api.authentication import worker_of
from generation.worker_api.views import WorkerView


class ReferenceView(WorkerView):
    @extend_schema(
        operation_id="worker_reference",
        summary="Get a reference image",
        tags=["worker"],
        parameters=[OpenApiParameter("type", str, OpenApiParameter.PATH, enum=ReferenceType.values)],
        responses=file_responses(*CONTENT_TYPES["image"]) | problems(403, 404, 422, 429),
    )
    def get(self, request: Request, job_id: uuid.UUID, type: str) -> HttpResponseBase:
        """A reference image of the job: 8-bit RGB, upright, sRGB, without metadata.

        404 for everybody but the worker that holds the lease now.
        """
        reference = leased_reference(worker=worker_of(request), job_id=job_id, type_=type)
        if reference is None:
            raise NotFound("You hold no job with such a reference.")
        response = reference_response(request._request, reference, thumbnail=False)
        response.headers["Cache-Control"] = "private, no-store"
        return response
