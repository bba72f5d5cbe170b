"""Working bulk operations in chunks, by the request that made one and by the chores.

Who works a chunk has its operation's row locked, and changes the assets, the note of what it changed and the
cursor in one transaction. So it does not matter who works, how many do, or where one of them is killed.
"""

from __future__ import annotations

import time
import uuid

from django.db import IntegrityError, transaction
from django.db.models import Case, When

from generation.assets.bulk_actions import ACTIONS, Changes, Work, move_jobs
from generation.assets.deleted import bring_back
from generation.assets.operation_sources import SOURCES, next_job_ids
from generation.changes import writes
from generation.core import isolation
from generation.core.actors import Actor, ActorKind
from generation.core.clock import Now
from generation.core.errors import DomainError
from generation.models import Action, BulkOperation, OperationChunk, OperationStatus
from generation.models.operation import IN_WORK

STOPPED = "An error stopped it. What was changed until then can be undone."


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
    end(operation, OperationStatus.FAILED)
    keep_what_is_left(operation)
    operation.error_message = message
    operation.save()
    writes.announce(operation.owner_id)
    return True


def keep_what_is_left(operation: BulkOperation) -> None:
    """What a merge took away and did not move is in its collection, tag or project again."""
    if not operation.wants_undo:
        bring_back(operation, work_of(operation).actor)


def end(operation: BulkOperation, status: OperationStatus) -> None:
    operation.status, operation.finished_at = status, Now()


def work_of(operation: BulkOperation) -> Work:
    kind, who = operation.actor
    return Work(operation.owner_id, Actor(ActorKind(kind), _actor_id(who)), operation.value)


def _actor_id(text: str | None) -> int | uuid.UUID | None:
    if text is None:
        return None
    return int(text) if text.isdecimal() else uuid.UUID(text)


def _forward(operation: BulkOperation) -> None:
    ids, is_last = SOURCES[operation.source](operation)
    left_out = set(operation.value.get("except", ()))
    wanted = [pk for pk in ids if str(pk) not in left_out]
    if wanted:
        _note(operation, ACTIONS[operation.action].apply(work_of(operation), wanted))
    operation.seen += len(wanted)
    if is_last and not (operation.action == Action.DISSOLVE and _move_jobs_away(operation)):
        end(operation, OperationStatus.DONE)


def _note(operation: BulkOperation, changes: Changes, *, of_jobs: bool = False) -> None:
    if changes:
        OperationChunk.objects.create(operation=operation, changes=changes, of_jobs=of_jobs)
        operation.changed += 0 if of_jobs else len(changes)


def _backward(operation: BulkOperation) -> None:
    chunk = operation.chunks.order_by("-id").first()
    if chunk is None:
        operation.wants_undo = False
        return end(operation, OperationStatus.UNDONE)
    revert = ACTIONS[operation.action].revert
    assert revert is not None, "undo() has refused it"
    if chunk.of_jobs:
        ids = [uuid.UUID(text) for text, _ in chunk.changes]
        move_jobs(work_of(operation), ids=ids, into=uuid.UUID(operation.value["from"]))
    else:
        revert(work_of(operation), chunk.changes)
        operation.changed = max(0, operation.changed - len(chunk.changes))
    chunk.delete()
    return None


def _move_jobs_away(operation: BulkOperation) -> bool:
    """Move a chunk of the project's jobs; whether there were any."""
    ids = next_job_ids(operation)
    into = uuid.UUID(operation.value["project"])
    moved = move_jobs(work_of(operation), ids=ids, into=into)
    _note(operation, [[str(pk), None] for pk in moved], of_jobs=True)
    return bool(ids)
