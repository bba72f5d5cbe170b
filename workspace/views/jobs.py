"""Actions on jobs: cancel, pause, retry, run again, save, discard and clear all results of one, and undo."""

from __future__ import annotations

import uuid

from django.http import Http404, HttpResponse
from django.urls import reverse

from generation.access.principals import principal_of
from generation.assets import review
from generation.assets.selection import posted_ids
from generation.jobs import actions as job_actions
from generation.jobs import again, order, pausing
from workspace.forms import MoveForm, is_form_key
from workspace.presenters import owned_stack
from workspace.responses import done, refused
from workspace.views.action import OwnersRequest, action
from workspace.views.undo import is_number, posted_revisions, undo_review_url, undo_url


@action
def cancel(request: OwnersRequest, job_id: uuid.UUID) -> HttpResponse:
    cancelled = job_actions.cancel(owner_id=request.user.pk, actor=principal_of(request), job_id=job_id)
    undo = undo_url("undo-cancel", [cancelled.undo] if cancelled.undo else [])
    return done(request, "Cancelled. What was finished stays.", undo=undo)


@action
def cancel_all(request: OwnersRequest) -> HttpResponse:
    cancelled = job_actions.cancel_all(owner_id=request.user.pk, actor=principal_of(request))
    if not cancelled:
        return refused(request, "Nothing is waiting or running.")
    undo = undo_url("undo-cancel", [each.undo for each in cancelled if each.undo])
    message = f"Cancelled {len(cancelled)}. What was finished stays; Try again brings the rest back."
    return done(request, message, undo=undo)


@action
def pause(request: OwnersRequest) -> HttpResponse:
    pausing.pause(owner_id=request.user.pk, actor=principal_of(request))
    return done(request, "Your queue is paused. What runs goes on; nothing else begins until you resume it.")


@action
def resume(request: OwnersRequest) -> HttpResponse:
    pausing.resume(owner_id=request.user.pk, actor=principal_of(request))
    return done(request, "Your queue goes on.")


@action
def undo_cancel(request: OwnersRequest) -> HttpResponse:
    """Of those that had not begun: the others are tried again."""
    revisions = posted_revisions(request)
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
    if slot is not None and not is_number(slot):
        raise Http404
    slots = None if slot is None else [int(slot)]
    job_actions.retry(owner_id=request.user.pk, actor=principal_of(request), job_id=job_id, slots=slots)
    return done(request, "Trying again.")


@action
def run_again(request: OwnersRequest, job_id: uuid.UUID) -> HttpResponse:
    """With `vary` in the query, with new seeds. A menu's `key` makes a press that is sent twice one job."""
    vary, key = request.GET.get("vary") == "1", request.GET.get("key", "")
    job = again.run_again(
        owner_id=request.user.pk,
        actor=principal_of(request),
        job_id=job_id,
        vary=vary,
        idempotency_key=f"{'vary' if vary else 'again'}:{key}" if is_form_key(key) else "",
    )
    message = "Queued again, with new seeds." if vary else "Queued again, with the same seed."
    return done(request, message, undo=reverse("workspace:cancel", args=[job.pk]))


@action
def move(request: OwnersRequest, job_id: uuid.UUID) -> HttpResponse:
    """`to` in the query is up, down, first or last; or `before` is another waiting job."""
    query = MoveForm(request.GET)
    if not query.is_valid():
        raise Http404
    place = order.move(owner_id=request.user.pk, actor=principal_of(request), job_id=job_id, to=query.place)
    words = f"number {place.number} of your {place.of} that wait"
    return done(request, f"{'It stays' if place.number == place.was else 'Moved:'} {words}.")


@action
def save_job(request: OwnersRequest, job_id: uuid.UUID) -> HttpResponse:
    reviewed = review.save_all(owner_id=request.user.pk, actor=principal_of(request), job_id=job_id)
    return done(request, f"Saved {len(reviewed.saved)} to the Library.", undo=undo_review_url(reviewed))


@action
def discard_job(request: OwnersRequest, job_id: uuid.UUID) -> HttpResponse:
    """What is not saved, rated or a favourite."""
    reviewed = review.discard_rest(owner_id=request.user.pk, actor=principal_of(request), job_id=job_id)
    return done(request, f"Discarded {len(reviewed.discarded)}.", undo=undo_review_url(reviewed))


@action
def clear_job(request: OwnersRequest, job_id: uuid.UUID) -> HttpResponse:
    owned_stack(request.user.pk, job_id)
    if revisions := _clear(request, [job_id]):
        undo = undo_url("undo-clear", revisions)
        return done(request, "Cleared. What was saved stays in the Library.", undo=undo)
    return refused(request, "Not cleared: it is still in work, or its results wait for your review.")


@action
def clear(request: OwnersRequest) -> HttpResponse:
    """The finished jobs that the page shows, and no others: it names them."""
    if revisions := _clear(request, posted_ids(request, "job")):
        message = f"Cleared {len(revisions)}. What was saved stays in the Library."
        return done(request, message, undo=undo_url("undo-clear", revisions))
    return refused(request, "Nothing to clear: work in progress and results under review stay.")


def _clear(request: OwnersRequest, job_ids: list[uuid.UUID]) -> list[int]:
    return job_actions.clear(owner_id=request.user.pk, actor=principal_of(request), job_ids=job_ids)


@action
def undo_clear(request: OwnersRequest) -> HttpResponse:
    back = job_actions.undo_clear(
        owner_id=request.user.pk, actor=principal_of(request), revisions=posted_revisions(request)
    )
    return done(request, f"{back} back on the Workspace." if back else "Nothing was moved.")
