"""Jobs: submit, list, read, cancel, retry, run again."""

from __future__ import annotations

import re
import uuid
from typing import ClassVar

from django.http import HttpResponseBase
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from generation.access.principals import principal_of
from generation.api.documentation import INVALID
from generation.api.pages import Item, bounded_page
from generation.api.requests import SUBMISSIONS, MoveJobBody, Paging, RetryBody, RunAgainBody, SubmissionBody
from generation.api.responses import Cancelled, JobPage, JobResponse
from generation.core.errors import JobNotFound
from generation.core.limits import IDEMPOTENCY_KEY_LENGTH
from generation.http.conditional import not_modified, version_tag
from generation.http.openapi import problems
from generation.http.views import ApiView, body_of, owner_of, query_of
from generation.jobs import listing as job_listing
from generation.jobs.actions import cancel, cancel_all, retry
from generation.jobs.again import run_again
from generation.jobs.order import move
from generation.jobs.submit import submit
from generation.models import Scope
from generation.queue.estimates import queue_positions
from generation.queue.reordering import Place

IDEMPOTENCY_KEY = re.compile(rf"[\x21-\x7e]{{1,{IDEMPOTENCY_KEY_LENGTH}}}")
KEY_HEADER = OpenApiParameter(
    "Idempotency-Key",
    location=OpenApiParameter.HEADER,
    description="Repeat a submission safely: the same key and body answer with the same job.",
)


def key_of(request: Request) -> str:
    """The Idempotency-Key, empty when none was sent."""
    key = request.headers.get("Idempotency-Key")
    if key is None or IDEMPOTENCY_KEY.fullmatch(key):
        return key or ""
    raise ValidationError({"Idempotency-Key": [f"1 to {IDEMPOTENCY_KEY_LENGTH} visible ASCII characters."]})


def job_response(request: Request, job_id: uuid.UUID) -> Response:
    """The job with all its records as they are now."""
    jobs = job_listing.jobs_with_slots(owner_id=owner_of(request).pk, job_ids=[job_id])
    if not jobs:
        raise JobNotFound
    return Response(JobResponse(jobs[0], context={"queue_positions": queue_positions(jobs)}).data)


class Jobs(ApiView):
    required_scopes: ClassVar = {"GET": Scope.READ, "POST": Scope.SUBMIT}

    @extend_schema(
        operation_id="jobs_list",
        summary="List jobs",
        tags=["jobs"],
        parameters=[Paging],
        responses={200: JobPage, **problems(422)},
    )
    def get(self, request: Request) -> HttpResponseBase:
        """Your jobs, newest first, each with its records."""
        query, owner_id = query_of(request, Paging), owner_of(request).pk
        versions = job_listing.versions(owner_id=owner_id, **query)
        tag = version_tag(request, versions) if versions is not None else ""
        if tag and (unchanged := not_modified(request, tag)):
            return unchanged

        def read(cursor: str, limit: int) -> tuple[list[Item], str]:
            page = job_listing.all_jobs(owner_id=owner_id, cursor=cursor, limit=limit)
            serializer = JobResponse(context={"queue_positions": queue_positions(page.jobs)})
            return [
                Item(serializer.to_representation(job), str(job.pk)) for job in page.jobs
            ], page.next_cursor

        jobs, next_cursor = bounded_page(read, **query)
        answer = {"jobs": jobs, "next_cursor": next_cursor}
        return Response(answer, headers={"ETag": tag} if tag else None)

    @extend_schema(
        operation_id="jobs_submit",
        summary="Submit a job",
        tags=["jobs"],
        parameters=[KEY_HEADER],
        request=SubmissionBody,
        responses={201: JobResponse, **problems(403, 413, 415, 422, 429)},
        examples=[*SUBMISSIONS, INVALID],
    )
    def post(self, request: Request) -> Response:
        """Submit a job. The answer holds one record for each expected result, to be followed from now on."""
        body = SubmissionBody(data=request.data)
        body.is_valid(raise_exception=True)
        job = submit(
            owner_id=owner_of(request).pk,
            actor=principal_of(request),
            submission=body.to_submission(),
            idempotency_key=key_of(request),
        )
        answer = job_response(request, job.pk)
        answer.status_code = 201
        return answer


