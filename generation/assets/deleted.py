"""Bringing back what an operation deleted, before the operation is undone."""

from __future__ import annotations

import uuid

from generation.access.projects import undelete_project
from generation.assets import groupings
from generation.core.actors import Actor
from generation.models import BulkOperation, Source


def bring_back(operation: BulkOperation, actor: Actor) -> None:
    """The collection, tag or project that was merged or deleted; nothing if it is there."""
    match operation.source:
        case Source.GROUP:
            kind = groupings.KINDS[operation.value["kind"]]
            group_id = uuid.UUID(operation.value["from"])
            if not groupings.owned(kind, operation.owner_id).filter(pk=group_id).exists():
                groupings.undelete(kind, owner_id=operation.owner_id, actor=actor, group_id=group_id)
        case Source.PROJECT:
            project_id = uuid.UUID(operation.value["from"])
            undelete_project(owner_id=operation.owner_id, actor=actor, project_id=project_id)
