"""The caller's queue as a whole: pause it, resume it."""

from __future__ import annotations

from typing import ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from generation.access.principals import principal_of
from generation.api.account_responses import Queue
from generation.changes import revisions
from generation.http.openapi import problems
from generation.http.views import ApiView, owner_of
from generation.jobs.pausing import pause, resume
from generation.models import Scope


class PauseQueue(ApiView):
    required_scopes: ClassVar = {"POST": Scope.SUBMIT}

    @extend_schema(
        operation_id="queue_pause",
        summary="Pause your queue",
        tags=["jobs"],
        request=None,
        responses={200: Queue, **problems(403)},
    )
    def post(self, request: Request) -> Response:
        """No job of yours that waits, or comes to wait, is begun until you resume. What runs goes on."""
        pause(owner_id=owner_of(request).pk, actor=principal_of(request))
        return _queue(request)


class ResumeQueue(ApiView):
    required_scopes: ClassVar = {"POST": Scope.SUBMIT}

    @extend_schema(
        operation_id="queue_resume",
        summary="Resume your queue",
        tags=["jobs"],
        request=None,
        responses={200: Queue, **problems(403)},
    )
    def post(self, request: Request) -> Response:
        """Your waiting jobs are begun again in their order, from where the queue is now."""
        resume(owner_id=owner_of(request).pk, actor=principal_of(request))
        return _queue(request)


def _queue(request: Request) -> Response:
    return Response(Queue({"paused_at": revisions.queue_paused_at(owner_of(request).pk)}).data)
