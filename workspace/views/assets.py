"""Actions on single results: save, keep as the best, discard, restore; and taking a review back."""

from __future__ import annotations

import uuid

from django.http import Http404, HttpResponse

from generation.access.principals import principal_of
from generation.assets import actions as asset_actions
from generation.assets import listing as asset_listing
from generation.assets import review
from generation.assets.selection import selected_ids
from workspace.responses import done, refused
from workspace.views.action import OwnersRequest, action
from workspace.views.undo import posted_review, restore_url, undo_review_url


@action
def save(request: OwnersRequest, media: str, asset_id: uuid.UUID) -> HttpResponse:
    one = _owned(request, media, asset_id)
    reviewed = review.save(owner_id=request.user.pk, actor=principal_of(request), assets=one)
    return done(request, "Saved to the Library.", undo=undo_review_url(reviewed))


@action
def keep(request: OwnersRequest, media: str, asset_id: uuid.UUID) -> HttpResponse:
    """Keep this, discard the rest."""
    _owned(request, media, asset_id)
    reviewed = review.keep(owner_id=request.user.pk, actor=principal_of(request), asset_id=asset_id)
    if not reviewed:
        return refused(request, "There is nothing else to discard: what you rated or saved stays.")
    message = (
        f"Kept it, discarded {len(reviewed.discarded)}." if reviewed.discarded else "Saved to the Library."
    )
    return done(request, message, undo=undo_review_url(reviewed))


@action
def undo_review(request: OwnersRequest) -> HttpResponse:
    reviewed = posted_review(request)
    back = review.undo(owner_id=request.user.pk, actor=principal_of(request), reviewed=reviewed)
    if not back:
        return refused(request, "It has changed since, so nothing was undone.")
    if left := len(reviewed.saved) + len(reviewed.discarded) - back:
        return done(request, f"{back} as before; {left} changed since and stay{'s' if left == 1 else ''} so.")
    return done(request, "As it was before.")


@action
def discard(request: OwnersRequest, media: str, asset_id: uuid.UUID) -> HttpResponse:
    one = _owned(request, media, asset_id)
    asset_actions.discard(owner_id=request.user.pk, actor=principal_of(request), assets=one)
    return done(request, "Discarded.", undo=restore_url(one))


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