class JobDetail(ApiView):
    required_scopes: ClassVar = {"GET": Scope.READ}

    @extend_schema(
        operation_id="jobs_read",
        summary="Read a job",
        tags=["jobs"],
        responses={200: JobResponse, **problems(404)},
    )
    def get(self, request: Request, job_id: uuid.UUID) -> Response:
        """One job with all its records."""
        return job_response(request, job_id)


class CancelJob(ApiView):
    required_scopes: ClassVar = {"POST": Scope.SUBMIT}

    @extend_schema(
        operation_id="jobs_cancel",
        summary="Cancel a job",
        tags=["jobs"],
        request=None,
        responses={200: JobResponse, **problems(403, 404)},
    )
    def post(self, request: Request, job_id: uuid.UUID) -> Response:
        """Stop a job. Completed results stay; a job that has ended is left as it is."""
        cancel(owner_id=owner_of(request).pk, actor=principal_of(request), job_id=job_id)
        return job_response(request, job_id)


class CancelAll(ApiView):
    required_scopes: ClassVar = {"POST": Scope.SUBMIT}

    @extend_schema(
        operation_id="jobs_cancel_all",
        summary="Cancel all jobs",
        tags=["jobs"],
        request=None,
        responses={200: Cancelled, **problems(403)},
    )
    def post(self, request: Request) -> Response:
        """Stop all your waiting and running jobs, at most 500 in one call. Completed results stay."""
        cancelled = cancel_all(owner_id=owner_of(request).pk, actor=principal_of(request))
        return Response(Cancelled({"cancelled": len(cancelled)}).data)


class RunAgain(ApiView):
    required_scopes: ClassVar = {"POST": Scope.SUBMIT}

    @extend_schema(
        operation_id="jobs_run_again",
        summary="Run a job again",
        tags=["jobs"],
        parameters=[KEY_HEADER],
        request=RunAgainBody,
        responses={201: JobResponse, **problems(403, 404, 409, 422, 429)},
    )
    def post(self, request: Request, job_id: uuid.UUID) -> Response:
        """Submit a new job like this one: with its seeds, or with new ones."""
        job = run_again(
            owner_id=owner_of(request).pk,
            actor=principal_of(request),
            job_id=job_id,
            idempotency_key=key_of(request),
            **body_of(request, RunAgainBody),
        )
        answer = job_response(request, job.pk)
        answer.status_code = 201
        return answer


class MoveJob(ApiView):
    required_scopes: ClassVar = {"POST": Scope.SUBMIT}

    @extend_schema(
        operation_id="jobs_move",
        summary="Move a waiting job",
        tags=["jobs"],
        request=MoveJobBody,
        responses={200: JobResponse, **problems(403, 404, 409, 422)},
    )
    def post(self, request: Request, job_id: uuid.UUID) -> Response:
        """Let a waiting job change places with others of yours; other people's keep theirs."""
        body = body_of(request, MoveJobBody)
        to = Place(body["to"]) if body["to"] else body["before"]
        move(owner_id=owner_of(request).pk, actor=principal_of(request), job_id=job_id, to=to)
        return job_response(request, job_id)


class RetryJob(ApiView):
    required_scopes: ClassVar = {"POST": Scope.SUBMIT}

    @extend_schema(
        operation_id="jobs_retry",
        summary="Retry what did not complete",
        tags=["jobs"],
        request=RetryBody,
        responses={200: JobResponse, **problems(403, 404, 409, 422, 429)},
    )
    def post(self, request: Request, job_id: uuid.UUID) -> Response:
        """Queue the slots that did not complete again, or some of them; completed ones are not touched."""
        body = RetryBody(data=request.data)
        body.is_valid(raise_exception=True)
        retry(
            owner_id=owner_of(request).pk, actor=principal_of(request), job_id=job_id, **body.validated_data
        )
        return job_response(request, job_id)
