"""The Workspace's page, its composer and what it asks for by itself."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from generation.access.principals import principal_of
from generation.catalog.job_types import ReferenceType
from generation.changes import feed
from generation.changes.feed import StaleCursor
from generation.core.keyset import BadCursor
from generation.jobs import listing as job_listing
from generation.media.formats import CONTENT_TYPES
from generation.queue import estimates
from workspace import composer, recall
from workspace.consumers import WorkspacePage, pushed_stack
from workspace.estimates import forecast_in_words
from workspace.forms import ComposerForm, ForecastForm, new_form_key
from workspace.job_type_choice import combinations
from workspace.not_sent import not_sent
from workspace.overview import overview_of, parts_of, waiting_stacks
from workspace.presenters import stacks_by_section, staged_stack
from workspace.recall import Recalled
from workspace.responses import wants_json
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
    return workspace_page(request, form, recalled=recalled)


def workspace_page(
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
    context = {
        "form": form,
        "recalled": recalled,
        "new_form_key": new_form_key(),
        "combinations": combinations(),
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
    job = composer.submit_form(request.user, principal_of(request), form) if form.is_valid() else None
    if job is None:
        if wants_json(request):
            return JsonResponse({"ok": False, "errors": form.errors}, status=422)
        return workspace_page(request, form, status=422)
    composer.remember(request, form, job)
    if wants_json(request):
        answer: dict[str, object] = {"ok": True, "job": str(job.pk), "key": new_form_key()}
        # The page shows the job by this answer, with or without a socket, and what stands above it.
        answer["stack"] = pushed_stack(staged_stack(request.user.pk, job.pk))
        answer["parts"] = parts_of(request.user.pk, waiting_stacks(request.user.pk))
        if form.cleaned_data["new_project"]:
            answer["project"] = {"id": str(job.project_id), "name": job.project.name}
        return JsonResponse(answer)
    return redirect("workspace:home")


@never_cache
@login_required
@require_safe
def forecast(request: OwnersRequest) -> HttpResponse:
    """How long a job would wait and run if it was submitted now, for the composer to say before that."""
    form = ForecastForm(request.GET)
    if not form.is_valid():
        return JsonResponse({"ok": False, "errors": form.errors}, status=422)
    expected = estimates.forecast(owner_id=request.user.pk, **form.job)
    text = forecast_in_words(expected, within=form.cleaned_data["within"] or 0)
    return JsonResponse({"ok": True, "served": expected.served, "text": text})


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
