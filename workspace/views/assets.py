"""Actions on single results: save, discard, restore."""

from __future__ import annotations

import uuid

from django.http import Http404, HttpResponse

from generation.access.principals import principal_of
from generation.assets import actions as asset_actions
from generation.assets import listing as asset_listing
from generation.assets.selection import selected_ids
from workspace.responses import done
from workspace.views.action import OwnersRequest, action
from workspace.views.undo import restore_url


@action
def save(request: OwnersRequest, media: str, asset_id: uuid.UUID) -> HttpResponse:
    one = _owned(request, media, asset_id)
    asset_actions.save(owner_id=request.user.pk, actor=principal_of(request), assets=one)
    return done(request, "Saved to the Library.")


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
