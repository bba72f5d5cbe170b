"""Jobs with their history: who leased them, when, and what came back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

from django.contrib import admin, messages
from django.contrib.admin.options import InlineModelAdmin
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest

from generation.access.principals import Principal
from generation.access.quotas import OverLimit
from generation.admin.base import ReadOnlyAdmin, operator_of
from generation.catalog.job_types import Media
from generation.core.errors import NotRetryable
from generation.jobs.actions import cancel, retry
from generation.models import Attempt, Image, Job, JobReference, JobStatus, Video

RESULT_FIELDS = ["error_code", "error_message", "started_at", "finished_at", "cleared_at", "metadata"]
SUBMISSION_FIELDS = (
    *("job_type", "prompt", "negative_prompt", "enhanced_prompt", "quantity", "seed", "aspect"),
    *("width", "height", "parameters", "review"),
)
QUEUE_FIELDS = (
    *("engine", "pool", "priority", "fair_tag", "retry_at", "elsewhere_until", "held_at", "deadline_at"),
    *(
        "leased_by",
        "lease_expires_at",
        "attempt",
        "attempts_left",
        "forgiven_leases",
        "progress",
        "stage",
        "revision",
    ),
)

Act = Callable[[Job, Principal], bool]


class ReadOnlyInline(admin.TabularInline):  # type: ignore[type-arg]
    extra = 0
    can_delete = False
    show_change_link = True

    def get_readonly_fields(self, request: HttpRequest, obj: object = None) -> list[str]:
        return list(cast("Sequence[str]", self.fields))

    def has_add_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False


class History(ReadOnlyInline):
    model = Attempt
    verbose_name_plural = "history"
    ordering = ["number"]
    fields = ["number", "worker", "leased_at", "ended_at", "outcome", "accepted", "rejected", "error_message"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Attempt]:
        return super().get_queryset(request).select_related("worker", "job")


class References(ReadOnlyInline):
    """The job's references; the images are their owner's own."""

    model = JobReference
    verbose_name_plural = "references"
    ordering = ["type"]
    fields = ["type", "strength", "reference"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[JobReference]:
        return super().get_queryset(request).select_related("reference")


class Images(ReadOnlyInline):
    model = Image
    ordering = ["image_index"]
    fields = [
        "image_index",
        "status",
        "seed",
        "width",
        "height",
        "error_code",
        "error_message",
        "completed_at",
    ]


class Videos(ReadOnlyInline):
    model = Video
    fields = ["status", "seed", "width", "height", "duration", "error_code", "error_message", "completed_at"]


@admin.register(Job)
class JobAdmin(ReadOnlyAdmin):
    list_display = ["id", "job_type", "status", "owner", "leased_by", "created_at"]
    list_filter = [
        *("status", "engine", "job_type", "leased_by", ("held_at", admin.EmptyFieldListFilter), "created_at")
    ]
    list_select_related = ["owner", "leased_by"]
    search_fields = ["prompt", "owner__username"]
    folded_field = "assets__search_text"
    search_help_text = "An id, words of the prompt, or the owner's name"
    ordering = ["-id"]
    exclude = ["lease_token", "idempotency_key", "request_digest"]
    fieldsets = [
        (None, {"fields": ["id", "owner", "project", "created_at", "status", *RESULT_FIELDS]}),
        ("Submission", {"fields": SUBMISSION_FIELDS}),
        ("Queue and lease", {"fields": QUEUE_FIELDS}),
    ]
    actions = ["cancel_jobs", "retry_jobs"]

    def get_inlines(self, request: HttpRequest, obj: Job | None) -> list[type[InlineModelAdmin[Any, Any]]]:
        sorted_references = [References] if obj and obj.sorted_references else []
        return [History, *sorted_references, Videos if obj and obj.media == Media.VIDEO else Images]

    @admin.action(description="Cancel selected jobs", permissions=["change"])
    def cancel_jobs(self, request: HttpRequest, jobs: QuerySet[Job]) -> None:
        done, left = self._each(request, jobs, _cancelled, "Cancelled.")
        self.message_user(request, f"{done} cancelled, {left} had already ended.", _level(done))

    @admin.action(description="Retry what did not complete", permissions=["change"])
    def retry_jobs(self, request: HttpRequest, jobs: QuerySet[Job]) -> None:
        done, left = self._each(request, jobs, _retried, "Queued again.")
        self.message_user(request, f"{done} queued again, {left} cannot be retried.", _level(done))

    def _each(self, request: HttpRequest, jobs: QuerySet[Job], act: Act, message: str) -> tuple[int, int]:
        """How many of the jobs took the action, and how many did not; each in a transaction of its own."""
        taken = left = 0
        for job in jobs:
            with transaction.atomic():
                if act(job, operator_of(request)):
                    self.record(request, [job], message)
                    taken += 1
                else:
                    left += 1
        return taken, left


def _cancelled(job: Job, operator: Principal) -> bool:
    was_active = job.is_active
    status = cancel(owner_id=job.owner_id, actor=operator, job_id=job.pk).status
    return status == JobStatus.CANCELLED and was_active


def _retried(job: Job, operator: Principal) -> bool:
    try:
        retry(owner_id=job.owner_id, actor=operator, job_id=job.pk)
    except (NotRetryable, OverLimit):
        return False
    return True


def _level(count: int) -> int:
    return messages.SUCCESS if count else messages.WARNING
