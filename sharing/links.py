"""Share links: made, ended and brought back by their owner, followed by anybody."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import timedelta

from django.core.signing import BadSignature, Signer
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from generation.assets import groupings, listing
from generation.assets.filters import AssetFilter
from generation.assets.groupings import COLLECTIONS
from generation.changes import revisions
from generation.core import audit_log
from generation.core.actors import Actor
from generation.core.clock import Now
from generation.core.errors import DomainError, NotFound
from generation.models import Asset
from sharing.models import ShareLink

MAX_OF_OWNER = 500  # that have not ended
DAYS = (1, 7, 30, 90, 365)
UNDO_MINUTES = 10
ENDED_DAYS = 90  # that an ended link is still listed, with its number of views
PAGE = 60
_signer = Signer(salt="sharing.ShareLink", sep=".")


class BadShare(DomainError):
    """What cannot be shared so."""

    code = "bad_share"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """What a link is of: one of both."""

    asset_id: uuid.UUID | None = None
    collection_id: uuid.UUID | None = None


@transaction.atomic
def create_link(
    *, owner_id: int, actor: Actor, shared: Shared, days: int, with_parameters: bool
) -> ShareLink:
    """A link that ends after so many days.

    Raises:
        BadShare: another number of days than DAYS, or too many links.
        NotFound: it is not in the owner's Library.
    """
    if days not in DAYS:
        raise BadShare("A link lasts 1, 7, 30, 90 or 365 days.")
    check_shareable(owner_id, shared)
    _check_number(owner_id)
    link = ShareLink.objects.create(
        owner_id=owner_id,
        asset_id=shared.asset_id,
        collection_id=shared.collection_id,
        with_parameters=with_parameters,
        expires_at=timezone.now() + timedelta(days=days),
    )
    audit_log.after_commit("share.created", actor=actor, link=str(link.pk), days=days)
    return link


def _check_number(owner_id: int) -> None:
    """Raises BadShare where there are as many live links as are allowed."""
    revisions.hold(owner_id=owner_id)  # of two at once one is counted after the other
    if live_links(owner_id).count() >= MAX_OF_OWNER:
        raise BadShare(f"You have {MAX_OF_OWNER} links, and that is the most. End one that is not needed.")


def check_shareable(owner_id: int, shared: Shared) -> Asset | None:
    """The asset, if it is one. Raises NotFound."""
    if shared.collection_id:
        groupings.find(COLLECTIONS, owner_id=owner_id, group_id=shared.collection_id)
        return None
    asset = shared.asset_id and listing.find_asset(owner_id=owner_id, asset_id=shared.asset_id)
    if not asset or asset.saved_at is None or asset.trashed_at is not None:
        raise NotFound("asset")
    return asset


def links_of(owner_id: int) -> QuerySet[ShareLink]:
    """All of the owner's, newest first, those that have ended too."""
    return ShareLink.objects.filter(owner_id=owner_id).select_related("asset", "collection").order_by("-id")


def live_links(owner_id: int) -> QuerySet[ShareLink]:
    return links_of(owner_id).filter(revoked_at=None, expires_at__gt=Now())


@transaction.atomic
def revoke_link(*, owner_id: int, actor: Actor, link_id: uuid.UUID) -> None:
    """End a link at once; what has ended stays so. Raises NotFound."""
    _owned(owner_id, link_id).filter(revoked_at=None).update(revoked_at=Now())
    audit_log.after_commit("share.revoked", actor=actor, link=str(link_id))


@transaction.atomic
def restore_link(*, owner_id: int, actor: Actor, link_id: uuid.UUID) -> None:
    """Undo `revoke_link`, for ten minutes.

    Raises:
        BadShare: it is too late, or there are too many links.
        NotFound
    """
    recently = timezone.now() - timedelta(minutes=UNDO_MINUTES)
    revoked = _owned(owner_id, link_id).filter(revoked_at__gte=recently)
    if not revoked.exists():
        raise BadShare("It is too late to undo that. Make a new link.")
    _check_number(owner_id)
    revoked.update(revoked_at=None)
    audit_log.after_commit("share.restored", actor=actor, link=str(link_id))


def delete_ended_links(limit: int = 5000) -> int:
    """Delete links that were revoked or expired ENDED_DAYS ago."""
    old = timezone.now() - timedelta(days=ENDED_DAYS)
    ended = ShareLink.objects.filter(Q(revoked_at__lt=old) | Q(expires_at__lt=old)).order_by("pk")
    deleted, _ = ShareLink.objects.filter(pk__in=list(ended.values_list("pk", flat=True)[:limit])).delete()
    return deleted


def _owned(owner_id: int, link_id: uuid.UUID) -> QuerySet[ShareLink]:
    link = ShareLink.objects.filter(owner_id=owner_id, pk=link_id)
    if not link.exists():
        raise NotFound("link")
    return link


def token_of(link: ShareLink) -> str:
    """What whoever has it may follow the link by."""
    return _signer.sign(link.pk.hex)


def find_link(token: str) -> ShareLink:
    """The live link of a token, its owner being somebody who may sign in. Raises NotFound."""
    try:
        link_id = uuid.UUID(_signer.unsign(token))
    except (BadSignature, ValueError):
        raise NotFound("link") from None
    live = Q(revoked_at=None, expires_at__gt=Now(), owner__is_active=True, collection__deleted_at=None)
    link = ShareLink.objects.filter(live, pk=link_id).select_related("collection").first()
    if link is None:
        raise NotFound("link")
    return link


def count_view(link: ShareLink) -> None:
    ShareLink.objects.filter(pk=link.pk).update(views=F("views") + 1, last_viewed_at=Now())


def shared_assets(link: ShareLink, cursor: str) -> listing.Page:
    """A page of what the link shows, newest first. Raises BadCursor."""
    if link.asset_id:
        found = find_shared_asset(link, link.asset_id)
        return listing.Page([found] if found else [], "")
    only = AssetFilter(collection_id=link.collection_id)
    return listing.library(owner_id=link.owner_id, only=only, cursor=cursor, limit=PAGE)


def find_shared_asset(link: ShareLink, asset_id: uuid.UUID) -> Asset | None:
    """The asset, if the link shows it: it is in the Library, and the link's own or in its collection."""
    if link.asset_id and link.asset_id != asset_id:
        return None
    found = Asset.objects.of(link.owner_id).in_library().select_related("job").filter(pk=asset_id)
    if link.collection_id:
        found = found.filter(collection_items__group_id=link.collection_id, collection_items__shown=True)
    return found.first()
