"""Projects, which group a user's jobs and assets."""

from __future__ import annotations

import uuid

from django.db import IntegrityError, models, transaction

from generation.core import audit_log
from generation.core.actors import Actor
from generation.core.errors import DomainError
from generation.core.text import fold, plain_line, plain_name
from generation.models import Project

DEFAULT_NAME = "General"
MAX_PROJECTS = 1000  # of one owner, more or less: two at once may both be the last


class BadProjectName(DomainError):
    """Empty, too long, with control characters, or the owner has one of that name."""

    code = "bad_project_name"


def owned_projects(owner_id: int) -> models.QuerySet[Project]:
    """The owner's projects, the default first, then by name."""
    return Project.objects.filter(owner_id=owner_id).order_by("-is_default", "folded_name", "id")


def project_named(owner_id: int, name: str) -> Project | None:
    """The owner's project of this name, whatever its case and spaces."""
    return Project.objects.filter(owner_id=owner_id, folded_name=fold(plain_line(name))).first()


def default_project(owner_id: int) -> Project:
    """The project of jobs that name none; created when first needed."""
    mine = Project.objects.filter(owner_id=owner_id, is_default=True)
    if found := mine.first():  # at most one by constraint
        return found
    named = {"owner_id": owner_id, "folded_name": fold(DEFAULT_NAME)}
    Project.objects.bulk_create([Project(name=DEFAULT_NAME, is_default=True, **named)], ignore_conflicts=True)
    if not mine.exists():  # the owner has made a project of that name already
        Project.objects.filter(**named).update(is_default=True)
    return mine.get()


def find_project(*, owner_id: int, project_id: uuid.UUID) -> Project | None:
    return Project.objects.filter(owner_id=owner_id, pk=project_id).first()


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
    if Project.objects.filter(owner_id=owner_id).count() >= MAX_PROJECTS:
        raise BadProjectName(f"You have {MAX_PROJECTS:,} projects, and that is the most.")
    try:
        with transaction.atomic():
            project = Project.objects.create(owner_id=owner_id, name=name, folded_name=fold(name))
    except IntegrityError:
        raise BadProjectName("You already have a project of that name.") from None
    audit_log.after_commit("project.created", actor=actor, project=str(project.pk), owner=owner_id)
    return project
