"""Bulk operations in words, and as the pages show them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from generation.assets import operations
from generation.assets.bulk_actions import can_undo
from generation.models import Action, BulkOperation, OperationStatus, Source


def what_was_done(operation: BulkOperation) -> str:
    """A sentence on what it changed."""
    if not operation.changed:
        return "Nothing was changed."
    number, name = f"{operation.changed:,}", operation.value_name
    match Action(operation.action):
        case Action.FAVOURITE:
            into = (
                "Added {} to the favourites."
                if operation.value["favourite"]
                else "Took {} out of the favourites."
            )
            return into.format(number)
        case Action.RATE:
            stars = operation.value["rating"]
            return f"Rated {number} with {stars} of 5." if stars else f"Took the rating of {number} back."
        case Action.ADD_TAG:
            return f"Tagged {number} with “{name}”."
        case Action.REMOVE_TAG:
            return f"Took the tag “{name}” off {number}."
        case Action.ADD_COLLECTION:
            return f"Added {number} to “{name}”."
        case Action.REMOVE_COLLECTION:
            return f"Took {number} out of “{name}”."
        case Action.MOVE | Action.DISSOLVE:
            trashed = " and to the trash" if operation.value.get("discard") else ""
            return f"Moved {number} to “{name}”{trashed}."
        case Action.DISCARD:
            return f"Moved {number} to the trash."
        case Action.RESTORE:
            return f"Restored {number}."
        case Action.DELETE:
            return f"Deleted {number} for good."


def what_is_done(operation: BulkOperation) -> str:
    """What it does, while it is in work."""
    if operation.wants_undo:
        return "Undoing"
    name = operation.value_name
    match Action(operation.action):
        case Action.FAVOURITE:
            return "Adding favourites" if operation.value["favourite"] else "Taking out of the favourites"
        case Action.RATE:
            return "Rating"
        case Action.ADD_TAG | Action.ADD_COLLECTION:
            return f"Adding to “{name}”"
        case Action.REMOVE_TAG | Action.REMOVE_COLLECTION:
            return f"Taking out of “{name}”"
        case Action.MOVE | Action.DISSOLVE:
            return f"Moving to “{name}”"
        case Action.DISCARD:
            return "Discarding"
        case Action.RESTORE:
            return "Restoring"
        case Action.DELETE:
            return "Deleting"


@dataclass(frozen=True)
class Progress:
    """An operation as the pages show it."""

    operation: BulkOperation

    @cached_property
    def text(self) -> str:
        """What it does, or how it ended."""
        operation = self.operation
        match operation.status:
            case OperationStatus.QUEUED:
                return f"{what_is_done(operation)}: waits for the change before it"
            case OperationStatus.RUNNING:
                return f"{what_is_done(operation)}: {self.done:,} of {operation.total:,}"
            case OperationStatus.UNDOING:
                return f"Undoing: {operation.changed:,} left"
            case OperationStatus.UNDONE:
                return "Undone."
            case OperationStatus.FAILED:
                return operation.error_message
            case OperationStatus.CANCELLED:
                return f"Stopped. {what_was_done(operation)}"
        return what_was_done(operation)

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
    return [Progress(operation) for operation in operations.shown(owner_id)]
