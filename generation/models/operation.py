from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from generation.core.ids import new_id
from generation.core.limits import ERROR_MESSAGE_LENGTH, NAME_LENGTH


class Action(models.TextChoices):
    """What an operation does to each asset."""

    FAVOURITE = "favourite", "Favourite"
    RATE = "rate", "Rate"
    ADD_TAG = "add_tag", "Add a tag"
    REMOVE_TAG = "remove_tag", "Take a tag off"
    ADD_COLLECTION = "add_collection", "Add to a collection"
    REMOVE_COLLECTION = "remove_collection", "Take out of a collection"
    MOVE = "move", "Move to a project"
    DISCARD = "discard", "Discard"
    RESTORE = "restore", "Restore"
    DELETE = "delete", "Delete for good"
    DISSOLVE = "dissolve", "Move all of a project away"  # its jobs too


class Source(models.TextChoices):
    """Where the assets of an operation are."""

    LIBRARY = "library", "Library"
    TRASH = "trash", "Trash"
    PROJECT = "project", "Project"
    GROUP = "group", "Collection or tag"
    SELECTION = "selection", "Selection"


class OperationStatus(models.TextChoices):
    QUEUED = "queued", "Queued"  # behind another of its owner
    RUNNING = "running", "Running"
    UNDOING = "undoing", "Undoing"
    DONE = "done", "Done"
    CANCELLED = "cancelled", "Cancelled"  # what was changed until then stays
    UNDONE = "undone", "Undone"
    FAILED = "failed", "Failed"


IN_WORK = (OperationStatus.RUNNING, OperationStatus.UNDOING)
# Partial indexes have no parameters: see models.asset.
UNFINISHED = Q(finished_at=None)


class BulkOperation(models.Model):
    """One action on all assets that match a filter, or on a selection, worked in chunks.

    Each chunk is one transaction that changes its assets, notes them (`OperationChunk`) and moves `cursor`,
    so that a process that is killed leaves an operation that goes on where it stood. The filter is frozen as
    `query`; what was saved (in the trash: discarded) after `created_at` is not taken.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", db_index=False)
    actor = models.JSONField(help_text="Who asked for it: kind and id, as in the audit log.")
    action = models.CharField(max_length=20, choices=Action.choices)
    value = models.JSONField(default=dict, help_text="What the action needs: stars, a tag, a project.")
    value_name = models.CharField(max_length=NAME_LENGTH + 8, blank=True, help_text="For its sentence.")
    source = models.CharField(max_length=10, choices=Source.choices)
    query = models.TextField(blank=True)
    created_at = models.DateTimeField()

    status = models.CharField(max_length=10, choices=OperationStatus.choices)
    wants_undo = models.BooleanField(default=False)
    total = models.IntegerField(default=0, help_text="How many matched when it was made.")
    seen = models.IntegerField(default=0)
    changed = models.IntegerField(default=0)
    cursor = models.TextField(blank=True)
    error_message = models.CharField(max_length=ERROR_MESSAGE_LENGTH, blank=True)
    finished_at = models.DateTimeField(null=True)
    dismissed_at = models.DateTimeField(null=True, help_text="Its end is not shown any more.")

    class Meta:
        indexes = [
            models.Index("owner", F("id").desc(), name="operation_newest"),
            models.Index(fields=["owner", "id"], name="operation_unfinished", condition=UNFINISHED),
            models.Index(
                fields=["finished_at"], name="operation_age", condition=Q(finished_at__isnull=False)
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["owner"], condition=Q(status__in=IN_WORK), name="operation_one_in_work_per_owner"
            ),
            models.CheckConstraint(condition=Q(action__in=Action.values), name="operation_action_known"),
            models.CheckConstraint(condition=Q(source__in=Source.values), name="operation_source_known"),
            models.CheckConstraint(
                condition=Q(status__in=("queued", *IN_WORK), finished_at=None)
                | Q(status__in=("done", "cancelled", "undone", "failed"), finished_at__isnull=False),
                name="operation_finished_when_final",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.id}"

    @property
    def is_active(self) -> bool:
        return self.finished_at is None


class OperationChunk(models.Model):
    """What one chunk changed, for the undo: `[id, before]` for each asset (or job), 500 at most."""

    operation = models.ForeignKey(BulkOperation, models.CASCADE, related_name="chunks")
    of_jobs = models.BooleanField(default=False)
    changes = models.JSONField()

    def __str__(self) -> str:
        return f"{len(self.changes)} of {self.operation_id}"
