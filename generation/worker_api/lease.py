"""The lease view: answers at once; LeaseLongPoll in front of it does the waiting."""

from __future__ import annotations

from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from generation.http.openapi import problems
from generation.http.views import body_of
from generation.jobs.lease import lease, offered_pools
from generation.queue.advertised import record_models
from generation.worker_api.authentication import worker_of
from generation.worker_api.payloads import LeaseRequest, LeaseResponse, lease_response
from generation.worker_api.presence import record_offer
from generation.worker_api.views import WorkerView


class LeaseView(WorkerView):
    """Lease the best waiting job."""

    @extend_schema(
        operation_id="worker_lease",
        summary="Lease a job",
        tags=["worker"],
        request=LeaseRequest,
        responses={
            200: LeaseResponse,
            204: OpenApiResponse(description="Nothing to do within wait_s."),
            **problems(403, 413, 422),
        },
    )
    def post(self, request: Request) -> Response:
        """Hold a job for the worker: 200 with everything it needs, 204 when none came within `wait_s`."""
        worker, body = worker_of(request), body_of(request, LeaseRequest)
        software = f"{body['version']} {body['worker_engine']}".strip()[:120]
        asked = body["models"]
        models_changed = asked is not None and record_models(worker=worker, models=asked)
        record_offer(
            worker,
            pools=offered_pools(worker, body["engines"], body["pools"]),
            software=software,
            device=body["device"],
            interruptible=body["interruptible"],
            withdrawn={each["pool"]: each["reason"] for each in body["withdrawn"]},
            models_changed=models_changed,
        )
        job = lease(worker=worker, engines=body["engines"], pools=body["pools"], warm=body["warm"])
        if job is None:
            return Response(status=status.HTTP_204_NO_CONTENT)
        return Response(lease_response(job, base_url=request.build_absolute_uri("/")))
