"""Workers: register, watch, drain, disable, and rotate their tokens."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.humanize.templatetags.humanize import naturaltime
from django.db import transaction
from django.db.models import Count, OuterRef, Prefetch, Q, QuerySet, Subquery, Sum
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html_join
from django.utils.safestring import mark_safe

from generation.access.fresh_sign_in import redirect_to_confirm
from generation.access.tokens import TokenExists, issue_worker_token, revoke
from generation.admin.base import ReadOnlyAdmin, SearchById, operator_of
from generation.admin.jobs import ReadOnlyInline
from generation.admin.people import TokenAdmin
from generation.catalog.job_types import JOB_TYPES, POOLS, Engine, pool_and_model
from generation.core.ids import new_id
from generation.core.limits import NAME_LENGTH
from generation.http.form_fields import PlainLineField
from generation.models import Attempt, Job, JobStatus, Outcome, Worker, WorkerSpeed, WorkerToken

NEW_LINE = mark_safe("<br>")


class WorkerForm(forms.ModelForm):  # type: ignore[type-arg]
    name = PlainLineField(max_length=NAME_LENGTH)
    engines = forms.MultipleChoiceField(
        choices=Engine.choices,
        widget=forms.CheckboxSelectMultiple,
        required=False,
        help_text="The queues it may serve.",
    )

    class Meta:
        model = Worker
        fields = ["name", "engines", "embeds", "fallback", "enabled", "draining"]

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if not cleaned.get("engines") and not cleaned.get("embeds"):
            raise forms.ValidationError("It may serve an engine, or embed, or both.")
        return cleaned


class Tokens(ReadOnlyInline):
    model = WorkerToken
    ordering = ["-id"]
    fields = ["hint", "created_at", "expires_at", "last_used_at", "last_used_from", "revoked_at"]


class WorkerSpeeds(ReadOnlyInline):
    model = WorkerSpeed
    ordering = ["job_type", "model"]
    fields = ["job_type", "model", "seconds", "samples", "benchmark"]


@admin.register(Worker)
class WorkerAdmin(SearchById):
    form = WorkerForm
    list_display = [
        "name",
        "state",
        "withdrawn",
        "queues",
        "seen",
        "current_job",
        "today",
        "offers",
        "runs_on",
    ]
    search_fields = ["name", "device", "software"]
    ordering = ["name"]
    readonly_fields = [
        *(
            "id",
            "last_seen_at",
            "joined_at",
            "current_job",
            "today",
            "offers",
            "withdrawn",
            "software",
            "device",
        ),
        *("interruptible", "enrolment", "benchmarked_at", "benchmarked_with", "created_at"),
    ]
    inlines = [Tokens, WorkerSpeeds]
    actions = ["rotate_token", "revoke_older_tokens", "enable", "disable", "drain", "take_jobs_again"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Worker]:
        """With all that the columns say, in a number of queries that does not grow with the workers."""
        running = Job.objects.filter(status=JobStatus.PROCESSING).order_by("id")
        speeds = WorkerSpeed.objects.order_by("job_type", "model")
        workers: QuerySet[Worker] = super().get_queryset(request).annotate(**_today())
        return workers.prefetch_related(
            Prefetch("jobs", running, to_attr="running"), Prefetch("speeds", speeds, to_attr="measured")
        )

    def has_delete_permission(self, request: HttpRequest, obj: Worker | None = None) -> bool:
        """Its attempts are the jobs' history; a worker that is gone is disabled."""
        return False

    @admin.display(description="current job")
    def current_job(self, worker: Worker) -> str:
        running: list[Job] = getattr(worker, "running", [])
        return format_html_join(NEW_LINE, '<a href="{}">{}</a> {} %', map(_in_hand, running)) or "none"

    @admin.display(description="state", ordering="enabled")
    def state(self, worker: Worker) -> str:
        if not worker.enabled:
            return "disabled"
        if worker.draining:
            return "draining"
        return "fallback" if worker.fallback else "enabled"

    @admin.display(description="withdrawn for its own faults")
    def withdrawn(self, worker: Worker) -> str:
        """Each pool that it does not offer for now on a line, with why and since when."""
        return format_html_join(NEW_LINE, "{}", map(_withdrawn_line, worker.degraded.items()))

    @admin.display(description="engines")
    def queues(self, worker: Worker) -> str:
        return ", ".join([*worker.engines, *(["embeddings"] if worker.embeds else [])])

    @admin.display(description="last seen", ordering="last_seen_at")
    def seen(self, worker: Worker) -> str:
        return naturaltime(worker.last_seen_at) if worker.last_seen_at else "never"

    @admin.display(description="device, version")
    def runs_on(self, worker: Worker) -> str:
        return ", ".join(filter(None, (worker.device, worker.software))) or "not said"

    @admin.display(description="today")
    def today(self, worker: Worker) -> str:
        """What came of the leases that ended since midnight and of the one that runs."""
        done, failed, lost = (getattr(worker, name, None) or 0 for name in ("done", "failed", "lost"))
        parts = [f"{done} done", f"{failed} failed"]
        return ", ".join([*parts, f"{lost} leases lost"] if lost else parts)

    @admin.display(description="job types, mean seconds for one result")
    def offers(self, worker: Worker) -> str:
        """What it offered when it last asked for work or was measured at, each job type on a line.

        A job type with a model stands on a line of its own.
        """
        speed_of = {
            JOB_TYPES[speed.job_type].pool(model=speed.model): _in_words(speed)
            for speed in getattr(worker, "measured", [])
        }
        pools = [pool_and_model(pool) for pool in worker.pools]
        kinds = [POOLS[plain].pool(model=model) for plain, model in pools if plain in POOLS]
        lines = [f"{name} {speed_of.get(name, '')}".rstrip() for name in dict.fromkeys([*kinds, *speed_of])]
        if extras := sorted({extra for plain, _ in pools for extra in plain.split("+")[1:]}):
            lines.append(f"with {', '.join(extras)}")
        return format_html_join(NEW_LINE, "{}", ((line,) for line in lines)) or "nothing yet"

    def save_model(self, request: HttpRequest, obj: Worker, form: Any, change: bool) -> None:  # noqa: FBT001 # Django's
        """Of a worker that is there only what the form has: the worker writes the rest at any moment."""
        obj.save(update_fields=WorkerForm.Meta.fields if change else None)

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Asks who it is: the new worker's token would outlive a stolen session."""
        return redirect_to_confirm(request) or super().add_view(request, form_url, extra_context)

    def response_add(self, request: HttpRequest, obj: Worker, post_url_continue: str | None = None) -> Any:
        """A new worker's token is shown in the answer itself, and never again."""
        token = issue_worker_token(worker=obj, actor=operator_of(request))
        return self._tokens_page(request, shown=[(obj, token)])

    @admin.action(description="Rotate token: issue a second one beside the old", permissions=["change"])
    def rotate_token(self, request: HttpRequest, workers: QuerySet[Worker]) -> HttpResponse | None:
        """Asks first: the form that asks names the new tokens' ids, so that a reload issues no others."""
        if asked := redirect_to_confirm(request):
            return asked
        if "confirmed" not in request.POST:
            return self._tokens_page(request, workers=[(worker, new_id()) for worker in workers])
        try:
            with transaction.atomic():
                shown = [(worker, self._issue(request, worker)) for worker in workers]
                self.record(request, workers, "Token rotated.")
        except (TokenExists, ValueError):
            self.message_user(request, "These tokens were issued before; nothing was done.", messages.ERROR)
            return None
        return self._tokens_page(request, shown=shown)

    def _issue(self, request: HttpRequest, worker: Worker) -> str:
        token_id = uuid.UUID(request.POST.get(f"token_{worker.pk}", ""))
        return issue_worker_token(worker=worker, actor=operator_of(request), token_id=token_id)

    def _tokens_page(self, request: HttpRequest, **context: Any) -> HttpResponse:
        page = self.admin_site.each_context(request) | {"title": "Tokens", "opts": self.opts} | context
        return TemplateResponse(request, "generation/worker_tokens.html", page)

    @admin.action(description="Revoke all tokens but the newest", permissions=["change"])
    def revoke_older_tokens(self, request: HttpRequest, workers: QuerySet[Worker]) -> None:
        of_these = WorkerToken.objects.filter(worker__in=list(workers), revoked_at=None)
        live = of_these.order_by("created_at", "id")
        newest = {token.worker_id: token.pk for token in live}
        with transaction.atomic():
            revoked = revoke(live.exclude(pk__in=newest.values()), actor=operator_of(request))
            of_whom = {token.worker_id for token in revoked}
            changed = [worker for worker in workers if worker.pk in of_whom]
            self.record(request, changed, "Older tokens revoked.")
        self.message_user(request, f"{len(revoked)} tokens revoked.")

    @admin.action(description="Enable selected workers", permissions=["change"])
    def enable(self, request: HttpRequest, workers: QuerySet[Worker]) -> None:
        count = self._switch(request, workers, "enabled", enabled=True)
        self.message_user(request, f"{count} enabled.")

    @admin.action(description="Disable selected workers: refuse every call", permissions=["change"])
    def disable(self, request: HttpRequest, workers: QuerySet[Worker]) -> None:
        count = self._switch(request, workers, "disabled", enabled=False)
        self.message_user(request, f"{count} disabled; a job in hand goes to another when its lease ends.")

    @admin.action(description="Drain: finish the job in hand, take no new one", permissions=["change"])
    def drain(self, request: HttpRequest, workers: QuerySet[Worker]) -> None:
        count = self._switch(request, workers, "drained", draining=True)
        self.message_user(request, f"{count} draining.")

    @admin.action(description="Stop draining", permissions=["change"])
    def take_jobs_again(self, request: HttpRequest, workers: QuerySet[Worker]) -> None:
        count = self._switch(request, workers, "undrained", draining=False)
        self.message_user(request, f"{count} take jobs again.")

    @transaction.atomic
    def _switch(self, request: HttpRequest, workers: QuerySet[Worker], event: str, **flag: bool) -> int:
        chosen = list(workers)
        Worker.objects.filter(pk__in=[worker.pk for worker in chosen]).update(**flag)
        for worker in chosen:
            self.audit(request, event, worker)
        self.record(request, chosen, f"{event.capitalize()}.")
        return len(chosen)


