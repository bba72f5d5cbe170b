"""Collections and tags: making, renaming and deleting them. Their assets: `assets.memberships`."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any, Literal

from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet

from generation.access.projects import free_name
from generation.changes import writes
from generation.core import audit_log
from generation.core.actors import Actor
from generation.core.clock import Now
from generation.core.errors import BadName, NotFound
from generation.core.text import fold, folded_name, plain_name
from generation.models import Collection, CollectionItem, Tag, TagItem


@dataclass(frozen=True, slots=True)
class Kind:
    """Collections or tags: their tables, their word, and how many there may be."""

    name: Literal["collection", "tag"]
    model: Any
    items: Any
    most: int  # of one owner, more or less: two at once may both be the last
    most_of_asset: int

    @property
    def plural(self) -> str:
        return f"{self.name}s"


COLLECTIONS = Kind("collection", Collection, CollectionItem, most=2000, most_of_asset=100)
TAGS = Kind("tag", Tag, TagItem, most=2000, most_of_asset=100)
KINDS: dict[str, Kind] = {kind.name: kind for kind in (COLLECTIONS, TAGS)}


def owned(kind: Kind, owner_id: int) -> QuerySet[Any]:
    """The owner's collections (or tags), newest first."""
    rows: QuerySet[Any] = kind.model.objects.filter(owner_id=owner_id, deleted_at=None)
    return rows.order_by("-id")


def find(kind: Kind, *, owner_id: int, group_id: uuid.UUID) -> Any:
    """Raises NotFound."""
    group = owned(kind, owner_id).filter(pk=group_id).first()
    if group is None:
        raise NotFound(kind.name)
    return group


def find_named(kind: Kind, *, owner_id: int, name: str) -> Any:
    """The one of this name, whatever its case and spaces, or None."""
    folded = folded_name(name)
    return owned(kind, owner_id).filter(folded_name=folded).first() if folded else None


def usable_name(name: str, what: str) -> str:
    """The name on one line, with plain spaces. Raises BadName."""
    try:
        return plain_name(name, f"A {what} name")
    except ValueError as refused:
        raise BadName(str(refused)) from None


def create(kind: Kind, *, owner_id: int, actor: Actor, name: str) -> Any:
    """A new one of this name.

    Raises:
        BadName: it cannot be used, or is taken; or the owner has as many as is allowed.
    """
    name = usable_name(name, kind.name)
    if owned(kind, owner_id).count() >= kind.most:
        raise BadName(f"You have {kind.most:,} {kind.plural}, and that is the most.")
    try:
        with transaction.atomic():
            group = kind.model.objects.create(owner_id=owner_id, name=name, folded_name=fold(name))
            writes.announce(owner_id)
    except IntegrityError:
        raise BadName(f"You already have a {kind.name} of that name.") from None
    _log(kind, "created", actor, group.pk)
    return group


def find_or_create(kind: Kind, *, owner_id: int, actor: Actor, name: str) -> Any:
    """Raises BadName."""
    found = find_named(kind, owner_id=owner_id, name=usable_name(name, kind.name))
    return found or create(kind, owner_id=owner_id, actor=actor, name=name)


def rename(kind: Kind, *, owner_id: int, actor: Actor, group_id: uuid.UUID, name: str) -> Any:
    """Raises NotFound, BadName."""
    group = find(kind, owner_id=owner_id, group_id=group_id)
    name = usable_name(name, kind.name)
    try:
        with transaction.atomic():
            writes.announce(owner_id)
            if not owned(kind, owner_id).filter(pk=group_id).update(name=name, folded_name=fold(name)):
                raise NotFound(kind.name)
    except IntegrityError:
        raise BadName(f"You already have a {kind.name} of that name. You can merge the two.") from None
    _log(kind, "renamed", actor, group_id)
    group.name = name
    return group


@transaction.atomic
def delete(kind: Kind, *, owner_id: int, actor: Actor, group_id: uuid.UUID) -> None:
    """Delete it, never its assets; `undelete` undoes it. Raises NotFound."""
    writes.announce(owner_id)
    if not owned(kind, owner_id).filter(pk=group_id).update(deleted_at=Now()):
        raise NotFound(kind.name)
    _log(kind, "deleted", actor, group_id)


@transaction.atomic
def undelete(kind: Kind, *, owner_id: int, actor: Actor, group_id: uuid.UUID) -> Any:
    """Bring it back with its assets, under another name if its own is taken meanwhile. Raises NotFound."""
    writes.announce(owner_id)  # first: it locks the owner's counter, and so the names
    deleted = Q(owner_id=owner_id, pk=group_id, deleted_at__isnull=False)
    group = kind.model.objects.filter(deleted).first()
    if group is None:
        raise NotFound(kind.name)
    group.name = free_name(owned(kind, owner_id), group.name)
    group.folded_name, group.deleted_at = fold(group.name), None
    group.save(update_fields=["name", "folded_name", "deleted_at"])
    _log(kind, "undeleted", actor, group_id)
    return group


def _log(kind: Kind, verb: str, actor: Actor, group_id: uuid.UUID) -> None:
    audit_log.after_commit(f"{kind.name}.{verb}", actor=actor, **{kind.name: str(group_id)})
