"""Projects, which group a user's jobs and assets. Merging and deleting them: `assets.merging`."""

from __future__ import annotations

import uuid
from typing import Any

from django.db import IntegrityError, models, transaction

from generation.catalog.submission import InvalidSubmission
from generation.changes import writes
from generation.core import audit_log
from generation.core.actors import Actor
from generation.core.clock import Now
from generation.core.errors import BadName, DomainError, NotFound
from generation.core.limits import NAME_LENGTH
from generation.core.text import fold, folded_name, plain_name
from generation.models import Project

DEFAULT_NAME = "General"
MAX_PROJECTS = 1000  # of one owner, more or less: two at once may both be the last


class BadProjectName(DomainError):
    """Empty, too long, with control characters, or the owner has one of that name."""

    code = "bad_project_name"


def owned_projects(owner_id: int) -> models.QuerySet[Project]:
    """The owner's projects, the default first, then by name."""
    return live_projects(owner_id).order_by("-is_default", "folded_name", "id")


def live_projects(owner_id: int) -> models.QuerySet[Project]:
    """Those that are not deleted."""
    return Project.objects.filter(owner_id=owner_id, deleted_at=None)


def project_named(owner_id: int, name: str) -> Project | None:
    """The owner's project of this name, whatever its case and spaces."""
    folded = folded_name(name)
    return live_projects(owner_id).filter(folded_name=folded).first() if folded else None


def default_project(owner_id: int) -> Project:
    """The project of jobs that name none; created when first needed."""
    mine = Project.objects.filter(owner_id=owner_id, is_default=True)
    if found := mine.first():  # at most one by constraint
        return found
    named = {"owner_id": owner_id, "folded_name": fold(DEFAULT_NAME)}
    Project.objects.bulk_create([Project(name=DEFAULT_NAME, is_default=True, **named)], ignore_conflicts=True)
    if not mine.exists():  # the owner has made a project of that name already
        Project.objects.filter(deleted_at=None, **named).update(is_default=True)
    return mine.get()


def chosen_project(owner_id: int, project_id: uuid.UUID | None) -> Project:
    """The project that was named, else the default one.

    Raises:
        InvalidSubmission: the owner has no such project.
    """
    if project_id is None:
        return default_project(owner_id)
    if project := find_project(owner_id=owner_id, project_id=project_id):
        return project
    raise InvalidSubmission({"project": "You have no such project."})


def find_project(*, owner_id: int, project_id: uuid.UUID) -> Project | None:
    return live_projects(owner_id).filter(pk=project_id).first()


def owns_project(owner_id: int, project_id: uuid.UUID) -> bool:
    return live_projects(owner_id).filter(pk=project_id).exists()


def usable_name(name: str) -> str:
    """The name on one line, with plain spaces. Raises BadProjectName."""
    try:
        return plain_name(name, "A project name")
    except ValueError as refused:
        raise BadProjectName(str(refused)) from None


def create_project(*, owner_id: int, actor: Actor, name: str) -> Project:
    """A new project of this name.

    Raises:
        BadProjectName: it cannot be used, or is taken; or the owner has MAX_PROJECTS.
    """
    name = usable_name(name)
    if live_projects(owner_id).count() >= MAX_PROJECTS:
        raise BadProjectName(f"You have {MAX_PROJECTS:,} projects, and that is the most.")
    try:
        with transaction.atomic():
            project = Project.objects.create(owner_id=owner_id, name=name, folded_name=fold(name))
    except IntegrityError:
        raise BadProjectName("You already have a project of that name.") from None
    audit_log.after_commit("project.created", actor=actor, project=str(project.pk), owner=owner_id)
    return project


def rename_project(*, owner_id: int, actor: Actor, project_id: uuid.UUID, name: str) -> Project:
    """Raises NotFound, BadProjectName."""
    name = usable_name(name)
    try:
        with transaction.atomic():
            writes.announce(owner_id)
            mine = live_projects(owner_id).filter(pk=project_id)
            if not mine.update(name=name, folded_name=fold(name)):
                raise NotFound("project")
            audit_log.after_commit("project.renamed", actor=actor, project=str(project_id), owner=owner_id)
            return mine.get()
    except IntegrityError:
        raise BadProjectName("You already have a project of that name. You can merge the two.") from None


def delete_project(*, owner_id: int, actor: Actor, project_id: uuid.UUID) -> None:
    """Hide a project, whose jobs and assets are to be moved away. Only in a transaction.

    Raises:
        NotFound, BadName: it is the default project.
    """
    writes.announce(owner_id)  # first: a submission that names the project waits here, or was before
    project = live_projects(owner_id).filter(pk=project_id).first()
    if project is None:
        raise NotFound("project")
    if project.is_default:
        raise BadName("Your default project stays. You can rename it.")
    live_projects(owner_id).filter(pk=project_id).update(deleted_at=Now())
    audit_log.after_commit("project.deleted", actor=actor, project=str(project_id), owner=owner_id)


def undelete_project(*, owner_id: int, actor: Actor, project_id: uuid.UUID) -> None:
    """Show a deleted project again, under another name if its own is taken; nothing if it is there."""
    writes.announce(owner_id)
    deleted = Project.objects.filter(owner_id=owner_id, pk=project_id, deleted_at__isnull=False)
    project = deleted.first()
    if project is None:
        return
    name = free_name(live_projects(owner_id), project.name)
    deleted.update(name=name, folded_name=fold(name), deleted_at=None)
    audit_log.after_commit("project.undeleted", actor=actor, project=str(project_id), owner=owner_id)


def free_name(named: models.QuerySet[Any], name: str) -> str:
    """The name, with a number behind it where one of these has it."""
    found, number = name, 2
    while named.filter(folded_name=fold(found)).exists():
        found, number = f"{name[:NAME_LENGTH]} ({number})", number + 1
    return found
