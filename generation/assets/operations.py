"""Bulk operations: made by a request, worked in chunks by it and by the chores, cancelled, undone.

Who works a chunk has its operation's row locked, and changes the assets, the note of what it changed and the
cursor in one transaction. So it does not matter who works, how many do, or where one of them is killed.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Case, Q, QuerySet, When
from django.http import QueryDict

from generation.assets import listing
from generation.assets.actions import MAX_IDS, check_count
from generation.assets.bulk_actions import ACTIONS, Changes, Work, move_jobs
from generation.assets.deleted import bring_back
from generation.assets.filters import AssetFilter
from generation.assets.groupings import KINDS
from generation.changes import writes
from generation.core import audit_log, isolation
from generation.core.actors import Actor, ActorKind
from generation.core.clock import Now, from_now
from generation.core.errors import DomainError, NotFound
from generation.models import Action, Asset, BulkOperation, Job, OperationChunk, OperationStatus, Source
from generation.models.operation import IN_WORK

CHUNK = MAX_IDS
MAX_UNFINISHED = 10  # of one owner
MAX_FINISHED = 50  # kept of one owner, for the undo
UNDO_SECONDS = 24 * 3600
MOST = 2**31 - 2  # counted
STOPPED = "An error stopped it. What was changed until then can be undone."


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
    """Record an operation on all that match now but `except` of `value`; `work` works it.

    Raises:
        TooManyOperations, TooMany: so many are left out.
    """
    check_count(value.get("except", ()))
    with transaction.atomic():
        writes.announce(owner_id)  # locks the owner's counter: two at once are counted one after the other
        mine = BulkOperation.objects.filter(owner_id=owner_id)
        if mine.filter(finished_at=None).count() >= MAX_UNFINISHED:
            raise TooManyOperations
        operation = _made(owner_id, actor, action, value, source, query, name)
        operation.status = OperationStatus.QUEUED
        operation.save(force_insert=True)
        operation.refresh_from_db(fields=["created_at"])
        operation.total = _count(operation)
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
    changes = ACTIONS[action].apply(_work_of(operation), assets)
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
    _end(operation, OperationStatus.CANCELLED)
    _keep_what_is_left(operation)
    operation.save()
    writes.announce(owner_id)
    audit_log.after_commit("operation.cancelled", actor=actor, operation=str(operation_id))
    return operation


@transaction.atomic
def undo(*, owner_id: int, actor: Actor, operation_id: uuid.UUID) -> BulkOperation:
    """Queue the undo of what an ended operation changed; `work` works it.

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


# Working


def work(owner_id: int, *, seconds: float) -> int:
    """Work the owner's operations for so long, one after the other; the number of chunks."""
    until, chunks = time.monotonic() + seconds, 0
    while operation_id := _next(owner_id):
        if not work_chunk(operation_id):
            break
        chunks += 1
        if time.monotonic() >= until:
            break
    return chunks


def work_all(seconds: float = 4.0) -> int:
    """A chunk of each owner's in turns, for so long; the number of chunks. A chore."""
    until, total = time.monotonic() + seconds, 0
    while True:
        owners = owners_with_work()
        done = isolation.each(owners, lambda owner_id: work(owner_id, seconds=0))
        total += done
        if not done or time.monotonic() >= until:
            return total


def owners_with_work() -> list[int]:
    unfinished = BulkOperation.objects.filter(finished_at=None).order_by("owner_id")
    return list(unfinished.values_list("owner_id", flat=True).distinct()[:100])


def _next(owner_id: int) -> uuid.UUID | None:
    """The one in work, or else the first that waits; those that wait for their undo are not limited."""
    unfinished = BulkOperation.objects.filter(owner_id=owner_id, finished_at=None)
    first = unfinished.order_by(Case(When(status__in=IN_WORK, then=0), default=1), "id")[:1]
    return next(iter(first.values_list("pk", flat=True)), None)


def work_chunk(operation_id: uuid.UUID) -> bool:
    """Work one chunk; false if another process does, or there is none."""
    try:
        with transaction.atomic():
            return _work_chunk(operation_id)
    except DomainError as error:
        return _fail(operation_id, error.message)
    except Exception as error:
        if not isolation.concerns_the_row(error):
            raise
        isolation.log_failure("operation.failed", error, operation=str(operation_id))
        return _fail(operation_id, STOPPED)


def _work_chunk(operation_id: uuid.UUID) -> bool:
    unfinished = BulkOperation.objects.filter(pk=operation_id, finished_at=None)
    operation = unfinished.select_for_update(skip_locked=True).first()
    if operation is None or not _begin(operation):
        return False
    (_backward if operation.wants_undo else _forward)(operation)
    operation.save()
    writes.announce(operation.owner_id)
    return True


def _begin(operation: BulkOperation) -> bool:
    """Whether it is in work: an owner has one at a time."""
    if operation.status in IN_WORK:
        return True
    operation.status = OperationStatus.UNDOING if operation.wants_undo else OperationStatus.RUNNING
    try:
        with transaction.atomic():
            operation.save(update_fields=["status"])
    except IntegrityError:
        return False
    return True


@transaction.atomic
def _fail(operation_id: uuid.UUID, message: str) -> bool:
    unfinished = BulkOperation.objects.filter(pk=operation_id, finished_at=None)
    operation = unfinished.select_for_update().first()
    if operation is None:
        return False
    _end(operation, OperationStatus.FAILED)
    _keep_what_is_left(operation)
    operation.error_message = message
    operation.save()
    writes.announce(operation.owner_id)
    return True


