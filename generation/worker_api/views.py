"""What workers call; the lease call is in `lease`."""

from __future__ import annotations

import uuid
from collections.abc import Collection

from django.conf import settings
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.exceptions import UnsupportedMediaType, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from generation.http.bodies import capped_body
from generation.http.openapi import problems
from generation.http.uploads import takes_upload
from generation.http.views import ApiView, body_of, media_type_of
from generation.jobs.lease import heartbeat, release
from generation.jobs.previews import MAX_BYTES, store_preview
from generation.jobs.report import report
from generation.jobs.uploads import require_slot, store_upload
from generation.media.formats import CONTENT_TYPES
from generation.queue.speeds import record_benchmark
from generation.worker_api.authentication import IsWorker, WorkerTokenAuthentication, worker_of
from generation.worker_api.reports import (
    Benchmark,
    Callback,
    Heartbeat,
    Instruction,
    Lease,
    ReceiptResponse,
    Stored,
)

UPLOAD_TYPES = [content_type for types in CONTENT_TYPES.values() for content_type in types]
PREVIEW_TYPES = CONTENT_TYPES["image"]
LEASE_HEADER = OpenApiParameter(
    "X-Lease-Token",
    OpenApiTypes.UUID,
    OpenApiParameter.HEADER,
    required=True,
    description="From the lease answer.",
)


class WorkerView(ApiView):
    """A call by a worker, with its token."""

    authentication_classes = [WorkerTokenAuthentication]
    permission_classes = [IsWorker]


class HeartbeatView(WorkerView):
    @extend_schema(
        operation_id="worker_heartbeat",
        summary="Renew a lease",
        tags=["worker"],
        request=Heartbeat,
        responses={200: Instruction, **problems(403, 404, 409, 422)},
    )
    def post(self, request: Request, job_id: uuid.UUID) -> Response:
        """Renew the lease and say how far you are. `cancel`: stop, the owner wants it no more."""
        action = heartbeat(worker=worker_of(request), job_id=job_id, **body_of(request, Heartbeat))
        return Response({"action": action})


class ReleaseView(WorkerView):
    @extend_schema(
        operation_id="worker_release",
        summary="Give a job back",
        tags=["worker"],
        request=Lease,
        responses={
            204: OpenApiResponse(description="The job is queued again."),
            **problems(403, 404, 409, 422),
        },
    )
    def post(self, request: Request, job_id: uuid.UUID) -> Response:
        """Give a job back unharmed, for instance when shutting down. It costs no attempt."""
        release(worker=worker_of(request), job_id=job_id, **body_of(request, Lease))
        return Response(status=204)


def admit_upload(request: Request, job_id: uuid.UUID, slot: int) -> None:
    """Raises what `UploadView.put` raises of the headers, and without the lease that they name."""
    check_type(request, UPLOAD_TYPES)
    require_slot(worker=worker_of(request), job_id=job_id, lease_token=lease_token_of(request), slot=slot)


class UploadView(WorkerView):
    @extend_schema(
        operation_id="worker_upload",
        summary="Upload a result",
        tags=["worker"],
        parameters=[LEASE_HEADER],
        request=dict.fromkeys(UPLOAD_TYPES, OpenApiTypes.BINARY),
        responses={200: Stored, **problems(403, 404, 409, 413, 415, 422, 429)},
    )
    @takes_upload("MAX_UPLOAD_BYTES", admit_upload)
    def put(self, request: Request, job_id: uuid.UUID, slot: int) -> Response:
        """Store the bytes for a slot; a callback then names the `upload_id`. Safe to repeat."""
        lease_token = lease_token_of(request)
        check_type(request, UPLOAD_TYPES)
        with capped_body(request._request, limit=settings.MAX_UPLOAD_BYTES) as content:
            upload = store_upload(
                worker=worker_of(request), job_id=job_id, lease_token=lease_token, slot=slot, content=content
            )
        return Response(Stored(upload).data)


class PreviewView(WorkerView):
    @extend_schema(
        operation_id="worker_preview",
        summary="Show how a slot looks so far",
        tags=["worker"],
        parameters=[LEASE_HEADER],
        request=dict.fromkeys(PREVIEW_TYPES, OpenApiTypes.BINARY),
        responses={
            204: OpenApiResponse(description="Its owner's pages show it."),
            **problems(403, 404, 409, 413, 415, 422, 429),
        },
    )
    def put(self, request: Request, job_id: uuid.UUID, slot: int) -> Response:
        """Show a small picture of the slot in work. It renews no lease; when refused with 429, drop it."""
        lease_token = lease_token_of(request)
        check_type(request, PREVIEW_TYPES)
        with capped_body(request._request, limit=MAX_BYTES) as content:
            store_preview(
                worker=worker_of(request), job_id=job_id, lease_token=lease_token, slot=slot, content=content
            )
        return Response(status=204)


class BenchmarkView(WorkerView):
    @extend_schema(
        operation_id="worker_benchmark",
        summary="Report a benchmark",
        tags=["worker"],
        request=Benchmark,
        responses={204: OpenApiResponse(description="Kept."), **problems(403, 413, 422)},
    )
    def post(self, request: Request) -> Response:
        """Say how fast you are: the first estimate of your speed, until real jobs have been measured."""
        body = body_of(request, Benchmark)
        measured_with = ", ".join(filter(None, (body["version"], body["device"])))
        record_benchmark(worker=worker_of(request), seconds=body["seconds"], with_=measured_with)
        return Response(status=204)


class CallbackView(WorkerView):
    @extend_schema(
        operation_id="worker_callback",
        summary="Report results",
        tags=["worker"],
        request=Callback,
        responses={200: ReceiptResponse, **problems(403, 404, 409, 413, 422)},
    )
    def post(self, request: Request) -> Response:
        """Report results. Safe to repeat until an answer comes, also after the job has ended."""
        callback = Callback(data=request.data)
        callback.is_valid(raise_exception=True)
        receipt = report(worker=worker_of(request), report=callback.to_report())
        return Response(ReceiptResponse(receipt).data)


def check_type(request: Request, allowed: Collection[str]) -> None:
    """Raises UnsupportedMediaType unless the body says that it is one of these, before it is read."""
    if media_type_of(request) not in allowed:
        raise UnsupportedMediaType(request.content_type or "")


def lease_token_of(request: Request) -> uuid.UUID:
    """The X-Lease-Token header.

    Raises:
        ValidationError: it is missing or no UUID.
    """
    try:
        return uuid.UUID(request.headers.get("X-Lease-Token", ""))
    except ValueError:
        raise ValidationError({"X-Lease-Token": ["Send the lease_token of the lease answer."]}) from None
