"""Bulk operations in words, and as the pages show them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from generation.assets import operations
from generation.assets.bulk_actions import can_undo
from generation.models import Action, BulkOperation, OperationStatus, Source
from generation.models.operation import IN_WORK

DONE: Mapping[str, str] = {
    Action.FAVOURITE: "Added {number} to the favourites.",
    Action.RATE: "Rated {number} with {stars} of 5.",
    Action.ADD_TAG: "Tagged {number} with “{name}”.",
    Action.REMOVE_TAG: "Took the tag “{name}” off {number}.",
    Action.ADD_COLLECTION: "Added {number} to “{name}”.",
    Action.REMOVE_COLLECTION: "Took {number} out of “{name}”.",
    Action.MOVE: "Moved {number} to “{name}”.",
    Action.DISSOLVE: "Moved {number} to “{name}”.",
    Action.DISCARD: "Moved {number} to the trash.",
    Action.RESTORE: "Restored {number}.",
    Action.DELETE: "Deleted {number} for good.",
}
DOING: Mapping[str, str] = {
    Action.FAVOURITE: "Adding to the favourites",
    Action.RATE: "Rating",
    Action.ADD_TAG: "Tagging with “{name}”",
    Action.REMOVE_TAG: "Taking the tag “{name}” off",
    Action.ADD_COLLECTION: "Adding to “{name}”",
    Action.REMOVE_COLLECTION: "Taking out of “{name}”",
    Action.MOVE: "Moving to “{name}”",
    Action.DISSOLVE: "Moving to “{name}”",
    Action.DISCARD: "Discarding",
    Action.RESTORE: "Restoring",
    Action.DELETE: "Deleting for good",
}


def what_was_done(operation: BulkOperation) -> str:
    """A sentence on what it changed."""
    value = operation.value
    if not operation.changed:
        return "Nothing was changed."
    text = DONE[operation.action]
    if value.get("favourite") is False:
        text = "Took {number} out of the favourites."
    if value.get("rating") == 0:
        text = "Took the rating of {number} back."
    if value.get("discard"):
        text = "Moved {number} to “{name}” and to the trash."
    stars = value.get("rating")
    return text.format(number=f"{operation.changed:,}", name=operation.value_name, stars=stars)


def what_is_done(operation: BulkOperation) -> str:
    """What it does, while it is in work."""
    if operation.wants_undo:
        return "Undoing"
    if operation.value.get("favourite") is False:
        return "Taking out of the favourites"
    return DOING[operation.action].format(name=operation.value_name)


@dataclass(frozen=True)
class Progress:
    """An operation as the pages show it."""

    operation: BulkOperation
    waits: bool  # for another of the owner's

    @cached_property
    def text(self) -> str:
        """What it does, or how it ended."""
        operation = self.operation
        what, changed = what_is_done(operation), what_was_done(operation)
        queued = "waits for the change before it" if self.waits else "starting"
        texts = {
            OperationStatus.QUEUED: f"{what}: {queued}",
            OperationStatus.RUNNING: f"{what}: {self.done:,} of {operation.total:,}",
            OperationStatus.UNDOING: f"Undoing: {operation.changed:,} left",
            OperationStatus.UNDONE: "Undone.",
            OperationStatus.FAILED: operation.error_message,
            OperationStatus.CANCELLED: f"Stopped. {changed}",
        }
        return texts.get(OperationStatus(operation.status), changed)

    @property
    def done(self) -> int:
        return min(self.operation.seen, self.operation.total)

    @property
    def can_undo(self) -> bool:
        operation = self.operation
        has_changes = operation.changed > 0 or operation.source in {Source.PROJECT, Source.GROUP}
        is_undone = operation.status == OperationStatus.UNDONE
        return not operation.is_active and has_changes and not is_undone and can_undo(operation)


def in_work(owner_id: int) -> list[Progress]:
    """What the owner's pages tell of."""
    shown = operations.shown(owner_id)
    return [_among(shown, operation) for operation in shown]


def progress_of(operation: BulkOperation) -> Progress:
    """The same of one of them."""
    return _among(operations.shown(operation.owner_id), operation)


def _among(shown: Iterable[BulkOperation], operation: BulkOperation) -> Progress:
    others = [other for other in shown if other.is_active and other.pk != operation.pk]
    waits = any(other.status in IN_WORK or other.pk < operation.pk for other in others)
    return Progress(operation, waits)