def _keep_what_is_left(operation: BulkOperation) -> None:
    """What a merge took away and did not move is in its collection, tag or project again."""
    if not operation.wants_undo:
        bring_back(operation, _work_of(operation).actor)


def _end(operation: BulkOperation, status: OperationStatus) -> None:
    operation.status, operation.finished_at = status, Now()


def _work_of(operation: BulkOperation) -> Work:
    kind, who = operation.actor
    return Work(operation.owner_id, Actor(ActorKind(kind), _actor_id(who)), operation.value)


def _actor_id(text: str | None) -> int | uuid.UUID | None:
    if text is None:
        return None
    return int(text) if text.isdecimal() else uuid.UUID(text)


def _forward(operation: BulkOperation) -> None:
    ids, is_last = _SOURCES[operation.source](operation)
    left_out = set(operation.value.get("except", ()))
    wanted = [pk for pk in ids if str(pk) not in left_out]
    if wanted:
        _note(operation, ACTIONS[operation.action].apply(_work_of(operation), wanted))
    operation.seen += len(wanted)
    if is_last and not (operation.action == Action.DISSOLVE and _move_jobs_away(operation)):
        _end(operation, OperationStatus.DONE)


def _note(operation: BulkOperation, changes: Changes, *, of_jobs: bool = False) -> None:
    if changes:
        OperationChunk.objects.create(operation=operation, changes=changes, of_jobs=of_jobs)
        operation.changed += 0 if of_jobs else len(changes)


def _backward(operation: BulkOperation) -> None:
    chunk = operation.chunks.order_by("-id").first()
    if chunk is None:
        operation.wants_undo = False
        return _end(operation, OperationStatus.UNDONE)
    revert = ACTIONS[operation.action].revert
    assert revert is not None, "undo() has refused it"
    if chunk.of_jobs:
        ids = [uuid.UUID(text) for text, _ in chunk.changes]
        move_jobs(_work_of(operation), ids=ids, into=uuid.UUID(operation.value["from"]))
    else:
        revert(_work_of(operation), chunk.changes)
        operation.changed = max(0, operation.changed - len(chunk.changes))
    chunk.delete()
    return None


# Which assets are next


def _listed(operation: BulkOperation) -> listing.Listing:
    if operation.source == Source.TRASH:
        source = listing.trashed(owner_id=operation.owner_id)
    else:
        only = AssetFilter.from_query(QueryDict(operation.query))
        source = listing.saved(owner_id=operation.owner_id, only=only)
    before = {f"{source.by}__lte": operation.created_at}
    return replace(source, source=source.source.filter(**before))


def _from_listing(operation: BulkOperation) -> tuple[list[uuid.UUID], bool]:
    page = _listed(operation).page(operation.cursor, CHUNK)
    operation.cursor = page.next_cursor
    return [asset.pk for asset in page.assets], not page.next_cursor


def _from_project(operation: BulkOperation) -> tuple[list[uuid.UUID], bool]:
    """Its first ones: what was moved away is no longer there."""
    some = _of_project(operation).order_by("id").values_list("pk", flat=True)[: CHUNK + 1]
    ids = list(some)
    return ids[:CHUNK], len(ids) <= CHUNK


def _of_project(operation: BulkOperation) -> QuerySet[Asset]:
    return Asset.objects.filter(project_id=operation.value["from"], owner_id=operation.owner_id)


def _move_jobs_away(operation: BulkOperation) -> bool:
    """Move a chunk of the project's jobs; whether there were any."""
    jobs = Job.objects.of(operation.owner_id).filter(project_id=operation.value["from"])
    ids = list(jobs.order_by("id").values_list("pk", flat=True)[:CHUNK])
    into = uuid.UUID(operation.value["project"])
    moved = move_jobs(_work_of(operation), ids=ids, into=into)
    _note(operation, [[str(pk), None] for pk in moved], of_jobs=True)
    return bool(ids)


def _from_group(operation: BulkOperation) -> tuple[list[uuid.UUID], bool]:
    """A collection's (or tag's) items by id; those whose asset is in the trash too."""
    items = _items_of(operation).filter(pk__gt=int(operation.cursor or 0)).order_by("pk")
    found = list(items.values_list("pk", "asset_id")[: CHUNK + 1])
    page = found[:CHUNK]
    if page:
        operation.cursor = str(page[-1][0])
    return [asset_id for _, asset_id in page], len(found) <= CHUNK


def _items_of(operation: BulkOperation) -> QuerySet[Any]:
    kind = KINDS[operation.value["kind"]]
    rows: QuerySet[Any] = kind.items.objects.filter(
        group_id=operation.value["from"], group__owner_id=operation.owner_id
    )
    return rows


_SOURCES: dict[str, Callable[[BulkOperation], tuple[list[uuid.UUID], bool]]] = {
    Source.LIBRARY: _from_listing,
    Source.TRASH: _from_listing,
    Source.PROJECT: _from_project,
    Source.GROUP: _from_group,
}


def _count(operation: BulkOperation) -> int:
    match operation.source:
        case Source.PROJECT:
            return _of_project(operation).count()
        case Source.GROUP:
            return _items_of(operation).count()
    matching, left_out = _listed(operation), operation.value.get("except")
    if not left_out:
        return matching.count(most=MOST)
    of_these = replace(matching, source=matching.source.filter(pk__in=left_out))
    return matching.count(most=MOST) - of_these.count(most=MOST)
