"""Merging collections, tags and projects, and deleting projects: what was in one goes into another.

The one that goes is hidden at once, and what it holds follows as a bulk operation, which can be undone.
"""

from __future__ import annotations

import uuid

from django.db import transaction

from generation.access import projects
from generation.assets import groupings, operations
from generation.assets.groupings import Kind
from generation.core.actors import Actor
from generation.core.errors import BadName, NotFound
from generation.models import Action, BulkOperation, Project, Source


@transaction.atomic
def merge(
    kind: Kind, *, owner_id: int, actor: Actor, group_id: uuid.UUID, into_id: uuid.UUID
) -> BulkOperation:
    """Put all of a collection (or tag) into another, and delete it.

    Raises:
        NotFound, BadName: both are the same; TooManyOperations.
    """
    into = groupings.find(kind, owner_id=owner_id, group_id=into_id)
    if group_id == into_id:
        raise BadName(f"Choose another {kind.name} to merge with.")
    groupings.delete(kind, owner_id=owner_id, actor=actor, group_id=group_id)
    action = Action.ADD_COLLECTION if kind is groupings.COLLECTIONS else Action.ADD_TAG
    value = {"group": str(into_id), "from": str(group_id), "kind": kind.name}
    return operations.start(
        owner_id=owner_id, actor=actor, action=action, value=value, source=Source.GROUP, name=into.name
    )


@transaction.atomic
def dissolve(
    *, owner_id: int, actor: Actor, project_id: uuid.UUID, into: Project | None = None, discard: bool = False
) -> BulkOperation:
    """Delete a project: its jobs and assets go into another, the default one if none is named.

    With `discard` the assets go to the trash as well.

    Raises:
        NotFound, BadName: it is the default project, or the other one; TooManyOperations.
    """
    into = into or projects.default_project(owner_id)
    if into.owner_id != owner_id:
        raise NotFound("project")
    projects.delete_project(owner_id=owner_id, actor=actor, project_id=project_id)
    if into.pk == project_id:
        raise BadName("Choose another project: this one cannot go into itself.")
    value = {"project": str(into.pk), "from": str(project_id), "discard": discard}
    return operations.start(
        owner_id=owner_id,
        actor=actor,
        action=Action.DISSOLVE,
        value=value,
        source=Source.PROJECT,
        name=into.name,
    )
