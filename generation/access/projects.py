"""Projects, which group a user's jobs and assets."""

from __future__ import annotations

import unicodedata
import uuid

from django.db import IntegrityError, models, transaction

from generation.core import audit_log
from generation.core.actors import Actor
from generation.core.errors import DomainError
from generation.core.limits import NAME_LENGTH
from generation.models import Project

DEFAULT_NAME = "General"
MAX_PROJECTS = 1000  # of one owner, more or less: two at once may both be the last


class BadProjectName(DomainError):
    """Empty, too long, unprintable, or the owner has one of that name."""

    code = "bad_project_name"


def owned_projects(owner_id: int) -> models.QuerySet[Project]:
    """The owner's projects, the default first, then by name."""
    return Project.objects.filter(owner_id=owner_id).order_by("-is_default", "name", "id")


def default_project(owner_id: int) -> Project:
    """The project of jobs that name none; created when first needed."""
    mine = Project.objects.filter(owner_id=owner_id, is_default=True)
    if found := mine.first():  # at most one by constraint
        return found
    fresh = Project(owner_id=owner_id, name=DEFAULT_NAME, is_default=True)
    Project.objects.bulk_create([fresh], ignore_conflicts=True)
    if not mine.exists():  # the owner has made a project of that name already
        Project.objects.filter(owner_id=owner_id, name=DEFAULT_NAME).update(is_default=True)
    return mine.get()


def find_project(*, owner_id: int, project_id: uuid.UUID) -> Project | None:
    return Project.objects.filter(owner_id=owner_id, pk=project_id).first()


def create_project(*, owner_id: int, actor: Actor, name: str) -> Project:
    """A new project of this name.

    Raises:
        BadProjectName: empty, too long, with control characters, or taken; or the owner has MAX_PROJECTS.
    """
    name = " ".join(name.split())
    if not name or len(name) > NAME_LENGTH:
        raise BadProjectName(f"A project name has 1 to {NAME_LENGTH} characters.")
    if any(unicodedata.category(char) in ("Cc", "Cs") for char in name):
        raise BadProjectName("A project name has no control characters.")
    if Project.objects.filter(owner_id=owner_id).count() >= MAX_PROJECTS:
        raise BadProjectName(f"You have {MAX_PROJECTS:,} projects, and that is the most.")
    try:
        with transaction.atomic():
            project = Project.objects.create(owner_id=owner_id, name=name)
    except IntegrityError:
        raise BadProjectName("You already have a project of that name.") from None
    audit_log.after_commit("project.created", actor=actor, project=str(project.pk), owner=owner_id)
    return project
