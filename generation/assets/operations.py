"""Bulk operations: recorded by a request, cancelled, undone. What works them is `operation_work`."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet
from django.http import QueryDict

from generation.assets.actions import check_count
from generation.assets.bulk_actions import ACTIONS
from generation.assets.deleted import bring_back
from generation.assets.filters import AssetFilter
from generation.assets.operation_sources import count
from generation.assets.operation_work import end, keep_what_is_left, work_of
from generation.changes import writes
from generation.core import audit_log
from generation.core.actors import Actor
from generation.core.clock import Now, from_now
from generation.core.errors import DomainError, NotFound
from generation.models import Action, BulkOperation, OperationChunk, OperationStatus, Source

MAX_UNFINISHED = 10  # of one owner
MAX_FINISHED = 50  # kept of one owner, for the undo
UNDO_SECONDS = 24 * 3600


class TooManyOperations(DomainError):
    """The owner has as many unfinished operations as is allowed."""

    code = "too_many_operations"
    retry_after = 10

    def __init__(self) -> None:
        super().__init__(f"{MAX_UNFINISHED} changes are in work already. Wait for one to end, or cancel one.")


class NotNow(DomainError):
    """The operation is in no state for that."""

    code = "not_now"


def start(
    *,
    owner_id: int,
    actor: Actor,
    action: Action,
    value: dict[str, Any],
    source: Source,
    query: str = "",
    name: str = "",
) -> BulkOperation:
    """Record an operation on all that match now but `except` of `value`; `operation_work` works it.

    Raises:
        TooManyOperations, TooMany: so many are left out.
    """
    check_count(value.get("except", ()))
    if source == Source.LIBRARY:
        AssetFilter.from_query(QueryDict(query)).answered(owner_id)
    with transaction.atomic():
        writes.announce(owner_id)  # locks the owner's counter: two at once are counted one after the other
        mine = BulkOperation.objects.filter(owner_id=owner_id)
        if mine.filter(finished_at=None).count() >= MAX_UNFINISHED:
            raise TooManyOperations
        operation = _made(owner_id, actor, action, value, source, query, name)
        operation.status = OperationStatus.QUEUED
        operation.save(force_insert=True)
        operation.refresh_from_db(fields=["created_at"])
        operation.total = count(operation)
        operation.save(update_fields=["total"])
        _forget_old(owner_id)
    ids = {"operation": str(operation.pk), "owner": owner_id, "total": operation.total}
    audit_log.after_commit(f"operation.{action}", actor=actor, **ids)
    return operation


@transaction.atomic
def act(
    *,
    owner_id: int,
    actor: Actor,
    action: Action,
    value: dict[str, Any],
    assets: Sequence[uuid.UUID],
    name: str = "",
) -> BulkOperation:
    """An operation on a selection, which is done at once. Raises TooMany, and what the action raises."""
    check_count(assets)
    operation = _made(owner_id, actor, action, value, Source.SELECTION, "", name)
    operation.status, operation.finished_at = OperationStatus.DONE, Now()
    changes = ACTIONS[action].apply(work_of(operation), assets)
    operation.total = operation.seen = len(assets)
    operation.changed = len(changes)
    operation.dismissed_at = Now()  # a toast says it
    operation.save(force_insert=True)
    if changes:
        OperationChunk.objects.create(operation=operation, changes=changes)
    _forget_old(owner_id)
    return operation


def _made(
    owner_id: int,
    actor: Actor,
    action: Action,
    value: dict[str, Any],
    source: Source,
    query: str,
    name: str,
) -> BulkOperation:
    who = [actor.kind.value, None if actor.id is None else str(actor.id)]
    fields = {"action": action, "value": value, "source": source, "query": query, "value_name": name}
    return BulkOperation(owner_id=owner_id, actor=who, created_at=Now(), **fields)


def _forget_old(owner_id: int) -> None:
    ended = BulkOperation.objects.filter(owner_id=owner_id, finished_at__isnull=False).order_by("-id")
    unlocked = ended.select_for_update(skip_locked=True)  # another may hold one and wait for the counter
    old = list(unlocked.values_list("pk", flat=True)[MAX_FINISHED : MAX_FINISHED + 20])
    BulkOperation.objects.filter(pk__in=old).delete()


def of_owner(owner_id: int) -> QuerySet[BulkOperation]:
    """Newest first."""
    return BulkOperation.objects.filter(owner_id=owner_id).order_by("-id")


def shown(owner_id: int) -> list[BulkOperation]:
    """What pages tell of: operations in work, and those that ended just now, in the order they began."""
    recent = Q(finished_at=None) | Q(dismissed_at=None, finished_at__gt=from_now(-600))
    return sorted(of_owner(owner_id).filter(recent)[: MAX_UNFINISHED + 5], key=lambda row: row.pk)


def find(*, owner_id: int, operation_id: uuid.UUID) -> BulkOperation:
    """Raises NotFound."""
    found = of_owner(owner_id).filter(pk=operation_id).first()
    if found is None:
        raise NotFound("operation")
    return found


def _locked(owner_id: int, operation_id: uuid.UUID) -> BulkOperation:
    found = of_owner(owner_id).select_for_update().filter(pk=operation_id).first()
    if found is None:
        raise NotFound("operation")
    return found


@transaction.atomic
def cancel(*, owner_id: int, actor: Actor, operation_id: uuid.UUID) -> BulkOperation:
    """End an operation where it stands; what it changed until then can be undone.

    Raises:
        NotFound, NotNow: it has ended.
    """
    operation = _locked(owner_id, operation_id)
    if not operation.is_active:
        raise NotNow("That has ended already.")
    end(operation, OperationStatus.CANCELLED)
    keep_what_is_left(operation)
    operation.save()
    writes.announce(owner_id)
    audit_log.after_commit("operation.cancelled", actor=actor, operation=str(operation_id))
    return operation


@transaction.atomic
def undo(*, owner_id: int, actor: Actor, operation_id: uuid.UUID) -> BulkOperation:
    """Queue the undo of what an ended operation changed; `operation_work` works it.

    Raises:
        NotFound, NotNow: it has not ended, was undone, or cannot be.
    """
    operation = _locked(owner_id, operation_id)
    if operation.is_active or operation.status == OperationStatus.UNDONE:
        raise NotNow("That cannot be undone now.")
    if ACTIONS[operation.action].revert is None:
        raise NotNow("What was deleted for good cannot be brought back.")
    bring_back(operation, actor)
    operation.status, operation.wants_undo = OperationStatus.QUEUED, True
    operation.finished_at = operation.dismissed_at = None
    operation.save()
    writes.announce(owner_id)
    audit_log.after_commit("operation.undo", actor=actor, operation=str(operation_id))
    return operation


@transaction.atomic
def dismiss(*, owner_id: int, operation_id: uuid.UUID) -> None:
    """Do not tell of its end any more. Raises NotFound."""
    find(owner_id=owner_id, operation_id=operation_id)
    of_owner(owner_id).filter(pk=operation_id).update(dismissed_at=Now())
    writes.announce(owner_id)
