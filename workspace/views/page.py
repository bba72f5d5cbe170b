"""The Workspace's page, its composer and what it asks for by itself."""

from __future__ import annotations

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from generation.access.principals import principal_of
from generation.catalog.job_types import ReferenceType
from generation.catalog.prompts import MAX_PROMPTS
from generation.changes import feed
from generation.changes.feed import StaleCursor
from generation.core.keyset import BadCursor
from generation.http.page_requests import wants_json
from generation.jobs import listing as job_listing
from generation.jobs.listing import last_seed
from generation.media.formats import CONTENT_TYPES
from generation.models import Job
from generation.queue.snapshot import Snapshot
from workspace import composer, recall
from workspace.consumers import WorkspacePage, pushed_stacks
from workspace.forecast import ForecastForm, run_times_in_words
from workspace.forecast import forecast as forecast_of
from workspace.forms import ComposerForm, new_form_key
from workspace.job_type_choice import combinations, with_times
from workspace.model_choice import choices_for, named, outlines
from workspace.models import ComposerSettings
from workspace.not_sent import not_sent
from workspace.overview import overview_of, parts_of, waiting_stacks
from workspace.presenters import stacks_by_section
from workspace.recall import Recalled
from workspace.views.action import OwnersRequest, action

EXAMPLES = (
    "a lighthouse over a stormy sea, oil painting, warm evening light",
    "a fox asleep in autumn leaves, soft morning fog, film photograph",
    "paper boats on a city canal at night, lantern reflections, watercolour",
)


@never_cache
@login_required
@require_safe
def home(request: OwnersRequest) -> HttpResponse:
    initial = composer.initial(request, request.user)
    recalled = recall.of_query(request.user.pk, request.GET, initial)
    form = ComposerForm(request.user, initial=initial | (recalled.values if recalled else {}))
    return composer_page(request, form, recalled=recalled)


def composer_page(
    request: OwnersRequest, form: ComposerForm, *, status: int = 200, recalled: Recalled | None = None
) -> HttpResponse:
    # The revision is read first: what changes after it is sent again, which is harmless; nothing is missed.
    at = feed.position(request.user.pk)
    owner_id, cursor = request.user.pk, request.GET.get("cursor", "")
    # With a `cursor` in its address, if only an empty one: from there the composer leads to the newest.
    only_to_review = request.GET.get("show") == "review"
    try:
        page = job_listing.staged_jobs(owner_id=owner_id, cursor=cursor, only_to_review=only_to_review)
    except BadCursor as bad:
        raise Http404 from bad
    snapshot = Snapshot()
    times = run_times_in_words(snapshot, form.served_model.name if form.served_model else "")
    models = choices_for(owner_id, snapshot)
    job_type = form.job_type
    context = {
        "form": form,
        "recalled": recalled,
        "new_form_key": new_form_key(),
        "combinations": combinations(),
        "models": models,
        "model": named(models, str(form["model"].value() or "")),
        "has_model_choice": any(each.makes(job_type) for each in models),
        "model_outlines": outlines(models),
        "times": times,
        "media_choices": with_times(form, "media", times),
        "quality_choices": with_times(form, "quality", times),
        "enter_sends": ComposerSettings.objects.filter(pk=owner_id, enter_sends=True).exists(),
        "most_prompts": MAX_PROMPTS,
        "last_seed": last_seed(owner_id=owner_id),
        **stacks_by_section(page.jobs),
        "overview": overview_of(owner_id, shown=len(page.waiting)),
        "is_first": not cursor and not only_to_review,
        "only_to_review": only_to_review,
        "revision": at.revision,
        "epoch": at.epoch,
        "now": timezone.now(),
        "cursor": cursor,
        "next_cursor": page.next_cursor,
        "examples": EXAMPLES,
        "reference_types": ReferenceType,
        "picture_types": ",".join(CONTENT_TYPES["image"]),
        "picture_bytes": settings.MAX_REFERENCE_BYTES,
    }
    return render(request, "workspace/home.html", context, status=status)


@never_cache
@require_POST
def submit(request: HttpRequest) -> HttpResponse:
    # A redirect to the sign-in page would lose what was typed.
    return _submit(request) if request.user.is_authenticated else not_sent(request)


@action
def _submit(request: OwnersRequest) -> HttpResponse:
    form = ComposerForm(request.user, request.POST)
    jobs = composer.submit_form(request.user, principal_of(request), form) if form.is_valid() else []
    if not jobs:
        if wants_json(request):
            return JsonResponse({"ok": False, "errors": form.errors}, status=422)
        return composer_page(request, form, status=422)
    composer.remember(request, form, jobs[0])
    if wants_json(request):
        return JsonResponse(_submitted(request.user.pk, form, jobs))
    if len(jobs) > 1:
        messages.success(request, f"Made {len(jobs)} jobs.")
    return redirect("workspace:home")


def _submitted(owner_id: int, form: ComposerForm, jobs: list[Job]) -> dict[str, object]:
    """The page shows the jobs by this answer, with or without a socket, and what stands above them."""
    waiting = waiting_stacks(owner_id)
    answer: dict[str, object] = {
        "ok": True,
        "jobs": [str(job.pk) for job in jobs],
        "key": new_form_key(),
        "stacks": pushed_stacks(owner_id, [job.pk for job in jobs], waiting),
        "parts": parts_of(owner_id, waiting),
        "seed": last_seed(owner_id=owner_id),
    }
    if form.cleaned_data["new_project"]:
        answer["project"] = {"id": str(jobs[0].project_id), "name": jobs[0].project.name}
    return answer


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def forecast(request: OwnersRequest) -> HttpResponse:
    """How long a job would wait and run if it was submitted now, for the composer to say before that.

    By POST with a prompt, which belongs in no address: that says how many jobs it makes. Nothing changes.
    """
    form = ForecastForm(request.POST if request.method == "POST" else request.GET)
    if not form.is_valid():
        return JsonResponse({"ok": False, "errors": form.errors}, status=422)
    return JsonResponse(forecast_of(request.user.pk, form))


@never_cache
@login_required
@require_safe
def changes(request: OwnersRequest) -> HttpResponse:
    """What the socket would say to a page at the revision `after`, for a page without one."""
    if request.GET.get("user") != str(request.user.pk):  # a page of somebody who was signed in here before
        return JsonResponse({"type": "reload"})
    try:
        update = WorkspacePage(request.user.pk).update(int(request.GET.get("after", "")))
    except ValueError as malformed:
        raise Http404 from malformed
    except StaleCursor:
        return JsonResponse({"type": "reload"})
    return HttpResponse(update.text, content_type="application/json")
