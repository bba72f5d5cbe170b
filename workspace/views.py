"""The Workspace over HTTP. Each view acts on the caller's own rows alone and works without a script."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from generation.access.principals import principal_of
from generation.assets import actions as asset_actions
from generation.assets import listing as asset_listing
from generation.assets.selection import as_query, posted_ids, selected_ids
from generation.catalog.job_types import ReferenceType
from generation.changes import feed
from generation.changes.feed import StaleCursor
from generation.core.errors import DomainError, JobNotFound
from generation.core.keyset import BadCursor
from generation.jobs import actions as job_actions
from generation.jobs import listing as job_listing
from generation.media.formats import CONTENT_TYPES
from generation.queue import estimates
from workspace import composer
from workspace.consumers import WorkspacePage, pushed_stack
from workspace.estimates import forecast_in_words
from workspace.forms import ComposerForm, ForecastForm, new_form_key
from workspace.job_type_choice import combinations
from workspace.not_sent import not_sent
from workspace.overview import overview_of, parts_of, waiting_stacks
from workspace.presenters import owned_stack, stacks_by_section, staged_stack
from workspace.responses import done, refused, wants_json

EXAMPLES = (
    "a lighthouse over a stormy sea, oil painting, warm evening light",
    "a fox asleep in autumn leaves, soft morning fog, film photograph",
    "paper boats on a city canal at night, lantern reflections, watercolour",
)
MAX_DIGITS = 18  # of a number in an address: any more would not fit a column
P = ParamSpec("P")


class OwnersRequest(HttpRequest):
    """A request behind `login_required`, for the type checker."""

    user: User


def action(view: Callable[Concatenate[OwnersRequest, P], HttpResponse]) -> Callable[..., HttpResponse]:
    """A POST of a signed-in owner; what is not theirs does not exist."""

    @wraps(view)
    def checked(request: OwnersRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        try:
            return view(request, *args, **kwargs)
        except JobNotFound as missing:
            raise Http404 from missing
        except DomainError as refusal:
            return refused(request, refusal.message)

    return never_cache(login_required(require_POST(checked)))


@never_cache
@login_required
@require_safe
def home(request: OwnersRequest) -> HttpResponse:
    return _page(request, ComposerForm(request.user, initial=composer.initial(request, request.user)))


def _page(request: OwnersRequest, form: ComposerForm, *, status: int = 200) -> HttpResponse:
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
        "new_form_key": new_form_key(),
        "combinations": combinations(),
        **stacks_by_section(page.jobs),
        "overview": overview_of(owner_id, shown=len(page.waiting)),
        "is_first": not cursor and not only_to_review,
        "only_to_review": only_to_review,
        "revision": at.revision,
        "epoch": at.epoch,
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
        return _page(request, form, status=422)
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
    return JsonResponse({"ok": True, "served": expected.served, "text": forecast_in_words(expected)})


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


@action
def cancel(request: OwnersRequest, job_id: uuid.UUID) -> HttpResponse:
    cancelled = job_actions.cancel(owner_id=request.user.pk, actor=principal_of(request), job_id=job_id)
    undo = _undo_url("undo-cancel", [cancelled.undo] if cancelled.undo else [])
    return done(request, "Cancelled. What was finished stays.", undo=undo)


@action
def cancel_all(request: OwnersRequest) -> HttpResponse:
    cancelled = job_actions.cancel_all(owner_id=request.user.pk, actor=principal_of(request))
    if not cancelled:
        return refused(request, "Nothing is waiting or running.")
    undo = _undo_url("undo-cancel", [each.undo for each in cancelled if each.undo])
    message = f"Cancelled {len(cancelled)}. What was finished stays; Try again brings the rest back."
    return done(request, message, undo=undo)


@action
def undo_cancel(request: OwnersRequest) -> HttpResponse:
    """Of those that had not begun: the others are tried again."""
    revisions = _revisions(request)
    back = job_actions.undo_cancel(owner_id=request.user.pk, actor=principal_of(request), revisions=revisions)
    if not back:
        return refused(request, "It is too late to undo that. Try again starts them anew.")
    if back < len(revisions):
        return done(request, f"{back} of {len(revisions)} wait again. Try again starts the others anew.")
    return done(request, f"{back} wait again." if back > 1 else "It waits again.")


@action
def retry(request: OwnersRequest, job_id: uuid.UUID) -> HttpResponse:
    """All that did not complete; with `slot` in the query, that one alone."""
    slot = request.GET.get("slot")
    if slot is not None and not _is_number(slot):
        raise Http404
    slots = None if slot is None else [int(slot)]
    job_actions.retry(owner_id=request.user.pk, actor=principal_of(request), job_id=job_id, slots=slots)
    return done(request, "Trying again.")


@action
def save_job(request: OwnersRequest, job_id: uuid.UUID) -> HttpResponse:
    waiting = owned_stack(request.user.pk, job_id).to_review
    moved = asset_actions.save(owner_id=request.user.pk, actor=principal_of(request), assets=waiting)
    return done(request, f"Saved {moved} to the Library.")


@action
def discard_job(request: OwnersRequest, job_id: uuid.UUID) -> HttpResponse:
    waiting = owned_stack(request.user.pk, job_id).to_review
    moved = asset_actions.discard(owner_id=request.user.pk, actor=principal_of(request), assets=waiting)
    return done(request, f"Discarded {moved}.", undo=_restore_url(waiting) if moved else "")


@action
def clear_job(request: OwnersRequest, job_id: uuid.UUID) -> HttpResponse:
    owned_stack(request.user.pk, job_id)
    if revisions := _clear(request, [job_id]):
        undo = _undo_url("undo-clear", revisions)
        return done(request, "Cleared. What was saved stays in the Library.", undo=undo)
    return refused(request, "Not cleared: it is still in work, or its results wait for your review.")


@action
def clear(request: OwnersRequest) -> HttpResponse:
    """The finished jobs that the page shows, and no others: it names them."""
    if revisions := _clear(request, posted_ids(request, "job")):
        message = f"Cleared {len(revisions)}. What was saved stays in the Library."
        return done(request, message, undo=_undo_url("undo-clear", revisions))
    return refused(request, "Nothing to clear: work in progress and results under review stay.")


def _clear(request: OwnersRequest, job_ids: list[uuid.UUID]) -> list[int]:
    return job_actions.clear(owner_id=request.user.pk, actor=principal_of(request), job_ids=job_ids)


@action
def undo_clear(request: OwnersRequest) -> HttpResponse:
    back = job_actions.undo_clear(
        owner_id=request.user.pk, actor=principal_of(request), revisions=_revisions(request)
    )
    return done(request, f"{back} back on the Workspace." if back else "Nothing was moved.")


@action
def save(request: OwnersRequest, media: str, asset_id: uuid.UUID) -> HttpResponse:
    one = _owned(request, media, asset_id)
    asset_actions.save(owner_id=request.user.pk, actor=principal_of(request), assets=one)
    return done(request, "Saved to the Library.")


@action
def discard(request: OwnersRequest, media: str, asset_id: uuid.UUID) -> HttpResponse:
    one = _owned(request, media, asset_id)
    asset_actions.discard(owner_id=request.user.pk, actor=principal_of(request), assets=one)
    return done(request, "Discarded.", undo=_restore_url(one))


@action
def restore(request: OwnersRequest, media: str, asset_id: uuid.UUID) -> HttpResponse:
    return _restore(request, _owned(request, media, asset_id))


@action
def restore_many(request: OwnersRequest) -> HttpResponse:
    """Undo of a discard: the ids are in the query, so that a plain button can carry them."""
    return _restore(request, selected_ids(request))


def _restore(request: OwnersRequest, assets: list[uuid.UUID]) -> HttpResponse:
    moved = asset_actions.restore(owner_id=request.user.pk, actor=principal_of(request), assets=assets)
    if not moved:
        return done(request, "Nothing was moved.")
    return done(request, f"Restored {moved}." if moved > 1 else "Restored.")


def _owned(request: OwnersRequest, media: str, asset_id: uuid.UUID) -> list[uuid.UUID]:
    """That one asset. Raises Http404 when it is not the caller's."""
    if asset_listing.find_asset(owner_id=request.user.pk, media=media, asset_id=asset_id) is None:
        raise Http404
    return [asset_id]


def _undo_url(name: str, revisions: list[int]) -> str:
    """Where to POST to undo what gave rows these revisions; empty if there is nothing to undo."""
    listed = ",".join(map(str, revisions))
    return f"{reverse(f'workspace:{name}')}?revisions={listed}" if listed else ""


def _revisions(request: HttpRequest) -> list[int]:
    """Those of `_undo_url`; malformed ones are left out."""
    return [int(text) for text in request.GET.get("revisions", "").split(",") if _is_number(text)]


def _is_number(text: str) -> bool:
    return text.isdecimal() and len(text) <= MAX_DIGITS


def _restore_url(asset_ids: list[uuid.UUID]) -> str:
    """Where to POST to bring these back from the trash."""
    return f"{reverse('workspace:restore-many')}?{as_query(asset_ids)}"