def _in_hand(job: Job) -> tuple[str, str, int]:
    return reverse("admin:generation_job_change", args=[job.pk]), job.job_type, job.progress


def _withdrawn_line(told: tuple[str, dict[str, str]]) -> tuple[str]:
    pool, why = told
    since = date_format(timezone.localtime(datetime.fromisoformat(why["since"])), "DATETIME_FORMAT")
    return (f"{pool}: {why['reason'] or 'no reason given'} (since {since})",)


def _in_words(speed: WorkerSpeed) -> str:
    return f"{speed.seconds:.1f} s" + ("" if speed.samples else " (benchmark)")


def _today() -> dict[str, Subquery]:
    """What each worker's leases that ended since midnight (TIME_ZONE), and the one that runs, came to."""
    midnight = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    of_today = Q(ended_at__gte=midnight) | Q(ended_at=None)
    leases = Attempt.objects.filter(of_today, worker=OuterRef("pk")).order_by().values("worker")
    sums = {
        "done": Sum("accepted"),
        "failed": Sum("rejected"),
        "lost": Count("pk", filter=Q(outcome=Outcome.EXPIRED)),
    }
    return {name: Subquery(leases.annotate(all=total).values("all")) for name, total in sums.items()}


@admin.register(WorkerToken)
class WorkerTokenAdmin(TokenAdmin):
    list_display = ["hint", "worker", "created_at", "expires_at", "last_used", "revoked_at"]
    list_select_related = ["worker"]
    search_fields = ["worker__name", "hint"]


@admin.register(Attempt)
class AttemptAdmin(ReadOnlyAdmin):
    list_display = ["job", "number", "worker", "leased_at", "ended_at", "outcome", "accepted", "rejected"]
    list_filter = ["outcome", "worker", "leased_at"]
    list_select_related = ["job", "worker"]
    search_fields = ["worker__name", "error_message"]
    id_fields = ["job_id", "worker_id"]
    ordering = ["-id"]
